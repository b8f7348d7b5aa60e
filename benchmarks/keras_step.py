"""Training and inference beside the same networks of ``keras.applications``.

    python benchmarks/keras_step.py --json_file=keras.json
    ONEDNN_MAX_CPU_ISA=AVX2 python benchmarks/keras_step.py
    ONEDNN_MAX_CPU_ISA=AVX2 TF_ENABLE_ONEDNN_OPTS=0 python benchmarks/keras_step.py

A trainer of this package as ``_steps.STEPS`` has it, with SGD; and the network of Keras
with the same weights, compiled with the same loss, metrics and optimizer, which trains
by Keras' own step. Both are graphs of one process and take the same kept batch; rounds
of both in turn, in either order (A B B A ...), after a pause, as threads spin for a
while; medians of the rounds. First both must give the same outputs and the same loss.
Like the commands that train, it turns oneDNN on; the last command keeps it off for
both, as TensorFlow does by itself on CPUs with AVX2 alone.
"""

import functools

import _steps  # first: sets how TensorFlow is loaded
import numpy as np
import tensorflow as tf
from absl import app, flags
from tensorflow import keras

from keras_cnns import _files

_NETWORKS = {
    "densenet121": keras.applications.DenseNet121,
    "resnet50": keras.applications.ResNet50,
}
_STEPS = flags.DEFINE_list("steps", list(_NETWORKS), "which ones")
_ROUNDS = flags.DEFINE_integer("rounds", 8, "rounds of each side", lower_bound=4)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")
_RTOL = 1e-5  # of the first loss, and of outputs


def keras_model(name, trainer):
    """Keras' own network with a trainer's weights, compiled as that is."""
    ours = trainer.network
    model = _NETWORKS[name](
        weights=None,
        input_shape=ours.input_shape[1:],
        classes=ours.output_shape[-1],
        classifier_activation=None,
    )
    model.set_weights(_in_order_of(model, ours))
    optimizer = trainer.optimizer
    model.compile(
        type(optimizer).from_config(optimizer.get_config()),
        keras.losses.CategoricalCrossentropy(from_logits=True),
        ["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
    return model


def _in_order_of(model, ours):
    """A network's weights, layer by layer of another one with the same names."""
    layers = [layer for layer in model.layers if layer.weights]
    return [
        values
        for layer in layers
        for values in ours.get_layer(layer.name).get_weights()
    ]


def check_outputs(ours, theirs, images) -> None:
    """Raises ``AssertionError`` unless two networks compute the same."""
    expected = theirs(images, training=False).numpy()
    found = ours(images, training=False).numpy()
    np.testing.assert_allclose(found, expected, atol=_RTOL * abs(expected).max())


def check_losses(step, their_step) -> None:
    """Raises ``AssertionError`` unless two first steps have the same loss.

    Later ones differ by rounding, which a step of such a network magnifies; in 64 bits
    they are the same (``tests/test_benchmarks.py``).
    """
    losses = [one()["loss"].numpy() for one in (step, their_step)]
    np.testing.assert_allclose(*losses, rtol=_RTOL)


def prepare(name):
    """(kinds of work, each two functions of this package and of Keras; batch size)."""
    trainer, load, size = _steps.prepare(name, optimizer="sgd")
    batches = iter(load(0).take(1).cache().repeat())
    images, _ = next(batches)
    theirs = keras_model(name, trainer)
    check_outputs(trainer.network, theirs, images)
    training = [
        functools.partial(_steps.step_function(one), batches)
        for one in (trainer, theirs)
    ]
    check_losses(*training)
    inference = [
        functools.partial(tf.function(network), images, training=False)
        for network in (trainer.network, theirs)
    ]
    return {"training": training, "inference": inference}, size


def main(_):
    results = {"tensorflow": tf.__version__}
    for name in _STEPS.value:
        works, size = prepare(name)
        for work, pair in works.items():
            runs = {
                side: functools.partial(_steps.seconds, function, 1)
                for side, function in zip(("keras_cnns", "Keras"), pair)
            }
            medians = _steps.medians_in_turn(runs, _ROUNDS.value)
            ours, theirs = (size / seconds for seconds in medians.values())
            results[f"{name}, {work}"] = {"keras_cnns": ours, "Keras": theirs}
            print(
                f"{name}, {work}: {ours:.2f}, Keras {theirs:.2f} images/s; "
                f"{ours / theirs:.2f}",
                flush=True,
            )
        keras.backend.clear_session()
    if _JSON.value:
        _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
