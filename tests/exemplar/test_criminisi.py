"""Criminisi's fill against an implementation in plain loops, and its acceptance."""

import functools
import math

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from skimage import color, data

from keras_cnns import exemplar
from keras_cnns.exemplar.fill_front import FillFront


def _square_hole(shape=(48, 48), rows=(14, 34), columns=(14, 34)):
    mask = np.ones(shape, bool)
    mask[slice(*rows), slice(*columns)] = False
    return mask


def _bar(is_colour):
    """A horizontal bar on flat ground, through the middle of the hole."""
    image = np.full((48, 48, 3), (250, 250, 200), np.uint8)
    image[21:27] = (10, 20, 60)
    return image if is_colour else image[..., 0].copy()


def _diagonal_stripes(is_colour):
    rows, columns = np.indices((48, 48))
    image = np.where((rows + columns) // 6 % 2, 240, 10).astype(np.uint8)
    return np.stack([image, 255 - image, image // 2], -1) if is_colour else image


def _mean_error(filled, image, mask):
    return np.abs(filled.astype(float) - image)[~mask].mean()


@pytest.mark.parametrize("is_colour", [False, True])
@pytest.mark.parametrize("options", [{}, {"colour_space": "rgb"}, {"search_radius": 9}])
@pytest.mark.parametrize("scene", [_bar, _diagonal_stripes])
def test_structure_is_continued_exactly(scene, options, is_colour):
    """The fact sheet: mean error 0, against more than 50 grey levels of mean fill."""
    image, mask = scene(is_colour), _square_hole()
    damaged = np.where(mask[..., None] if is_colour else mask, image, np.uint8(0))
    filled = exemplar.fill_criminisi(damaged, mask, **options)
    assert _mean_error(filled, image, mask) == 0
    assert _mean_error(exemplar.fill_mean(damaged, mask), image, mask) > 50


def _first_priorities(image, mask, patch_size=9, has_data_term=True):
    planes = image.reshape(*mask.shape, -1)
    return FillFront(planes, mask, patch_size, has_data_term).priorities


@pytest.mark.parametrize("is_colour", [False, True])
def test_first_patch_is_next_to_the_bar_or_at_a_corner(is_colour):
    """The bar's edges lie between rows 20 and 21, and 26 and 27; the reach is 4."""
    image, mask = _bar(is_colour), _square_hole()
    priorities = _first_priorities(image, mask)
    row, column = np.unravel_index(priorities.argmax(), mask.shape)
    assert 20 - 4 <= row <= 27 + 4 and column in (14, 33)
    confidences = _first_priorities(image, mask, has_data_term=False)
    found = np.unravel_index(confidences.argmax(), mask.shape)
    assert found[0] in (14, 33) and found[1] in (14, 33)


def test_priorities_by_hand():
    """At a corner 56 of 81 pixels are known, at an edge 36; a step of 240 is halved."""
    image, mask = _bar(False), _square_hole()
    confidences = _first_priorities(image, mask, has_data_term=False)
    assert confidences[14, 14] == pytest.approx(56 / 81)
    assert confidences[24, 14] == pytest.approx(36 / 81)
    front = np.isfinite(confidences)
    assert front.sum() == 4 * 19 and not front[15:33, 15:33].any()
    priorities = _first_priorities(image, mask)
    # Central difference at the bar's edge; the hole's normal lies along the bar.
    assert priorities[24, 14] == pytest.approx(36 / 81 * (120 / 255 + 0.001))
    assert priorities[14, 24] == pytest.approx(36 / 81 * 0.001)


def test_image_border_belongs_to_no_patch():
    """A hole at the border: a patch counts only the pixels that lie in the image."""
    image, mask = np.full((20, 20), 9, np.uint8), np.ones((20, 20), bool)
    mask[0:3, 0:3] = False
    confidences = _first_priorities(image, mask, 5, has_data_term=False)
    # Around (0, 2): rows 0-2 and columns 0-4, of which 0-2 are unknown.
    assert confidences[0, 2] == pytest.approx(6 / 15)
    assert confidences[2, 2] == pytest.approx((25 - 9) / 25)


def _windows(places, reach, shape):
    for row, column in places:
        yield (
            slice(max(row - reach, 0), min(row + reach + 1, shape[0])),
            slice(max(column - reach, 0), min(column + reach + 1, shape[1])),
        )


def _plain_gradient(levels, known, place):
    """Central difference; a neighbour that is unknown is replaced by the pixel."""
    gradient = []
    for step in ((1, 0), (0, 1)):
        ends = []
        for sign in (1, -1):
            near = (place[0] + sign * step[0], place[1] + sign * step[1])
            inside = all(0 <= x < n for x, n in zip(near, known.shape))
            ends.append(levels[near if inside and known[near] else place])
        gradient.append((ends[0] - ends[1]) / 2)
    return gradient


def _plain_normal(padded, place):
    near = padded[place[0] : place[0] + 3, place[1] : place[1] + 3]
    kernel = np.outer([-1, 0, 1], [1, 2, 1])
    normal = np.array([(near * kernel).sum(), (near * kernel.T).sum()])
    length = np.linalg.norm(normal)
    return normal / length if length else normal


def _first_bits(value):
    """A number with 24 bits of mantissa, as wide as those of float32."""
    mantissa, exponent = math.frexp(value)
    return math.ldexp(round(mantissa * 2**24), exponent - 24)


def _plain_priority(gradient_at, largest, known, padded, confidence, place, window):
    gradients = [
        gradient_at((row, column))
        for row in range(window[0].start, window[0].stop)
        for column in range(window[1].start, window[1].stop)
        if known[row, column]
    ]
    down, across = max(gradients, key=lambda g: g[0] ** 2 + g[1] ** 2)
    normal = _plain_normal(padded, place)
    data_term = abs(across * normal[0] - down * normal[1]) / largest + 0.001
    mean_confidence = math.fsum(confidence[window].flat) / known[window].size
    return _first_bits(mean_confidence * data_term)


def _plain_source(values, current, known, source_known, place, window, reach):
    """First fully known patch of the least difference over the valid pixels."""
    size = 2 * reach + 1
    rows, columns = (
        slice(part.start - middle + reach, part.stop - middle + reach)
        for part, middle in zip(window, place)
    )
    parts = sliding_window_view(values, (size, size), axis=(0, 1))[..., rows, columns]
    wanted = np.moveaxis(current[window], -1, 0)
    distances = ((parts - wanted) ** 2 * known[window]).sum((2, 3, 4))
    usable = sliding_window_view(source_known, (size, size)).all((2, 3))
    distances[~usable] = np.inf
    top, left = np.unravel_index(distances.argmin(), distances.shape)
    return (
        slice(top + rows.start, top + rows.stop),
        slice(left + columns.start, left + columns.stop),
    )


def _plain_fill(image, mask, size, values):
    """The paper's algorithm, one pixel at a time, everything anew for each patch.

    Returns the filled image and the patches' centres, in their order.
    """
    reach, known, order = size // 2, mask.copy(), []
    image, current, confidence = image.copy(), values.copy(), mask.astype(float)
    while not known.all():
        levels = image.sum(axis=-1).astype(float)  # whole numbers: ties are true ones
        front = [
            place
            for place in map(tuple, np.argwhere(~known))
            if known[next(_windows([place], 1, mask.shape))].any()
        ]
        windows = list(_windows(front, reach, mask.shape))
        largest = 255 * image.shape[2]
        gradient_at = functools.lru_cache(maxsize=None)(
            functools.partial(_plain_gradient, levels, known)
        )
        padded = np.pad(known.astype(float), 1, mode="edge")
        priorities = [
            _plain_priority(
                gradient_at, largest, known, padded, confidence, place, window
            )
            for place, window in zip(front, windows)
        ]
        first = int(np.argmax(priorities))
        place, window = front[first], windows[first]
        part = _plain_source(values, current, known, mask, place, window, reach)
        unknown = ~known[window]
        term = math.fsum(confidence[window].flat) / unknown.size
        image[window][unknown] = image[part][unknown]
        current[window][unknown] = values[part][unknown]
        confidence[window][unknown] = term
        known[window] = True
        order.append(tuple(map(int, place)))
    return image, order


@pytest.mark.parametrize("space", ["rgb", "lab", "grey"])
@pytest.mark.parametrize("corner", [(100, 200), (250, 60)])
def test_against_plain_loops(space, corner):
    image = data.astronaut()[corner[0] :, corner[1] :][:22, :26]
    mask = np.ones((22, 26), bool)
    mask[7:15, 9:18] = mask[:5, 20:] = mask[20:, 3] = False
    if space == "grey":
        image = image[..., 1:2]
    values = image.astype(float)
    if space == "lab":
        values = np.rint(color.rgb2lab(image) * 16)
    expected, _ = _plain_fill(image, mask, 5, values)
    options = {} if space == "grey" else {"colour_space": space}
    filled = exemplar.fill_criminisi(image, mask, patch_size=5, **options)
    np.testing.assert_array_equal(filled, expected)


def _level_stripes():
    """Level stripes, along which all is alike."""
    rows = np.arange(17, 107)[:, np.newaxis, np.newaxis] // 6 % 2 * 200 + 20
    return np.broadcast_to(rows, (90, 90, 3)).astype(np.uint8)


def _photograph():
    """Without ties; ``test_against_plain_loops`` has smaller holes in it."""
    return data.astronaut()[77:167, 163:253]


@pytest.mark.parametrize(
    "scene", [pytest.param(_photograph, marks=pytest.mark.slow), _level_stripes]
)
def test_small_patches_in_a_deep_hole_against_plain_loops(scene, monkeypatch):
    """Also with ties all along, and confidences that fall far towards the middle."""
    image, mask = scene(), np.ones((90, 90), bool)
    mask[23:67, 23:67] = False
    centres, close = [], FillFront.close

    def recorded_close(front, row, column, colours):
        centres.append((int(row), int(column)))
        return close(front, row, column, colours)

    monkeypatch.setattr(FillFront, "close", recorded_close)
    options = {"patch_size": 3, "colour_space": "rgb"}
    filled = exemplar.fill_criminisi(image, mask, **options)
    expected, order = _plain_fill(image, mask, 3, image.astype(float))
    assert centres == order
    np.testing.assert_array_equal(filled, expected)


def _origins(radius):
    """Where each hole pixel was copied from, told by colours that name places."""
    random = np.random.default_rng(0)
    names = random.permutation(60)
    image = np.zeros((60, 60, 3), np.uint8)
    image[..., 0], image[..., 1] = 4 * names[:, np.newaxis], 4 * names
    mask = _square_hole((60, 60), (24, 36), (24, 36))
    options = {"colour_space": "rgb", "search_radius": radius}
    filled = exemplar.fill_criminisi(image, mask, **options)
    place_of = np.argsort(names)
    places = place_of[filled[~mask][:, :2] // 4]
    return np.abs(places - np.argwhere(~mask)).max()


def test_sources_lie_within_the_radius():
    assert _origins(None) > 16 >= _origins(16)


def test_radius_without_a_source_is_doubled():
    """From 9 x 9 patches, 1 pixel around the hole's edge holds no known one."""
    assert 1 < _origins(1) <= 16
