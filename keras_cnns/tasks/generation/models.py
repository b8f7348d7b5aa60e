"""GANs by name: their networks, and the hyper-parameters of their papers."""

from keras_cnns._checks import check_choice
from keras_cnns.runs import PaperModel, find_model
from keras_cnns.trainers import GAN, ConditionalGAN, WassersteinGAN, WassersteinGANGP

TRAINERS = {
    "gan": GAN,
    "cgan": ConditionalGAN,
    "wgan": WassersteinGAN,
    "wgan_gp": WassersteinGANGP,
}

# fmt: off
# Where a source adds its epsilon elsewhere, or to something else, than Keras does, this
# is the value that makes the same updates of it: see docs/decisions.md.
# 1.000004 and 1.00004 per update are 0.998 and 0.98 for the 500 updates of an epoch.
_GAN_SGD = {
    "optimizer": "sgd", "momentum": 0.5, "nesterov": False, "batch_size": 100,
    "schedule": "exponential", "decay_rate": 0.998, "decay_epochs": 1.0,
}
_DCGAN_ADAM = {
    "optimizer": "adam", "learning_rate": 2e-4, "beta_1": 0.5, "beta_2": 0.999,
    "epsilon": 1e-10, "batch_size": 128,
}
_WGAN_RMSPROP = {
    "optimizer": "rmsprop", "momentum": 0.0, "rho": 0.99, "epsilon": 1e-16,
    "learning_rate": 5e-5, "batch_size": 64, "discriminator_steps": 5,
    "clip_value": 0.01,
}
_WGAN_GP_ADAM = {
    "optimizer": "adam", "learning_rate": 1e-4, "beta_1": 0.5, "beta_2": 0.9,
    "epsilon": 1e-8, "batch_size": 64, "discriminator_steps": 5,
    "penalty_weight": 10.0,
}
# Hyper-parameters of each algorithm's paper, for networks of other papers.
_TRAINER_OPTIONS = {
    "gan": _DCGAN_ADAM, "cgan": _DCGAN_ADAM, "wgan": _WGAN_RMSPROP,
    "wgan_gp": _WGAN_GP_ADAM,
}
# fmt: on
_GAN_SOURCE = (
    "arXiv 1406.2661 and its released code, where the discriminator's objective is "
    "halved: here its rate is half of the generator's; momentum stays at 0.5 here, it "
    "rises to 0.7 there, where the rate has a floor of 1e-6 and both networks are "
    "updated from one set of images; the decay is that of 500 updates an epoch"
)
_GAN_CIFAR_SOURCE = (
    f"{_GAN_SOURCE}; its images are the first 40,000, by --train_split='train[:40000]' "
    "here, and globally contrast-normalised to a scale of 55, which is left out"
)
_CGAN_SOURCE = (
    "arXiv 1411.1784, section 4.1; momentum stays at 0.5 here, it rises to 0.7 there"
)
_DCGAN_SOURCE = (
    "arXiv 1511.06434, section 4; epsilon stands in for 1e-8 beside the corrected root "
    "in the authors' code; its L2 (1e-5, 2.5e-5 for MNIST) is left out, "
    "and its 100 further epochs of decaying rate for MNIST"
)
_SVHN_SOURCE = "the authors' code for SVHN, by the name of its saved model"
_TORCH_SOURCE = (
    "PyTorch's tutorial on DCGAN; its network for 128x128 is a wider one of 64x64"
)
_WGAN_SOURCE = (
    "arXiv 1701.07875, algorithm 1; rho is PyTorch's default, epsilon stands in for "
    "its 1e-8 beside the root; the code's --critic_warm_up is off"
)
_WGAN_GP_SOURCE = "arXiv 1704.00028, algorithm 1, as its released scripts have it"

_WGAN_GP_TORCH_SOURCE = (
    "arXiv 1704.00028, algorithm 1, as its usual PyTorch port has it"
)


def _row(name, trainer, latents, options, source, critic="", **changes):
    discriminator = critic or f"{name}_discriminator"
    networks = {"generator": f"{name}_generator", "discriminator": discriminator}
    options = {**options, **changes}
    return PaperModel(networks, options, source, trainer, {"latents": latents})


