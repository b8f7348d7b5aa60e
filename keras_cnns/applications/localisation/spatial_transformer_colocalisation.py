"""A spatial transformer that learns to crop what a set of images has in common.

Jaderberg, Simonyan, Zisserman, Kavukcuoglu, "Spatial Transformer Networks", arXiv
1506.02025, appendix on co-localisation: no box and no class is given. Crops of two
images of the set should be nearer to each other, by the features of a trained
classifier, than to a random crop (``losses.triplet_hinge``, margin 1). The transformer
scales and moves alone; its localisation network has a 9x9 convolution of 8 filters and
stride 4, 2x2 pooling, and dense layers of 8 and 8 units.

There is no command that trains it. Deviation: it starts from the whole image; the paper
does not say from where.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_image_shape, check_size
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.applications.frame.spatial_transformer import spatial_transformer

_LEAST_SIDE = 13  # two places of a 9x9 window with stride 4


@network_builder(free=("image_shape", "crop_size", "width"))
def _colocalisation_network(
    image_shape=(84, 84, 1), crop_size=28, width=8, name="stn_colocalisation"
):
    """Network that crops images.

    Args:
        image_shape: ``(height, width, channels)``, of 13 pixels at least.
        crop_size: height and width of the crops, in pixels.
        width: filters of the convolution, and units of the dense layers.

    Returns:
        A ``keras.Model`` from images ``(batch, height, width, channels)`` to crops
        ``(batch, *crop_size, channels)``, float32. Its layer
        ``"transformer_parameters"`` gives scale, x and y of the crops, as of the
        transform ``"attention"`` of ``layers.SamplingGrid``.
    """
    check_image_shape(image_shape)
    crop_size = check_size("crop_size", crop_size)
    check_count("width", width)
    if min(image_shape[:2]) < _LEAST_SIDE:
        raise ValueError(
            f"image_shape={image_shape!r}: height and width must be at least "
            f"{_LEAST_SIDE}"
        )
    image = keras.Input(tuple(image_shape), name="images")
    x = layers.Conv2D(
        width,
        9,
        strides=4,
        activation="relu",
        kernel_initializer="he_normal",
        name="localisation_conv",
    )(image)
    x = layers.MaxPooling2D(2, name="localisation_pool")(x)
    x = layers.Flatten(name="localisation_flatten")(x)
    for index in (1, 2):
        x = layers.Dense(
            width,
            activation="relu",
            kernel_initializer="he_normal",
            name=f"localisation_fc{index}",
        )(x)
    x = spatial_transformer(image, x, "attention", crop_size)
    x = layers.Activation("linear", dtype=head_dtype(), name="crops")(x)
    return keras.Model(image, x, name=name)


STNColocalisation = register_network(
    _colocalisation_network,
    "STNColocalisation",
    name="stn_colocalisation",
    task="localisation",
    paper="Spatial Transformer Networks, arXiv 1506.02025, appendix, co-localisation",
    params=5_947,  # 81*8 + 8 + 9*9*8*8 + 8 + 8*9 + 3*9
    input_shape=(84, 84, 1),
    preprocessing="unbounded",
    min_size=_LEAST_SIDE,
    output_shape=(28, 28, 1),
    note="to be trained by code of one's own, with losses.triplet_hinge",
)

__all__ = ["STNColocalisation"]
