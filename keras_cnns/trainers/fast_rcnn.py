"""Training of what classifies proposed regions: R-CNN, SPPnet, Fast R-CNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import _boxes
from keras_cnns._checks import check_at_least, check_count, check_within
from keras_cnns.applications import DELTA_STDDEVS
from keras_cnns.losses.detection import region_losses
from keras_cnns.trainers.region_sampling import sample_regions
from keras_cnns.trainers.stepwise import StepwiseTrainer

if TYPE_CHECKING:
    from tensorflow import keras


class RegionTrainer(StepwiseTrainer):
    """What trains the part of a detector that sees regions.

    It reports ``loss``, ``class_loss``, ``box_loss`` (where boxes are regressed) and
    ``region_accuracy``, the fraction of sampled regions that get the right class.
    Losses are means over the sampled regions of an image, then over images.

    Args:
        network: of ``applications.detection``.
        regions_per_image: number of sampled regions.
        foreground_fraction: largest fraction of these with an object.
        foreground_iou: least overlap of a region with its object.
        background_range: least and largest overlap of regions without.
        **options: of ``StepwiseTrainer``.

    Raises:
        ValueError: if an argument is out of range.

    Source: arXiv 1504.08083, section 2.3.
    """

    metric_names = ("loss", "class_loss", "region_accuracy")
    monitors = ([("val_loss", "min")], [("loss", "min")])

    def __init__(
        self,
        network: keras.Model,
        *,
        regions_per_image: int = 64,
        foreground_fraction: float = 0.25,
        foreground_iou: float = 0.5,
        background_range: tuple[float, float] = (0.1, 0.5),
        **options: Any,
    ) -> None:
        check_count("regions_per_image", regions_per_image)
        check_within("foreground_fraction", foreground_fraction, "[0, 1]")
        check_within("foreground_iou", foreground_iou, "(0, 1]")
        check_at_least(0, least_background_iou=background_range[0])
        super().__init__(network, **options)
        self._sampling = {
            "num_rois": regions_per_image,
            "positive_fraction": foreground_fraction,
            "foreground_iou": foreground_iou,
            "background_range": tuple(background_range),
        }

    def sample(self, rois: tf.Tensor, targets: dict, uniform: tf.Tensor) -> tuple:
        """Regions to train on.

        Args:
            rois: proposals ``(batch, proposals, 4)``.
            targets: of the batch, with ``boxes``, ``labels`` and ``ignored``.
            uniform: random numbers ``(batch, proposals + boxes)`` in [0, 1).

        Returns:
            Regions ``(batch, regions, 4)``, their classes ``(batch, regions)`` with 0
            for the background and -1 for none, and deltas ``(batch, regions, 4)``.
        """
        rois, classes, boxes = sample_regions(
            rois,
            targets["boxes"],
            targets["labels"],
            targets["ignored"],
            uniform=uniform,
            **self._sampling,
        )
        return rois, classes, _boxes.encode_boxes(boxes, rois, DELTA_STDDEVS)

    def region_report(
        self, outputs: Sequence[tf.Tensor], classes: tf.Tensor, deltas: tf.Tensor
    ) -> dict:
        """Values by name, each ``(batch,)``, of the outputs for sampled regions."""
        logits, box_deltas = outputs if len(outputs) > 1 else (*outputs, None)
        class_loss, box_loss = region_losses(logits, box_deltas, classes, deltas)
        is_there = tf.cast(classes >= 0, tf.float32)
        is_right = tf.argmax(logits, -1, tf.int32) == tf.cast(classes, tf.int32)
        right = tf.reduce_sum(tf.cast(is_right, tf.float32) * is_there, -1)
        values = {
            "class_loss": class_loss,
            "region_accuracy": right / tf.maximum(tf.reduce_sum(is_there, -1), 1.0),
        }
        if box_deltas is not None:
            values["box_loss"] = box_loss
        return values

    def uniform_for(
        self, noise: Callable[[list], tf.Tensor], targets: dict, num_proposals: int
    ) -> tf.Tensor:
        """Random numbers of ``sample``."""
        boxes = targets["boxes"]
        return noise([batch_size(boxes), num_proposals + boxes.shape[1]])

    def test_noise(self, shape: Sequence[int]) -> tf.Tensor:
        """Random numbers of evaluation, always the same."""
        return tf.random.stateless_uniform(shape, [0, 0], alg="philox")

    def totalled(self, values: dict) -> tuple:
        """(mean loss of the images, values with each image's ``loss``)."""
        losses = [value for name, value in values.items() if name.endswith("_loss")]
        values = {"loss": tf.add_n(losses), **values}
        return tf.reduce_mean(values["loss"]), values

    def update_means(self, values: dict) -> dict:
        """Adds the values of a batch of evaluation; all metrics so far."""
        _, values = self.totalled(values)
        for name, value in values.items():
            self._means[name].update_state(value)
        return {metric.name: metric.result() for metric in self.metrics}


def batch_size(values: tf.Tensor) -> int | tf.Tensor:
    """Number of examples, an int where it is known: the last batch may have fewer."""
    return values.shape[0] or tf.shape(values)[0]


class FastRCNNTrainer(RegionTrainer):
    """Trains a network of images and proposed regions.

    Args:
        network: ``[images, rois]`` to logits ``(batch, regions, 1 + classes)``, and
            where boxes are regressed to deltas ``(batch, regions, 1 + classes, 4)``.
        **options: of ``RegionTrainer``.

    Source: arXiv 1504.08083, section 2.3; arXiv 1311.2524, appendix B.
    """

    def __init__(self, network: keras.Model, **options: Any) -> None:
        names = list(self.metric_names)
        if len(network.outputs) > 1:
            names.insert(2, "box_loss")
        super().__init__(network, metric_names=names, **options)

    def train_step(self, data: tuple) -> dict:
        """One update.

        Args:
            data: (images, targets with ``proposals``).
        """
        images, targets = data
        sampled = self._sampled(targets, self.step_noise().uniform)
        self.minimize(self.objective, self.network, self.optimizer, images, *sampled)
        return self.finish_step()

    def test_step(self, data: tuple) -> dict:
        images, targets = data
        rois, classes, deltas = self._sampled(targets, self.test_noise)
        outputs = tf.nest.flatten(self.network([images, rois], training=False))
        return self.update_means(self.region_report(outputs, classes, deltas))

    def objective(
        self, images: tf.Tensor, rois: tf.Tensor, classes: tf.Tensor, deltas: tf.Tensor
    ) -> tuple:
        """The multi-task loss of sampled regions."""
        outputs = tf.nest.flatten(self.network([images, rois], training=True))
        return self.totalled(self.region_report(outputs, classes, deltas))

    def _sampled(self, targets, noise):
        proposals = targets["proposals"]
        uniform = self.uniform_for(noise, targets, proposals.shape[1])
        return self.sample(proposals, targets, uniform)
