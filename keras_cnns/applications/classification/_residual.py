"""Residual blocks and networks: what ResNet and stochastic depth have in common."""

from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count, check_counts, check_within
from keras_cnns.applications.frame.builder import Design
from keras_cnns.applications.frame.parts import (
    STEM_SHAPES,
    check_stem,
    conv_initializer,
    normalised,
    stem_pooling,
)
from keras_cnns.layers import ChannelPadding

# What tells one form of the network from another; strided: the convolution of a
# bottleneck that strides, 1 (the paper, Keras) or 2 (torchvision, timm).
FORMS = {
    "keras": {"use_bias": True, "epsilon": 1.001e-5, "momentum": 0.99, "strided": 1},
    "paper": {"use_bias": False, "epsilon": 1e-5, "momentum": 0.9, "strided": 1},
    "biased": {"use_bias": True, "epsilon": 1e-5, "momentum": 0.9, "strided": 1},
    "torch": {"use_bias": False, "epsilon": 1e-5, "momentum": 0.9, "strided": 2},
}
SHORTCUTS = ("zero_pad", "average_pool", "projection")
MIN_SIZE = {"imagenet": 32, "small": 4}
# Modules of timm's and torchvision's ResNet.
_STATE_DICT_NAMES = (
    (r"conv1", "conv1_conv"),
    (r"bn1", "conv1_bn"),
    *(
        (rf"layer(\d)\.(\d+)\.{theirs}", rf"conv{{\1+1}}_block{{\2+1}}_{ours}")
        for theirs, ours in (
            ("conv1", "1_conv"),
            ("bn1", "1_bn"),
            ("conv2", "2_conv"),
            ("bn2", "2_bn"),
            ("conv3", "3_conv"),
            ("bn3", "3_bn"),
            (r"downsample\.0", "0_conv"),
            (r"downsample\.1", "0_bn"),
        )
    ),
    (r"fc", "predictions"),
)


def survival_rates(num_blocks: int, final_survival_rate: float) -> list:
    """Fraction of the batches in which each block is open: linear from 1 to the last's.

    Stochastic depth's p_l = 1 - (l / L) * (1 - p_L) for l = 1 ... L.
    """
    return [
        1 - block / num_blocks * (1 - final_survival_rate)
        for block in range(1, num_blocks + 1)
    ]


def stage_ends(units) -> tuple:
    """Names of the layers in which the stages end."""
    return tuple(f"conv{s}_block{n}_out" for s, n in enumerate(units, start=2))


