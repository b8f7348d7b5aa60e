"""Studies the networks of a convolutional GAN, as the DCGAN paper does.

    study-dcgan --run_dir=runs/dcgan --output_dir=runs/dcgan/study

``--run_dir`` is a run of a GAN without labels. ``--output_dir`` gets
``study.json``, ``samples.png``, in which a sample's number is that of its row plus that
of its column, and images of the ``--studies``:

- features: accuracy of a linear SVM on the discriminator's activations, compared with
  those of an untrained discriminator and raw pixels. On Fashion-MNIST it should reach
  at least 85 %. ``--num_images`` limits the training images: they need about 40 bytes
  per feature, 6 GB for 20,000 images of 7,168 features. Each of ``--svm_penalties`` is
  another training, which then takes many minutes.
- walks: samples on straight lines between 9 latents, and their largest steps.
- filters: images that excite the first 6 maps of the last convolution most, with guided
  gradients, of the trained and of an untrained discriminator.
- duplicates: near-duplicates among the images.
- arithmetic: sums of concepts, each the mean of a few samples that show it, with the
  same sum of pixels as control. ``--positive_samples="3,17,20;5,8,30"`` and
  ``--negative_samples="1,2,4"`` add two concepts and subtract one.
- windows: samples without the maps that draw an object. ``--boxes_file`` is JSON,
  ``[[sample, top, left, bottom, right], ...]`` in pixels of the samples, bottom and
  right exclusive.

The first four take a minute for digits of 16x16 pixels.
"""

import dataclasses
import json
import os
from typing import Optional

import tensorflow as tf
from tensorflow import keras

from keras_cnns import _files, data, inference, inspection
from keras_cnns.commands.groups import Counted, OneRun, Quiet, Seeded, Split, Written
from keras_cnns.inspection import dcgan_studies
from keras_cnns.runs import DataOptions, any_of, changed, option, parse_numbers

_NUM_WALK_POINTS = 9
# Options that a study cannot do without.
_NEEDED = {"arithmetic": "positive_samples", "windows": "boxes_file"}


def _with(study):
    return any_of(study, shown="studies", hint=f"the study {study}")


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, OneRun, Written, Seeded):
    """What ``study-dcgan`` takes."""

    studies: tuple = option(
        ("features", "walks", "filters", "duplicates"),
        "studies to run, comma-separated; --help explains them",
    )
    dataset: str = changed(
        DataOptions, "dataset", "", required=False, help="data set; empty: the run's"
    )
    data_dir: Optional[str] = changed(DataOptions, "data_dir", None)
    train_split: str = changed(
        DataOptions, "train_split", "train", help="split of the images"
    )
    split: str = changed(
        Split,
        "split",
        "test",
        help="split to test features on",
        needs=_with("features"),
    )
    num_images: int = changed(Counted, "num_images", 20_000)
    num_samples: int = option(
        150, "number of samples to choose from", within="[1, inf)"
    )
    positive_samples: str = option(
        "",
        "numbers of the samples whose latents are added, by concept: 3,17,20;5,8,30",
        needs=_with("arithmetic"),
    )
    negative_samples: str = option(
        "",
        "numbers of those that are subtracted, by concept",
        needs=_with("arithmetic"),
    )
    boxes_file: str = option(
        "",
        "JSON of boxes around an object, [[sample, top, left, bottom, right], ...]",
        needs=_with("windows"),
    )
    layer: str = option(
        "",
        "generator's layer; empty: second-highest convolution",
        needs=_with("windows"),
    )
    svm_penalties: tuple = option(
        (), "values of C to choose from; empty: the paper's", needs=_with("features")
    )
    deduplicator_epochs: int = option(
        40,
        "epochs of the auto-encoder that hashes",
        within="[1, inf)",
        needs=_with("duplicates"),
    )

    @classmethod
    def derive(cls, values: dict) -> dict:
        return {study: study in values["studies"] for study in _STUDIES}

    def check(self) -> None:
        super().check()
        unknown = [name for name in self.studies if name not in _STUDIES]
        if unknown or not self.studies:
            raise ValueError(
                f"studies must be some of {', '.join(_STUDIES)}, got "
                f"{','.join(self.studies)!r}"
            )
        for study, name in _NEEDED.items():
            if study in self.studies and not getattr(self, name):
                raise ValueError(f"the study {study} needs --{name}")


