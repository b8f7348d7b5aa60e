"""A spatial transformer, to be put anywhere into a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.layers import BilinearSampler, SamplingGrid

if TYPE_CHECKING:
    import tensorflow as tf


def spatial_transformer(
    maps: tf.Tensor,
    features: tf.Tensor,
    transform: str = "affine",
    size: tuple[int, int] | None = None,
    *,
    shift: tuple[float, float] = (0.0, 0.0),
    padding: str = "zeros",
    name: str = "transformer",
    **grid: Any,
) -> tf.Tensor:
    """Warps maps as a localisation network's features tell; at first not at all.

    The regression from features to parameters starts with a kernel of zeros and the
    identity as its bias. Several transformers on the same features need different
    shifts, else they stay alike.

    Args:
        maps: tensor ``(batch, height, width, channels)`` that is warped.
        features: tensor ``(batch, units)``, the localisation network's last layer.
        transform: as of ``layers.SamplingGrid``.
        size: height and width of the output; None: those of the maps.
        shift: x and y, in units of half the maps' size, that the start is off the
            identity.
        padding: as of ``layers.BilinearSampler``.
        name: the layers are ``<name>_parameters``, ``<name>_grid`` and ``<name>``.
        **grid: further arguments of ``layers.SamplingGrid``.

    Returns:
        Tensor ``(batch, *size, channels)``.

    Raises:
        ValueError: if an argument is bad or has no effect.

    Source: Jaderberg, Simonyan, Zisserman, Kavukcuoglu, arXiv 1506.02025, section 3.
    """
    make_grid = SamplingGrid(transform, size, name=f"{name}_grid", **grid)
    parameters = layers.Dense(
        make_grid.num_parameters,
        kernel_initializer="zeros",
        bias_initializer=keras.initializers.Constant(make_grid.identity(shift)),
        dtype=head_dtype(),
        name=f"{name}_parameters",
    )(features)
    places = make_grid(parameters if size else [parameters, maps])
    sampler = BilinearSampler(padding, make_grid.align_corners, name=name)
    return sampler([maps, places])
