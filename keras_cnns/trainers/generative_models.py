"""Which networks play against each other, and how each paper trains them."""

import dataclasses
import json

from keras_cnns import applications
from keras_cnns.data import Preprocessing
from keras_cnns.data.sources import UNLABELLED
from keras_cnns.trainers import runs
from keras_cnns.trainers.gan import GAN, ConditionalGAN
from keras_cnns.trainers.step_noise import Latents
from keras_cnns.trainers.wasserstein_gan import WassersteinGAN
from keras_cnns.trainers.wasserstein_gan_gp import WassersteinGANGP

TRAINERS = {
    "gan": GAN,
    "cgan": ConditionalGAN,
    "wgan": WassersteinGAN,
    "wgan_gp": WassersteinGANGP,
}
# Flags that act on some of them only: flag, what decides, and which ones use it.
USED_BY = {
    "generator_loss": ("trainer", ("gan", "cgan")),
    "clip_value": ("trainer", ("wgan",)),
    "critic_warm_up": ("trainer", ("wgan",)),
    "penalty_weight": ("trainer", ("wgan_gp",)),
}
# Mean and deviation on grey levels of 0 to 255 that give the range of a network.
_SCALES = {
    "signed": (127.5, 127.5),
    "unit": (0.0, 255.0),
    "unbounded": (127.5, 127.5),
}


@dataclasses.dataclass(frozen=True)
class GenerativeModel:
    """A generator and its opponent.

    Attributes:
        generator, discriminator: registry names.
        trainer: key of ``TRAINERS``.
        latents: kind of ``Latents``.
        flags: flag values of ``apps/train_gan.py`` that the source gives.
        source: paper or code, and what differs from it here.
    """

    generator: str
    discriminator: str
    trainer: str
    latents: str
    flags: dict
    source: str


# 1.000004 and 1.00004 per update are 0.998 and 0.98 for the 500 updates of an epoch.
_GAN_SGD = {
    "optimizer": "sgd",
    "momentum": 0.5,
    "nesterov": False,
    "schedule": "exponential",
    "decay_rate": 0.998,
    "decay_epochs": 1.0,
    "batch_size": 100,
}
_GAN_SOURCE = (
    "arXiv 1406.2661 and its released code; momentum stays at 0.5 here, it rises to "
    "0.7 there, where the rate has a floor of 1e-6 and both networks are updated from "
    "one set of pictures; the decay is that of 500 updates an epoch"
)
_DCGAN_ADAM = {
    "optimizer": "adam",
    "learning_rate": 2e-4,
    "beta_1": 0.5,
    "beta_2": 0.999,
    "batch_size": 128,
}
_DCGAN_SOURCE = (
    "arXiv 1511.06434, section 4; the code's L2 (1e-5, 2.5e-5 for MNIST) is left out, "
    "and its 100 further epochs of decaying rate for MNIST"
)
_WGAN_RMSPROP = {
    "optimizer": "rmsprop",
    "momentum": 0.0,
    "rho": 0.99,
    "epsilon": 1e-8,
    "learning_rate": 5e-5,
    "batch_size": 64,
    "discriminator_steps": 5,
    "clip_value": 0.01,
}
_WGAN_SOURCE = (
    "arXiv 1701.07875, algorithm 1; rho and epsilon are PyTorch's defaults "
    "(unverified), the code's --critic_warm_up is off"
)
_WGAN_GP_ADAM = {
    "optimizer": "adam",
    "learning_rate": 1e-4,
    "beta_1": 0.5,
    "beta_2": 0.9,
    "batch_size": 64,
    "discriminator_steps": 5,
    "penalty_weight": 10.0,
}
_WGAN_GP_RESNET_ADAM = {
    **_WGAN_GP_ADAM,
    "learning_rate": 2e-4,
    "beta_1": 0.0,
    "schedule": "linear",
}
_WGAN_GP_SOURCE = "arXiv 1704.00028, algorithm 1, as its released scripts have it"


