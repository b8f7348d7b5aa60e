"""The triplet loss by hand."""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import losses


def test_triplet_hinge_by_hand():
    """Squared distances 1 and 9; 1 and 1.25; 4 and 0."""
    anchor = tf.zeros([3, 2], tf.float16)
    positive = tf.constant([[1.0, 0], [0, 1], [2, 0]])
    negative = tf.constant([[0.0, 3], [1, 0.5], [0, 0]])
    found = losses.triplet_hinge(anchor, positive, negative)
    np.testing.assert_allclose(found, [0, 0.75, 5])
    found = losses.triplet_hinge(anchor, positive, negative, margin=0.25)
    np.testing.assert_allclose(found, [0, 0, 4.25])
    assert found.dtype == tf.float32


def test_bad_margins_are_quoted():
    with pytest.raises(ValueError, match="margin.*got 0"):
        losses.triplet_hinge(*[tf.zeros([1, 2])] * 3, margin=0)
