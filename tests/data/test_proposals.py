"""Stored proposals: made once, gone on with where they were left, of one split."""

import json
import os

import numpy as np
import pytest

from keras_cnns import _arrays, data


@pytest.fixture
def source(voc_folder):
    return data.open_detection_source(str(voc_folder), "train")


class Propose:
    """Boxes that depend on image and index; knows what it was asked for."""

    def __init__(self, fails_at=None):
        self.asked, self.fails_at = [], fails_at

    def __call__(self, image, index):
        if index == self.fails_at:
            raise KeyboardInterrupt
        self.asked.append(index)
        random = np.random.default_rng([index, image.shape[0]])
        return random.uniform(0, 20, (3 * index, 4))


def _write(folder, source, propose=None, **options):
    given = {"settings": {"mode": "fast", "k": [50, 100]}, "max_boxes": 5, **options}
    return data.write_proposals(
        str(folder), source, propose or Propose(), shard_size=1, **given
    )


def test_what_is_read_is_what_was_written(source, tmp_path):
    told = []
    store = _write(tmp_path / "p", source, report=lambda *numbers: told.append(numbers))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert store.num_examples == 3 and store.max_boxes == 5
    heights = (30, 20, 24)
    for index, height in enumerate(heights):
        random = np.random.default_rng([index, height])
        expected = random.uniform(0, 20, (3 * index, 4))[:5].astype(np.float32)
        np.testing.assert_array_equal(store.read(index), expected)
    with pytest.raises(ValueError, match="index must be from 0 to 2, got 3"):
        store.read(3)


def test_what_is_there_is_kept(source, tmp_path):
    folder = tmp_path / "p"
    with pytest.raises(KeyboardInterrupt):
        _write(folder, source, Propose(fails_at=2))
    names = sorted(os.listdir(folder))
    assert names == ["proposals.json", "train-00000.npz", "train-00001.npz"]
    with pytest.raises(ValueError, match=r"train-00002.npz .1 such. is not there"):
        data.ProposalStore(str(folder))
    before = {n: os.stat(folder / n).st_mtime_ns for n in names}
    propose = Propose()
    store = _write(folder, source, propose)
    assert propose.asked == [2]
    assert before == {n: os.stat(folder / n).st_mtime_ns for n in names}
    whole = _write(tmp_path / "whole", source)
    for name in os.listdir(folder):
        one, other = ((tmp_path / f / name).read_bytes() for f in ("p", "whole"))
        assert one == other
    for i in range(3):
        np.testing.assert_array_equal(store.read(i), whole.read(i))
    again, told = Propose(), []
    _write(folder, source, again, report=lambda *numbers: told.append(numbers))
    assert again.asked == [] and told == [(3, 3)]
    (folder / "train-00001.npz").unlink()
    _write(folder, source, again, report=lambda *numbers: told.append(numbers))
    assert again.asked == [1] and told[1:] == [(2, 3), (3, 3)]


def test_other_settings_and_splits_are_refused_by_name(source, voc_folder, tmp_path):
    folder = tmp_path / "p"
    store = _write(folder, source)
    for changes, message in (
        (
            {"settings": {"mode": "quality", "k": [50, 100]}},
            "mode 'fast', not 'quality'",
        ),
        ({"settings": {"mode": "fast"}}, r"k \[50, 100\], not None"),
        ({"max_boxes": 7}, "max_boxes 5, not 7"),
    ):
        with pytest.raises(ValueError, match=f"holds proposals of {message}; give"):
            _write(folder, source, **changes)
    val = data.open_detection_source(str(voc_folder), "val")
    with pytest.raises(ValueError, match="proposals of split 'train', not 'val'"):
        store.check(val)
    image = voc_folder / "JPEGImages" / "b.png"
    image.rename(image.with_name("e.png"))
    annotation = voc_folder / "Annotations" / "b.xml"
    annotation.rename(annotation.with_name("e.xml"))
    (voc_folder / "ImageSets" / "Main" / "train.txt").write_text("a\ne\nd\n")
    with pytest.raises(ValueError, match="holds proposals of files "):
        store.check(data.open_detection_source(str(voc_folder), "train"))


@pytest.mark.parametrize(
    "boxes", [[1, 2, 3, 4], [[1, 2, 3]], [[0, 0, 1, float("nan")]], []]
)
def test_what_is_not_boxes_is_refused(source, tmp_path, boxes):
    with pytest.raises(ValueError, match="propose must return finite boxes"):
        _write(tmp_path / "p", source, lambda *_: boxes)


def test_damaged_shards_are_named(source, tmp_path):
    folder = tmp_path / "p"
    _write(folder, source)
    path = folder / "train-00002.npz"
    boxes = np.zeros((9, 4), np.float32)
    for arrays, message in (
        ({"boxes": boxes}, "it holds .*not starts, boxes"),
        ({"boxes": boxes, "starts": [0, 1, 2]}, "it must be of 1 images"),
        ({"boxes": boxes, "starts": [0, 3]}, "its boxes are float32 of shape .9, 4"),
        ({"boxes": boxes, "starts": [0, 9]}, "images have from 9 to 9 boxes"),
        ({"boxes": boxes, "starts": [1, 3]}, "images have"),
        ({"boxes": boxes[:2] + np.nan, "starts": [0, 2]}, "its boxes are not finite"),
    ):
        _arrays.write_arrays(str(path), arrays)
        with pytest.raises(ValueError, match=message) as error:
            data.ProposalStore(str(folder)).read(2)
        assert str(error.value).startswith(f"{path} cannot be read as proposals: ")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="not a zip file; it may be cut short"):
        data.ProposalStore(str(folder)).read(2)


def test_damaged_headers_are_named(source, tmp_path):
    with pytest.raises(ValueError, match="holds no proposals: there is no proposals.j"):
        data.ProposalStore(str(tmp_path))
    folder = tmp_path / "p"
    _write(folder, source)
    path = folder / "proposals.json"
    stored = json.loads(path.read_text())
    for changes, message in (
        ({"num_examples": -1}, "num_examples must be a positive number, got -1"),
        ({"split": 3}, "split must be a text, got 3"),
        ({"settings": []}, "settings must be an object"),
    ):
        path.write_text(json.dumps({**stored, **changes}))
        with pytest.raises(ValueError, match=message) as error:
            data.ProposalStore(str(folder))
        assert str(error.value).startswith(f"{path} cannot be read as proposals: ")
