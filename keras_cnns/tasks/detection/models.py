"""Detectors, with the hyper-parameters of the papers."""

from keras_cnns.runs import PaperModel

_REGIONS = {"regions_per_image": 64}
_FROM_0 = {"background_iou": 0.0}
_SGD = {
    "optimizer": "sgd",
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 5e-4,
    "learning_rate": 1e-3,
    "schedule": "step",
    "decay_rate": 0.1,
    "batch_size": 2,
}
# By algorithm; epochs are the papers' steps on Pascal VOC 2007's 5,011 images.
_PAPERS = {
    "rcnn": {
        **_SGD, **_REGIONS, **_FROM_0, "boundaries": "0.29,0.57,0.86", "epochs": 28,
    },
    "sppnet": {
        **_SGD, **_REGIONS, "learning_rate": 1e-4, "boundaries": "0.833",
        "epochs": 120, "freeze": "all",
    },
    "fast_rcnn": {**_SGD, **_REGIONS, "boundaries": "0.75", "epochs": 16},
    "faster_rcnn": {
        **_SGD, **_REGIONS, **_FROM_0, "boundaries": "0.714", "epochs": 28,
    },
    "rpn": {**_SGD, "boundaries": "0.75", "epochs": 16},
}  # fmt: skip
# What the small networks have in their place, for 128x128 images.
_ADAM = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "schedule": "step",
    "boundaries": "0.75",
    "decay_rate": 0.2,
    "batch_size": 8,
}
_FEW = {"regions_per_image": 32}
_SEARCH = {
    "proposal_width": 0,
    "proposal_min_side": 8,
    "proposal_scales": "20,50",
    "num_proposals": 500,
}
_SMALL = {
    "rcnn": {**_ADAM, **_FEW, **_SEARCH, **_FROM_0, "epochs": 8},
    "sppnet": {**_ADAM, **_FEW, **_SEARCH, "freeze": "all", "epochs": 8},
    "fast_rcnn": {**_ADAM, **_FEW, **_SEARCH, "epochs": 12},
    "faster_rcnn": {
        **_ADAM, **_FEW, **_FROM_0, "anchors_per_image": 64, "epochs": 30,
    },
    "rpn": {**_ADAM, "anchors_per_image": 64, "epochs": 12},
}  # fmt: skip
# By backbone, what is frozen; the rates of ResNet are Detectron's.
_BACKBONES = {
    "vgg16": {"freeze": "block2_pool"},
    "resnet50": {
        "freeze": "conv2_block3_out", "freeze_batch_norm": True, "learning_rate": 1e-2,
    },
    "densenet121": {"freeze": "pool2_pool", "freeze_batch_norm": True},
}  # fmt: skip
_BIASES = "biases learn at the rate of the kernels, twice that in the authors' code"
_SOURCES = {
    "rcnn": "arXiv 1311.2524, section 2.3 and appendix B; regions are drawn image by "
    "image, 64 of each of two, as Fast R-CNN does, and the new layer's rate is that of "
    "the others",
    "sppnet": "arXiv 1406.4729, section 4, one scale of images; regions are drawn "
    "image by image",
    "fast_rcnn": f"arXiv 1504.08083, section 2.3; {_BIASES}",
    "faster_rcnn": "arXiv 1506.01497, section 3, and its code in Python: approximate "
    "joint training, or in four steps with training=alternating, 16 epochs each "
    f"(80,000 images of Pascal VOC 2007's 5,011), two images a step; {_BIASES}",
    "rpn": f"arXiv 1506.01497, section 3.1; {_BIASES}",
}
_NETWORKS = {
    "rcnn": ("vgg16", "zf", "small"),
    "sppnet": ("vgg16", "zf", "small"),
    "fast_rcnn": ("vgg16", "zf", "resnet50", "densenet121", "all_cnn", "small"),
    "faster_rcnn": ("vgg16", "zf", "resnet50", "densenet121", "small"),
    "rpn": ("vgg16", "zf", "small"),
}


def _row(trainer, backbone):
    options = {**_PAPERS[trainer], **_BACKBONES.get(backbone, {})}
    if trainer in ("rcnn", "sppnet"):  # what they freeze goes for all backbones
        options = _PAPERS[trainer]
    if backbone == "small":
        options = _SMALL[trainer]
    networks = {"network": f"{trainer}_{backbone}"}
    return PaperModel(networks, options, _SOURCES[trainer], trainer)


MODELS = {
    f"{trainer}_{backbone}": _row(trainer, backbone)
    for trainer, backbones in _NETWORKS.items()
    for backbone in backbones
}
