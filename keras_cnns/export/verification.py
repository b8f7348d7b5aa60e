"""Proof that a SavedModel gives what the network gave, in a process that has only it.

``python -m keras_cnns.export.verification <folder> <examples.npz>`` prints the largest
difference per signature as JSON.
"""

import json
import os
import subprocess
import sys
import tempfile

import numpy as np
import tensorflow as tf

_TOLERANCE = 1e-5


def verify(path: str, network, preprocessing) -> float:
    """Compares a SavedModel with its network on random pictures.

    Args:
        path: folder of the SavedModel version.
        network: the ``keras.Model`` that it was made from.
        preprocessing: its ``Preprocessing``.

    Returns:
        Largest difference of a probability over both signatures, relative to the
        largest probability.

    Raises:
        ValueError: if it is above 1e-5 or not a number, or the model cannot be loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        examples = os.path.join(folder, "examples.npz")
        np.savez(examples, **_examples(network, preprocessing))
        done = subprocess.run(
            [sys.executable, "-m", __name__, path, examples],
            capture_output=True,
            text=True,
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise ValueError(f"the exported model at {path} cannot be used: {last}")
    differences = json.loads(done.stdout.strip().splitlines()[-1])
    if not all(difference <= _TOLERANCE for difference in differences.values()):
        raise ValueError(
            f"the exported model at {path} differs from the network: {differences}, "
            f"allowed {_TOLERANCE}"
        )
    return max(differences.values())


def _examples(network, preprocessing):
    """Random pictures of the input size and of others, with the right answers."""
    random = np.random.default_rng(0)
    height, width = preprocessing.height, preprocessing.width
    encoded = []
    for size, encode in (
        ((height, width), tf.io.encode_png),
        ((height + 9, width + 4), tf.io.encode_png),
        ((2 * height, 3 * width), tf.io.encode_jpeg),
    ):
        pixels = random.integers(0, 256, (*size, preprocessing.channels), np.uint8)
        encoded.append(encode(pixels).numpy())
    images = np.stack([preprocessing(tf.constant(content)) for content in encoded])
    stored = {
        f"file_{i}": np.frombuffer(content, np.uint8)
        for i, content in enumerate(encoded)
    }
    return {**stored, "images": images, "expected": network(images, training=False)}


def _compare(path, examples):
    stored = np.load(examples, allow_pickle=False)
    files = [name for name in stored.files if name.startswith("file_")]
    encoded = [stored[name].tobytes() for name in sorted(files)]
    signatures = tf.saved_model.load(path).signatures
    outputs = {
        "serving_default": signatures["serving_default"](
            images=tf.constant(stored["images"])
        ),
        "serve_images": signatures["serve_images"](image_bytes=tf.constant(encoded)),
    }
    return {
        name: float(
            np.abs(output["probabilities"] - stored["expected"]).max()
            / np.abs(stored["expected"]).max()
        )
        for name, output in outputs.items()
    }


if __name__ == "__main__":
    print(json.dumps(_compare(*sys.argv[1:])))
