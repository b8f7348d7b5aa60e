"""Comparison of inpainting methods on the same images with the same holes."""

from __future__ import annotations

import collections
import dataclasses
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns import metrics
from keras_cnns._masks import bin_name
from keras_cnns.data import (
    HOLE_RATIO_BINS,
    MaskRecipe,
    Preprocessing,
    load_inpainting_evaluation,
)
from keras_cnns.figures.inpainting import inpainting_grid
from keras_cnns.inference.inpainters import NetworkInpainter

if TYPE_CHECKING:
    from keras_cnns import data

_RANGE = (0, 255)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Scores, times and filled images by method.

    Attributes:
        rows: list of ``metrics.QualityRow``, by method and bin of hole ratios.
        seconds: seconds per image on this machine, by method and bin; of networks,
            those of a batch divided by its size, without the first call.
        truth: one image of each bin, uint8 ``(bins, height, width, channels)``;
            different ones, if there are enough.
        masks: their masks in that bin, ``(bins, height, width, 1)``.
        filled: the filled images, by method.
    """

    rows: list
    seconds: dict
    truth: np.ndarray
    masks: np.ndarray
    filled: dict

    def write_grid(self, path: str) -> None:
        """Writes a row for each bin: input, filled by each method, and truth.

        Raises:
            OSError: if the file cannot be written.
        """
        inpainting_grid(
            _unit(self.truth),
            self.masks,
            {label: _unit(images) for label, images in self.filled.items()},
            path,
            row_labels=[bin_name(ratios) for ratios in HOLE_RATIO_BINS],
        )


def compare_inpainters(
    inpainters: dict,
    source: data.Source,
    image_shape: tuple,
    *,
    num_images: int = 0,
    batch_size: int = 16,
    seed: int = 0,
    progress: Callable[[float], object] | None = None,
) -> Comparison:
    """Fills images by all methods, once per bin of hole ratios.

    Images and irregular masks are those of ``data.load_inpainting_evaluation``: they
    depend on the seed and an image's index in the split. Images are rounded to bytes,
    for all methods; the composite is scored.

    Args:
        inpainters: by label, in the order of the table: ``open_inpainter``'s.
        source: ``Source`` of the images.
        image_shape: (height, width, channels) that images are resized to; 11x11 or
            larger.
        num_images: number of images, from the first on; 0 for all.
        batch_size: images that a network fills at once.
        seed: of masks and methods.
        progress: called with the fraction of images that are filled, or None.

    Raises:
        ValueError: if an argument is bad, or a method cannot fill an image; names the
            method and the bin.
    """
    count = num_images or source.num_examples
    tally = _Tally(count * len(HOLE_RATIO_BINS) * len(inpainters), progress)
    plain, shown = Preprocessing.plain(*image_shape), []
    for number, ratios in enumerate(HOLE_RATIO_BINS):
        batches = load_inpainting_evaluation(
            source,
            batch_size,
            preprocessing=plain,
            masks=MaskRecipe(hole_ratios=ratios),
            num_examples=count,
            seed=seed,
        )
        batch, place = divmod(number % count, batch_size)
        for index, (images, masks) in enumerate(batches.as_numpy_iterator()):
            truth = np.rint(images).clip(*_RANGE).astype(np.uint8)
            filled = tally.fill(inpainters, truth, masks, ratios, seed)
            if index == batch:
                shown.append([x[place] for x in (truth, masks, *filled)])
    truth, masks, *filled = map(np.stack, zip(*shown))
    return Comparison(
        rows=metrics.summarize_inpainting(tally.measurements),
        seconds=tally.seconds_per_image(),
        truth=truth,
        masks=masks,
        filled=dict(zip(inpainters, filled)),
    )


class _Tally:
    """Collects scores and times."""

    def __init__(self, total, progress):
        self.measurements = []
        self._seconds = collections.defaultdict(lambda: np.zeros(2))
        self._total, self._done, self._progress = total, 0, progress
        self._compiled = set()

    def fill(self, inpainters, truth, masks, ratios, seed) -> list:
        """Fills a batch by each method and scores it."""
        results = []
        for label, inpainter in inpainters.items():
            try:
                is_network = isinstance(inpainter, NetworkInpainter)
                if is_network and label not in self._compiled:
                    inpainter.fill_batch(truth, masks)
                    self._compiled.add(label)
                start = time.perf_counter()
                filled = inpainter.fill_batch(truth, masks, seed=seed)
            except ValueError as error:
                raise ValueError(
                    f"{label}, holes {bin_name(ratios)}: {error}"
                ) from error
            seconds = time.perf_counter() - start
            self._seconds[label, bin_name(ratios)] += (seconds, len(truth))
            self.measurements += metrics.measure_inpainting(
                label, truth, filled, masks, value_range=_RANGE
            )
            self._done += len(truth)
            if self._progress:
                self._progress(self._done / self._total)
            results.append(filled)
        return results

    def seconds_per_image(self) -> dict:
        """By method and bin."""
        result = collections.defaultdict(dict)
        for (label, name), (seconds, count) in self._seconds.items():
            result[label][name] = float(seconds / count)
        return dict(result)


def _unit(images):
    """Bytes as numbers in [0, 1]."""
    return images / np.float32(_RANGE[1])
