"""What makes a training that of an inpainting network."""

import dataclasses

from keras_cnns import applications, data, export, figures, inference, trainers
from keras_cnns.runs import RunConfig, Task, parse_builder_args
from keras_cnns.tasks.inpainting.models import MODELS, TRAINERS, find_model
from keras_cnns.tasks.inpainting.options import InpaintingOptions

_GRID_ROWS = 6  # images of the grid
# Options that are arguments of the trainers on which they have an effect.
_OWN = (
    "adversarial_weight",
    "penalty_weight",
    "discriminator_steps",
    "coarse_weight",
    "discount",
    "distance",
)


class InpaintingTask(Task):
    """A network that fills holes, and what it trains against."""

    name = InpaintingOptions.task
    options_class = InpaintingOptions

    def __init__(self, options):
        super().__init__(options)
        self._row = find_model(options.model)
        self._recipe = options.mask_recipe()
        self._features = self._held_out = None

    def check(self, num_replicas):
        super().check(num_replicas)
        data.Augmentation(self.options.augmentation)

    def open(self):
        options = self.options
        splits = [options.train_split]
        splits += [options.validation_split] if options.validation_split else []
        source, *held_out = (
            data.open_source(options.dataset, split, options.data_dir, labelled=False)
            for split in splits
        )
        minibatches = options.effective("discriminator_steps").values()
        self.sources = [(source, *(minibatches or [1]))]
        self._held_out = held_out[0] if held_out else None
        self._features = self._load_features()

    def _load_features(self):
        """The classifier in whose features images are compared; None without any."""
        options = self.options
        info = applications.model_info(self._row.network)
        if options.feature_weights:
            return trainers.vgg16_features(
                options.feature_weights, value_range=info.preprocessing
            )
        if not options.feature_run:
            return None
        size = (options.image_size,) * 2 if options.image_size else info.input_shape[:2]
        names = [name.strip() for name in options.feature_layers.split(",")]
        return inference.run_features(
            options.feature_run,
            size=size,
            layers=[name for name in names if name],
            value_range=info.preprocessing,
        )

    def facts(self):
        return {
            **super().facts(),
            "number of mask files": self._recipe.num_files,
            "feature network": self._features and self._features.record(),
        }

    def configure(self):
        options, (source, _) = self.options, self.sources[0]
        info = applications.model_info(self._row.network)
        size = (options.image_size,) * 2 if options.image_size else info.input_shape[:2]
        channels = options.channels or source.image_shape[2] or 3
        preprocessing = data.Preprocessing.for_range(
            *size, channels, info.preprocessing
        )
        names = {"network": self._row.network, **self._row.discriminators}
        example = {"network": {"filters": [32, 64]}}
        example.update({role: {} for role in self._row.discriminators})
        changes = parse_builder_args(options.builder_args, example, tuple(names))
        patch = self._patch_shape(preprocessing.shape)
        networks = {}
        for role, name in names.items():
            shapes = {"image_shape": preprocessing.shape}
            if role == "local_critic":
                shapes = {"image_shape": patch}
            if "local_shape" in applications.model_info(name).architecture:
                shapes["local_shape"] = patch
            own = changes.get(role, {})
            if "local_shape" in own:
                raise ValueError(
                    f"builder_args of the {role} cannot set local_shape: patch_size "
                    "decides that"
                )
            networks[role] = {"model": name, "args": {**shapes, **own}}
        return RunConfig(networks, preprocessing, source.class_names)

    def _patch_shape(self, image_shape):
        """Of the patches that local critics and discriminators see."""
        smaller = min(image_shape[:2])
        size = self.options.patch_size or smaller // 2
        if not 1 <= size <= smaller:
            raise ValueError(
                f"patch_size must be from 1 to the images' {smaller}, got {size!r}"
            )
        return (size, size, image_shape[2])

    def make_trainer(self, config, is_new):
        if self._features is not None:
            self._features.check_channels(config.preprocessing.channels)
        networks = self.prepare_networks(
            {role: config.build(role) for role in config.networks}
        )
        own = self._trainer_options()
        optimizers = [self._network_optimizer(own)]
        if len(networks) > 1:
            optimizers.append(self._discriminator_optimizer(own))
        trainer = TRAINERS[self._row.trainer](
            *networks.values(),
            value_range=config.preprocessing.value_range,
            **own,
            **self.step_options(),
        )
        trainer.compile(*optimizers)
        return trainer

    def _trainer_options(self):
        """The trainer's own arguments.

        Raises:
            ValueError: if phases leave none of the steps, or a weight is bad.
        """
        options, kind, total = self.options, self._row.trainer, self.total_steps
        own = options.effective(*_OWN)
        if kind in ("reconstruction", "lbam"):
            own["loss_weights"] = options.reconstruction_weights()
            own["feature_network"] = self._features
        if kind == "contextual_attention":
            own.update(options.effective("hole_weight", "valid_weight"))
        if kind == "reconstruction":
            steps = options.phase_steps("second_stage_fraction", total)
            own["second_stage_start"] = total - steps if steps else 0
        if kind == "global_local":
            names = ("completion_fraction", "discriminator_alone_fraction")
            steps = [options.phase_steps(name, total) for name in names]
            if sum(steps) >= total:
                told = " and ".join(
                    f"{name}={getattr(options, name)}" for name in names
                )
                raise ValueError(
                    f"{told} leave none of {total} steps for training both networks; "
                    "their sum must be less than 1"
                )
            own["completion_steps"], own["discriminator_alone_steps"] = steps
        return own

    def _network_optimizer(self, own):
        """It rests while the discriminator trains alone."""
        options, rate = self.options, None
        if self._row.trainer == "reconstruction" and options.second_stage_fraction:
            if options.schedule != "constant":
                raise ValueError(
                    f"schedule={options.schedule!r} cannot be combined with "
                    f"second_stage_fraction={options.second_stage_fraction}, which "
                    "sets the rate; take constant, or a fraction of 0"
                )
            rate = trainers.two_stage_rate(
                options.learning_rate,
                options.second_stage_learning_rate,
                own["second_stage_start"],
            )
        updates = self.total_steps - own.get("discriminator_alone_steps", 0)
        return options.make_optimizer(
            max(1, updates), self.steps_per_epoch, learning_rate=rate
        )

    def _discriminator_optimizer(self, own):
        """It rests while the network trains alone."""
        options = self.options
        changes = {}
        if options.discriminator_beta_1 is not None:
            changes["beta_1"] = options.discriminator_beta_1
        each = own.get("discriminator_steps", 1)
        updates = (self.total_steps - own.get("completion_steps", 0)) * each
        return options.make_optimizer(
            max(1, updates),
            self.steps_per_epoch * each,
            learning_rate=options.discriminator_learning_rate or options.learning_rate,
            **changes,
        )

    def load_batches(self, config, start_step):
        source, minibatches = self.sources[0]
        return data.load_inpainting_training(
            source,
            self.options.batch_size * minibatches,
            start_step,
            preprocessing=config.preprocessing,
            masks=self._recipe,
            augmentation=data.Augmentation(self.options.augmentation),
            seed=self.options.seed,
        )

    def load_validation(self, config):
        """Images spread over the split with their holes, always the same."""
        if self._held_out is None:
            return None
        options, source = self.options, self._held_out
        count = min(
            options.validation_images or source.num_examples, source.num_examples
        )
        return self._evaluation(config, source, count, options.batch_size)

    def _evaluation(self, config, source, count, batch_size):
        return data.load_inpainting_evaluation(
            _spread(source, count),
            batch_size,
            preprocessing=config.preprocessing,
            masks=self._recipe,
            num_examples=count,
            seed=self.options.seed,
        )

    def sampler(self, trainer, config):
        """Images with holes, what fills them, and the truth."""
        source = self._held_out or self.sources[0][0]
        count = min(_GRID_ROWS, source.num_examples)
        batches = self._evaluation(config, source, count, count)
        images, masks = (values.numpy() for values in next(iter(batches)))

        def write(filled, path):
            columns, value_range = {self.options.model: filled}, trainer.value_range
            figures.inpainting_grid(images, masks, columns, path, value_range)

        return lambda: trainer.inpaint(images, masks), write

    def report(self, run, progress):
        """Curves, and the last and the best epoch."""
        super().report(run, progress)
        if self._held_out is None:
            return
        best = progress["best_epoch"]
        ratios = [row["val_psnr"] for row in progress["history"]]
        print(
            f"last epoch: PSNR {ratios[-1]:.2f} dB; best epoch: {best}, "
            f"{ratios[best - 1]:.2f} dB"
        )

    @classmethod
    def models(cls):
        return {
            name: {"network": row.network, **row.discriminators}
            for name, row in MODELS.items()
        }

    @classmethod
    def inferencer(cls, run, which="last", **options):
        """``inference.NetworkInpainter``."""
        return inference.NetworkInpainter(run.folder, which, **options)

    @classmethod
    def export(cls, run, export_dir, name="", *, which="last"):
        preprocessing = run.config.preprocessing
        return export.export_inpainter(
            inference.load_inpainting_network(run, which),
            export_dir,
            name or run.options["model"],
            preprocessing=preprocessing,
            value_range=preprocessing.value_range,
        )


def _spread(source, count):
    """So many of a split's examples, at even distances: folders are sorted by class."""
    total = source.num_examples
    examples = (
        source.examples.enumerate()
        .filter(lambda i, example: (i + 1) * count // total > i * count // total)
        .map(lambda i, example: example)
    )
    return dataclasses.replace(source, examples=examples, num_examples=count)
