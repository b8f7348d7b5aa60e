"""The options of training a detector."""

import dataclasses

from keras_cnns.runs import TrainingOptions, changed, one_of, option
from keras_cnns.tasks.detection.models import MODELS


def _trained_by(*trainers):
    """Needs a model that one of these algorithms trains."""
    names = [name for name, row in MODELS.items() if row.trainer in trainers]
    return one_of("model", *names)


SEARCHED = ("rcnn", "sppnet", "fast_rcnn")  # trained on selective search's regions
_REGIONS = _trained_by(*SEARCHED, "faster_rcnn")
_SEARCHED = _trained_by(*SEARCHED)
_ANCHORED = _trained_by("faster_rcnn", "rpn")


@dataclasses.dataclass(frozen=True)
class DetectionOptions(TrainingOptions):
    """What ``train-detector`` takes."""

    task, models = "detection", MODELS

    validation_split: str = option("test", "split evaluated each epoch; empty: none")
    image_size: int = changed(
        TrainingOptions,
        "image_size",
        0,
        help="shorter side of the images; 0: the data set's where all have one size, "
        "else 600",
    )
    long_side: int = option(
        1000, "largest longer side of the images", within="[1, 16384]"
    )
    augmentation: str = changed(
        TrainingOptions,
        "augmentation",
        "flip",
        help="flip, or empty for none",
        choices=("", "flip"),
    )
    preprocessing: str = option(
        "",
        "dataset (its own mean and standard deviation), torch, caffe or tf; empty: "
        "that of the backbone's weights, else dataset",
        choices=("", "dataset", "torch", "caffe", "tf"),
    )
    backbone_weights: str = option(
        "", "classifier to start from: imagenet, a weight file or a run's folder"
    )
    freeze: str = option(
        "", "freeze this layer of the backbone and all before it, or all"
    )
    freeze_batch_norm: bool = option(False, "freeze all batch normalisation")
    max_objects: int = option(
        0,
        "largest number of objects of an image; 0: that of the fullest image",
        within="[0, 10000]",
    )
    bad_boxes: str = option(
        "refuse",
        "boxes without area or outside of their image",
        choices=("refuse", "drop"),
        free=True,
    )
    training: str = option(
        "joint",
        "how Faster R-CNN's parts are trained",
        choices=("joint", "alternating"),
        needs=_trained_by("faster_rcnn"),
    )
    regions_per_image: int = option(
        64, "regions sampled of each image", within="[1, inf)", needs=_REGIONS
    )
    foreground_fraction: float = option(
        0.25,
        "largest fraction of regions that show an object",
        within="[0, 1]",
        needs=_REGIONS,
    )
    foreground_iou: float = option(
        0.5,
        "least IoU of such a region with its object",
        within="(0, 1]",
        needs=_REGIONS,
    )
    background_iou: float = option(
        0.1,
        "least IoU of background regions with an object",
        within="[0, 1)",
        needs=_REGIONS,
    )
    anchors_per_image: int = option(
        256, "anchors sampled of each image", within="[1, inf)", needs=_ANCHORED
    )
    anchor_border: float = option(
        0.0,
        "pixels that an anchor may extend beyond the image",
        within="[0, inf)",
        needs=_ANCHORED,
    )
    proposals_dir: str = option(
        "",
        "folder of the proposals; empty: proposals in the run's",
        needs=_SEARCHED,
        free=True,
    )
    proposal_mode: str = option(
        "fast",
        "selective search's mode",
        choices=("fast", "quality"),
        needs=_SEARCHED,
    )
    proposal_width: int = option(
        500,
        "width of images in selective search; 0: their own",
        within="[0, 16384]",
        needs=_SEARCHED,
    )
    proposal_min_side: int = option(
        20,
        "least side of a proposal there, in pixels",
        within="[1, inf)",
        needs=_SEARCHED,
    )
    proposal_scales: str = option(
        "",
        "sizes of the segments that it starts from, comma-separated; empty: the mode's",
        needs=_SEARCHED,
    )
    num_proposals: int = option(
        2000, "proposals of each image", within="[1, 100000]", needs=_SEARCHED
    )
    classifiers: str = option(
        "svm",
        "what scores regions: support vector machines fitted at the end, or softmax",
        choices=("svm", "softmax"),
        needs=_trained_by("rcnn", "sppnet"),
    )
    batch_size: int = changed(TrainingOptions, "batch_size", 2)

    @classmethod
    def published(cls, given: dict) -> dict:
        """The four steps of alternating training are 64 epochs of their data."""
        values = super().published(given)
        if given.get("training") == "alternating" and values["optimizer"] == "sgd":
            values = {**values, "epochs": 64, "boundaries": "0.75"}
        return values

    def check(self) -> None:
        super().check()
        if self.background_iou >= self.foreground_iou:
            raise ValueError(
                f"background_iou={self.background_iou} must be less than "
                f"foreground_iou={self.foreground_iou}"
            )
