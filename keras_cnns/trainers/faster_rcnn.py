"""Training of region proposal networks and of Faster R-CNN."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from keras_cnns import _boxes
from keras_cnns._checks import check_at_least, check_count, check_within
from keras_cnns.losses.detection import rpn_losses
from keras_cnns.trainers.fast_rcnn import RegionTrainer, batch_size
from keras_cnns.trainers.region_sampling import assign_anchors, sample

if TYPE_CHECKING:
    from tensorflow import keras

_RPN_METRICS = ("rpn_class_loss", "rpn_box_loss")


class FasterRCNNTrainer(RegionTrainer):
    """Trains a network that proposes regions and classifies them, both at once.

    "Approximate joint training": the losses of both parts are added, proposals are
    constants. It also reports ``rpn_class_loss`` and ``rpn_box_loss``, means over the
    sampled anchors of an image, then over images.

    Args:
        network: ``[images, sizes]`` to the outputs of ``applications.FasterRCNN``.
        anchors_per_image: number of sampled anchors.
        anchor_fraction: largest fraction of these with an object.
        anchor_ious: largest overlap of anchors without an object, and least overlap
            of those with one; the best anchor of each object has it anyway.
        anchor_border: pixels that an anchor may reach out of the image in training.
        **options: of ``RegionTrainer``.

    Source: arXiv 1506.01497, section 3.
    """

    metric_names = (*RegionTrainer.metric_names, "box_loss", *_RPN_METRICS)

    def __init__(
        self,
        network: keras.Model,
        *,
        anchors_per_image: int = 256,
        anchor_fraction: float = 0.5,
        anchor_ious: tuple[float, float] = (0.3, 0.7),
        anchor_border: float = 0.0,
        **options: Any,
    ) -> None:
        check_count("anchors_per_image", anchors_per_image)
        check_within("anchor_fraction", anchor_fraction, "[0, 1]")
        check_at_least(0, anchor_border=anchor_border)
        super().__init__(network, **options)
        self._anchors_per_image = anchors_per_image
        self._anchor_fraction = anchor_fraction
        self._anchor_ious = tuple(anchor_ious)
        self._anchor_border = anchor_border

    def train_step(self, data: tuple) -> dict:
        """One update.

        Args:
            data: (images, targets).
        """
        images, targets = data
        noise = self.step_noise().uniform
        anchors = self.sample_anchors(images, targets, noise)
        uniform = self._region_noise(images, targets, noise, training=True)
        self.minimize(
            self.objective, self.network, self.optimizer, images, targets, *anchors,
            uniform,
        )  # fmt: skip
        return self.finish_step()

    def test_step(self, data: tuple) -> dict:
        images, targets = data
        anchors = self.sample_anchors(images, targets, self.test_noise)
        uniform = self._region_noise(images, targets, self.test_noise, training=False)
        values = self._report(images, targets, *anchors, uniform, training=False)
        return self.update_means(values)

    def objective(
        self,
        images: tf.Tensor,
        targets: dict,
        labels: tf.Tensor,
        deltas: tf.Tensor,
        uniform: tf.Tensor,
    ) -> tuple:
        """The sum of both parts' losses."""
        values = self._report(images, targets, labels, deltas, uniform, True)
        return self.totalled(values)

    def _report(self, images, targets, labels, deltas, uniform, training):
        maps = part(self.network, "backbone")(images, training=training)
        objectness, anchor_deltas = part(self.network, "rpn")(maps, training=training)
        values = self.rpn_report(objectness, anchor_deltas, labels, deltas)
        rois = propose(self.network, maps, objectness, anchor_deltas, targets, training)
        rois, classes, region_deltas = self.sample(rois, targets, uniform)
        outputs = part(self.network, "regions")([maps, rois], training=training)
        return {**values, **self.region_report(outputs, classes, region_deltas)}

    def rpn_report(
        self,
        objectness: tf.Tensor,
        anchor_deltas: tf.Tensor,
        labels: tf.Tensor,
        deltas: tf.Tensor,
    ) -> dict:
        """Values by name, each ``(batch,)``, of the outputs for sampled anchors."""
        class_loss, box_loss = rpn_losses(objectness, anchor_deltas, labels, deltas)
        return {"rpn_class_loss": class_loss, "rpn_box_loss": box_loss}

    def sample_anchors(
        self, images: tf.Tensor, targets: dict, noise: Callable[[list], tf.Tensor]
    ) -> tuple:
        """(labels of anchors, 1, 0 or -1 for not sampled; their deltas)."""
        anchors = self._anchors_of(images)
        negative, positive = self._anchor_ious
        labels, matches = assign_anchors(
            anchors,
            targets["boxes"],
            targets["labels"],
            targets["ignored"],
            targets["sizes"],
            negative_iou=negative,
            positive_iou=positive,
            border=self._anchor_border,
        )
        uniform = noise([batch_size(images), anchors.shape[0]])
        labels = sample(labels, self._anchors_per_image, self._anchor_fraction, uniform)
        boxes = tf.gather(targets["boxes"], matches, batch_dims=1)
        return labels, _boxes.encode_boxes(boxes, anchors)

    def _anchors_of(self, images):
        """All anchors of the images; their number depends on the size alone."""
        backbone = part(self.network, "backbone")
        shape = backbone.compute_output_shape((1, *images.shape[1:]))
        return part(self.network, "anchors")(tf.zeros(shape))

    def _region_noise(self, images, targets, noise, training):
        most = part(self.network, "region_proposals").post_nms[0 if training else 1]
        count = min(most, self._anchors_of(images).shape[0])
        return self.uniform_for(noise, targets, count)


class RPNTrainer(FasterRCNNTrainer):
    """Trains a region proposal network alone.

    It reports ``loss``, ``rpn_class_loss`` and ``rpn_box_loss``.

    Args:
        network: ``[images, sizes]`` to the outputs of
            ``applications.RegionProposalNetwork``.
        **options: of ``FasterRCNNTrainer``.
    """

    metric_names = ("loss", *_RPN_METRICS)

    def _region_noise(self, images, targets, noise, training):
        return tf.zeros([])

    def _report(self, images, targets, labels, deltas, uniform, training):
        maps = part(self.network, "backbone")(images, training=training)
        outputs = part(self.network, "rpn")(maps, training=training)
        return self.rpn_report(*outputs, labels, deltas)


def part(network: keras.Model, name: str) -> keras.layers.Layer:
    """A layer of a detector, or a network within it."""
    return network.get_layer(name)


def propose(
    network: keras.Model,
    maps: tf.Tensor,
    objectness: tf.Tensor,
    anchor_deltas: tf.Tensor,
    targets: dict,
    training: bool,
) -> tf.Tensor:
    """Proposals ``(batch, proposals, 4)`` of a detector's maps, as constants."""
    anchors = part(network, "anchors")(maps)
    rois, _ = part(network, "region_proposals")(
        [objectness, anchor_deltas, anchors, targets["sizes"]], training=training
    )
    return tf.stop_gradient(rois)
