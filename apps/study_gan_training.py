"""Draws why GANs are hard to train, on our data: the figures of two papers.

    python apps/study_gan_training.py --output_dir=runs/gan_training

A GAN of dense networks is trained on ``--dataset``. After each of ``--probe_epochs``
its generator is frozen and a fresh discriminator (512-512, Adam 1e-3) trained against
it, without noise and with ``--instance_noise``: ``probes.png`` has its accuracy and
loss, the Jensen-Shannon divergence that it estimates, and the gradients that it would
give the generator (Arjovsky and Bottou, arXiv 1701.04862, figures 1 to 3, with dense
networks in place of DCGAN's). ``ratios.png`` shows why those of -log D scatter.
``lines.png`` has estimates of divergence and Wasserstein distance for parallel lines
beside the exact values (Arjovsky et al., arXiv 1701.07875, example 1). All numbers are
in ``study.json``, the GAN's samples in ``samples_<epoch>.png``.

Without noise the loss should fall below 5e-3, the gradient of the original cost 30
times, and that of -log D grow. An epoch of digits is short, 179 steps at the default
batch of 8. It takes 5 minutes on 2 idle cores; ``--probe_steps=400`` is enough to see
the gradients vanish. ``--num_images`` limits the pictures of the fresh discriminators.
"""

import dataclasses
import json
import os
import types

import flag_definitions
import numpy as np
from absl import logging
from tensorflow import keras

from keras_cnns import _files, applications, data, inspection, metrics, trainers

_MEASURED = (1, 5, 25, 50, 100, 200, 400, 700, 1000, 1500, 2000, 3000)
_UNITS = (256, 256)  # of the GAN's hidden layers
_NUM_LATENTS = 64
_PROBE_BATCH = 128
_AVERAGED = (1, 4, 16, 64, 256)
_GRID = 8
# Rows of the figure of probes: title, field of the record, logarithmic.
_CURVES = (
    ("accuracy of D", lambda r: r.accuracy, False),
    ("loss of D", lambda r: r.loss, True),
    ("Jensen-Shannon estimate", lambda r: r.jensen_shannon, False),
    ("gradient norm, log(1 - D)", lambda r: r.original.norm, True),
    ("gradient norm, -log D", lambda r: r.alternative.norm, True),
    ("gradient variance, -log D", lambda r: r.alternative.variance, True),
)


def run(
    output_dir,
    dataset="digits",
    data_dir=None,
    train_split="train",
    image_size=0,
    channels=0,
    num_images=20_000,
    batch_size=8,
    learning_rate=1e-3,
    probe_epochs=("1", "10", "25"),
    probe_steps=4000,
    instance_noise=0.5,
    distances=("0", "0.1", "0.5", "1", "2"),
    line_steps=1500,
    penalty_weight=10.0,
    seed=0,
):
    """Studies; the parameters are the flags.

    Returns:
        Dict of what ``study.json`` holds.
    """
    flags = types.SimpleNamespace(**locals())
    epochs = [_number(text, int, "probe_epochs") for text in probe_epochs]
    widths = [_number(text, float, "distances") for text in distances]
    _check(flags, epochs)
    probes = _probes(flags, epochs)
    _plot_probes(probes, os.path.join(output_dir, "probes.png"))
    spreads = inspection.ratio_spreads(_AVERAGED, seed=seed)
    _plot_ratios(spreads, os.path.join(output_dir, "ratios.png"))
    lines = []
    for width in widths:
        keras.utils.set_random_seed(seed)
        lines.append(
            inspection.estimate_distances(
                width, num_steps=line_steps, penalty_weight=penalty_weight, seed=seed
            )
        )
    if lines:
        _plot_lines(lines, os.path.join(output_dir, "lines.png"))
    results = {
        "probes": [
            {"epoch": epoch, "noise": noise, **dataclasses.asdict(record)}
            for (epoch, noise), records in probes.items()
            for record in records
        ],
        "lines": [dataclasses.asdict(line) for line in lines],
        "ratio_spreads": spreads,
    }
    _show(probes, lines)
    _files.write_text(
        os.path.join(output_dir, "study.json"), json.dumps(results, indent=1)
    )
    print(f"everything is in {output_dir}")
    return results


def _check(flags, epochs):
    """Refuses what would only show after some work."""
    if not epochs or epochs != sorted(set(epochs)) or epochs[0] < 1:
        raise ValueError(
            f"probe_epochs must be positive and increase, got {flags.probe_epochs!r}"
        )
    for name in ("probe_steps", "line_steps"):
        if getattr(flags, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(flags, name)}")
    for name in ("instance_noise", "num_images"):
        if getattr(flags, name) < 0:
            raise ValueError(f"{name} must be >= 0, got {getattr(flags, name)}")


def _number(text, kind, name):
    try:
        return kind(text)
    except ValueError as error:
        raise ValueError(f"{name} must be numbers, got {text!r}") from error


