"""Masks: ratios within their bins, rectangles, and files in both directions."""

import time

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from keras_cnns import data, metrics
from keras_cnns.data import masks

# Lower bound excluded, upper bound included.
BINS = [(0.01, 0.1), (0.1, 0.2), (0.2, 0.3), (0.3, 0.4), (0.4, 0.5), (0.5, 0.6)]


def _holes(mask):
    return int((mask == 0).sum())


def _assert_is_mask(mask, height, width):
    assert mask.shape == (height, width, 1) and mask.dtype == np.float32
    assert set(np.unique(mask)) <= {0.0, 1.0}


@pytest.mark.parametrize("size", [(64, 64), (28, 28), (40, 75), (256, 256), (11, 3)])
def test_irregular_masks_lie_in_their_bin(size):
    assert list(data.HOLE_RATIO_BINS) == BINS
    for low, high in BINS:
        for seed in range(4 if size[0] > 99 else 20):
            mask = data.irregular_mask(*size, seed, hole_ratios=(low, high))
            _assert_is_mask(mask, *size)
            assert low < _holes(mask) / (size[0] * size[1]) <= high
            assert metrics.hole_ratio_bin(mask) == (low, high)


def test_every_number_of_pixels_of_a_bin_occurs():
    """Of 10x10 pixels, (0.1, 0.2] are 11 to 20, although 0.1 and 0.2 are rounded."""
    counts = {
        _holes(data.irregular_mask(10, 10, seed, hole_ratios=(0.1, 0.2)))
        for seed in range(200)
    }
    assert counts == set(range(11, 21))


