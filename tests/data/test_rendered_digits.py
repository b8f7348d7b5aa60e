"""The drawn digits: what is in the set, and that it is the same each time."""

import numpy as np
import pytest
from sklearn import datasets, linear_model

from keras_cnns import data
from keras_cnns.data.builders import rendered_digits


@pytest.fixture(scope="module")
def sets(data_dir):
    """Both splits as ``(images, labels)``."""
    plain = data.Preprocessing(8, 8, 1, (0.0,), (1.0,))
    sets = {}
    for split in ("train", "test"):
        source = data.open_source("rendered_digits", split, data_dir)
        assert source.image_shape == (8, 8, 1)
        assert source.class_names == tuple("0123456789")
        examples = source.examples.map(
            lambda content, label, s=source: (plain.decode(s.read(content)), label)
        )
        images, labels = zip(*examples.as_numpy_iterator())
        sets[split] = np.stack(images), np.array(labels)
    return sets


def test_splits_are_balanced_and_share_no_image(sets):
    for split, per_class in (("train", 500), ("test", 100)):
        images, labels = sets[split]
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(np.bincount(labels), [per_class] * 10)
    seen = {image.tobytes() for image in sets["train"][0]}
    repeated = np.mean([image.tobytes() in seen for image in sets["test"][0]])
    assert repeated < 0.01  # ones may agree by chance


def test_they_are_the_same_whenever_they_are_made():
    first, again, other = (
        rendered_digits.render_digit(4, np.random.default_rng(seed))
        for seed in (5, 5, 6)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_lines_are_antialiased_and_white():
    """A vertical line 2 wide at x = 4 covers two columns, one 1 wide half of each."""
    start, end = np.array([[4.0, -9.0]]), np.array([[4.0, 20.0]])
    wide = rendered_digits._covered(start, end, 1.0)
    np.testing.assert_array_equal(wide, np.tile([0, 0, 0, 1, 1, 0, 0, 0], (8, 1)))
    narrow = rendered_digits._covered(start, end, 0.5)
    half = [0, 0, 0, 0.5, 0.5, 0, 0, 0]
    np.testing.assert_array_equal(narrow, np.tile(half, (8, 1)))
    # The round end of a line: a quarter disc of radius 2 in a corner, area pi.
    corner = rendered_digits._covered(np.zeros((1, 2)), np.full((1, 2), -1.0), 2.0)
    assert corner.sum() == pytest.approx(np.pi, abs=0.15)


def test_they_stand_for_the_same_digits_as_the_real_ones_but_look_otherwise(sets):
    """A linear classifier tells their classes from each other, real ones worse."""
    images, labels = sets["train"]
    model = linear_model.LogisticRegression(max_iter=500)
    model.fit(images[:1000].reshape(-1, 64) / 255, labels[:1000])
    test, test_labels = sets["test"]
    real = datasets.load_digits()
    on_own = model.score(test.reshape(-1, 64) / 255, test_labels)
    on_real = model.score(real.data / 16, real.target)
    assert on_own > 0.97
    assert 0.4 < on_real < 0.85
