"""PNG files, read back pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import figures


def _read(path):
    return np.asarray(Image.open(path))


def test_grey_grid_by_hand(tmp_path):
    images = np.array([-1.0, 0, 1]).reshape(3, 1, 1, 1) * np.ones((3, 1, 2, 1))
    path = tmp_path / "grid.png"
    figures.image_grid(images, path, columns=2)
    white = [255, 255]
    expected = [
        [0, 0, *white, 128, 128],
        [*white, *white, *white],
        [*white, *white, *white],
        [255, 255, *white, *white],
    ]
    np.testing.assert_array_equal(_read(path), expected)


def test_colours_of_the_unit_range_are_clipped_and_scaled(tmp_path):
    images = np.array([[0.2, 0.4, 1.7], [-3, 0.6, 1]]).reshape(2, 1, 1, 3)
    path = tmp_path / "folder" / "grid.png"
    figures.image_grid(images, path, 2, "unit", scale=3)
    pixels = _read(path)
    assert pixels.shape == (3, 3 + 2 + 3, 3)
    assert (pixels[:, :3] == [51, 102, 255]).all()
    assert (pixels[:, 3:5] == 255).all()
    assert (pixels[:, 5:] == [0, 153, 255]).all()


def test_squarest_grid_is_the_default(tmp_path):
    path = tmp_path / "grid.png"
    figures.image_grid(np.zeros((9, 4, 4, 1)), path)
    assert _read(path).shape == (3 * 4 + 4, 3 * 4 + 4)


@pytest.mark.parametrize("channels", [1, 3])
def test_labels_stand_in_margins_beside_their_row_and_column(tmp_path, channels):
    images = -np.ones((4, 30, 20, channels))
    path = tmp_path / "grid.png"
    figures.image_grid(images, path, 2, row_labels=["", "low"])
    pixels = _read(path).reshape(62, -1, channels)[..., 0]
    left = pixels.shape[1] - 42
    assert left > 0 and (pixels[:30, left : left + 20] == 0).all()
    assert (pixels[:30, :left] == 255).all()
    assert (pixels[32:, :left] < 128).any()
    figures.image_grid(images, path, 2, column_labels=["", "b"])
    pixels = _read(path).reshape(-1, 42, channels)[..., 0]
    top = len(pixels) - 62
    assert (pixels[:top, :20] == 255).all() and (pixels[:top, 22:] < 128).any()
    assert (pixels[top : top + 30, :20] == 0).all()


@pytest.mark.parametrize(
    ("images", "arguments", "quoted"),
    [
        (np.zeros((2, 3, 3)), {}, r"got \(2, 3, 3\)"),
        (np.zeros((2, 3, 3, 2)), {}, r"got \(2, 3, 3, 2\)"),
        (np.zeros((0, 3, 3, 1)), {}, r"got \(0, 3, 3, 1\)"),
        (np.full((2, 3, 3, 1), np.nan), {}, "18 values NaN"),
        (np.zeros((2, 3, 3, 1)), {"value_range": "bytes"}, "'bytes'"),
        (np.zeros((2, 3, 3, 1)), {"columns": 0}, "columns.*got 0"),
        (np.zeros((2, 3, 3, 1)), {"scale": 0.5}, "scale.*got 0.5"),
        (np.zeros((2, 3, 3, 1)), {"row_labels": ["a", "b"]}, "1 are needed"),
        (np.zeros((2, 3, 3, 1)), {"column_labels": ["a"]}, "2 are needed"),
    ],
)
def test_bad_arguments_are_quoted_and_nothing_is_written(
    tmp_path, images, arguments, quoted
):
    with pytest.raises(ValueError, match=quoted):
        figures.image_grid(images, tmp_path / "grid.png", **arguments)
    assert not list(tmp_path.iterdir())


def test_heat_by_hand():
    gradients = np.array([[[1.0, 1], [-0.5, -0.5]], [[0, 0], [0.5, 0.5]]])
    heat = figures.signed_heat(np.stack([gradients, 0 * gradients]))
    expected = [[[1, 0, 0], [0.5, 0.5, 1]], [[1, 1, 1], [1, 0.5, 0.5]]]
    np.testing.assert_allclose(heat[0], expected)
    assert (heat[1] == 1).all()


def test_around_grey_by_hand():
    gradients = np.array([[4.0, -2], [0, 0]]).reshape(2, 1, 2, 1)
    result = figures.around_grey(gradients).reshape(2, 2)
    np.testing.assert_allclose(result, [[1, 0.25], [0.5, 0.5]])


def _levels(first, count):
    """Images of 3x3 pixels with one grey level each, of [0, 255]."""
    levels = np.arange(first, first + count, dtype=np.float32)
    return np.tile(levels[:, None, None, None], (1, 3, 3, 1))


def test_simulated_stand_above_refined_and_real_beside(tmp_path):
    path = str(tmp_path / "grid.png")
    images = [_levels(*place) / 127.5 - 1 for place in ((0, 4), (50, 4), (100, 8))]
    figures.refinement_grid(*images, path, columns=2)
    with Image.open(path) as grid:
        pixels = np.asarray(grid)
    # Fourfold pixels of 3x3 images, 2 white ones between them, labels at left, above.
    cells = pixels[-(4 * 14 - 2) :, -(5 * 14 - 2) :][6::14, 6::14]
    np.testing.assert_array_equal(
        cells,
        [[0, 1, 255, 100, 101], [50, 51, 255, 102, 103],
         [2, 3, 255, 104, 105], [52, 53, 255, 106, 107]],
    )  # fmt: skip
    with pytest.raises(ValueError, match="4 simulated, 4 refined and 4 real"):
        figures.refinement_grid(images[0], *images[:2], path, columns=2)
