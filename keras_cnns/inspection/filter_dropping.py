"""Removing the filters of a generator that draw one kind of object."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_count, check_positive
from keras_cnns._graph import check_functional, copy_network, copy_of, output_of


@dataclasses.dataclass(frozen=True)
class ObjectFilters:
    """Maps of a layer that indicate an object.

    Attributes:
        filters: indices of the maps with positive weight, in order.
        weights: of the logistic regression, one per map.
        bias: of the logistic regression.
        accuracy: fraction of its training examples that it classifies correctly.
        num_positives, num_negatives: positions inside and outside of boxes in training.
    """

    filters: tuple
    weights: np.ndarray
    bias: float
    accuracy: float
    num_positives: int
    num_negatives: int


def object_filters(
    generator: keras.Model,
    inputs: np.ndarray | Sequence[np.ndarray],
    boxes: Sequence[Sequence[int]],
    layer_name: str,
    num_negatives: int | None = None,
    c: float = 1.0,
    seed: int = 0,
) -> ObjectFilters:
    """Finds the maps whose activations separate positions of an object from others.

    A logistic regression is fitted to the activations at single positions of a layer's
    maps: those whose centre lies in a box against random ones of the same images
    outside all boxes. The paper's layer is the second-highest of the generator's
    convolutions, not counting the one that gives the image. It states neither the
    number of negatives nor the penalty of the weights.

    Args:
        generator: model of the functional API whose output is images
            ``(batch, height, width, channels)``.
        inputs: latents ``(count, latent_size)``, or ``[latents, labels]``; the paper
            has 150.
        boxes: for each object ``(image, top, left, bottom, right)``: the index of the
            latent, and pixels, bottom and right exclusive; the paper has 52.
        layer_name: layer with maps ``(batch, rows, columns, filters)``.
        num_negatives: positions outside of the boxes; as many as there are inside if
            None.
        c: inverse strength of the L2 penalty of the weights.
        seed: of the choice of positions.

    Raises:
        ValueError: if a box is bad, no position lies inside one or too few lie outside,
            or an argument is bad.

    Source: Radford et al., arXiv 1511.06434, section 6.3.1.
    """
    check_functional(generator)
    check_positive("c", c)
    part = keras.Model(generator.inputs, output_of(generator, layer_name))
    maps = np.asarray(part.predict(inputs, verbose=0), np.float32)
    if maps.ndim != 4:
        raise ValueError(f"layer {layer_name!r} gives no maps, but {maps.shape}")
    inside = _inside(boxes, maps.shape[:3], generator.output_shape[1:3])
    positives = np.flatnonzero(inside)
    if num_negatives is None:
        num_negatives = len(positives)
    check_count("num_negatives", num_negatives)
    outside = np.flatnonzero(~inside)
    if num_negatives > len(outside):
        raise ValueError(
            f"num_negatives={num_negatives}, but {len(outside)} positions lie outside "
            "of the boxes"
        )
    random = np.random.default_rng(seed)
    negatives = random.choice(outside, num_negatives, replace=False)
    activations = maps.reshape(-1, maps.shape[-1])[np.r_[positives, negatives]]
    labels = np.repeat([1, 0], [len(positives), num_negatives])
    return _fit(activations, labels, c)


def _inside(boxes, shape, image_size):
    """Whether the centre of each position of the maps lies in a box of its image."""
    inside = np.zeros(shape, bool)
    centres = [
        (np.arange(count) + 0.5) * size / count
        for count, size in zip(shape[1:], image_size)
    ]
    for box in boxes:
        image, top, left, bottom, right = box
        height, width = image_size
        if (
            not 0 <= image < len(inside)
            or not 0 <= top < bottom <= height
            or not 0 <= left < right <= width
        ):
            raise ValueError(
                f"box {tuple(box)!r} must be (image, top, left, bottom, right) within "
                f"{len(inside)} images of {height}x{width} pixels"
            )
        rows = (top <= centres[0]) & (centres[0] < bottom)
        columns = (left <= centres[1]) & (centres[1] < right)
        inside[image] |= rows[:, np.newaxis] & columns
    if not inside.any():
        raise ValueError(
            f"no centre of the {shape[1]}x{shape[2]} positions lies in one of the "
            f"{len(boxes)} boxes"
        )
    return inside


def _fit(activations, labels, c):
    regression = LogisticRegression(C=c, max_iter=1000).fit(activations, labels)
    weights = regression.coef_[0]
    return ObjectFilters(
        filters=tuple(map(int, np.flatnonzero(weights > 0))),
        weights=weights,
        bias=float(regression.intercept_[0]),
        accuracy=float(regression.score(activations, labels)),
        num_positives=int(labels.sum()),
        num_negatives=int((labels == 0).sum()),
    )


def drop_filters(
    generator: keras.Model, layer_name: str, filters: Sequence[int]
) -> keras.Model:
    """A copy of a generator in which maps of one layer are 0 at every position.

    Args:
        generator: model of the functional API; it is not changed.
        layer_name: layer with maps ``(batch, rows, columns, filters)``.
        filters: indices of the maps, such as those of ``object_filters``.

    Returns:
        The copy, with weights of its own; the layer of that name gives the maps after
        the removal.

    Raises:
        ValueError: if the layer or a map does not exist.

    Source: Radford et al., arXiv 1511.06434, section 6.3.1.
    """
    check_functional(generator)
    count = output_of(generator, layer_name).shape[-1]
    dropped = generator.get_layer(layer_name)
    if isinstance(dropped, keras.Model):
        raise ValueError(f"{layer_name!r} is a model within the model; name a layer")
    kept = [1.0] * count
    for index in filters:
        if not 0 <= index < count:
            raise ValueError(
                f"map {index!r} does not exist: layer {layer_name!r} has {count}"
            )
        kept[index] = 0.0

    def replace(layer):
        if layer is not dropped:
            return None
        mask = layers.Rescaling(
            kept, dtype=layer.dtype_policy, name=f"{layer_name}_kept"
        )
        return keras.Sequential([copy_of(layer), mask], name=layer_name)

    return copy_network(generator, replace)
