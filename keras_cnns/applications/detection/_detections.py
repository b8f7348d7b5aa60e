"""What the outputs of a detector's network mean: detections."""

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import box_areas, clip_boxes, decode_boxes
from keras_cnns.applications.detection._parts import CUTS, POOLING
from keras_cnns.layers import Detections

# Standard deviations of the deltas ty, tx, th, tw that networks learn in units of.
DELTA_STDDEVS = (0.1, 0.1, 0.2, 0.2)


class DetectionFunction:
    """Images to detections: a network, boxes decoded, duplicates left out.

    Args:
        network: of this package. Of a region proposal network the detections are its
            proposals, of one class.
        classifiers: of R-CNN and SPPnet, what scores regions in place of the network's
            softmax: an object with the arrays ``weights (D, K)``, ``biases (K,)``,
            ``detectable (K,)``, ``box_weights (F, K, 4)`` and ``box_biases (K, 4)``, as
            ``trainers.RegionClassifiers`` has them; None for none.
        iou_threshold: a box goes that overlaps a better one of its class by more.
        min_score: scores must be above it.
        max_detections: of an image.

    Attributes:
        takes_regions: whether proposals are given, and not the network's own.
        variables: of the network.

    Raises:
        ValueError: if a threshold is out of range.
    """

    def __init__(
        self,
        network,
        classifiers=None,
        *,
        iou_threshold=0.3,
        min_score=0.05,
        max_detections=100,
    ):
        self.takes_regions = "rois" in network.input_names
        self.variables = network.variables
        self._proposes_only = not self.takes_regions and len(network.outputs) == 4
        self._network = network
        self._classifiers = classifiers
        if classifiers is not None:
            self._network = region_features(network)
        self._select = Detections(iou_threshold, min_score, max_detections)

    def __call__(self, images, sizes, rois=None) -> dict:
        """Detections of a batch.

        Args:
            images: ``(batch, height, width, channels)``, padded below and at the right.
            sizes: ``(batch, 2)``, height and width of each image within.
            rois: ``(batch, regions, 4)`` where proposals are given; rows without area
                are padding.

        Returns:
            Dict of ``boxes (batch, detections, 4)`` in pixels of the images,
            ``scores``, ``classes`` from 0 and ``count``; see ``layers.Detections``.
        """
        second = rois if self.takes_regions else sizes
        outputs = self._network([images, second], training=False)
        outputs = outputs if isinstance(outputs, (list, tuple)) else [outputs]
        if self._proposes_only:
            rois, scores = outputs[:2]
            return self._select([scores[..., None], rois[:, :, None], scores > 0])
        if not self.takes_regions:
            rois = outputs[2]
        if self._classifiers is not None:
            scores, deltas = self._by_classifiers(*outputs, tf.shape(rois))
            boxes = decode_boxes(deltas, rois[:, :, None])
        else:
            logits = tf.cast(outputs[0], tf.float32)
            scores = tf.nn.softmax(logits)[..., 1:]
            boxes = _moved(rois, outputs[1:], tf.shape(scores))
        boxes = clip_boxes(boxes, sizes)
        return self._select([scores, boxes, box_areas(rois) > 0])

    def _by_classifiers(self, vectors, pooled, shape):
        """Scores ``(batch, regions, K)`` and deltas ``(batch, regions, K, 4)``."""
        by = self._classifiers
        scores = tf.cast(vectors, tf.float32) @ tf.constant(by.weights) + by.biases
        scores = tf.where(by.detectable, scores, tf.float32.min)
        classes = len(by.biases)
        weights = by.box_weights.reshape(len(by.box_weights), -1)
        pooled = tf.cast(pooled, tf.float32)
        deltas = pooled @ tf.constant(weights) + by.box_biases.reshape(-1)
        return (
            tf.reshape(scores, [shape[0], shape[1], classes]),
            tf.reshape(deltas, [shape[0], shape[1], classes, 4]),
        )


def _moved(rois, deltas, shape):
    """Boxes of the foreground classes; without deltas the regions themselves."""
    if not deltas:
        return tf.broadcast_to(rois[:, :, None], tf.concat([shape, [4]], 0))
    return decode_boxes(deltas[0][:, :, 1:], rois[:, :, None], DELTA_STDDEVS)


def region_features(network) -> keras.Model:
    """What R-CNN's and SPPnet's classifiers and box regressors are fitted to.

    Args:
        network: ``[images, rois (batch, regions, 4)]`` to logits, of R-CNN or SPPnet.

    Returns:
        A ``keras.Model`` of the same inputs, to the vectors ``(batch * regions, D)``
        that the logits are made of, and to the last maps of each region, flat, ``(batch
        * regions, F)``. It shares the weights.
    """
    names = [layer.name for layer in network.layers]
    cuts = [cut.resumed for cut in CUTS.values() if cut.resumed in names]
    maps = network.get_layer("flatten" if POOLING in names else cuts[0]).output
    if len(maps.shape) > 2:
        maps = keras.layers.Flatten(name="last_maps")(maps)
    vectors = network.get_layer("class_logits").input
    return keras.Model(network.inputs, [vectors, maps], name="region_features")
