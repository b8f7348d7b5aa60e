"""What the outputs of a detector's network mean: detections."""

import copy

import tensorflow as tf
from tensorflow import keras

from keras_cnns._boxes import box_areas, clip_boxes, decode_boxes
from keras_cnns.applications.detection._parts import BACKBONE, CUTS, POOLING
from keras_cnns.layers import Detections, UnfoldRegions

# Standard deviations of the deltas ty, tx, th, tw that networks learn in units of.
DELTA_STDDEVS = (0.1, 0.1, 0.2, 0.2)

_CHUNK = 128  # regions that R-CNN sees at a time


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
        min_score: as given.

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
        self.min_score = min_score
        self._proposes_only = not self.takes_regions and len(network.outputs) == 4
        self._network = network
        self._classifiers = classifiers
        if classifiers is not None:
            self._network = region_features(network)
        self._select = Detections(iou_threshold, min_score, max_detections)

    def with_network(self, change) -> "DetectionFunction":
        """The same with what ``change`` makes of the network that it calls."""
        copied = copy.copy(self)
        copied._network = change(self._network)
        copied.variables = copied._network.variables
        return copied

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
        if self.takes_regions:
            outputs = run_regions(self._network, images, rois)
        else:
            outputs = self._network([images, sizes], training=False)
        if self._proposes_only:
            rois, scores = outputs[:2]
            return self._select([scores[..., None], rois[:, :, None], scores > 0])
        if not self.takes_regions:
            rois = outputs[2]
        if self._classifiers is not None:
            scores, deltas = self._by_classifiers(*outputs)
            boxes = decode_boxes(deltas, rois[:, :, None])
        else:
            logits = tf.cast(outputs[0], tf.float32)
            scores = tf.nn.softmax(logits)[..., 1:]
            boxes = _moved(rois, outputs[1:], tf.shape(scores))
        boxes = clip_boxes(boxes, sizes)
        return self._select([scores, boxes, box_areas(rois) > 0])

    def _by_classifiers(self, vectors, pooled):
        """Scores ``(batch, regions, K)`` and deltas ``(batch, regions, K, 4)``."""
        by = self._classifiers
        scores = tf.cast(vectors, tf.float32) @ tf.constant(by.weights) + by.biases
        scores = tf.where(by.detectable, scores, tf.float32.min)
        weights = by.box_weights.reshape(len(by.box_weights), -1)
        pooled = tf.cast(pooled, tf.float32)
        deltas = pooled @ tf.constant(weights) + by.box_biases.reshape(-1)
        shape = tf.concat([tf.shape(scores), [4]], 0)
        return scores, tf.reshape(deltas, shape)


def _moved(rois, deltas, shape):
    """Boxes of the foreground classes; without deltas the regions themselves."""
    if not deltas:
        return tf.broadcast_to(rois[:, :, None], tf.concat([shape, [4]], 0))
    return decode_boxes(deltas[0][:, :, 1:], rois[:, :, None], DELTA_STDDEVS)


def run_regions(network, images, rois) -> list:
    """Outputs of a network that is given regions, in inference.

    R-CNN's network, which sees each region as an image, takes 128 of them at a time: of
    2,000, one map of VGG16 would take 26 GB.

    Args:
        network: ``[images, rois]`` to outputs ``(batch, regions, ...)``.
        images: ``(batch, height, width, channels)``.
        rois: ``(batch, regions, 4)``.

    Returns:
        List of the outputs.
    """
    if any(layer.name == BACKBONE for layer in network.layers):
        outputs = network([images, rois], training=False)
        return list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
    shape = tf.shape(rois)
    chunks = (shape[1] + _CHUNK - 1) // _CHUNK
    rois = tf.pad(rois, [[0, 0], [0, chunks * _CHUNK - shape[1]], [0, 0]])
    rois = tf.reshape(rois, [shape[0], chunks, _CHUNK, 4])
    kinds = [tf.TensorSpec(None, output.dtype) for output in network.outputs]

    def run(chunk):
        return tf.nest.flatten(network([images, chunk], training=False))

    parts = tf.map_fn(
        run,
        tf.transpose(rois, [1, 0, 2, 3]),
        fn_output_signature=kinds,
        parallel_iterations=1,  # the network's operations are not for two threads
    )
    return [
        _joined(part, output, shape) for part, output in zip(parts, network.outputs)
    ]


def _joined(chunks, output, shape):
    """``(chunks, batch, 128, D)`` as ``(batch, regions, D)``, without the padding."""
    chunks = tf.transpose(chunks, [1, 0, 2, 3])
    joined = tf.reshape(chunks, [shape[0], -1, output.shape[-1]])
    return joined[:, : shape[1]]


def region_features(network) -> keras.Model:
    """What R-CNN's and SPPnet's classifiers and box regressors are fitted to.

    Args:
        network: ``[images, rois (batch, regions, 4)]`` to logits, of R-CNN or SPPnet.

    Returns:
        A ``keras.Model`` of the same inputs, to the vectors ``(batch, regions, D)``
        that the logits are made of, and to the last maps of each region, flat,
        ``(batch, regions, F)``. It shares the weights; ``run_regions`` runs it.
    """
    names = [layer.name for layer in network.layers]
    cuts = [cut.resumed for cut in CUTS.values() if cut.resumed in names]
    last = "flatten" if POOLING in names else max(cuts, key=names.index)
    maps = network.get_layer(last).output
    if len(maps.shape) > 2:
        maps = keras.layers.Flatten(name="last_maps")(maps)
    vectors, rois = network.get_layer("class_logits").input, network.inputs[1]
    outputs = [
        UnfoldRegions(name=name)([values, rois])
        for name, values in (("vectors", vectors), ("pooled", maps))
    ]
    return keras.Model(network.inputs, outputs, name="region_features")