def _conv(x, filters, size, strides, form, name):
    """Convolution; symmetric padding where it strides, the same size where not."""
    padding = "same" if size > 1 and strides == 1 else "valid"
    if size > 1 and strides > 1:
        x = layers.ZeroPadding2D(size // 2, name=f"{name[:-4]}pad")(x)
    return layers.Conv2D(
        filters,
        size,
        strides=strides,
        padding=padding,
        use_bias=form["use_bias"],
        kernel_initializer=conv_initializer(),
        name=name,
    )(x)


def _conv_norm(x, filters, size, strides, form, name, activation=True):
    """Convolution, batch normalisation and, but for a block's last one, ReLU."""
    x = _conv(x, filters, size, strides, form, f"{name}_conv")
    x = normalised(x, name, form["momentum"], form["epsilon"])
    return layers.Activation("relu", name=f"{name}_relu")(x) if activation else x


def _shortcut(x, filters, strides, kind, form, name):
    """Identity where the shape stays, else what ``kind`` says.

    ``"zero_pad"`` subsamples and ``"average_pool"`` averages before zero channels are
    appended; ``"projection"`` has parameters.
    """
    if x.shape[-1] == filters and strides == 1:
        return x
    if kind == "projection":
        return _conv_norm(x, filters, 1, strides, form, f"{name}_0", activation=False)
    if kind == "average_pool" and strides > 1:
        x = layers.AveragePooling2D(strides, padding="same", name=f"{name}_0_pool")(x)
    elif strides > 1:
        x = layers.AveragePooling2D(1, strides=strides, name=f"{name}_0_subsample")(x)
    return ChannelPadding(filters, name=f"{name}_0_pad")(x)


def _gate(x, survival_rate, drop_path, name):
    """A block's branch, left out at random in training; unchanged at rate 1.

    Dropout divides what it keeps by the rate. For a whole batch that is undone: the
    branch is then 0 or as it is in training, and scaled by its rate in inference.
    """
    if survival_rate == 1:
        return x
    shape = {"batch": (1, 1, 1, 1), "sample": (None, 1, 1, 1)}[drop_path]
    x = layers.Dropout(1 - survival_rate, noise_shape=shape, name=f"{name}_gate")(x)
    if drop_path == "batch":
        x = layers.Rescaling(survival_rate, name=f"{name}_survival")(x)
    return x


def _joined(shortcut, x, survival_rate, drop_path, name):
    """Shortcut and gated branch, added; the ReLU is outside the gate."""
    x = _gate(x, survival_rate, drop_path, name)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _basic_block(x, filters, strides, shortcut, form, gate, name):
    """Two 3x3 convolutions."""
    identity = _shortcut(x, filters, strides, shortcut, form, name)
    x = _conv_norm(x, filters, 3, strides, form, f"{name}_1")
    x = _conv_norm(x, filters, 3, 1, form, f"{name}_2", activation=False)
    return _joined(identity, x, *gate, name)


def _bottleneck_block(x, filters, strides, shortcut, form, gate, name):
    """1x1, 3x3 and 1x1 convolutions, the last with four times the filters."""
    identity = _shortcut(x, 4 * filters, strides, shortcut, form, name)
    first, second = (strides, 1) if form["strided"] == 1 else (1, strides)
    x = _conv_norm(x, filters, 1, first, form, f"{name}_1")
    x = _conv_norm(x, filters, 3, second, form, f"{name}_2")
    x = _conv_norm(x, 4 * filters, 1, 1, form, f"{name}_3", activation=False)
    return _joined(identity, x, *gate, name)


BLOCKS = {"basic": _basic_block, "bottleneck": _bottleneck_block}


def _stem(x, filters, stem, form):
    """7x7/2 and 3x3/2 max pooling, or one 3x3 convolution."""
    if stem == "small":
        return _conv_norm(x, filters, 3, 1, form, "conv1")
    return stem_pooling(_conv_norm(x, filters, 7, 2, form, "conv1"))


def check_survival(final_survival_rate, drop_path) -> None:
    """Refuses rates outside (0, 1] and kinds of gates that do not exist."""
    check_choice("drop_path", drop_path, ("batch", "sample"))
    check_within("final_survival_rate", final_survival_rate, "(0, 1]")
    if final_survival_rate == 1 and drop_path != "batch":
        raise ValueError(
            f"drop_path={drop_path!r} has no effect with final_survival_rate=1, where "
            "every block is open; leave it out"
        )


def residual_design(
    units, block, filters, shortcut, stem, form, final_survival_rate, drop_path
) -> Design:
    """The design of a residual network; its arguments are those of ``ResNet``."""
    check_choice("block", block, BLOCKS)
    check_choice("shortcut", shortcut, SHORTCUTS)
    check_stem(stem)
    check_counts("units", units)
    check_count("filters", filters)
    check_choice("form", form, FORMS)
    check_survival(final_survival_rate, drop_path)
    reads_state_dicts = stem == "imagenet" and (form == "torch" or block == "basic")
    form = FORMS[form]

    def features(x):
        x = _stem(x, filters, stem, form)
        rates = iter(survival_rates(sum(units), final_survival_rate))
        for stage, length in enumerate(units):
            for i in range(1, length + 1):
                x = BLOCKS[block](
                    x,
                    filters * 2**stage,
                    2 if i == 1 and stage > 0 else 1,
                    shortcut,
                    form,
                    (next(rates), drop_path),
                    f"conv{stage + 2}_block{i}",
                )
        return x

    return Design(
        features,
        default_shape=STEM_SHAPES[stem],
        min_size=MIN_SIZE[stem],
        state_dict_names=_STATE_DICT_NAMES if reads_state_dicts else (),
        state_dict_hint="those of ResNet-50, 101 and 152 hold the form with stride on "
        "the 3x3 convolution; build ResNet50V1_5 and its kin (form='torch') for them",
    )
