"""SavedModels that ``export-model`` wrote, used as the runs that they come from.

Each task's object is called as the one of a run. What differs: an exported classifier
has no maps, and an exported inpainter resizes pictures to its network's size.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Union

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _files, export
from keras_cnns.data import Preprocessing
from keras_cnns.exemplar import image_fill
from keras_cnns.inference.predictor import Predictor, load_predictor
from keras_cnns.inference.sampler import GeneratorSampler
from keras_cnns.inference.tiles import enlarge_tiles
from keras_cnns.inference.upscalers import TILE_SIZE, check_picture

_RANGE = 255.0


class ExportedSampler(GeneratorSampler):
    """A ``GeneratorSampler`` of stored functions.

    Args:
        signatures: of the SavedModel, by name.
        card: what its ``model.json`` tells.
    """

    def __init__(self, signatures: dict, card: dict) -> None:
        super().__init__(
            _as_network(signatures["serving_default"], ("latents", "labels")),
            card["latents"],
            tuple(card["class_names"]),
            card["value_range"],
        )


def _as_network(function, keys):
    """``keras.Model`` that calls a stored function of some of these arguments."""
    specs = function.structured_input_signature[1]
    inputs = {key: keras.Input(specs[key].shape[1:]) for key in keys if key in specs}

    class Stored(keras.layers.Layer):
        def call(self, inputs):
            return function(**inputs)["images"]

    return keras.Model(list(inputs.values()), Stored()(inputs), name="generator")


class ExportedInpainter:
    """Fills pictures of any size, which are resized to the network's.

    Args:
        signatures, card: as ``ExportedSampler`` takes them.

    Attributes:
        image_shape: (height, width, channels) of the network.
    """

    def __init__(self, signatures: dict, card: dict) -> None:
        self.image_shape = Preprocessing.from_json(card["preprocessing"]).shape
        self._function = signatures["serve_images"]
        self._fill = image_fill(self._fill_one)

    def __call__(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        *,
        seed: int = 0,
        progress: Callable[[float], object] | None = None,
    ) -> np.ndarray:
        """Fills one image; as ``NetworkInpainter``."""
        return self._fill(image, mask, seed=seed, progress=progress)

    def _fill_one(self, image, mask):
        """As ``exemplar.image_fill`` expects it."""
        channels, wanted = image.shape[2], self.image_shape[2]
        if channels > wanted:
            raise ValueError(
                "the image is in colour, but the network was trained with grey "
                "images; make the image grey, or take another method"
            )
        hole = np.where(mask, 0, 255).astype(np.uint8)[..., np.newaxis]
        given = {"image_bytes": _encoded(image), "mask_bytes": _encoded(hole)}
        (content,) = self._function(**given)["image_bytes"].numpy()
        filled = tf.io.decode_png(content).numpy()
        if channels < wanted:
            filled = np.rint(filled.mean(2, keepdims=True)).astype(np.uint8)
        return filled


class ExportedDetector:
    """Detections of images of any size.

    Args:
        signatures, card: as ``ExportedSampler`` takes them.

    Attributes:
        class_names: tuple of names.
        preprocessing: ``Preprocessing`` of its images.
        protocol: its least score, as JSON values.

    Raises:
        ValueError: if the network is given proposals, which are not stored.
    """

    def __init__(self, signatures: dict, card: dict) -> None:
        if "serve_images" not in signatures:
            raise ValueError(
                "the network is given proposals, which an export does not make; use "
                "its run"
            )
        self.class_names = tuple(card["class_names"])
        self.preprocessing = Preprocessing.from_json(card["preprocessing"])
        self.protocol = {"min_score": float(card["min_score"])}
        self._function = signatures["serve_images"]

    def __call__(self, image: np.ndarray) -> dict:
        """Detections of one image, as ``Detector`` returns them.

        Args:
            image: uint8 ``(height, width, channels)``.
        """
        outputs = self._function(image_bytes=_encoded(image))
        found = {name: value[0].numpy() for name, value in outputs.items()}
        count = found.pop("count")
        return {name: value[:count] for name, value in found.items()}


class ExportedUpscaler:
    """Enlarges pictures in tiles, as ``NetworkUpscaler``.

    Args:
        signatures, card: as ``ExportedSampler`` takes them.
        scale: what pictures are enlarged by, one that it serves; None for the first.

    Attributes:
        scale: as above.

    Raises:
        ValueError: if it does not serve that scale.
    """

    def __init__(self, signatures: dict, card: dict, scale: int | None = None) -> None:
        scales = list(card["scales"])
        if scale not in (None, *scales):
            told = ", ".join(f"x{one}" for one in scales)
            raise ValueError(f"it was exported for {told}, not for x{scale}")
        self.scale = scale or scales[0]
        number = scales.index(self.scale)
        self._context = card["contexts"][number]
        name = f"serving_x{self.scale}" if number else "serving_default"
        self._function = signatures[name]

    def __call__(
        self, picture: np.ndarray, *, progress: Callable[[float], object] | None = None
    ) -> np.ndarray:
        """Enlarges one picture, uint8 ``(height, width, 1 or 3)``."""
        check_picture(picture)
        tile, context = TILE_SIZE, self._context
        return enlarge_tiles(
            self._enlarge, picture, self.scale, tile, context, progress
        )

    def _enlarge(self, images):
        """Grey levels to grey levels, not rounded."""
        is_grey = images.shape[3] == 1
        colours = tf.cast(images.repeat(3, 3) if is_grey else images, tf.float32)
        made = _RANGE * self._function(images=colours / _RANGE)["images"].numpy()
        return made.mean(3, keepdims=True) if is_grey else made


def _encoded(pixels):
    """A batch of one PNG file."""
    return tf.io.encode_png(pixels)[tf.newaxis]


_OPENED = {
    "detection": ExportedDetector,
    "generation": ExportedSampler,
    "inpainting": ExportedInpainter,
    "super_resolution": ExportedUpscaler,
}
UsedExport = Union[
    Predictor, ExportedDetector, ExportedSampler, ExportedInpainter, ExportedUpscaler
]
EXPORTED_TASKS = ("classification", *_OPENED)


def open_export(version: str, trust_graph: bool = False, **options: Any) -> UsedExport:
    """What uses a SavedModel that ``export-model`` wrote, by the task that it tells.

    Args:
        version: its folder.
        trust_graph: as ``export.load_saved_model`` takes it.
        **options: of its task: ``scale`` of ``super_resolution``.

    Returns:
        Of ``classification`` a ``Predictor``, of ``detection`` an ``ExportedDetector``,
        of ``generation`` an ``ExportedSampler``, of ``inpainting`` an
        ``ExportedInpainter``, of ``super_resolution`` an ``ExportedUpscaler``.

    Raises:
        ValueError: if it is of another task or tells none, cannot be loaded, or its
            graph is not trusted and could do more than compute.
    """
    card = export.read_card(version)
    task = card.get("task")
    if task not in EXPORTED_TASKS:
        known = ", ".join(EXPORTED_TASKS)
        raise ValueError(f"{version} tells the task {task!r}; used are {known}")
    if task == "classification":
        return load_predictor(saved_model=version, trust_graph=trust_graph, **options)
    signatures = export.open_saved_model(version, trust_graph)
    with _files.reading(os.path.join(version, "saved_model.pb"), f"a model of {task}"):
        return _OPENED[task](signatures, card, **options)
