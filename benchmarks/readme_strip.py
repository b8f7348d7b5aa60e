"""The picture at the top of README.md: what trained networks of five tasks do.

    python benchmarks/readme_strip.py --gan=runs/dcgan --upscaler=runs/edsr \\
        --classifier=runs/resnet --image=pasted/test/Bag/13.png

The runs are like those of docs/results.md: a DCGAN of Fashion-MNIST (the one in
README has half the filters, by ``--builder_args='{"generator": {"filters": [128, 64,
32]}, "discriminator": {"filters": [32, 64, 128]}}'``, and three epochs), an
``edsr_small_x3`` of ``photographs/128``, and a ResNet of the images that
``pointing_game.py`` writes, one of which is ``--image``. ``--inpainter``, a method or
a run, fills a photograph. Detections are two images of ``--detections``; or
``--detector``, a run, which takes an hour to train, finds the objects of a scene.

Writes ``--output``: a column for each task, what is given above what comes of it; of
the GAN samples, and a walk between two latents. Photographs are held out from
training; seeds and parts were chosen for the eye.
"""

import os

import matplotlib
import numpy as np
import tensorflow as tf
from absl import app, flags
from PIL import Image, ImageDraw, ImageFont

import keras_cnns
from keras_cnns import _files, data, figures, inference, inspection
from keras_cnns.data.builders.photographs import read_pictures

flags.DEFINE_string("gan", None, "folder of a run of a GAN", required=True)
flags.DEFINE_string("detector", "", "folder of a run of a detector; empty: none")
flags.DEFINE_string(
    "detections",
    "docs/images/detections.jpg",
    "grid of evaluate-detector that is shown without --detector",
)
flags.DEFINE_string("upscaler", None, "run that enlarges pictures", required=True)
flags.DEFINE_string(
    "classifier", None, "folder of a run of a classifier", required=True
)
flags.DEFINE_string("image", None, "image for the classifier to explain", required=True)
flags.DEFINE_string("inpainter", "patch_match", "method or folder of a run")
flags.DEFINE_string("boxes", "scenes/items", "data set of the detector's image")
flags.DEFINE_integer("scene", 0, "which of its test images is shown, from 0 on")
flags.DEFINE_string("output", "docs/images/strip.jpg", "JPEG file to write")

_SIDE, _GAP, _TITLE = 256, 6, 26  # pixels
# Parts of held-out photographs: name, upper edge, left edge.
_FILLED, _ENLARGED = ("china", 120, 200), ("chelsea", 40, 110)
_GRID_GAP, _DETECTIONS = 4, ((0, 1), (2, 0))  # rows and columns
_STROKES = [(20, 60), (120, 90), (60, 200)]
_SPOT = (150, 120, 200, 170)
_SAMPLES, _WALK_ENDS = (2, 6, 11, 15, 21, 34, 26, 33, 39), (15, 26)  # seeds


def _cell(image):
    """An image as colours of ``_SIDE`` x ``_SIDE``, whole pixels repeated."""
    image = np.asarray(image)
    image = np.broadcast_to(image, (*image.shape[:2], 3))
    scale = max(1, _SIDE // max(image.shape[:2]))
    image = image.repeat(scale, 0).repeat(scale, 1)[:_SIDE, :_SIDE]
    cell = np.full((_SIDE, _SIDE, 3), 255, np.uint8)
    top, left = ((_SIDE - side) // 2 for side in image.shape[:2])
    cell[top : top + image.shape[0], left : left + image.shape[1]] = image
    return cell


def _nine(images):
    """Nine images, enlarged, as a square of three by three."""
    scale = (_SIDE // 3 - 1) // images.shape[1]
    images = images.repeat(scale, 1).repeat(scale, 2)
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1), (0, 0)), constant_values=255)
    return np.vstack([np.hstack(padded[row : row + 3]) for row in (0, 3, 6)])


