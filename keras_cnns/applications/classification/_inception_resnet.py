"""Layers of Inception-ResNet v1 and v2 as tables, and their names in other ports."""

from tensorflow.keras import layers

from keras_cnns.applications.classification._inception import (
    AVERAGE,
    MAX,
    Cells,
    Conv,
    reduced,
)

_MIXED_5B = {
    "branch0": (Conv(96),),
    "branch1": (Conv(48), Conv(64, 5)),
    "branch2": (Conv(64), Conv(96, 3), Conv(96, 3)),
    "branch3": (AVERAGE, Conv(64)),
}
# Per version: the residual branches of its three kinds of block, and the reductions.
_V1 = {
    "block35": {
        "branch0": (Conv(32),),
        "branch1": (Conv(32), Conv(32, 3)),
        "branch2": (Conv(32), Conv(32, 3), Conv(32, 3)),
    },
    "mixed_6a": {
        "branch0": (reduced(384),),
        "branch1": (Conv(192), Conv(192, 3), reduced(256)),
        "branch2": (MAX,),
    },
    "block17": {
        "branch0": (Conv(128),),
        "branch1": (Conv(128), Conv(128, (1, 7)), Conv(128, (7, 1))),
    },
    "mixed_7a": {
        "branch0": (Conv(256), reduced(384)),
        "branch1": (Conv(256), reduced(256)),
        "branch2": (Conv(256), Conv(256, 3), reduced(256)),
        "branch3": (MAX,),
    },
    "block8": {
        "branch0": (Conv(192),),
        "branch1": (Conv(192), Conv(192, (1, 3)), Conv(192, (3, 1))),
    },
}
_V2 = {
    "block35": {
        "branch0": (Conv(32),),
        "branch1": (Conv(32), Conv(32, 3)),
        "branch2": (Conv(32), Conv(48, 3), Conv(64, 3)),
    },
    "mixed_6a": {
        "branch0": (reduced(384),),
        "branch1": (Conv(256), Conv(256, 3), reduced(384)),
        "branch2": (MAX,),
    },
    "block17": {
        "branch0": (Conv(192),),
        "branch1": (Conv(128), Conv(160, (1, 7)), Conv(192, (7, 1))),
    },
    "mixed_7a": {
        "branch0": (Conv(256), reduced(384)),
        "branch1": (Conv(256), reduced(288)),
        "branch2": (Conv(256), Conv(288, 3), reduced(320)),
        "branch3": (MAX,),
    },
    "block8": {
        "branch0": (Conv(192),),
        "branch1": (Conv(192), Conv(224, (1, 3)), Conv(256, (3, 1))),
    },
}
VERSIONS = {1: _V1, 2: _V2}
BLOCKS = {1: (5, 10, 6), 2: (10, 20, 10)}
# A kind of residual block, and the reduction that follows it.
STAGES = (("block35", "mixed_6a"), ("block17", "mixed_7a"), ("block8", None))
# Names in keras.applications that do not come from counting.
_KERAS_NAMES = {
    "conv2d_7b_conv": "conv_7b",
    "conv2d_7b_bn": "conv_7b_bn",
    "conv2d_7b_relu": "conv_7b_ac",
}
# Modules that hold the three kinds of block in facenet-pytorch (1) and timm (2).
_REPEATS = {
    1: ("repeat_1", "repeat_2", "repeat_3"),
    2: ("repeat", "repeat_1", "repeat_2"),
}
_HEAD_RULES = {
    "classifier": ((r"classif|last_linear", "predictions"),),
    "embedding": (
        (r"last_linear", "embedding_dense"),
        (r"last_bn", "embedding_bn"),
        (r"logits", "predictions"),
    ),
    "dropped": ((r"last_linear|last_bn|logits", None),),
}


def state_dict_names(version, num_last_blocks, head):
    """Rules for timm's and Cadene's v2 and facenet-pytorch's v1."""
    places = [
        *(
            (rf"{theirs}\.(\d+)", rf"{ours}_{{\1+1}}")
            for theirs, (ours, _) in zip(_REPEATS[version], STAGES)
        ),
        (r"block8()", f"block8_{num_last_blocks}"),
        (r"(mixed_\w\w)", r"\1"),
    ]
    rules = [(r"(conv2d_\w\w)\.(conv|bn)", r"\1_\2"), *_HEAD_RULES[head]]
    for theirs, ours in places:
        rules += [
            (rf"{theirs}\.branch3\.1\.(conv|bn)", rf"{ours}_branch3_1_\2"),
            (
                rf"{theirs}\.(branch\d)\.(\d)\.(conv|bn)",
                rf"{ours}_\2_{{\3+1}}_\4",
            ),
            (rf"{theirs}\.(branch\d)\.(conv|bn)", rf"{ours}_\2_1_\3"),
            (rf"{theirs}\.conv2d", rf"{ours}_conv"),
        ]
    return tuple(rules)


def _residual_block(cells, x, branches, scale, rectified, name):
    """x plus the scaled 1x1 projection of the branches; ReLU but for the last one."""
    residual = cells.block(x, branches, name, output=f"{name}_mixed")
    residual = cells.projection(residual, x.shape[-1], f"{name}_conv")
    if scale != 1:
        residual = layers.Rescaling(scale, name=f"{name}_scale")(residual)
    add = cells.name("custom_scale_layer", f"{name}_add")
    x = layers.Add(name=add)([x, residual])
    return layers.Activation("relu", name=f"{name}_ac")(x) if rectified else x


def features(x, version, blocks, scales, form, depth_multiplier):
    """From the image to the last map.

    Returns:
        The last map, and the one after the blocks at 17x17.
    """
    cells = Cells(form, depth_multiplier, keras_names=_KERAS_NAMES)
    x = cells.stem(x)
    if version == 2:
        x = cells.max_pool(x, "max_pool_5a")
        x = cells.block(x, _MIXED_5B, "mixed_5b")
    else:
        x = cells.conv(x, reduced(256), "conv2d_4b")
    modules, ends = VERSIONS[version], []
    for (kind, reduction), length, scale in zip(STAGES, blocks, scales):
        for i in range(1, length + 1):
            is_last = reduction is None and i == length
            x = _residual_block(
                cells,
                x,
                modules[kind],
                1 if is_last else scale,
                not is_last,
                f"{kind}_{i}",
            )
        ends.append(x)
        if reduction:
            x = cells.block(x, modules[reduction], reduction)
    if version == 2:
        x = cells.conv(x, Conv(1536), "conv2d_7b")
    return x, ends[1]
