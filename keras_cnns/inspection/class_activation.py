"""Class activation maps: CAM, Grad-CAM, guided Grad-CAM, and boxes around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf
from scipy import ndimage
from tensorflow.keras import layers

from keras_cnns._checks import check_within
from keras_cnns.inspection.flat_copy import is_identity
from keras_cnns.inspection.gradient_maps import class_gradients
from keras_cnns.inspection.inspected import as_inspected

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns.inspection.inspected import InspectedClassifier

_BETWEEN = (layers.Dropout, layers.Flatten, layers.Reshape)


def class_activation_maps(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
) -> np.ndarray:
    """Class activation maps (CAM): M = sum of w_k f_k.

    Args:
        model, images, classes: as of ``gradient_maps``; the network ends in global
            average pooling and one linear layer, or in class maps and global average
            pooling.

    Returns:
        ``(count, rows, columns)`` float32; the mean of a map plus the class's bias is
        the logit.

    Raises:
        ValueError: if the network ends otherwise.

    Source: Zhou et al., arXiv 1512.04150, section 2.
    """
    classifier = as_inspected(model)
    classes = classifier.classes_of(images, classes)
    maps_layer, head = _pooled_maps(classifier.model)
    maps, _ = classifier.map_gradients(images, classes, maps_layer)
    if head is None:
        chosen = np.eye(maps.shape[-1], dtype=np.float32)[classes]
    else:
        kernel = head.get_weights()[0]
        chosen = kernel.reshape(-1, kernel.shape[-1]).T[classes]
    return np.einsum("nrck,nk->nrc", maps, chosen)


def has_class_activation_maps(model: keras.Model | InspectedClassifier) -> bool:
    """Whether a model ends so that ``class_activation_maps`` are possible."""
    try:
        _pooled_maps(as_inspected(model).model)
    except ValueError:
        return False
    return True


def _pooled_maps(model):
    """Name of the layer whose maps are averaged, and the linear layer (or None)."""
    layer, head = model.outputs[0].node.layer, None
    while True:
        if isinstance(layer, layers.Dense) and head is None:
            head = layer
        elif isinstance(layer, layers.GlobalAveragePooling2D):
            return layer.input.node.layer.name, head
        elif not isinstance(layer, _BETWEEN) and not is_identity(layer):
            break
        layer = layer.input.node.layer
    raise ValueError(
        f"class activation maps need global average pooling and one linear layer at "
        f"the end, but {model.name} has {layer.name!r} ({type(layer).__name__}) there; "
        "take grad_cam"
    )


def grad_cam(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    layer: str | None = None,
) -> np.ndarray:
    """Grad-CAM: maps of a layer, weighted by the class's mean gradient, positive part.

    Args:
        model, images, classes: as of ``gradient_maps``.
        layer: name of a layer that gives maps; None: the last one
            (``InspectedClassifier.last_maps``).

    Returns:
        ``(count, rows, columns)`` float32 of the layer's size.

    Raises:
        ValueError: if there is no such layer.

    Source: Selvaraju et al., arXiv 1610.02391, section 3.
    """
    classifier = as_inspected(model)
    classes = classifier.classes_of(images, classes)
    layer = layer or classifier.last_maps()
    maps, gradients = classifier.map_gradients(images, classes, layer)
    weights = gradients.mean(axis=(1, 2))
    return np.maximum(np.einsum("nrck,nk->nrc", maps, weights), 0)


def guided_grad_cam(
    model: keras.Model | InspectedClassifier,
    images: np.ndarray,
    classes: int | Sequence[int] | np.ndarray | None = None,
    layer: str | None = None,
    guided_model: keras.Model | InspectedClassifier | None = None,
) -> np.ndarray:
    """Guided gradients times the Grad-CAM map, which is enlarged to the image.

    Args:
        model, images, classes, layer: as of ``grad_cam``.
        guided_model: model or ``InspectedClassifier`` under the guided rule; None:
            ``model``, which is no ``InspectedClassifier`` then.

    Returns:
        Float32 of the images' shape.

    Source: Selvaraju et al., arXiv 1610.02391, section 3.2.
    """
    classifier = as_inspected(model)
    classes = classifier.classes_of(images, classes)
    images = classifier.check_images(images)
    maps = grad_cam(classifier, images, classes, layer)
    guided = class_gradients(guided_model or model, images, classes, "guided")
    return guided * enlarge(maps, images.shape[1:3])[..., None]


def enlarge(maps: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Maps ``(count, rows, columns)`` bilinearly at (height, width)."""
    return tf.image.resize(maps[..., None], size).numpy()[..., 0]


def normalize_map(maps: np.ndarray) -> np.ndarray:
    """Positive parts of maps divided by each one's maximum; 0 where none is positive.

    Args:
        maps: ``(count, rows, columns)``.

    Returns:
        The same shape, float32 in [0, 1].
    """
    positive = np.maximum(np.asarray(maps, np.float32), 0)
    largest = positive.max(axis=(1, 2), keepdims=True)
    return positive / np.where(largest > 0, largest, 1)


def map_box(values: np.ndarray, threshold: float = 0.2) -> tuple | None:
    """The box around the largest connected part of a map.

    Args:
        values: one map ``(height, width)``.
        threshold: fraction of the maximum from which a position belongs to it.

    Returns:
        (y1, x1, y2, x2) in pixels, continuous, or None where nothing is positive.

    Source: Zhou et al., arXiv 1512.04150, section 3.2.
    """
    check_within("threshold", threshold, "(0, 1]")
    values = normalize_map(np.asarray(values)[None])[0]
    parts, count = ndimage.label(values >= threshold)
    if not count or not values.any():
        return None
    largest = np.bincount(parts.ravel())[1:].argmax()
    rows, columns = ndimage.find_objects(parts)[largest]
    return (rows.start, columns.start, rows.stop, columns.stop)
