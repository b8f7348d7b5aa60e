"""Patches are those of the whole picture, exactly, and streams resume."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import data
from keras_cnns._luma import luma
from keras_cnns.data.super_resolution import PatchRecipe

SIZES = {"a": (66, 50), "b": (48, 71), "c": (60, 60)}


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Three pictures of noise: every patch is found in one place alone."""
    folder = tmp_path_factory.mktemp("pictures") / "train"
    folder.mkdir()
    random = np.random.default_rng(0)
    for name, size in SIZES.items():
        pixels = random.integers(0, 256, (*size, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return data.open_source(str(folder.parent), "train", labelled=False)


def whole_pairs(source, scale, **options):
    batches = data.load_super_resolution_evaluation(source, scale, **options)
    return [(small[0], large[0]) for small, large in batches.as_numpy_iterator()]


def find(patch, picture):
    """Row and column of a patch; None if it is not there."""
    height, width = patch.shape[:2]
    windows = np.lib.stride_tricks.sliding_window_view(picture[..., 0], (height, width))
    places = np.argwhere(np.abs(windows - patch[..., 0]).max((2, 3)) < 1e-5)
    return tuple(places[0]) if len(places) else None


def located(patch, pairs):
    """(index of the picture, row, column)."""
    for i, (_, large) in enumerate(pairs):
        place = find(patch, large)
        if place:
            return (i, *place)
    raise AssertionError("the patch is in no picture")


def ways(patch):
    """All eight ways in which it may lie, each undone."""
    for turns in range(4):
        turned = np.rot90(patch, turns)
        yield turned
        yield turned[:, ::-1]


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_small_patches_are_those_of_the_whole_small_picture(source, scale):
    """Also at borders; each in all three channels."""
    recipe = PatchRecipe((scale,), 6 * scale, augmented=False, patches_per_picture=4)
    pairs = whole_pairs(source, scale)
    batches = data.load_super_resolution_training(source, 12, recipe=recipe)
    seen = set()
    for small, large in batches.take(5).as_numpy_iterator():
        assert small.shape == (12, 6, 6, 3)
        assert large.shape == (12, 6 * scale, 6 * scale, 3)
        for low, high in zip(small, large):
            i, row, column = located(high, pairs)
            assert row % scale == column % scale == 0
            row, column = row // scale, column // scale
            expected = pairs[i][0][row : row + 6, column : column + 6]
            np.testing.assert_allclose(low, expected, atol=1e-6)
            seen.add((i, row, column))
    assert len(seen) > 40 and {i for i, _, _ in seen} == {0, 1, 2}
    assert any(0 in (row, column) for _, row, column in seen)  # at a border


def test_enlarged_patches_of_several_scales(source):
    """Anywhere, of any scale; the first is the bicubic one of the whole picture."""
    recipe = PatchRecipe(
        (2, 3, 4), 17, channels=1, enlarged=True, augmented=False,
        patches_per_picture=6,
    )  # fmt: skip
    by_scale = {s: whole_pairs(source, s, channels=1, enlarged=True) for s in (2, 3, 4)}
    batches = data.load_super_resolution_training(source, 18, recipe=recipe)
    found, offsets = [], set()
    for enlarged, large in batches.take(2).as_numpy_iterator():
        assert enlarged.shape == large.shape == (18, 17, 17, 1)
        for low, high in zip(enlarged, large):
            i, row, column = located(high, by_scale[2])
            window = slice(row, row + 17), slice(column, column + 17)
            errors = {
                s: np.abs(pairs[i][0][window] - low).max()
                for s, pairs in by_scale.items()
                if pairs[i][0][window].shape == low.shape
            }
            scale = min(errors, key=errors.get)
            assert errors[scale] < 1e-5
            found.append(scale)
            offsets.add((row % scale, column % scale))
    assert set(found) == {2, 3, 4} and len(offsets) > 4


def test_augmented_patches_lie_in_all_eight_ways(source):
    recipe = PatchRecipe((2,), 12, patches_per_picture=8)
    pairs = whole_pairs(source, 2)
    batches = data.load_super_resolution_training(source, 24, recipe=recipe)
    seen = set()
    for small, large in batches.take(2).as_numpy_iterator():
        for low, high in zip(small, large):
            for way, (one, other) in enumerate(zip(ways(low), ways(high))):
                places = [find(other, whole) for _, whole in pairs]
                if any(places):
                    (i,) = np.flatnonzero([place is not None for place in places])
                    row, column = (n // 2 for n in places[i])
                    expected = pairs[i][0][row : row + 6, column : column + 6]
                    np.testing.assert_allclose(one, expected, atol=1e-6)
                    seen.add(way)
    assert seen == set(range(8))


def test_whole_pictures(source):
    for scale, sides in ((2, (66, 50)), (4, (64, 48))):
        small, large = whole_pairs(source, scale)[0]
        assert large.shape == (*sides, 3)
        pixels = np.asarray(Image.open(source.files[0]))[: sides[0], : sides[1]]
        np.testing.assert_allclose(255 * large, pixels, atol=1e-4)
        expected = data.resize_bicubic(pixels, 1 / scale).numpy()
        np.testing.assert_array_equal(
            np.rint(255 * small), np.rint(expected.clip(0, 255))
        )
    grey, _ = whole_pairs(source, 4, channels=1)[0]
    np.testing.assert_allclose(255 * grey, luma(255.0 * small), atol=1e-3)


def test_stream_goes_on_from_any_step(source):
    recipe = PatchRecipe((3,), 9, patches_per_picture=2)
    given = {"recipe": recipe, "seed": 4}
    whole = data.load_super_resolution_training(source, 4, **given)
    later = data.load_super_resolution_training(source, 4, 3, **given)
    pairs = zip(whole.skip(3).take(2), later.take(2))
    for one, other in pairs:
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"scales": ()}, "scales"),
        ({"scales": (1,)}, "scales.*got 1"),
        ({"scales": (2, 3)}, r"scales=\(2, 3\): small patches of several"),
        ({"scales": (4,), "patch_size": 50}, "patch_size=50.*multiple of the scale 4"),
        ({"channels": 2}, "channels.*got 2"),
        ({"patches_per_picture": 0}, "patches_per_picture.*got 0"),
        ({"augmented": "flip"}, "augmented.*got 'flip'"),
    ],
)
def test_bad_recipes_are_refused(changes, quoted):
    with pytest.raises(ValueError, match=quoted):
        PatchRecipe(**changes)


def test_pictures_that_are_too_small_are_told(source):
    batches = data.load_super_resolution_training(source, 3, recipe=PatchRecipe())
    with pytest.raises(Exception, match="smaller than.*96"):
        next(iter(batches))
    recipe = PatchRecipe(patches_per_picture=4)
    with pytest.raises(ValueError, match="batch_size=6.*patches_per_picture=4"):
        data.load_super_resolution_training(source, 6, recipe=recipe)
