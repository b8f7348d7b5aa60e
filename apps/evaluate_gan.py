"""Scores a trained generator: FID, KID, precision and recall, Inception Score, Parzen.

    python apps/evaluate_gan.py --run_dir=runs/dcgan --embedding=runs/embedding \
        --dataset=fashion_mnist --num_images=5000 --output_dir=runs/dcgan/evaluation

``--embedding`` is the folder of a classifier that ``train_classifier.py`` trained on
real pictures, ``imagenet`` for Inception v3, or the path of its weights. Real pictures
come from ``--split``, which the embedding should not have seen: the first
``--num_images`` are what generated ones are compared with, as many further ones give
the floor. The untrained generator stands beside, and where it says so, how far the
trained one has come from there to the floor. ``evaluation.json`` holds everything with
its protocol; ``--compare_with`` takes such a file of another run.

``--parzen_samples=10000`` adds the Parzen-window log-likelihood of the GAN paper: the
window is chosen on ``--parzen_split``, which the generator should not have seen, and
the estimate is that of ``--split``.
"""

import dataclasses
import json
import os

import flag_definitions
import numpy as np
from tensorflow import keras

from keras_cnns import _files, data, inspection, metrics
from keras_cnns.trainers import adversarial, generative_runs


def run(
    run_dir,
    dataset,
    output_dir,
    embedding,
    split="test",
    data_dir=None,
    num_images=5000,
    parzen_samples=0,
    parzen_split="",
    compare_with="",
    seed=0,
):
    """Evaluates; the parameters are the flags.

    Returns:
        Dict of what ``evaluation.json`` holds.
    """
    if num_images < 2:
        raise ValueError(f"num_images must be at least 2, got {num_images}")
    if bool(parzen_samples) != bool(parzen_split):
        raise ValueError("give parzen_samples and parzen_split together, or none")
    keras.utils.set_random_seed(seed)
    other = _read_report(compare_with) if compare_with else None
    generator, _, latents, description = generative_runs.load_networks(run_dir)
    network = (
        inspection.run_embedding(embedding)
        if os.path.isdir(embedding)
        else inspection.inception_embedding(embedding)
    )
    source = data.open_source(dataset, split, data_dir, labelled=False)
    validation = None
    if parzen_split:
        validation = data.open_source(dataset, parzen_split, data_dir, labelled=False)
    pictures = _real_pictures(source, description, 2 * num_images)
    untrained, *_ = description.build()
    reports = {
        name: inspection.evaluate_pictures(
            network,
            pictures[:num_images],
            pictures[num_images:],
            _generated(candidate, latents, description, num_images, seed),
            real_data=f"{dataset} {split}, shuffled by seed {seed}",
        )
        for name, candidate in (("generator", generator), ("untrained", untrained))
    }
    result = {name: report.to_json() for name, report in reports.items()}
    _show(reports)
    if validation:
        samples = _generated(generator, latents, description, parzen_samples, seed)
        result["parzen"] = {
            "validation": f"{dataset} {parzen_split}",
            "test": f"{dataset} {split}",
            **_parzen(samples, validation, source, description),
        }
        print("Parzen log-likelihood {mean:.1f} +- {standard_error:.1f} nats, "
              "sigma {sigma:.3f}".format(**result["parzen"]))  # fmt: skip
    path = os.path.join(output_dir, "evaluation.json")
    _files.write_text(path, json.dumps(result, indent=2))
    print(f"everything is in {path}")
    if other:
        result["difference"] = metrics.compare(other, reports["generator"])
        for name, value in result["difference"].items():
            if value is not None:
                print(f"{name}: {value:+.5g} against {compare_with}")
        _files.write_text(path, json.dumps(result, indent=2))
    return result


def _read_report(path):
    """The generator's report in an ``evaluation.json``."""
    try:
        with open(path, encoding="utf-8") as file:
            return metrics.GenerativeReport.from_json(json.load(file)["generator"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no evaluation.json: {error!r}") from error


def _real_pictures(source, description, count):
    """Pictures of a split in random order at the generator's size, uint8."""
    if source.num_examples < count:
        raise ValueError(
            f"{source.name} {source.split} holds {source.num_examples} pictures, "
            f"{count} are needed: twice num_images"
        )
    feed = description.preprocessing
    plain = dataclasses.replace(
        feed, mean=(0.0,) * feed.channels, std=(1.0,) * feed.channels
    )
    pictures = (
        source.examples.shuffle(source.shuffle_buffer, seed=1)
        .take(count)
        .map(lambda content, _: plain(source.read(content)))
        .batch(256)
    )
    return np.rint(np.concatenate(list(pictures))).astype(np.uint8)


def _generated(generator, latents, description, count, seed):
    """Generated pictures, uint8; of a conditional generator all classes alike."""
    labels = None
    if len(generator.inputs) > 1:
        labels = np.arange(count) % len(description.class_names)
    pictures = adversarial.sample_generator(
        generator, latents, count, seed=seed, labels=labels
    )
    return inspection.to_bytes(pictures, description.value_range)


def _parzen(samples, validation, test, description):
    """The estimate on pixels in [0, 1], as JSON values."""
    sets = (
        samples,
        _real_pictures(validation, description, validation.num_examples),
        _real_pictures(test, description, test.num_examples),
    )
    flat = [images.reshape(len(images), -1) / 255.0 for images in sets]
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
            share = (start - trained) / (start - floor)
            print(f"{name}: {share:.1%} of the way from untrained to real")


if __name__ == "__main__":
    flag_definitions.start(run)
