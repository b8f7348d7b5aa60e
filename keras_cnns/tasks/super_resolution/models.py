"""Super-resolution models: networks, and hyper-parameters as published.

Patches are given as the paper's small ones times the scale. Where a paper's loss is
half the sum of squares over a patch, rates are multiplied by half its pixels, since
here it is their mean; decay, divided by as much, then moves a weight as it does there.
"""

from __future__ import annotations

import dataclasses

from keras_cnns import applications, losses, trainers
from keras_cnns.runs import PaperModel

TRAINERS = {
    "": trainers.SuperResolutionTrainer,
    "srgan": trainers.SRGANTrainer,
}

_SCALES = (2, 3, 4)
_SMALL_SIDE = 16  # of the quick recipe's small patches


def _of_sums(side, learning_rate, weight_decay=0.0):
    """Options of a paper whose loss is half the sum over patches of a side."""
    factor = side * side / 2
    return {
        "learning_rate": learning_rate * factor,
        "weight_decay": weight_decay / factor,
    }


# fmt: off
_ADAM = {"optimizer": "adam", "epsilon": 1e-8}
_SGD = {"optimizer": "sgd", "momentum": 0.9, "loss": "l2"}
_SRCNN = {
    **_SGD, "image_size": 33, "batch_size": 128, "augmentation": "",
    "rate_factors": "conv3/*:0.1",
}
_FSRCNN = {**_SGD, "batch_size": 128, "rate_factors": "upsample1_conv/*:0.1"}
_ESPCN = {
    **_ADAM, "learning_rate": 1e-3, "loss": "l2", "batch_size": 16,
    "augmentation": "",
}
_VDSR = {
    **_SGD, **_of_sums(41, 0.1, 1e-4), "image_size": 41, "batch_size": 64,
    "epochs": 80, "schedule": "step", "boundaries": "0.25,0.5,0.75",
    "gradient_clip_value": 0.01, "scales": ("2", "3", "4"),
}
_DRCN = {
    **_SGD, **_of_sums(41, 0.01, 1e-4), "image_size": 41, "batch_size": 64,
    "schedule": "step", "boundaries": "0.5,0.75", "supervision_fraction": 0.5,
    "augmentation": "",
}
_SRDENSENET = {
    **_ADAM, "learning_rate": 1e-4, "loss": "l2", "image_size": 100,
    "batch_size": 32, "augmentation": "",
}
_EDSR = {
    **_ADAM, "learning_rate": 1e-4, "loss": "l1", "batch_size": 16,
    "schedule": "step", "boundaries": "0.6667", "decay_rate": 0.5,
}
_RDN = {**_EDSR, "schedule": "step", "boundaries": "0.2,0.4,0.6,0.8"}
_SRRESNET = {
    **_ADAM, "learning_rate": 1e-4, "loss": "l2", "image_size": 96,
    "batch_size": 16,
}
_SRGAN = {
    **_SRRESNET, "pixel_fraction": 5 / 6, "schedule": "step", "boundaries": "0.5",
    "decay_rate": 0.1, "beta_1": 0.9, "adversarial_weight": 1e-3, "pixel_weight": 0.0,
    "feature_scale": losses.VGG_FEATURE_SCALE,
}
_MSRRESNET = {
    **_ADAM, "learning_rate": 2e-4, "loss": "l1", "batch_size": 16,
    "beta_2": 0.99, "schedule": "cosine",
}
_QUICK = {
    "optimizer": "adam", "learning_rate": 1e-3, "batch_size": 16, "schedule": "step",
    "boundaries": "0.75", "epochs": 10,
}
# fmt: on
_VALID = {"padding": "valid"}
_SRCNN_SOURCE = (
    "arXiv 1501.00092, sections 3.2 and 4.1: patches without padding, the last layer "
    "at a tenth of the rate; momentum is (unverified)"
)
_FSRCNN_SOURCE = (
    "arXiv 1608.00367, section 4.1, the deconvolution at a tenth of the rate; patches, "
    "momentum and batch size are (unverified)"
)
_ESPCN_SOURCE = (
    "arXiv 1609.05158, section 3.2, patches of 17 times the scale and squared errors; "
    "optimizer and batch size are those of ports (unverified)"
)
_VDSR_SOURCE = (
    "arXiv 1511.04587, section 5.2, all scales in one network; theta of the clipping, "
    "0.01, is that of a port (unverified)"
)
_DRCN_SOURCE = (
    "arXiv 1511.04491, section 4.2; rate, patches, batch size and how supervision "
    "falls are (unverified), the rate drops on a plateau there"
)
_SRDENSENET_SOURCE = (
    "ICCV 2017, section 4.2; the rate is that of ports (unverified), which add the "
    "squared errors of luma as the paper does"
)
_RDN_SOURCE = (
    "arXiv 1802.08797, section 5.1: patches of 32 times the scale, the rate halved "
    "every 200 epochs (unverified)"
)
_EDSR_SOURCE = (
    "arXiv 1707.02921, section 4.2, patches of 48 times the scale, rate halved at "
    "200,000 of 300,000 steps; x3 and x4 start there from x2, here anew"
)
_SRRESNET_SOURCE = "arXiv 1609.04802, section 3.2; batch size and rate (unverified)"
_SRGAN_SOURCE = (
    "arXiv 1609.04802, sections 2.2 and 3.2: 10^6 steps on pixels, 10^5 against the "
    "discriminator at 1e-4 and 10^5 at 1e-5, on patches of 96 of 350,000 photographs; "
    "compared by VGG19's block5_conv4 (--feature_weights)"
)
_MSRRESNET_SOURCE = "github.com/XPixelGroup/BasicSR (unverified)"
_SMALL_SOURCE = "not from a paper: the recipe that --recipe=quick names"


