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

``--parzen_samples=10000`` adds the Parzen-window log-likelihood of the GAN paper, with
1,000 pictures of the training split's end for the choice of the window.
"""

import dataclasses
import json
import os

import flag_definitions
import numpy as np

from keras_cnns import _files, data, inspection, metrics
from keras_cnns.trainers import adversarial, generative_models

_PARZEN_VALIDATION = 1000


def run(
    run_dir,
    dataset,
    output_dir,
    embedding,
    split="test",
    data_dir=None,
    num_images=5000,
    parzen_samples=0,
    compare_with="",
    seed=0,
):
    """Evaluates; the parameters are the flags.

    Returns:
        Dict of what ``evaluation.json`` holds.
    """
    generator, _, latents, description = generative_models.load_networks(run_dir)
    network = (
        inspection.run_embedding(embedding)
        if os.path.isdir(embedding)
        else inspection.inception_embedding(embedding)
    )
    pictures = _real_pictures(dataset, split, data_dir, description, 2 * num_images)
    untrained, *_ = description.build()
    reports = {
        name: inspection.evaluate_pictures(
            network,
            pictures[:num_images],
            pictures[num_images:],
            _generated(candidate, latents, description, num_images, seed),
            real_data=f"{dataset} {split}",
        )
        for name, candidate in (("generator", generator), ("untrained", untrained))
    }
    result = {name: report.to_json() for name, report in reports.items()}
    _show(reports)
    if parzen_samples:
        result["parzen"] = _parzen(
            generator, latents, description, dataset, split, data_dir,
            parzen_samples, seed,
        )  # fmt: skip
        print("Parzen log-likelihood {mean:.1f} +- {standard_error:.1f} nats, "
              "sigma {sigma:.3f}".format(**result["parzen"]))  # fmt: skip
    if compare_with:
        with open(compare_with, encoding="utf-8") as file:
            other = metrics.GenerativeReport.from_json(json.load(file)["generator"])
        result["difference"] = metrics.compare(other, reports["generator"])
        for name, value in result["difference"].items():
            if value is not None:
                print(f"{name}: {value:+.5g} against {compare_with}")
    path = os.path.join(output_dir, "evaluation.json")
    _files.write_text(path, json.dumps(result, indent=2))
    print(f"everything is in {path}")
    return result


def _real_pictures(dataset, split, data_dir, description, count):
    """Pictures of a split at the generator's size, uint8."""
    feed = description.preprocessing
    plain = dataclasses.replace(
        feed, mean=(0.0,) * feed.channels, std=(1.0,) * feed.channels
    )
    batches = data.load(dataset, split, 256, preprocessing=plain, data_dir=data_dir)
    images = np.concatenate([x for x, _ in batches.take(-(-count // 256))])
    if len(images) < count:
        raise ValueError(
            f"{dataset} {split} holds {len(images)} pictures, {count} are needed: "
            "twice num_images"
        )
    return np.rint(images[:count]).astype(np.uint8)


def _generated(generator, latents, description, count, seed):
    """Generated pictures, uint8; of a conditional generator all classes alike."""
    labels = None
    if len(generator.inputs) > 1:
        labels = np.arange(count) % len(description.class_names)
    pictures = adversarial.sample_generator(
        generator, latents, count, seed=seed, labels=labels
    )
    return inspection.to_bytes(pictures, description.value_range)


def _parzen(
    generator, latents, description, dataset, split, data_dir, num_samples, seed
):
    """The estimate on pixels in [0, 1], as JSON values."""

    def flat(images):
        return images.reshape(len(images), -1) / 255.0

    size = data.open_source(dataset, split, data_dir).num_examples
    end = f"train[-{_PARZEN_VALIDATION}:]"
    return metrics.parzen_estimate(
        flat(_generated(generator, latents, description, num_samples, seed)),
        flat(_real_pictures(dataset, end, data_dir, description, _PARZEN_VALIDATION)),
        flat(_real_pictures(dataset, split, data_dir, description, size)),
    ).to_json()


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
        share = (start - trained) / (start - floor)
        print(f"{name}: {share:.1%} of the way from untrained to real")


if __name__ == "__main__":
    flag_definitions.start(run)
