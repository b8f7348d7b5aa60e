"""All inpainting methods behind one interface: exemplar fills and trained networks.

An inpainter is called with ``(image, mask, *, seed=0, progress=None)`` as the functions
of ``keras_cnns.exemplar`` are: a uint8 image ``(height, width, channels)`` of any size
with 1 or 3 channels and a mask ``(height, width, 1)``, 1 = valid, 0 = hole. It returns
a new uint8 image, in which valid pixels are unchanged. A mask without holes gives a
copy, one without valid pixels is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns import _masks, applications, exemplar
from keras_cnns._graph import size_divisor
from keras_cnns.data import Preprocessing, to_bytes
from keras_cnns.inference.tiles import paint_tiles
from keras_cnns.layers import ContextualAttention
from keras_cnns.runs import read_run

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns import data
    from keras_cnns.runs.record import Run

# Default side of tiles: a map of 64 channels then takes a quarter of a gigabyte.
_LARGEST_SIDE = 1024
# Attention compares all positions with all others, so that its memory grows with the
# square of the area: its tiles have this many times the training side.
_LARGEST_FACTOR = 2


def load_inpainting_network(
    run: Run, which: str = "last", size: tuple | None = None
) -> keras.Model:
    """The trained network of a ``Run`` of ``inpainting``.

    Args:
        run: the ``Run``.
        which: ``"best"``, of the validation's PSNR, or ``"last"`` epoch.
        size: (height, width) of the images, as ``RunConfig.build`` takes it.

    Raises:
        ValueError: if ``which`` is neither, or its weights cannot be read.
    """
    return run.load("network", which, size)


class ExemplarInpainter:
    """An exemplar fill.

    Args:
        name: key of ``keras_cnns.exemplar.METHODS``.

    Attributes:
        image_shape: None, as it is not trained.
        protocol: its name, as JSON values.

    Raises:
        ValueError: if the name is unknown.
    """

    image_shape = None

    def __init__(self, name: str) -> None:
        if name not in exemplar.METHODS:
            raise ValueError(
                f"method must be one of {sorted(exemplar.METHODS)}, got {name!r}"
            )
        self._name = name
        self.protocol = {"exemplar": name}

    def __call__(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        *,
        seed: int = 0,
        progress: Callable[[float], object] | None = None,
    ) -> np.ndarray:
        """Fills one image; see the module's docstring."""
        return exemplar.fill(image, mask, self._name, seed=seed, progress=progress)

    def fill_batch(
        self, images: np.ndarray, masks: np.ndarray, *, seed: int = 0
    ) -> np.ndarray:
        """Fills images one by one; see ``NetworkInpainter.fill_batch``."""
        return np.stack([self(*pair, seed=seed) for pair in zip(images, masks)])


