"""Conditional GAN from image to tag: it generates word vectors for an image.

Mirza, Osindero, "Conditional Generative Adversarial Nets", arXiv 1411.1784, section
4.2. The condition is a code of 4096 numbers that another network made of the image;
what is generated is a word vector of 200 numbers. Latents are 100 normal numbers.

Dropout and initial weights are as in ``cgan.py`` (unverified). Deviation: the
discriminator gives logits, the paper's ends in a sigmoid.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_each_count, check_within
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.generative._parts import (
    DISCRIMINATOR_LIMIT,
    GENERATOR_LIMIT,
    logits,
    maxout_and_dropout,
    relu_and_dropout,
    uniform,
    variants_of,
)


@network_builder(free=("dropout_rate",))
def CGANWordGenerator(
    latent_units: int = 500,
    code_units: int = 2000,
    word_size: int = 200,
    code_size: int = 4096,
    latent_size: int = 100,
    dropout_rate: float = 0.5,
    name: str = "cgan_word_generator",
) -> keras.Model:
    """General builder of the generator of word vectors for an image.

    Args:
        latent_units: ReLU units that see the latents alone.
        code_units: ReLU units that see the image's code alone.
        word_size: length of the word vectors.
        code_size: length of the image's code.
        latent_size: number of latents.
        dropout_rate: fraction of units dropped after each hidden layer, in [0, 1).

    Returns:
        A ``keras.Model`` from latents ``(batch, latent_size)`` and codes ``(batch,
        code_size)`` to word vectors ``(batch, word_size)``, float32, not bounded.
    """
    check_each_count(
        latent_units=latent_units,
        code_units=code_units,
        word_size=word_size,
        code_size=code_size,
        latent_size=latent_size,
    )
    check_within("dropout_rate", dropout_rate)
    latents = keras.Input((latent_size,), name="latents")
    codes = keras.Input((code_size,), name="codes")
    limit, rate = GENERATOR_LIMIT, dropout_rate
    x = relu_and_dropout(latents, latent_units, limit, rate, "latent_dense")
    y = relu_and_dropout(codes, code_units, limit, rate, "code_dense")
    x = layers.Concatenate(name="joint")([x, y])
    x = layers.Dense(
        word_size, kernel_initializer=uniform(limit), dtype=head_dtype(), name="words"
    )(x)
    return keras.Model([latents, codes], x, name=name)


@network_builder(free=("dropout_rate",))
def CGANWordDiscriminator(
    word_units: int = 500,
    code_units: int = 1200,
    joint_units: int = 1000,
    joint_pieces: int = 3,
    word_size: int = 200,
    code_size: int = 4096,
    dropout_rate: float = 0.5,
    name: str = "cgan_word_discriminator",
) -> keras.Model:
    """General builder of the discriminator of word vectors for an image.

    Args:
        word_units: ReLU units that see the word vector alone.
        code_units: ReLU units that see the image's code alone.
        joint_units: maxout units that see both.
        joint_pieces: linear pieces of each of them.
        word_size: length of the word vectors.
        code_size: length of the image's code.
        dropout_rate: fraction of units dropped after each hidden layer, in [0, 1).

    Returns:
        A ``keras.Model`` from word vectors ``(batch, word_size)`` and codes ``(batch,
        code_size)`` to logits ``(batch, 1)``, float32, high for real ones.
    """
    check_each_count(
        word_units=word_units,
        code_units=code_units,
        joint_units=joint_units,
        joint_pieces=joint_pieces,
        word_size=word_size,
        code_size=code_size,
    )
    check_within("dropout_rate", dropout_rate)
    words = keras.Input((word_size,), name="words")
    codes = keras.Input((code_size,), name="codes")
    limit, rate = DISCRIMINATOR_LIMIT, dropout_rate
    x = relu_and_dropout(words, word_units, limit, rate, "word_dense")
    y = relu_and_dropout(codes, code_units, limit, rate, "code_dense")
    x = layers.Concatenate(name="joint")([x, y])
    x = maxout_and_dropout(x, joint_units, joint_pieces, rate, "joint_dense")
    x = logits(x, kernel_initializer=uniform(limit))
    return keras.Model([words, codes], x, name=name)


# fmt: off
_VARIANTS = {  # name, builder, arguments but its defaults, params, further fields
    "CGANTagGenerator": (
        "cgan_tag_generator", CGANWordGenerator, {},
        8_744_700,  # 100*500 + 500 + 4096*2000 + 2000 + 2500*200 + 200
        {"output_shape": (200,)},
    ),
    "CGANTagDiscriminator": (
        "cgan_tag_discriminator", CGANWordDiscriminator, {},
        10_120_901,  # 200*500 + 500 + 4096*1200 + 1200 + 1700*3000 + 3000 + 1000 + 1
        {"input_shape": (200,)},
    ),
}
# fmt: on
_variant = variants_of(
    _VARIANTS,
    paper="CGAN, arXiv 1411.1784, section 4.2",
    preprocessing="unbounded",
    condition_shape=(4096,),
)

CGANTagGenerator = _variant("CGANTagGenerator")
CGANTagDiscriminator = _variant("CGANTagDiscriminator")

__all__ = ["CGANWordGenerator", "CGANWordDiscriminator", *_VARIANTS]
