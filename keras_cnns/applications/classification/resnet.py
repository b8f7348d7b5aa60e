"""ResNet: blocks learn a residual that is added to their input.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385,
tables 1 and 6.

Deviations, each so that public weights load or published counts are met:

- Depths 50, 101 and 152 take the form of ``keras.applications`` (v1): stride 2 on the
  first 1x1 convolution of a stage, as in the paper, but convolutions with biases and
  epsilon 1.001e-5, as its files have them. The biases are why their counts exceed
  25,557,032, 44,549,160 and 60,192,808. The form with stride 2 on the 3x3
  convolution (torchvision's "v1.5") has weights of the same shapes and is another
  network: do not carry them over.
- Depths 18 and 34 do not exist in ``keras.applications``: no biases, epsilon 1e-5,
  momentum 0.9, projection shortcuts with batch normalisation (option B), as in
  torchvision.
- CIFAR nets of option A (zero-padded shortcuts) are the paper's; the ``B`` variants
  project with a 1x1 convolution and batch normalisation.
"""

from tensorflow.keras import layers

from keras_cnns.applications._parts import classification_model, conv_initializer
from keras_cnns.applications._registry import register
from keras_cnns.applications._weights import keras_file
from keras_cnns.layers import ChannelPadding

# params: trainable with 1000 classes, as torchvision (18, 34) and keras.applications
# (the others) count them; published: the paper's network, without convolution biases.
_IMAGENET = {
    "ResNet18": {"block": "basic", "units": (2, 2, 2, 2), "params": 11_689_512},
    "ResNet34": {"block": "basic", "units": (3, 4, 6, 3), "params": 21_797_672},
    "ResNet50": {
        "block": "bottleneck",
        "units": (3, 4, 6, 3),
        "params": 25_583_592,
        "published": 25_557_032,
        "md5": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    },
    "ResNet101": {
        "block": "bottleneck",
        "units": (3, 4, 23, 3),
        "params": 44_601_832,
        "published": 44_549_160,
        "md5": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    },
    "ResNet152": {
        "block": "bottleneck",
        "units": (3, 8, 36, 3),
        "params": 60_268_520,
        "published": 60_192_808,
        "md5": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    },
}
# depth, shortcut, params with 10 classes.
_CIFAR = {
    "CifarResNet20": (20, "zero_pad", 269_722),
    "CifarResNet32": (32, "zero_pad", 464_154),
    "CifarResNet44": (44, "zero_pad", 658_586),
    "CifarResNet56": (56, "zero_pad", 853_018),
    "CifarResNet110": (110, "zero_pad", 1_727_962),
    "CifarResNet20B": (20, "projection", 272_474),
    "CifarResNet32B": (32, "projection", 466_906),
    "CifarResNet44B": (44, "projection", 661_338),
    "CifarResNet56B": (56, "projection", 855_770),
    "CifarResNet110B": (110, "projection", 1_730_714),
}
# What tells the form of keras.applications from that of the paper and torchvision.
_KERAS_FORM = {"use_bias": True, "epsilon": 1.001e-5, "momentum": 0.99}
_PAPER_FORM = {"use_bias": False, "epsilon": 1e-5, "momentum": 0.9}
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
    x = _conv_norm(x, filters, 1, strides, form, f"{name}_1")
    x = _conv_norm(x, filters, 3, 1, form, f"{name}_2")
    x = _conv_norm(x, 4 * filters, 1, 1, form, f"{name}_3", activation=False)
    x = layers.Add(name=f"{name}_add")([residual, x])
    return layers.Activation("relu", name=f"{name}_out")(x)


_BLOCKS = {"basic": _basic_block, "bottleneck": _bottleneck_block}


