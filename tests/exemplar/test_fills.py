"""What all fills promise, whatever the method."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
from skimage import data

from keras_cnns import exemplar

METHODS = sorted(exemplar.METHODS)
PATCH_METHODS = ("criminisi", "patch_match")


def _scene(shape=(41, 53, 3), seed=0):
    """Part of a photograph, and a mask with two holes, one of them at the border."""
    rows, columns = shape[:2]
    photograph = data.chelsea()[60 : 60 + rows, 90 : 90 + columns]
    image = photograph if len(shape) == 3 else photograph[..., 1]
    if shape[2:] == (1,):
        image = photograph[..., :1]
    mask = np.ones(shape[:2], bool)
    mask[rows // 3 : rows // 3 + 9, columns // 2 : columns // 2 + 11] = False
    mask[:5, :7] = False
    return image.copy(), mask


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("shape", [(41, 53), (41, 53, 1), (41, 53, 3), (30, 64, 3)])
def test_shape_type_and_valid_pixels(method, shape):
    image, mask = _scene(shape)
    before = image.copy(), mask.copy()
    filled = exemplar.fill(image, mask, method)
    assert filled.shape == shape and filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[mask], image[mask])
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(mask, before[1])
    assert not np.shares_memory(filled, image)


@pytest.mark.parametrize("method", METHODS)
def test_what_lies_under_the_hole_has_no_effect(method):
    image, mask = _scene()
    other = image.copy()
    other[~mask] = np.random.default_rng(1).integers(256, size=other[~mask].shape)
    np.testing.assert_array_equal(
        exemplar.fill(image, mask, method), exemplar.fill(other, mask, method)
    )


@pytest.mark.parametrize("method", METHODS)
def test_same_seed_same_result(method):
    image, mask = _scene()
    results = [exemplar.fill(image, mask, method, seed=s) for s in (3, 3, 4)]
    np.testing.assert_array_equal(*results[:2])
    is_other = (results[0] != results[2]).any()
    assert is_other == (method == "patch_match")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32])
def test_kinds_of_masks(method, kind):
    image, mask = _scene()
    expected = exemplar.fill(image, mask, method)
    for shape in (mask.shape, (*mask.shape, 1)):
        found = exemplar.fill(image, mask.astype(kind).reshape(shape), method)
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("method", METHODS)
def test_no_hole_gives_a_copy(method):
    image, mask = _scene()
    fractions = []
    filled = exemplar.fill(image, np.ones_like(mask), method, progress=fractions.append)
    np.testing.assert_array_equal(filled, image)
    assert not np.shares_memory(filled, image) and fractions == [1.0]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("place", [(20, 20), (0, 0), (40, 52), (0, 30)])
def test_hole_of_one_pixel_in_one_colour(method, place):
    image = np.full((41, 53, 3), (200, 30, 90), np.uint8)
    mask = np.ones((41, 53), bool)
    mask[place] = False
    damaged = image.copy()
    damaged[place] = 0
    np.testing.assert_array_equal(exemplar.fill(damaged, mask, method), image)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("ending", [(), (1,), (3,)])
def test_all_hole_is_refused(method, ending):
    image = np.zeros((8, 9, *ending), np.uint8)
    with pytest.raises(ValueError, match="no valid pixel among 72"):
        exemplar.fill(image, np.zeros((8, 9)), method)


@pytest.mark.parametrize("method", METHODS)
def test_progress_rises_to_one(method):
    image, mask = _scene()
    fractions = []
    exemplar.fill(image, mask, method, progress=fractions.append)
    assert fractions[-1] == 1 and fractions[0] > 0 and (np.diff(fractions) >= 0).all()
    assert len(fractions) > 3 or method not in PATCH_METHODS


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"mask": np.ones((41, 52))}, r"\(41, 53\), got \(41, 52\)"),
        ({"mask": np.ones((41, 53, 3))}, r"got \(41, 53, 3\)"),
        ({"mask": np.full((41, 53), 0.5)}, "got 0.5"),
        ({"mask": np.full((41, 53), np.nan)}, "got nan"),
        ({"mask": np.full((41, 53), 255)}, "got 255"),
        ({"image": np.zeros((41, 53, 3))}, "got float64"),
        ({"image": np.zeros((41, 53, 4), np.uint8)}, r"got uint8 .*\(41, 53, 4\)"),
        ({"image": np.zeros((0, 53), np.uint8)}, r"got uint8 .*\(0, 53\)"),
        ({"seed": -1}, "seed .* got -1"),
        ({"seed": 0.5}, "seed .* got 0.5"),
        ({"radius": 3}, r"fill_.* has no option \['radius'\]; it has \["),
    ],
)
def test_bad_arguments(method, change, quoted):
    image, mask = _scene()
    arguments = {"image": image, "mask": mask, **change}
    with pytest.raises(ValueError, match=quoted):
        exemplar.fill(method=method, **arguments)


@pytest.mark.parametrize("method", PATCH_METHODS)
@pytest.mark.parametrize("size", [2, 4, 1, 7.0, True, "7"])
def test_bad_patch_size(method, size):
    image, mask = _scene()
    with pytest.raises(ValueError, match=f"patch_size .* got {size!r}"):
        exemplar.fill(image, mask, method, patch_size=size)


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [
        ("criminisi", "colour_space", "hsv"),
        ("criminisi", "search_radius", 0),
        ("criminisi", "has_data_term", 1),
        ("biharmonic", "split_into_regions", "no"),
        ("patch_match", "num_rounds", 0),
        ("patch_match", "smallest_side", -3),
    ],
)
def test_bad_option(method, name, value):
    image, mask = _scene()
    with pytest.raises(ValueError, match=f"{name} .* got {value!r}"):
        exemplar.fill(image, mask, method, **{name: value})


def test_unknown_method():
    with pytest.raises(ValueError, match="one of .*'patch_match'.*, got 'telea'"):
        exemplar.fill(*_scene(), method="telea")


@pytest.mark.parametrize("method", METHODS)
def test_one_signature(method):
    parameters = inspect.signature(exemplar.METHODS[method]).parameters
    assert list(parameters)[:4] == ["image", "mask", "seed", "progress"]
    kinds = {p.kind for p in list(parameters.values())[2:]}
    assert kinds == {inspect.Parameter.KEYWORD_ONLY}
    assert parameters["seed"].default == 0 and parameters["progress"].default is None


def _sparse(shape, step):
    """Known squares of ``step - 1`` pixels, single hole lines between them."""
    mask = np.ones(shape, bool)
    mask[::step] = mask[:, ::step] = False
    return mask


@pytest.mark.parametrize("method", PATCH_METHODS)
@pytest.mark.parametrize("largest", [3, 4, 6])
def test_smaller_patches_where_no_whole_one_is_known(method, largest, caplog):
    image, _ = _scene((36, 48, 3))
    mask = _sparse(image.shape[:2], largest + 1)
    with caplog.at_level("WARNING", logger="absl"):
        filled = exemplar.fill(image, mask, method)
    used = largest - 1 + largest % 2
    assert f"patches of {used} x {used} are used" in caplog.text
    np.testing.assert_array_equal(filled[mask], image[mask])
    errors = np.abs(filled.astype(float) - image)[~mask]
    mean = exemplar.fill_mean(image, mask)
    assert errors.mean() < np.abs(mean.astype(float) - image)[~mask].mean()


@pytest.mark.parametrize("method", PATCH_METHODS)
@pytest.mark.parametrize("shape", [(36, 48), (2, 30), (1, 1)])
def test_no_patch_at_all_is_refused(method, shape):
    image = np.zeros(shape, np.uint8)
    mask = _sparse(shape, 3)
    mask.flat[-1] = True
    mask.flat[0] = shape == (1, 1)
    if mask.all():
        np.testing.assert_array_equal(exemplar.fill(image, mask, method), image)
        return
    with pytest.raises(ValueError, match="no patch of 3 x 3 is fully known"):
        exemplar.fill(image, mask, method)


@pytest.mark.parametrize("method", PATCH_METHODS)
@pytest.mark.parametrize("shape", [(3, 4), (5, 40), (40, 5), (9, 9), (17, 100)])
def test_small_and_narrow_images(method, shape):
    """One colour has one right answer, at any size."""
    image = np.full(shape, 77, np.uint8)
    mask = np.ones(shape, bool)
    mask[: shape[0] // 2, -1] = False
    damaged = np.where(mask, image, np.uint8(0))
    np.testing.assert_array_equal(exemplar.fill(damaged, mask, method), image)


@pytest.mark.parametrize("method", PATCH_METHODS)
def test_texture_that_repeats_is_continued(method):
    """Vertical stripes, 8 pixels wide: mean fill is off by half of their contrast."""
    columns = np.arange(64) // 8 % 2
    image = np.broadcast_to(np.where(columns, 230, 20), (64, 64)).astype(np.uint8)
    mask = np.ones((64, 64), bool)
    mask[20:44, 18:46] = False
    filled = exemplar.fill(image, mask, method)
    errors = np.abs(filled.astype(float) - image)[~mask]
    assert errors.mean() < 1
    mean = exemplar.fill_mean(image, mask)
    assert np.abs(mean.astype(float) - image)[~mask].mean() > 100


def test_tensorflow_is_not_loaded():
    code = (
        "import sys; from keras_cnns import exemplar; "
        "assert not {'tensorflow', 'keras'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
