"""What the spatial transformers of a network look at, and what they make of it."""

from typing import NamedTuple

import numpy as np
from tensorflow import keras

from keras_cnns._graph import check_functional
from keras_cnns.layers import BilinearSampler


class Warp(NamedTuple):
    """One transformer at work.

    Attributes:
        name: of its layer.
        maps: what it samples, ``(count, height, width, channels)``.
        places: where, ``(count, rows, columns, 2)``: x and y in cells of the maps, 0 at
            the centre of the first.
        outputs: what it gives, ``(count, rows, columns, channels)``.
    """

    name: str
    maps: np.ndarray
    places: np.ndarray
    outputs: np.ndarray


def spatial_transformers(network: keras.Model) -> list:
    """The ``BilinearSampler`` layers of a functional network, in its order."""
    check_functional(network)
    return [layer for layer in network.layers if isinstance(layer, BilinearSampler)]


def spatial_warps(network: keras.Model, inputs: np.ndarray) -> list:
    """The ``Warp`` of each transformer of a network.

    Args:
        network: model of the functional API; transformers in nested models are not
            looked for.
        inputs: what it takes, ``(count, ...)``.

    Returns:
        List of ``Warp``, float32; empty if there is no transformer.

    Raises:
        ValueError: if ``network`` is another kind of model.
    """
    samplers = spatial_transformers(network)
    if not samplers:
        return []
    seen = [(*layer.input, layer.output) for layer in samplers]
    values = keras.Model(network.inputs, seen)(inputs, training=False)
    return [
        Warp(layer.name, *(np.asarray(x, np.float32) for x in (maps, places, outputs)))
        for layer, (maps, grid, outputs) in zip(samplers, values)
        for places in [layer.places(grid, maps)]
    ]
