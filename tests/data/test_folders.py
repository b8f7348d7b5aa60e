"""Image folders: what is taken, what is refused, what is named."""

import os

import numpy as np
import pytest
from PIL import Image

from keras_cnns import data
from keras_cnns.data import folders


def _write(path, level=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((5, 4, 3), level, np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path):
    for split in ("train", "test"):
        for name in ("cat", "dog"):
            for i in range(2):
                _write(tmp_path / "set" / split / name / f"{i}.png", i)
    return tmp_path / "set"


def _open(folder, **options):
    return data.open_source(str(folder), "train", **options)


def test_folders_beside_the_split_add_no_classes(folder):
    for other in ("__MACOSX/train", "annotations/xmls", ".git/objects"):
        (folder / other).mkdir(parents=True)
    assert _open(folder).class_names == ("cat", "dog")


def test_nested_folders_are_read(folder):
    _write(folder / "train" / "cat" / "2019" / "may" / "x.png")
    source = _open(folder)
    assert source.num_examples == 5
    assert [int(label) for _, label in source.examples] == [0, 0, 0, 1, 1]


def test_without_classes_all_images_are_taken(folder, tmp_path):
    _write(tmp_path / "loose" / "train" / "a.png")
    _write(tmp_path / "loose" / "train" / "more" / "b.png")
    source = _open(tmp_path / "loose", labelled=False)
    assert source.num_examples == 2 and source.class_names == (data.UNLABELLED,)
    assert _open(folder, labelled=False).class_names == ("cat", "dog")


def test_what_would_be_left_out_is_refused(folder):
    train = folder / "train"
    (train / "bird").mkdir()
    with pytest.raises(ValueError, match="'bird' .1 such. .*no images"):
        _open(folder)
    (train / "bird").rmdir()
    _write(train / "x.png")
    with pytest.raises(ValueError, match=r"x.png .1 such. lies beside .*cat, dog"):
        _open(folder)
    (train / "dog").rename(train / data.UNLABELLED)  # a class like any other
    with pytest.raises(ValueError, match="lies beside .*cat, unlabelled"):
        _open(folder)
    (train / data.UNLABELLED).rename(train / "dog")
    (train / "x.png").rename(train / "cat" / "x.txt")
    with pytest.raises(ValueError, match=r"not an image file: .*x.txt"):
        _open(folder)
    (train / "cat" / "x.txt").unlink()
    (train / "cat" / "again").symlink_to(train)
    with pytest.raises(ValueError, match="again.* leads back to"):
        _open(folder)


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_is_no_file_is_named(folder, kind):
    path = folder / "train" / "cat" / "z.png"
    if kind == "link":
        path.symlink_to("nowhere.png")
    else:
        os.mkfifo(path)
    with pytest.raises(ValueError, match="z.png"):
        _open(folder)


def test_names_need_not_be_utf_8(folder):
    train = os.fsencode(folder / "train")
    os.rename(train + b"/cat/1.png", train + b"/cat/\xff.png")
    preprocessing = data.Preprocessing.plain(5, 4, 3)
    images, _ = data.read_images(_open(folder), preprocessing)
    assert images.shape == (4, 5, 4, 3)
    os.rename(train + b"/dog", train + b"/\xff")
    with pytest.raises(ValueError, match="must be UTF-8"):
        _open(folder)


def test_other_formats_are_converted_once(folder, tmp_path, monkeypatch):
    pixels = np.random.default_rng(0).integers(256, size=(5, 4, 3)).astype(np.uint8)
    for name, kind in (("a.tif", "TIFF"), ("b.jpg", "WEBP")):  # the content decides
        path = folder / "train" / "cat" / name
        Image.fromarray(pixels).save(path, kind, lossless=True)
    source = _open(folder, data_dir=str(tmp_path / "data"))
    images, _ = data.read_images(source, data.Preprocessing.plain(5, 4, 3))
    np.testing.assert_array_equal(images[2:4], [pixels, pixels])
    assert len(list((tmp_path / "data" / "converted_images").iterdir())) == 2
    assert source.files[2].endswith("a.tif")
    monkeypatch.setattr(folders.decoding, "read_encoded", None)
    _open(folder, data_dir=str(tmp_path / "data"))


def test_the_file_that_breaks_a_pipeline_is_named(folder):
    """Not a sound file of an odd kind, and not a file of a split that is not read."""
    Image.new("CMYK", (8, 8)).save(folder / "train" / "cat" / "0.jpg")
    for split, name in (("test", "0"), ("train", "1")):
        path = folder / split / "cat" / f"{name}.png"
        path.write_bytes(path.read_bytes()[:-20])
    source = _open(folder)
    with (
        pytest.raises(ValueError, match="train/cat/1.png cannot be read"),
        data.naming_bad_images(),
    ):
        data.read_images(source, data.Preprocessing.plain(5, 4, 3))
    os.remove(folder / "train" / "cat" / "1.png")
    with pytest.raises(OSError, match="train/cat/1.png"), data.naming_bad_images():
        data.read_images(source, data.Preprocessing.plain(5, 4, 3))