def _pair(name, trainer, latents, flags, source, opponent="discriminator"):
    return GenerativeModel(
        f"{name}_generator", f"{name}_{opponent}", trainer, latents, flags, source
    )


MODELS = {
    "gan_mnist": _pair(
        "gan_mnist",
        "gan",
        "standard_uniform",
        {**_GAN_SGD, "learning_rate": 0.1},
        _GAN_SOURCE,
    ),
    "gan_tfd": _pair(
        "gan_tfd", "gan", "normal", {**_GAN_SGD, "learning_rate": 0.05}, _GAN_SOURCE
    ),
    "gan_cifar10": _pair(
        "gan_cifar10",
        "gan",
        "normal",
        {**_GAN_SGD, "learning_rate": 0.025},
        _GAN_SOURCE,
    ),
    "gan_cifar10_conv": _pair(
        "gan_cifar10_conv",
        "gan",
        "normal",
        {**_GAN_SGD, "learning_rate": 0.004, "batch_size": 128},
        _GAN_SOURCE,
    ),
    "cgan_mnist": _pair(
        "cgan_mnist",
        "cgan",
        "unit_uniform",
        {**_GAN_SGD, "learning_rate": 0.1, "decay_rate": 0.98},
        "arXiv 1411.1784, section 4.1; momentum stays at 0.5 here, it rises to 0.7 "
        "there",
    ),
    "dcgan28": _pair("dcgan28", "cgan", "uniform", _DCGAN_ADAM, _DCGAN_SOURCE),
    "dcgan32": _pair(
        "dcgan32",
        "gan",
        "normal",
        {**_DCGAN_ADAM, "learning_rate": 5e-4, "batch_size": 64},
        "the authors' code for SVHN, by the name of its saved model",
    ),
    "dcgan32_imagenet": _pair(
        "dcgan32_imagenet", "gan", "uniform", _DCGAN_ADAM, _DCGAN_SOURCE
    ),
    "dcgan64": _pair("dcgan64", "gan", "uniform", _DCGAN_ADAM, _DCGAN_SOURCE),
    "dcgan128": _pair(
        "dcgan128", "gan", "uniform", _DCGAN_ADAM, "not in the paper; as dcgan64"
    ),
    "wgan64": _pair("wgan64", "wgan", "normal", _WGAN_RMSPROP, _WGAN_SOURCE, "critic"),
    "wgan64_constant": GenerativeModel(
        "wgan64_constant_generator",
        "wgan64_critic",
        "wgan",
        "normal",
        _WGAN_RMSPROP,
        _WGAN_SOURCE,
    ),
    "wgan64_mlp": GenerativeModel(
        "wgan64_mlp_generator",
        "wgan64_critic",
        "wgan",
        "normal",
        _WGAN_RMSPROP,
        _WGAN_SOURCE,
    ),
    "wgan_gp_mnist": _pair(
        "wgan_gp_mnist",
        "wgan_gp",
        "normal",
        {**_WGAN_GP_ADAM, "batch_size": 50},
        _WGAN_GP_SOURCE,
        "critic",
    ),
    "wgan_gp_cifar10": _pair(
        "wgan_gp_cifar10",
        "wgan_gp",
        "normal",
        _WGAN_GP_ADAM,
        _WGAN_GP_SOURCE,
        "critic",
    ),
    "wgan_gp_cifar10_resnet": _pair(
        "wgan_gp_cifar10_resnet",
        "wgan_gp",
        "normal",
        _WGAN_GP_RESNET_ADAM,
        _WGAN_GP_SOURCE + "; its generator batches are twice as large",
        "critic",
    ),
    "wgan_gp64": _pair(
        "wgan_gp64",
        "wgan_gp",
        "normal",
        {**_WGAN_GP_ADAM, "beta_1": 0.0},
        _WGAN_GP_SOURCE,
        "critic",
    ),
    "wgan_gp64_resnet": _pair(
        "wgan_gp64_resnet",
        "wgan_gp",
        "normal",
        {**_WGAN_GP_ADAM, "beta_1": 0.0},
        _WGAN_GP_SOURCE,
        "critic",
    ),
}


