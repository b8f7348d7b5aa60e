"""Maps as colours, over images, and in a grid."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import figures


def test_colours_of_a_map():
    """Red above 0, blue below, white at 0; all white where there is nothing."""
    colours = figures.map_colours([[2.0, 0], [-2, 1]])
    expected = [[[1, 0, 0], [1, 1, 1]], [[0, 0, 1], [1, 0.5, 0.5]]]
    np.testing.assert_allclose(colours, expected, atol=1e-2)
    np.testing.assert_array_equal(figures.map_colours(np.zeros((2, 2))), 1)


def test_single_pixels_do_not_hide_the_others():
    values = np.ones((40, 40))
    values[3, 4] = 1e6
    np.testing.assert_array_equal(figures.map_colours(values)[0, 0], [1, 0, 0])


def test_over_the_image_both_are_seen():
    image = np.array([[[1.0, 1, 1], [0, 0, 0]]])
    over = figures.over_image(image, np.ones((1, 2, 3)))
    np.testing.assert_allclose(over, [[[1, 1, 1], [0.55, 0.55, 0.55]]])


@pytest.mark.parametrize("random_maps", [False, True])
def test_grid_has_a_row_for_each_map(tmp_path, random_maps):
    path, image = str(tmp_path / "grid.png"), np.zeros((80, 100, 1))
    maps = [np.ones((80, 100))] * (1 + random_maps)
    figures.explanation_grid(path, image, [("a", *maps), ("b", *maps)], random_maps)
    width, height = Image.open(path).size
    columns = 4 if random_maps else 3
    assert 200 * columns < width < 200 * columns + 40
    assert 320 < height < 360
