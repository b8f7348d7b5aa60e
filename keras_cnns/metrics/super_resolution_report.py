"""PSNR and SSIM of enlarged pictures, kept with the protocol that they depend on.

The literature's numbers are of luma (Y of BT.601, 16 to 235, with a peak of 255), of
pictures rounded to bytes, without as many pixels of each border as the scale, and means
over pictures of their own decibels. RGB instead of Y costs about 2 dB, full-range luma
1.3; so scores are compared under equal protocols alone.

Luma is not rounded itself. MATLAB's ``rgb2ycbcr`` of bytes rounds it.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns import _luma
from keras_cnns._checks import check_choice, check_count, check_flag, is_number
from keras_cnns.metrics._protocols import check_equal_protocols, from_fields
from keras_cnns.metrics.image_quality import psnr, ssim

if TYPE_CHECKING:
    from keras_cnns._types import Array

_RANGE = (0, 255)
_CHANNELS = ("y", "rgb")


@dataclasses.dataclass(frozen=True)
class UpscalingProtocol:
    """How enlarged pictures were scored.

    Attributes:
        data: data set and split of the pictures, such as ``"set5 test"``.
        num_images: number of pictures.
        scale: what they are enlarged by.
        channels: what is compared: ``"y"``, luma, or ``"rgb"``.
        shave: pixels of each border that do not count; papers take the scale, EDSR's
            code on DIV2K 6 more.
        degradation: how the small pictures were made.
        rounded: whether enlarged pictures were rounded to bytes.

    Raises:
        ValueError: if a field is bad.
    """

    data: str
    num_images: int
    scale: int
    channels: str = "y"
    shave: int = 2
    degradation: str = "bicubic as MATLAB's imresize, rounded to bytes"
    rounded: bool = True

    def __post_init__(self):
        check_count("num_images", self.num_images)
        check_count("scale", self.scale, 2)
        check_choice("channels", self.channels, _CHANNELS)
        check_count("shave", self.shave, 0)
        check_flag("rounded", self.rounded)


@dataclasses.dataclass(frozen=True)
class UpscaledPicture:
    """Scores of one picture.

    Attributes:
        name: of the picture.
        psnr: in dB; None if it equals the truth.
        ssim: structural similarity.

    Raises:
        ValueError: if one is of another type, or not finite.
    """

    name: str
    psnr: float | None
    ssim: float

    def __post_init__(self):
        scores = [score for score in (self.psnr, self.ssim) if score is not None]
        finite = all(is_number(score) and math.isfinite(score) for score in scores)
        if not isinstance(self.name, str) or not finite or self.ssim is None:
            raise ValueError(
                "a picture has a name and finite scores, got "
                f"{self.name!r:.50}, {self.psnr!r:.50}, {self.ssim!r:.50}"
            )


@dataclasses.dataclass(frozen=True)
class UpscalingReport:
    """Scores of one method.

    Attributes:
        method: its name; with a ``+`` if it is the mean over turned pictures.
        protocol: how they were computed.
        pictures: scores of each picture, in order.
    """

    method: str
    protocol: UpscalingProtocol
    pictures: tuple

    def __post_init__(self):
        if len(self.pictures) != self.protocol.num_images:
            raise ValueError(
                f"the protocol says {self.protocol.num_images} pictures, got scores of "
                f"{len(self.pictures)}"
            )

    @property
    def psnr(self) -> float | None:
        """Mean over the pictures that differ from the truth; None without any."""
        values = [one.psnr for one in self.pictures if one.psnr is not None]
        return float(np.mean(values)) if values else None

    @property
    def ssim(self) -> float:
        """Mean over pictures."""
        return float(np.mean([one.ssim for one in self.pictures]))

    def to_json(self) -> dict:
        """The report as JSON values."""
        means = {"psnr": self.psnr, "ssim": self.ssim}
        return {**dataclasses.asdict(self), **means}

    @classmethod
    def from_json(cls, fields: dict) -> UpscalingReport:
        """The report that ``to_json`` gave; its means are computed again.

        Raises:
            ValueError: if a field is missing, unknown or bad.
        """
        own = {k: v for k, v in dict(fields).items() if k not in ("psnr", "ssim")}
        parts = vars(from_fields(_Stored, own))
        return cls(
            parts["method"],
            from_fields(UpscalingProtocol, parts["protocol"]),
            tuple(from_fields(UpscaledPicture, one) for one in parts["pictures"]),
        )


@dataclasses.dataclass(frozen=True)
class _Stored:
    """A report's fields as they are stored."""

    method: str
    protocol: dict
    pictures: list


