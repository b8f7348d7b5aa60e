"""Scores a trained generator: FID, KID, precision and recall, Inception Score, Parzen.

    evaluate-gan --run_dir=runs/dcgan --embedding=runs/embedding \\
        --dataset=fashion_mnist --num_images=5000 --output_dir=runs/dcgan/evaluation

``--embedding`` is the folder of a classifier's run, trained on real images,
``imagenet`` for Inception v3, or the path of its weights. Real images
come from ``--split``, which the embedding should not have seen: generated images are
compared with the first ``--num_images``, and as many further ones give the floor. The
untrained generator is scored too, and for FID and KID the progress from it to the floor
is printed. ``evaluation.json`` holds all scores with their protocol; ``--compare_with``
takes such a file of another run.

``--parzen_samples=10000`` adds the Parzen-window log-likelihood of the GAN paper: the
window is chosen on ``--parzen_split``, which the generator should not have seen, and
the estimate is that of ``--split``.
"""

import dataclasses
import json
import os
from typing import Optional

import numpy as np
from tensorflow import keras

from keras_cnns import _files, data, inference, metrics, trainers
from keras_cnns.commands.groups import Counted, OneRun, Quiet, Seeded, Split, Written
from keras_cnns.runs import any_of, changed, option, required


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, OneRun, Split, Written, Seeded):
    """What ``evaluate-gan`` takes."""

    embedding: Optional[str] = required(
        "run of a classifier whose features are compared, imagenet, or a "
        "weight file of Inception v3"
    )
    num_images: int = changed(
        Counted,
        "num_images",
        5000,
        help="number of images of each kind",
        within="[2, inf)",
    )
    parzen_samples: int = option(
        0, "samples of the Parzen-window estimate; 0 for none", within="[0, inf)"
    )
    parzen_split: str = option(
        "",
        "split that chooses the Parzen window, unseen in training",
        needs=any_of("parzen_samples"),
    )
    compare_with: str = option("", "evaluation.json of another run")

    def check(self) -> None:
        super().check()
        if self.parzen_samples and not self.parzen_split:
            raise ValueError("give parzen_samples and parzen_split together, or none")


def run(options: OPTIONS) -> dict:
    """Evaluates and returns the content of ``evaluation.json``."""
    keras.utils.set_random_seed(options.seed)
    other = _read_report(options.compare_with) if options.compare_with else None
    sampler = inference.Sampler(options.run_dir)
    preprocessing = sampler.run.config.preprocessing
    embedding = (
        inference.run_embedding(options.embedding)
        if os.path.isdir(options.embedding)
        else inference.inception_embedding(options.embedding)
    )
    source, validation = (
        split
        and data.open_source(options.dataset, split, options.data_dir, labelled=False)
        for split in (options.split, options.parzen_split)
    )
    reports = _reports(options, sampler, embedding, source)
    result = {name: report.to_json() for name, report in reports.items()}
    _show(reports)
    if validation:
        samples = _generated(
            sampler.generator, sampler, options.parzen_samples, options.seed
        )
        result["parzen"] = {
            "validation": f"{options.dataset} {options.parzen_split}",
            "test": f"{options.dataset} {options.split}",
            **_parzen(samples, validation, source, preprocessing),
        }
        print("Parzen log-likelihood {mean:.1f} +- {standard_error:.1f} nats, "
              "sigma {sigma:.3f}".format(**result["parzen"]))  # fmt: skip
    path = os.path.join(options.output_dir, "evaluation.json")
    _files.write_json(path, result, indent=2)
    print(f"everything is in {path}")
    if other:
        result["difference"] = metrics.compare(other, reports["generator"])
        for name, value in result["difference"].items():
            if value is not None:
                print(f"{name}: {value:+.5g} against {options.compare_with}")
        _files.write_json(path, result, indent=2)
    return result


def _reports(options, sampler, embedding, source):
    """Scores of the trained and of an untrained generator."""
    count = options.num_images
    images = _real_images(source, sampler.run.config.preprocessing, 2 * count)
    untrained = sampler.run.config.build("generator")
    return {
        name: inference.evaluate_images(
            embedding,
            images[:count],
            images[count:],
            _generated(generator, sampler, count, options.seed),
            real_data=f"{options.dataset} {options.split}, shuffled by seed "
            f"{options.seed}",
        )
        for name, generator in (
            ("generator", sampler.generator),
            ("untrained", untrained),
        )
    }


def _read_report(path):
    """The generator's report in an ``evaluation.json``."""
    try:
        with open(path, encoding="utf-8") as file:
            return metrics.GenerativeReport.from_json(json.load(file)["generator"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no evaluation.json: {error!r}") from error


def _real_images(source, preprocessing, count=0):
    """Images of a split in random order at the generator's size, uint8; 0: all."""
    if source.num_examples < count:
        raise ValueError(
            f"{source.name} {source.split} holds {source.num_examples} images, "
            f"{count} are needed: twice num_images"
        )
    examples = source.examples.shuffle(source.shuffle_buffer, seed=1)
    shuffled = dataclasses.replace(source, examples=examples)
    plain = data.Preprocessing.plain(*preprocessing.shape)
    images, _ = data.read_images(shuffled, plain, count)
    return np.rint(images).astype(np.uint8)


def _generated(generator, sampler, count, seed):
    """Generated images, uint8; of a conditional generator all classes in turn."""
    labels = None
    if sampler.is_conditional:
        labels = np.arange(count) % len(sampler.class_names)
    images = trainers.sample_generator(
        generator, sampler.latents, count, seed=seed, labels=labels
    )
    return data.to_bytes(images, sampler.value_range)


def _parzen(samples, validation, test, preprocessing):
    """The estimate on pixels in [0, 1], as JSON values."""
    real = (_real_images(source, preprocessing) for source in (validation, test))
    flat = [images.reshape(len(images), -1) / 255.0 for images in (samples, *real)]
    return metrics.parzen_estimate(*flat).to_json()


def _show(reports):
    """A table: floor, trained and untrained generator."""
    rows = {
        "real": reports["generator"].floor,
        "generator": reports["generator"].scores,
        "untrained": reports["untrained"].scores,
    }
    names = [field.name for field in dataclasses.fields(metrics.Scores)]
    print(f"{'':10}" + "".join(f"{name:>20}" for name in names))
    for label, scores in rows.items():
        values = [getattr(scores, name) for name in names]
        cells = ["-" if value is None else f"{value:.5g}" for value in values]
        print(f"{label:10}" + "".join(f"{cell:>20}" for cell in cells))
    for name in ("fid", "kid"):
        floor, trained, start = (getattr(scores, name) for scores in rows.values())
        if start > floor:
            fraction = (start - trained) / (start - floor)
            print(f"{name}: {fraction:.1%} of the way from untrained to real")
