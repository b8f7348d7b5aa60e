"""Inception v3: factorised convolutions, side by side in wide and cheap modules.

Szegedy, Vanhoucke, Ioffe, Shlens, Wojna, "Rethinking the Inception Architecture for
Computer Vision", arXiv 1512.00567, table 1. The paper's outline differs from every
released network (80 to 192 channels by a 3x3 convolution with stride 2, then 288);
here, as everywhere, the authors' released code counts.

Two forms, whose files are refused by one another:

- ``InceptionV3`` is that of ``keras.applications``: batch normalisation without gamma
  and with momentum 0.99, average pooling that leaves the padding out of its divisor,
  no dropout, and Keras' automatic layer names, which count from the start in each net.
- ``InceptionV3Torch`` is that of torchvision and timm: gammas, momentum 0.9, average
  pooling that counts the padding, dropout 0.5.

Deviations: kernels start from Glorot's (Keras) or He's distribution (torch form, as
TF-slim), not from torchvision's truncated normal. ``depth_multiplier`` is TF-slim's.
"""

from keras_cnns._checks import check_choice, check_flag, check_positive
from keras_cnns.applications.classification._inception import (
    AVERAGE,
    DEFAULT_SHAPE,
    FORMS,
    INFO,
    MAX,
    MIN_SIZE,
    Cells,
    Conv,
    auxiliary_head,
    reduced,
)
from keras_cnns.applications.frame.builder import (
    Design,
    classification_builder,
    pooled_classifier,
)
from keras_cnns.applications.frame.public_files import hub_file, keras_file
from keras_cnns.applications.frame.registry import register

_USUAL_DROPOUT = {"keras": 0.0, "torch": 0.5}


def _module_a(pool_filters):
    """35x35: 5x5 and stacked 3x3 convolutions."""
    return {
        "branch1x1": (Conv(64),),
        "branch5x5": (Conv(48), Conv(64, 5)),
        "branch3x3dbl": (Conv(64), Conv(96, 3), Conv(96, 3)),
        "branch_pool": (AVERAGE, Conv(pool_filters)),
    }


def _module_c(filters):
    """17x17: 7x7 convolutions factorised into 1x7 and 7x1."""
    return {
        "branch1x1": (Conv(192),),
        "branch7x7": (Conv(filters), Conv(filters, (1, 7)), Conv(192, (7, 1))),
        "branch7x7dbl": (
            Conv(filters),
            Conv(filters, (7, 1)),
            Conv(filters, (1, 7)),
            Conv(filters, (7, 1)),
            Conv(192, (1, 7)),
        ),
        "branch_pool": (AVERAGE, Conv(192)),
    }


_FORK = [Conv(384, (1, 3)), Conv(384, (3, 1))]
_MODULE_E = {
    "branch1x1": (Conv(320),),
    "branch3x3": (Conv(384), _FORK),
    "branch3x3dbl": (Conv(448), Conv(384, 3), _FORK),
    "branch_pool": (AVERAGE, Conv(192)),
}
# mixed0 to mixed10, and what torchvision and timm call them: Mixed_5b to Mixed_7c.
_MODULES = {
    "5b": _module_a(32),
    "5c": _module_a(64),
    "5d": _module_a(64),
    "6a": {
        "branch3x3": (reduced(384),),
        "branch3x3dbl": (Conv(64), Conv(96, 3), reduced(96)),
        "branch_pool": (MAX,),
    },
    "6b": _module_c(128),
    "6c": _module_c(160),
    "6d": _module_c(160),
    "6e": _module_c(192),
    "7a": {
        "branch3x3": (Conv(192), reduced(320)),
        "branch7x7x3": (Conv(192), Conv(192, (1, 7)), Conv(192, (7, 1)), reduced(192)),
        "branch_pool": (MAX,),
    },
    "7b": _MODULE_E,
    "7c": _MODULE_E,
}
_AUXILIARY = "mixed7"  # whose output the auxiliary head sees
# The layers that keras.applications names itself, but for the modules' ends.
_KERAS_NAMES = {
    "mixed9_branch3x3_concat": "mixed9_0",
    "mixed10_branch3x3_concat": "mixed9_1",
}
_STAGE_ENDS = {
    "keras": ("activation_2", "activation_4", "mixed2", "mixed7", "mixed10"),
    "torch": ("conv2d_2b_relu", "conv2d_4a_relu", "mixed2", "mixed7", "mixed10"),
}
_STATE_DICT_NAMES = (
    (r"Conv2d_(\w\w)_\dx\d\.(conv|bn)", r"conv2d_\1_\2"),
    *(
        rule
        for i, theirs in enumerate(_MODULES)
        for rule in (
            (
                rf"Mixed_{theirs}\.(branch\w+_\d[ab]?)\.(conv|bn)",
                rf"mixed{i}_\1_\2",
            ),
            (rf"Mixed_{theirs}\.(branch\w+)\.(conv|bn)", rf"mixed{i}_\1_1_\2"),
        )
    ),
    (r"AuxLogits\.(conv\d)\.(conv|bn)", r"aux1_\1_\2"),
    (r"AuxLogits\.fc", "aux1_predictions"),
    (r"fc", "predictions"),
)


