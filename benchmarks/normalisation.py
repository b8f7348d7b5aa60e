"""What other forms of batch normalisation would save, and what bounds it.

    python benchmarks/normalisation.py
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/normalisation.py \\
        --steps=densenet121 --networks=densenet121

Forward and backward pass of TensorFlow's fused operation with the batch's own
statistics and with given ones, as every consumer of a DenseNet's map could have them;
the forward passes of ``MatrixBatchNormalization`` where the processor has AVX2 alone, a
scale and an offset of each channel with means by products; and beside them a copy of
the maps, one reading and one writing and nothing else. Medians of rounds in turn, for
maps of DenseNet-BC on 28x28 and of DenseNet-121. ``--steps`` then compares whole
training steps of ``_steps.STEPS`` with that layer's form and with the fused operation,
``--networks`` the inference of networks of the registry.
"""

import functools
import statistics
from unittest import mock

import _steps  # first: sets how TensorFlow is loaded
import tensorflow as tf
from absl import app, flags

from keras_cnns import _files, applications, layers

_ROUNDS = flags.DEFINE_integer("rounds", 9, "rounds of each", lower_bound=3)
_STEPS = flags.DEFINE_list("steps", [], "training steps to compare; empty: none")
_NETWORKS = flags.DEFINE_list("networks", [], "whose inference to compare")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")
_SHAPES = ((64, 28, 28, 96), (64, 28, 28, 48), (8, 56, 56, 128), (8, 28, 28, 256))


def _decided(affine):
    """Within the block, layers are traced with affine maps, or with the operation."""
    layer = layers.MatrixBatchNormalization
    return mock.patch.object(layer, "_pays", lambda self, inputs: affine)


def operations(shape) -> dict:
    """Graphs to measure, by name."""
    x, upstream = (tf.random.normal(shape) for _ in range(2))
    scale, offset = tf.ones(shape[-1]), tf.zeros(shape[-1])
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    none = tf.zeros([0])

    def forward(known):
        given = {"mean": mean, "variance": variance} if known else {}
        given = {"mean": none, "variance": none, **given}
        return tf.raw_ops.FusedBatchNormV3(
            x=x, scale=scale, offset=offset, is_training=not known, **given
        ).y

    def backward(known):
        return tf.raw_ops.FusedBatchNormGradV3(
            y_backprop=upstream,
            x=x,
            scale=scale,
            reserve_space_1=mean,
            reserve_space_2=variance,
            reserve_space_3=variance,
            is_training=not known,
        ).x_backprop

    layer = layers.MatrixBatchNormalization(epsilon=1e-4)  # the operation's

    def affine(training):
        with _decided(True):
            return layer(x, training=training)

    made = {
        "copy": lambda: x + 1.0,
        "forward": lambda: forward(False),
        "forward, known": lambda: forward(True),
        "forward, products": lambda: affine(True),
        "forward, known, affine": lambda: affine(False),
        "backward": lambda: backward(False),
        "backward, known": lambda: backward(True),
    }
    return {name: tf.function(function) for name, function in made.items()}


def _training(name):
    """(function that trains a step, examples per step)."""
    trainer, load, size = _steps.prepare(name)
    batches = iter(load(0).take(1).cache().repeat())
    return functools.partial(_steps.step_function(trainer), batches), size


def _inference(name):
    """(function that classifies eight images, eight)."""
    network = applications.create_model(name)
    images = tf.random.normal([8, *network.input_shape[1:]])
    return functools.partial(tf.function(network), images), len(images)


def per_second(prepare, name) -> dict:
    """Examples per second of both forms, medians of rounds of both in turn."""
    runs = {}
    for form, affine in (("fused", False), ("affine", True)):
        with _decided(affine):
            run, size = prepare(name)
            _steps.seconds(run, 1)  # traces
        runs[form] = functools.partial(_steps.seconds, run, 1)
    medians = _steps.medians_in_turn(runs, _ROUNDS.value)
    return {form: size / median for form, median in medians.items()}


def main(_):
    results = {}
    for shape in _SHAPES:
        runs = operations(shape)
        spent = {name: [] for name in runs}
        for _ in range(2 + _ROUNDS.value):
            for name, run in runs.items():
                spent[name].append(1e3 * _steps.seconds(lambda run=run: run()[0, 0], 1))
        medians = {name: statistics.median(row[2:]) for name, row in spent.items()}
        results[str(shape)] = medians
        shown = ", ".join(f"{name} {value:.1f}" for name, value in medians.items())
        print(f"{shape}: {shown} ms", flush=True)
    asked = [("training", _training, name) for name in _STEPS.value]
    asked += [("inference", _inference, name) for name in _NETWORKS.value]
    for label, prepare, name in asked:
        results[f"{name}, {label}"] = speeds = per_second(prepare, name)
        shown = ", ".join(f"{form} {speed:.2f}" for form, speed in speeds.items())
        print(f"{name}, {label}: {shown} examples/s", flush=True)
    if _JSON.value:
        _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
