"""Linear support vector machines, with all labels and with few."""

import numpy as np
import pytest
from scipy import optimize
from sklearn import datasets

from keras_cnns import inspection


def _blobs(count, seed, distance=1.0, dimension=3):
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    features = generator.normal(size=(count, dimension))
    features[:, 0] += distance * (2 * labels - 1)
    return features, labels


def test_accuracy_is_that_of_the_minimum_of_the_squared_hinge():
    train, test, c = _blobs(60, 0), _blobs(400, 1), 0.3
    extended = np.c_[train[0], np.ones(60)]
    signs = 2 * train[1] - 1

    def objective(weights):
        errors = np.maximum(0, 1 - signs * (extended @ weights))
        return 0.5 * weights @ weights + c * (errors**2).sum()

    weights = optimize.minimize(objective, np.zeros(4), options={"gtol": 1e-9}).x
    predicted = np.c_[test[0], np.ones(400)] @ weights > 0
    result = inspection.svm_accuracy(*train, *test, c_values=[c])
    assert result.accuracy == pytest.approx((predicted == test[1]).mean(), abs=0.003)
    assert 0.75 < result.accuracy < 0.95 and result.c == c


def test_penalty_is_chosen_on_the_part_held_out():
    """A tiny penalty of errors leaves the larger class alone; a larger one does not."""
    features, labels = _blobs(200, 2, distance=0.05)
    kept = np.flatnonzero((labels == 0) | (np.arange(200) % 10 == 1))
    features, labels = features[kept] / 10, labels[kept]
    features[:, 0] = 0.4 * labels
    result = inspection.svm_accuracy(
        features, labels, features, labels, c_values=[100.0, 1e-5]
    )
    assert result.c == 100.0 and result.accuracy == 1
    majority = (labels == 0).mean()
    assert result.validation_accuracies[1e-5] == pytest.approx(majority, abs=0.05)


def test_few_labels_mean_and_spread_over_the_draws():
    features, labels = datasets.load_digits(return_X_y=True)
    features = features / 16
    parts = [(features[a:b], labels[a:b]) for a, b in ((0, 900), (900, 1300))]
    test = features[1300:], labels[1300:]
    settings = {"num_selection_draws": 2, "c_values": (1e-4, 0.1)}
    result = inspection.few_label_accuracy(
        *parts, test, num_labels_per_class=10, num_draws=5, **settings
    )
    assert len(set(result.accuracies)) > 1
    assert result.accuracy == pytest.approx(sum(result.accuracies) / 5)
    deviations = np.array(result.accuracies) - result.accuracy
    expected = 1.96 * np.sqrt((deviations**2).sum() / 5)
    assert result.interval == pytest.approx(expected)
    assert 0.75 < result.accuracy < 0.95
    assert result.c == max(
        result.validation_accuracies, key=result.validation_accuracies.get
    )


def test_all_labels_drawn_leave_nothing_to_chance():
    train, test = _blobs(40, 3), _blobs(100, 4)
    result = inspection.few_label_accuracy(
        train, test, test, num_labels_per_class=20, num_draws=3, num_selection_draws=1
    )
    assert result.interval == 0 and len(result.accuracies) == 3


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"c_values": ()}, "c_values is empty"),
        ({"c_values": (0.0,)}, "got 0.0"),
        ({"held_out_fraction": 1.0}, "held_out_fraction.*got 1.0"),
        ({"train_labels": np.zeros(3)}, r"train.*\(40, 3\) and \(3,\)"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    features, labels = _blobs(40, 0)
    given = {
        "train_features": features,
        "train_labels": labels,
        "test_features": features,
        "test_labels": labels,
        **arguments,
    }
    with pytest.raises(ValueError, match=quoted):
        inspection.svm_accuracy(**given)


def test_more_labels_than_there_are_are_refused():
    examples = _blobs(40, 0)
    with pytest.raises(ValueError, match="num_labels_per_class=21.*has 20"):
        inspection.few_label_accuracy(
            examples, examples, examples, num_labels_per_class=21
        )
