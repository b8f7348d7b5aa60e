"""What transformers sample, and where."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, inspection, layers


def test_warps_of_parallel_transformers():
    """Of a shift by half of the image, and of the outer edges' convention."""
    image = keras.Input([5, 9, 1])
    features = keras.layers.GlobalMaxPooling2D()(image)
    outputs = [
        applications.spatial_transformer(
            image,
            features,
            "attention",
            2,
            shift=(0.5, 0.0),
            align_corners=aligned,
            name=name,
        )
        for name, aligned in (("centres", True), ("edges", False))
    ]
    network = keras.Model(image, outputs)
    pictures = tf.random.stateless_normal([3, 5, 9, 1], [0, 1])
    centres, edges = inspection.spatial_warps(network, pictures)
    assert centres.name == "centres"
    np.testing.assert_array_equal(centres.maps, pictures)
    # x of -1 and 1 is moved to -0.5 and 1.5, of 9 cells the third and the eleventh
    expected = [[[2, 0], [10, 0]], [[2, 4], [10, 4]]]
    np.testing.assert_allclose(centres.places[1], expected, atol=1e-5)
    np.testing.assert_allclose(centres.outputs, network(pictures)[0])
    # x of -0.5 and 0.5 is moved to 0 and 1, whose places are in the middle and at the
    # outer edge of the last cell
    expected = [[[4, 0.75], [8.5, 0.75]], [[4, 3.25], [8.5, 3.25]]]
    np.testing.assert_allclose(edges.places[0], expected, atol=1e-5)
    assert [x.name for x in inspection.spatial_transformers(network)] == [
        "centres", "edges",
    ]  # fmt: skip


def test_networks_without_transformers_and_other_things():
    network = applications.STNFCN(input_shape=(4, 4, 1))
    assert inspection.spatial_warps(network, tf.zeros([1, 4, 4, 1])) == []
    with pytest.raises(ValueError, match="network must be.*BilinearSampler"):
        inspection.spatial_transformers(layers.BilinearSampler())