def ResNet(
    units=(3, 4, 6, 3),
    block="bottleneck",
    filters=64,
    shortcut="projection",
    stem="imagenet",
    form=None,
    include_top=True,
    weights=None,
    input_tensor=None,
    input_shape=None,
    pooling=None,
    classes=1000,
    classifier_activation="softmax",
    name="resnet",
    *,
    public_weights=None,
):
    """General ResNet builder.

    Args:
        units: number of blocks in each stage; filters double from stage to stage.
        block: ``"basic"`` (two 3x3) or ``"bottleneck"`` (1x1, 3x3, 1x1).
        filters: filters of the first stage.
        shortcut: where the shape changes, ``"zero_pad"`` (option A) or
            ``"projection"`` (option B).
        stem: ``"imagenet"`` (7x7/2 and max pooling) or ``"small"`` (one 3x3).
        form: dict of ``use_bias``, ``epsilon`` and ``momentum``; None takes the
            paper's (no biases).
        include_top: whether the classifier is part of the network.
        weights: None (random), the name of a public checkpoint, or a ``.h5`` path.
        input_tensor: Keras tensor ``(batch, height, width, channels)`` to build on.
        input_shape: ``(height, width, channels)``; None takes the default with the
            classifier and ``(None, None, channels)`` without.
        pooling: without the classifier, None, ``"avg"`` or ``"max"``.
        classes: number of classes.
        classifier_activation: activation of the classifier; None gives logits.
        name: model name.
        public_weights: public checkpoints by name.

    Returns:
        A ``keras.Model`` from images to ``(batch, classes)`` float32, or without the
        classifier to maps ``(batch, height, width, channels)`` or pooled vectors.

    Raises:
        ValueError: if an argument is bad; the message quotes it.
    """
    if block not in _BLOCKS:
        raise ValueError(f"block must be one of {sorted(_BLOCKS)}, got {block!r}")
    if shortcut not in ("zero_pad", "projection"):
        raise ValueError(
            f"shortcut must be 'zero_pad' or 'projection', got {shortcut!r}"
        )
    if stem not in ("imagenet", "small"):
        raise ValueError(f"stem must be 'imagenet' or 'small', got {stem!r}")
    is_list = isinstance(units, (tuple, list)) and len(units) > 0
    if not is_list or not all(isinstance(n, int) and n > 0 for n in units):
        raise ValueError(f"units must be positive block counts, got {units!r}")
    form = form or _PAPER_FORM

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

    return classification_model(
        features,
        include_top=include_top,
        weights=weights,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        name=name,
        default_shape=_DEFAULT_SHAPE[stem],
        min_size=_MIN_SIZE[stem],
        public_weights=public_weights or {},
    )


def _stage_ends(units):
    return tuple(f"conv{s}_block{n}_out" for s, n in enumerate(units, start=2))


def _imagenet_variant(function_name):
    row = _IMAGENET[function_name]
    name = function_name.lower()
    is_keras = row["block"] == "bottleneck"
    note = ""
    if is_keras:
        note = f"the paper's network without biases has {row['published']:,} parameters"
    return register(
        ResNet,
        function_name,
        architecture={
            "units": row["units"],
            "block": row["block"],
            "filters": 64,
            "shortcut": "projection",
            "stem": "imagenet",
            "form": _KERAS_FORM if is_keras else _PAPER_FORM,
        },
        public_weights=(
            {"imagenet": keras_file("resnet", name, *row["md5"])} if is_keras else {}
        ),
        name=name,
        task="classification",
        paper="ResNet, arXiv 1512.03385, table 1",
        params=row["params"],
        classes=1000,
        input_shape=_DEFAULT_SHAPE["imagenet"],
        min_size=_MIN_SIZE["imagenet"],
        preprocessing="caffe" if is_keras else "torch",
        stage_ends=("conv1_relu", *_stage_ends(row["units"])),
        note=note,
    )


def _cifar_variant(function_name):
    depth, shortcut, params = _CIFAR[function_name]
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
            "form": _PAPER_FORM,
        },
        name=f"cifar_resnet{depth}{'b' if shortcut == 'projection' else ''}",
        task="classification",
        paper="ResNet, arXiv 1512.03385, table 6",
        params=params,
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
    params=_IMAGENET["ResNet50"]["published"],
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
