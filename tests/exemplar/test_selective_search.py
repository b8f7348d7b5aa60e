"""Selective search against a slow restatement from pixels, and on simple scenes."""

import itertools
import math

import numpy as np
import pytest
from scipy import ndimage
from skimage import data

from keras_cnns import exemplar, metrics
from keras_cnns.exemplar import region_features, region_merging

# Published: HSV, Lab, rgI, hue, intensity, all in [0, 1].
CHANNELS = {"hsv": 3, "lab": 3, "rgi": 3, "hue": 1, "intensity": 1}


def _tiny(channels, seed=0, side=11):
    """Noise, cut into the cells of nine points; no two similarities are equal."""
    random = np.random.default_rng(seed)
    image = random.random((side, side + 3, channels))
    points = random.uniform(0, side, (9, 2))
    places = np.indices(image.shape[:2]).reshape(2, -1, 1)
    nearest = ((places - points.T[:, np.newaxis]) ** 2).sum(axis=0).argmin(axis=1)
    _, labels = np.unique(nearest, return_inverse=True)
    return image, labels.reshape(image.shape[:2])


def _rise(channel, row, column, angle):
    """Rise of one pixel's surroundings in a direction: a literal sum of 81 products."""
    total = 0.0
    norm = sum(math.exp(-(i**2) / 2) for i in range(-4, 5)) ** 2
    for down, across in itertools.product(range(-4, 5), repeat=2):
        place = []
        for position, length in zip((row + down, column + across), channel.shape):
            position = -1 - position if position < 0 else position
            position = 2 * length - 1 - position if position >= length else position
            place.append(position)
        slope = math.sin(angle) * down + math.cos(angle) * across
        weight = slope * math.exp(-(down**2 + across**2) / 2) / norm
        total += weight * channel[tuple(place)]
    return total


def _histograms(image):
    """One-hot bins of each pixel: ``(height, width, 25 c)`` and ``(…, 80 c)``."""
    height, width, channels = image.shape
    colours = np.zeros((height, width, channels, 25))
    textures = np.zeros((height, width, channels, 8, 10))
    rises = np.zeros((height, width, channels, 8))
    for place in itertools.product(range(height), range(width), range(channels)):
        colours[(*place, int(image[place] * 25))] = 1
        for direction in range(8):
            angle = direction * math.pi / 4
            rises[(*place, direction)] = _rise(image[..., place[2]], *place[:2], angle)
    for place in np.ndindex(rises.shape):
        part = max(rises[place], 0) / rises[:, :, place[2]].max()
        textures[(*place, min(int(part * 10), 9))] = 1
    return colours.reshape(height, width, -1), textures.reshape(height, width, -1)


@pytest.fixture(scope="module", params=[1, 3])
def noise(request):
    """Image, labels, and both of its histograms."""
    image, labels = _tiny(request.param)
    return image, labels, _histograms(image)


def _box(mask):
    rows, columns = np.nonzero(mask)
    return rows.min(), columns.min(), rows.max() + 1, columns.max() + 1


def _reference(labels, histograms, measures):
    """Boxes and merges, everything counted from pixels at every step."""
    masks = {i: labels == i for i in range(labels.max() + 1)}
    boxes, merges = [_box(mask) for mask in masks.values()], []

    def beside(one, other):
        return any(
            (np.roll(one, 1, axis)[take] & other[take]).any()
            for axis, take in ((0, np.s_[1:]), (1, np.s_[:, 1:]))
        )

    def similarity(one, other):
        both, value = one | other, 0
        for name, table in zip(("colour", "texture"), histograms):
            if name in measures:
                parts = [
                    table[mask].sum(0) / table[mask].sum() for mask in (one, other)
                ]
                value += np.minimum(*parts).sum()
        if "size" in measures:
            value += 1 - both.sum() / both.size
        if "fill" in measures:
            top, left, bottom, right = _box(both)
            value += 1 - ((bottom - top) * (right - left) - both.sum()) / both.size
        return value

    while len(masks) > 1:
        pairs = [
            (i, j)
            for i, j in itertools.combinations(masks, 2)
            if beside(masks[i], masks[j]) or beside(masks[j], masks[i])
        ]
        values = [similarity(masks[i], masks[j]) for i, j in pairs]
        first, second = pairs[int(np.argmax(values))]
        masks[len(boxes)] = masks.pop(first) | masks.pop(second)
        boxes.append(_box(masks[len(boxes)]))
        merges.append((first, second))
    return boxes, merges