def _gan(name, latents, rate, source=_GAN_SOURCE, **changes):
    changes.update(learning_rate=rate, discriminator_learning_rate=rate / 2)
    return _row(name, "gan", latents, _GAN_SGD, source, **changes)


def _dcgan(name, latents="uniform", source=_DCGAN_SOURCE, trainer="gan", **changes):
    return _row(name, trainer, latents, _DCGAN_ADAM, source, **changes)


def _wgan(name):
    return _row(name, "wgan", "normal", _WGAN_RMSPROP, _WGAN_SOURCE, "wgan64_critic")


def _wgan_gp(name, source=_WGAN_GP_SOURCE, **changes):
    critic = f"{name}_critic"
    return _row(name, "wgan_gp", "normal", _WGAN_GP_ADAM, source, critic, **changes)


MODELS = {
    "gan_mnist": _gan("gan_mnist", "standard_uniform", 0.1),
    "gan_tfd": _gan("gan_tfd", "normal", 0.05),
    "gan_cifar10": _gan("gan_cifar10", "normal", 0.025, _GAN_CIFAR_SOURCE),
    "gan_cifar10_conv": _gan(
        "gan_cifar10_conv", "normal", 0.004, _GAN_CIFAR_SOURCE, batch_size=128
    ),
    "cgan_mnist": _row(
        "cgan_mnist",
        "cgan",
        "unit_uniform",
        _GAN_SGD,
        _CGAN_SOURCE,
        learning_rate=0.1,
        decay_rate=0.98,
    ),
    "dcgan28": _dcgan("dcgan28", trainer="cgan"),
    "dcgan32": _dcgan(
        "dcgan32", "normal", _SVHN_SOURCE, learning_rate=5e-4, batch_size=64
    ),
    "dcgan32_imagenet": _dcgan("dcgan32_imagenet"),
    "dcgan64": _dcgan("dcgan64"),
    "dcgan128": _dcgan("dcgan128", source="not in the paper; as dcgan64"),
    "dcgan64_torch": _dcgan("dcgan64_torch", "normal", _TORCH_SOURCE),
    "dcgan128_torch": _dcgan("dcgan128_torch", "normal", _TORCH_SOURCE),
    "wgan64": _wgan("wgan64"),
    "wgan64_constant": _wgan("wgan64_constant"),
    "wgan64_mlp": _wgan("wgan64_mlp"),
    "wgan_gp_mnist": _wgan_gp("wgan_gp_mnist", batch_size=50),
    "wgan_gp_cifar10": _wgan_gp("wgan_gp_cifar10"),
    "wgan_gp_mnist_torch": _wgan_gp(
        "wgan_gp_mnist_torch", _WGAN_GP_TORCH_SOURCE, batch_size=50
    ),
    "wgan_gp_cifar10_torch": _wgan_gp("wgan_gp_cifar10_torch", _WGAN_GP_TORCH_SOURCE),
    "wgan_gp_cifar10_resnet": _wgan_gp(
        "wgan_gp_cifar10_resnet",
        _WGAN_GP_SOURCE + "; its generator batches are twice as large, and it adds "
        "uniform noise of up to 1/128 to real images, which is left out",
        learning_rate=2e-4,
        beta_1=0.0,
        schedule="linear",
    ),
    "wgan_gp64": _wgan_gp("wgan_gp64", beta_1=0.0),
    "wgan_gp64_resnet": _wgan_gp("wgan_gp64_resnet", beta_1=0.0),
}


def paper_options(name: str, trainer: str = "") -> dict:
    """Options of a model's paper, or of another algorithm's.

    Args:
        name: key of ``MODELS``.
        trainer: key of ``TRAINERS``; empty: the model's.

    Raises:
        ValueError: if a name is unknown.
    """
    row = find_model(MODELS, name)
    if not trainer or trainer == row.trainer:
        return row.options
    check_choice("trainer", trainer, tuple(TRAINERS))
    return _TRAINER_OPTIONS[trainer]