def find_model(name: str) -> GenerativeModel:
    """The row of a name.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in MODELS:
        raise ValueError(f"unknown GAN {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


# What each algorithm was published with, for networks that are another paper's.
_TRAINER_FLAGS = {
    "gan": _DCGAN_ADAM,
    "cgan": _DCGAN_ADAM,
    "wgan": _WGAN_RMSPROP,
    "wgan_gp": _WGAN_GP_ADAM,
}


def paper_flags(name: str, trainer: str = "") -> dict:
    """Flag values of a model's paper, or of another algorithm's.

    Raises:
        ValueError: if a name is unknown.
    """
    row = find_model(name)
    if not trainer or trainer == row.trainer:
        return row.flags
    if trainer not in TRAINERS:
        raise ValueError(
            f"unknown trainer {trainer!r}; there are {', '.join(TRAINERS)}"
        )
    return _TRAINER_FLAGS[trainer]


@dataclasses.dataclass(frozen=True)
class GenerativeDescription:
    """What it takes to build a run's networks again and to feed them.

    Attributes:
        model: key of ``MODELS``.
        trainer: key of ``TRAINERS``.
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
        model = find_model(self.model)
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

    @classmethod
    def from_json(cls, fields: dict) -> "GenerativeDescription":
        """The description whose ``dataclasses.asdict`` was stored as JSON."""
        fields = dict(fields)
        fields["class_names"] = tuple(fields["class_names"])
        fields["preprocessing"] = Preprocessing.from_json(fields["preprocessing"])
        return cls(**fields)


def describe(
    model: str, source, *, trainer="", builder_args="", image_size=0, channels=0
) -> GenerativeDescription:
    """The description of a new run.

    Args:
        model: key of ``MODELS``.
        source: ``Source`` of the training split.
        trainer: key of ``TRAINERS``; empty takes the model's.
        builder_args: JSON object of changes for ``generator`` and ``discriminator``.
        image_size: height and width of the pictures; 0 takes the model's.
        channels: 1 or 3; 0 takes the data's.

    Raises:
        ValueError: if an argument is bad or the networks cannot be trained so.
    """
    row = find_model(model)
    if trainer and trainer not in TRAINERS:
        raise ValueError(
            f"unknown trainer {trainer!r}; there are {', '.join(TRAINERS)}"
        )
    info = applications.model_info(row.discriminator)
    trainer = trainer or row.trainer
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
    mean, std = _SCALES[info.preprocessing]
    return GenerativeDescription(
        model=model,
        trainer=trainer,
        builder_args=parse_builder_args(
            builder_args,
            {"generator": {"filters": [256, 128, 64]}, "discriminator": {}},
        ),
        class_names=source.class_names,
        preprocessing=Preprocessing(
            height, width, channels, (mean,) * channels, (std,) * channels
        ),
        value_range="unit" if info.preprocessing == "unit" else "signed",
        num_examples=source.num_examples,
    )


def parse_builder_args(text: str, example: dict) -> dict:
    """Changes of two networks' architectures.

    Args:
        text: JSON object of an object for each role; empty for no changes.
        example: such a value that has all roles, for the message.

    Raises:
        ValueError: if it is no such object, or changes what data and flags decide.
    """
    try:
        arguments = json.loads(text or "{}")
    except ValueError:
        arguments = None
    is_fine = isinstance(arguments, dict) and all(
        role in example and isinstance(changes, dict)
        for role, changes in arguments.items()
    )
    if not is_fine:
        raise ValueError(
            f"builder_args must be a JSON object such as {json.dumps(example)}, got "
            f"{text!r}"
        )
    for role, changes in arguments.items():
        own = {"image_shape", "classes", "name"} & set(changes)
        if own:
            raise ValueError(
                f"builder_args of the {role} cannot set {', '.join(sorted(own))}: "
                "data and flags decide that"
            )
    return arguments


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
