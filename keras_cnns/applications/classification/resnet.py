"""ResNet: blocks learn a residual that is added to their input.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385,
tables 1 and 6.

Deviations, each so that public weights load or published counts are met:

- ``ResNet50``, ``101`` and ``152`` take the form of ``keras.applications`` (v1): stride
  2 on the first 1x1 convolution of a stage, as in the paper, but convolutions with
  biases and epsilon 1.001e-5, as its files have them. The biases are why their counts
  exceed 25,557,032, 44,549,160 and 60,192,808.
- ``ResNet50V1_5`` and its kin take the form of torchvision and timm: stride 2 on the
  3x3 convolution, no biases. Files of one form are refused by the other.
- Depths 18 and 34 do not exist in ``keras.applications``: no biases, epsilon 1e-5,
  momentum 0.9, projection shortcuts with batch normalisation (option B), as in
  torchvision.
- CIFAR nets of option A (zero-padded shortcuts) are the paper's; the ``B`` variants
  project with a 1x1 convolution and batch normalisation.
"""

from tensorflow.keras import layers

from keras_cnns.applications._builder import Design, classification_builder
from keras_cnns.applications._parts import (
    check_choice,
    check_counts,
    conv_initializer,
)
from keras_cnns.applications._registry import register
from keras_cnns.applications._weights import hub_file, keras_file
from keras_cnns.layers import ChannelPadding

# form: whose network it is; params: trainable with 1000 classes, as timm/torchvision
# ("torch") or keras.applications ("keras") count them; macs: as timm counts them.
_IMAGENET = {
    "ResNet18": {
        "block": "basic",
        "units": (2, 2, 2, 2),
        "form": "torch",
        "params": 11_689_512,
        "macs": 1.814e9,
        "published": "ImageNet top-1 error 27.88 %, 10-crop (unverified)",
    },
    "ResNet34": {
        "block": "basic",
        "units": (3, 4, 6, 3),
        "form": "torch",
        "params": 21_797_672,
        "macs": 3.664e9,
        "published": "ImageNet error 24.52/7.46 %, 10-crop (unverified)",
    },
    "ResNet50": {
        "block": "bottleneck",
        "units": (3, 4, 6, 3),
        "form": "keras",
        "params": 25_583_592,
        "md5": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
        "published": "ImageNet error 22.85/6.71 %, 10-crop (unverified)",
    },
    "ResNet101": {
        "block": "bottleneck",
        "units": (3, 4, 23, 3),
        "form": "keras",
        "params": 44_601_832,
        "md5": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
        "published": "ImageNet error 21.75/6.05 %, 10-crop (unverified)",
    },
    "ResNet152": {
        "block": "bottleneck",
        "units": (3, 8, 36, 3),
        "form": "keras",
        "params": 60_268_520,
        "md5": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
        "published": "ImageNet error 21.43/5.71 %, 10-crop (unverified)",
    },
    "ResNet50V1_5": {
        "block": "bottleneck",
        "units": (3, 4, 6, 3),
        "form": "torch",
        "params": 25_557_032,
        "macs": 4.089e9,
    },
    "ResNet101V1_5": {
        "block": "bottleneck",
        "units": (3, 4, 23, 3),
        "form": "torch",
        "params": 44_549_160,
        "macs": 7.801e9,
    },
    "ResNet152V1_5": {
        "block": "bottleneck",
        "units": (3, 8, 36, 3),
        "form": "torch",
        "params": 60_192_808,
        "macs": 11.514e9,
    },
}
# depth, shortcut, params with 10 classes, multiply-adds, the paper's error.
_CIFAR = {
    "CifarResNet20": (20, "zero_pad", 269_722, 40.6e6, 8.75),
    "CifarResNet32": (32, "zero_pad", 464_154, 68.9e6, 7.51),
    "CifarResNet44": (44, "zero_pad", 658_586, 97.2e6, 7.17),
    "CifarResNet56": (56, "zero_pad", 853_018, 125.5e6, 6.97),
    "CifarResNet110": (110, "zero_pad", 1_727_962, 252.9e6, 6.43),
    "CifarResNet20B": (20, "projection", 272_474, None, None),
    "CifarResNet32B": (32, "projection", 466_906, None, None),
    "CifarResNet44B": (44, "projection", 661_338, None, None),
    "CifarResNet56B": (56, "projection", 855_770, None, None),
    "CifarResNet110B": (110, "projection", 1_730_714, None, None),
}
# What tells one form of the network from another; strided: the convolution of a
# bottleneck that strides, 1 (the paper, Keras) or 2 (torchvision, timm).
_FORMS = {
    "keras": {"use_bias": True, "epsilon": 1.001e-5, "momentum": 0.99, "strided": 1},
    "paper": {"use_bias": False, "epsilon": 1e-5, "momentum": 0.9, "strided": 1},
    "torch": {"use_bias": False, "epsilon": 1e-5, "momentum": 0.9, "strided": 2},
}
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
_DEFAULT_SHAPE = {"imagenet": (224, 224, 3), "small": (32, 32, 3)}
_MIN_SIZE = {"imagenet": 32, "small": 4}


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