def _generated(run_dir):
    sampler = keras_cnns.open_run(run_dir).inferencer()

    def latent(seed):
        return sampler.latents.draw(1, tf.constant([seed, -1], tf.int64)).numpy()[0]

    ends = map(latent, _WALK_ENDS)
    rows = (
        np.stack([latent(seed) for seed in _SAMPLES]),
        inspection.interpolate(*ends, 9, "spherical"),
    )
    images = (sampler.generator(row, training=False).numpy() for row in rows)
    return [_nine(data.to_bytes(each, sampler.value_range)) for each in images]


def _part(name, top, left, side):
    return read_pictures()[name][top : top + side, left : left + side]


def _filled(method):
    picture = _part(*_FILLED, _SIDE)
    hole = Image.new("L", (_SIDE, _SIDE))
    draw = ImageDraw.Draw(hole)
    draw.line(_STROKES, fill=1, width=14)
    draw.ellipse(_SPOT, fill=1)
    valid = 1 - np.asarray(hole, np.float32)[..., None]
    given = np.where(valid == 1, picture, 255).astype(np.uint8)
    return given, inference.open_inpainter(method)(given, valid)


def _detected(run_dir, dataset, number):
    run = keras_cnns.open_run(run_dir)
    source = data.open_detection_source(dataset, "test")
    content, _ = next(iter(source.examples.skip(number)))
    image = tf.io.decode_image(source.read(content), channels=3).numpy()
    found = run.inferencer(min_score=0.5)(image)
    found["labels"] = found.pop("classes")
    scale = max(1, _SIDE // max(image.shape))
    names = run.config.class_names
    return image, figures.draw_boxes(image, **found, class_names=names, scale=scale)


def _parts_of_grid(path):
    """Two images of a grid of detections, which are as large as a cell."""
    grid, step = data.read_image(path), _SIDE + _GRID_GAP
    places = ((row * step, column * step) for row, column in _DETECTIONS)
    return [grid[top : top + _SIDE, left : left + _SIDE] for top, left in places]


def _enlarged(run_dir):
    upscaler = keras_cnns.open_run(run_dir).inferencer()
    picture = _part(*_ENLARGED, _SIDE // upscaler.scale * upscaler.scale)
    small = data.small_picture(picture, upscaler.scale)
    small = small.numpy().astype(np.uint8)
    return small, upscaler(small)


def _explained(run_dir, path):
    subject = inspection.Subject.of_run(run_dir)
    prepare = subject.preprocessing
    image = data.read_image(path, channels=prepare.channels)
    inputs = prepare.standardize(prepare.resize(image)[None]).numpy()
    explainer = inspection.Explainer(subject.model)
    classes = explainer.classifier("gradient").classes_of(inputs)
    maps = inspection.enlarge(
        explainer.maps("grad_cam", inputs, classes), image.shape[:2]
    )
    over = figures.over_image(image / 255, figures.map_colours(maps[0]))
    print(f"{path} is taken for {subject.class_names[int(classes[0])]}")
    return image, data.to_bytes(over[None].astype(np.float32), "unit")[0]


def _compose(columns):
    """The picture: titles, and below each what is given and what comes of it."""
    step = _SIDE + _GAP
    size = (len(columns) * step - _GAP, _TITLE + 2 * step - _GAP)
    picture = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(picture)
    fonts = os.path.join(matplotlib.get_data_path(), "fonts", "ttf")
    font = ImageFont.truetype(os.path.join(fonts, "DejaVuSans.ttf"), 17)
    for number, (title, images) in enumerate(columns):
        draw.text((number * step, 2), title, fill="black", font=font)
        for row, image in enumerate(images):
            place = (number * step, _TITLE + row * step)
            picture.paste(Image.fromarray(_cell(image)), place)
    return picture


def main(_):
    given = flags.FLAGS
    if given.detector:
        detections = _detected(given.detector, given.boxes, given.scene)
    else:
        detections = _parts_of_grid(given.detections)
    columns = [
        ("generate", _generated(given.gan)),
        ("inpaint", _filled(given.inpainter)),
        ("detect", detections),
        ("upscale", _enlarged(given.upscaler)),
        ("inspect", _explained(given.classifier, given.image)),
    ]
    with _files.atomic_file(given.output) as file:
        _compose(columns).save(file, format="JPEG", quality=90)


if __name__ == "__main__":
    app.run(main)
