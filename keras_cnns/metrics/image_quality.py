"""How near images are to the truth: PSNR, SSIM, mean absolute error.

All compute in float64, take batches, and refuse values outside of the given range.
Structural similarity is scikit-image's, with the settings that papers on inpainting
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from skimage import metrics as skimage_metrics

if TYPE_CHECKING:
    from keras_cnns._types import Array

_SSIM_WINDOW = 11


def psnr(truth: Array, images: Array, *, value_range: tuple) -> np.ndarray:
    """Peak signal-to-noise ratio, ``10 log10(range^2 / mean squared error)``, in dB.

    Args:
        truth, images: arrays or tensors ``(batch, height, width, channels)``.
        value_range: (lowest, highest) value that images can have, such as (0, 255).

    Returns:
        float64 ``(batch,)``; infinity where both images are equal.

    Raises:
        ValueError: if shapes differ, or a value is not finite or out of range.
    """
    truth, images = _check_pair(truth, images, value_range)
    squared_errors = ((truth - images) ** 2).mean((1, 2, 3))
    with np.errstate(divide="ignore"):  # infinity, as promised
        return 10 * np.log10((value_range[1] - value_range[0]) ** 2 / squared_errors)


def ssim(truth: Array, images: Array, *, value_range: tuple) -> np.ndarray:
    """Structural similarity, at most 1.

    Gaussian window of 11x11 with a standard deviation of 1.5, population covariances,
    K1 = 0.01, K2 = 0.03, the mean over all places whose window lies within the image (5
    pixels of border are dropped) and over the channels. Values are shifted to start at
    0, because ratios of means are taken: images score the same in (-1, 1) and in (0,
    255).

    Args, Returns, Raises: as ``psnr``, and refuses images smaller than 11x11.

    Source: Wang et al., "Image quality assessment: from error visibility to structural
    similarity", 2004, section III.
    """
    truth, images = _check_pair(truth, images, value_range)
    if min(truth.shape[1:3]) < _SSIM_WINDOW:
        raise ValueError(
            f"structural similarity needs images of at least {_SSIM_WINDOW}x"
            f"{_SSIM_WINDOW}, got {truth.shape[1]}x{truth.shape[2]}"
        )
    return np.array(
        [
            skimage_metrics.structural_similarity(
                one - value_range[0],
                other - value_range[0],
                data_range=value_range[1] - value_range[0],
                channel_axis=-1,
                gaussian_weights=True,
                sigma=1.5,
                use_sample_covariance=False,
            )
            for one, other in zip(truth, images)
        ],
        np.float64,
    )


def mean_absolute_error(
    truth: Array, images: Array, *, value_range: tuple
) -> np.ndarray:
    """Mean absolute difference, a fraction of the range: 0.02 is the papers' "l1 2 %".

    Args:
        truth, images, value_range: as in ``psnr``.

    Returns:
        float64 ``(batch,)``, 0 to 1.

    Raises:
        ValueError: as ``psnr``.
    """
    truth, images = _check_pair(truth, images, value_range)
    errors = np.abs(truth - images).mean((1, 2, 3))
    return errors / (value_range[1] - value_range[0])


def _check_pair(truth, images, value_range):
    """Both batches in float64."""
    low, high = value_range
    if not low < high:
        raise ValueError(f"value_range must be (lowest, highest), got {value_range!r}")
    truth, images = np.asarray(truth), np.asarray(images)
    if truth.ndim != 4 or truth.shape != images.shape or not truth.size:
        raise ValueError(
            "truth and images must have one shape (batch, height, width, channels), "
            f"got {truth.shape} and {images.shape}"
        )
    for name, values in (("truth", truth), ("images", images)):
        smallest, largest = values.min(), values.max()
        if not (low <= smallest and largest <= high):  # NaN is refused, too
            raise ValueError(
                f"{name} must lie within value_range={value_range!r}, got values from "
                f"{smallest} to {largest}; clip what a network gives"
            )
    return truth.astype(np.float64), images.astype(np.float64)
