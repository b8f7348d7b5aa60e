"""Headers of large folders are read once, and again where files have changed."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from keras_cnns.data import decoding, header_files

COUNT = 1000


@pytest.fixture
def images(tmp_path):
    """Paths of grey images."""
    folder = tmp_path / "images"
    folder.mkdir()
    Image.fromarray(np.zeros((2, 3), np.uint8)).save(folder / "0000.png")
    content = (folder / "0000.png").read_bytes()
    paths = [folder / f"{i:04}.png" for i in range(COUNT)]
    for path in paths:
        path.write_bytes(content)
    return [str(path) for path in paths]


@pytest.fixture
def read(monkeypatch, tmp_path):
    """Function of paths that returns (headers, paths whose files were read)."""
    seen, read_header = [], decoding.read_header

    def noting(path):
        seen.append(path)
        return read_header(path)

    monkeypatch.setattr(decoding, "read_header", noting)

    def read(paths):
        seen.clear()
        headers = header_files.read_headers(paths, str(tmp_path / "kept"))
        return headers, list(seen)

    return read


def _colour(path):
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(path)


def test_what_is_known_is_not_read_again(images, read):
    headers, seen = read(images)
    assert seen == images and headers == [(True, True)] * COUNT
    again, seen = read(images)
    assert not seen and again == headers


def test_changed_and_new_files_are_read(images, read, tmp_path):
    read(images)
    _colour(images[7])
    new = str(tmp_path / "images" / "new.png")
    _colour(new)
    headers, seen = read([*images, new])
    assert seen == [images[7], new]
    assert [i for i, header in enumerate(headers) if not header.is_grey] == [7, COUNT]
    with open(images[9], "wb") as file:
        file.write(b"no image")
    with pytest.raises(ValueError, match=r"0009.png cannot be read"):
        read(images)


def test_files_that_are_gone_are_forgotten(images, read, tmp_path):
    _colour(tmp_path / "images" / "one.png")
    one = str(tmp_path / "images" / "one.png")
    read([*images, one])
    (tmp_path / "images" / "one.png").unlink()
    _, seen = read(images)
    assert not seen
    (kept,) = (tmp_path / "kept").iterdir()
    assert set(json.loads(kept.read_text())) == set(images)


def test_splits_of_one_folder_keep_each_others(images, read, tmp_path):
    """As in Pascal VOC's layout: all images lie in one folder."""
    (tmp_path / "images" / "more").mkdir()
    others = [str(tmp_path / "images" / "more" / f"{i}.png") for i in range(1000)]
    for path in others:
        shutil.copyfile(images[0], path)
    whole = [*images[:500], *others[:500]], [*images[500:], *others[500:]]
    for split in whole:
        assert read(split)[1] == split
    for split in whole:
        assert read(split)[1] == []


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": 1}', '{"a": [1, 2, 1, 1]}', "[" * 100000]
)
def test_damaged_files_of_headers_are_made_anew(images, read, tmp_path, text):
    read(images)
    (kept,) = (tmp_path / "kept").iterdir()
    good = kept.read_text()
    kept.write_text(text)
    headers, seen = read(images)
    assert seen == images and headers == [(True, True)] * COUNT
    assert kept.read_text() == good


def test_a_folder_that_cannot_be_written_stops_nothing(images, read, tmp_path):
    (tmp_path / "kept").write_text("a file")
    headers, seen = read(images)
    assert seen == images and len(headers) == COUNT


def test_few_headers_are_not_kept(images, read, tmp_path):
    headers, seen = read(images[:20] + images[:1])
    assert len(headers) == 21 and not (tmp_path / "kept").exists()
