"""Networks with spatial transformers against the same ones without, on scikit-learn's
digits, which are distorted anew in each epoch.

The thresholds are those of trainings of other code; each test takes a minute or more.
"""

import numpy as np
import pytest
from sklearn import datasets
from tensorflow import keras

from keras_cnns import applications, trainers
from keras_cnns.data.builders import distorted_digits

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
EPOCHS, PER_EPOCH = 15, 5600


def _distorted(name, split, random, count):
    digits, labels = split
    shown = np.arange(count) % len(digits)
    images = [distorted_digits.distort(name, digits, i, random) for i in shown]
    return np.float32(images)[..., None] / 255, np.eye(10)[labels[shown]]


@pytest.fixture(scope="module")
def splits():
    digits = datasets.load_digits()
    enlarged = [distorted_digits._enlarged(image) for image in digits.images]
    return distorted_digits._split(enlarged, digits.target)


def _accuracies(splits, name, networks):
    """Of networks by builder arguments, each trained on the same images."""
    keras.utils.set_random_seed(0)
    random = np.random.default_rng(1)
    test = _distorted(name, splits["test"], random, 3 * len(splits["test"][0]))
    trained = []
    for arguments in networks:
        network = applications.STN(
            input_shape=test[0].shape[1:],
            classes=10,
            classifier_activation=None,
            **arguments,
        )
        trainer = trainers.ClassificationTrainer(network)
        trainer.compile(trainers.make_optimizer("adam", 1e-3))
        trained.append(trainer)
    for _ in range(EPOCHS):
        images = _distorted(name, splits["train"], random, PER_EPOCH)
        for trainer in trained:
            trainer.fit(*images, batch_size=64, verbose=0)
    results = [t.evaluate(*test, verbose=0, return_dict=True) for t in trained]
    accuracies = [result["accuracy"] for result in results]
    print(name, accuracies)
    return accuracies


def test_a_transformer_helps_with_turned_scaled_and_moved_digits(splits):
    with_it = {"transforms": ["affine"], "downsampling": 2}
    plain, transformed = _accuracies(splits, "rts", [{"transforms": None}, with_it])
    assert transformed >= plain + 0.10
    assert transformed >= 0.93


@pytest.mark.parametrize("body", ["fcn", "cnn"])
def test_a_transformer_does_no_harm_to_turned_digits(splits, body):
    networks = [{"body": body, "transforms": t} for t in (None, ["affine"])]
    plain, transformed = _accuracies(splits, "r", networks)
    assert transformed >= plain - 0.005
