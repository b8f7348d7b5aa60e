"""SRCNN: three convolutions over the bicubic enlargement.

Dong, Loy, He, Tang, "Image Super-Resolution Using Deep Convolutional Networks", arXiv
1501.00092, section 3.1 and table 2: patch extraction, non-linear mapping and
reconstruction, named by their kernels, 9-1-5, 9-3-5 and 9-5-5. Pictures are luma,
enlarged before by bicubic interpolation, so that one network is trained for each scale.
There is no activation at the end and no residual.

The paper trains without padding (``padding="valid"``, 33x33 patches give 21x21 with
9-1-5 and 17x17 with 9-5-5) and tests with it. Weights start from N(0, 0.001)
(unverified).

Deviations: none known.
"""

from collections.abc import Sequence

from tensorflow import keras

from keras_cnns._checks import check_choice, check_counts, check_same_length
from keras_cnns.applications.frame.builder import network_builder
from keras_cnns.applications.frame.parts import head_dtype
from keras_cnns.applications.super_resolution._parts import (
    conv,
    picture_input,
    register_super_resolution,
)


@network_builder(free=("padding",))
def SRCNN(
    image_shape: tuple = (None, None, 1),
    filters: Sequence[int] = (64, 32),
    kernel_sizes: Sequence[int] = (9, 1, 5),
    padding: str = "same",
    name: str = "srcnn",
) -> keras.Model:
    """General builder of the SRCNNs.

    Args:
        image_shape: ``(height, width, channels)``; height and width may be None.
        filters: of all convolutions but the last.
        kernel_sizes: of all convolutions.
        padding: ``"same"``, or ``"valid"``, which loses the border.

    Returns:
        A ``keras.Model`` from enlarged pictures ``(batch, height, width, channels)`` in
        [0, 1] to better ones, float32 and not clipped.
    """
    check_counts("filters", filters)
    check_counts("kernel_sizes", kernel_sizes)
    check_choice("padding", padding, ("same", "valid"))
    check_same_length(filters=(*filters, 1), kernel_sizes=kernel_sizes)
    images = x = picture_input(image_shape)
    for number, (width, size) in enumerate(zip(filters, kernel_sizes), start=1):
        x = _conv(x, width, size, f"conv{number}", padding, activation="relu")
    last = f"conv{len(kernel_sizes)}"
    size = kernel_sizes[-1]
    x = _conv(x, image_shape[2], size, last, padding, dtype=head_dtype())
    return keras.Model(images, x, name=name)


def _conv(x, filters, size, name, padding, **kwargs):
    """Convolution from small weights."""
    small = keras.initializers.RandomNormal(0.0, 0.001)
    kwargs = {"padding": padding, "kernel_initializer": small, **kwargs}
    return conv(x, filters, size, name, **kwargs)


def _variant(name, kernel_sizes, **info):
    return register_super_resolution(
        SRCNN,
        name.upper(),
        architecture={"kernel_sizes": kernel_sizes},
        name=name,
        paper="SRCNN, arXiv 1501.00092, sections 3.1 and 4.3",
        **info,
    )


# 81*64 + 64*32 + 25*32, the middle times 9 and 25; biases 64 + 32 + 1
SRCNN915 = _variant(
    "srcnn915", (9, 1, 5), params=8_032 + 97, published="PSNR 32.39 on Set5 x3"
)
SRCNN935 = _variant(
    "srcnn935",
    (9, 3, 5),
    params=24_416 + 97,
    published="PSNR 32.66 on Set5 x3 (unverified)",
)
SRCNN955 = _variant(
    "srcnn955",
    (9, 5, 5),
    params=57_184 + 97,
    published="PSNR 36.66 / 32.75 / 30.48 on Set5 x2 / x3 / x4",
)

__all__ = ["SRCNN", "SRCNN915", "SRCNN935", "SRCNN955"]
