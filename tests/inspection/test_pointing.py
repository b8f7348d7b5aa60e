"""The pointing game by hand."""

import numpy as np
import pytest

from keras_cnns import inspection


def test_hits_and_energy_by_hand():
    """Of 3 + 1 - 9 the positive part counts: 3 of 4 is in the box, then 1 of 4; a map
    without positive values hits nothing and has no energy."""
    maps = np.zeros((3, 4, 5))
    maps[:2, 1, 2], maps[:2, 3, 4], maps[:, 0, 0] = 3, 1, -9
    boxes = [(0, 1, 2, 3), (3, 4, 4, 5), (0, 0, 4, 5)]
    found = inspection.pointing_game(maps, boxes)
    assert found.hits == pytest.approx(1 / 3)
    assert found.energy == pytest.approx((3 / 4 + 1 / 4) / 2)
    assert found.area == pytest.approx((4 + 1 + 20) / 20 / 3)
    empty = inspection.pointing_game(maps[2:], boxes[2:])
    assert empty.hits == 0 and np.isnan(empty.energy)


def test_a_map_of_one_value_has_the_energy_of_the_area():
    found = inspection.pointing_game(np.ones((1, 8, 8)), [(2, 2, 6, 4)])
    assert found.energy == pytest.approx(found.area) == pytest.approx(8 / 64)


@pytest.mark.parametrize(
    ("maps", "boxes", "message"),
    [
        ((2, 4, 4), [(0, 0, 1, 1)], r"need boxes \(count, 4\), got \(2, 4, 4\)"),
        ((4, 4), [(0, 0, 1, 1)] * 4, r"maps \(count, height, width\) need"),
        ((1, 4, 4), [(2, 2, 2, 4)], r"box \[2, 2, 2, 4\] holds no pixel of \(4, 4\)"),
        ((1, 4, 4), [(-3, 0, 0, 4)], "holds no pixel"),
    ],
)
def test_bad_arguments_are_quoted(maps, boxes, message):
    with pytest.raises(ValueError, match=message):
        inspection.pointing_game(np.ones(maps), boxes)
