"""Accuracy of linear support vector machines on given features."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from sklearn import model_selection
from sklearn.svm import LinearSVC

from keras_cnns import _progress
from keras_cnns._checks import check_each_count, check_positive, check_within

# Of the public code for SVHN.
C_VALUES = (1e-4, 2e-4, 5e-4, 1e-3, 2e-3, 5e-3, 1e-2)


@dataclasses.dataclass(frozen=True)
class SvmResult:
    """Accuracy on the test examples.

    Attributes:
        accuracy: fraction of the test examples that are classified correctly.
        c: the penalty that was chosen.
        validation_accuracies: accuracy on the held-out examples, by penalty.
    """

    accuracy: float
    c: float
    validation_accuracies: Mapping


@dataclasses.dataclass(frozen=True)
class FewLabelResult:
    """Accuracy on the test examples with few labels, over several draws of them.

    Attributes:
        accuracy: mean over the draws, in [0, 1].
        interval: 1.96 times the standard deviation over the draws.
        accuracies: those of the draws.
        c: the penalty that was chosen.
        validation_accuracies: mean accuracy on the validation examples, by penalty.
    """

    accuracy: float
    interval: float
    accuracies: tuple
    c: float
    validation_accuracies: Mapping


def svm_accuracy(
    train_features: np.ndarray,
    train_labels: np.ndarray,
    test_features: np.ndarray,
    test_labels: np.ndarray,
    c_values: Sequence[float] = C_VALUES,
    held_out_fraction: float = 0.2,
    seed: int = 0,
) -> SvmResult:
    """Trains a linear SVM with squared hinge loss and tests it.

    The penalty with the best accuracy on a held-out part of the training examples is
    taken (the smallest of equals), then the SVM is trained on all of them. One-vs-rest;
    weights and bias have an L2 penalty. scikit-learn warns if the solver does not
    converge.

    Args:
        train_features, test_features: ``(examples, dimension)``.
        train_labels, test_labels: classes ``(examples,)``.
        c_values: penalties C of the errors to choose from. The default ones are for
            thousands of features; give larger ones if the largest is chosen.
        held_out_fraction: fraction of the training examples to choose by, in (0, 1),
            stratified by class.
        seed: of the choice of the held-out part and of the solver.

    Raises:
        ValueError: if numbers of examples differ, penalties are bad, or a class has too
            few examples to hold some out.

    Source: Radford et al., arXiv 1511.06434, section 5.1; the paper does not say how C
    was chosen there.
    """
    train = _examples("train", train_features, train_labels)
    test = _examples("test", test_features, test_labels)
    _check_penalties(c_values)
    check_within("held_out_fraction", held_out_fraction, "(0, 1)")
    kept, held_out = model_selection.train_test_split(
        np.arange(len(train[1])),
        test_size=held_out_fraction,
        stratify=train[1],
        random_state=seed,
    )
    part, validation = _take(train, kept), _take(train, held_out)
    penalties = _progress.track(sorted(c_values), "penalties of the SVM")
    accuracies = {c: _accuracy(part, validation, c, seed) for c in penalties}
    best = max(accuracies, key=accuracies.get)
    return SvmResult(_accuracy(train, test, best, seed), best, accuracies)


def few_label_accuracy(
    train: tuple,
    validation: tuple,
    test: tuple,
    num_labels_per_class: int = 100,
    num_selection_draws: int = 10,
    num_draws: int = 100,
    c_values: Sequence[float] = C_VALUES,
    seed: int = 0,
) -> FewLabelResult:
    """Trains linear SVMs on few labels of each class, over many draws.

    The penalty is the one with the best mean accuracy on the validation examples over
    ``num_selection_draws`` draws; ``num_draws`` further draws are tested. All penalties
    see the same draws (the public code draws new ones for each).

    Args:
        train, validation, test: pairs of features ``(examples, dimension)`` and classes
            ``(examples,)``.
        num_labels_per_class: examples of each class in a draw, without replacement.
        num_selection_draws: draws to choose the penalty by.
        num_draws: draws to test.
        c_values: penalties C of the errors to choose from.
        seed: of the draws and of the solver.

    Raises:
        ValueError: if numbers of examples differ, a class has too few, or a number or
            penalty is bad.

    Source: Radford et al., arXiv 1511.06434, section 5.2, and its public code for SVHN
    (10,000 validation examples; numbers of labels, draws and penalties as above).
    """
    train, validation, test = (
        _examples(name, *pair)
        for name, pair in (("train", train), ("validation", validation), ("test", test))
    )
    _check_penalties(c_values)
    check_each_count(
        num_labels_per_class=num_labels_per_class,
        num_selection_draws=num_selection_draws,
        num_draws=num_draws,
    )
    generator = np.random.default_rng(seed)

    def draws(number):  # one at a time: features of many would not fit into memory
        for _ in range(number):
            yield _take(train, _draw(train[1], num_labels_per_class, generator))

    chosen_by, means = list(draws(num_selection_draws)), {}
    for c in _progress.track(sorted(c_values), "penalties of the SVM"):
        found = [_accuracy(draw, validation, c, seed) for draw in chosen_by]
        means[c] = float(np.mean(found))
    best = max(means, key=means.get)
    accuracies = tuple(_accuracy(draw, test, best, seed) for draw in draws(num_draws))
    return FewLabelResult(
        accuracy=float(np.mean(accuracies)),
        interval=float(1.96 * np.std(accuracies)),
        accuracies=accuracies,
        c=best,
        validation_accuracies=means,
    )


def _examples(name, features, labels):
    features, labels = np.asarray(features), np.asarray(labels)
    if features.ndim != 2 or labels.shape != (len(features),) or not len(labels):
        raise ValueError(
            f"{name}: features must be (examples, dimension) and labels (examples,), "
            f"got {features.shape} and {labels.shape}"
        )
    return features, labels


def _check_penalties(c_values):
    if not len(c_values):
        raise ValueError("c_values is empty; give one penalty at least")
    for c in c_values:
        check_positive(f"each of c_values={c_values!r}", c)


def _take(examples, indices):
    return tuple(values[indices] for values in examples)


def _draw(labels, count, generator):
    """Indices of ``count`` examples of each class."""
    chosen = []
    for label in np.unique(labels):
        indices = np.flatnonzero(labels == label)
        if len(indices) < count:
            raise ValueError(
                f"num_labels_per_class={count}, but class {label!r} has "
                f"{len(indices)} training examples"
            )
        chosen.append(generator.choice(indices, count, replace=False))
    return np.concatenate(chosen)


def _accuracy(train, test, c, seed):
    machine = LinearSVC(
        C=c,
        loss="squared_hinge",
        dual=train[0].shape[0] < train[0].shape[1],  # the faster of two equal forms
        random_state=seed,
    )
    return float(machine.fit(*train).score(*test))