class _Material:
    """The run's networks and images."""

    def __init__(self, options):
        keras.utils.set_random_seed(options.seed)
        self._options = options
        self._sampler = inference.Sampler(options.run_dir)
        discriminator = self._sampler.load_discriminator()
        if self._sampler.is_conditional:
            raise ValueError(
                f"{options.run_dir} is a conditional GAN; only those without labels "
                "are studied"
            )
        if not inspection.convolution_activations(discriminator):
            raise ValueError(
                f"{discriminator.name} of {options.run_dir} has no convolutions"
            )
        images, self.labels = self.load(options.train_split, options.num_images)
        self.study = dcgan_studies.StudiedNetworks(
            generator=self._sampler.generator,
            discriminator=discriminator,
            untrained=self._sampler.run.config.build("discriminator"),
            images=images,
            value_range=self._sampler.value_range,
            latents=self.draw(options.num_samples, 0),
            output_dir=options.output_dir,
            seed=options.seed,
        )

    def load(self, split, limit=0):
        """The first images of a split and their class numbers; 0 is no limit."""
        options, run = self._options, self._sampler.run
        source = data.open_source(
            options.dataset or run.options["dataset"],
            split,
            options.data_dir or run.options["data_dir"],
        )
        self.num_classes = len(source.class_names)
        return data.read_images(source, run.config.preprocessing, limit)

    def draw(self, count, number):
        """Latents, always the same for a number."""
        seed = tf.constant([self._options.seed, number], tf.int64)
        return self._sampler.latents.draw(count, seed).numpy()


def run(options: OPTIONS) -> dict:
    """Runs the studies and returns their results by name."""
    material = _Material(options)
    dcgan_studies.show_samples(material.study)
    results = {}
    for name in options.studies:
        keras.utils.set_random_seed(options.seed)
        results[name] = _STUDIES[name](options, material)
        path = os.path.join(options.output_dir, "study.json")
        _files.write_json(path, results, indent=1)
    print(f"everything is in {options.output_dir}")
    return results


def _features(options, material):
    if material.num_classes < 2:
        raise ValueError("the study features needs images of two classes at least")
    images, labels = material.load(options.split)
    results = dcgan_studies.study_features(
        material.study,
        material.labels,
        images,
        labels,
        parse_numbers("svm_penalties", options.svm_penalties),
    )
    print(
        f"features: linear SVMs on {results['num_train']} images, accuracy on "
        f"{results['num_test']} others"
    )
    for name in ("pixels", "untrained", "trained"):
        row = results[name]
        print(
            f"  {name:9}  {row['dimension']:6,} features  {row['accuracy']:7.2%}  "
            f"C={row['penalty']:g}"
        )
    return results


def _walks(options, material):
    points = material.draw(_NUM_WALK_POINTS, 1)
    results = dcgan_studies.study_walks(material.study, points)
    print(
        f"walks: the largest step is {max(results['jumps']):.3f} of its line; even "
        f"steps are {results['even_step']:.3f}"
    )
    return results


def _filters(options, material):
    results = dcgan_studies.study_filters(material.study)
    print(f"filters: the first maps of {results['layer']}")
    return results


def _duplicates(options, material):
    epochs = options.deduplicator_epochs
    results = dcgan_studies.study_duplicates(material.study, epochs)
    print(
        f"duplicates: {len(results['removed'])} of {results['num_images']} images; "
        f"hashes agree for {results['agreeing_copies']:.1%} of noisy copies and "
        f"{results['agreeing_pairs']:.4%} of pairs"
    )
    return results


def _arithmetic(options, material):
    names = ("positive_samples", "negative_samples")
    sets = [_concepts(name, getattr(options, name)) for name in names]
    results = dcgan_studies.study_arithmetic(material.study, *sets)
    print("arithmetic: a concept's row ends in its mean, the sum's begins with it")
    return results


def _windows(options, material):
    try:
        with open(options.boxes_file, encoding="utf-8") as file:
            boxes = [tuple(map(int, box)) for box in json.load(file)]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{options.boxes_file} must hold [[sample, top, left, bottom, right], "
            f"...]: {error}"
        ) from error
    results = dcgan_studies.study_windows(material.study, boxes, options.layer)
    print(
        f"windows: {len(results['filters'])} of {results['num_filters']} maps of "
        f"{results['layer']} dropped; the regression classifies "
        f"{results['accuracy']:.1%} of the positions correctly"
    )
    return results


_STUDIES = {
    "features": _features,
    "walks": _walks,
    "filters": _filters,
    "duplicates": _duplicates,
    "arithmetic": _arithmetic,
    "windows": _windows,
}


def _concepts(name, text):
    """Numbers of samples, by concept."""
    return [
        list(parse_numbers(name, concept, kind=int))
        for concept in text.split(";")
        if concept
    ]
