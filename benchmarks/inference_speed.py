"""How fast exported forms of a network are, against Keras' own function.

    python benchmarks/inference_speed.py --models=densenet121,resnet50,inception_v3
    python benchmarks/inference_speed.py --exports=files/digits,files/digits_onnx

exports networks of the registry with random weights and statistics in each form, and
times these, a function of ``keras.applications``' network of the same name and ONNX'
plain conversion of that, in turns of random order. Or it times exports that are there
already, the first of which, a SavedModel, is what the others are compared with; where
these take images of any size, ``--side`` tells it. Prints medians in ms, how many times
as fast each is, of the registry's networks GFLOP/s, and for comparison those of a
product of two matrices; and a line of JSON, which ``--json_file`` gets too.
"""

import json
import os
import tempfile
import time

import _machine
import numpy as np
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip

from keras_cnns import _files, applications, data, export
from keras_cnns.export.forms import open_signatures

flags.DEFINE_list(
    "models", ["densenet121", "resnet50", "inception_v3"], "registry names"
)
flags.DEFINE_list("exports", [], "folders of exports instead, comma-separated")
flags.DEFINE_integer("side", 64, "height and width of images, where any are taken")
flags.DEFINE_list("batches", ["1", "8"], "batch sizes")
flags.DEFINE_integer("calls", 24, "timed calls of each, at batch size 1")
flags.DEFINE_string("json_file", "", "file that gets the result as JSON")

_KERAS = {
    "densenet121": tf.keras.applications.DenseNet121,
    "resnet50": tf.keras.applications.ResNet50,
    "inception_v3": tf.keras.applications.InceptionV3,
}
_FORMS = {
    "SavedModel": export.SAVED_MODEL,
    "SavedModel, optimized": export.Form(optimize=True),
    "ONNX": export.Form("onnx"),
    "TensorFlow Lite": export.Form("tflite"),
}


# Threads of ONNX Runtime spin for a while after a call, at the next one's cost.
_PAUSE = 0.03


def _randomize(network):
    """Normalisation and biases as of a trained network: no zeros that vanish."""
    random = np.random.default_rng(0)
    for weight in network.weights:
        name = weight.name.partition(":")[0]
        if name.endswith(("gamma", "variance")):
            weight.assign(random.uniform(0.5, 1.5, weight.shape))
        elif name.endswith(("beta", "mean", "bias")):
            weight.assign(random.normal(0.0, 0.1, weight.shape))


def _of_keras(name, folder):
    """The function that others are compared with, and its plain conversion to ONNX."""
    import onnxruntime
    import tf2onnx

    network = _KERAS[name](weights=None)
    _randomize(network)
    run = tf.function(lambda images: network(images, training=False))
    path = os.path.join(folder, f"{name}.onnx")
    tf2onnx.convert.from_keras(network, opset=17, output_path=path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    return {
        "Keras": lambda images: run(tf.constant(images)).numpy(),
        "ONNX of Keras": lambda images: session.run(None, {given.name: images}),
    }


def _exported(name, folder):
    network = applications.create_model(name)
    _randomize(network)
    size = network.input_shape[1:]
    feed = data.Preprocessing(*size, (127.5,) * 3, (127.5,) * 3)
    found = {}
    for label, form in _FORMS.items():
        path, _ = export.export_saved_model(
            network,
            folder,
            f"{name}{'_optimized' * form.optimize}",
            preprocessing=feed,
            class_names=[str(i) for i in range(network.output_shape[-1])],
            warmup_requests=0,
            form=form,
        )
        found[label] = _opened(path)
    return found, {"images": size}, applications.count_macs(network)


def _opened(path):
    return open_signatures(path)["serving_default"]


def _sizes(path):
    """Sizes of what a SavedModel takes, by name and without the batch."""
    function = tf.saved_model.load(path).signatures["serving_default"]
    _, specs = function.structured_input_signature
    side = flags.FLAGS.side
    return {name: [n or side for n in spec.shape[1:]] for name, spec in specs.items()}


def _times(functions, sizes, batch):
    """Median seconds of each function's calls, made in turns."""
    random = np.random.default_rng(0)
    inputs = {
        name: random.normal(size=(batch, *size)).astype(np.float32)
        for name, size in sizes.items()
    }
    if "masks" in inputs:
        inputs["masks"] = (inputs["masks"] > 0).astype(np.float32)
    spent = {label: [] for label in functions}
    for number in range(2 + max(8, flags.FLAGS.calls // batch)):
        for label in random.permutation(list(functions)):
            time.sleep(_PAUSE)
            started = time.perf_counter()
            functions[label](**inputs)
            if number > 1:  # the first ones trace, lay out and allocate
                spent[label].append(time.perf_counter() - started)
    return {label: float(np.median(seconds)) for label, seconds in spent.items()}


def _compare(name, functions, sizes, macs=None):
    table = {}
    for batch in map(int, flags.FLAGS.batches):
        times = _times(functions, sizes, batch)
        first = next(iter(times.values()))
        table[batch] = {label: first / seconds for label, seconds in times.items()}
        for label, seconds in times.items():
            print(
                f"{name:14} batch {batch:2} {label:30} {1e3 * seconds:8.1f} ms "
                f"{first / seconds:5.2f} times"
                + (f" {2e-9 * macs * batch / seconds:6.0f} GFLOP/s" if macs else ""),
                flush=True,
            )
    return table


def main(_):
    given, result = flags.FLAGS, {}
    if given.exports:
        paths = [export.find_saved_model(path) for path in given.exports]
        functions = dict(zip(given.exports, map(_opened, paths)))
        result["exports"] = _compare("exports", functions, _sizes(paths[0]))
    else:
        for name in given.models:
            with tempfile.TemporaryDirectory() as folder:
                exported, sizes, macs = _exported(name, folder)
                functions = {**_of_keras(name, folder), **exported}
                result[name] = _compare(name, functions, sizes, macs)
        result["matrix_product_gflops"] = _machine.matrix_product_gflops()
        print(f"a product of matrices {result['matrix_product_gflops']:.0f} GFLOP/s")
    print(json.dumps(result))
    if given.json_file:
        _files.write_json(given.json_file, result, indent=1)


if __name__ == "__main__":
    app.run(main)
