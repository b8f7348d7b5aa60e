"""Batches of images and boxes for detectors.

As elsewhere, the stream of training batches is a pure function of the seed and the
step.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import tensorflow as tf
from absl import logging

from keras_cnns._boxes import clip_boxes, flip_boxes
from keras_cnns._checks import check_count
from keras_cnns.data import scaling
from keras_cnns.data.box_checks import told_counts, usable_boxes
from keras_cnns.data.box_sources import name_of_example, pixel_boxes
from keras_cnns.data.preprocessing import Preprocessing
from keras_cnns.data.sources import Source
from keras_cnns.data.stream import WHOLE, Share, evaluation_stream, training_stream

if TYPE_CHECKING:
    from keras_cnns.data.proposals import ProposalStore

SHORT_SIDE, LONG_SIDE = 600, 1000  # of Fast and Faster R-CNN


def load_detection_training(
    source: Source,
    batch_size: int,
    start_step: int = 0,
    *,
    preprocessing: Preprocessing,
    short_side: int = SHORT_SIDE,
    long_side: int = LONG_SIDE,
    max_objects: int | None = None,
    flip: bool = True,
    seed: int = 0,
    proposals: ProposalStore | None = None,
    bad_boxes: str = "refuse",
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """The endless stream of training batches, from any step on.

    Args:
        source: the training split, of ``open_detection_source``.
        batch_size, start_step, seed, share: as ``training_stream`` takes them.
        preprocessing: channels and standardisation of inputs; its size has no effect.
        short_side, long_side: images are scaled so that the short side has the first
            length, or, if that is less, the long side the second one.
        max_objects: rows of boxes of an image; None: as many as the split needs.
        flip: whether half of the images are mirrored, drawn at random.
        proposals: ``ProposalStore`` of the split; None for none.
        bad_boxes: ``"refuse"``, or ``"drop"`` to leave out those without area and
            those that are there twice; the log tells how many. Boxes that reach out
            of the image are cut at its border.

    Returns:
        Dataset of (images ``(batch, height, width, channels)`` float32, zero below and
        to the right of the scaled image; dict of ``boxes`` ``(batch, objects, 4)``
        float32, pixels of the scaled image, ``labels`` ``(batch, objects)`` int32, -1
        for padding, ``ignored`` ``(batch, objects)`` bool, ``sizes`` ``(batch, 2)``
        float32, height and width of the scaled image; with proposals ``proposals``
        ``(batch, rows, 4)`` float32, zero for padding, and ``num_proposals``
        ``(batch,)`` int32).

    Raises:
        ValueError: if boxes are bad, an image has too many, there are fewer examples
            than one batch, or the proposals are of other images.
    """
    make = _example_maker(
        source, preprocessing, short_side, long_side, max_objects, proposals, bad_boxes
    )

    def transform(example_seed, content, target):
        mirrored = False
        if flip:
            mirrored = tf.random.stateless_uniform([], example_seed) < 0.5
        image, targets = make(content, target, mirrored)
        for name in ("index", "scales"):
            del targets[name]
        return image, targets

    return training_stream(
        _numbered(source), batch_size, start_step, transform, seed=seed, share=share
    )


def load_detection_evaluation(
    source: Source,
    batch_size: int,
    *,
    preprocessing: Preprocessing,
    short_side: int = SHORT_SIDE,
    long_side: int = LONG_SIDE,
    max_objects: int | None = None,
    proposals: ProposalStore | None = None,
    bad_boxes: str = "refuse",
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Every image once, in order.

    Args:
        source, batch_size, share: as ``evaluation_stream`` takes them.
        preprocessing, short_side, long_side, max_objects, proposals, bad_boxes: as
            ``load_detection_training`` takes them.

    Returns:
        Dataset as ``load_detection_training`` gives, with ``scales`` ``(batch,)``
        float32, scaled size over original one, and ``index`` ``(batch,)`` int32, the
        example's position in the split, besides.

    Raises:
        ValueError: as ``load_detection_training``.
    """
    make = _example_maker(
        source, preprocessing, short_side, long_side, max_objects, proposals, bad_boxes
    )
    return evaluation_stream(_numbered(source), batch_size, make, share)


