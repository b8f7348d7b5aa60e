"""Finding objects in images with a trained detector."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns._checks import check_choice, is_whole
from keras_cnns.applications import DetectionFunction
from keras_cnns.exemplar import selective_search
from keras_cnns.export import prepare_and_detect
from keras_cnns.runs import read_run
from keras_cnns.trainers.region_classifiers import RegionClassifiers

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.runs.record import Run

CLASSIFIERS = "classifiers.npz"  # in the run's folder, of R-CNN and SPPnet
RPN_CLASSES = ("object",)
_OF_DETECTIONS = {"iou_threshold": 0.3, "min_score": 0.05, "max_detections": 100}
_OF_PROPOSALS = {"iou_threshold": 1.0, "min_score": 0.0, "max_detections": 300}


class Detector:
    """Detections of images of any size, by a run of the task ``detection``.

    Args:
        run_dir: folder of the run, or its ``Run``.
        which: weights of the ``"best"`` or the ``"last"`` epoch.
        min_score: of detections; None: 0.05 of probabilities, of support vector
            machines, whose scores are distances, -1, of proposals alone 0.
        iou_threshold: a box goes that overlaps a better one of its class by more; None:
            0.3, of proposals alone 1: they have left out duplicates already.
        max_detections: of an image; None: 100, of proposals alone 300.
        network: in place of the run's own, such as one with dense layers of lower rank.

    Attributes:
        class_names: tuple of names; of a region proposal network, ``("object",)``.
        function: the ``DetectionFunction``.
        preprocessing: ``Preprocessing`` of its images.
        sides: (shorter side, largest longer side) that images are scaled to.
        protocol: run, epoch and thresholds, as JSON values.

    Raises:
        ValueError: if the folder holds no such run, or an argument is bad.
    """

    def __init__(
        self,
        run_dir: str | Run,
        which: str = "last",
        *,
        min_score: float | None = None,
        iou_threshold: float | None = None,
        max_detections: int | None = None,
        network: keras.Model | None = None,
    ) -> None:
        check_choice("which", which, ("best", "last"))
        run = read_run(run_dir, "detection")
        details = _checked_details(run)
        classifiers = _classifiers_of(run, which)
        is_rpn = run.config.networks["network"]["model"].startswith("rpn")
        usual = _OF_PROPOSALS if is_rpn else _OF_DETECTIONS
        if classifiers is not None:
            usual = {**usual, "min_score": -1.0}
        values = (iou_threshold, min_score, max_detections)
        given = {
            name: usual[name] if value is None else value
            for name, value in zip(usual, values)
        }
        if network is None:
            network = run.load("network", which, (None, None))
        self.function = DetectionFunction(network, classifiers, **given)
        self.class_names = RPN_CLASSES if is_rpn else run.config.class_names
        self.preprocessing = run.config.preprocessing
        self.sides = tuple(details["sides"])
        self.protocol = {"run": run.folder, "which": which, **given}
        self._search = details["proposals"]
        self._detect = self._compiled()

    def _compiled(self):
        """Function of pixels, and of proposals where they are given, to detections."""
        shape = [None, None, self.preprocessing.channels]
        pixels, rois = tf.TensorSpec(shape), tf.TensorSpec([None, 4])
        signature = [pixels, rois] if self.function.takes_regions else [pixels]

        @tf.function(input_signature=signature)
        def detect(pixels, rois=None):
            return prepare_and_detect(
                self.function, self.preprocessing, self.sides, pixels, rois
            )

        return detect

    def propose(self, image: np.ndarray) -> np.ndarray:
        """Proposals ``(regions, 4)`` by selective search, as the run was trained with.

        Args:
            image: uint8 ``(height, width, channels)``.
        """
        return selective_search(image, **self._search)

    def __call__(self, image: np.ndarray, proposals: np.ndarray | None = None) -> dict:
        """Detections of one image.

        Args:
            image: ``(height, width, channels)``, 0 to 255, of the run's channels.
            proposals: ``(regions, 4)`` in its pixels, for networks that are given
                them; None: those of ``propose``.

        Returns:
            Dict of ``boxes (detections, 4)``, continuous ``(y1, x1, y2, x2)`` in pixels
            of the image, ``scores (detections,)``, best first, and ``classes``.

        Raises:
            ValueError: if the image has another shape.
        """
        channels = self.preprocessing.channels
        shape = np.shape(image)
        if len(shape) != 3 or shape[2] != channels or not min(shape):
            raise ValueError(
                f"image must have the shape (height, width, {channels}), got {shape}"
            )
        given = [tf.cast(image, tf.float32)]
        if self.function.takes_regions:
            rois = self.propose(image) if proposals is None else proposals
            given.append(tf.cast(np.reshape(rois, (-1, 4)), tf.float32))
        found = {name: value.numpy() for name, value in self._detect(*given).items()}
        count = found.pop("count")
        return {name: value[:count] for name, value in found.items()}

    def timed(self, image: np.ndarray, proposals: np.ndarray | None = None) -> tuple:
        """(detections, seconds of all, seconds of the proposals among them)."""
        start = middle = time.perf_counter()
        if proposals is None and self.function.takes_regions:
            proposals = self.propose(image)
            middle = time.perf_counter()
        found = self(image, proposals)
        return found, time.perf_counter() - start, middle - start


def _checked_details(run):
    """What the record of a detector's run has beside its networks.

    Raises:
        ValueError: if something is missing, or is something else.
    """
    details = run.config.details
    sides = details.get("sides")
    is_complete = (
        isinstance(sides, list)
        and len(sides) == 2
        and all(is_whole(side) and side > 0 for side in sides)
        and isinstance(details.get("proposals"), dict)
        and details.get("classifiers") in ("svm", "softmax")
    )
    if not is_complete:
        raise ValueError(
            f"the record of {run.folder} does not tell how its detector is used: "
            f"details are {details!r:.200}"
        )
    return details


def _classifiers_of(run, which):
    """What scores regions of R-CNN's and SPPnet's runs; None where softmax does."""
    if run.config.details["classifiers"] != "svm":
        return None
    if which != "last":
        raise ValueError(
            f"which must be 'last' for {run.folder}, got {which!r}: its support vector "
            "machines belong to the weights of the last epoch"
        )
    return RegionClassifiers.load(os.path.join(run.folder, CLASSIFIERS))
