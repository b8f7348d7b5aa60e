"""Which anchors and regions a detector is trained on, and with which objects.

Pure functions of static shapes that XLA compiles; nothing of them has a gradient. What
is random is drawn outside and given as ``uniform``.

Objects of a batch are boxes ``(batch, G, 4)``, continuous, in pixels; labels
``(batch, G)``, int, -1 for padding; and ignored ``(batch, G)``, bool, for crowds and
difficult objects. Anchors and regions that overlap an ignored object most are neither
examples of objects nor of background.
"""

import tensorflow as tf

from keras_cnns._boxes import box_areas, finite_boxes, pairwise_iou
from keras_cnns._checks import check_count, check_within


def assign_anchors(
    anchors: tf.Tensor,
    boxes: tf.Tensor,
    labels: tf.Tensor,
    ignored: tf.Tensor,
    sizes: tf.Tensor,
    positive_iou: float = 0.7,
    negative_iou: float = 0.3,
    border: float = 0.0,
) -> tuple:
    """Labels of anchors, and the object that each is to be moved to.

    In this order: anchors that overlap all objects less than ``negative_iou`` are
    background; for each object those that overlap it most are positive, unless it
    overlaps none; anchors that overlap an object by ``positive_iou`` are positive.
    Those that reach out of the image by more than ``border``, and all others, are left
    out.

    Args:
        anchors: ``(N, 4)``.
        boxes, labels, ignored: of the objects, see above.
        sizes: ``(batch, 2)``, height and width of the images in pixels.
        positive_iou, negative_iou: in [0, 1].
        border: in pixels.

    Returns:
        int32 ``(batch, N)``: 1 object, 0 background, -1 left out; and int32
        ``(batch, N)``: index of the object that the anchor itself overlaps most.

    Raises:
        ValueError: if a threshold is not in [0, 1].

    Source: Ren et al., arXiv 1506.01497, section 3.1.2; the order is that of the
    released code.
    """
    check_within("positive_iou", positive_iou, "[0, 1]")
    check_within("negative_iou", negative_iou, "[0, 1]")
    anchors, sizes = tf.cast(anchors, tf.float32), tf.cast(sizes, tf.float32)
    limits = sizes[:, None] + border
    is_inside = tf.reduce_all(anchors[:, :2] >= -border, -1) & tf.reduce_all(
        anchors[:, 2:] <= limits, -1
    )
    overlaps, best, matches, in_ignored = _overlaps(anchors, boxes, labels, ignored)
    overlaps = tf.where(is_inside[..., None], overlaps, 0.0)
    best_of_object = tf.reduce_max(overlaps, 1, keepdims=True)
    is_best = tf.reduce_any((overlaps == best_of_object) & (best_of_object > 0), -1)
    assigned = tf.where(best < negative_iou, 0, -1)
    assigned = tf.where(is_best, 1, assigned)
    assigned = tf.where((best >= positive_iou) & (best > 0), 1, assigned)
    is_neutral = (in_ignored >= negative_iou) & (in_ignored > best)
    assigned = tf.where(is_neutral | ~is_inside, -1, assigned)
    return tf.stop_gradient(assigned), matches


def sample(
    labels: tf.Tensor, num: int, positive_fraction: float, uniform: tf.Tensor
) -> tf.Tensor:
    """A random part of the labels; the rest becomes -1.

    Args:
        labels: int ``(batch, N)``: 1 positive, 0 negative, -1 left out.
        num: how many are kept of each image at most. Where there are too few positives,
            more negatives are.
        positive_fraction: of positives among ``num`` at most, rounded down; in [0, 1].
        uniform: ``(batch, N)``, uniform in [0, 1).

    Returns:
        int32 ``(batch, N)``.

    Raises:
        ValueError: if ``num`` is no positive whole number, or ``positive_fraction`` is
            not in [0, 1].
    """
    check_count("num", num)
    check_within("positive_fraction", positive_fraction, "[0, 1]")
    labels = tf.cast(labels, tf.int32)
    limit = tf.fill([tf.shape(labels)[0]], int(num * positive_fraction + 1e-6))
    positives = _draw(labels == 1, uniform, num, limit)
    rest = num - tf.reduce_sum(tf.cast(positives, tf.int32), -1)
    negatives = _draw(labels == 0, uniform, num, rest)
    return tf.where(positives, 1, tf.where(negatives, 0, -1))


