"""Image quality of inpainting by method and hole ratio."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from keras_cnns import _files, _masks
from keras_cnns.metrics.image_quality import mean_absolute_error, psnr, ssim

if TYPE_CHECKING:
    from keras_cnns._types import Array

# Bin of masks outside of all bins: hardly any hole, or more than 60 %.
OTHER_RATIOS = "other"
_BIN_NAMES = {b: _masks.bin_name(b) for b in _masks.HOLE_RATIO_BINS}


@dataclasses.dataclass(frozen=True)
class Measurement:
    """Quality of one composite: valid pixels of the truth, holes from a method.

    Attributes:
        method: name of the method.
        hole_ratio: fraction of pixels that are hole.
        hole_ratio_bin: its bin, such as ``"10%-20%"``, or ``"other"``.
        psnr: in dB; infinity if the image equals the truth.
        ssim: structural similarity.
        mean_absolute_error: fraction of the range, over all pixels.
    """

    method: str
    hole_ratio: float
    hole_ratio_bin: str
    psnr: float
    ssim: float
    mean_absolute_error: float


@dataclasses.dataclass(frozen=True)
class QualityRow:
    """Mean quality of one method in one bin of hole ratios.

    Attributes:
        method, hole_ratio_bin: as of its measurements.
        count: images.
        num_identical: those that equal the truth. Their PSNR is infinite and not in
            the mean.
        psnr: mean of the others, in dB; None if there are no others.
        ssim, mean_absolute_error: means over all.
    """

    method: str
    hole_ratio_bin: str
    count: int
    num_identical: int
    psnr: float | None
    ssim: float
    mean_absolute_error: float


def measure_inpainting(
    method: str, truth: Array, outputs: Array, masks: Array, *, value_range: tuple
) -> list:
    """Scores of a batch of filled images.

    Args:
        method: name of the method.
        truth: complete images ``(batch, height, width, channels)``.
        outputs: of the method, of the same shape. Values at valid pixels are ignored:
            the composite with the truth is scored.
        masks: ``(batch, height, width, 1)``, 1 = valid, 0 = hole.
        value_range: (lowest, highest) value that images can have.

    Returns:
        List of ``Measurement``, one for every image.

    Raises:
        ValueError: if shapes do not fit, a value is out of range, or the
            images are smaller than 11x11.
    """
    truth = np.asarray(truth)
    masks = _masks.check_masks(masks, truth.shape)
    if np.shape(outputs) != truth.shape:
        raise ValueError(
            f"outputs must have the shape of the truth {truth.shape}, got "
            f"{np.shape(outputs)}"
        )
    composites = np.where(masks == 1, truth, outputs)
    scores = [
        score(truth, composites, value_range=value_range)
        for score in (psnr, ssim, mean_absolute_error)
    ]
    return [
        Measurement(
            method,
            _masks.hole_ratio(mask),
            _BIN_NAMES.get(_masks.hole_ratio_bin(mask), OTHER_RATIOS),
            *map(float, values),
        )
        for mask, *values in zip(masks, *scores)
    ]


def summarize_inpainting(measurements: Iterable[Measurement]) -> list:
    """Means by method and bin.

    Args:
        measurements: ``Measurement`` of any methods and bins.

    Returns:
        List of ``QualityRow``: methods in the order in which they first occur, bins by
        ratio and ``"other"`` last; no rows for bins without images.

    Raises:
        ValueError: if there are no measurements.
    """
    measurements = list(measurements)
    if not measurements:
        raise ValueError("there are no measurements to summarize")
    rows = []
    for method in dict.fromkeys(m.method for m in measurements):
        for name in (*_BIN_NAMES.values(), OTHER_RATIOS):
            group = [
                m
                for m in measurements
                if (m.method, m.hole_ratio_bin) == (method, name)
            ]
            if group:
                rows.append(_mean_row(method, name, group))
    return rows


def _mean_row(method, hole_ratio_bin, group):
    finite = [m.psnr for m in group if math.isfinite(m.psnr)]
    return QualityRow(
        method=method,
        hole_ratio_bin=hole_ratio_bin,
        count=len(group),
        num_identical=len(group) - len(finite),
        psnr=float(np.mean(finite)) if finite else None,
        ssim=float(np.mean([m.ssim for m in group])),
        mean_absolute_error=float(np.mean([m.mean_absolute_error for m in group])),
    )


def write_quality_csv(path: str, rows: Sequence[QualityRow]) -> None:
    """Writes rows as a CSV file with a header; no PSNR is an empty field.

    Args:
        path: file to write, atomically.
        rows: list of ``QualityRow``.

    Raises:
        OSError: if the file cannot be written.
    """
    text = io.StringIO()
    names = [field.name for field in dataclasses.fields(QualityRow)]
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(dataclasses.asdict, rows))
    _files.write_text(path, text.getvalue())


def write_quality_json(path: str, rows: Sequence[QualityRow], **protocol: Any) -> None:
    """Writes rows as a JSON file: the protocol's fields, and ``rows``.

    Args:
        path: file to write, atomically.
        rows: list of ``QualityRow``.
        **protocol: what the scores depend on, such as data set, masks and their seed;
            JSON values.

    Raises:
        OSError: if the file cannot be written.
    """
    content = {**protocol, "rows": [dataclasses.asdict(row) for row in rows]}
    _files.write_json(path, content, indent=1)


def quality_markdown(rows: Sequence[QualityRow]) -> str:
    """A table in Markdown: methods down, bins across, best values of a bin in bold.

    Args:
        rows: list of ``QualityRow``.

    Returns:
        Lines of text. A cell has PSNR in dB, SSIM and mean absolute error in percent;
        the last line has the numbers of images.
    """
    table = {(row.method, row.hole_ratio_bin): row for row in rows}
    methods = list(dict.fromkeys(row.method for row in rows))
    order = (*_BIN_NAMES.values(), OTHER_RATIOS)
    bins = [name for name in order if any(row.hole_ratio_bin == name for row in rows)]
    cells = {name: _column(name, methods, table) for name in bins}
    lines = [
        ["PSNR / SSIM / l1", *bins],
        ["---"] * (1 + len(bins)),
        *(
            [method.replace("|", r"\|"), *(cells[name][i] for name in bins)]
            for i, method in enumerate(methods)
        ),
        ["images", *(_count(name, rows) for name in bins)],
    ]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _column(name, methods, table):
    """The cells of one bin, by method."""
    column = [table.get((method, name)) for method in methods]
    texts = []
    for field, show, is_better in (
        ("psnr", "{:.2f}".format, max),
        ("ssim", "{:.4f}".format, max),
        ("mean_absolute_error", "{:.2%}".format, min),
    ):
        # In a row without a mean PSNR all images are identical.
        values = [
            row and (math.inf if getattr(row, field) is None else getattr(row, field))
            for row in column
        ]
        best = show(is_better(v for v in values if v is not None))
        shown = ["" if v is None else show(v) for v in values]
        texts.append([f"**{text}**" if text == best else text for text in shown])
    return [" / ".join(parts) if row else "-" for row, *parts in zip(column, *texts)]


def _count(name, rows):
    """Images in a bin; all numbers, where methods differ."""
    counts = sorted({row.count for row in rows if row.hole_ratio_bin == name})
    return ", ".join(map(str, counts))
