"""Looks into the networks of a GAN of convolutions, as the paper of DCGAN does.

    python apps/study_dcgan.py --run_dir=runs/dcgan --output_dir=runs/dcgan/study

``--run_dir`` is a run of ``train_gan.py`` without labels. ``--output_dir`` gets
``study.json``, ``samples.png``, in which a sample's number is that of its row plus that
of its column, and pictures of the ``--studies``:

- features: accuracy of a linear SVM on the discriminator's activations, beside those of
  an untrained discriminator and raw pixels. On Fashion-MNIST it should reach at least
  85 %. ``--num_images`` limits the training pictures, of which the machines hold about
  40 bytes per feature: 6 GB for 20,000 of 7,168 features. Each of ``--svm_penalties``
  costs a training, of many minutes then.
- walks: samples on straight lines between 9 latents, and their largest steps.
- filters: what excites the first 6 maps of the discriminator's last convolution, by
  guided back-propagation, beside an untrained one.
- duplicates: pictures of the data that are nearly the same.
- arithmetic: sums of concepts, each the mean of a few samples that show it, with the
  same sum of pixels as control. ``--positive_samples="3,17,20;5,8,30"`` and
  ``--negative_samples="1,2,4"`` add two concepts and subtract one.
- windows: samples without the maps that draw an object. ``--boxes_file`` is JSON,
  ``[[sample, top, left, bottom, right], ...]`` in pixels of the samples, bottom and
  right not inside.

The first four take a minute for digits of 16x16 pixels.
"""

import json
import os
import types

import flag_definitions
import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _files, data, inspection
from keras_cnns.inspection import dcgan_studies
from keras_cnns.trainers import generative_runs, runs

_NUM_WALK_POINTS = 9
# Studies that need a flag, and flags that need a study.
_NEEDED = {"arithmetic": "positive_samples", "windows": "boxes_file"}


def run(
    run_dir,
    output_dir,
    studies=("features", "walks", "filters", "duplicates"),
    dataset="",
    data_dir=None,
    train_split="train",
    split="test",
    num_images=20_000,
    num_samples=150,
    positive_samples="",
    negative_samples="",
    boxes_file="",
    layer="",
    svm_penalties=(),
    epochs=40,
    seed=0,
):
    """Studies; the parameters are the flags.

    Returns:
        Dict of the results by study.
    """
    flags = types.SimpleNamespace(**locals())
    _check(flags)
    task = _open(flags)
    dcgan_studies.show_samples(task.study)
    results = {}
    for name in studies:
        keras.utils.set_random_seed(seed)
        results[name] = _STUDIES[name](flags, task)
        _files.write_text(
            os.path.join(output_dir, "study.json"), json.dumps(results, indent=1)
        )
    print(f"everything is in {output_dir}")
    return results


def _check(flags):
    """Refuses what would only show after some work."""
    unknown = [name for name in flags.studies if name not in _STUDIES]
    if unknown or not flags.studies:
        raise ValueError(
            f"studies must be some of {', '.join(_STUDIES)}, got "
            f"{','.join(flags.studies)!r}"
        )
    for study, flag in _NEEDED.items():
        given = getattr(flags, flag)
        if (study in flags.studies) != bool(given):
            raise ValueError(
                f"the study {study} and --{flag} belong together, got --{flag}="
                f"{given!r} and --studies={','.join(flags.studies)}"
            )
    for flag, study in (
        ("negative_samples", "arithmetic"),
        ("layer", "windows"),
        ("svm_penalties", "features"),
    ):
        if getattr(flags, flag) and study not in flags.studies:
            raise ValueError(f"--{flag} has no effect without the study {study}")
    for name in ("num_samples", "epochs"):
        if getattr(flags, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(flags, name)}")
    if flags.num_images < 0:
        raise ValueError(f"num_images must be >= 0, got {flags.num_images}")


