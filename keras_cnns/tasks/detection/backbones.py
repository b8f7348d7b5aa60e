"""Backbones of detectors: which one it is, its weights, and what is not trained."""

from __future__ import annotations

import os

from tensorflow import keras

from keras_cnns import applications, trainers
from keras_cnns.applications import region_features

_MOST_POOLED = 2**15  # values of a region that boxes are regressed from


def check_pooled(network: keras.Model) -> None:
    """Refuses maps of regions that a ridge regression has no memory for.

    Raises:
        ValueError: if there are more than 2**15 values of a region.
    """
    values = region_features(network).outputs[1].shape[-1]
    if values > _MOST_POOLED:
        raise ValueError(
            f"classifiers must be 'softmax' for {network.name}, whose pooled maps have "
            f"{values} values: box regressors are fitted to {_MOST_POOLED} at most"
        )


def freeze(network: keras.Model, layer_name: str, all_batch_norm: bool) -> None:
    """Freezes a part of the backbone, and all batch normalisation if asked for.

    Args:
        network: a detector.
        layer_name: of the backbone, up to which it is frozen; ``"all"``, or empty for
            nothing.
        all_batch_norm: whether batch normalisation is frozen in the whole network.

    Raises:
        ValueError: if there is nothing to freeze, or nothing left to train.
    """
    names = [layer.name for layer in network.layers]
    backbone = network.get_layer("backbone") if "backbone" in names else network
    if layer_name == "all":
        if backbone is network:
            raise ValueError("freeze='all' leaves nothing to train")
        backbone.trainable = False
    elif layer_name:
        trainers.freeze_up_to(backbone, layer_name)
    kind = keras.layers.BatchNormalization
    norms = [layer for layer in network.submodules if isinstance(layer, kind)]
    if all_batch_norm and not norms:
        raise ValueError(
            f"freeze_batch_norm has no effect: {network.name} has no batch "
            "normalisation; leave it out"
        )
    for layer in norms if all_batch_norm else ():
        layer.trainable = False


def backbone_of(networks: dict) -> tuple:
    """(registry name, its arguments, size of crops) of the network's backbone."""
    row = networks["network"]
    own = {**applications.model_info(row["model"]).architecture, **row["args"]}
    return own["backbone"], own.get("backbone_args"), own.get("crop_size")


def weight_file(weights: str) -> str:
    """The name or file of weights; of a run's folder that of the best or last epoch."""
    if not os.path.isdir(weights):
        return weights
    paths = [os.path.join(weights, f"{name}.h5") for name in ("best", "last")]
    return next(filter(os.path.isfile, paths), paths[0])