def _probes(flags, epochs):
    """Records by (epoch of the GAN, deviation of the noise)."""
    keras.utils.set_random_seed(flags.seed)
    source = data.open_source(flags.dataset, flags.train_split, flags.data_dir)
    feed = _preprocessing(flags, source)
    gan = _gan(flags, (feed.height, feed.width, feed.channels))
    batches = data.load_training(
        source, flags.batch_size, preprocessing=feed, seed=flags.seed
    )
    images = _first_images(flags, feed)
    steps = [step for step in _MEASURED if step < flags.probe_steps]
    probes, done = {}, 0
    for epoch in epochs:
        gan.fit(
            batches,
            initial_epoch=done,
            epochs=epoch,
            steps_per_epoch=source.num_examples // flags.batch_size,
            verbose=0,
        )
        done = epoch
        inspection.picture_grid(
            gan.sample(_GRID**2, seed=flags.seed),
            os.path.join(flags.output_dir, f"samples_{epoch}.png"),
            value_range="unit",
            scale=4,
        )
        for noise in dict.fromkeys([0.0, float(flags.instance_noise)]):
            keras.utils.set_random_seed(flags.seed)
            probes[epoch, noise] = inspection.probe_discriminator(
                gan.generator,
                gan.latents,
                images,
                inspection.dense_discriminator(images.shape[1:]),
                record_steps=(*steps, flags.probe_steps),
                noise_deviation=noise,
                batch_size=min(_PROBE_BATCH, len(images)),
                seed=flags.seed,
            )
            logging.info("probed epoch %d with noise %g", epoch, noise)
    return probes


def _preprocessing(flags, source):
    """Pictures in [0, 1], of the data's size if no other is given."""
    shape = source.image_shape
    if not flags.image_size and None in shape[:2]:
        raise ValueError(f"pictures of {source.name} differ in size; give --image_size")
    height, width = (flags.image_size,) * 2 if flags.image_size else shape[:2]
    channels = flags.channels or shape[2] or 3
    return data.Preprocessing(
        height, width, channels, (0.0,) * channels, (255.0,) * channels
    )


def _gan(flags, image_shape):
    generator = applications.GANGenerator(
        units=_UNITS, image_shape=image_shape, latent_size=_NUM_LATENTS
    )
    gan = trainers.GAN(
        generator,
        inspection.dense_discriminator(image_shape, _UNITS),
        latents=trainers.Latents(_NUM_LATENTS),
        seed=flags.seed,
    )
    gan.compile(*(keras.optimizers.Adam(flags.learning_rate, 0.5) for _ in range(2)))
    return gan


def _first_images(flags, feed):
    parts, count = [], 0
    for images, _ in data.load(
        flags.dataset,
        flags.train_split,
        256,
        preprocessing=feed,
        data_dir=flags.data_dir,
    ):
        parts.append(images.numpy())
        count += len(images)
        if 0 < flags.num_images <= count:
            break
    return np.concatenate(parts)[: flags.num_images or None]


def _plot_probes(probes, path):
    noises = dict.fromkeys(noise for _, noise in probes)
    panels = [
        metrics.Panel(
            f"{title}, noise {noise:g}",
            "updates of D",
            "",
            {
                f"epoch {epoch}": (
                    [record.step for record in records],
                    [value(record) for record in records],
                )
                for (epoch, deviation), records in probes.items()
                if deviation == noise
            },
            log_x=True,
            log_y=is_logarithmic,
        )
        for title, value, is_logarithmic in _CURVES
        for noise in noises
    ]
    metrics.plot_panels(panels, path, columns=len(noises))


def _plot_ratios(spreads, path):
    sizes = list(spreads)
    curves = {
        "means of ratios of normal errors": (sizes, list(spreads.values())),
        "exact (Cauchy)": (sizes, [2.0] * len(sizes)),
    }
    panel = metrics.Panel(
        "averages of the -log D gradient",
        "averaged",
        "interquartile range",
        curves,
        log_x=True,
    )
    metrics.plot_panels([panel], path, columns=1)


def _plot_lines(lines, path):
    across = [line.distance for line in lines]

    def panel(title, **curves):
        values = {
            name.replace("_", " "): (across, [value(line) for line in lines])
            for name, value in curves.items()
        }
        return metrics.Panel(title, "distance of the lines", "", values)

    panels = [
        panel(
            "Jensen-Shannon divergence",
            exact=lambda line: line.exact.jensen_shannon,
            estimate=lambda line: line.jensen_shannon,
        ),
        panel(
            "Wasserstein distance",
            exact=lambda line: line.exact.wasserstein,
            exact_with_penalty=lambda line: line.exact.penalized_wasserstein,
            estimate=lambda line: line.wasserstein,
        ),
        panel(
            "slopes by the distance",
            original_cost=lambda line: line.original_slope,
            Wasserstein_estimate=lambda line: line.wasserstein_slope,
        ),
    ]
    metrics.plot_panels(panels, path, columns=3)


def _show(probes, lines):
    print("epoch  noise   step      loss  accuracy  |log(1-D)|  |-log D|  variance")
    for (epoch, noise), records in probes.items():
        for record in records:
            print(
                f"{epoch:5d}  {noise:5g}  {record.step:5d}  {record.loss:8.2g}  "
                f"{record.accuracy:8.4f}  {record.original.norm:10.3g}  "
                f"{record.alternative.norm:8.3g}  {record.alternative.variance:8.3g}"
            )
    print("distance  JS estimate (exact)   W estimate (exact, with penalty)   slope")
    for line in lines:
        print(
            f"{line.distance:8g}  {line.jensen_shannon:11.4f} "
            f"({line.exact.jensen_shannon:.4f})  {line.wasserstein:10.4f} "
            f"({line.exact.wasserstein:g}, {line.exact.penalized_wasserstein:.4f})"
            f"  {line.wasserstein_slope:.3f}"
        )


if __name__ == "__main__":
    flag_definitions.start(run)
