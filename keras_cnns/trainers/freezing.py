"""Freezing a part of a network while the rest is trained."""

from absl import logging
from tensorflow import keras


def freeze_up_to(network: keras.Model, layer_name: str) -> None:
    """Freezes a layer and all layers that lead to it.

    Frozen batch normalisation uses its stored statistics and does not change them.

    Raises:
        ValueError: if there is no such layer, or nothing would be left to train.
    """
    names = [layer.name for layer in network.layers]
    if layer_name not in names:
        raise ValueError(
            f"{network.name} has no layer {layer_name!r} to freeze up to; it has "
            f"{', '.join(names[:3])} ... {', '.join(names[-3:])}"
        )
    leading = keras.Model(network.input, network.get_layer(layer_name).output)
    for layer in leading.layers:
        layer.trainable = False
    if not network.trainable_weights:
        raise ValueError(f"freezing up to {layer_name!r} leaves nothing to train")
    logging.info("frozen up to %s: %d layers", layer_name, len(leading.layers))


def encoder_batch_norms(network: keras.Model) -> list:
    """Batch normalisations of an encoder, whose names begin with ``encoder``.

    Raises:
        ValueError: if there are none.
    """
    found = [
        layer
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and layer.name.startswith("encoder")
    ]
    if not found:
        raise ValueError(
            f"{network.name} has no batch normalisation whose name begins with "
            "'encoder', so that there is none to freeze"
        )
    return found
