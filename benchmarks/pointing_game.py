"""Whether the maps of classifiers point at the object whose class they explain.

    python benchmarks/pointing_game.py --images_dir=pasted
    keras-cnns train-classifier --dataset=pasted --model=resnet --run_dir=runs/resnet …
    python benchmarks/pointing_game.py --run_dirs=runs/resnet,runs/densenet

first writes an image folder, photographs of 64x64 pixels with one piece of clothing or
one digit on each; the test set has other photographs and other items. Then, for runs
that were trained on it, draws test photographs with two items of different classes, and
explains both classes of each: a map that knows the class points at its own item, one
that shows edges at both. Prints, by run and method, the fraction of the maps whose
maximum is in the own item's box, and how much of what is positive is in its box and in
the other one's; then the same by random weights; and a line of JSON, which
``--json_file`` gets too. ``--figure`` gets some photographs with the maps of all runs.
"""

import json
import os

import numpy as np
from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded
from keras_cnns import _files, data, figures, inspection
from keras_cnns.data.builders import cutouts, fashion_mnist_idx, scenes
from keras_cnns.data.builders.photographs import PICTURES, read_pictures
from keras_cnns.data.builders.scene_drawing import draw_background, draw_scene

flags.DEFINE_string("images_dir", "", "new folder that gets images to train on")
flags.DEFINE_string("data_dir", None, "folder of Fashion-MNIST's IDX files")
flags.DEFINE_integer("num_train", 4000, "images to train on")
flags.DEFINE_integer("num_test", 500, "images to test on")
flags.DEFINE_list("run_dirs", [], "folders of the runs, comma-separated")
flags.DEFINE_list(
    "methods",
    ["saliency", "input_times_gradient", "guided_backpropagation", "grad_cam"]
    + ["occlusion"],
    "methods, comma-separated",
)
flags.DEFINE_integer("num_pairs", 100, "photographs with two items")
flags.DEFINE_string("figure", "", "PNG file that gets maps of all runs")
flags.DEFINE_list("shown", ["0", "1"], "photographs in it, by number from 0 on")
flags.DEFINE_list("shown_methods", ["guided_backpropagation", "grad_cam"], "its maps")
flags.DEFINE_string("json_file", "", "file that gets the result as JSON")

_SIDE = 64
_LEAST_SIDE = 19  # of a box's longer side
_SEEDS = {"train": 0, "test": 1, "pairs": 2}
_NAMES = [name.replace("/", " or ") for name in cutouts.ITEM_CLASSES]


class _Photographs:
    """Photographs of a split with whole items of it on them."""

    def __init__(self, split):
        folder = scenes.find_folder("items", flags.FLAGS.data_dir)
        pictures = {**PICTURES, **scenes.TEXTURES}
        self._pictures = read_pictures(
            {name: one for name, one in pictures.items() if one.split == split}
        )
        arrays = fashion_mnist_idx.read_arrays(folder)[split]
        self._stock = cutouts.Items(*arrays, split)

    def draw(self, count, random):
        """An image with ``count`` items of different classes, side by side.

        Returns:
            (uint8 ``(64, 64, 3)``; list of ``Placed``).
        """
        _, background = draw_background(self._pictures, _SIDE, random)
        while True:
            image, placed = draw_scene(background, self._stock, random)
            labels = {one.label for one in placed}
            if len(placed) == len(labels) == count and _are_clear(placed):
                return image, placed


def _are_clear(placed):
    """Whether items are large, wholly seen, and their boxes apart."""
    covered = np.zeros((_SIDE, _SIDE), int)
    for one in placed:
        top, left, bottom, right = one.box
        if max(bottom - top, right - left) < _LEAST_SIDE or one.visible < 0.95:
            return False
        covered[top:bottom, left:right] += 1
    return covered.max() < 2


def _write_images(folder):
    if os.path.exists(folder):
        raise app.UsageError(f"--images_dir={folder} exists already")
    counts = {"train": flags.FLAGS.num_train, "test": flags.FLAGS.num_test}
    for split, count in counts.items():
        photographs = _Photographs(split)
        random = np.random.default_rng(_SEEDS[split])
        for name in _NAMES:
            os.makedirs(os.path.join(folder, split, name))
        for number in range(count):
            image, (placed,) = photographs.draw(1, random)
            path = os.path.join(folder, split, _NAMES[placed.label], f"{number}.png")
            data.write_image(path, image)


