"""What all fills share: signature, checks, and unchanged valid pixels."""

import functools
import inspect
from collections.abc import Callable

import numpy as np

from keras_cnns import _masks
from keras_cnns._checks import check_count

_SHARED = ("seed", "progress")


def _silent(fraction):
    """The default progress callback, which does nothing."""


def image_fill(function: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Decorator: makes a fill of checked arrays one of images and masks.

    The function is called with ``image`` uint8 ``(height, width, channels)``, in which
    the hole is 0, and ``mask`` bool ``(height, width)`` with at least one hole and one
    valid pixel; with ``seed`` and ``progress`` if it names them; and with its options.
    Only the hole of the image that it returns is used.

    The result takes ``(image, mask, *, seed=0, progress=None, **options)``:

    - image: uint8 ``(height, width)``, ``(height, width, 1)`` or
      ``(height, width, 3)``; what lies under the hole has no effect.
    - mask: ``(height, width)`` or ``(height, width, 1)``, bool or numbers 0 and 1;
      1 = valid, 0 = hole.
    - seed: of random numbers, a whole number; without effect on deterministic fills.
    - progress: called with the fraction done, rising to 1, or None.

    It returns a new uint8 image of the given shape, in which valid pixels are
    unchanged, and raises ``ValueError`` if an argument is bad.
    """
    own = inspect.signature(function).parameters
    taken = [name for name in _SHARED if name in own]
    options = [p for name, p in own.items() if name not in ("image", "mask", *_SHARED)]

    @functools.wraps(function)
    def fill(image, mask, *, seed=0, progress=None, **given):
        image = check_image(image)
        valid = check_mask(mask, image.shape)
        check_count("seed", seed, 0)
        _check_options(function.__name__, given, [p.name for p in options])
        shared = {"seed": seed, "progress": progress or _silent}
        if valid.all():
            result = image.copy()
        else:
            planes = image.reshape(*valid.shape, -1) * valid[..., np.newaxis]
            chosen = {name: shared[name] for name in taken}
            result = function(planes, valid, **chosen, **given).reshape(image.shape)
            result[valid] = image[valid]
        shared["progress"](1.0)
        return result

    given = inspect.signature(fill, follow_wrapped=False).parameters
    heads = [given[name] for name in ("image", "mask", *_SHARED)]
    tails = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in options]
    fill.__signature__ = inspect.Signature(heads + tails)
    return fill


def check_image(image) -> np.ndarray:
    """Checks an image and returns it as an array.

    Raises:
        ValueError: if it is not uint8 with 1 or 3 channels, or is empty.
    """
    image = np.asarray(image)
    has_shape = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in (1, 3))
    if image.dtype != np.uint8 or not has_shape or not image.size:
        raise ValueError(
            "image must be uint8 of shape (height, width), (height, width, 1) or "
            f"(height, width, 3), got {image.dtype} of shape {image.shape}"
        )
    return image


def check_mask(mask, image_shape) -> np.ndarray:
    """Which pixels are valid, bool ``(height, width)``.

    Args:
        mask: ``(height, width)`` or ``(height, width, 1)``; 1 = valid, 0 = hole.
        image_shape: of the image that it belongs to.

    Raises:
        ValueError: if the mask has another size, a value other than 0 and 1, or no
            valid pixel.
    """
    mask = _masks.check_mask(mask)
    if mask.shape[:2] != tuple(image_shape[:2]):
        raise ValueError(
            f"mask must have the image's height and width {tuple(image_shape[:2])}, "
            f"got {mask.shape}"
        )
    valid = mask.reshape(mask.shape[:2]) == 1
    if not valid.any():
        raise ValueError(
            f"mask has no valid pixel among {mask.size}: the hole is the whole image "
            "and there is nothing to fill it from (1 = valid, 0 = hole)"
        )
    return valid


def _check_options(name, given, allowed):
    unknown = sorted(set(given) - set(allowed))
    if unknown:
        raise ValueError(f"{name} has no option {unknown}; it has {allowed}")
