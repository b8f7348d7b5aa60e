"""ResNet: blocks learn a residual that is added to their input.

He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", arXiv 1512.03385,
tables 1 and 6.

Deviations, each so that public weights load or published counts are met:

- ``ResNet50``, ``101`` and ``152`` take the form of ``keras.applications`` (v1): stride
  2 on the first 1x1 convolution of a stage, as in the paper, but convolutions with
  biases and epsilon 1.001e-5, as its files have them. The biases are why their counts
  exceed 25,557,032, 44,549,160 and 60,192,808.
- ``ResNet50V1_5`` and its kin take the form of torchvision and timm: stride 2 on the
  3x3 convolution, no biases. Files of one form are refused by the other. The general
  builder's default form, the paper's, differs from the latter by the place of the
  stride alone, which no file tells: give ``form="torch"`` with files of that one.
- Depths 18 and 34 do not exist in ``keras.applications``: no biases, epsilon 1e-5,
  momentum 0.9, projection shortcuts with batch normalisation (option B), as in
  torchvision.
- CIFAR nets of option A (zero-padded shortcuts) are the paper's; the ``B`` variants
  project with a 1x1 convolution and batch normalisation.
"""

from keras_cnns.applications.classification._residual import (
    MIN_SIZE,
    residual_design,
    stage_ends,
)
from keras_cnns.applications.frame.builder import classification_builder
from keras_cnns.applications.frame.parts import IMAGENET, SMALL_IMAGES
from keras_cnns.applications.frame.public_files import hub_file, keras_file
from keras_cnns.applications.frame.registry import register

# block, units, form (whose network it is), params (trainable with 1000 classes, counted
# by timm and torchvision, or by keras.applications), timm's multiply-adds, the paper's
# error.
_IMAGENET = {
    "ResNet18": ("basic", (2, 2, 2, 2), "torch", 11_689_512, 1.814e9, None),
    "ResNet34": ("basic", (3, 4, 6, 3), "torch", 21_797_672, 3.664e9, "24.52/7.46"),
    "ResNet50": ("bottleneck", (3, 4, 6, 3), "keras", 25_583_592, None, "22.85/6.71"),
    "ResNet101": ("bottleneck", (3, 4, 23, 3), "keras", 44_601_832, None, "21.75/6.05"),
    "ResNet152": ("bottleneck", (3, 8, 36, 3), "keras", 60_268_520, None, "21.43/5.71"),
    "ResNet50V1_5": ("bottleneck", (3, 4, 6, 3), "torch", 25_557_032, 4.089e9, None),
    "ResNet101V1_5": ("bottleneck", (3, 4, 23, 3), "torch", 44_549_160, 7.801e9, None),
    "ResNet152V1_5": ("bottleneck", (3, 8, 36, 3), "torch", 60_192_808, 11.514e9, None),
}
# MD5 of Keras' files with and without the classifier, by depth.
_MD5 = {
    "50": ("2cb95161c43110f7111970584f804107", "4d473c1dd8becc155b73f8504c6f6626"),
    "101": ("f1aeb4b969a6efcfb50fad2f0c20cfc5", "88cf7a10940856eca736dc7b7e228a21"),
    "152": ("100835be76be38e30d865e96f2aaae62", "ee4c566cf9a93f14d82f913c2dc6dd0c"),
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


@classification_builder
def _resnet(
    units=(3, 4, 6, 3),
    block="bottleneck",
    filters=64,
    shortcut="projection",
    stem="imagenet",
    form="paper",
    *,
    final_survival_rate=1.0,
    drop_path="batch",
):
    """General ResNet builder.

    Args:
        units: number of blocks in each stage; filters double from stage to stage.
        block: ``"basic"`` (two 3x3) or ``"bottleneck"`` (1x1, 3x3, 1x1).
        filters: filters of the first stage.
        shortcut: where the shape changes, ``"zero_pad"`` (option A),
            ``"average_pool"`` (2x2 averages instead of option A's subsampling) or
            ``"projection"`` (option B).
        stem: ``"imagenet"`` (7x7/2 and max pooling) or ``"small"`` (one 3x3).
        form: ``"paper"``, ``"keras"`` (convolutions with biases, epsilon 1.001e-5),
            ``"biased"`` (the paper's, with biases) or ``"torch"`` (stride on the 3x3
            convolution of a bottleneck, "v1.5").
        final_survival_rate: stochastic depth, arXiv 1603.09382: the rate at which the
            last block is open in training, in (0, 1]; rates fall linearly to it from
            the input on. 1 leaves every block open.
        drop_path: ``"batch"`` (the paper's: one draw per block and batch, branches
            scaled by their rates in inference) or ``"sample"`` (one draw per block
            and image, scaled by 1 / rate in training).
    """
    return residual_design(
        units, block, filters, shortcut, stem, form, final_survival_rate, drop_path
    )


def _public_weights(form, depth):
    if form == "keras":
        return {"imagenet": keras_file("resnet", f"resnet{depth}", *_MD5[depth])}
    public = {
        "imagenet": hub_file(f"resnet{depth}.tv_in1k"),
        "a1_in1k": hub_file(f"resnet{depth}.a1_in1k"),
        "gluon_in1k": hub_file(f"resnet{depth}.gluon_in1k"),
    }
    if depth in _MD5:
        public["tv2_in1k"] = hub_file(f"resnet{depth}.tv2_in1k")
    return public


def _imagenet_variant(function_name):
    block, units, form, params, macs, error = _IMAGENET[function_name]
    name, is_keras = function_name.lower(), form == "keras"
    depth = name.removeprefix("resnet").removesuffix("v1_5")
    return register(
        _resnet,
        function_name,
        architecture={"units": units, "block": block, "form": form},
        public_weights=_public_weights(form, depth),
        name=name.replace("v1_5", "_v1_5"),
        paper="ResNet, arXiv 1512.03385, table 1"
        + (", stride on the 3x3 convolutions" if "V1_5" in function_name else ""),
        params=params,
        macs=macs,
        published=f"ImageNet error {error} %, 10-crop (unverified)" if error else "",
        preprocessing="caffe" if is_keras else "torch",
        stage_ends=("conv1_relu", *stage_ends(units)),
        note="convolutions have biases, which the paper's do not" if is_keras else "",
        **IMAGENET,
    )


def _cifar_variant(function_name):
    depth, shortcut, params, macs, error = _CIFAR[function_name]
    units = ((depth - 2) // 6,) * 3
    return register(
        _resnet,
        function_name,
        architecture={
            "units": units,
            "block": "basic",
            "filters": 16,
            "shortcut": shortcut,
            "stem": "small",
        },
        name=f"cifar_resnet{depth}{'b' if shortcut == 'projection' else ''}",
        paper="ResNet, arXiv 1512.03385, table 6",
        params=params,
        macs=macs,
        published=f"CIFAR-10 error {error} %, augmented (unverified)" if error else "",
        min_size=MIN_SIZE["small"],
        stage_ends=stage_ends(units),
        **SMALL_IMAGES,
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
ResNet = register(
    _resnet,
    "ResNet",
    name="resnet",
    paper="ResNet, arXiv 1512.03385, general builder (default: ResNet-50 as published)",
    params=_IMAGENET["ResNet50V1_5"][3],
    preprocessing="torch",
    stage_ends=("conv1_relu", *stage_ends(_IMAGENET["ResNet50"][1])),
    **IMAGENET,
)

__all__ = ["ResNet", *_IMAGENET, *_CIFAR]