def score_upscaled(
    name: str, truth: Array, enlarged: Array, protocol: UpscalingProtocol
) -> UpscaledPicture:
    """Scores of one picture.

    Args:
        name: of the picture.
        truth: ``(height, width, channels)``, 0 to 255, sides multiples of the scale.
        enlarged: of the same shape; values beyond the range are clipped.
        protocol: ``UpscalingProtocol``.

    Returns:
        ``UpscaledPicture``. Luma of one channel is that channel as it is.

    Raises:
        ValueError: if shapes do not fit, or less than 11x11 pixels are left.
    """
    truth, enlarged = (np.asarray(x, np.float64) for x in (truth, enlarged))
    if truth.ndim != 3 or truth.shape != enlarged.shape:
        raise ValueError(
            f"{name}: truth and enlarged picture must have one shape (height, width, "
            f"channels), got {truth.shape} and {enlarged.shape}"
        )
    if any(side % protocol.scale for side in truth.shape[:2]):
        raise ValueError(
            f"{name}: sides of {truth.shape[0]}x{truth.shape[1]} are no multiples of "
            f"the scale {protocol.scale}; crop the truth first"
        )
    enlarged = enlarged.clip(*_RANGE)
    if protocol.rounded:
        enlarged = np.rint(enlarged)
    shave = protocol.shave
    pair = []
    for picture in (truth, enlarged):
        if protocol.channels == "y" and picture.shape[2] == 3:
            picture = _luma.luma(picture)
        height, width = picture.shape[:2]
        pair.append(picture[np.newaxis, shave : height - shave, shave : width - shave])
    if min(pair[0].shape[1:3]) < 11:
        raise ValueError(
            f"{name}: without {shave} pixels of each border it has less than 11x11"
        )
    decibels = float(psnr(*pair, value_range=_RANGE)[0])
    return UpscaledPicture(
        name,
        decibels if math.isfinite(decibels) else None,
        float(ssim(*pair, value_range=_RANGE)[0]),
    )


def compare_upscaling(first: UpscalingReport, second: UpscalingReport) -> dict:
    """Gains of the second method over the first.

    Args:
        first, second: reports of equal protocol, of the same pictures.

    Returns:
        Second less first: ``by_picture``, the gain in PSNR by name, None where one of
        the two is the truth; ``psnr``, the mean of those that are not None, or None;
        and ``ssim``, a mean over all pictures.

    Raises:
        ValueError: if their protocols or pictures differ; names what does.
    """
    check_equal_protocols(first.protocol, second.protocol)
    one, other = ([p.name for p in r.pictures] for r in (first, second))
    if one != other:
        raise ValueError(f"the reports are of different pictures: {one} and {other}")
    gains = {
        a.name: _difference(a.psnr, b.psnr)
        for a, b in zip(first.pictures, second.pictures)
    }
    finite = [gain for gain in gains.values() if gain is not None]
    return {
        "psnr": float(np.mean(finite)) if finite else None,
        "ssim": second.ssim - first.ssim,
        "by_picture": gains,
    }


def upscaling_markdown(
    reports: dict[str, UpscalingReport], seconds: dict[str, float]
) -> str:
    """Tables in Markdown: the means of each method, and decibels by picture.

    Args:
        reports: ``UpscalingReport`` by label, of equal protocols; gains are over the
            first one.
        seconds: seconds per picture by label; of some methods there may be none.

    Returns:
        Lines of text.

    Raises:
        ValueError: as ``compare_upscaling``.
    """
    first = next(iter(reports.values()))
    lines = [["", "PSNR", "gain", "SSIM", "better in", "s/picture"], ["---"] * 6]
    for label, report in reports.items():
        gains = compare_upscaling(first, report)
        better = sum((gain or 0) > 0 for gain in gains["by_picture"].values())
        lines.append(
            [
                label.replace("|", r"\|"),
                _told(report.psnr),
                _told(gains["psnr"], "+.2f"),
                f"{report.ssim:.4f}",
                f"{better} of {len(report.pictures)}",
                _told(seconds.get(label)),
            ]
        )
    lines += [[], ["picture", *(line[0] for line in lines[2:])]]
    lines.append(["---"] * (1 + len(reports)))
    for pictures in zip(*(report.pictures for report in reports.values())):
        lines.append([pictures[0].name, *(_told(one.psnr) for one in pictures)])
    return "".join(f"| {' | '.join(line)} |\n" if line else "\n" for line in lines)


def _told(value, form=".2f"):
    """A number in a table; a dash in place of none."""
    return "-" if value is None else format(value, form)


def _difference(first, second):
    return None if None in (first, second) else second - first
