"""What decoders make of sharp images, told where maxima were and not told.

    python benchmarks/what_where.py --pools=4,8 --unpoolings=where,soft,upsampling

trains the probe of the paper on what-where auto-encoders, (16)5c-(32)3c-Xp, on images
of random straight strokes, one pixel wide, for each pooling X and unpooling: the same
images, initial weights and order. Prints the mean squared error of held-out
reconstructions, and a line of JSON, which ``--json_file`` gets too. ``--figure`` gets
some images above the reconstructions.
"""

import json
import time

import numpy as np
from absl import app, flags
from PIL import Image, ImageDraw

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

from tensorflow import keras  # isort: skip

from keras_cnns import _files, applications, figures, inference, trainers

flags.DEFINE_list("pools", ["4", "8"], "sizes of the pooling, comma-separated")
flags.DEFINE_list("unpoolings", ["where", "upsampling"], "what the decoder is told")
flags.DEFINE_integer("epochs", 5, "epochs of 3,000 images")
flags.DEFINE_integer("seed", 0, "of images, weights and order")
flags.DEFINE_string("json_file", "", "file that gets the result as JSON")
flags.DEFINE_string("figure", "", "PNG file that gets images and reconstructions")

_SIDE, _TRAINED, _TESTED, _BATCH = 32, 3000, 500, 32
_STROKES = 3  # in an image
_SHOWN = 12


def draw_strokes(count, random) -> np.ndarray:
    """Images of straight strokes between random points.

    Args:
        count: number of images.
        random: NumPy generator.

    Returns:
        ``(count, 32, 32, 1)`` float32 of 0 and 1.
    """
    images = []
    for _ in range(count):
        image = Image.new("L", (_SIDE, _SIDE))
        draw = ImageDraw.Draw(image)
        for ends in random.integers(0, _SIDE, (_STROKES, 4)):
            draw.line(ends.tolist(), fill=1)
        images.append(np.asarray(image, np.float32))
    return np.stack(images)[..., np.newaxis]


def _train(pool, unpooling, images):
    """The trained network."""
    keras.utils.set_random_seed(flags.FLAGS.seed)
    network = applications.create_model(
        "swwae_probe",
        notation=f"(16)5c-(32)3c-{pool}p",
        image_shape=images.shape[1:],
        unpooling=unpooling,
    )
    trainer = trainers.WhatWhereTrainer(network, middle_weight=0.0, reduction="mean")
    trainer.compile(trainers.make_optimizer("adam", 1e-3))
    labels = np.zeros((len(images), 1), np.float32)  # without effect
    trainer.fit(images, labels, batch_size=_BATCH, epochs=flags.FLAGS.epochs, verbose=0)
    return network


def main(_):
    given = flags.FLAGS
    random = np.random.default_rng(given.seed)
    images, held_out = (draw_strokes(n, random) for n in (_TRAINED, _TESTED))
    errors, rows = {}, [held_out[:_SHOWN]]
    labels = ["image"]
    print(f"variance of a pixel {held_out.var():.5f}")
    for pool in map(int, given.pools):
        for unpooling in given.unpoolings:
            started = time.process_time()
            network = _train(pool, unpooling, images)
            made = inference.reconstruct(network, held_out)
            errors[f"{pool}p {unpooling}"] = float(((made - held_out) ** 2).mean())
            rows.append(made[:_SHOWN])
            labels.append(f"{pool}p {unpooling}")
            seconds = time.process_time() - started
            print(f"{labels[-1]:16} {errors[labels[-1]]:.6f}  {seconds:.0f} CPU s")
    print(json.dumps(errors))
    if given.json_file:
        _files.write_json(given.json_file, errors, indent=2)
    if given.figure:
        figures.image_grid(
            np.concatenate(rows), given.figure, _SHOWN, "unit", labels, scale=2
        )


if __name__ == "__main__":
    app.run(main)
