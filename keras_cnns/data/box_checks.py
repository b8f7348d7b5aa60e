"""Which boxes of a data set no detector should be trained on."""

import collections
import dataclasses
import functools

import numpy as np
import tensorflow as tf

from keras_cnns import _progress
from keras_cnns._checks import check_choice
from keras_cnns.data.box_sources import name_of_example, pixel_boxes
from keras_cnns.data.decoding import encoded_size
from keras_cnns.data.sources import Source

# A box may reach that far out of its image, in pixels: so much do numbers from 0 and
# from 1 on differ. It is cut at the border.
TOLERANCE = 1.0
_LEAST_SIDE = 1e-3  # pixels of a side
BAD_BOXES = ("refuse", "drop")
_KINDS = {
    "degenerate": "without area",
    "outside": "partly outside of the image",
    "duplicate": "there twice",
}


@dataclasses.dataclass(frozen=True)
class BoxProblem:
    """One bad box.

    Attributes:
        index: of its example in the split.
        position: of the box in the example, from 0 on.
        kind: ``"degenerate"`` (no area within the image, or no numbers), ``"outside"``
            (more than a pixel, but not all, outside of it) or ``"duplicate"`` (of an
            earlier one of the same class).
        file: of the image; else what tells the example from the others.
        class_name: of the object.
        box: (y1, x1, y2, x2) in pixels.
        size: (height, width) of the image.
    """

    index: int
    position: int
    kind: str
    file: str
    class_name: str
    box: tuple
    size: tuple

    def __str__(self):
        box = ", ".join(f"{side:g}" for side in self.box)
        height, width = self.size
        return (
            f"{self.file}: object {self.position + 1}, {self.class_name!r}, is "
            f"{_KINDS[self.kind]}: ({box}) as y1, x1, y2, x2, in {height}x{width}"
        )


@dataclasses.dataclass(frozen=True)
class BoxReport:
    """What ``check_boxes`` found.

    Attributes:
        num_examples, num_boxes: that were looked at.
        boxes_by_class: dict from class name to number of boxes.
        num_empty: images without boxes.
        most_boxes: in one image, which is the example ``fullest``.
        problems: tuple of ``BoxProblem``, in order.
    """

    num_examples: int
    num_boxes: int
    boxes_by_class: dict
    num_empty: int
    most_boxes: int
    fullest: int
    problems: tuple

    @property
    def counts(self) -> dict:
        """Numbers of problems by kind."""
        found = collections.Counter(one.kind for one in self.problems)
        return {kind: found[kind] for kind in _KINDS}

    @property
    def dropped(self) -> tuple:
        """The problems whose boxes are left out when bad ones are dropped."""
        return tuple(one for one in self.problems if one.kind != "outside")


def check_boxes(source: Source) -> BoxReport:
    """Looks for bad boxes in a split; of images only the sizes are read.

    Args:
        source: of ``open_detection_source``.

    Raises:
        ValueError: if an image cannot be read.
    """
    problems, classes, counts = [], collections.Counter(), []
    examples = source.examples.map(
        functools.partial(_measured, source),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    boxes_of = _progress.track(
        examples.as_numpy_iterator(), "boxes", source.num_examples
    )
    for index, (size, labels, boxes) in enumerate(boxes_of):
        classes.update(labels.tolist())
        counts.append(len(labels))
        for position, kind in _problems(boxes, labels, size):
            problems.append(
                BoxProblem(
                    index,
                    position,
                    kind,
                    name_of_example(source, index),
                    source.class_names[labels[position]],
                    tuple(float(side) for side in boxes[position]),
                    tuple(int(side) for side in size),
                )
            )
    return BoxReport(
        source.num_examples,
        sum(classes.values()),
        {name: classes[i] for i, name in enumerate(source.class_names)},
        counts.count(0),
        max(counts),
        counts.index(max(counts)),
        tuple(problems),
    )


def _problems(boxes, labels, size):
    """(position, kind) of the bad boxes of one image."""
    limits = np.array([*size, *size], np.float32)
    with np.errstate(invalid="ignore"):
        cut = np.clip(boxes, 0, limits)
        has_area = (cut[:, 2:] - cut[:, :2] >= _LEAST_SIDE).all(1)  # not of NaN
        reaches_out = (boxes < -TOLERANCE).any(1) | (boxes > limits + TOLERANCE).any(1)
    seen = set()
    for position, (box, label) in enumerate(zip(boxes, labels)):
        key = (int(label), *np.round(box, 3).tolist())
        if not has_area[position] or not np.isfinite(box).all():
            yield position, "degenerate"
        elif key in seen:
            yield position, "duplicate"
        elif reaches_out[position]:
            yield position, "outside"
        seen.add(key)


def usable_boxes(source: Source, bad_boxes: str) -> tuple:
    """Refuses bad boxes, or finds those to leave out.

    Args:
        source: of ``open_detection_source``.
        bad_boxes: ``"refuse"`` or ``"drop"``.

    Returns:
        (``BoxReport``, list of (index of example, position) to leave out).

    Raises:
        ValueError: if there are bad boxes and they are refused; it names the first and
            tells how many.
    """
    check_choice("bad_boxes", bad_boxes, BAD_BOXES)
    report = check_boxes(source)
    if report.problems and bad_boxes == "refuse":
        raise ValueError(
            f"{report.problems[0]}; {told_counts(report)} of {source.name} "
            f"{source.split}: check-boxes lists them, and bad_boxes='drop' leaves them "
            "out, or cuts them at the border"
        )
    return report, [(one.index, one.position) for one in report.dropped]


def told_counts(report: BoxReport) -> str:
    """``"3 bad boxes of 120 (1 degenerate, 2 duplicate)"``."""
    kinds = ", ".join(f"{n} {kind}" for kind, n in report.counts.items() if n)
    text = f"{len(report.problems)} bad boxes of {report.num_boxes}"
    return f"{text} ({kinds})" if kinds else text


def _measured(source, content, target):
    """(height and width of an image as it is seen, labels, boxes in pixels)."""
    size = tf.cond(
        target["size"][0] > 0,
        lambda: target["size"],
        lambda: encoded_size(source.read(content)),
    )
    return size, target["labels"], pixel_boxes(target, *tf.unstack(size))
