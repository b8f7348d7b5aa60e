"""Faithfulness of maps: random weights, rank correlations, deleted pixels."""

import os

import numpy as np
import pytest
from scipy import stats
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import data, inspection
from keras_cnns.data.decoding import decode_image

FASHION = "/usr/share/datasets/fashion-mnist"


def test_rank_correlation_is_spearmans():
    random = np.random.default_rng(0)
    one, other = random.integers(0, 9, (2, 50))
    expected = stats.spearmanr(one, other).statistic
    assert inspection.rank_correlation(one, other) == pytest.approx(expected)


def test_similarity_of_signed_and_absolute_maps():
    """By hand: reversed order; |maps| agree; the constant pair is left out."""
    maps = np.array([[[1.0, 2], [3, 4]], [[5, 5], [5, 5]]])
    found = inspection.map_similarity(maps, -maps)
    assert found == (-1, 1, 1)
    nothing = inspection.map_similarity(maps[1:], maps[1:])
    assert np.isnan(nothing.signed) and nothing.num_constant == 1
    with pytest.raises(ValueError, match="cannot be compared"):
        inspection.map_similarity(maps, maps[:1])


def _model():
    images = keras.Input((8, 8, 1))
    x = layers.Conv2D(4, 3, name="a")(images)
    x = layers.ReLU()(layers.BatchNormalization(name="n")(x))
    x = layers.Dense(3, activation="softmax", name="d")(layers.Flatten()(x))
    return keras.Model(images, x)


def test_randomised_weights_come_back():
    model = _model()
    random = np.random.default_rng(0)
    model.set_weights([random.uniform(1, 2, w.shape) for w in model.get_weights()])
    plain, guided = (
        inspection.InspectedClassifier(model, rule) for rule in ("gradient", "guided")
    )
    before = plain.model.get_weights()
    assert inspection.weighted_layers(plain) == ["d", "n", "a"]
    assert inspection.logit_layer(plain) == "d"
    with pytest.raises(RuntimeError), inspection.randomized([plain, guided]):
        kernel = plain.model.get_layer("d").get_weights()[0]
        assert abs(kernel.mean()) < 0.2
        np.testing.assert_allclose(kernel.std(), before[-2].std(), rtol=0.3)
        norm, old = plain.model.get_layer("n").get_weights(), before[2:6]
        for one, other in zip(norm, old):  # variances stay positive
            np.testing.assert_array_equal(np.sort(one), np.sort(other))
        for one, other in zip(plain.model.get_weights(), guided.model.get_weights()):
            np.testing.assert_array_equal(one, other)
        raise RuntimeError
    for one, other in zip(plain.model.get_weights(), before):
        np.testing.assert_array_equal(one, other)
    with inspection.randomized(plain, ["a"]):
        for name in ("n", "d"):
            for one, other in zip(
                plain.model.get_layer(name).get_weights(),
                model.get_layer(name).get_weights(),
            ):
                np.testing.assert_array_equal(one, other)
    for one, other in zip(model.get_weights(), before):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="no layer with weights named re_lu"):
        inspection.randomized(plain, ["re_lu"]).__enter__()


def test_stages():
    classifier = inspection.InspectedClassifier(_model())
    assert inspection.cascading_stages(classifier) == {
        "d": ("d",),
        "a": ("d", "n", "a"),
    }
    single = {name: (name,) for name in ("d", "n", "a")}
    assert inspection.independent_stages(classifier) == single


def test_deletion_by_hand():
    """A model that reads one pixel: without it, sigmoid(0) is left of sigmoid(3)."""
    images = keras.Input((2, 5, 1))
    dense = layers.Dense(1, activation="sigmoid", use_bias=False)
    model = keras.Model(images, dense(layers.Flatten()(images)))
    model.set_weights([np.eye(10)[:, 7:8]])
    image = np.full((1, 2, 5, 1), 3.0)
    maps = np.zeros((1, 2, 5))
    maps[0, 1, 2] = -1  # flat position 7, largest absolute value
    both, whole = np.repeat(image, 2, axis=0), np.repeat(maps, 2, axis=0)
    whole[1] = -whole[1, ::-1]  # of the second image another pixel goes
    found = inspection.deletion_score(model, both, whole, 0)
    full = 1 / (1 + np.exp(-3))
    assert found.before == pytest.approx([full, full])
    assert found.after == pytest.approx([0.5, full])
    with pytest.raises(ValueError, match="not of images"):
        inspection.deletion_score(model, image, maps[:, :1], 0)


