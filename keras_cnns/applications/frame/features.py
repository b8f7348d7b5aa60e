"""Features by stage: the maps at the ends of a network's stages."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from tensorflow import keras

from keras_cnns.applications.frame.registry import model_info


def extract_features(
    model: keras.Model, levels: Sequence[int], stage_ends: Sequence[str] | None = None
) -> keras.Model:
    """A model that gives the maps at the ends of chosen stages.

    Args:
        model: a network built here; its ``name`` finds the stage ends in the registry.
        levels: indices into the stage ends, 0 the finest; negative ones count from
            the coarsest.
        stage_ends: layer names to use instead of the registry's; needed for a renamed
            model and for one of a general builder, whose architecture is its caller's.

    Returns:
        A ``keras.Model`` with the same input and a list of maps
        ``(batch, height, width, channels)``, in the order of ``levels``. It shares
        the weights of ``model``.

    Raises:
        ValueError: if a level does not exist, or the stage ends are not known.
    """
    ends = stage_ends or stage_ends_of(model.name)
    for level in levels:
        if not -len(ends) <= level < len(ends):
            raise ValueError(
                f"level {level} does not exist: {model.name} has {len(ends)} stages "
                f"({', '.join(ends)})"
            )
    maps = [model.get_layer(ends[level]).output for level in levels]
    return keras.Model(model.input, maps, name=f"{model.name}_features")


def stage_ends_of(name: str) -> tuple:
    """Names of the layers in which the stages of a network end, finest first.

    Raises:
        ValueError: if the name is unknown, or that of a general builder, whose
            architecture is its caller's.
    """
    info = model_info(name)
    first = next(iter(inspect.signature(info.constructor).parameters))
    if info.task == "classification" and first != "include_top":
        raise ValueError(
            f"{name} comes from a general builder: give the names of the layers in "
            "which its stages end"
        )
    return info.stage_ends
