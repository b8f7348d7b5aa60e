"""Class activation maps by hand, and their identities."""

import numpy as np
import pytest
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import applications, inspection

_MAPS = np.array([[[1.0, 0], [0, 3]], [[2, 1], [1, 0]]])[None]  # channels last


def _pooled(units=1, **dense):
    images = keras.Input((2, 2, 2))
    x = layers.Activation("linear", name="maps")(images)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(images, layers.Dense(units, name="out", **dense)(x))


def test_golden_maps():
    """f1 = ((1, 0), (2, 1)), f2 = ((0, 3), (1, 0)), w = (2, -1), b = 0."""
    model = _pooled()
    model.get_layer("out").set_weights([np.array([[2.0], [-1]]), np.zeros(1)])
    assert inspection.InspectedClassifier(model).scores(_MAPS) == pytest.approx(1)
    cam = inspection.class_activation_maps(model, _MAPS)
    np.testing.assert_allclose(cam, [[[2, -3], [3, 2]]], atol=1e-6)
    assert cam.mean() == pytest.approx(1)
    found = inspection.grad_cam(model, _MAPS, layer="maps")
    np.testing.assert_allclose(found, [[[0.5, 0], [0.75, 0.5]]], atol=1e-6)


def _network(kind):
    images = keras.Input((12, 12, 3))
    x = layers.Conv2D(6, 3, activation="relu", name="a")(images)
    if kind == "class maps":
        x = layers.Conv2D(4, 1, name="b")(x)
        x = layers.GlobalAveragePooling2D()(x)
        return keras.Model(images, layers.Activation("softmax")(x))
    x = layers.Dropout(0.5)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, layers.Dense(4, activation="softmax")(x))


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(4, 12, 12, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["dense", "class maps"])
def test_identities(images, kind):
    """The mean of a CAM and the bias is the logit; Grad-CAM is ReLU(CAM) / (H W)."""
    model, classes = _network(kind), np.arange(4)
    classifier = inspection.InspectedClassifier(model)
    assert inspection.has_class_activation_maps(model)
    cam = inspection.class_activation_maps(classifier, images, classes)
    bias = model.layers[-1].get_weights()[1] if kind == "dense" else np.zeros(4)
    logits = classifier.scores(images)[range(4), classes]
    np.testing.assert_allclose(cam.mean(axis=(1, 2)) + bias, logits, atol=1e-4)
    found = inspection.grad_cam(classifier, images, classes)
    np.testing.assert_allclose(found * 100, np.maximum(cam, 0), atol=1e-4)


def test_other_ends_have_no_class_activation_maps(images):
    inputs = keras.Input((12, 12, 3))
    x = layers.Flatten()(layers.Conv2D(2, 3)(inputs))
    model = keras.Model(inputs, layers.Dense(2)(x))
    assert not inspection.has_class_activation_maps(model)
    with pytest.raises(ValueError, match=r"average pooling .* 'conv2d.* take grad_cam"):
        inspection.class_activation_maps(model, images)


def test_guided_grad_cam_is_the_product(images):
    model = _network("dense")
    found = inspection.guided_grad_cam(model, images, 1)
    guided = inspection.class_gradients(model, images, 1, "guided")
    maps = inspection.enlarge(inspection.grad_cam(model, images, 1), (12, 12))
    np.testing.assert_allclose(found, guided * maps[..., None], atol=1e-7)


def test_last_maps_are_before_pooling():
    model = applications.create_model("small_convnet", input_shape=(16, 16, 3))
    assert inspection.InspectedClassifier(model).last_maps() == "conv4"
    inputs = keras.Input((16, 16, 3))
    part = keras.layers.Conv2D(4, 3, activation="relu", name="conv")(inputs)
    base = keras.Model(inputs, keras.layers.MaxPooling2D()(part), name="base")
    x = keras.layers.GlobalAveragePooling2D()(base(inputs))
    whole = keras.Model(inputs, keras.layers.Dense(3)(x))
    assert inspection.InspectedClassifier(whole).last_maps() == "base/conv"


def test_normalised_maps_and_boxes():
    """Without a positive value there is nothing to divide by, and no box."""
    maps = np.array([[[-1.0, 0], [0, -2]], [[4, 2], [-1, 0]]])
    normal = inspection.normalize_map(maps)
    np.testing.assert_array_equal(normal, [[[0, 0], [0, 0]], [[1, 0.5], [0, 0]]])
    assert inspection.map_box(maps[0]) is None
    values = np.zeros((6, 8))
    values[1:3, 2:6], values[5, 7] = 1.0, 5.0
    assert inspection.map_box(values) == (1, 2, 3, 6)  # 1 is a fifth of 5
    assert inspection.map_box(values, 0.3) == (5, 7, 6, 8)
    with pytest.raises(ValueError, match="threshold.*got 0"):
        inspection.map_box(values, 0)
