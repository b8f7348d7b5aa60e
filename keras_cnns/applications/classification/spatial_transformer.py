"""Fully connected and convolutional networks behind spatial transformers.

Jaderberg, Simonyan, Zisserman, Kavukcuoglu, "Spatial Transformer Networks", arXiv
1506.02025, section 4.1 and appendix A: distorted MNIST and the sum of two digits. A
localisation network looks at the input and regresses a warp of it, which the classifier
then sees. Each body has three layers of weights: two dense ones (``fcn``), or two
convolutions of 9x9 and 7x7 with 2x2 maximum pooling (``cnn``), and the classifier.

Deviations: the paper makes all networks equally large and does not give their widths;
those here are ours, and so are the initial values (He's).
"""

from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count, check_counts, check_flag
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import SMALL_IMAGES, classifier
from keras_cnns.applications.frame.registry import register
from keras_cnns.applications.frame.spatial_transformer import spatial_transformer
from keras_cnns.layers import TRANSFORMS

# Of each body: the widths of its two hidden layers, that of its localisation networks'
# layers, and the smallest input, for itself and for its localisation network.
_BODIES = {
    "fcn": ((128, 128), 32, 1, 2),
    "cnn": ((32, 32), 20, 24, 28),
}
_TRAITS = {
    "fcn": ("vector_features", "fixed_size", "fixed_features"),
    "cnn": ("fixed_size", "fixed_features"),
}
# Of one image, and of two side by side.
_SHAPES = {False: (28, 28, 1), True: (42, 84, 1)}
# Parallel transformers start this far apart, in units of half the image.
_APART = 0.5
_AFFINE, _PROJECTIVE, _TPS = "affine", "projective", "thin_plate_spline"
# name: (body, transforms, params, the paper's error in % on R, RTS, P and E). With a
# transformer those of its localisation network, which sees half the size, and of the
# regression are added.
_DIGITS = {
    # 784*128 + 128 + 128*129 + 10*129
    "STNFCN": ("fcn", None, 118_282, "2.1, 5.2, 3.1, 3.2"),
    # 196*32 + 32 + 2*32*33 = 8,416 for localisation, and 33 for each parameter
    "STNFCNAffine": (
        "fcn", (_AFFINE,), 118_282 + 8_416 + 33 * 6, "1.2, 0.8, 1.5, 2.7",
    ),
    "STNFCNProjective": (
        "fcn", (_PROJECTIVE,), 118_282 + 8_416 + 33 * 8, "1.3, 0.9, 1.4, 2.6",
    ),
    "STNFCNTPS": ("fcn", (_TPS,), 118_282 + 8_416 + 33 * 32, "1.1, 0.8, 1.4, 2.4"),
    # 81*32 + 32 + 49*32*32 + 32 + 2*2*32*10 + 10
    "STNCNN": ("cnn", None, 54_122, "1.2, 0.8, 1.5, 1.4"),
    # 25*20 + 20 + 25*20*20 + 20 + 20*20 + 20 = 10,960, and 21 for each parameter
    "STNCNNAffine": (
        "cnn", (_AFFINE,), 54_122 + 10_960 + 21 * 6, "0.7, 0.5, 0.8, 1.2",
    ),
    "STNCNNProjective": (
        "cnn", (_PROJECTIVE,), 54_122 + 10_960 + 21 * 8, "0.8, 0.6, 0.8, 1.3",
    ),
    "STNCNNTPS": ("cnn", (_TPS,), 54_122 + 10_960 + 21 * 32, "0.7, 0.5, 0.8, 1.1"),
}  # fmt: skip
# name: (body, transforms, params, the paper's error in %)
_ADDITION = {
    # 2*42*42*128 + 128 + 128*129 + 19*129
    "STNAdditionFCN": ("fcn", None, 470_675, "47.7"),
    # 2*81*32 + 32 + 49*32*32 + 32 + 5*5*32*19 + 19
    "STNAdditionCNN": ("cnn", None, 70_643, "14.7"),
    # 2*21*21*32 + 32 + 2*32*33 = 30,368 for localisation
    "STNAdditionFCNAffine": ("fcn", (_AFFINE,), 470_675 + 30_368 + 33 * 6, "22.6"),
    "STNAdditionFCNProjective": (
        "fcn", (_PROJECTIVE,), 470_675 + 30_368 + 33 * 8, "18.5",
    ),
    "STNAdditionFCNTPS": (
        "fcn", (_TPS,), 470_675 + 30_368 + 33 * 32, "19.1 (unverified)",
    ),
    # the body sees both outputs: 2*42*42*128 = 451,584 more, 922,259 in all
    "STNAdditionFCNAffine2": (
        "fcn", (_AFFINE,) * 2, 922_259 + 2 * (30_368 + 33 * 6), "9.0",
    ),
    "STNAdditionFCNProjective2": (
        "fcn", (_PROJECTIVE,) * 2, 922_259 + 2 * (30_368 + 33 * 8), "5.9",
    ),
    "STNAdditionFCNTPS2": (
        "fcn", (_TPS,) * 2, 922_259 + 2 * (30_368 + 33 * 32), "5.8",
    ),
}  # fmt: skip


