"""The figure of spatial transformers, read back pixel by pixel."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import figures
from keras_cnns.inspection import Warp

ORANGE, CYAN, GREY = (240, 130, 30), (0, 175, 190), (128, 128, 128)


def _warp(channels=1, left=0.0):
    """A black map of 14x14, 8 pixels each, and a square of it."""
    maps = np.zeros((2, 14, 14, channels), np.float32)
    maps[:, 7, 7] = 1
    x, y = np.meshgrid(np.linspace(left, 9, 7), np.linspace(2, 11, 7))
    places = np.stack([x, y], -1)[None].repeat(2, 0)
    return Warp("st", maps, places, np.ones((2, 7, 7, channels), np.float32))


def _pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def test_outline_and_output_by_hand(tmp_path):
    path = tmp_path / "figure.png"
    figures.transformer_grid([_warp()], path)
    pixels = _pixels(path)
    margin, side = 19, 112  # a sixth of the map
    assert pixels.shape == (2 * 150 + 4, 150 + 4 + side, 3)
    assert (
        tuple(pixels[3, 3]) == GREY
        and tuple(pixels[margin + 1, margin + 1]) == (0,) * 3
    )
    white = pixels[margin + 60, margin + 60]
    assert tuple(white) == (255,) * 3
    column = margin + 44
    assert tuple(pixels[margin + 20, column]) == CYAN  # (2 + 0.5) * 8
    assert tuple(pixels[margin + 92, column]) == ORANGE  # (11 + 0.5) * 8
    assert tuple(pixels[margin + 60, margin + 76]) == ORANGE  # (9 + 0.5) * 8
    assert (pixels[margin : margin + side, 154:] == 0).all()  # an even output
    assert (pixels[150:154] == 255).all()


def test_an_outline_reaches_into_the_margin(tmp_path):
    path = tmp_path / "figure.png"
    figures.transformer_grid([_warp(left=-1.5)], path)
    assert tuple(_pixels(path)[19 + 60, 19 - 8]) == ORANGE  # (-1.5 + 0.5) * 8


@pytest.mark.parametrize(("channels", "panels"), [(2, 2), (3, 1), (5, 1)])
def test_maps_of_several_channels(tmp_path, channels, panels):
    path = tmp_path / "figure.png"
    figures.transformer_grid([_warp(channels), _warp(channels)], path)
    one = panels * (150 + 112) + (2 * panels - 1) * 4
    assert _pixels(path).shape[1] == 2 * one + 16


def test_places_that_are_not_finite_are_left_out(tmp_path):
    warp = _warp()
    warp.places[0] = np.nan
    warp.outputs[0] = np.inf
    path = tmp_path / "figure.png"
    figures.transformer_grid([warp], path)
    assert not (_pixels(path)[:150] == ORANGE).all(-1).any()
    assert (_pixels(path)[154:] == ORANGE).all(-1).any()


def test_nothing_to_show_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a transformer and an image"):
        figures.transformer_grid([], tmp_path / "figure.png")
