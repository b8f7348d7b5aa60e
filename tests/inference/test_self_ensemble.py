"""The self-ensemble against its eight transforms written out."""

import numpy as np

from keras_cnns.inference.self_ensemble import self_ensemble


def enlarged(images):
    """Twice as large, in a way that depends on directions."""
    larger = images.repeat(2, axis=1).repeat(2, axis=2)
    larger[:, 1::2] += 1
    larger[:, :, 0] *= 3
    return larger


def test_is_the_mean_of_all_turned_and_mirrored_answers():
    images = np.random.default_rng(0).uniform(size=(2, 5, 4, 3))
    ways = [
        (lambda x: x, lambda x: x),
        (lambda x: x[:, ::-1], lambda x: x[:, ::-1]),
        (lambda x: x[:, :, ::-1], lambda x: x[:, :, ::-1]),
        (lambda x: x[:, ::-1, ::-1], lambda x: x[:, ::-1, ::-1]),
    ]
    transposed = [
        (
            lambda x, to=to: to(x).transpose(0, 2, 1, 3),
            lambda y, back=back: back(y.transpose(0, 2, 1, 3)),
        )
        for to, back in ways
    ]
    expected = np.mean(
        [back(enlarged(to(images).copy())) for to, back in ways + transposed], axis=0
    )
    actual = self_ensemble(enlarged, images)
    assert actual.shape == (2, 10, 8, 3)
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


def test_changes_nothing_that_knows_no_directions():
    images = np.random.default_rng(1).uniform(size=(1, 3, 6, 1))
    np.testing.assert_allclose(self_ensemble(lambda x: 2 * x, images), 2 * images)