def _open(flags):
    """The run's networks and pictures."""
    keras.utils.set_random_seed(flags.seed)
    generator, discriminator, latents, description = generative_runs.load_networks(
        flags.run_dir
    )
    if len(generator.inputs) > 1:
        raise ValueError(
            f"{flags.run_dir} is a conditional GAN; only those without labels are "
            "studied"
        )
    if not inspection.convolution_activations(discriminator):
        raise ValueError(f"{discriminator.name} of {flags.run_dir} has no convolutions")
    kind = generative_runs.GenerativeDescription
    stored, _ = runs.read_record(flags.run_dir, kind)

    def load(split, limit=0):
        return _load(flags, stored, description.preprocessing, split, limit)

    def draw(count, number):
        return latents.draw(count, tf.constant([flags.seed, number], tf.int64)).numpy()

    images, labels = load(flags.train_split, flags.num_images)
    study = dcgan_studies.StudiedNetworks(
        generator=generator,
        discriminator=discriminator,
        untrained=description.build()[1],
        images=images,
        value_range=description.value_range,
        latents=draw(flags.num_samples, 0),
        output_dir=flags.output_dir,
        seed=flags.seed,
    )
    return types.SimpleNamespace(study=study, labels=labels, load=load, draw=draw)


def _load(flags, stored, preprocessing, split, limit):
    """The first pictures of a split and their one-hot labels; 0 is no limit."""
    batches, count = [], 0
    for images, labels in data.load(
        flags.dataset or stored["dataset"],
        split,
        256,
        preprocessing=preprocessing,
        data_dir=flags.data_dir or stored["data_dir"],
    ):
        batches.append((images.numpy(), labels.numpy()))
        count += len(images)
        if 0 < limit <= count:
            break
    return tuple(np.concatenate(parts)[: limit or None] for parts in zip(*batches))


def _features(flags, task):
    if task.labels.shape[1] < 2:
        raise ValueError("the study features needs pictures of two classes at least")
    images, labels = task.load(flags.split)
    results = dcgan_studies.study_features(
        task.study,
        task.labels.argmax(axis=1),
        images,
        labels.argmax(axis=1),
        tuple(_number(text, float) for text in flags.svm_penalties),
    )
    print(
        f"features: linear SVMs on {results['num_train']} pictures, accuracy on "
        f"{results['num_test']} others"
    )
    for name in ("pixels", "untrained", "trained"):
        row = results[name]
        print(
            f"  {name:9}  {row['dimension']:6,} features  {row['accuracy']:7.2%}  "
            f"C={row['penalty']:g}"
        )
    return results


def _walks(flags, task):
    results = dcgan_studies.study_walks(task.study, task.draw(_NUM_WALK_POINTS, 1))
    print(
        f"walks: the largest step is {max(results['jumps']):.3f} of its line; even "
        f"steps are {results['even_step']:.3f}"
    )
    return results


def _filters(flags, task):
    results = dcgan_studies.study_filters(task.study)
    print(f"filters: the first maps of {results['layer']}")
    return results


def _duplicates(flags, task):
    results = dcgan_studies.study_duplicates(task.study, flags.epochs)
    print(
        f"duplicates: {len(results['removed'])} of {results['num_images']} pictures; "
        f"hashes agree for {results['agreeing_copies']:.1%} of noisy copies and "
        f"{results['agreeing_pairs']:.4%} of pairs"
    )
    return results


def _arithmetic(flags, task):
    sets = [_concepts(t) for t in (flags.positive_samples, flags.negative_samples)]
    results = dcgan_studies.study_arithmetic(task.study, *sets)
    print("arithmetic: a concept's row ends in its mean, the sum's begins with it")
    return results


def _windows(flags, task):
    try:
        with open(flags.boxes_file, encoding="utf-8") as file:
            boxes = [tuple(map(int, box)) for box in json.load(file)]
    except (OSError, ValueError, TypeError) as error:
        raise ValueError(
            f"{flags.boxes_file} must hold [[sample, top, left, bottom, right], ...]: "
            f"{error}"
        ) from error
    results = dcgan_studies.study_windows(task.study, boxes, flags.layer)
    print(
        f"windows: {len(results['filters'])} of {results['num_filters']} maps of "
        f"{results['layer']} dropped; they tell {results['accuracy']:.1%} of the "
        "positions right"
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


def _concepts(text):
    """Numbers of samples, by concept."""
    return [
        [_number(number, int) for number in concept.split(",")]
        for concept in text.split(";")
        if concept
    ]


def _number(text, kind):
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no number; see the flag's form") from error


if __name__ == "__main__":
    flag_definitions.start(run)
