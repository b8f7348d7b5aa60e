"""Population statistics of batch normalisation, measured instead of tracked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from tensorflow import keras

from keras_cnns import _progress
from keras_cnns._graph import copy_network, tensor_before

if TYPE_CHECKING:
    from keras_cnns._types import Array


def remeasure_batch_norm(
    network: keras.Model, batches: Iterable[Array | Sequence[Array]]
) -> keras.Model:
    """A copy whose batch normalisation holds the statistics of given data exactly.

    The layers are measured one after the other, each with the statistics of those
    before it in place, so that in inference the given data leave every normalisation
    with mean 0 and variance 1 (before gain and shift, and up to epsilon). The data are
    passed once per such layer. The variance is the population
    variance. The public code of DCGAN instead averages the statistics of batches of
    128, each normalised by its own.

    Remeasure an untrained network that a trained one is compared with, too: its initial
    statistics fit no data, which makes its features worse.

    Args:
        network: model of the functional API; it is not changed.
        batches: inputs of ``network`` by batch, of any sizes, that can be iterated
            several times: a list of arrays, or a ``tf.data.Dataset`` that always gives
            the same; each batch is an array, or a list or tuple of arrays where the
            network has several inputs.

    Returns:
        The copy. It has weights of its own.

    Raises:
        ValueError: if ``batches`` is empty or can be iterated only once, if
            ``network`` has no batch normalisation, has some within another layer or
            model, or uses one in several places.

    Source: Radford et al., arXiv 1511.06434, section 5.2, and its public code for SVHN.
    """
    if iter(batches) is batches:
        raise ValueError(
            f"batches must be a list or a data set, which can be iterated several "
            f"times, got {batches!r}"
        )
    copy = copy_network(network)
    for layer in _progress.track(_normalizations(copy), "normalisations"):
        part = keras.Model(copy.inputs, tensor_before(layer))
        mean, variance = _mean_and_variance(part, batches, _channel_axis(layer))
        layer.moving_mean.assign(mean)
        layer.moving_variance.assign(variance)
    return copy


def _normalizations(network):
    """The network's batch normalisations, in order."""
    kind = keras.layers.BatchNormalization
    found = [layer for layer in network.layers if isinstance(layer, kind)]
    hidden = [
        module.name
        for module in network.submodules
        if isinstance(module, kind) and all(module is not layer for layer in found)
    ]
    if hidden:
        raise ValueError(f"batch normalisation within other layers: {hidden}")
    if not found:
        raise ValueError(f"{network.name!r} has no batch normalisation")
    return found


def _channel_axis(layer):
    axes = layer.axis if isinstance(layer.axis, (list, tuple)) else [layer.axis]
    if len(axes) != 1:
        raise ValueError(
            f"layer {layer.name!r} normalises over axis={layer.axis!r}; one axis of "
            "channels is needed"
        )
    return axes[0]


def _mean_and_variance(part, batches, axis):
    """Of the outputs, by channel, in float64; batches are merged as Chan et al. do."""
    count, mean, squares = 0, 0.0, 0.0
    for batch in batches:
        inputs = list(batch) if isinstance(batch, (list, tuple)) else batch
        outputs = np.asarray(part(inputs, training=False), np.float64)
        values = np.moveaxis(outputs, axis, -1).reshape(-1, outputs.shape[axis])
        if not len(values):
            continue
        difference = values.mean(axis=0) - mean
        total = count + len(values)
        squares += values.var(axis=0) * len(values)
        squares += difference**2 * count * len(values) / total
        mean += difference * len(values) / total
        count = total
    if not count:
        raise ValueError("batches holds no data")
    return mean, squares / count
