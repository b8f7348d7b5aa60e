"""How fast each input pipeline is by itself, and what a worker's share of it costs.

    python benchmarks/input_pipeline.py --json_file=pipeline.json

Examples per second of training streams, medians of rounds: JPEG files of photographs
(scikit-image's, 300 to 640 pixels) with each augmentation, and the tasks' own
pipelines. Then the time of a global batch for one of 1, 2, 4 and 8 workers, each of
which reads its own rows: it should fall as 1 / workers. Decoding runs on all cores.
``--images=200000`` opens a folder of so many files, too, for the first time and again,
and tells by how much the memory's peak grows as the names of so many are shuffled.
"""

import functools
import os
import resource
import shutil
import statistics
import tempfile

import _steps
import tensorflow as tf
from absl import app, flags
from PIL import Image
from skimage import data as photographs

from keras_cnns import _files, data

_NAMES = ("astronaut", "coffee", "chelsea", "rocket")
_CLASSES, _COPIES = 4, 64
_SIZE, _BATCH = 224, 64
_AUGMENTATIONS = {
    "resized": {},
    "resized, flip": {"operations": "flip"},
    "resized, pad_crop:4, flip": {"operations": "pad_crop:4,flip"},
    "resized, cutout:32": {"operations": "cutout:32"},
    "resized, mixup": {"mixup_alpha": 0.2},
    "random_resized_crop, flip": {"operations": "random_resized_crop,flip"},
}
_WORKERS = (1, 2, 4, 8)

_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds of each", lower_bound=3)
_COUNT = flags.DEFINE_integer("count", 4, "batches in a round", lower_bound=1)
_IMAGES = flags.DEFINE_integer("images", 0, "of a folder to open; 0: none")
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")


def write_photographs(folder) -> None:
    """Some JPEG files, in folders of classes."""
    for label in range(_CLASSES):
        place = os.path.join(folder, "train", f"class_{label}")
        os.makedirs(place)
        image = Image.fromarray(getattr(photographs, _NAMES[label])())
        for copy in range(_COPIES):
            image.save(os.path.join(place, f"{copy:03}.jpg"), quality=90)


def seconds_to_open(folder, count) -> tuple:
    """Seconds until a folder of many images is open, for the first time and again."""
    for label in range(100):
        place = os.path.join(folder, "train", f"class_{label:02}")
        os.makedirs(place)
        image = Image.fromarray(photographs.rocket()).resize((256, 171))
        first = os.path.join(place, "0.jpg")
        image.save(first)
        for copy in range(1, count // 100):
            shutil.copyfile(first, os.path.join(place, f"{copy}.jpg"))
    kept = os.path.join(folder, "kept")
    read = functools.partial(data.open_source, folder, "train", kept)
    return _steps.seconds(read, 1), _steps.seconds(read, 1)


def shuffle_megabytes(count) -> float:
    """By how much the peak of this process grows as an epoch of a folder begins."""
    names = [f"photographs/train/n01440764/n01440764_{i:07}.JPEG" for i in range(count)]
    source = data.Source(
        name="photographs",
        split="train",
        num_examples=count,
        class_names=("one",),
        image_shape=(None, None, 3),
        examples=tf.data.Dataset.from_tensor_slices((names, [0] * count)),
        read=tf.io.read_file,
        shuffle_buffer=count,
    )
    stream = data.training_stream(
        source, _BATCH, 0, lambda seed, content, label: (seed, label)
    )

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    before = peak()
    next(iter(stream))
    return peak() - before


def loaders(folder) -> dict:
    """By name, functions of a share to a stream."""
    source = data.open_source(folder, "train")
    inputs = data.Preprocessing.for_range(_SIZE, _SIZE, 3, "signed")
    given = {"preprocessing": inputs, "seed": 1}
    found = {
        name: functools.partial(
            data.load_training,
            source,
            _BATCH,
            augmentation=data.Augmentation(**changes),
            **given,
        )
        for name, changes in _AUGMENTATIONS.items()
    }
    for kinds in ("irregular", "rectangle"):
        found[f"resized, {kinds} masks"] = functools.partial(
            data.load_inpainting_training,
            source,
            _BATCH,
            masks=data.MaskRecipe(kinds),
            **given,
        )
    found["patches of 96 and 48 pixels"] = functools.partial(
        data.load_super_resolution_training,
        source,
        _BATCH,
        recipe=data.PatchRecipe((2,), 96),
        seed=1,
    )
    scenes = data.open_detection_source("scenes/items", "train", _DATA_DIR.value)
    found["scenes, short side 600"] = functools.partial(
        data.load_detection_training,
        scenes,
        8,
        preprocessing=data.Preprocessing.plain(1, 1, 3),
    )
    return found


def seconds_per_batch(stream) -> float:
    """The median of the rounds, after what was read ahead."""
    batches, count = iter(stream), _COUNT.value
    read = functools.partial(next, batches)
    _steps.seconds(read, 2 * count)
    return statistics.median(
        _steps.seconds(read, count) / count for _ in range(_ROUNDS.value)
    )


def main(_):
    memory = shuffle_megabytes(_IMAGES.value) if _IMAGES.value else None  # the first
    with tempfile.TemporaryDirectory() as folder:
        write_photographs(folder)
        pipelines = loaders(folder)
        result = {"examples_per_second": {}, "seconds_of_a_batch_by_workers": {}}
        for name, load in pipelines.items():
            stream = load()
            size = stream.element_spec[0].shape[0]
            speed = size / seconds_per_batch(stream)
            result["examples_per_second"][name] = speed
            print(f"{name:34} {speed:9.1f} examples/s", flush=True)
        load = pipelines["random_resized_crop, flip"]
        for count in _WORKERS:
            seconds = seconds_per_batch(load(share=data.Share(count - 1, count)))
            result["seconds_of_a_batch_by_workers"][count] = seconds
            print(f"{count} workers: {1e3 * seconds:8.1f} ms of a batch of {_BATCH}")
    if _IMAGES.value:
        with tempfile.TemporaryDirectory() as folder:
            first, again = seconds_to_open(folder, _IMAGES.value)
        result["seconds_to_open"] = {"first": first, "again": again}
        result["megabytes_of_a_shuffle"] = memory
        print(f"a shuffle of so many names: {memory:.0f} MB more")
        print(f"{_IMAGES.value} images: open after {first:.1f} s, again {again:.1f} s")
    if _JSON.value:
        _files.write_json(_JSON.value, result, indent=1)


if __name__ == "__main__":
    app.run(main)