def _row(network, source, options, training=None):
    """The published recipe of a network, and the quick one."""
    scale = scale_of(network)
    side = _SMALL_SIDE * (scale or 3)
    return PaperModel(
        {"network": network},
        options,
        source,
        details={
            "training": training or {},
            "quick": {**_QUICK, "loss": options["loss"], "image_size": side},
        },
    )


def _small(network, loss, **changes):
    """A network that is not a paper's, with the quick recipe."""
    row = _row(network, _SMALL_SOURCE, {"loss": loss})
    quick = {**row.details["quick"], **changes}
    return PaperModel(row.networks, quick, row.source, details=row.details)


def _srgan():
    """SRResNet's networks with a discriminator."""
    row = _row("srresnet_x4", _SRGAN_SOURCE, _SRGAN)
    changes = {"pixel_learning_rate": 1e-3, "learning_rate": 2e-4}
    return dataclasses.replace(
        row,
        networks={**row.networks, "discriminator": "srgan_discriminator"},
        trainer="srgan",
        details={**row.details, "quick": {**row.details["quick"], **changes}},
    )


def scale_of(network: str) -> int | None:
    """What a registered network enlarges by; None if it takes enlarged pictures."""
    return applications.model_info(network).architecture.get("scale")


def is_recursive(network: str) -> bool:
    """Whether a registered network gives a picture after each of its recursions."""
    return "recursions" in applications.model_info(network).architecture


def _by_scale(name, source, options, sides):
    """Rows of a family's networks, with the sides of their large patches by scale."""
    return {
        f"{name}_x{scale}": _row(
            f"{name}_x{scale}", source, {**options, "image_size": side}
        )
        for scale, side in sides.items()
    }


def _times(side):
    return {scale: side * scale for scale in _SCALES}


def _srcnn(middle, lost):
    """Its loss is over what 33x33 pixels leave."""
    options = {**_SRCNN, **_of_sums(33 - lost, 1e-4)}
    return _row(f"srcnn9{middle}5", _SRCNN_SOURCE, options, _VALID)


def _fsrcnn(name, sides):
    rows = _by_scale(name, _FSRCNN_SOURCE, _FSRCNN, sides)
    for row in rows.values():
        row.options.update(_of_sums(row.options["image_size"], 1e-3))
    return rows


MODELS = {
    "srcnn915": _srcnn(1, 12),
    "srcnn935": _srcnn(3, 14),
    "srcnn955": _srcnn(5, 16),
    **_fsrcnn("fsrcnn", {2: 20, 3: 21, 4: 24}),
    **_fsrcnn("fsrcnn_s", {2: 20, 3: 21, 4: 24}),
    **_by_scale("espcn", _ESPCN_SOURCE, _ESPCN, _times(17)),
    "vdsr": _row("vdsr", _VDSR_SOURCE, _VDSR),
    "drcn": _row("drcn", _DRCN_SOURCE, _DRCN),
    **_by_scale("srdensenet", _SRDENSENET_SOURCE, _SRDENSENET, {4: 100}),
    **_by_scale("rdn", _RDN_SOURCE, _RDN, _times(32)),
    "rdn_c3_d10_x2": _row("rdn_c3_d10_x2", _RDN_SOURCE, {**_RDN, "image_size": 64}),
    **_by_scale("edsr_baseline", _EDSR_SOURCE, _EDSR, _times(48)),
    **_by_scale("edsr", _EDSR_SOURCE, _EDSR, _times(48)),
    **_by_scale("srresnet", _SRRESNET_SOURCE, _SRRESNET, {4: 96}),
    "srgan": _srgan(),
    **_by_scale("msrresnet", _MSRRESNET_SOURCE, _MSRRESNET, {2: 128, 3: 129, 4: 128}),
    "vdsr_small": _small("vdsr_small", "l2"),
    "drcn_small": _small("drcn_small", "l2", supervision_fraction=0.5),
    **{f"edsr_small_x{s}": _small(f"edsr_small_x{s}", "l1") for s in _SCALES},
    **{f"rdn_small_x{s}": _small(f"rdn_small_x{s}", "l1") for s in _SCALES},
    "srdensenet_small_x4": _small("srdensenet_small_x4", "l2"),
    **{f"srresnet_small_x{s}": _small(f"srresnet_small_x{s}", "l2") for s in _SCALES},
}
