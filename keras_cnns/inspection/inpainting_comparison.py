"""Inpainting methods on the same pictures with the same holes."""

import collections
import dataclasses
import time

import numpy as np

from keras_cnns import metrics
from keras_cnns._masks import bin_name
from keras_cnns.data import (
    HOLE_RATIO_BINS,
    MaskRecipe,
    Preprocessing,
    load_inpainting_evaluation,
)
from keras_cnns.inspection.inpainters import NetworkInpainter
from keras_cnns.inspection.inpainting import inpainting_grid

_RANGE = (0, 255)


@dataclasses.dataclass(frozen=True)
class Comparison:
    """What the methods made of the pictures.

    Attributes:
        rows: list of ``metrics.QualityRow``, by method and bin of hole ratios.
        seconds: seconds per picture on this machine, by method and bin; networks' are
            shares of their batches', without the first call.
        truth: one picture of each bin, uint8 ``(bins, height, width, channels)``; bins
            show different ones, as far as there are.
        masks: their masks in that bin, ``(bins, height, width, 1)``.
        filled: what each method made of them, by method.
    """

    rows: list
    seconds: dict
    truth: np.ndarray
    masks: np.ndarray
    filled: dict

    def write_grid(self, path: str) -> None:
        """Writes a row for each bin: input, what each method made of it, and truth.

        Raises:
            OSError: if the file cannot be written.
        """
        inpainting_grid(
            _unit(self.truth),
            self.masks,
            {label: _unit(pictures) for label, pictures in self.filled.items()},
            path,
            row_labels=[bin_name(ratios) for ratios in HOLE_RATIO_BINS],
        )


def compare_inpainters(
    inpainters: dict,
    source,
    image_shape: tuple,
    *,
    num_images: int = 0,
    batch_size: int = 16,
    seed: int = 0,
    progress=None,
) -> Comparison:
    """Fills pictures by all methods, once in each bin of hole ratios.

    Pictures and irregular masks are those of ``data.load_inpainting_evaluation``: they
    hang on the seed and a picture's place in the split. Pictures are rounded to bytes,
    for all methods; the composite is scored.

    Args:
        inpainters: by label, in the order of the table: ``open_inpainter``'s.
        source: ``Source`` of the pictures.
        image_shape: (height, width, channels) that pictures are brought to; 11x11 or
            larger.
        num_images: how many, from the first on; 0 for all.
        batch_size: pictures that a network gets at once.
        seed: of the masks, and of what methods draw.
        progress: called with the share of pictures that are filled, or None.

    Raises:
        ValueError: if an argument is bad, or a method cannot fill a picture; names the
            method and the bin.
    """
    count = num_images or source.num_examples
    tally = _Tally(count * len(HOLE_RATIO_BINS) * len(inpainters), progress)
    height, width, channels = image_shape
    plain = Preprocessing(height, width, channels, (0.0,) * channels, (1.0,) * channels)
    shown = []
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
        seconds=tally.seconds_per_picture(),
        truth=truth,
        masks=masks,
        filled=dict(zip(inpainters, filled)),
    )


class _Tally:
    """Scores and times, as they come."""

    def __init__(self, total, progress):
        self.measurements = []
        self._seconds = collections.defaultdict(lambda: np.zeros(2))
        self._total, self._done, self._progress = total, 0, progress
        self._awake = set()

    def fill(self, inpainters, truth, masks, ratios, seed) -> list:
        """What each method makes of a batch; it is measured."""
        results = []
        for label, inpainter in inpainters.items():
            try:
                if isinstance(inpainter, NetworkInpainter) and label not in self._awake:
                    inpainter.fill_batch(truth, masks)  # compiles
                    self._awake.add(label)
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

    def seconds_per_picture(self) -> dict:
        """By method and bin."""
        result = collections.defaultdict(dict)
        for (label, name), (seconds, count) in self._seconds.items():
            result[label][name] = float(seconds / count)
        return dict(result)


def _unit(pictures):
    """Bytes as numbers in [0, 1]."""
    return pictures / np.float32(_RANGE[1])
