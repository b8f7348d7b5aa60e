"""Inception v4: the modules of v3, more of them and more alike, without residuals.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning", arXiv 1602.07261, figures 3 to 9.

The form is that of timm and Cadene's port: batch normalisation with gammas and momentum
0.9, average pooling that leaves the padding out of its divisor. The paper keeps 80 % of
the values before the classifier, so dropout is 0.2. Deviations: none known but
``depth_multiplier``, which the authors' code has for v3 only.
"""

from keras_cnns._checks import check_positive
from keras_cnns.applications.classification._inception import (
    AVERAGE,
    DEFAULT_SHAPE,
    INFO,
    MAX,
    MIN_SIZE,
    Cells,
    Conv,
    reduced,
)
from keras_cnns.applications.frame.builder import (
    Design,
    classification_builder,
    pooled_classifier,
)
from keras_cnns.applications.frame.public_files import hub_file
from keras_cnns.applications.frame.registry import register

_STEM = {
    "conv2d_1a": reduced(32),
    "conv2d_2a": Conv(32, 3, padding="valid"),
    "conv2d_2b": Conv(64, 3),
}
_MIXED_3A = {"branch_pool": (MAX,), "conv": (reduced(96),)}
_MIXED_4A = {
    "branch0": (Conv(64), Conv(96, 3, padding="valid")),
    "branch1": (
        Conv(64),
        Conv(64, (1, 7)),
        Conv(64, (7, 1)),
        Conv(96, 3, padding="valid"),
    ),
}
_MIXED_5A = {"conv": (reduced(192),), "branch_pool": (MAX,)}
_INCEPTION_A = {
    "branch0": (Conv(96),),
    "branch1": (Conv(64), Conv(96, 3)),
    "branch2": (Conv(64), Conv(96, 3), Conv(96, 3)),
    "branch3": (AVERAGE, Conv(96)),
}
_REDUCTION_A = {
    "branch0": (reduced(384),),
    "branch1": (Conv(192), Conv(224, 3), reduced(256)),
    "branch2": (MAX,),
}
_INCEPTION_B = {
    "branch0": (Conv(384),),
    "branch1": (Conv(192), Conv(224, (1, 7)), Conv(256, (7, 1))),
    "branch2": (
        Conv(192),
        Conv(192, (7, 1)),
        Conv(224, (1, 7)),
        Conv(224, (7, 1)),
        Conv(256, (1, 7)),
    ),
    "branch3": (AVERAGE, Conv(128)),
}
_REDUCTION_B = {
    "branch0": (Conv(192), reduced(192)),
    "branch1": (Conv(256), Conv(256, (1, 7)), Conv(320, (7, 1)), reduced(320)),
    "branch2": (MAX,),
}
_FORK = [Conv(256, (1, 3)), Conv(256, (3, 1))]
_INCEPTION_C = {
    "branch0": (Conv(256),),
    "branch1": (Conv(384), _FORK),
    "branch2": (Conv(384), Conv(448, (3, 1)), Conv(512, (1, 3)), _FORK),
    "branch3": (AVERAGE, Conv(256)),
}
# In the order of the network, which is that of timm's features.3, features.4, ...
_BLOCKS = {
    "mixed_3a": _MIXED_3A,
    "mixed_4a": _MIXED_4A,
    "mixed_5a": _MIXED_5A,
    **{f"inception_a{i}": _INCEPTION_A for i in range(1, 5)},
    "reduction_a": _REDUCTION_A,
    **{f"inception_b{i}": _INCEPTION_B for i in range(1, 8)},
    "reduction_b": _REDUCTION_B,
    **{f"inception_c{i}": _INCEPTION_C for i in range(1, 4)},
}
_STATE_DICT_NAMES = (
    *((rf"features\.{i}\.(conv|bn)", rf"{name}_\1") for i, name in enumerate(_STEM)),
    *(
        rule
        for i, name in enumerate(_BLOCKS, start=len(_STEM))
        for rule in (
            (rf"features\.{i}\.branch3\.1\.(conv|bn)", rf"{name}_branch3_1_\1"),
            (
                rf"features\.{i}\.(branch\d)[._](\d)([ab]?)\.(conv|bn)",
                rf"{name}_\1_{{\2+1}}\3_\4",
            ),
            (rf"features\.{i}\.(conv|branch\d)\.(conv|bn)", rf"{name}_\1_1_\2"),
        )
    ),
    (r"last_linear", "predictions"),
)


@classification_builder(head_options=("dropout_rate",))
def _inception_v4(*, depth_multiplier=1.0, dropout_rate=0.2):
    """Inception v4.

    Args:
        depth_multiplier: factor of all widths, which stay at least 16; positive.
        dropout_rate: before the classifier, in [0, 1).
    """
    check_positive("depth_multiplier", depth_multiplier)

    def features(x):
        cells = Cells("torch", depth_multiplier)
        for name, step in _STEM.items():
            x = cells.conv(x, step, name)
        for name, branches in _BLOCKS.items():
            x = cells.block(x, branches, name)
        return x

    return Design(
        features,
        default_shape=DEFAULT_SHAPE,
        min_size=MIN_SIZE,
        head=pooled_classifier(dropout_rate),
        state_dict_names=_STATE_DICT_NAMES,
    )


InceptionV4 = register(
    _inception_v4,
    "InceptionV4",
    public_weights={"imagenet": hub_file("inception_v4.tf_in1k")},
    name="inception_v4",
    paper="Inception v4, arXiv 1602.07261, figure 9",
    params=42_679_816,
    macs=12.254e9,
    published="ImageNet error 20.0/5.0 %, 1-crop, non-blacklisted images",
    stage_ends=(
        "conv2d_2b_relu",
        "mixed_3a",
        "inception_a4",
        "inception_b7",
        "inception_c3",
    ),
    **INFO,
)

__all__ = ["InceptionV4"]