@pytest.mark.parametrize(
    "measures",
    [
        ("colour", "texture", "size", "fill"),
        ("texture", "size", "fill"),
        ("fill",),
        ("size",),
        ("colour",),
    ],
)
def test_merging_is_that_of_a_count_from_pixels(noise, measures):
    image, labels, histograms = noise
    segments = region_features.describe_segments(
        labels, region_features.colour_bins(image), region_features.texture_bins(image)
    )
    boxes, merges = region_merging.merge_segments(segments, measures)
    expected = _reference(labels, histograms, measures)
    assert merges.tolist() == [list(pair) for pair in expected[1]]
    assert boxes.tolist() == [list(box) for box in expected[0]]
    assert boxes[-1].tolist() == [0, 0, *labels.shape]


def test_segments_are_described_as_counted_from_pixels(noise):
    image, labels, histograms = noise
    segments = region_features.describe_segments(
        labels, region_features.colour_bins(image), region_features.texture_bins(image)
    )
    for label in range(labels.max() + 1):
        mask = labels == label
        assert segments.sizes[label] == mask.sum()
        assert tuple(segments.boxes[label]) == _box(mask)
        for found, table in zip((segments.colours, segments.textures), histograms):
            expected = table[mask].sum(axis=0) / table[mask].sum()
            np.testing.assert_allclose(found[label], expected, atol=1e-12)
    assert segments.num_pixels == labels.size
    beside = {
        tuple(sorted((int(labels[r, c]), int(labels[r + dr, c + dc]))))
        for r, c in np.ndindex(labels.shape)
        for dr, dc in ((0, 1), (1, 0))
        if r + dr < labels.shape[0] and c + dc < labels.shape[1]
    }
    pairs = {pair for pair in beside if pair[0] != pair[1]}
    assert {tuple(pair) for pair in segments.pairs.tolist()} == pairs


def test_colour_spaces_by_hand():
    image = np.array([[[255, 0, 0], [0, 0, 0], [128, 128, 128], [0, 0, 255]]], np.uint8)
    found = {name: f(image) for name, f in region_features.COLOUR_SPACES.items()}
    for name, channels in CHANNELS.items():
        assert found[name].shape == (1, 4, channels)
        assert found[name].min() >= 0 and found[name].max() <= 1
    np.testing.assert_allclose(found["hsv"][0, 0], [0, 1, 1])
    np.testing.assert_allclose(found["hue"][0, 3], [2 / 3])
    np.testing.assert_allclose(found["rgi"][0, 0, :2], [1, 0])
    np.testing.assert_allclose(found["rgi"][0, 1], [1 / 3, 1 / 3, 0])
    np.testing.assert_allclose(found["intensity"][0, 2], [128 / 255])
    # CIELAB of sRGB red under D65: 53.24, 80.09, 67.20.
    np.testing.assert_allclose(
        found["lab"][0, 0], [0.5324, 208.09 / 255, 195.20 / 255], atol=1e-4
    )


def test_an_even_image_has_no_texture():
    bins = region_features.texture_bins(np.full((5, 6, 2), 0.1))
    assert (bins.reshape(30, 16) == 10 * np.arange(16)).all()


def _scene(random, side=128):
    """Rectangles and ellipses apart from each other on a smooth ground, with noise."""
    ground = ndimage.zoom(
        random.uniform(60, 200, (4, 4, 3)), (side / 4,) * 2 + (1,), order=1
    )
    boxes = np.zeros((0, 4))
    for _ in range(random.integers(1, 5)):
        size = random.integers(20, 60, 2)
        top, left = random.integers(0, side - size)
        box = np.array([[top, left, top + size[0], left + size[1]]], float)
        apart = np.maximum(box[:, :2], boxes[:, :2]) >= np.minimum(
            box[:, 2:], boxes[:, 2:]
        )
        if apart.any(axis=1).all():
            rows, columns = (np.mgrid[: size[0], : size[1]].T + 0.5).T
            inside = np.ones(size, bool)
            if random.random() < 0.5:
                inside = (
                    np.hypot(2 * rows / size[0] - 1, 2 * columns / size[1] - 1) <= 1
                )
            place = ground[top : top + size[0], left : left + size[1]]
            place[inside] = random.uniform(0, 255, 3)
            boxes = np.concatenate([boxes, box])
    noisy = ground + random.normal(0, 8, ground.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8), boxes


def test_recall_on_simple_scenes():
    random = np.random.default_rng(0)
    scenes = [_scene(random) for _ in range(10)]
    truth = [{"boxes": b, "labels": np.zeros(len(b), int)} for _, b in scenes]
    proposals = [
        exemplar.selective_search(image, width=None, min_side=10) for image, _ in scenes
    ]
    assert sum(len(boxes) for _, boxes in scenes) >= 15
    assert max(map(len, proposals)) < 400
    for count, threshold, least in ((400, 0.7, 0.98), (100, 0.7, 0.95), (30, 0.5, 0.8)):
        recall = metrics.proposal_recall(
            truth, proposals, count, iou_threshold=threshold
        )
        assert recall >= least, (count, threshold)


