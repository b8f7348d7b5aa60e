"""The inpainting task."""

from keras_cnns import applications, data, export, figures, inference, trainers
from keras_cnns.runs import RunConfig, Task
from keras_cnns.tasks.inpainting.models import TRAINERS
from keras_cnns.tasks.inpainting.options import InpaintingOptions

_GRID_ROWS = 6  # images of the grid
# Options that are arguments of some trainers.
_OWN = (
    "adversarial_weight",
    "penalty_weight",
    "discriminator_steps",
    "coarse_weight",
    "discount",
    "distance",
)


class InpaintingTask(Task):
    """Trains an inpainting network and its discriminators."""

    name = InpaintingOptions.task
    options_class = InpaintingOptions

    def __init__(self, options):
        super().__init__(options)
        self._row, self._recipe = options.row, options.mask_recipe()
        self._held_out = self._features = None

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
        """The feature network of perceptual and style losses; None for none."""
        options = self.options
        info = applications.model_info(self._row.networks["network"])
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
        (source, _), model = self.sources[0], self._row.networks["network"]
        value_range = applications.model_info(model).preprocessing
        preprocessing = self.preprocess_for(model, value_range)
        patch = self._patch_shape(preprocessing.shape)

        def arguments(role, name):
            shape = patch if role == "local_critic" else preprocessing.shape
            is_two_sized = "local_shape" in applications.model_info(name).architecture
            local = {"local_shape": patch} if is_two_sized else {}
            return {"image_shape": shape, **local}

        example = {"network": {"filters": [32, 64]}}
        networks = self.networks_of(self._row, arguments, example)
        return RunConfig(networks, preprocessing, source.class_names)

    def _patch_shape(self, image_shape):
        """Shape of the patches of local critics and discriminators."""
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
        networks = self.build_networks(config)
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
        """The trainer's own arguments."""
        options, kind = self.options, self._row.trainer
        own = options.effective(*_OWN)
        if kind in ("reconstruction", "lbam"):
            own["loss_weights"] = options.reconstruction_weights()
            own["feature_network"] = self._features
        if kind == "contextual_attention":
            own.update(options.effective("hole_weight", "valid_weight"))
        if kind == "reconstruction":
            (steps,) = self.phase_steps("second_stage_fraction")
            own["second_stage_start"] = self.total_steps - steps if steps else 0
        if kind == "global_local":
            own["completion_steps"], own["discriminator_alone_steps"] = (
                self.phase_steps("completion_fraction", "discriminator_alone_fraction")
            )
        return own

    def _network_optimizer(self, own):
        """Its updates are the steps that do not train the discriminator alone."""
        options, rate = self.options, None
        if "second_stage_start" in own and options.second_stage_fraction:
            if options.schedule != "constant" or options.warmup_epochs:
                raise ValueError(
                    f"schedule={options.schedule!r} and warmup_epochs="
                    f"{options.warmup_epochs} cannot be combined with "
                    f"second_stage_fraction={options.second_stage_fraction}, which "
                    "sets the rate; take constant and 0, or a fraction of 0"
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
        """Its updates are those of the steps that do not train the network alone."""
        options, each = self.options, own.get("discriminator_steps", 1)
        updates = (self.total_steps - own.get("completion_steps", 0)) * each
        beta_1 = options.discriminator_beta_1
        return options.make_optimizer(
            max(1, updates),
            self.steps_per_epoch * each,
            learning_rate=options.discriminator_learning_rate or options.learning_rate,
            beta_1=options.beta_1 if beta_1 is None else beta_1,
        )

    def load_batches(self, config, start_step):
        source, minibatches = self.sources[0]
        return data.load_inpainting_training(
            source,
            self.options.batch_size * minibatches,
            start_step,
            preprocessing=config.preprocessing,
            masks=self._recipe,
            augmentation=self.augmentation,
            seed=self.options.seed,
        )

    def load_validation(self, config):
        """Evenly spaced images of the split with their masks, always the same."""
        if self._held_out is None:
            return None
        options, total = self.options, self._held_out.num_examples
        count = min(options.validation_images or total, total)
        return self._evaluation(config, self._held_out, count, options.batch_size)

    def _evaluation(self, config, source, count, batch_size):
        return data.load_inpainting_evaluation(
            data.spread(source, count),
            batch_size,
            preprocessing=config.preprocessing,
            masks=self._recipe,
            seed=self.options.seed,
        )

    def sampler(self, trainer, config):
        """Images with holes, filled, and the truth."""
        source, model = self._held_out or self.sources[0][0], self.options.model
        count = min(_GRID_ROWS, source.num_examples)
        batches = self._evaluation(config, source, count, count)
        images, masks = (values.numpy() for values in next(iter(batches)))

        def write(filled, path):
            figures.inpainting_grid(
                images, masks, {model: filled}, path, trainer.value_range
            )

        return lambda: trainer.inpaint(images, masks), write

    def report(self, run, progress):
        """Curves, and the last and the best epoch."""
        super().report(run, progress)
        if self._held_out is None:
            return
        best, history = progress["best_epoch"], progress["history"]
        print(
            f"last epoch: PSNR {history[-1]['val_psnr']:.2f} dB; best epoch: {best}, "
            f"{history[best - 1]['val_psnr']:.2f} dB"
        )

    @classmethod
    def inferencer(cls, run, which="last", **options):
        """``inference.NetworkInpainter``."""
        return inference.NetworkInpainter(run, which, **options)

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
