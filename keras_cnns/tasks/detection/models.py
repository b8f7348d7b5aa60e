"""Detectors, with the hyper-parameters of the papers."""

from keras_cnns.runs import PaperModel

_SGD = {
    "optimizer": "sgd",
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 5e-4,
    "learning_rate": 1e-3,
    "schedule": "step",
    "decay_rate": 0.1,
    "batch_size": 2,
    "regions_per_image": 64,
}
# Epochs are the papers' steps on Pascal VOC 2007's 5,011 images.
_RCNN = {
    **_SGD,
    "boundaries": "0.29,0.57,0.86",
    "epochs": 28,
    "background_iou": 0.0,
}
_SPPNET = {
    **_SGD,
    "learning_rate": 1e-4,
    "boundaries": "0.833",
    "epochs": 120,
    "freeze": "all",
}
_FAST = {**_SGD, "boundaries": "0.75", "epochs": 16}
_FASTER = {
    **_SGD,
    "boundaries": "0.714",
    "epochs": 28,
    "background_iou": 0.0,
}
_RPN = {**_SGD, "boundaries": "0.75", "epochs": 16}
_VGG16 = {"freeze": "block2_pool"}
_C4 = {"freeze": "conv2_block3_out", "freeze_batch_norm": True, "learning_rate": 1e-2}
# Of 128x128 images, from initial weights or from a small classifier's.
_SMALL = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "weight_decay": 0.0,
    "schedule": "step",
    "boundaries": "0.75",
    "decay_rate": 0.2,
    "batch_size": 8,
    "epochs": 12,
    "regions_per_image": 32,
    "anchors_per_image": 64,
    "proposal_width": 0,
    "proposal_min_side": 6,
    "num_proposals": 300,
}
_UNLIKE = "biases learn at the rate of the kernels, twice that in the authors' code"
_RCNN_SOURCE = (
    "arXiv 1311.2524, section 2.3 and appendix B; regions are drawn image by image, 64 "
    "of each of two, as Fast R-CNN does, and the new layer's rate is that of the others"
)
_SPPNET_SOURCE = (
    "arXiv 1406.4729, section 4, one scale of images; regions are drawn image by image"
)
_FAST_SOURCE = f"arXiv 1504.08083, section 2.3; {_UNLIKE}"
_FASTER_SOURCE = (
    "arXiv 1506.01497, section 3, and its code in Python: approximate joint training, "
    f"or in four steps with --training=alternating; {_UNLIKE}"
)


def _row(name, options, source, trainer):
    return PaperModel({"network": name}, options, source, trainer)


MODELS = {
    "rcnn_vgg16": _row("rcnn_vgg16", _RCNN, _RCNN_SOURCE, "rcnn"),
    "rcnn_zf": _row("rcnn_zf", _RCNN, _RCNN_SOURCE, "rcnn"),
    "rcnn_small": _row("rcnn_small", {**_RCNN, **_SMALL}, _RCNN_SOURCE, "rcnn"),
    "sppnet_zf": _row("sppnet_zf", _SPPNET, _SPPNET_SOURCE, "sppnet"),
    "sppnet_vgg16": _row("sppnet_vgg16", _SPPNET, _SPPNET_SOURCE, "sppnet"),
    "sppnet_small": _row(
        "sppnet_small", {**_SPPNET, **_SMALL}, _SPPNET_SOURCE, "sppnet"
    ),
}
for _name, _changes in {
    "vgg16": _VGG16,
    "zf": {},
    "resnet50": _C4,
    "densenet121": {"freeze": "pool2_pool", "freeze_batch_norm": True},
    "all_cnn": {},
    "small": _SMALL,
}.items():
    MODELS[f"fast_rcnn_{_name}"] = _row(
        f"fast_rcnn_{_name}", {**_FAST, **_changes}, _FAST_SOURCE, "fast_rcnn"
    )
for _name, _changes in {
    "vgg16": _VGG16,
    "zf": {},
    "resnet50": _C4,
    "densenet121": {"freeze": "pool2_pool", "freeze_batch_norm": True},
    "small": _SMALL,
}.items():
    MODELS[f"faster_rcnn_{_name}"] = _row(
        f"faster_rcnn_{_name}", {**_FASTER, **_changes}, _FASTER_SOURCE, "faster_rcnn"
    )
for _name, _changes in {"vgg16": _VGG16, "zf": {}, "small": _SMALL}.items():
    MODELS[f"rpn_{_name}"] = _row(
        f"rpn_{_name}", {**_RPN, **_changes}, _FASTER_SOURCE, "rpn"
    )
