"""The inpainting task."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from keras_cnns import applications, data, export, figures, inference, trainers
from keras_cnns.runs import RunConfig, Task
from keras_cnns.tasks.adversarial import compile_adversarial
from keras_cnns.tasks.exported import from_run
from keras_cnns.tasks.features import load_features
from keras_cnns.tasks.inpainting.models import TRAINERS
from keras_cnns.tasks.inpainting.options import InpaintingOptions

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_cnns.runs.option_groups import TrainingOptions
    from keras_cnns.runs.record import Run
    from keras_cnns.trainers import StepwiseTrainer

_GRID_ROWS = 6  # images of the grid


class InpaintingTask(Task):
    """Trains an inpainting network and its discriminators."""

    name = InpaintingOptions.task
    options_class = InpaintingOptions

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self._recipe = options.mask_recipe()
        self._held_out = self._features = None

    def open(self) -> None:
        options = self.options
        minibatches = options.effective("discriminator_steps").values()
        self.sources = [(self.open_source(options.train_split), *(minibatches or [1]))]
        self._held_out = self.open_source(options.validation_split)
        self._features = self._load_features()

    def _load_features(self):
        """The feature network of perceptual and style losses; None for none."""
        images = self.preprocess_for(self.options.row.networks["network"])
        return load_features(
            self.options,
            trainers.vgg16_features,
            size=images.shape[:2],
            value_range=images.value_range,
            standardize=self.options.standardize_features,
        )

    def facts(self) -> dict:
        return {
            **super().facts(),
            "number of mask files": self._recipe.num_files,
            "feature network": self._features and self._features.record(),
        }

    def configure(self) -> RunConfig:
        preprocessing = self.preprocess_for(self.options.row.networks["network"])
        patch = self._patch_shape(preprocessing.shape)

        def arguments(role, name):
            shape = patch if role == "local_critic" else preprocessing.shape
            is_two_sized = "local_shape" in applications.model_info(name).architecture
            local = {"local_shape": patch} if is_two_sized else {}
            return {"image_shape": shape, **local}

        networks = self.networks_of(arguments, {"network": {"filters": [32, 64]}})
        return RunConfig(networks, preprocessing, self.source.class_names)

    def _patch_shape(self, image_shape):
        """Shape of the patches of local critics and discriminators."""
        smaller = min(image_shape[:2])
        size = self.options.patch_size or smaller // 2
        if not 1 <= size <= smaller:
            raise ValueError(
                f"patch_size must be from 1 to the images' {smaller}, got {size!r}"
            )
        return (size, size, image_shape[2])

    @property
    def trainer_class(self) -> type[StepwiseTrainer]:
        return TRAINERS[self.options.row.trainer]

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        if self._features is not None:
            self._features.check_channels(config.preprocessing.channels)
        networks = self.build_networks(config).values()
        kind = self.trainer_class
        value_range, made = config.preprocessing.value_range, self._made_options()
        given = self.trainer_options(kind, value_range=value_range, **made)
        trainer = kind(*networks, **given)
        if len(networks) > 1:
            beta_1 = self.options.discriminator_beta_1
            changes = {} if beta_1 is None else {"beta_1": beta_1}
            compile_adversarial(self, trainer, **changes)
        else:
            trainer.compile(self._two_stage_optimizer(given["second_stage_start"]))
        return trainer

    def _made_options(self):
        """Arguments of some trainers that are made of several options."""
        options, made = self.options, {}
        if options.row.trainer in ("reconstruction", "lbam"):
            made["loss_weights"] = options.reconstruction_weights()
            made["feature_network"] = self._features
        if options.row.trainer == "reconstruction":
            (steps,) = self.phase_steps("second_stage_fraction")
            made["second_stage_start"] = self.total_steps - steps if steps else 0
        if options.row.trainer == "global_local":
            made["completion_steps"], made["discriminator_alone_steps"] = (
                self.phase_steps("completion_fraction", "discriminator_alone_fraction")
            )
        return made

    def _two_stage_optimizer(self, second_stage_start):
        options, rate = self.options, None
        if second_stage_start:
            rates = (options.learning_rate, options.second_stage_learning_rate)
            rate = trainers.two_stage_rate(*rates, second_stage_start)
        return options.make_optimizer(
            self.total_steps, self.steps_per_epoch, learning_rate=rate
        )

    def load_batches(
        self, config: RunConfig, start_step: int, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset:
        source, minibatches = self.sources[0]
        return data.load_inpainting_training(
            source,
            self.options.batch_size * minibatches,
            start_step,
            preprocessing=config.preprocessing,
            masks=self._recipe,
            augmentation=self.augmentation,
            seed=self.options.seed,
            share=share,
        )

    def load_validation(
        self, config: RunConfig, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset | None:
        """Evenly spaced images of the split with their masks, always the same."""
        if self._held_out is None:
            return None
        options, total = self.options, self._held_out.num_examples
        count = min(options.validation_images or total, total)
        size = options.batch_size
        return self._evaluation(config, self._held_out, count, size, share)

    def _evaluation(self, config, source, count, batch_size, share=data.WHOLE):
        return data.load_inpainting_evaluation(
            data.spread(source, count),
            batch_size,
            preprocessing=config.preprocessing,
            masks=self._recipe,
            seed=self.options.seed,
            share=share,
        )

    def sampler(self, trainer: StepwiseTrainer, config: RunConfig) -> tuple:
        """Images with holes, filled, and the truth."""
        source, model = self._held_out or self.source, self.options.model
        count = min(_GRID_ROWS, source.num_examples)
        batches = self._evaluation(config, source, count, count)
        images, masks = (values.numpy() for values in next(iter(batches)))

        def write(filled, path):
            figures.inpainting_grid(
                images, masks, {model: filled}, path, trainer.value_range
            )

        return lambda: trainer.inpaint(images, masks), write

    def report(self, run: Run, progress: dict) -> None:
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
    def inferencer(
        cls, run: Run, which: str = "last", **options: Any
    ) -> inference.NetworkInpainter:
        """``inference.NetworkInpainter``."""
        return inference.load_inpainter(run, which, **options)

    @classmethod
    def export(
        cls,
        run: Run,
        export_dir: str,
        name: str = "",
        *,
        which: str = "last",
        form: export.Form = export.SAVED_MODEL,
    ) -> tuple:
        preprocessing = run.config.preprocessing
        return export.export_inpainter(
            inference.load_inpainting_network(run, which),
            export_dir,
            name or run.options["model"],
            preprocessing=preprocessing,
            value_range=preprocessing.value_range,
            form=from_run(form, run, which),
        )
