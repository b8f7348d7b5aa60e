"""Baseline fills: mean colour, nearest pixel, biharmonic surface."""

import numpy as np
from scipy import ndimage
from skimage import restoration

from keras_cnns._checks import check_flag
from keras_cnns.exemplar._inputs import image_fill


@image_fill
def fill_mean(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fills a hole with the mean colour of the valid pixels, rounded.

    Args:
        image: uint8 ``(height, width)``, ``(height, width, 1)`` or
            ``(height, width, 3)``.
        mask: ``(height, width)`` or ``(height, width, 1)``; 1 = valid, 0 = hole.
        seed: has no effect.
        progress: called with 1 at the end.

    Returns:
        uint8, of the image's shape; valid pixels are unchanged.

    Raises:
        ValueError: if an argument is bad.
    """
    colour = np.rint(image[mask].mean(axis=0, dtype=np.float64)).astype(np.uint8)
    return np.broadcast_to(colour, image.shape).copy()


@image_fill
def fill_nearest(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Fills each pixel of a hole with the nearest valid pixel, by Euclidean distance.

    Args:
        image, mask, seed, progress: as of ``fill_mean``.

    Returns:
        uint8, of the image's shape; valid pixels are unchanged.

    Raises:
        ValueError: if an argument is bad.
    """
    rows, columns = ndimage.distance_transform_edt(
        ~mask, return_distances=False, return_indices=True
    )
    return image[rows, columns]


@image_fill
def fill_biharmonic(
    image: np.ndarray, mask: np.ndarray, split_into_regions: bool = False
) -> np.ndarray:
    """Fills a hole with a biharmonic surface: ``skimage.restoration``'s, rounded.

    Args:
        image, mask, seed, progress: as of ``fill_mean``.
        split_into_regions: whether separate holes are solved for one by one, which is
            faster where there are many.

    Returns:
        uint8, of the image's shape; valid pixels are unchanged.

    Raises:
        ValueError: if an argument is bad.

    Source: Damelin and Hoang, "On surface completion and image inpainting by biharmonic
    functions: numerical aspects", 2018, as scikit-image has it.
    """
    check_flag("split_into_regions", split_into_regions)
    surface = restoration.inpaint_biharmonic(
        image, ~mask, split_into_regions=split_into_regions, channel_axis=-1
    )
    return np.rint(surface * 255).astype(np.uint8)