def test_masks_are_a_function_of_the_seed():
    first, again, other = (
        data.irregular_mask(64, 64, seed) for seed in ((3, 7), (3, 7), (3, 8))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.random.seed(0)  # the global state must not matter
    np.testing.assert_array_equal(first, data.irregular_mask(64, 64, (3, 7)))
    seen = {data.irregular_mask(64, 64, i).tobytes() for i in range(50)}
    assert len(seen) == 50


def test_holes_are_connected_shapes_and_lie_everywhere():
    """Unlike noise: most pixels of a hole have four neighbours in it."""
    masks_ = np.stack([data.irregular_mask(64, 64, i)[..., 0] for i in range(200)])
    hole = masks_ == 0
    inner = hole[:, 1:-1, 1:-1]
    sides = [
        hole[:, :-2, 1:-1],
        hole[:, 2:, 1:-1],
        hole[:, 1:-1, :-2],
        hole[:, 1:-1, 2:],
    ]
    assert (inner & np.logical_and.reduce(sides)).sum() > 0.6 * inner.sum()
    often = hole.mean(0)
    assert often.min() > 0.05 and often.max() < 0.6


@pytest.mark.parametrize("border", [1, 10, 25])
def test_border_stays_valid(border):
    ratios = (0.01, (1 - 2 * border / 64) ** 2)
    touched = np.zeros((64, 64), bool)
    for seed in range(60):
        mask = data.irregular_mask(64, 64, seed, hole_ratios=ratios, border=border)
        touched |= mask[..., 0] == 0
    expected = np.zeros((64, 64), bool)
    expected[border:-border, border:-border] = True
    np.testing.assert_array_equal(touched, expected)


def test_the_whole_inside_can_be_hole():
    """A border leaves 16 of 36 pixels: more than 15 of 36 are met by all of them."""
    mask = data.irregular_mask(6, 6, 1, hole_ratios=(15.5 / 36, 1.0), border=1)
    assert _holes(mask) == 16 and not mask[1:5, 1:5].any()
    whole = data.irregular_mask(6, 6, 1, hole_ratios=(0.96, 1.0))
    assert _holes(whole) == 35  # one pixel always stays


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"hole_ratios": (0.5, 0.5)}, r"\(0.5, 0.5\)"),
        ({"hole_ratios": (0.5, 1.2)}, "1.2"),
        ({"hole_ratios": (-0.1, 0.2)}, "-0.1"),
        ({"hole_ratios": 0.3}, "0.3"),
        ({"hole_ratios": (float("nan"), 0.3)}, "nan"),
        ({"hole_ratios": (0.5, 0.6), "border": 3}, "border of 3 has 16 of 100"),
        ({"border": 5}, "got 5"),
        ({"border": -1}, "got -1"),
        ({"height": 0}, "0x10"),
        ({"height": 1, "width": 1}, "cannot be met"),
    ],
)
def test_bad_irregular_masks_are_refused(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        data.irregular_mask(**{"height": 10, "width": 10, "seed": 0, **arguments})


@pytest.mark.slow
def test_irregular_masks_are_fast_enough_for_training():
    """At least 300 a second and core; measured: 970, and 410 in the dearest bin."""
    start = time.process_time()
    for seed in range(150):
        data.irregular_mask(64, 64, seed)
    assert time.process_time() - start < 0.5


def test_rectangles():
    sizes, corners = set(), set()
    for seed in range(300):
        mask = data.rectangle_mask(
            12, 20, seed, heights=(3, 5), widths=(4, 4), border=2
        )
        _assert_is_mask(mask, 12, 20)
        rows, columns, _ = ndimage.find_objects((mask == 0).astype(int))[0]
        top, left = rows.start, columns.start
        height, width = rows.stop - top, columns.stop - left
        assert _holes(mask) == height * width
        assert 2 <= top <= 10 - height and 2 <= left <= 18 - width
        sizes.add((height, width))
        corners.add((top, left))
    assert sizes == {(3, 4), (4, 4), (5, 4)}
    assert corners >= {(2, 2), (7, 14)}
    np.testing.assert_array_equal(
        data.rectangle_mask(12, 20, 4, heights=(3, 5), widths=(4, 9)),
        data.rectangle_mask(12, 20, 4, heights=(3, 5), widths=(4, 9)),
    )


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"heights": (0, 3)}, r"heights .* 1 and 8 pixels, got \(0, 3\)"),
        ({"heights": (3, 9), "border": 1}, r"heights .* 1 and 6 pixels, got \(3, 9\)"),
        ({"widths": (4, 3)}, r"widths .*\(4, 3\)"),
        ({"widths": 4}, "widths .* got 4"),
        ({"heights": (1, 8), "widths": (8, 8)}, "8x8 would leave no valid pixel"),
        ({"border": 4}, "border"),
    ],
)
def test_bad_rectangles_are_refused(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        data.rectangle_mask(
            8, 8, 0, **{"heights": (2, 3), "widths": (2, 3), **arguments}
        )


def test_white_on_disk_is_hole(tmp_path):
    path = str(tmp_path / "mask.png")
    mask = data.irregular_mask(9, 14, 5)
    data.write_mask(path, mask)
    on_disk = np.asarray(Image.open(path))
    np.testing.assert_array_equal(on_disk, 255 * (mask[..., 0] == 0))
    read = data.read_mask(path, (9, 14))
    _assert_is_mask(read, 9, 14)
    np.testing.assert_array_equal(read, mask)
    data.write_mask(path, mask[..., 0])
    np.testing.assert_array_equal(data.read_mask(path), mask)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "RGBA"])
def test_kinds_of_images(tmp_path, mode, caplog):
    pixels = np.zeros((5, 5), np.uint8)
    pixels[2, 3] = 255
    path = str(tmp_path / "mask.png")
    Image.fromarray(pixels).convert("RGB").convert(mode).save(path)
    np.testing.assert_array_equal(data.read_mask(path)[..., 0], pixels == 0)
    assert not caplog.records


