"""Labels of anchors and regions: published order, traps, numbers drawn."""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns.trainers import region_sampling

ANCHORS = np.array(
    [
        (0, 0, 20, 20),
        (0, 0, 20, 16),
        (0, 0, 20, 10),
        (30, 30, 50, 50),
        (46, 46, 66, 66),
        (100, 100, 120, 120),
        (44, 44, 64, 64),
    ],
    np.float32,
)
OBJECTS = np.array([[(0, 0, 20, 20), (40, 40, 60, 60), (0, 0, 0, 0)]], np.float32)
LABELS = np.array([[3, 0, -1]])
NONE_IGNORED = np.zeros((1, 3), bool)
SIZES = np.array([[200.0, 200.0]])


def _assign(anchors=ANCHORS, boxes=OBJECTS, labels=LABELS, ignored=None, **arguments):
    boxes = np.asarray(boxes, np.float32)
    ignored = np.zeros(boxes.shape[:2], bool) if ignored is None else ignored
    sizes = arguments.pop("sizes", SIZES)
    anchors = np.asarray(anchors, np.float32)
    return region_sampling.assign_anchors(
        anchors, boxes, np.asarray(labels), ignored, sizes, **arguments
    )


def test_labels_of_published_example():
    """The last object is padding."""
    labels, matches = _assign()
    assert labels.numpy().tolist() == [[1, 1, -1, 0, -1, 0, 1]]
    assert matches.numpy()[0, [0, 1, 2, 3, 4, 6]].tolist() == [0, 0, 0, 1, 1, 1]


def test_best_anchor_of_an_object_is_positive_whatever_it_overlaps():
    """By 0.2 only, less than what makes others background."""
    labels, _ = _assign([(0, 0, 10, 4), (50, 50, 60, 60)], [[(0, 0, 10, 20)]], [[0]])
    assert labels.numpy().tolist() == [[1, 0]]


def test_objects_that_overlap_nothing_mark_nothing():
    overlapping = [(0, 0, 10, 10), (0, 0, 10, 4), (50, 50, 60, 60)]
    labels, _ = _assign(overlapping, [[(90, 90, 99, 99), (0, 0, 10, 9)]], [[0, 0]])
    assert labels.numpy().tolist() == [[1, -1, 0]]
    labels, _ = _assign(boxes=np.zeros((1, 3, 4)), labels=[[-1] * 3])
    assert labels.numpy().tolist() == [[0] * 7]
    labels, _ = _assign(boxes=np.zeros((1, 3, 4)), labels=[[0] * 3])
    assert labels.numpy().tolist() == [[0] * 7]


def test_all_best_anchors_of_an_object_are_positive_with_their_own_best_object():
    anchors = [(0, 0, 10, 10), (0, 10, 10, 20), (0, 18, 10, 28)]
    boxes = [[(0, 5, 10, 15), (0, 12, 10, 30)]]
    labels, matches = _assign(anchors, boxes, [[0, 0]], positive_iou=0.9)
    # The first two are the first object's best; the second one overlaps the other more.
    assert labels.numpy().tolist() == [[1, 1, 1]]
    assert matches.numpy().tolist() == [[0, 1, 1]]


def test_anchors_that_cross_the_edge_are_left_out():
    anchors = [(-1, 0, 19, 20), (0, 0, 20, 20), (10, 10, 41, 30), (10, 10, 40, 30)]
    size = np.array([[40.0, 30.0]])
    labels, _ = _assign(anchors, [[(0, 0, 20, 20)]], [[0]], sizes=size)
    assert labels.numpy().tolist() == [[-1, 1, -1, 0]]
    labels, _ = _assign(anchors, [[(0, 0, 20, 20)]], [[0]], sizes=size, border=1.0)
    assert labels.numpy().tolist() == [[1, 1, 0, 0]]
    # The best one inside is positive, though one outside overlaps the object more.
    labels, _ = _assign(
        [(-1, 0, 19, 20), (10, 0, 30, 20)], [[(0, 0, 20, 20)]], [[0]], sizes=size
    )
    assert labels.numpy().tolist() == [[-1, 1]]


def test_anchors_at_ignored_objects_are_neither():
    """Unless they overlap it little, or an object as much."""
    ignored = np.array([[False, True, False]])
    labels, _ = _assign(ignored=ignored)
    assert labels.numpy().tolist() == [[1, 1, -1, 0, -1, 0, -1]]
    both = np.array([[OBJECTS[0, 1], OBJECTS[0, 1]]])
    labels, matches = _assign(boxes=both, labels=[[0, 0]], ignored=[[True, False]])
    assert labels.numpy()[0, 6] == 1 and matches.numpy()[0, 6] == 1


