"""WGAN-GP's networks for toy distributions in the plane.

Gulrajani, Ahmed, Arjovsky, Dumoulin, Courville, "Improved Training of Wasserstein
GANs", arXiv 1704.00028. Layers and initial weights are those of ``gan_toy.py`` of the
authors' code (github.com/igul222/improved_wgan_training): three ReLU layers of 512
units and a linear one, from 2 normal latents to a point and from a point to a value.
Files of the usual PyTorch port, whose layers are the same, are read
(github.com/caogang/wgan-gp).
Deviations: none known.
"""

from collections.abc import Sequence

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_counts
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.generative._parts import logits, variants_of
from keras_cnns.applications.generative._torch_names import dense_names


@network_builder(state_dict_names=dense_names)
def WGANGPPointGenerator(
    units: Sequence[int] = (512, 512, 512),
    latent_size: int = 2,
    point_size: int = 2,
    name: str = "wgan_gp_point_generator",
) -> keras.Model:
    """General builder of generators of points, for toy distributions.

    Args:
        units: units of the ReLU layers.
        latent_size: number of latents.
        point_size: number of coordinates of a point.

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` to points ``(batch,
        point_size)``, float32, not bounded.
    """
    check_counts("units", units)
    check_count("latent_size", latent_size)
    check_count("point_size", point_size)
    latents = keras.Input((latent_size,), name="latents")
    x = _relu_layers(latents, units)
    x = layers.Dense(point_size, dtype=head_dtype(), name="points")(x)
    return keras.Model(latents, x, name=name)


@network_builder(state_dict_names=dense_names)
def WGANGPPointCritic(
    units: Sequence[int] = (512, 512, 512),
    point_size: int = 2,
    name: str = "wgan_gp_point_critic",
) -> keras.Model:
    """General builder of critics of points, for toy distributions.

    Args:
        units: units of the ReLU layers.
        point_size: number of coordinates of a point.

    Returns:
        A ``keras.Model`` from points ``(batch, point_size)`` to ``(batch, 1)``,
        float32, not bounded.
    """
    check_counts("units", units)
    check_count("point_size", point_size)
    points = keras.Input((point_size,), name="points")
    return keras.Model(points, logits(_relu_layers(points, units)), name=name)


def _relu_layers(x, units):
    for i, width in enumerate(units, start=1):
        x = layers.Dense(
            width,
            activation="relu",
            kernel_initializer=keras.initializers.HeUniform(),
            name=f"dense{i}",
        )(x)
    return x


# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "WGANGPToyGenerator": (
        "wgan_gp_toy_generator", WGANGPPointGenerator, {},
        527_874,  # 2*512 + 512 + 2*(512*512 + 512) + 512*2 + 2
        {"output_shape": (2,)},
    ),
    "WGANGPToyCritic": (
        "wgan_gp_toy_critic", WGANGPPointCritic, {},
        527_361,  # 2*512 + 512 + 2*(512*512 + 512) + 512 + 1
        {"input_shape": (2,)},
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS,
    paper="WGAN-GP, arXiv 1704.00028; layers of the authors' code",
    preprocessing="unbounded",
)

WGANGPToyGenerator = _variant("WGANGPToyGenerator")
WGANGPToyCritic = _variant("WGANGPToyCritic")

__all__ = ["WGANGPPointGenerator", "WGANGPPointCritic", *_VARIANTS]