def _draw_pairs(count):
    """Images, and their items' names and boxes: both twice, an item first each time."""
    photographs, random = _Photographs("test"), np.random.default_rng(_SEEDS["pairs"])
    images, names, boxes = [], [], []
    for _ in range(count):
        image, pair = photographs.draw(2, random)
        for own, other in (pair, pair[::-1]):
            images.append(image)
            names.append(_NAMES[own.label])
            boxes.append((own.box, other.box))
    return np.stack(images), names, np.array(boxes)


def _measure(maps, boxes):
    """Hits, and energy in the own and the other box."""
    own, other = (inspection.pointing_game(maps, boxes[:, i]) for i in range(2))
    return {"hits": own.hits, "own": own.energy, "other": other.energy}


def _inspect(run_dir, images, names, boxes):
    """Numbers and maps of a run, by method."""
    subject = inspection.Subject.of_run(run_dir)
    prepare = subject.preprocessing
    inputs = prepare.standardize(np.stack([prepare.resize(x) for x in images])).numpy()
    classes = [subject.class_number(name) for name in names]
    explainer = inspection.Explainer(subject.model)
    best = explainer.classifier("gradient").classes_of(inputs)
    rows, shown = {}, {}
    for method in flags.FLAGS.methods:
        maps = explainer.maps(method, inputs, classes)
        with inspection.randomized(explainer.classifiers(method)):
            random = explainer.maps(method, inputs, classes)
        maps, random = (
            inspection.enlarge(x, images.shape[1:3]) for x in (maps, random)
        )
        rows[method] = {
            "trained": _measure(maps, boxes),
            "random": _measure(random, boxes),
        }
        shown[method] = maps
        texts = [f"{name}: {_text(row)}" for name, row in rows[method].items()]
        print(f"{run_dir} {method:24}", "   ".join(texts), flush=True)
    # Each photograph is there twice, and either of its items may be the best one.
    found = 2 * float(np.mean(best == classes))
    print(f"{run_dir} scores one of both items best in {found:.1%} of the photographs")
    return {"either_best": found, "methods": rows}, shown


def _text(row):
    return ", ".join(f"{name} {value:.1%}" for name, value in row.items())


def _draw_figure(path, images, names, maps):
    """A row for each photograph, class and method; a column for each run."""
    cells, labels = [], []
    for number in (2 * int(one) + i for one in flags.FLAGS.shown for i in range(2)):
        for method in flags.FLAGS.shown_methods:
            row = [maps[run][method][number] for run in maps]
            cells += [images[number] / 255, *map(figures.map_colours, row)]
            labels.append(f"{names[number]}: {method}")
    figures.image_grid(
        np.stack(cells).astype(np.float32),
        path,
        columns=1 + len(maps),
        value_range="unit",
        row_labels=labels,
        column_labels=["image", *map(os.path.basename, maps)],
        scale=2,
    )


def main(_):
    given = flags.FLAGS
    if bool(given.images_dir) == bool(given.run_dirs):
        raise app.UsageError("give either --images_dir or --run_dirs")
    if given.images_dir:
        _write_images(given.images_dir)
    else:
        _play()


def _play():
    given = flags.FLAGS
    images, names, boxes = _draw_pairs(given.num_pairs)
    area = inspection.pointing_game(np.ones(images.shape[:3]), boxes[:, 0]).area
    print(f"{len(images)} maps by each method; a box takes {area:.1%} of an image")
    rows, maps = {}, {}
    for run_dir in given.run_dirs:
        rows[run_dir], maps[run_dir] = _inspect(run_dir, images, names, boxes)
    result = {"area": area, "runs": rows}
    print(json.dumps(result))
    if given.json_file:
        _files.write_json(given.json_file, result, indent=1)
    if given.figure:
        _draw_figure(given.figure, images, names, maps)


if __name__ == "__main__":
    app.run(main)
