"""What inpainting networks share: checks, inputs, initial weights, registration."""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_image_shape
from keras_cnns.applications.frame.registry import register_network
from keras_cnns.layers import ValidPixels


def check_divisible(image_shape, divisor, fixed_size=False) -> None:
    """Refuses images that the levels of a network cannot halve evenly.

    Args:
        image_shape: ``(height, width, channels)``; sizes may be None if not fixed.
        divisor: of height and width.
        fixed_size: whether height and width must be known.

    Raises:
        ValueError: if it is no image shape, or a size is no multiple of ``divisor``.
    """
    check_image_shape(image_shape, fixed_size)
    if any(size is not None and size % divisor for size in image_shape[:2]):
        raise ValueError(
            f"image_shape={image_shape!r}: height and width must be multiples of "
            f"{divisor}; resize or pad the images, or take fewer levels"
        )


def masked_inputs(image_shape):
    """Inputs of images and masks, and the images without what is under the holes.

    Returns:
        Tensors images ``(batch, height, width, channels)``, masks ``(batch, height,
        width, 1)``, 1 at valid pixels, and valid, the images with 0 in the holes.
    """
    images = keras.Input(tuple(image_shape), name="images")
    masks = keras.Input((*image_shape[:2], 1), name="masks")
    return images, masks, ValidPixels(name="known")([images, masks])


def holes(masks):
    """1 in holes, 0 at valid pixels."""
    return layers.Rescaling(-1.0, 1.0, name="holes")(masks)


def he_normal():
    """N(0, sqrt(2 / fan-in)), not truncated."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def register_inpainting(
    builder, function_name, *, architecture=None, masked=True, **info
):
    """Enters a network of images, and of masks too unless told otherwise.

    Args:
        builder: the family's general builder.
        function_name: public name of its constructor.
        architecture: the arguments that are not the builder's defaults.
        masked: whether the second input is masks ``(batch, height, width, 1)``.
        **info: the remaining fields of ``ModelInfo``; without others, images are in
            [0, 1] and the output has the images' shape.

    Returns:
        The constructor.
    """
    shape = {**builder.architecture, **(architecture or {})}["image_shape"]
    usual = {
        "task": "inpainting",
        "preprocessing": "unit",
        "input_shape": shape,
        "condition_shape": (*shape[:2], 1) if masked else (),
        "output_shape": shape,
    }
    return register_network(
        builder, function_name, architecture=architecture, **{**usual, **info}
    )
