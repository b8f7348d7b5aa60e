"""What a network costs to run."""

import math

from tensorflow import keras

# Keras' depthwise convolution is no Conv2D.
_COUNTED = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D, keras.layers.Dense)


def count_macs(model: keras.Model) -> int:
    """Multiply-adds of convolutions and dense layers for one image.

    Normalisation, activations, pooling and additions are not counted, as is usual.

    Args:
        model: a network whose input has a known height and width.

    Raises:
        ValueError: if it has not.
    """
    if any(None in tensor.shape[1:] for tensor in model.inputs):
        raise ValueError(
            f"{model.name} takes inputs of any size, {model.input_shape[1:]}; build it "
            "with the input_shape that is meant"
        )
    total = 0
    for layer in model.layers:
        if not isinstance(layer, _COUNTED):
            continue
        is_transposed = isinstance(layer, keras.layers.Conv2DTranspose)
        shape = layer.input_shape if is_transposed else layer.output_shape
        if isinstance(shape, list):  # features first, then the masks they go by
            shape = shape[0]
        positions = math.prod(shape[1:-1])
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            kernel = layer.depthwise_kernel
        else:
            kernel = layer.kernel
        total += positions * math.prod(kernel.shape)
    return total