def _save(path, pixels):
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def test_grey_values_are_thresholded_with_one_warning(tmp_path, caplog):
    path = tmp_path / "a.png"
    _save(path, [[0, 1, 127], [128, 254, 255]])
    with caplog.at_level("WARNING", logger="absl"):
        mask = data.read_mask(str(path))
    np.testing.assert_array_equal(mask[..., 0], [[1, 1, 1], [0, 0, 0]])
    assert len(caplog.records) == 1 and "a.png has grey values" in caplog.text
    caplog.clear()
    _save(tmp_path / "b.png", [[0, 255, 0]] * 2)
    _save(tmp_path / "c.png", [[9, 255, 0]] * 2)
    with caplog.at_level("WARNING", logger="absl"):
        loaded = list(masks.read_mask_files(str(tmp_path), (2, 3)))
    assert len(loaded) == 3
    for one in loaded:
        _assert_is_mask(one, 2, 3)
    np.testing.assert_array_equal(loaded[2][..., 0], [[1, 0, 1]] * 2)
    assert len(caplog.records) == 1
    assert "a.png (and 1 more) has grey values" in caplog.text


def test_masks_of_another_size(tmp_path):
    path = tmp_path / "mask.png"
    pixels = np.zeros((4, 6), np.uint8)
    pixels[:2, :3] = 255
    _save(path, pixels)
    with pytest.raises(ValueError, match="mask.png is 4x6 .*image is 8x6"):
        data.read_mask(str(path), (8, 6))
    (large,) = masks.read_mask_files(str(tmp_path), (8, 12))
    assert large[:4, :6].sum() == 0 and large.sum() == 96 - 24
    (small,) = masks.read_mask_files(str(tmp_path), (2, 2))
    np.testing.assert_array_equal(small[..., 0], [[0, 1], [1, 1]])
    _save(path, np.full((5, 5), 255))
    with pytest.raises(ValueError, match="mask.png is all hole"):
        list(masks.read_mask_files(str(tmp_path), (8, 12)))


def test_extreme_masks(tmp_path):
    path = str(tmp_path / "mask.png")
    _save(path, np.zeros((4, 4)))
    assert data.read_mask(path).all()  # no hole at all
    single = np.zeros((4, 4))
    single[1, 2] = 255
    _save(path, single)
    assert _holes(data.read_mask(path)) == 1
    _save(path, np.full((4, 4), 255))
    with pytest.raises(ValueError, match="mask.png is all hole"):
        data.read_mask(path)


def test_bad_files_are_named(tmp_path):
    with pytest.raises(FileNotFoundError):
        data.read_mask(str(tmp_path / "none.png"))
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no image")
    with pytest.raises(ValueError, match="bad.png cannot be read"):
        data.read_mask(str(bad))
    _save(bad, np.random.default_rng(0).integers(0, 256, (30, 30)))
    bad.write_bytes(bad.read_bytes()[:60])
    with pytest.raises(ValueError, match="bad.png cannot be read"):
        data.read_mask(str(bad))
    for folder in (tmp_path / "empty", tmp_path / "none"):
        with pytest.raises(ValueError, match="is no folder, or holds no masks"):
            list(masks.read_mask_files(str(folder), (3, 3)))
    (tmp_path / "notes.txt").write_text("no mask")
    with pytest.raises(ValueError, match="notes.txt"):
        list(masks.read_mask_files(str(tmp_path), (3, 3)))


def test_animations_and_giant_files_are_no_masks(tmp_path, monkeypatch):
    path = str(tmp_path / "mask.gif")
    frames = [Image.new("L", (5, 4), level) for level in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    with pytest.raises(ValueError, match="mask .*mask.gif .* it has 2 frames"):
        data.read_mask(path)
    frames[0].save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 9)  # twice that is refused
    with pytest.raises(ValueError, match=r"mask.gif cannot be read: .*\(20 pixels\)"):
        data.read_mask(path)


def test_only_lossless_files_are_written(tmp_path):
    with pytest.raises(ValueError, match="mask.jpg"):
        masks.write_mask(str(tmp_path / "mask.jpg"), np.ones((3, 3)))
    with pytest.raises(ValueError, match="0.2"):
        masks.write_mask(str(tmp_path / "mask.png"), np.full((3, 3), 0.2))
    assert not list(tmp_path.iterdir())
