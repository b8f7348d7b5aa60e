"""Which networks play against each other, and how each paper trains them."""

import dataclasses

from keras_cnns._checks import check_choice
from keras_cnns.trainers.gan import GAN, ConditionalGAN
from keras_cnns.trainers.wasserstein_gan import WassersteinGAN
from keras_cnns.trainers.wasserstein_gan_gp import WassersteinGANGP

TRAINERS = {
    "gan": GAN,
    "cgan": ConditionalGAN,
    "wgan": WassersteinGAN,
    "wgan_gp": WassersteinGANGP,
}


@dataclasses.dataclass(frozen=True)
class GenerativeModel:
    """A generator and its discriminator or critic.

    Attributes:
        generator, discriminator: registry names.
        trainer: key of ``TRAINERS``.
        latents: kind of ``Latents``.
        options: values of ``GenerationOptions`` that the source gives.
        source: paper or code, and what differs from it here.
    """

    generator: str
    discriminator: str
    trainer: str
    latents: str
    options: dict
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
    "one set of images; the decay is that of 500 updates an epoch"
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


def _pair(name, trainer, latents, options, source, discriminator="discriminator"):
    return GenerativeModel(
        f"{name}_generator",
        f"{name}_{discriminator}",
        trainer,
        latents,
        options,
        source,
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
_TRAINER_OPTIONS = {
    "gan": _DCGAN_ADAM,
    "cgan": _DCGAN_ADAM,
    "wgan": _WGAN_RMSPROP,
    "wgan_gp": _WGAN_GP_ADAM,
}


def paper_options(name: str, trainer: str = "") -> dict:
    """Options of a model's paper, or of another algorithm's.

    Args:
        name: key of ``MODELS``.
        trainer: key of ``TRAINERS``; empty: the model's.

    Raises:
        ValueError: if a name is unknown.
    """
    row = find_model(name)
    if not trainer or trainer == row.trainer:
        return row.options
    check_choice("trainer", trainer, tuple(TRAINERS))
    return _TRAINER_OPTIONS[trainer]
