"""Filling the holes of images: files, folders, and what is refused."""

import constant_inpainter
import numpy as np
import pytest
from PIL import Image

from keras_cnns import data
from keras_cnns.commands import find_command, run_command

COLOUR = (51, 102, 153)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run whose network paints ``COLOUR``."""
    folder = tmp_path_factory.mktemp("run")
    constant_inpainter.write_run(folder, [level / 255 for level in COLOUR])
    return str(folder)


def _write(folder, name, seed=0, size=(19, 26)):
    """An image and its mask, with a hole of one seventh, in two folders."""
    pixels = np.random.default_rng(seed).integers(256, size=(*size, 3))
    mask = np.ones((*size, 1), np.float32)
    mask[4:11, 5:15] = 0
    for part in ("images", "masks"):
        (folder / part).mkdir(exist_ok=True)
    data.write_image(str(folder / "images" / f"{name}.png"), pixels.astype(np.uint8))
    data.write_mask(str(folder / "masks" / f"{name}.png"), mask)
    return pixels, mask


def _places(folder, name="", **changes):
    places = {
        "input": str(folder / "images" / name),
        "mask": str(folder / "masks" / name),
        "output": str(folder / "out"),
    }
    return {**places, **changes}


def _inpaint(folder, name="", **options):
    return run_command("inpaint", **_places(folder, name, **options))


def test_one_image_by_a_network(run_dir, tmp_path, capsys):
    pixels, mask = _write(tmp_path, "a")
    output = str(tmp_path / "new" / "filled.PNG")
    (path,) = _inpaint(tmp_path, "a.png", method=run_dir, output=output)
    expected = np.where(mask == 1, pixels, COLOUR)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["filled.PNG"]
    assert "1 filled images in" in capsys.readouterr().out
    (path,) = _inpaint(tmp_path, "a.png", method=run_dir)
    assert path == str(tmp_path / "out" / "a.png")
    (again,) = _inpaint(tmp_path, "a.png", method=run_dir, tile_size=16)
    np.testing.assert_array_equal(np.asarray(Image.open(again)), expected)


@pytest.mark.parametrize("method", ["mean", "patch_match", "criminisi"])
def test_a_folder_by_an_exemplar_method(tmp_path, method):
    scenes = {name: _write(tmp_path, name, seed) for seed, name in enumerate("abc")}
    paths = _inpaint(tmp_path, method=method, seed=3)
    assert [p[-5:] for p in paths] == ["a.png", "b.png", "c.png"]
    for path, (pixels, mask) in zip(paths, scenes.values()):
        filled = data.read_image(path)
        valid = mask[..., 0] == 1
        np.testing.assert_array_equal(filled[valid], pixels[valid])
        if method == "mean":
            mean = np.rint(pixels[valid].mean(0))
            assert (filled[~valid] == mean).all()
    before = [data.read_image(path) for path in paths]
    _inpaint(tmp_path, method=method, seed=3)
    for path, filled in zip(paths, before):
        np.testing.assert_array_equal(data.read_image(path), filled)


def test_one_mask_for_all_warns_once_of_greys(tmp_path, caplog):
    """128 and more is hole; equal names may have other endings."""
    for seed, name in enumerate("ab"):
        pixels, mask = _write(tmp_path, name, seed)
    grey = np.where(mask[..., 0] == 1, 127, 128).astype(np.uint8)
    path = tmp_path / "mask.bmp"
    Image.fromarray(grey).save(path)
    paths = _inpaint(tmp_path, method="mean", mask=str(path))
    warnings = [r for r in caplog.records if "grey values" in r.getMessage()]
    assert len(paths) == 2 and len(warnings) == 1
    expected = [data.read_image(path) for path in paths]
    (tmp_path / "masks" / "a.png").unlink()
    path.rename(tmp_path / "masks" / "a.bmp")
    paths = _inpaint(tmp_path, method="mean")
    for path, image in zip(paths, expected):
        np.testing.assert_array_equal(data.read_image(path), image)


def test_a_bad_file_of_many_is_named_and_the_others_are_filled(
    tmp_path, capsys, caplog
):
    for seed, name in enumerate("abcdef"):
        _write(tmp_path, name, seed)
    (tmp_path / "images" / "b.png").write_bytes(b"no image")
    (tmp_path / "masks" / "c.png").unlink()
    data.write_mask(str(tmp_path / "masks" / "d.png"), np.eye(8))
    Image.new("L", (26, 19), 255).save(tmp_path / "masks" / "e.png")
    data.write_mask(str(tmp_path / "masks" / "f.png"), np.ones((19, 26)))
    data.write_mask(str(tmp_path / "masks" / "z.png"), np.eye(8))
    with pytest.raises(ValueError, match="^4 of 6 images could not be filled$"):
        _inpaint(tmp_path, method="mean")
    output, errors = capsys.readouterr()
    assert "2 filled images in" in output, errors
    found = sorted(p.name for p in (tmp_path / "out").iterdir())
    assert found == ["a.png", "f.png"]
    for text in (
        "images/b.png cannot be read",
        "there is no mask for",
        "d.png is 8x8 (height x width), but the image is 19x26",
        "e.png is all hole (white)",
    ):
        assert errors.count(text) == 1, (text, errors)
    assert len(errors.splitlines()) == 4
    assert caplog.text.count("no image for the mask") == 1
    whole = data.read_image(str(tmp_path / "images" / "f.png"))  # has no hole
    np.testing.assert_array_equal(
        data.read_image(str(tmp_path / "out" / "f.png")), whole
    )


def test_nothing_that_is_read_is_overwritten(tmp_path):
    _write(tmp_path, "a")
    (tmp_path / "link").symlink_to(tmp_path / "images")
    before = {p: p.read_bytes() for p in tmp_path.glob("*/*.png")}
    for name in ("", "a.png"):
        for output in ("images", "masks", "link"):
            place = str(tmp_path / output)
            with pytest.raises(ValueError, match="would overwrite .*a.png"):
                _inpaint(tmp_path, name, output=place, method="mean")
    assert {p: p.read_bytes() for p in tmp_path.glob("*/*.png")} == before


@pytest.mark.parametrize(
    ("name", "changes", "quoted"),
    [
        ("b.png", {}, "--input=.*b.png is neither a file nor a folder"),
        ("a.png", {"mask": "none.png"}, "--mask=none.png is neither"),
        ("a.png", {"method": "median"}, "unknown method 'median'"),
        ("a.png", {"output": "out.jpg"}, "out.jpg must end in .png"),
        ("", {"output": "out.png"}, "out.png must be a folder"),
        ("a.png", {"seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_bad_options(tmp_path, name, changes, quoted):
    _write(tmp_path, "a")
    with pytest.raises(ValueError, match=quoted):
        _inpaint(tmp_path, name, **{"method": "mean", **changes})
    assert not (tmp_path / "out").exists()


def test_bad_folders(tmp_path):
    _write(tmp_path, "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="empty holds no images"):
        _inpaint(tmp_path, input=str(tmp_path / "empty"))
    Image.new("L", (3, 3)).save(tmp_path / "images" / "a.bmp")
    with pytest.raises(ValueError, match="a.bmp and .*a.png have one name"):
        _inpaint(tmp_path)


@pytest.mark.parametrize("given", [{"which": "last"}, {"tile_size": 8}])
def test_options_of_networks_are_refused_with_other_methods(run_dir, tmp_path, given):
    (name,) = given
    options, places = find_command("inpaint")[1], _places(tmp_path)
    message = f"--{name}=.* no effect with --method=mean"
    with pytest.raises(ValueError, match=message):
        options.resolve(method="mean", **places, **given)
    options.resolve(method=run_dir, **places, **given)