def _numbered(source):
    """A source whose targets know their position in the split."""
    examples = source.examples.enumerate().map(
        lambda index, example: (
            example[0],
            {**example[1], "index": tf.cast(index, tf.int32)},
        )
    )
    return dataclasses.replace(source, examples=examples)


def _example_maker(
    source, preprocessing, short_side, long_side, max_objects, proposals, bad_boxes
):
    """Function of a content, a target and whether to mirror to one example."""
    canvas = scaling.canvas_size(source.image_shape, short_side, long_side)
    report, dropped = usable_boxes(source, bad_boxes)
    if report.problems:
        logging.info("%s: %s", source.name, told_counts(report))
    rows = _num_rows(source, max_objects, report)
    if proposals is not None:
        proposals.check(source)
    leave_out = _remover(dropped)

    @tf.autograph.experimental.do_not_convert  # takes longer than all the rest
    def make(content, target, mirrored=False):
        mirrored = tf.convert_to_tensor(mirrored)
        pixels = preprocessing.decode(source.read(content))
        height, width = tf.unstack(tf.shape(pixels)[:2])
        scale = scaling.image_scale(height, width, short_side, long_side)
        size = tf.cast(tf.stack([height, width]), tf.float32)
        place = _placer(size, scale, mirrored)
        boxes = pixel_boxes(target, height, width)
        keep = leave_out(target["index"], tf.shape(boxes)[0])
        targets = {
            "boxes": _padded(place(boxes)[keep], rows, 0.0),
            "labels": _padded(target["labels"][keep], rows, -1),
            "ignored": _padded(target["ignored"][keep], rows, False),
            "sizes": scaling.snapped(size * scale),
            "scales": scale,
            "index": target["index"],
        }
        if proposals is not None:
            found = proposals.read_in_graph(target["index"])
            targets["num_proposals"] = tf.shape(found)[0]
            targets["proposals"] = _padded(place(found), proposals.max_boxes, 0.0)
        pixels = tf.cond(mirrored, lambda: pixels[:, ::-1], lambda: pixels)
        image = preprocessing.standardize(scaling.scaled_image(pixels, scale))
        return scaling.on_canvas(image, canvas), targets

    return make


def _num_rows(source, max_objects, report):
    """Rows of boxes, which all images of the split have place in."""
    if max_objects is None:
        return max(1, report.most_boxes)
    check_count("max_objects", max_objects)
    if report.most_boxes > max_objects:
        example = name_of_example(source, report.fullest)
        raise ValueError(
            f"max_objects={max_objects!r}, but {example} has {report.most_boxes} of "
            "them"
        )
    return max_objects


def _placer(size, scale, mirrored):
    """Function of an image's boxes to those of the scaled, perhaps mirrored, image."""

    def place(boxes):
        boxes = clip_boxes(boxes, size)
        boxes = tf.where(mirrored, flip_boxes(boxes, size[1]), boxes)
        return scaling.snapped(boxes * scale)

    return place


def _remover(dropped):
    """Function of an example's index and its number of boxes to which of them stay."""
    pairs = tf.constant(dropped, tf.int32, [len(dropped), 2])

    def which_stay(index, count):
        out = tf.boolean_mask(pairs[:, 1], pairs[:, 0] == index)
        return ~tf.reduce_any(tf.range(count)[:, tf.newaxis] == out, axis=1)

    return which_stay


def _padded(values, rows, filling):
    """Values with as many more rows as it takes."""
    paddings = [[0, rows - tf.shape(values)[0]], *[[0, 0]] * (values.shape.rank - 1)]
    values = tf.pad(values, paddings, constant_values=filling)
    return tf.ensure_shape(values, [rows, *values.shape[1:]])
