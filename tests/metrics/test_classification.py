"""Reports against numbers counted by hand, and figures that can be read."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import stats

from keras_cnns import figures, metrics

# three classes, four examples: right, wrong, right, wrong
PROBABILITIES = np.array(
    [[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]
)
LABELS = np.array([0, 1, 2, 2])


def test_report_by_hand():
    report = metrics.report(PROBABILITIES, LABELS, ("a", "b", "c"))
    assert report.num_examples == 4 and report.top_1 == 0.5 and report.top_5 is None
    assert report.confusion.tolist() == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]
    assert report.precision == (0.5, 0.0, 1.0)
    assert report.recall == (1.0, 0.0, 0.5)
    expected = -np.log([0.7, 0.3, 0.8, 0.1]).mean()
    assert report.cross_entropy == pytest.approx(expected)
    assert report.to_json()["confusion"] == [[1, 0, 0], [1, 0, 0], [0, 1, 1]]


def test_what_is_not_defined_is_none():
    """The third class is never predicted, the first has no examples."""
    table = np.array([[0.9, 0.1, 0.0], [0.2, 0.8, 0.0], [0.3, 0.7, 0.0]])
    report = metrics.report(table, np.array([1, 1, 2]), tuple("abc"))
    assert report.precision == (0.0, 0.5, None)
    assert report.recall == (None, 0.5, 0.0)


def test_of_equal_probabilities_the_first_count():
    """As of the most probable one, and as ``tf.math.top_k`` has it."""
    labels = np.array([0, 4, 6])
    report = metrics.report(np.full((3, 7), 1 / 7), labels, tuple("abcdefg"))
    assert (report.top_1, report.top_5) == (1 / 3, 2 / 3)


def test_top_5_against_keras():
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(9), 50).astype(np.float32)
    labels = random.integers(0, 9, 50)
    report = metrics.report(probabilities, labels, tuple("abcdefghi"))
    expected = tf.keras.metrics.sparse_top_k_categorical_accuracy(
        labels, probabilities, 5
    )
    assert report.top_5 == pytest.approx(float(np.mean(expected)))


@pytest.mark.parametrize(
    ("successes", "total"), [(0, 10), (1, 10), (5, 10), (10, 10), (9349, 10_000)]
)
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_interval_against_scipy(successes, total, confidence):
    expected = stats.binomtest(successes, total).proportion_ci(confidence, "wilson")
    found = metrics.wilson_interval(successes, total, confidence)
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_wilson_interval_by_hand():
    """z = 1.96: (8 + 1.92) / 13.84 -+ 1.96 / 13.84 sqrt(8 * 2 / 10 + 0.96)."""
    found = metrics.wilson_interval(8, 10)
    assert found == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert metrics.wilson_interval(0, 7)[0] == 0.0
    assert metrics.wilson_interval(7, 7)[1] == 1.0
    for bad in [(1, 0), (3, 2), (-1, 2), (1, 2, 1.0)]:
        with pytest.raises(ValueError):
            metrics.wilson_interval(*bad)


def test_report_has_the_intervals_of_its_fractions():
    report = metrics.report(PROBABILITIES, LABELS, ("a", "b", "c"))
    expected = stats.binomtest(2, 4).proportion_ci(method="wilson")
    assert report.top_1_interval == pytest.approx(tuple(expected))
    assert report.top_5_interval is None
    probabilities = np.eye(7)[:3]
    report = metrics.report(probabilities, np.array([0, 1, 6]), tuple("abcdefg"))
    expected = stats.binomtest(2, 3).proportion_ci(method="wilson")
    assert report.top_1_interval == pytest.approx(tuple(expected))
    # Of equal probabilities the first count, and class 6 is not among those.
    assert report.top_5_interval == pytest.approx(tuple(expected))


def test_evaluation_runs_over_all_batches():
    table = tf.constant(PROBABILITIES)
    one_hot = tf.one_hot(LABELS, 3)
    batches = tf.data.Dataset.from_tensor_slices((tf.range(4), one_hot)).batch(3)
    report = metrics.evaluate_classifier(lambda i: tf.gather(table, i), batches, "abc")
    assert report.num_examples == 4 and report.top_1 == 0.5


def test_nothing_to_report():
    with pytest.raises(ValueError, match="0 labels"):
        metrics.report(np.zeros((0, 3)), [], ("a", "b", "c"))
    with pytest.raises(ValueError, match="2 classes"):
        metrics.report(PROBABILITIES, LABELS, ("a", "b"))
    with pytest.raises(ValueError, match="empty"):
        metrics.evaluate_classifier(None, [], ("a",))
    for number in (np.nan, np.inf):
        probabilities = np.array([[0.5, number], [1, 0]])
        with pytest.raises(ValueError, match="of 1 of 2 examples are NaN or infinite"):
            metrics.report(probabilities, [0, 0], ("a", "b"))


def test_figures_are_written(tmp_path):
    report = metrics.report(PROBABILITIES, LABELS, ("a", "b", "c"))
    figures.plot_confusion_matrix(report, str(tmp_path / "confusion.png"))
    history = [
        {"epoch": i, "loss": 1 / i, "accuracy": i / 9, "val_loss": 2 / i}
        for i in (1, 2)
    ]
    figures.plot_learning_curves(history, str(tmp_path / "curves.png"))
    for name in ("confusion.png", "curves.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 200