def sample_regions(
    rois: tf.Tensor,
    boxes: tf.Tensor,
    labels: tf.Tensor,
    ignored: tf.Tensor,
    num_rois: int,
    positive_fraction: float,
    foreground_iou: float,
    background_range: tuple[float, float],
    uniform: tf.Tensor,
) -> tuple:
    """The regions that a detector is trained on, with their classes and objects.

    The objects' own boxes are added to the proposals. Regions of an image without
    objects are all background, whatever their range says.

    Args:
        rois: ``(batch, R, 4)``, proposals; rows without area are padding.
        boxes, labels, ignored: of the objects, see above.
        num_rois: how many of each image.
        positive_fraction: of objects among them at most, rounded down; in [0, 1].
        foreground_iou: least overlap with an object; in [0, 1].
        background_range: overlaps of background, from the first up to, without it, the
            second one.
        uniform: ``(batch, R + G)``, uniform in [0, 1).

    Returns:
        ``rois (batch, num_rois, 4)``, objects first; ``classes (batch, num_rois)``,
        int32: 0 background, k the foreground class k - 1, -1 an empty place; and
        ``targets (batch, num_rois, 4)``, the boxes of the matched objects. Boxes of
        empty places, and targets of all but objects, are 0.

    Raises:
        ValueError: if an argument is something else.

    Source: Girshick, arXiv 1504.08083, section 2.3; that proposals include the objects
    is in the released code.
    """
    check_within("foreground_iou", foreground_iou, "[0, 1]")
    low, high = background_range
    check_within("the end of background_range", high, "[0, 1]")
    check_within("the start of background_range", low, f"[0, {high}]")
    boxes, labels = finite_boxes(boxes), tf.cast(labels, tf.int32)
    is_object = _is_object(boxes, labels, ignored)
    own = tf.where(is_object[..., None], boxes, 0.0)
    rois = tf.concat([finite_boxes(rois), own], 1)
    _, best, matches, in_ignored = _overlaps(rois, boxes, labels, ignored)
    is_foreground = (best >= foreground_iou) & (best > 0)
    low = tf.where(tf.reduce_any(is_object, -1, keepdims=True), low, 0.0)
    is_background = (best >= low) & (best < high) & ~is_foreground
    kinds = tf.where(is_foreground, 1, tf.where(is_background, 0, -1))
    is_neutral = (in_ignored >= high) & (in_ignored > best)
    kinds = tf.where(is_neutral | ~(box_areas(rois) > 0), -1, kinds)
    kinds = sample(kinds, num_rois, positive_fraction, uniform)
    return _in_places(num_rois, kinds, rois, boxes, labels, matches)


def _in_places(num_rois, kinds, rois, boxes, labels, matches):
    """What was drawn, in ``num_rois`` places: regions, classes, targets."""
    available = tf.shape(kinds)[1]
    kinds, order = tf.math.top_k(kinds, tf.minimum(num_rois, available))
    missing = [[0, 0], [0, num_rois - tf.shape(kinds)[1]]]
    kinds = tf.pad(kinds, missing, constant_values=-1)
    order = tf.pad(order, missing)
    kinds, order = (tf.ensure_shape(x, [None, num_rois]) for x in (kinds, order))
    rois = tf.gather(rois, order, batch_dims=1)
    matches = tf.gather(matches, order, batch_dims=1)
    is_object = kinds == 1
    classes = tf.gather(labels, matches, batch_dims=1) + 1
    targets = tf.gather(boxes, matches, batch_dims=1)
    found = (
        tf.where((kinds >= 0)[..., None], rois, 0.0),
        tf.where(is_object, classes, kinds),
        tf.where(is_object[..., None], targets, 0.0),
    )
    return tuple(map(tf.stop_gradient, found))


def _is_object(boxes, labels, ignored):
    """Objects that are neither padding nor ignored, ``(batch, G)``."""
    return (labels >= 0) & ~tf.cast(ignored, tf.bool) & (box_areas(boxes) > 0)


def _overlaps(candidates, boxes, labels, ignored):
    """What anchors or regions overlap.

    Returns:
        ``(batch, N, G)``, IoU with objects, 0 with all else; and, ``(batch, N)`` each,
        the largest of them, its index, and the largest IoU with an ignored object.
    """
    boxes, labels = finite_boxes(boxes), tf.cast(labels, tf.int32)
    is_object = _is_object(boxes, labels, ignored)[:, None]
    is_ignored = ((labels >= 0) & tf.cast(ignored, tf.bool))[:, None]
    overlaps = pairwise_iou(candidates, boxes)
    of_objects = tf.where(is_object, overlaps, 0.0)
    matches = tf.argmax(of_objects, -1, output_type=tf.int32)
    in_ignored = tf.reduce_max(tf.where(is_ignored, overlaps, 0.0), -1)
    return of_objects, tf.reduce_max(of_objects, -1), matches, in_ignored


def _draw(is_member, uniform, num, limits):
    """Marks ``limits (batch,)`` random members of each row, ``num`` at most."""
    shape = tf.shape(is_member)
    keys = tf.where(is_member, tf.cast(uniform, tf.float32), 2.0)
    keys, places = tf.math.top_k(-keys, tf.minimum(num, shape[1]))
    ranks = tf.range(tf.shape(places)[1])
    is_drawn = (ranks < limits[:, None]) & (keys > -2.0)
    rows = tf.broadcast_to(tf.range(shape[0])[:, None], tf.shape(places))
    marks = tf.scatter_nd(
        tf.stack([rows, places], -1), tf.cast(is_drawn, tf.int32), shape
    )
    return marks > 0