@pytest.mark.parametrize("jit_compile", [False, True])
def test_sampling_draws_as_many_as_asked_for(jit_compile):
    random = np.random.default_rng(0)
    labels = np.full((3, 900), -1)
    labels[0, :200], labels[0, 200:700] = 1, 0  # more than enough
    labels[1, 5:12], labels[1, 300:] = 1, 0  # few positives
    labels[2, :3], labels[2, 3:9] = 1, 0  # few of all
    uniform = random.uniform(size=labels.shape).astype(np.float32)
    sample = tf.function(region_sampling.sample, jit_compile=jit_compile)
    found = sample(labels, 256, 0.5, uniform).numpy()
    counts = [[(row == kind).sum() for kind in (1, 0)] for row in found]
    assert counts == [[128, 128], [7, 249], [3, 6]]
    assert ((found == labels) | (found == -1)).all()
    other = sample(labels, 256, 0.5, random.uniform(size=labels.shape)).numpy()
    assert (found[0] != other[0]).any()
    # Those with the smallest numbers are drawn, so each one with the same chance.
    drawn = uniform[0, :200][found[0, :200] == 1]
    assert drawn.max() < uniform[0, :200][found[0, :200] == -1].min()


def test_sampling_with_equal_numbers_keeps_the_limit():
    labels = np.ones((1, 50), int)
    found = region_sampling.sample(labels, 8, 0.5, np.full((1, 50), 0.25))
    assert (found.numpy() == 1).sum() == 4


def _regions(rois, boxes=OBJECTS, labels=LABELS, ignored=NONE_IGNORED, **arguments):
    settings = {
        "num_rois": 8,
        "positive_fraction": 0.25,
        "foreground_iou": 0.5,
        "background_range": (0.1, 0.5),
        **arguments,
    }
    rois = np.asarray(rois, np.float32)
    shape = (len(rois), rois.shape[1] + np.shape(boxes)[1])
    uniform = np.random.default_rng(1).uniform(size=shape)
    found = region_sampling.sample_regions(
        rois, boxes, labels, ignored, uniform=uniform, **settings
    )
    return [values.numpy() for values in found]


def test_regions_with_their_classes_and_objects():
    rois = [[(0, 0, 20, 14), (40, 40, 60, 48), (0, 0, 20, 1), (0, 0, 0, 0)]]
    rois, classes, targets = _regions(rois, positive_fraction=1.0)
    # Objects first, proposed ones and the boxes of objects; label k is class k + 1.
    assert sorted(classes[0]) == [-1, -1, -1, -1, 0, 1, 4, 4]
    assert (classes[0, :3] > 0).all() and classes[0, 3] == 0
    for roi, kind, target in zip(rois[0], classes[0], targets[0]):
        expected = {1: OBJECTS[0, 1], 4: OBJECTS[0, 0]}.get(kind, np.zeros(4))
        np.testing.assert_array_equal(target, expected)
        assert kind >= 0 or not roi.any()
    np.testing.assert_array_equal(rois[0, 3], (40, 40, 60, 48))


def test_number_of_regions_and_of_objects_among_them():
    lows = np.arange(40)[:, None] / 10
    near = np.concatenate([lows, lows, lows + 20, lows + 20], -1)
    far = np.concatenate([lows + 12, lows + 9, lows + 32, lows + 29], -1)
    rois = np.concatenate([near, far])[None]
    _, classes, _ = _regions(rois)
    assert (classes > 0).sum() == 2 and (classes == 0).sum() == 6
    _, classes, _ = _regions(rois, num_rois=16, positive_fraction=0.5)
    assert (classes > 0).sum() == 8 and (classes == 0).sum() == 8
    _, classes, _ = _regions(rois[:, :4], num_rois=16)
    assert (classes > 0).sum() == 4 and (classes == 0).sum() == 0
    assert (classes == -1).sum() == 12


def test_regions_of_an_image_without_objects_are_background():
    rois = [[(0, 0, 20, 14), (40, 40, 60, 48), (0, 0, 0, 0)]]
    rois, classes, targets = _regions(rois, 0 * OBJECTS, np.full((1, 3), -1))
    assert classes.tolist() == [[0, 0, -1, -1, -1, -1, -1, -1]]
    assert not targets.any() and not rois[0, 2:].any()


def test_regions_at_ignored_objects_are_neither():
    ignored = np.array([[True, False, False]])
    rois = [[(0, 0, 20, 18), (40, 40, 60, 60), (41, 44, 60, 50)]]
    _, classes, _ = _regions(rois, ignored=ignored, positive_fraction=1.0)
    assert classes.tolist() == [[1, 1, 0, -1, -1, -1, -1, -1]]


@pytest.mark.parametrize("jit_compile", [False, True])
def test_hostile_regions_are_never_drawn(jit_compile):
    nan, inf = np.nan, np.inf
    rois = np.array(
        [[(nan, 0, 9, 9), (0, 0, inf, inf), (9, 9, 2, 2), (0, 0, 0, 0)]], np.float32
    )

    @tf.function(jit_compile=jit_compile)
    def draw(rois):
        return region_sampling.sample_regions(
            rois,
            0 * OBJECTS,
            np.full((1, 3), -1),
            NONE_IGNORED,
            4,
            0.25,
            0.5,
            (0.0, 0.5),
            np.zeros((1, 7)),
        )

    found, classes, targets = draw(rois)
    assert (classes == -1).numpy().all()
    assert not found.numpy().any() and not targets.numpy().any()


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"num_rois": 0}, "num.*got 0"),
        ({"positive_fraction": 1.5}, "positive_fraction.*got 1.5"),
        ({"foreground_iou": -1}, "foreground_iou.*got -1"),
        ({"background_range": (0.6, 0.5)}, "start of background_range.*got 0.6"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        _regions(np.ones((1, 2, 4)), **arguments)
