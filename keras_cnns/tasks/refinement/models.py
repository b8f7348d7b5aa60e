"""Refiners and their discriminators, with the hyper-parameters of the paper."""

from keras_cnns.runs import PaperModel

# fmt: off
_EYE = {
    "optimizer": "sgd", "momentum": 0.0, "nesterov": False, "schedule": "constant",
    "learning_rate": 1e-3, "batch_size": 512, "refiner_steps": 2,
    "discriminator_steps": 1, "refiner_pretraining": 1000,
    "discriminator_pretraining": 200, "regularization_weight": 0.5,
    "buffer_size": 12_800,
}
# fmt: on
_SOURCE = (
    "arXiv 1612.07828, implementation details; weight of the regularization and size "
    "of the buffer are not given there, these are of public ports"
)


def _row(name, **changes):
    roles = ("refiner", "discriminator")
    networks = {role: f"{name}_{role}" for role in roles}
    return PaperModel(networks, {**_EYE, **changes}, _SOURCE)


MODELS = {
    "simgan_eye": _row("simgan_eye"),
    "simgan_hand": _row("simgan_hand", refiner_pretraining=500),
}
