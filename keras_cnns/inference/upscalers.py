"""Pictures enlarged by bicubic interpolation or by a network, of any size.

An upscaler is called with ``(picture, *, progress=None)``: uint8 ``(height, width,
channels)`` with 1 or 3 channels; it returns uint8 of sides ``scale`` times as long.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_cnns import applications
from keras_cnns._checks import check_count, check_flag, is_whole
from keras_cnns.data import resize_bicubic
from keras_cnns.export import enlarge_colours, upscaling_context
from keras_cnns.inference.self_ensemble import self_ensemble
from keras_cnns.inference.tiles import enlarge_tiles
from keras_cnns.runs import read_run

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.runs.record import Run

TILE_SIZE = 256  # in pixels of the small picture
_LARGEST_SCALE = 8
_TAPS = 3  # small pixels around its own that a bicubic one depends on


class BicubicUpscaler:
    """Bicubic interpolation as MATLAB's ``imresize``, the literature's baseline.

    Args:
        scale: whole number, at least 2.
        tile_size: height and width of tiles, in pixels of the small picture.

    Attributes:
        name: ``"bicubic"``.
        scale: as given.

    Raises:
        ValueError: if an argument is bad.
    """

    name = "bicubic"

    def __init__(self, scale: int, tile_size: int = TILE_SIZE) -> None:
        check_count("scale", scale, 2)
        check_count("tile_size", tile_size)
        self.scale = scale
        self._tile = tile_size

    def __call__(
        self, picture: np.ndarray, *, progress: Callable[[float], object] | None = None
    ) -> np.ndarray:
        """Enlarges one picture; see the module's docstring."""
        check_picture(picture)

        def enlarge(images):
            return resize_bicubic(images, self.scale)

        tile, context = self._tile, _TAPS
        return enlarge_tiles(enlarge, picture, self.scale, tile, context, progress)


class NetworkUpscaler:
    """A super-resolution network.

    Tiles overlap by what the network's pixels depend on, so that the picture is the one
    that the network gives of the whole, and memory is bounded by a tile: about 4 bytes
    times the values of the network's largest two maps of a tile and its surroundings.

    A network of one channel gets luma; colour is interpolated. One of three channels
    gets grey pictures three times, and the mean of its channels is taken.

    Args:
        network: fully convolutional, of pictures of 0 to 1 of any size and 1 or 3
            channels; that gives enlarged ones, or better ones of enlarged ones.
        scale: what pictures are enlarged by; None for networks that enlarge.
        tile_size: height and width of tiles, in pixels of the small picture.
        ensemble: whether the mean over eight turned and mirrored pictures is taken
            (the "+" of EDSR), which takes eight times as long.

    Attributes:
        name: the network's, with a ``+`` of an ensemble.
        scale: as above.

    Raises:
        ValueError: if the network is another kind, or enlarges by another scale.
    """

    def __init__(
        self,
        network: keras.Model,
        scale: int | None = None,
        tile_size: int = TILE_SIZE,
        ensemble: bool = False,
    ) -> None:
        check_count("tile_size", tile_size)
        check_flag("ensemble", ensemble)
        self._channels = network.inputs[0].shape[-1]
        own = _own_scale(network, self._channels)
        if own == 1 and scale is None:
            raise ValueError(
                f"{network.name} takes pictures that were enlarged before; give scale"
            )
        if own > 1 and scale not in (None, own):
            raise ValueError(f"{network.name} enlarges x{own}, got scale={scale!r}")
        check_count("scale", scale or own, 2)
        self.name = network.name + ("+" if ensemble else "")
        self.scale = scale or own
        self._tile = tile_size
        self._enlarges = own > 1
        self._ensemble = ensemble
        self._context = upscaling_context(network, self.scale, self._enlarges)

        shape = [None, None, None, self._channels]

        @tf.function(input_signature=[tf.TensorSpec(shape)])
        def run(images):
            return tf.nest.flatten(network(images, training=False))[0]

        self._run = run

    def __call__(
        self, picture: np.ndarray, *, progress: Callable[[float], object] | None = None
    ) -> np.ndarray:
        """Enlarges one picture; see the module's docstring."""
        check_picture(picture)
        tile, context = self._tile, self._context
        return enlarge_tiles(
            self._enlarge, picture, self.scale, tile, context, progress
        )

    def _enlarge(self, images):
        """Grey levels to grey levels, not rounded."""
        is_grey = images.shape[3] == 1
        colours = tf.cast(images.repeat(3, 3) if is_grey else images, tf.float32)
        made = enlarge_colours(
            self._applied, colours, self.scale, self._channels, self._enlarges
        ).numpy()
        return made.mean(3, keepdims=True) if is_grey else made

    def _applied(self, images):
        """The network's answer, of 0 to 1 as what it is given."""
        if self._ensemble:
            return tf.constant(self_ensemble(self._run, images.numpy()))
        return self._run(images)