def _norm(x, form, name):
    return layers.BatchNormalization(
        epsilon=form["epsilon"], momentum=form["momentum"], name=name
    )(x)


def _conv_norm(x, filters, size, strides, form, name, activation=True):
    """Convolution, batch normalisation and, but for a block's last one, ReLU."""
    x = _conv(x, filters, size, strides, form, f"{name}_conv")
    x = _norm(x, form, f"{name}_bn")
    return layers.Activation("relu", name=f"{name}_relu")(x) if activation else x


def _shortcut(x, filters, strides, kind, form, name):
    """Identity where the shape stays, else option A or B of the paper."""
    if x.shape[-1] == filters and strides == 1:
        return x
    if kind == "projection":
        return _conv_norm(x, filters, 1, strides, form, f"{name}_0", activation=False)
    x = layers.AveragePooling2D(1, strides=strides, name=f"{name}_0_subsample")(x)
    return ChannelPadding(filters, name=f"{name}_0_pad")(x)


def _basic_block(x, filters, strides, shortcut, form, name):
    """Two 3x3 convolutions."""
    residual = _shortcut(x, filters, strides, shortcut, form, name)
    x = _conv_norm(x, filters, 3, strides, form, f"{name}_1")
    x = _conv_norm(x, filters, 3, 1, form, f"{name}_2", activation=False)
    x = layers.Add(name=f"{name}_add")([residual, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


def _bottleneck_block(x, filters, strides, shortcut, form, name):
    """1x1, 3x3 and 1x1 convolutions, the last with four times the filters."""
    residual = _shortcut(x, 4 * filters, strides, shortcut, form, name)
    first, second = (strides, 1) if form["strided"] == 1 else (1, strides)
    x = _conv_norm(x, filters, 1, first, form, f"{name}_1")
    x = _conv_norm(x, filters, 3, second, form, f"{name}_2")
    x = _conv_norm(x, 4 * filters, 1, 1, form, f"{name}_3", activation=False)
    x = layers.Add(name=f"{name}_add")([residual, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


_BLOCKS = {"basic": _basic_block, "bottleneck": _bottleneck_block}


@classification_builder
def ResNet(
    units=(3, 4, 6, 3),
    block="bottleneck",
    filters=64,
    shortcut="projection",
    stem="imagenet",
    form="paper",
):
    """General ResNet builder.

    Args:
        units: number of blocks in each stage; filters double from stage to stage.
        block: ``"basic"`` (two 3x3) or ``"bottleneck"`` (1x1, 3x3, 1x1).
        filters: filters of the first stage.
        shortcut: where the shape changes, ``"zero_pad"`` (option A) or
            ``"projection"`` (option B).
        stem: ``"imagenet"`` (7x7/2 and max pooling) or ``"small"`` (one 3x3).
        form: ``"paper"``, ``"keras"`` (convolutions with biases, epsilon 1.001e-5) or
            ``"torch"`` (stride on the 3x3 convolution of a bottleneck, "v1.5").
    """
    check_choice("block", block, _BLOCKS)
    check_choice("shortcut", shortcut, ("zero_pad", "projection"))
    check_choice("stem", stem, ("imagenet", "small"))
    check_counts("units", units)
    check_choice("form", form, _FORMS)
    reads_state_dicts = stem == "imagenet" and (form == "torch" or block == "basic")
    form = _FORMS[form]

    def features(x):
        if stem == "imagenet":
            x = layers.ZeroPadding2D(3, name="conv1_pad")(x)
            x = layers.Conv2D(
                filters,
                7,
                strides=2,
                use_bias=form["use_bias"],
                kernel_initializer=conv_initializer(),
                name="conv1_conv",
            )(x)
            x = _norm(x, form, "conv1_bn")
            x = layers.Activation("relu", name="conv1_relu")(x)
            x = layers.ZeroPadding2D(1, name="pool1_pad")(x)
            x = layers.MaxPooling2D(3, strides=2, name="pool1_pool")(x)
        else:
            x = _conv_norm(x, filters, 3, 1, form, "conv1")
        for stage, length in enumerate(units):
            for i in range(1, length + 1):
                x = _BLOCKS[block](
                    x,
                    filters * 2**stage,
                    2 if i == 1 and stage > 0 else 1,
                    shortcut,
                    form,
                    f"conv{stage + 2}_block{i}",
                )
        return x

    return Design(
        features,
        default_shape=_DEFAULT_SHAPE[stem],
        min_size=_MIN_SIZE[stem],
        state_dict_names=_STATE_DICT_NAMES if reads_state_dicts else (),
        state_dict_hint="those of ResNet-50, 101 and 152 hold the form with stride on "
        "the 3x3 convolution; build ResNet50V1_5 and its kin (form='torch') for them",
    )


def _stage_ends(units):
    return tuple(f"conv{s}_block{n}_out" for s, n in enumerate(units, start=2))


def _imagenet_variant(function_name):
    row = _IMAGENET[function_name]
    name = function_name.lower()
    is_keras = row["form"] == "keras"
    if is_keras:
        public = {"imagenet": keras_file("resnet", name, *row["md5"])}
    else:
        depth = name.removesuffix("v1_5")
        public = {
            "imagenet": hub_file(f"{depth}.tv_in1k"),
            "a1_in1k": hub_file(f"{depth}.a1_in1k"),
            "gluon_in1k": hub_file(f"{depth}.gluon_in1k"),
        }
        if depth in ("resnet50", "resnet101", "resnet152"):
            public["tv2_in1k"] = hub_file(f"{depth}.tv2_in1k")
    return register(
        ResNet,
        function_name,
        architecture={
            "units": row["units"],
            "block": row["block"],
            "filters": 64,
            "shortcut": "projection",
            "stem": "imagenet",
            "form": row["form"],
        },
        public_weights=public,
        name=name.replace("v1_5", "_v1_5"),
        task="classification",
        paper="ResNet, arXiv 1512.03385, table 1"
        + (", stride on the 3x3 convolutions" if "V1_5" in function_name else ""),
        params=row["params"],
        macs=row.get("macs"),
        published=row.get("published", ""),
        classes=1000,
        input_shape=_DEFAULT_SHAPE["imagenet"],
        min_size=_MIN_SIZE["imagenet"],
        preprocessing="caffe" if is_keras else "torch",
        stage_ends=("conv1_relu", *_stage_ends(row["units"])),
        note="convolutions have biases, which the paper's do not" if is_keras else "",
    )


def _cifar_variant(function_name):
    depth, shortcut, params, macs, error = _CIFAR[function_name]
    units = ((depth - 2) // 6,) * 3
    return register(
        ResNet,
        function_name,
        architecture={
            "units": units,
            "block": "basic",
            "filters": 16,
            "shortcut": shortcut,
            "stem": "small",
            "form": "paper",
        },
        name=f"cifar_resnet{depth}{'b' if shortcut == 'projection' else ''}",
        task="classification",
        paper="ResNet, arXiv 1512.03385, table 6",
        params=params,
        macs=macs,
        published=f"CIFAR-10 error {error} %, augmented (unverified)" if error else "",
        classes=10,
        input_shape=_DEFAULT_SHAPE["small"],
        min_size=_MIN_SIZE["small"],
        preprocessing="dataset",
        stage_ends=_stage_ends(units),
    )


register(
    ResNet,
    "ResNet",
    architecture={},
    name="resnet",
    task="classification",
    paper="ResNet, arXiv 1512.03385, general builder (default: ResNet-50 as published)",
    params=_IMAGENET["ResNet50V1_5"]["params"],
    classes=1000,
    input_shape=_DEFAULT_SHAPE["imagenet"],
    min_size=_MIN_SIZE["imagenet"],
    preprocessing="torch",
    stage_ends=("conv1_relu", *_stage_ends(_IMAGENET["ResNet50"]["units"])),
)
ResNet18 = _imagenet_variant("ResNet18")
ResNet34 = _imagenet_variant("ResNet34")
ResNet50 = _imagenet_variant("ResNet50")
ResNet101 = _imagenet_variant("ResNet101")
ResNet152 = _imagenet_variant("ResNet152")
ResNet50V1_5 = _imagenet_variant("ResNet50V1_5")
ResNet101V1_5 = _imagenet_variant("ResNet101V1_5")
ResNet152V1_5 = _imagenet_variant("ResNet152V1_5")
CifarResNet20 = _cifar_variant("CifarResNet20")
CifarResNet32 = _cifar_variant("CifarResNet32")
CifarResNet44 = _cifar_variant("CifarResNet44")
CifarResNet56 = _cifar_variant("CifarResNet56")
CifarResNet110 = _cifar_variant("CifarResNet110")
CifarResNet20B = _cifar_variant("CifarResNet20B")
CifarResNet32B = _cifar_variant("CifarResNet32B")
CifarResNet44B = _cifar_variant("CifarResNet44B")
CifarResNet56B = _cifar_variant("CifarResNet56B")
CifarResNet110B = _cifar_variant("CifarResNet110B")

__all__ = ["ResNet", *_IMAGENET, *_CIFAR]
