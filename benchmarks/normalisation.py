"""What known statistics would save of batch normalisation, and what bounds it.

    python benchmarks/normalisation.py

Forward and backward pass of TensorFlow's fused operation with the batch's own
statistics and with given ones, as every consumer of a DenseNet's map could have them;
and beside them a copy of the maps, one reading and one writing and nothing else.
Medians of rounds in turn, for maps of DenseNet-BC on 28x28 and of DenseNet-121.
"""

import statistics

import _steps  # first: sets TensorFlow's log level
import tensorflow as tf
from absl import app, flags

from keras_cnns import _files

_ROUNDS = flags.DEFINE_integer("rounds", 9, "rounds of each", lower_bound=3)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")
_SHAPES = ((64, 28, 28, 96), (64, 28, 28, 48), (8, 56, 56, 128), (8, 28, 28, 256))


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

    made = {
        "copy": lambda: x + 1.0,
        "forward": lambda: forward(False),
        "forward, known": lambda: forward(True),
        "backward": lambda: backward(False),
        "backward, known": lambda: backward(True),
    }
    return {name: tf.function(function) for name, function in made.items()}


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
    if _JSON.value:
        _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