def _dense(x, units, name):
    return layers.Dense(
        units, activation="relu", kernel_initializer="he_normal", name=name
    )(x)


def _conv(x, filters, size, name):
    return layers.Conv2D(
        filters, size, activation="relu", kernel_initializer="he_normal", name=name
    )(x)


def _halves_as_channels(x, least):
    """Two images side by side, each at least so wide, as the channels of one."""
    half, rest = divmod(x.shape[2], 2)
    if rest or half < least:
        raise ValueError(
            f"width must be twice that of an image, which is at least {least}, got "
            f"{x.shape[2]}"
        )
    left = layers.Cropping2D(((0, 0), (0, half)), name="left")(x)
    right = layers.Cropping2D(((0, 0), (half, 0)), name="right")(x)
    return layers.Concatenate(name="pair")([left, right])


def _localisation(x, body, width, name):
    """Features of the image of half the size: three dense layers, or two convolutions
    and a dense layer."""
    if body == "fcn":
        x = layers.Flatten(name=f"{name}_flatten")(x)
        for index in (1, 2, 3):
            x = _dense(x, width, f"{name}_fc{index}")
        return x
    x = _conv(x, width, 5, f"{name}_conv1")
    x = layers.MaxPooling2D(2, name=f"{name}_pool1")(x)
    x = _conv(x, width, 5, f"{name}_conv2")
    x = layers.Flatten(name=f"{name}_flatten")(x)
    return _dense(x, width, f"{name}_fc")


def _warped(x, transforms, body, width):
    """The image by each transformer, as channels of one."""
    small = layers.AveragePooling2D(2, name="halved")(x)
    outputs = []
    for index, transform in enumerate(transforms):
        place = (2 * index + 1) / len(transforms) - 1
        features = _localisation(small, body, width, f"localisation{index + 1}")
        warped = spatial_transformer(
            x,
            features,
            transform,
            shift=(place * _APART, 0.0),
            name=f"transformer{index + 1}",
        )
        outputs.append(warped)
    if len(outputs) == 1:
        return outputs[0]
    return layers.Concatenate(name="transformers")(outputs)


def _hidden(x, body, widths):
    """The two hidden layers of the classifier."""
    if body == "fcn":
        x = layers.Flatten(name="flatten")(x)
        for index, width in enumerate(widths, start=1):
            x = _dense(x, width, f"fc{index}")
        return x
    for index, (width, size) in enumerate(zip(widths, (9, 7)), start=1):
        x = _conv(x, width, size, f"conv{index}")
        x = layers.MaxPooling2D(2, name=f"pool{index}")(x)
    return x


def _flat_classifier(x, classes, activation):
    return classifier(layers.Flatten(name="flatten")(x), classes, activation)


def _check_transforms(transforms, localisation_width):
    if localisation_width is not None:
        check_count("localisation_width", localisation_width)
    if transforms is None:
        if localisation_width is not None:
            raise ValueError(
                f"localisation_width={localisation_width!r} has no effect without "
                "transforms; leave it out"
            )
        return
    if not isinstance(transforms, (list, tuple)) or not transforms:
        raise ValueError(
            f"transforms must be None or a list of names, got {transforms!r}"
        )
    for transform in transforms:
        check_choice(f"each of transforms={transforms!r}", transform, TRANSFORMS)


