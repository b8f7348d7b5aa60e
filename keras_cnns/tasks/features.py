"""Options of what features of images are compared by."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_cnns import inference

if TYPE_CHECKING:
    from keras_cnns.runs.option_groups import TrainingOptions
    from keras_cnns.trainers import FeatureNetwork


def told_features(options: TrainingOptions) -> list:
    """The options that name a feature network, with their values; at most one.

    Args:
        options: with ``feature_weights`` and ``feature_run``.

    Raises:
        ValueError: if both are given.
    """
    names = ("feature_weights", "feature_run")
    given = [f"{n}={getattr(options, n)!r}" for n in names if getattr(options, n)]
    if len(given) > 1:
        raise ValueError(f"give {given[0]} or {given[1]}, not both")
    return given


def load_features(
    options: TrainingOptions,
    vgg_features: Callable[..., FeatureNetwork],
    *,
    size: tuple,
    **given: Any,
) -> FeatureNetwork | None:
    """The feature network of a task's options; None for none.

    Args:
        options: with ``feature_weights``, ``feature_run`` and ``feature_layers``.
        vgg_features: function that makes the one of ``feature_weights``.
        size: (height, width) of the images.
        **given: ``value_range`` and others that ``trainers.FeatureNetwork`` takes.

    Raises:
        ValueError, OSError: if it cannot be had.
    """
    names = [name.strip() for name in options.feature_layers.split(",")]
    layers = tuple(name for name in names if name)
    if layers:
        given["layers"] = layers
    if options.feature_weights:
        return vgg_features(options.feature_weights, **given)
    if options.feature_run:
        return inference.run_features(options.feature_run, size=size, **given)
    return None
