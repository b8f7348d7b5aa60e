"""Recipes make the updates of their sources, whose formulas are stated in NumPy.

Gradients are of 0.1 to 1e-6, where it matters what is added to a denominator and where:
the weights of a clipped critic get such.
"""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns.runs import OptimizerOptions
from keras_cnns.tasks.autoencoding.models import MODELS as AUTOENCODERS
from keras_cnns.tasks.classification.recipes import recipe
from keras_cnns.tasks.generation.models import paper_options
from keras_cnns.tasks.inpainting.models import MODELS as INPAINTING
from keras_cnns.tasks.super_resolution.models import MODELS as SUPER_RESOLUTION

UPDATES = 300
SCALES = 10.0 ** -np.arange(1, 7)


def _gradients():
    """``(updates, scales * 8)``, of each scale eight with signs of their own."""
    random = np.random.default_rng(0)
    scales = np.repeat(SCALES, 8)
    signs = np.sign(random.normal(size=(1, len(scales))))
    return random.uniform(0.9, 1.1, (UPDATES, len(scales))) * scales * signs


def torch_rmsprop(gradients, rate, rho=0.99, epsilon=1e-8):
    """``torch.optim.RMSprop``: epsilon is beside the root."""
    square = 0.0
    for gradient in gradients:
        square = rho * square + (1 - rho) * gradient**2
        yield -rate * gradient / (np.sqrt(square) + epsilon)


def tensorflow_rmsprop(gradients, rate, rho, momentum, epsilon):
    """``tf.train.RMSPropOptimizer`` of TensorFlow 1: the mean square starts at 1."""
    square, change = 1.0, 0.0
    for gradient in gradients:
        square = rho * square + (1 - rho) * gradient**2
        change = momentum * change + rate * gradient / np.sqrt(square + epsilon)
        yield -change


def adam(gradients, rate, beta_1, beta_2, epsilon=1e-8, is_corrected=False):
    """With epsilon beside the root of the mean square, corrected or not.

    Not: TensorFlow 1, Torch, and PyTorch before 1.3. Corrected: Theano's code of DCGAN,
    and PyTorch since.
    """
    mean = square = 0.0
    for step, gradient in enumerate(gradients, start=1):
        mean = beta_1 * mean + (1 - beta_1) * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        correction = np.sqrt(1 - beta_2**step)
        root = np.sqrt(square) / correction + epsilon / (
            1 if is_corrected else correction
        )
        yield -rate * mean / (1 - beta_1**step) / root


def adadelta(gradients, rate, rho, epsilon):
    """Zeiler's algorithm 1, as PyTorch has it too: epsilon is under both roots."""
    square = changed = 0.0
    for gradient in gradients:
        square = rho * square + (1 - rho) * gradient**2
        change = -np.sqrt((changed + epsilon) / (square + epsilon)) * gradient
        changed = rho * changed + (1 - rho) * change**2
        yield rate * change


def sgd(gradients, rate, momentum):
    """Pylearn2's, Torch's and Caffe's alike while the rate is constant."""
    change = 0.0
    for gradient in gradients:
        change = momentum * change - rate * gradient
        yield change


ROWS = {
    "wgan64": (paper_options("wgan64"), torch_rmsprop, {"rate": 5e-5}),
    "wgan_gp64": (paper_options("wgan_gp64"), adam, {
        "rate": 1e-4, "beta_1": 0.0, "beta_2": 0.9,
    }),
    "wgan_gp_mnist": (paper_options("wgan_gp_mnist"), adam, {
        "rate": 1e-4, "beta_1": 0.5, "beta_2": 0.9,
    }),
    "dcgan64": (paper_options("dcgan64"), adam, {
        "rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999, "is_corrected": True,
    }),
    "gan_mnist": (paper_options("gan_mnist"), sgd, {"rate": 0.1, "momentum": 0.5}),
    "inception": (recipe("inception_imagenet"), tensorflow_rmsprop, {
        "rate": 0.045, "rho": 0.9, "momentum": 0.9, "epsilon": 1.0,
    }),
    "pconv_unet": (INPAINTING["pconv_unet"].options, adam, {
        "rate": 2e-4, "beta_1": 0.9, "beta_2": 0.999,
    }),
    "lbam": (INPAINTING["lbam"].options, adam, {
        "rate": 1e-4, "beta_1": 0.5, "beta_2": 0.9,
    }),
    "contextual_attention": (INPAINTING["contextual_attention"].options, adam, {
        "rate": 1e-4, "beta_1": 0.5, "beta_2": 0.9,
    }),
    "global_local": (INPAINTING["global_local"].options, adadelta, {
        "rate": 1.0, "rho": 0.95, "epsilon": 1e-6,
    }),
    "edsr": (SUPER_RESOLUTION["edsr_x2"].options, adam, {
        "rate": 1e-4, "beta_1": 0.9, "beta_2": 0.999,
    }),
    "msrresnet": (SUPER_RESOLUTION["msrresnet_x4"].options, adam, {
        "rate": 2e-4, "beta_1": 0.9, "beta_2": 0.99,
    }),
    "swwae_mnist": (AUTOENCODERS["swwae_mnist"].options, adam, {
        "rate": 1e-4, "beta_1": 0.9, "beta_2": 0.999,
    }),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_updates_are_those_of_the_source(name):
    """At each scale of gradients, 300 updates together go as far, within 2 %."""
    options, formula, values = ROWS[name]
    known = {"optimizer", "momentum", "nesterov", "rho", "beta_1", "beta_2", "epsilon"}
    known |= {"initial_mean_square"}
    given = {key: options[key] for key in known & set(options)}
    assert options["learning_rate"] == values["rate"]
    group = OptimizerOptions(**given)
    optimizer = group.make_optimizer(UPDATES, UPDATES, learning_rate=values["rate"])
    gradients = _gradients()
    variable = tf.Variable(tf.zeros(gradients.shape[1]))
    optimizer.build([variable])
    found = []
    for gradient in gradients:
        variable.assign(tf.zeros_like(variable))
        optimizer.apply_gradients([(tf.constant(gradient, tf.float32), variable)])
        found.append(variable.numpy())
    expected = list(formula(gradients, **values))
    np.testing.assert_array_equal(np.sign(found), np.sign(expected))
    ways = (np.abs(changes).sum(axis=0) for changes in (found, expected))
    np.testing.assert_allclose(*ways, rtol=0.02)


def test_the_first_discriminators_objective_is_halved():
    """Its rate is; momentum does not change with it."""
    for name in ("gan_mnist", "gan_tfd", "gan_cifar10", "gan_cifar10_conv"):
        options = paper_options(name)
        assert options["discriminator_learning_rate"] == options["learning_rate"] / 2
    assert "discriminator_learning_rate" not in paper_options("cgan_mnist")
