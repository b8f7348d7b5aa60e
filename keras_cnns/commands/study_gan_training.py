"""Plots why GANs are hard to train: the figures of two papers, on our data.

    study-gan-training --output_dir=runs/gan_training

A GAN of dense networks is trained on ``--dataset``. After each of ``--probe_epochs``
its generator is frozen and a fresh discriminator (512-512, Adam 1e-3) trained against
it, without noise and with ``--instance_noise``: ``probes.png`` has its accuracy and
loss, the Jensen-Shannon divergence that it estimates, and the gradients that it would
give the generator (Arjovsky and Bottou, arXiv 1701.04862, figures 1 to 3, with dense
networks in place of DCGAN's). ``ratios.png`` shows why those of -log D scatter.
``lines.png`` has estimates of divergence and Wasserstein distance for parallel lines
beside the exact values (Arjovsky et al., arXiv 1701.07875, example 1). All numbers are
in ``study.json``, the GAN's samples in ``samples_<epoch>.png``.

Without noise the loss should fall below 5e-3, the gradient of the original cost by a
factor of 30, and that of -log D grow. An epoch of digits is short, 179 steps at the
default batch of 8. It takes 5 minutes on 2 idle cores; ``--probe_steps=400`` is enough
to see the gradients vanish. ``--num_images`` limits the images of the fresh
discriminators.
"""

import contextlib
import dataclasses
import operator
import os
from typing import Optional

from absl import logging
from tensorflow import keras

from keras_cnns import (
    _files,
    _progress,
    applications,
    data,
    figures,
    inspection,
    trainers,
)
from keras_cnns.commands.groups import Counted, Quiet, Seeded, Written
from keras_cnns.runs import (
    DataOptions,
    OptimizerOptions,
    changed,
    option,
    parse_numbers,
)
from keras_cnns.runs.callbacks import ProgressBar
from keras_cnns.tasks.adversarial import AdversarialOptions
from keras_cnns.tasks.generation import GenerationOptions

_MEASURED = (1, 5, 25, 50, 100, 200, 400, 700, 1000, 1500, 2000, 3000)
_UNITS = (256, 256)  # of the GAN's hidden layers
_NUM_LATENTS = 64
_PROBE_BATCH = 128
_AVERAGED = (1, 4, 16, 64, 256)
_GRID = 8
# Rows of the figure of probes: title, field of the record, logarithmic.
_CURVES = (
    ("accuracy of D", "accuracy", False),
    ("loss of D", "loss", True),
    ("Jensen-Shannon estimate", "jensen_shannon", False),
    ("gradient norm, log(1 - D)", "original.norm", True),
    ("gradient norm, -log D", "alternative.norm", True),
    ("gradient variance, -log D", "alternative.variance", True),
)
# Panels of the figure of lines: by title, fields of ``LineEstimates`` by curve.
# fmt: off
_LINE_CURVES = {
    "Jensen-Shannon divergence": {
        "exact": "exact.jensen_shannon", "estimate": "jensen_shannon",
    },
    "Wasserstein distance": {
        "exact": "exact.wasserstein", "estimate": "wasserstein",
        "exact with penalty": "exact.penalized_wasserstein",
    },
    "slopes by distance": {
        "original cost": "original_slope", "Wasserstein estimate": "wasserstein_slope",
    },
}
# fmt: on
_PROBE = (
    "{0:5d}  {1:5g}  {2.step:5d}  {2.loss:8.2g}  {2.accuracy:8.4f}  "
    "{2.original.norm:10.3g}  {2.alternative.norm:8.3g}  {2.alternative.variance:8.3g}"
)
_LINE = (
    "{0.distance:8g}  {0.jensen_shannon:11.4f} ({0.exact.jensen_shannon:.4f})  "
    "{0.wasserstein:10.4f} ({0.exact.wasserstein:g}, "
    "{0.exact.penalized_wasserstein:.4f})  {0.wasserstein_slope:.3f}"
)


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Written, Seeded):
    """What ``study-gan-training`` takes."""

    dataset: str = changed(DataOptions, "dataset", "digits", required=False)
    data_dir: Optional[str] = changed(DataOptions, "data_dir", None)
    train_split: str = changed(DataOptions, "train_split", "train")
    image_size: int = changed(
        DataOptions, "image_size", 0, help="height and width; 0: the data set's"
    )
    channels: int = changed(DataOptions, "channels", 0)
    num_images: int = changed(Counted, "num_images", 20_000)
    batch_size: int = changed(DataOptions, "batch_size", 8, help="images per step")
    learning_rate: float = changed(
        OptimizerOptions, "learning_rate", 1e-3, help="of the GAN's Adam"
    )
    probe_epochs: tuple = option(
        ("1", "10", "25"), "epochs after which fresh discriminators are trained"
    )
    probe_steps: int = option(
        4000, "updates of each fresh discriminator", within="[1, inf)"
    )
    instance_noise: float = changed(AdversarialOptions, "instance_noise", 0.5)
    distances: tuple = option(
        ("0", "0.1", "0.5", "1", "2"), "distances of the parallel lines"
    )
    line_steps: int = option(
        1500, "updates of the networks for each pair of lines", within="[1, inf)"
    )
    penalty_weight: float = changed(GenerationOptions, "penalty_weight", 10.0, needs=())

    def check(self) -> None:
        super().check()
        epochs = self.epochs()
        if not epochs or epochs != sorted(set(epochs)) or epochs[0] < 1:
            raise ValueError(
                f"probe_epochs must be positive and increase, got {self.probe_epochs!r}"
            )
        self.widths()

    def epochs(self) -> list:
        """``probe_epochs`` as numbers."""
        return list(parse_numbers("probe_epochs", self.probe_epochs, kind=int))

    def widths(self) -> list:
        """``distances`` as numbers."""
        return list(parse_numbers("distances", self.distances))