class NetworkInpainter:
    """A trained network, for images of any size.

    Images whose sides are not multiples of the network's ``size_divisor`` are padded by
    reflection, with their masks, and cropped again. (Padding by hole could make up to
    three quarters of an image hole, more than networks are trained for.) Images larger
    than a tile are filled in overlapping tiles (``paint_tiles``).

    Grey images are repeated over the channels of a network of colour images, and the
    mean of its output's channels is taken. A network of grey images refuses colour
    ones.

    Args:
        network: of images and masks of any size; of several outputs the first counts.
        preprocessing: ``Preprocessing`` of the images, with the training size.
        protocol: where it comes from, as JSON values.
        tile_size: height and width of tiles, a multiple of ``size_divisor``. 0: 1024,
            or twice the training size where that is more or the network has attention.

    Attributes:
        image_shape: (height, width, channels) that it was trained with.
        protocol: as given.

    Raises:
        ValueError: if the tiles' size is bad.
    """

    def __init__(
        self,
        network: keras.Model,
        preprocessing: data.Preprocessing,
        protocol: dict,
        tile_size: int = 0,
    ) -> None:
        self.image_shape = preprocessing.shape
        self.protocol = protocol
        self._preprocessing = preprocessing
        self._divisor = size_divisor(network)
        self._tile = self._tile_sides(tile_size, network)
        self._fill = exemplar.image_fill(self._fill_one)

        @tf.function(input_signature=[tf.TensorSpec(x.shape) for x in network.inputs])
        def paint(images, masks):
            return tf.nest.flatten(network([images, masks], training=False))[0]

        self._paint = lambda images, masks: paint(images, masks).numpy()

    def __call__(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        *,
        seed: int = 0,
        progress: Callable[[float], object] | None = None,
    ) -> np.ndarray:
        """Fills one image; see the module's docstring. The seed has no effect."""
        return self._fill(image, mask, seed=seed, progress=progress)

    def fill_batch(
        self, images: np.ndarray, masks: np.ndarray, *, seed: int = 0
    ) -> np.ndarray:
        """Fills images of one size together.

        Args:
            images: uint8 ``(batch, height, width, channels)``; what lies under the
                holes has no effect.
            masks: ``(batch, height, width, 1)``, 1 = valid, 0 = hole.
            seed: as in a call.

        Returns:
            uint8 of the images' shape; valid pixels are unchanged.

        Raises:
            ValueError: if shapes or values are bad, or a mask is all hole.
        """
        masks = _masks.check_masks(masks, np.shape(images)).astype(np.float32)
        fits_tile = np.all(np.less_equal(images.shape[1:3], self._tile))
        if not fits_tile or masks.any((1, 2, 3)).sum() < len(masks):
            pairs = zip(images, masks)
            return np.stack([self(*pair, seed=seed) for pair in pairs])
        return np.where(masks == 1, images, self._painted(images * (masks == 1), masks))

    def _fill_one(self, image, mask, progress):
        """As ``exemplar.image_fill`` expects it."""
        masks = mask.astype(np.float32)[np.newaxis, ..., np.newaxis]
        return self._painted(image[np.newaxis], masks, progress)[0]

    def _painted(self, images, masks, progress=None):
        """The network's output as bytes; images have 0 in the holes."""
        channels, wanted = images.shape[3], self.image_shape[2]
        if channels > wanted:
            raise ValueError(
                "the image is in colour, but the network was trained with grey "
                "images; make the image grey, or take another method"
            )
        inputs = self._preprocessing.standardize(
            images.repeat(wanted // channels, 3)
        ).numpy()
        height, width = images.shape[1:3]
        margins = [(0, 0), *(self._margins(size) for size in (height, width)), (0, 0)]
        inputs, masks = (np.pad(x, margins, "symmetric") for x in (inputs, masks))
        sides = tuple(map(min, zip(self._tile, inputs.shape[1:3])))
        if sides == inputs.shape[1:3]:
            outputs = self._paint(inputs, masks)
        else:
            outputs = paint_tiles(self._paint, inputs[0], masks[0], sides, progress)
            outputs = outputs[np.newaxis]
        top, left = margins[1][0], margins[2][0]
        outputs = outputs[:, top : top + height, left : left + width]
        if channels < wanted:
            outputs = outputs.mean(3, keepdims=True)
        return to_bytes(outputs, self._preprocessing.value_range)

    def _margins(self, size):
        """Pixels before and after, up to the next multiple."""
        missing = -size % self._divisor
        return missing // 2, missing - missing // 2

    def _tile_sides(self, tile_size, network):
        """(height, width) of the tiles."""
        divisor = self._divisor
        if tile_size:
            if tile_size < 0 or tile_size % divisor:
                raise ValueError(
                    f"tile_size must be a multiple of {divisor}, or 0, got "
                    f"{tile_size!r}"
                )
            return tile_size, tile_size
        multiples = (_LARGEST_FACTOR * size for size in self.image_shape[:2])
        if any(isinstance(layer, ContextualAttention) for layer in network.layers):
            return tuple(multiples)
        largest = _LARGEST_SIDE - _LARGEST_SIDE % divisor
        return tuple(max(largest, size) for size in multiples)


def load_inpainter(
    run: str | Run, which: str = "last", tile_size: int = 0
) -> NetworkInpainter:
    """The inpainter of a run.

    Args:
        run: folder of a run of ``inpainting``, or its ``Run``.
        which: weights of the ``"best"`` or the ``"last"`` epoch.
        tile_size: as ``NetworkInpainter`` takes it.

    Raises:
        ValueError: if the folder holds no such run, or an argument is bad.
    """
    run = read_run(run, "inpainting")
    network = load_inpainting_network(run, which, size=(None, None))
    protocol = {"run": run.folder, "which": which, "model": run.options["model"]}
    return NetworkInpainter(network, run.config.preprocessing, protocol, tile_size)


def _load_file(name, path, tile_size):
    """The inpainter of a registered network and the file of its weights."""
    info = applications.model_info(name)
    shape = (None, None, info.input_shape[2])
    network = applications.create_with_weights(name, path, image_shape=shape)
    preprocessing = Preprocessing.for_range(*info.input_shape, info.preprocessing)
    protocol = {"model": name, "weights": path}
    return NetworkInpainter(network, preprocessing, protocol, tile_size)


def _is_inpainter(name):
    """Whether a registered network fills images, told by the masks that it takes."""
    if name not in applications.list_models("inpainting"):
        return False
    info = applications.model_info(name)
    return bool(info.condition_shape) and info.output_shape == info.input_shape


def open_inpainter(
    method: str, which: str = "last", tile_size: int = 0
) -> ExemplarInpainter | NetworkInpainter:
    """The inpainter of a method's name, a run's folder, or a network and its file.

    Args:
        method: key of ``keras_cnns.exemplar.METHODS``; the folder of an inpainting
            run; or ``name:file``, a registered network with its weights, such as
            ``lbam:LBAM_Places10Classes.pth``. A folder with the name of a method is
            given as ``./name``.
        which: of runs, as ``load_inpainter`` takes it.
        tile_size: of networks, as ``NetworkInpainter`` takes it.

    Returns:
        ``ExemplarInpainter`` or ``NetworkInpainter``.

    Raises:
        ValueError: if it is none of these, or cannot be opened.
    """
    if method in exemplar.METHODS:
        return ExemplarInpainter(method)
    if os.path.isdir(method):
        return load_inpainter(method, which, tile_size)
    name, _, path = method.partition(":")
    if path and _is_inpainter(name):
        return _load_file(name, path, tile_size)
    raise ValueError(
        f"unknown method {method!r}: neither one of {', '.join(exemplar.METHODS)} nor "
        "the folder of an inpainting run, nor a network and its file, as lbam:lbam.pth"
    )
