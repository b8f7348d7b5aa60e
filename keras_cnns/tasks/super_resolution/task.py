"""The task of super-resolution."""

from __future__ import annotations

import dataclasses
import os
from typing import TYPE_CHECKING, Any

from absl import logging
from tensorflow import keras

from keras_cnns import applications, data, export, figures, inference, trainers
from keras_cnns.data.decoding import decode_image
from keras_cnns.runs import RunConfig, Task, read_run
from keras_cnns.tasks.exported import from_run
from keras_cnns.tasks.features import load_features
from keras_cnns.tasks.super_resolution.models import TRAINERS, scale_of
from keras_cnns.tasks.super_resolution.options import SuperResolutionOptions

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_cnns.runs.option_groups import TrainingOptions
    from keras_cnns.runs.record import Run
    from keras_cnns.trainers import StepwiseTrainer

_GRID_ROWS, _GRID_SIDE = 4, 96  # pictures of the grid, and pixels of their crops


class SuperResolutionTask(Task):
    """Trains a network that enlarges pictures, or improves enlarged ones."""

    name = SuperResolutionOptions.task
    options_class = SuperResolutionOptions

    def __init__(self, options: TrainingOptions) -> None:
        super().__init__(options)
        self._held_out = self._bicubic = self._features = None

    @property
    def augmentation(self) -> None:
        """None: that of patches is part of their recipe."""
        return

    def open(self) -> None:
        options = self.options
        source, passes = self.open_source(options.train_split), options.passes_per_epoch
        if passes > 1:
            source = dataclasses.replace(
                source,
                examples=source.examples.repeat(passes),
                num_examples=passes * source.num_examples,
            )
        self.sources = [(source, 1)]
        self._held_out = self.open_source(options.validation_split)
        self._features = load_features(
            options,
            trainers.vgg19_features,
            value_range="unit",
            size=(options.image_size,) * 2,
        )

    def facts(self) -> dict:
        features = self._features and {"feature network": self._features.record()}
        return {**super().facts(), **(features or {})}

    @property
    def steps_per_epoch(self) -> int:
        """Steps that read each picture as often as an epoch does."""
        options, source = self.options, self.source
        pictures = options.batch_size // options.patches_per_picture
        if source.num_examples < pictures:
            raise ValueError(
                f"a step takes patches of {pictures} pictures (batch_size="
                f"{options.batch_size}, patches_per_picture="
                f"{options.patches_per_picture}), of which {source.name} "
                f"{source.split} has {source.num_examples}; raise patches_per_picture "
                "or passes_per_epoch"
            )
        return source.num_examples // pictures

    def configure(self) -> RunConfig:
        options, model = self.options, self.options.row.networks["network"]
        side = options.image_size
        channels = options.channels or applications.model_info(model).input_shape[2]
        upsampling = {"upsampling": options.upsampling} if options.upsampling else {}
        arguments = {
            "network": {"image_shape": (None, None, channels), **upsampling},
            "discriminator": {"image_shape": (side, side, channels)},
        }
        networks = self.networks_of(
            lambda role, _: arguments[role], {"network": {"filters": 32}}
        )
        scale = networks["network"]["args"].get("scale", scale_of(model))
        config = RunConfig(
            networks,
            data.Preprocessing.for_range(side, side, channels, "unit"),
            self.source.class_names,
            details={
                "scales": [scale] if scale else list(options.enlarged_scales()),
                "enlarged": not scale,
            },
        )
        self._patches(config)
        return config

    def _patches(self, config):
        """How patches are made."""
        options = self.options
        return data.PatchRecipe(
            scales=tuple(config.details["scales"]),
            patch_size=options.image_size,
            channels=config.preprocessing.channels,
            enlarged=config.details["enlarged"],
            augmented=bool(options.augmentation),
            patches_per_picture=options.patches_per_picture,
        )

    @property
    def trainer_class(self) -> type[StepwiseTrainer]:
        return TRAINERS[self.options.row.trainer]

    def make_trainer(self, config: RunConfig, is_new: bool) -> StepwiseTrainer:
        options, kind = self.options, self.trainer_class
        networks = {"network": self._training_network(config, is_new)}
        for role in config.networks:
            networks.setdefault(role, config.build(role))
        networks = self.prepare_networks(networks)
        made = {"shave": config.details["scales"][0]}
        if self._features is not None:
            made["feature_network"] = self._features
            (made["pixel_steps"],) = self.phase_steps("pixel_fraction")
        elif len(networks["network"].outputs) > 1 and options.supervision_fraction:
            (made["supervision_steps"],) = self.phase_steps("supervision_fraction")
        given = self.trainer_options(kind, **made)
        trainer = kind(*networks.values(), **given)
        trainer.compile(*self._optimizers(made.get("pixel_steps")))
        return trainer

    def _optimizers(self, pixel_steps):
        """The optimizer; of a training in two phases, one for each and another."""
        options, each = self.options, self.steps_per_epoch
        steps = self.total_steps - (pixel_steps or 0)
        trained = options.make_optimizer(steps, each)
        if pixel_steps is None:
            return [trained]
        rate = options.learning_rate
        alone = options.make_optimizer(
            max(1, pixel_steps),
            each,
            learning_rate=options.pixel_learning_rate or rate,
            schedule="constant",
            warmup_epochs=0.0,
        )
        other = options.discriminator_learning_rate or rate
        against = options.make_optimizer(steps, each, learning_rate=other)
        return [alone, trained, against]

    def _training_network(self, config, is_new):
        """The network as it is trained: without padding, with all its outputs."""
        options, args = self.options, config.networks["network"]["args"]
        changes = dict(options.row.details.get("training", {}))
        if any(options.effective("supervision_fraction").values()):
            changes["supervised"] = True
        changes = {name: value for name, value in changes.items() if name not in args}
        path = _weight_file(options.init_weights) if is_new else ""
        if path:
            model = config.networks["network"]["model"]
            network = applications.create_with_weights(model, path, **args, **changes)
        else:
            network = config.build("network", **changes)
        return network

    def load_batches(
        self, config: RunConfig, start_step: int, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset:
        return data.load_super_resolution_training(
            self.source,
            self.options.batch_size,
            start_step,
            recipe=self._patches(config),
            seed=self.options.seed,
            share=share,
        )

    def load_validation(
        self, config: RunConfig, share: data.Share = data.WHOLE
    ) -> tf.data.Dataset | None:
        """Evenly spaced whole pictures of the split, enlarged by the first factor."""
        if self._held_out is None:
            return None
        if self._bicubic is None:
            self._bicubic = self._bicubic_psnr(config)
            logging.info("bicubic interpolation: val_psnr %.4f", self._bicubic)
        return self._evaluation(config, config.details["enlarged"], share)

    def _evaluation(self, config, enlarged, share=data.WHOLE):
        total = self._held_out.num_examples
        count = min(self.options.validation_images or total, total)
        return data.load_super_resolution_evaluation(
            data.spread(self._held_out, count),
            config.details["scales"][0],
            channels=config.preprocessing.channels,
            enlarged=enlarged,
            share=share,
        )

    def _bicubic_psnr(self, config):
        """``val_psnr`` of pictures that no network improves."""
        pictures = keras.Input((None, None, config.preprocessing.channels))
        unchanged = trainers.SuperResolutionTrainer(
            keras.Model(pictures, pictures), shave=config.details["scales"][0]
        )
        unchanged.compile(keras.optimizers.SGD(jit_compile=False))
        return unchanged.evaluate(
            self._evaluation(config, True), return_dict=True, verbose=0
        )["psnr"]

    def sampler(self, trainer: StepwiseTrainer, config: RunConfig) -> tuple:
        """Crops by bicubic interpolation, by the network, and of the truth."""
        scale = config.details["scales"][0]
        truth = self._crops(scale)
        small = [
            data.small_picture(one, scale).numpy().astype("uint8") for one in truth
        ]
        bicubic = list(map(inference.BicubicUpscaler(scale), small))
        network = config.build("network")
        upscaler = inference.NetworkUpscaler(network, scale)

        def enlarge():
            with trainer.averaged_weights():
                for layer in trainer.network.layers:
                    if layer.weights:
                        network.get_layer(layer.name).set_weights(layer.get_weights())
            return list(map(upscaler, small))

        def write(made, path):
            columns = {"bicubic": bicubic, self.options.model: made, "truth": truth}
            figures.enlargement_grid(columns, path)

        return enlarge, write

    def _crops(self, scale):
        """The middles of some pictures, uint8, of sides that a scale divides."""
        source = self._held_out or self.source
        shown = data.spread(source, min(_GRID_ROWS, source.num_examples))
        pictures = [
            decode_image(source.read(content), 3).numpy()
            for content, _ in shown.examples
        ]
        side = min(_GRID_SIDE, *(min(one.shape[:2]) for one in pictures))
        return [_middle(picture, side - side % scale) for picture in pictures]

    def report(self, run: Run, progress: dict) -> None:
        """Curves, and the last and the best epoch."""
        super().report(run, progress)
        if self._held_out is None:
            return
        best, history = progress["best_epoch"], progress["history"]
        print(
            f"last epoch: PSNR {history[-1]['val_psnr']:.2f} dB; best epoch: {best}, "
            f"{history[best - 1]['val_psnr']:.2f} dB; bicubic interpolation: "
            f"{self._bicubic:.2f} dB"
        )

    @classmethod
    def inferencer(
        cls, run: Run, which: str = "last", **options: Any
    ) -> inference.NetworkUpscaler:
        """``inference.NetworkUpscaler``."""
        return inference.load_upscaler(run, which, **options)

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
        return export.export_upscaler(
            run.load("network", which),
            export_dir,
            name or run.options["model"],
            scales=run.config.details["scales"],
            enlarges=not run.config.details["enlarged"],
            form=from_run(form, run, which),
        )


def _middle(picture, side):
    """The square in the middle of a picture."""
    top, left = ((length - side) // 2 for length in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def _weight_file(init_weights):
    """The file of first weights; of a run's folder that of its last epoch."""
    if not os.path.isdir(init_weights):
        return init_weights
    run = read_run(init_weights, SuperResolutionTask.name)
    return os.path.join(run.folder, "last.h5")
