"""The machines against the optimum of their dual, and mining against its statement."""

import numpy as np
import pytest
from scipy import optimize
from sklearn.svm import LinearSVC

from keras_cnns.trainers.region_svms import RegionSvms


def _blobs(count, centre, seed, dimension=4):
    draw = np.random.default_rng(seed)
    return (draw.normal(size=(count, dimension)) + centre).astype(np.float32)


def _optimum(positives, negatives):
    """Weights and bias that minimise |(w, b / 10)|^2 / 2 + C sum of hinges.

    By the dual, whose variables are between 0 and C, 2C for positives.
    """
    rows = np.concatenate([positives, negatives]).astype(np.float64)
    rows = np.concatenate([rows, np.full((len(rows), 1), 10.0)], axis=1)
    signed = rows * np.repeat([1, -1], [len(positives), len(negatives)])[:, None]
    limits = np.repeat([2e-3, 1e-3], [len(positives), len(negatives)])

    def dual(x):  # x are parts of the limits, which are of one size
        weights = signed.T @ (x * limits)
        value = weights @ weights / 2 - x @ limits
        return 1e3 * value, 1e3 * limits * (signed @ weights - 1)

    found = optimize.minimize(
        dual, np.full(len(rows), 0.5), jac=True, bounds=[(0, 1)] * len(rows),
        method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9, "maxiter": 5000},
    )  # fmt: skip
    weights = signed.T @ (found.x * limits)
    return weights[:-1], 10 * weights[-1]


def test_machines_are_at_the_optimum():
    positives, negatives = _blobs(12, 4, 0), _blobs(40, 2, 1)
    svms = RegionSvms([positives], 1.0, 0, 100)
    svms.mine(negatives, np.ones((40, 1), bool))
    weights, bias = _optimum(positives, negatives)
    scale = np.abs(weights).max()
    np.testing.assert_allclose(svms.weights[:, 0], weights, atol=2e-3 * scale)
    assert svms.biases[0] == pytest.approx(bias, abs=2e-3 * abs(bias))
    margins = np.concatenate(
        [positives @ weights + bias, -(negatives @ weights + bias)]
    )
    assert 0 < (margins < 1).sum() < 52  # some are support vectors, some are not


def _mined(positives, images):
    """What the publication says, for one class."""

    def train(kept):
        rows = np.concatenate([positives, kept]).astype(np.float64)
        signs = [1] * len(positives) + [-1] * len(kept)
        machine = LinearSVC(
            C=1e-3, loss="hinge", class_weight={1: 2.0}, intercept_scaling=10.0,
            dual=True, tol=1e-6, max_iter=10**5, random_state=5,
        )  # fmt: skip
        machine.fit(rows, signs)
        scores = machine.decision_function(kept)
        return machine, kept[scores >= -1.2], len(kept)

    machine, kept, used = train(images[0])
    new, trained_on = 0, [used]
    for image in images[1:]:
        hard = image[machine.decision_function(image) > -1.0001]
        kept, new = np.concatenate([kept, hard]), new + len(hard)
        if new > 2000:
            machine, kept, used = train(kept)
            new = 0
            trained_on.append(used)
    machine, kept, used = train(kept)
    return machine.coef_[0], machine.intercept_[0], [*trained_on, used], len(kept)


def test_hard_negatives_are_mined_in_one_pass(caplog):
    """The second image brings them, more than 2,000; the last one some more."""
    positives = _blobs(20, 8, 0)
    images = [_blobs(80, 0, 1), _blobs(2500, 5, 2), _blobs(50, 0, 3), _blobs(50, 6, 4)]
    weights, bias, trained_on, left = _mined(positives, images)
    assert len(trained_on) == 3 and 2000 < trained_on[1] < 2580  # easy ones went
    svms = RegionSvms([positives], 1.0, 5, 20_000)
    for image in images:
        svms.mine(image, np.ones((len(image), 1), bool))
    with caplog.at_level("INFO", logger="absl"):
        svms.finish()
    assert f"trained 3 times, of 20 positives and of {left} negatives" in caplog.text
    np.testing.assert_allclose(svms.weights[:, 0], weights, rtol=0.02, atol=1e-3)
    assert svms.biases[0] == pytest.approx(bias, rel=0.02)
    first = RegionSvms([positives], 1.0, 5, 20_000)
    first.mine(images[0], np.ones((80, 1), bool))
    assert svms.scores(images[1]).mean() < first.scores(images[1]).mean() - 1


def test_a_machine_that_tells_nothing_is_told(caplog):
    """Twice as many negatives as positives, at the same places: weights of 0."""
    places = np.eye(4, dtype=np.float32)[[0, 1, 2]]
    svms = RegionSvms([places, 50 * places], 1.0, 0, max_negatives=100)
    same, others = np.repeat(places, 9, 0), np.full((27, 4), -1, np.float32)
    svms.mine(same, np.array([[True, False]] * 27))
    svms.mine(others, np.array([[False, True]] * 27))
    svms.finish()
    assert "class 0: the machine takes none of its positives for one" in caplog.text
    assert "class 1: the machine takes" not in caplog.text


def test_negatives_of_the_highest_scores_are_kept(caplog):
    svms = RegionSvms([_blobs(20, 4, 0)], 1.0, 0, 7)
    svms.mine(_blobs(200, 3, 1), np.ones((200, 1), bool))
    assert "class 0: the 7 negatives of the highest scores are kept" in caplog.text
    svms.finish()
    (kept,) = svms._negatives[0]
    rows = _blobs(200, 3, 1)
    best = rows[np.sort(np.argsort(-svms.scores(rows)[:, 0])[:7])]
    np.testing.assert_array_equal(kept, best)


def test_classes_without_positives_or_negatives_are_not_trained():
    svms = RegionSvms([_blobs(3, 1, 0), _blobs(0, 1, 0), _blobs(3, 1, 0)], 1.0, 0, 9)
    for seed in range(2):
        svms.mine(_blobs(5, 0, seed), np.array([[False, True, bool(seed)]] * 5))
    svms.finish()
    assert svms.is_trained.tolist() == [False, False, True]
    assert not svms.weights[:, :2].any() and svms.weights[:, 2].all()