@pytest.fixture(scope="module")
def photograph():
    return data.astronaut()[::5, ::5]


OWN_SIZE = {"width": None, "min_side": 8}


@pytest.mark.parametrize("mode", exemplar.SELECTIVE_SEARCH_MODES)
def test_boxes_of_a_photograph(photograph, mode):
    first, second, other = (
        exemplar.selective_search(photograph, mode, seed=seed, **OWN_SIZE)
        for seed in (0, 0, 1)
    )
    assert first.dtype == np.float32 and first.shape[1] == 4
    np.testing.assert_array_equal(first, second)
    assert (first[: len(other)] != other[: len(first)]).any()
    assert {*map(tuple, first)} == {*map(tuple, other)}  # in another order
    assert len({*map(tuple, first)}) == len(first) > 100
    sides = first[:, 2:] - first[:, :2]
    assert sides.min() >= 8 and (first >= 0).all()
    assert (first[:, 2:] <= photograph.shape[:2]).all()
    assert (0, 0, *photograph.shape[:2]) in {*map(tuple, first)}
    # Large regions first, on the whole.
    areas = sides.prod(axis=1)
    assert areas[: len(areas) // 5].mean() > 2 * areas[-len(areas) // 5 :].mean()


def test_modes_and_limits(photograph):
    boxes = {
        mode: {*map(tuple, exemplar.selective_search(photograph, mode, **OWN_SIZE))}
        for mode in exemplar.SELECTIVE_SEARCH_MODES
    }
    assert boxes["fast"] < boxes["quality"]
    every = exemplar.selective_search(photograph, **OWN_SIZE)
    some = exemplar.selective_search(photograph, max_boxes=7, **OWN_SIZE)
    np.testing.assert_array_equal(some, every[:7])
    everything = exemplar.selective_search(photograph, max_boxes=None, **OWN_SIZE)
    np.testing.assert_array_equal(everything, every)
    finer = exemplar.selective_search(photograph, scales=[20], **OWN_SIZE)
    assert {*map(tuple, finer)} - boxes["quality"]


def test_boxes_of_a_resized_image_are_those_of_the_given_one(photograph):
    boxes = exemplar.selective_search(photograph[:60], width=206, min_side=20)
    assert (0, 0, 60, 103) in {*map(tuple, boxes)}
    steps = boxes * 2  # twice the size: every edge is at a half pixel
    np.testing.assert_array_equal(steps, np.round(steps))
    assert (boxes[:, 2:] - boxes[:, :2]).min() >= 10
    assert (steps % 2 == 1).any()


@pytest.mark.parametrize(
    "shape", [(1, 1, 3), (1, 40), (300, 1, 1), (2, 3, 3), (19, 300, 3), (30, 30)]
)
def test_small_grey_and_even_images(shape):
    for value in (0, 200):
        image = np.full(shape, value, np.uint8)
        for mode in exemplar.SELECTIVE_SEARCH_MODES:
            boxes = exemplar.selective_search(image, mode, width=30, min_side=1)
            np.testing.assert_allclose(boxes, [(0, 0, *shape[:2])], rtol=1e-6)
            assert exemplar.selective_search(image, width=None, min_side=31).shape == (
                (0, 4)
            )


def test_a_narrow_image_does_not_become_huge():
    """It becomes 160 pixels high and one wide, not 40 wide and 20,000 high."""
    image = np.zeros((500, 1, 3), np.uint8)
    assert not len(exemplar.selective_search(image, width=40, min_side=2))
    assert len(exemplar.selective_search(image, width=40, min_side=1)) == 1


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"image": np.zeros((9, 9, 4), np.uint8)}, r"\(9, 9, 4\)"),
        ({"image": np.zeros((9, 9, 3))}, "float64"),
        ({"image": np.zeros((0, 9, 3), np.uint8)}, r"\(0, 9, 3\)"),
        ({"mode": "slow"}, "'fast' or 'quality', got 'slow'"),
        ({"seed": -1}, "seed .* got -1"),
        ({"max_boxes": 0}, "max_boxes .* got 0"),
        ({"width": 2.5}, "width .* got 2.5"),
        ({"min_side": 0}, "min_side .* got 0"),
        ({"scales": 50}, "scales .* got 50"),
        ({"scales": []}, r"scales .* got \[\]"),
        ({"scales": [50, 0]}, r"scales=\[50, 0\] .* got 0"),
    ],
)
def test_bad_arguments(change, quoted):
    with pytest.raises(ValueError, match=quoted):
        exemplar.selective_search(**{"image": np.zeros((9, 9, 3), np.uint8), **change})