@classification_builder(head_options=("aux_heads", "dropout_rate"))
def _inception_v3(
    form="torch", *, aux_heads=False, depth_multiplier=1.0, dropout_rate=None
):
    """Inception v3 in one of its two forms.

    Args:
        form: ``"keras"`` or ``"torch"``.
        aux_heads: whether an auxiliary classifier on the last 17x17 map gives a second
            output, for training with the classifier.
        depth_multiplier: factor of all widths, which stay at least 16; positive.
        dropout_rate: before the classifier, in [0, 1); None takes the form's: 0 as in
            ``keras.applications``, 0.5 as in torchvision.
    """
    check_choice("form", form, FORMS)
    check_flag("aux_heads", aux_heads)
    check_positive("depth_multiplier", depth_multiplier)
    rate = _USUAL_DROPOUT[form] if dropout_rate is None else dropout_rate

    def features(x):
        cells = Cells(
            form,
            depth_multiplier,
            keras_names=_KERAS_NAMES,
            padding_counts=form == "torch",
        )
        x = cells.max_pool(cells.stem(x), "max_pool_5a")
        maps = {}
        for i, branches in enumerate(_MODULES.values()):
            maps[f"mixed{i}"] = x = cells.block(x, branches, f"mixed{i}")
        return (x, [maps[_AUXILIARY]]) if aux_heads else x

    return Design(
        features,
        default_shape=DEFAULT_SHAPE,
        min_size=MIN_SIZE,
        head=pooled_classifier(rate),
        auxiliary_heads=(auxiliary_head(form, depth_multiplier),) if aux_heads else (),
        fixed_size=aux_heads,
        state_dict_names=_STATE_DICT_NAMES if form == "torch" else (),
        state_dict_hint="those have gammas and pool in another way; build "
        "InceptionV3Torch for them",
    )


def _variant(function_name, form, params, public_weights, note=""):
    return register(
        _inception_v3,
        function_name,
        architecture={"form": form},
        public_weights=public_weights,
        name="inception_v3" if form == "keras" else "inception_v3_torch",
        paper="Inception v3, arXiv 1512.00567, table 1 as released",
        params=params,
        macs=5.713e9,
        published="ImageNet error 21.2/5.6 %, 1-crop, non-blacklisted images",
        stage_ends=_STAGE_ENDS[form],
        note=note,
        **INFO,
    )


InceptionV3 = _variant(
    "InceptionV3",
    "keras",
    23_817_352,
    {
        "imagenet": keras_file(
            "inception_v3",
            "inception_v3",
            "9a0d58056eeedaa3f26cb7ebd46da564",
            "bcbd6486424b2319ff4ef7d526e38f63",
        )
    },
    note="no gammas, of which the torch form has 17,216",
)
InceptionV3Torch = _variant(
    "InceptionV3Torch",
    "torch",
    23_834_568,
    {
        "imagenet": hub_file("inception_v3.tv_in1k"),
        "tf_in1k": hub_file("inception_v3.tf_in1k"),
        "tf_adv_in1k": hub_file("inception_v3.tf_adv_in1k"),
        "gluon_in1k": hub_file("inception_v3.gluon_in1k", preprocessing="torch"),
    },
)

__all__ = ["InceptionV3", "InceptionV3Torch"]
