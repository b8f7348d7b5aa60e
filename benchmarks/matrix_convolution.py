"""Convolutions of small maps as products of matrices, against TensorFlow's own.

    python benchmarks/matrix_convolution.py

Forward and backward pass of ``MatrixConv2D`` and ``MatrixConv2DTranspose``, made to
multiply matrices whatever the size, and of the Keras layers that they stand for: same
shapes, rounds of both in turn, medians. The shapes are those of DCGAN, WGAN-GP and
LBAM, and of classifiers' last stages; the transposed layers go from the small maps to
the large.
"""

import statistics

import _steps  # first: sets how TensorFlow is loaded
import numpy as np
import tensorflow as tf
from absl import app, flags

from keras_cnns import _files, layers
from keras_cnns.layers import matrix_convolution

_ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds of each", lower_bound=3)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")
# Images, side of the larger maps, channels there, filters, kernel size, stride.
_SHAPES = (
    (16, 8, 512, 1024, 5, 2),
    (64, 8, 512, 1024, 5, 2),
    (16, 8, 256, 512, 5, 2),
    (2, 8, 512, 1024, 4, 2),
    (2, 4, 512, 1024, 4, 2),
    (16, 4, 512, 512, 3, 1),
    (8, 7, 512, 512, 3, 1),
    (16, 16, 256, 512, 5, 2),
    (16, 16, 128, 256, 5, 2),
    (16, 8, 256, 256, 3, 1),
    (16, 32, 128, 256, 5, 2),
)


def training_pass(layer, x, upstream):
    """A graph of output and gradients."""

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, training=True)
        return tape.gradient(outputs, [x, layer.kernel], upstream)

    return run


def measure(shape) -> list:
    """Milliseconds of [Keras' convolution, ours, Keras' transposed one, ours]."""
    images, side, channels, filters, size, stride = shape
    large = tf.random.normal([images, side, side, channels])
    small = tf.random.normal([images, side // stride, side // stride, filters])
    given = {"kernel_size": size, "strides": stride, "padding": "same"}
    runs = []
    for kind in (tf.keras.layers.Conv2D, layers.MatrixConv2D):
        layer = kind(filters, use_bias=False, **given)
        layer.build(large.shape)
        runs.append(training_pass(layer, large, small))
    for kind in (tf.keras.layers.Conv2DTranspose, layers.MatrixConv2DTranspose):
        layer = kind(channels, use_bias=False, **given)
        layer.build(small.shape)
        runs.append(training_pass(layer, small, large))
    spent = [[_steps.seconds(run, 1) for run in runs] for _ in range(2 + _ROUNDS.value)]
    return [1e3 * statistics.median(column) for column in np.transpose(spent[2:])]


def main(_):
    matrix_convolution._MOST_POSITIONS = np.inf
    results = []
    for shape in _SHAPES:
        plain, ours, plain_up, ours_up = measure(shape)
        images, side, channels, filters, size, stride = shape
        results.append(
            {"shape": shape, "down": [plain, ours], "up": [plain_up, ours_up]}
        )
        print(
            f"{images} x {side}x{side}x{channels}, {size}x{size}/{stride}, {filters}: "
            f"{plain:.0f} / {ours:.0f} ms {plain / ours:.2f}, transposed "
            f"{plain_up:.0f} / {ours_up:.0f} ms {plain_up / ours_up:.2f}",
            flush=True,
        )
    if _JSON.value:
        _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
