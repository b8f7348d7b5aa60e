"""The networks of a GAN's run: described, built and read again."""

import dataclasses

from keras_cnns import applications
from keras_cnns.data import Preprocessing
from keras_cnns.data.sources import UNLABELLED
from keras_cnns.trainers import generative_models, runs
from keras_cnns.trainers.step_noise import Latents


@dataclasses.dataclass(frozen=True)
class GenerativeDescription(runs.Description):
    """What it takes to build a run's networks again and to feed them.

    Attributes:
        model: key of ``generative_models.MODELS``.
        trainer: key of ``generative_models.TRAINERS``.
        builder_args: ``{"generator": {…}, "discriminator": {…}}``, changes of their
            architectures.
        class_names: tuple of names, by label.
        preprocessing: how pictures become inputs.
        value_range: ``"signed"`` or ``"unit"``, of the pictures.
        num_examples: size of the training split, which sets the steps of an epoch.
    """

    model: str
    trainer: str
    builder_args: dict
    class_names: tuple
    preprocessing: Preprocessing
    value_range: str
    num_examples: int

    @property
    def image_shape(self) -> tuple:
        feed = self.preprocessing
        return (feed.height, feed.width, feed.channels)

    def build(self) -> tuple:
        """Generator, discriminator and the ``Latents`` of the generator.

        Raises:
            ValueError: if a builder argument is bad.
        """
        model = generative_models.find_model(self.model)
        networks = []
        for role in ("generator", "discriminator"):
            name = getattr(model, role)
            changes = dict(self.builder_args.get(role, {}))
            if applications.model_info(name).condition_shape:
                changes["classes"] = len(self.class_names)
            networks.append(
                applications.create_variant(
                    name, image_shape=self.image_shape, **changes
                )
            )
        size = networks[0].inputs[0].shape[-1]
        return (*networks, Latents(size, model.latents))


def describe(
    model: str, source, *, trainer="", builder_args="", image_size=0, channels=0
) -> GenerativeDescription:
    """The description of a new run.

    Args:
        model: key of ``generative_models.MODELS``.
        source: ``Source`` of the training split.
        trainer: key of ``generative_models.TRAINERS``; empty takes the model's.
        builder_args: JSON object of changes for ``generator`` and ``discriminator``.
        image_size: height and width of the pictures; 0 takes the model's.
        channels: 1 or 3; 0 takes the data's.

    Raises:
        ValueError: if an argument is bad or the networks cannot be trained so.
    """
    row = generative_models.find_model(model)
    trainer = trainer or row.trainer
    generative_models.check_trainer(trainer)
    info = applications.model_info(row.discriminator)
    is_conditional = bool(info.condition_shape)
    if is_conditional and trainer != "cgan" or trainer == "cgan" and not is_conditional:
        raise ValueError(
            f"{model} is {'' if is_conditional else 'not '}conditional and cannot be "
            f"trained by {trainer}"
        )
    if is_conditional and source.class_names == (UNLABELLED,):
        raise ValueError(f"{model} wants labels, which {source.name} does not have")
    height, width = (image_size, image_size) if image_size else info.input_shape[:2]
    channels = channels or source.image_shape[2] or 3
    # What is unbounded gets pictures in [-1, 1].
    value_range = "unit" if info.preprocessing == "unit" else "signed"
    return GenerativeDescription(
        model=model,
        trainer=trainer,
        builder_args=runs.parse_builder_args_by_role(
            builder_args,
            {"generator": {"filters": [256, 128, 64]}, "discriminator": {}},
        ),
        class_names=source.class_names,
        preprocessing=Preprocessing.for_range(height, width, channels, value_range),
        value_range=value_range,
        num_examples=source.num_examples,
    )


def load_networks(run_dir: str):
    """The trained networks of a GAN's run, the generator with its averaged weights.

    Args:
        run_dir: folder that ``apps/train_gan.py`` wrote.

    Returns:
        (generator, discriminator, ``Latents``, ``GenerativeDescription``).

    Raises:
        ValueError: if the folder holds no such run, or its weights cannot be read.
    """
    description = runs.describe_run(run_dir, GenerativeDescription)
    generator, discriminator, latents = description.build()
    runs.load_trained(generator, run_dir, "generator")
    runs.load_trained(discriminator, run_dir, "discriminator")
    return generator, discriminator, latents, description
