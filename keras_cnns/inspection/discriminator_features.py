"""A discriminator's convolutions as features of images."""

from __future__ import annotations

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count
from keras_cnns._graph import check_functional, convolution_activations, output_of
from keras_cnns.layers import AdaptiveMaxPooling2D


def discriminator_features(
    discriminator: keras.Model, layer_names: Sequence[str] | None = None, size: int = 4
) -> keras.Model:
    """A model that returns the activations of convolutions, max-pooled, as one vector.

    Maps whose height and width are no multiples of ``size`` are pooled over windows
    that overlap by a row or column (``AdaptiveMaxPooling2D``); the paper's are
    multiples. Batch normalisation uses its population statistics: measure those on
    training data first (``remeasure_batch_norm``).

    Args:
        discriminator: model of the functional API whose input is images
            ``(batch, height, width, channels)``, or such images and further inputs.
        layer_names: layers whose maps ``(batch, height, width, channels)`` are taken;
            the activations that follow convolutions if None; those after a sum with a
            shortcut are not found and must be named.
        size: height and width that the maps are pooled to, a positive integer.

    Returns:
        A model of the same inputs, to features ``(batch, size * size * channels)``
        float32, ``channels`` those of all chosen layers. It shares the weights of
        ``discriminator``.

    Raises:
        ValueError: if ``size`` is bad, a layer does not exist or gives no maps, or no
            convolution with an activation is found.

    Source: Radford et al., arXiv 1511.06434, section 5.1; the public code for SVHN
    pools the outputs of LeakyReLU.
    """
    check_functional(discriminator)
    check_count("size", size)
    if layer_names is None:
        layer_names = convolution_activations(discriminator)
    if not layer_names:
        raise ValueError(
            f"no convolution of {discriminator.name!r} has an activation; give "
            "layer_names"
        )
    pooled = []
    for name in layer_names:
        maps = output_of(discriminator, name)
        if len(maps.shape) != 4:
            raise ValueError(f"layer {name!r} gives no maps, but {tuple(maps.shape)}")
        x = AdaptiveMaxPooling2D(size, dtype="float32")(maps)
        pooled.append(layers.Flatten(dtype="float32")(x))
    features = pooled[0]
    if len(pooled) > 1:
        features = layers.Concatenate(dtype="float32")(pooled)
    return keras.Model(
        discriminator.inputs, features, name=f"{discriminator.name}_features"
    )