def _fashion(split, count):
    source = data.open_source("fashion_mnist", split, FASHION)
    images, labels = [], []
    for content, label in source.examples.take(count):
        images.append(decode_image(source.read(content), 1))
        labels.append(label)
    return np.array(images, np.float32) / 255, np.array(labels)


@pytest.fixture(scope="module")
def trained():
    """The net of the check, and 64 test images."""
    keras.utils.set_random_seed(0)
    images, labels = _fashion("train", 12_000)
    model = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(16, 3, padding="same", activation="relu", name="conv1"),
            layers.MaxPooling2D(),
            layers.Conv2D(32, 3, padding="same", activation="relu", name="conv2"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, padding="same", activation="relu", name="conv3"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax", name="dense"),
        ]
    )
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(images, labels, batch_size=64, epochs=10, verbose=0)
    return model, *_fashion("test", 64)


_COLUMNS = (
    *("gradient", "smooth_grad", "input_times_gradient", "deconvnet"),
    *("guided_backpropagation", "grad_cam"),
)


@pytest.mark.slow  # two minutes
@pytest.mark.skipif(not os.path.isdir(FASHION), reason="needs dataset-fashion-mnist")
def test_randomisation_tells_methods_apart(trained):
    """Guided maps stay where the weights are random, gradients and Grad-CAM do not."""
    model, images, _ = trained
    explainer = inspection.Explainer(model)
    plain = explainer.classifier("gradient")
    classes = plain.classes_of(images)
    stages = inspection.cascading_stages(plain)
    assert list(stages) == ["dense", "conv3", "conv2", "conv1"]
    stages |= {f"{n} only": (n,) for n in ("conv1", "conv2", "conv3")}
    table = {}
    for method in _COLUMNS:
        found = inspection.randomization_check(
            lambda method=method: explainer.maps(method, images, classes),
            explainer.classifiers(method),
            stages,
        )
        table[method] = {stage: row.absolute for stage, row in found.items()}
        maps = explainer.maps(method, images, classes)
        others = explainer.maps(method, images, (classes + 1) % 10)
        table[method]["next class"] = inspection.map_similarity(maps, others).absolute
        left = inspection.deletion_score(plain, images, maps, classes)
        numbers = *table[method].values(), *(one.mean() for one in left)
        print(method, *(f"{one:.2f}" for one in numbers))
    everything, logits = (
        {method: table[method][stage] for method in _COLUMNS}
        for stage in ("conv1", "dense")
    )
    assert abs(everything["gradient"]) <= 0.15 and abs(everything["grad_cam"]) <= 0.2
    assert everything["guided_backpropagation"] >= 0.25
    assert everything["guided_backpropagation"] > everything["gradient"] + 0.2
    assert logits["guided_backpropagation"] >= 0.7 and logits["grad_cam"] <= 0.3
    assert everything["input_times_gradient"] > 0.7  # black pixels alone


@pytest.mark.slow
def test_cam_identity_of_a_trained_net(trained):
    model, images, labels = trained
    classifier = inspection.InspectedClassifier(model)
    assert (classifier.classes_of(images) == labels).mean() > 0.7
    cam = inspection.class_activation_maps(classifier, images, labels)
    bias = model.get_layer("dense").get_weights()[1][labels]
    logits = classifier.scores(images)[range(64), labels]
    np.testing.assert_allclose(cam.mean(axis=(1, 2)) + bias, logits, atol=1e-4)
    found = inspection.grad_cam(classifier, images, labels, "conv3")
    np.testing.assert_allclose(found * 49, np.maximum(cam, 0), atol=1e-4)