def run(options: OPTIONS) -> dict:
    """Runs the study and returns the content of ``study.json``."""
    folder = options.output_dir
    probes = _probes(options, options.epochs())
    _plot_probes(probes, os.path.join(folder, "probes.png"))
    spreads = inspection.ratio_spreads(_AVERAGED, seed=options.seed)
    _plot_ratios(spreads, os.path.join(folder, "ratios.png"))
    widths = _progress.track(options.widths(), "parallel lines")
    lines = [_estimate(options, width) for width in widths]
    if lines:
        _plot_lines(lines, os.path.join(folder, "lines.png"))
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
    _files.write_json(os.path.join(folder, "study.json"), results, indent=1)
    print(f"everything is in {folder}")
    return results


def _estimate(options, width):
    """Distances of one pair of lines."""
    keras.utils.set_random_seed(options.seed)
    return inspection.estimate_distances(
        width,
        num_steps=options.line_steps,
        penalty_weight=options.penalty_weight,
        seed=options.seed,
    )


def _probes(options, epochs):
    """Records by (epoch of the GAN, standard deviation of the noise)."""
    keras.utils.set_random_seed(options.seed)
    source = data.open_source(options.dataset, options.train_split, options.data_dir)
    preprocessing = _preprocessing(options, source)
    gan = _gan(options, preprocessing.shape)
    batches = data.load_training(
        source, options.batch_size, preprocessing=preprocessing, seed=options.seed
    )
    images, _ = data.read_images(source, preprocessing, options.num_images)
    steps = [step for step in _MEASURED if step < options.probe_steps]
    probes, done = {}, 0
    for epoch in epochs:
        _train(gan, batches, epoch - done, source.num_examples // options.batch_size)
        done = epoch
        figures.image_grid(
            gan.sample(_GRID**2, seed=options.seed),
            os.path.join(options.output_dir, f"samples_{epoch}.png"),
            value_range="unit",
            scale=4,
        )
        for noise in dict.fromkeys([0.0, float(options.instance_noise)]):
            keras.utils.set_random_seed(options.seed)
            probes[epoch, noise] = inspection.probe_discriminator(
                gan.generator,
                gan.latents,
                images,
                inspection.dense_discriminator(images.shape[1:]),
                record_steps=(*steps, options.probe_steps),
                noise_std=noise,
                batch_size=min(_PROBE_BATCH, len(images)),
                seed=options.seed,
            )
            logging.info("probed epoch %d with noise %g", epoch, noise)
    return probes


def _train(gan, batches, epochs, steps_per_epoch):
    """Trains some epochs more."""
    bar = ProgressBar(epochs * steps_per_epoch)
    with contextlib.closing(bar):
        gan.fit(
            batches,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            verbose=0,
            callbacks=[bar],
        )


def _preprocessing(options, source):
    """Images in [0, 1], of the data's size if no other is given."""
    *size, channels = source.image_shape
    size = (options.image_size,) * 2 if options.image_size else size
    if None in size:
        raise ValueError(f"images of {source.name} differ in size; give --image_size")
    channels = options.channels or channels or 3
    return data.Preprocessing.for_range(*size, channels, "unit")


def _gan(options, image_shape):
    generator = applications.GANGenerator(
        units=_UNITS, image_shape=image_shape, latent_size=_NUM_LATENTS
    )
    gan = trainers.GAN(
        generator,
        inspection.dense_discriminator(image_shape, _UNITS),
        latents=trainers.Latents(_NUM_LATENTS),
        seed=options.seed,
    )
    gan.compile(*(keras.optimizers.Adam(options.learning_rate, 0.5) for _ in range(2)))
    return gan


def _values(field, records):
    return list(map(operator.attrgetter(field), records))


def _plot_probes(probes, path):
    noises = dict.fromkeys(noise for _, noise in probes)
    panels = [
        figures.Panel(
            f"{title}, noise {noise:g}",
            "updates of D",
            {
                f"epoch {epoch}": (_values("step", records), _values(field, records))
                for (epoch, std), records in probes.items()
                if std == noise
            },
            log_x=True,
            log_y=is_logarithmic,
        )
        for title, field, is_logarithmic in _CURVES
        for noise in noises
    ]
    figures.plot_panels(panels, path, columns=len(noises))


def _plot_ratios(spreads, path):
    sizes = list(spreads)
    panel = figures.Panel(
        "averages of the -log D gradient",
        "averaged",
        {
            "means of ratios of normal errors": (sizes, list(spreads.values())),
            "exact (Cauchy)": (sizes, [2.0] * len(sizes)),
        },
        "interquartile range",
        log_x=True,
    )
    figures.plot_panels([panel], path, columns=1)


def _plot_lines(lines, path):
    across = _values("distance", lines)
    panels = [
        figures.Panel(
            title,
            "distance of the lines",
            {name: (across, _values(field, lines)) for name, field in curves.items()},
        )
        for title, curves in _LINE_CURVES.items()
    ]
    figures.plot_panels(panels, path, columns=3)


def _show(probes, lines):
    print("epoch  noise   step      loss  accuracy  |log(1-D)|  |-log D|  variance")
    for (epoch, noise), records in probes.items():
        for record in records:
            print(_PROBE.format(epoch, noise, record))
    print("distance  JS estimate (exact)   W estimate (exact, with penalty)   slope")
    for line in lines:
        print(_LINE.format(line))
