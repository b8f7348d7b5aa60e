"""Detection losses: one value per image, in float32.

Labels tell which anchors and regions count; what the others have for targets, and even
NaN of theirs, is not looked at.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns._checks import check_choice, check_positive

if TYPE_CHECKING:
    from keras_cnns._types import Array

RPN_FORMS = ("code", "paper")
# Of the paper: anchors of the class term; locations and weight of the box term.
_SAMPLED, _LOCATIONS, _BALANCE = 256, 2400, 10.0


def smooth_l1(residuals: Array, sigma: float = 1.0) -> tf.Tensor:
    """Squares near zero, absolute values beyond ``1 / sigma ** 2``.

    Args:
        residuals: of any shape.
        sigma: positive; the larger, the narrower the squared part.

    Returns:
        float32 of the same shape: ``(sigma * x) ** 2 / 2`` or
        ``|x| - 1 / (2 * sigma ** 2)``.

    Raises:
        ValueError: if ``sigma`` is not positive.

    Source: Girshick, arXiv 1504.08083, equation 3; sigma is in the released code.
    """
    check_positive("sigma", sigma)
    size, bend = tf.abs(tf.cast(residuals, tf.float32)), 1.0 / sigma**2
    near = tf.minimum(size, bend)  # so that the square of a large one is never made
    return near * near / (2 * bend) + (size - near)


def rpn_losses(
    objectness: Array,
    deltas: Array,
    labels: Array,
    targets: Array,
    form: str = "code",
) -> tuple:
    """The class term and the box term of a region proposal network.

    Args:
        objectness: ``(batch, N, 2)``, logits of background and object.
        deltas: ``(batch, N, 4)``, predicted.
        labels: ``(batch, N)``, int: 1 object, 0 background, -1 not sampled.
        targets: ``(batch, N, 4)``, as ``encode_boxes`` makes them.
        form: ``"code"``, of the released Python code: both terms are divided by the
            number of sampled anchors, the box term has sigma 3. ``"paper"``: the class
            term is divided by 256, the box term, of sigma 1, by 2400 and multiplied
            by 10.

    Returns:
        Two tensors ``(batch,)``; 0 where nothing is sampled.

    Raises:
        ValueError: if ``form`` is something else.

    Source: Ren et al., arXiv 1506.01497, equation 1.
    """
    check_choice("form", form, RPN_FORMS)
    entropy, num_sampled = _sampled_entropy(objectness, labels)
    sigma = 3.0 if form == "code" else 1.0
    distances = _foreground_distances(deltas, labels, targets, sigma)
    if form == "paper":
        return entropy / _SAMPLED, distances * _BALANCE / _LOCATIONS
    return (
        tf.math.divide_no_nan(entropy, num_sampled),
        tf.math.divide_no_nan(distances, num_sampled),
    )


def region_losses(
    class_logits: Array,
    box_deltas: Array | None,
    labels: Array,
    targets: Array,
) -> tuple:
    """The class term and the box term of a network that classifies regions.

    Both are divided by the image's number of sampled regions, not of objects among
    them. The mean over images is the published loss where all have as many.

    Args:
        class_logits: ``(batch, R, K + 1)``, background first.
        box_deltas: ``(batch, R, K + 1, 4)``, predicted for each class; None where boxes
            are not regressed.
        labels: ``(batch, R)``, int: 0 background, k the foreground class k - 1, -1 for
            what is not sampled.
        targets: ``(batch, R, 4)``, as ``encode_boxes`` makes them.

    Returns:
        Two tensors ``(batch,)``; 0 where nothing is sampled. The second is None without
        deltas.

    Source: Girshick, arXiv 1504.08083, equations 1 and 2.
    """
    entropy, num_sampled = _sampled_entropy(class_logits, labels)
    class_losses = tf.math.divide_no_nan(entropy, num_sampled)
    if box_deltas is None:
        return class_losses, None
    own_class = tf.maximum(tf.cast(labels, tf.int32), 0)
    deltas = tf.gather(box_deltas, own_class, axis=2, batch_dims=2)
    distances = _foreground_distances(deltas, labels, targets, sigma=1.0)
    return class_losses, tf.math.divide_no_nan(distances, num_sampled)


def _sampled_entropy(logits, labels):
    """Cross entropy summed over what is sampled, and its number, each ``(batch,)``."""
    labels = tf.cast(labels, tf.int32)
    is_sampled = labels >= 0
    logits = tf.where(is_sampled[..., None], tf.cast(logits, tf.float32), 0.0)
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(
        tf.maximum(labels, 0), logits
    )
    weights = tf.cast(is_sampled, tf.float32)
    return tf.reduce_sum(weights * entropy, -1), tf.reduce_sum(weights, -1)


def _foreground_distances(deltas, labels, targets, sigma):
    """Smooth L1 distances summed over the foreground, ``(batch,)``."""
    residuals = tf.cast(deltas, tf.float32) - tf.cast(targets, tf.float32)
    is_foreground = (tf.cast(labels, tf.int32) > 0)[..., None]
    residuals = tf.where(is_foreground, residuals, 0.0)
    return tf.reduce_sum(smooth_l1(residuals, sigma), [-2, -1])