@classification_builder
def _spatial_transformer_network(
    body="fcn",
    transforms=("affine",),
    side_by_side=False,
    *,
    widths=None,
    localisation_width=None,
    downsampling=1,
):
    """General builder of classifiers behind spatial transformers.

    Args:
        body: ``"fcn"`` or ``"cnn"``.
        transforms: list of the transform of each of the parallel transformers, as
            ``layers.SamplingGrid`` names them, whose outputs are the body's channels;
            None for the body alone.
        side_by_side: whether the image is two of equal size side by side, which become
            its channels.
        widths: units of the body's two dense layers, or filters of its convolutions;
            None is 128 and 128, or 32 and 32.
        localisation_width: of the hidden layers of each localisation network; None is
            32 units of the three dense ones, or 20 of two 5x5 convolutions and a dense
            one.
        downsampling: factor by which the warped image is averaged before the body sees
            it: warps that shrink alias less at full size.
    """
    check_choice("body", body, _BODIES)
    default_widths, default_width, min_body, min_localisation = _BODIES[body]
    widths = default_widths if widths is None else widths
    check_counts("widths", widths)
    if len(widths) != 2:
        raise ValueError(f"widths must have two entries, got {widths!r}")
    _check_transforms(transforms, localisation_width)
    width = localisation_width or default_width
    check_count("downsampling", downsampling)
    check_flag("side_by_side", side_by_side)

    least = max(min_body * downsampling, min_localisation if transforms else 1)

    def features(x):
        if side_by_side:
            x = _halves_as_channels(x, least)
        if transforms:
            x = _warped(x, transforms, body, width)
        if downsampling > 1:
            x = layers.AveragePooling2D(downsampling, name="downsampled")(x)
        return _hidden(x, body, widths)

    return Design(
        features,
        default_shape=_SHAPES[side_by_side],
        min_size=least,
        head=classifier if body == "fcn" else _flat_classifier,
        fixed_size=True,
    )


def _registry_name(function_name):
    """``STNAdditionFCNTPS2`` is ``stn_addition_fcn_tps2``."""
    name = function_name.lower()
    for part in ("addition", "fcn", "cnn", "affine", "projective", "tps"):
        name = name.replace(part, f"_{part}")
    return name


def _variant(function_name):
    is_pair = function_name in _ADDITION
    body, transforms, params, errors = {**_DIGITS, **_ADDITION}[function_name]
    task = "the sum of two digits" if is_pair else "digits distorted by R, RTS, P, E"
    return register(
        _spatial_transformer_network,
        function_name,
        architecture={
            "body": body,
            "transforms": transforms,
            "side_by_side": is_pair,
        },
        name=_registry_name(function_name),
        paper="Spatial Transformer Networks, arXiv 1506.02025, "
        + ("appendix" if is_pair else "table 1"),
        params=params,
        published=f"MNIST, {task}: error {errors} %",
        note="widths are ours, the paper gives none",
        min_size=_BODIES[body][3 if transforms else 2],
        stage_ends=("pool1", "pool2") if body == "cnn" else (),
        traits=_TRAITS[body],
        preprocessing="dataset",
        input_shape=_SHAPES[is_pair],
        classes=19 if is_pair else 10,
    )


STNFCN = _variant("STNFCN")
STNFCNAffine = _variant("STNFCNAffine")
STNFCNProjective = _variant("STNFCNProjective")
STNFCNTPS = _variant("STNFCNTPS")
STNCNN = _variant("STNCNN")
STNCNNAffine = _variant("STNCNNAffine")
STNCNNProjective = _variant("STNCNNProjective")
STNCNNTPS = _variant("STNCNNTPS")
STNAdditionFCN = _variant("STNAdditionFCN")
STNAdditionCNN = _variant("STNAdditionCNN")
STNAdditionFCNAffine = _variant("STNAdditionFCNAffine")
STNAdditionFCNProjective = _variant("STNAdditionFCNProjective")
STNAdditionFCNTPS = _variant("STNAdditionFCNTPS")
STNAdditionFCNAffine2 = _variant("STNAdditionFCNAffine2")
STNAdditionFCNProjective2 = _variant("STNAdditionFCNProjective2")
STNAdditionFCNTPS2 = _variant("STNAdditionFCNTPS2")
STN = register(
    _spatial_transformer_network,
    "STN",
    name="stn",
    paper="Spatial Transformer Networks, arXiv 1506.02025, general builder "
    "(default: stn_fcn_affine)",
    params=_DIGITS["STNFCNAffine"][2],
    min_size=_BODIES["fcn"][3],
    traits=_TRAITS["fcn"],
    **{**SMALL_IMAGES, "input_shape": _SHAPES[False]},
)

__all__ = ["STN", *_DIGITS, *_ADDITION]
