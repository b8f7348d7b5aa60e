"""Comparison of methods that enlarge pictures, on the same held-out ones."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_cnns import _files, metrics
from keras_cnns.data import small_picture, whole_multiple
from keras_cnns.data.decoding import decode_image
from keras_cnns.figures import enlargement_grid

if TYPE_CHECKING:
    from keras_cnns import data
    from keras_cnns.inference.upscalers import BicubicUpscaler, NetworkUpscaler

_SHOWN, _SIDE = 5, 48  # pictures whose crops are kept, and pixels of these


@dataclasses.dataclass(frozen=True)
class UpscalingComparison:
    """Scores, times and crops by method.

    Attributes:
        reports: ``metrics.UpscalingReport`` by label, of one protocol.
        seconds: seconds per picture on this machine, by label.
        crops: by label and ``"truth"``, parts of some pictures, uint8; where the first
            method errs most.
        shown: names of these pictures.
    """

    reports: dict
    seconds: dict
    crops: dict
    shown: tuple

    def write_grid(self, path: str) -> None:
        """Writes a row for each shown picture, a column for each method.

        Raises:
            OSError: if the file cannot be written.
        """
        enlargement_grid(self.crops, path, row_labels=self.shown)


def compare_upscalers(
    upscalers: dict,
    source: data.Source,
    *,
    channels: str = "y",
    shave: int | None = None,
    num_images: int = 0,
    others: Iterable[metrics.UpscalingReport] = (),
    progress: Callable[[float], object] | None = None,
) -> UpscalingComparison:
    """Makes pictures small and enlarges them again, by each method.

    Args:
        upscalers: by label, in the order of the table; of one scale.
        source: ``data.Source`` of whole pictures; labels are ignored.
        channels, shave: as in ``metrics.UpscalingProtocol``; None shaves the scale.
        num_images: number of pictures, from the first on; 0 for all.
        others: ``metrics.UpscalingReport``s that the scores are to be compared with;
            their protocols are checked before a picture is enlarged.
        progress: called with the fraction of pictures that are done, or None.

    Returns:
        ``UpscalingComparison``; pictures have the names of their files, or numbers.

    Raises:
        ValueError: if an argument is bad, a picture is too small, which is named, or
            another report is of another protocol.
    """
    protocol = _protocol(upscalers, source, channels, shave, num_images)
    for report in others:
        metrics.check_equal_protocols(protocol, report.protocol)
    count = protocol.num_images
    tally, shown, crops = _Tally(upscalers, protocol), [], []
    for number, (name, truth) in enumerate(_pictures(source, protocol.scale, count)):
        made = tally.enlarge(name, truth)
        if (number + 1) * _SHOWN // count > number * _SHOWN // count:
            shown.append(name)
            crops.append(_where_first_errs([*made, truth]))
        if progress:
            progress((number + 1) / count)
    side = min(min(row[0].shape[:2]) for row in crops)
    columns = zip(*([crop[:side, :side] for crop in row] for row in crops))
    return UpscalingComparison(
        {
            label: metrics.UpscalingReport(label, protocol, tuple(scores))
            for label, scores in tally.scores.items()
        },
        {label: seconds / count for label, seconds in tally.seconds.items()},
        dict(zip([*upscalers, "truth"], columns)),
        tuple(shown),
    )


def _protocol(upscalers, source, channels, shave, num_images):
    scales = {label: one.scale for label, one in upscalers.items()}
    scale = next(iter(scales.values()))
    if set(scales.values()) != {scale}:
        raise ValueError(f"methods must enlarge by one factor, got {scales}")
    return metrics.UpscalingProtocol(
        f"{source.name} {source.split}",
        min(num_images or source.num_examples, source.num_examples),
        scale,
        channels,
        scale if shave is None else shave,
    )


def evaluate_upscaler(
    upscaler: BicubicUpscaler | NetworkUpscaler, source: data.Source, **options: Any
) -> metrics.UpscalingReport:
    """Scores of all pictures of a split, made small and enlarged again.

    Args:
        upscaler: ``BicubicUpscaler`` or ``NetworkUpscaler``.
        source, **options: as ``compare_upscalers`` takes them.

    Raises:
        ValueError: as ``compare_upscalers``.
    """
    result = compare_upscalers({upscaler.name: upscaler}, source, **options)
    return result.reports[upscaler.name]


def read_upscaling_reports(path: str) -> dict:
    """The reports of a ``comparison.json`` by label.

    Raises:
        ValueError: if it is none.
    """
    with _files.reading(path, "a comparison.json"):
        with open(path, encoding="utf-8") as file:
            stored = json.load(file)["reports"]
        return {
            label: metrics.UpscalingReport.from_json(fields)
            for label, fields in stored.items()
        }


class _Tally:
    """Collects scores and times."""

    def __init__(self, upscalers, protocol):
        self.scores = {label: [] for label in upscalers}
        self.seconds = dict.fromkeys(upscalers, 0.0)
        self._upscalers, self._protocol = upscalers, protocol
        for upscaler in upscalers.values():
            upscaler(np.zeros((16, 16, 3), np.uint8))  # builds its graph

    def enlarge(self, name, truth) -> list:
        """A picture enlarged by each method, and scored."""
        small = small_picture(truth, self._protocol.scale).numpy().astype(np.uint8)
        made = []
        for label, upscaler in self._upscalers.items():
            start = time.perf_counter()
            made.append(upscaler(small))
            self.seconds[label] += time.perf_counter() - start
            score = metrics.score_upscaled(name, truth, made[-1], self._protocol)
            self.scores[label].append(score)
        return made


def _pictures(source, scale, count):
    """(name, picture whose sides are multiples of the scale) of the first pictures."""
    examples = itertools.islice(source.examples, count)
    for number, (content, _) in enumerate(examples):
        name = str(number)
        if source.files:
            name = os.path.splitext(os.path.basename(source.files[number]))[0]
        truth = whole_multiple(decode_image(source.read(content), 3), scale).numpy()
        if not truth.size:
            raise ValueError(f"picture {name} is smaller than {scale}x{scale}")
        yield name, truth


def _where_first_errs(pictures) -> list:
    """The same part of all pictures, where the first differs most from the last."""
    error = (pictures[0].astype(np.float64) - pictures[-1]) ** 2
    side = min(_SIDE, *error.shape[:2])
    sums = np.pad(error.sum(2), [(1, 0), (1, 0)]).cumsum(0).cumsum(1)
    boxes = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side]
    boxes += sums[:-side, :-side]
    top, left = np.unravel_index(boxes.argmax(), boxes.shape)
    return [one[top : top + side, left : left + side] for one in pictures]
