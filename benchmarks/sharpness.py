"""How sharp enlarged pictures are, beside the truth.

    python benchmarks/sharpness.py --pictures=pictures/test --scale=4 \\
        --methods=bicubic,runs/srresnet,runs/srgan

makes the pictures of a folder small and enlarges them again, as
``compare-super-resolution`` does, and prints the mean absolute difference of the luma
of neighbouring pixels, in grey levels: the mean over pictures, by method.
"""

import os

import numpy as np
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded
from keras_cnns import _luma, data, inference

flags.DEFINE_string("pictures", None, "folder of colour pictures", required=True)
flags.DEFINE_integer("scale", 4, "what they are made small and enlarged by")
flags.DEFINE_list("methods", ["bicubic"], "as of compare-super-resolution")


def _sharpness(picture):
    luma = np.asarray(_luma.to_ycbcr(picture.astype(np.float32)))[..., 0]
    return np.mean([np.abs(np.diff(luma, axis=axis)).mean() for axis in (0, 1)])


def _made_small(picture, scale):
    small = data.resize_bicubic(picture[np.newaxis].astype(np.float32), 1 / scale)[0]
    return np.clip(np.rint(small), 0, 255).astype(np.uint8)


def main(_):
    given = flags.FLAGS
    upscalers = {
        method: inference.open_upscaler(
            method, scale=given.scale if method == "bicubic" else None
        )
        for method in given.methods
    }
    found = {label: [] for label in (*upscalers, "truth")}
    for name in sorted(os.listdir(given.pictures)):
        picture = data.read_image(os.path.join(given.pictures, name))
        height, width = (n // given.scale * given.scale for n in picture.shape[:2])
        picture = picture[:height, :width]
        small = _made_small(picture, given.scale)
        found["truth"].append(_sharpness(picture))
        for label, upscaler in upscalers.items():
            found[label].append(_sharpness(upscaler(small)))
    for label, values in found.items():
        print(f"{label:30} {np.mean(values):6.2f}")


if __name__ == "__main__":
    app.run(main)