def load_upscaler(
    run: str | Run, which: str = "last", *, scale: int | None = None, **options: Any
) -> NetworkUpscaler:
    """The ``NetworkUpscaler`` of a run.

    Args:
        run: folder of a run of ``super_resolution``, or its ``Run``.
        which: weights of the ``"best"`` or the ``"last"`` epoch.
        scale: what pictures are enlarged by, one of those that it was trained with;
            None for the only one.
        **options: of ``NetworkUpscaler``.

    Raises:
        ValueError: if there is no such run, or it was not trained with that scale.
    """
    run = read_run(run, "super_resolution")
    scales = run.config.details.get("scales")
    known = isinstance(scales, list) and scales and all(map(is_whole, scales))
    if not known or not 2 <= min(scales) <= max(scales) <= _LARGEST_SCALE:
        raise ValueError(f"{run.folder} does not tell what its network enlarges by")
    told = ", ".join(f"x{one}" for one in scales)
    if scale is None and len(scales) > 1:
        raise ValueError(f"{run.folder} was trained for {told}; give scale")
    if scale not in (None, *scales):
        raise ValueError(f"{run.folder} was trained for {told}, not for x{scale}")
    network = run.load("network", which)
    return NetworkUpscaler(network, scale or scales[0], **options)


def open_upscaler(
    method: str, which: str = "last", *, scale: int | None = None, **options: Any
) -> BicubicUpscaler | NetworkUpscaler:
    """The upscaler of a method's name.

    Args:
        method: ``"bicubic"``; the folder of a run; or ``name:file``, a registered
            network with its weights, such as ``edsr_baseline_x2:edsr.pt``. A folder
            of the name bicubic is given as ``./bicubic``.
        which: of runs, as ``load_upscaler`` takes it.
        scale: as there; bicubic interpolation needs it.
        **options: of ``NetworkUpscaler``; of bicubic interpolation only
            ``tile_size`` has an effect.

    Returns:
        ``BicubicUpscaler`` or ``NetworkUpscaler``.

    Raises:
        ValueError: if it is none of these, or cannot be opened.
    """
    if method == BicubicUpscaler.name:
        if scale is None:
            raise ValueError("bicubic interpolation takes any scale; give one")
        tile = {k: v for k, v in options.items() if k == "tile_size"}
        return BicubicUpscaler(scale, **tile)
    if os.path.isdir(method):
        return load_upscaler(method, which, scale=scale, **options)
    name, _, path = method.partition(":")
    if name in applications.list_models("super_resolution") and path:
        network = applications.create_with_weights(name, path)
        return NetworkUpscaler(network, scale, **options)
    raise ValueError(
        f"unknown method {method!r}: neither bicubic nor the folder of a run of "
        "super_resolution, nor a network and its file, as edsr_baseline_x2:edsr.pt"
    )


def _own_scale(network, channels):
    """What a network enlarges by; 1 if it keeps the size."""
    shape = network.compute_output_shape((1, 8, 8, channels))
    shape = shape[0] if isinstance(shape, list) else shape
    factors = [side // 8 if side and not side % 8 else 0 for side in shape[1:3]]
    if channels not in (1, 3) or shape[3] != channels or len(set(factors) - {0}) != 1:
        raise ValueError(
            f"{network.name} must give pictures of its input's 1 or 3 channels and a "
            f"whole multiple of its size, gives {tuple(shape[1:])} of 8x8x{channels}"
        )
    return factors[0]


def check_picture(picture: np.ndarray) -> None:
    """Refuses anything but bytes ``(height, width, 1 or 3)``."""
    is_array = isinstance(picture, np.ndarray) and picture.dtype == np.uint8
    if not is_array or picture.ndim != 3 or picture.shape[2] not in (1, 3):
        told = getattr(picture, "shape", type(picture).__name__)
        raise ValueError(
            "a picture must be uint8 (height, width, channels) with 1 or 3 channels, "
            f"got {told} of {getattr(picture, 'dtype', 'no type')}"
        )
    if not picture.size:
        raise ValueError(f"a picture of {picture.shape} has no pixels")
