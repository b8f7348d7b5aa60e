"""The photographs: split by image, cut where the table says, one error if missing."""

import os

import numpy as np
import pytest
import skimage.data
import tensorflow_datasets as tfds
from sklearn import datasets

from keras_cnns import data
from keras_cnns.data.builders import photographs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return str(tmp_path_factory.mktemp("photographs"))


def _contents(source):
    """The encoded crops; those of the same pixels are alike."""
    examples = source.examples.map(lambda content, _: source.read(content))
    return set(examples.as_numpy_iterator())


def test_images_are_those_of_the_packages():
    images = photographs.read_pictures()
    for name, expected in {
        "astronaut": skimage.data.astronaut(),
        "chelsea": skimage.data.chelsea(),
        "coffee": skimage.data.coffee(),
        "rocket": skimage.data.rocket(),
        "china": datasets.load_sample_image("china.jpg"),
        "flower": datasets.load_sample_image("flower.jpg"),
    }.items():
        np.testing.assert_array_equal(images[name], expected)
    assert images["motorcycle"].shape == (500, 741, 3)
    assert images["grace_hopper"].shape == (600, 512, 3)
    assert all(p.dtype == np.uint8 for p in images.values())


def test_counts_and_contents_of_the_splits(folder):
    """Test crops by hand: 300x451 gives 4x7 and, halved, 2x3; 427x640 6x10 and 3x5."""
    test = data.open_source("photographs", "test", folder, labelled=False)
    assert test.num_examples == 28 + 6 + 60 + 15
    assert test.class_names == (data.UNLABELLED,)
    assert test.image_shape == (64, 64, 3)
    contents = _contents(test)
    plain = data.Preprocessing.plain(64, 64, 3)
    found = {plain.decode(content).numpy().tobytes() for content in contents}
    for image in (skimage.data.chelsea(), datasets.load_sample_image("china.jpg")):
        for corner in (image[:64, :64], image[-64:, -64:]):
            assert corner.tobytes() in found
    train = data.open_source("photographs", "train", folder, labelled=False)
    assert 2000 < train.num_examples < 10_000
    assert not contents & _contents(train)


def test_no_image_is_in_both_splits(folder):
    seen = {}
    for split in ("train", "test"):
        builder = photographs.Photographs(data_dir=folder)
        builder.download_and_prepare()
        decoders = {"image": tfds.decode.SkipDecoding()}
        examples = builder.as_dataset(split=split, decoders=decoders)
        seen[split] = {e["picture"].decode() for e in examples.as_numpy_iterator()}
    assert not seen["train"] & seen["test"]
    assert seen["train"] | seen["test"] == set(photographs.PICTURES)


@pytest.mark.slow  # prepares another set; only its counts differ
def test_larger_crops(tmp_path):
    source = data.open_source("photographs_128", "test", str(tmp_path), labelled=False)
    # 300x451: 2x3 and, halved, 1x1; 427x640: 3x5 and 1x2.
    assert source.num_examples == 6 + 1 + 15 + 2
    assert source.image_shape == (128, 128, 3)


def test_grid_reaches_all_borders_evenly():
    image = np.arange(20 * 31).reshape(20, 31, 1)
    crops = list(photographs.grid_crops(image, 8, 4))
    tops, lefts = (sorted({crop[i] for crop in crops}) for i in (0, 1))
    assert tops == [0, 4, 8, 12] and len(crops) == len(tops) * len(lefts)
    assert lefts[0] == 0 and lefts[-1] == 23 and len(lefts) == 6
    assert set(np.diff(lefts)) == {4, 5}
    for top, left, crop in crops:
        np.testing.assert_array_equal(crop, image[top : top + 8, left : left + 8])
    assert not list(photographs.grid_crops(image, 21, 4))


def test_labels_are_refused(folder):
    with pytest.raises(ValueError, match="'photographs' is not one of labelled images"):
        data.open_source("photographs", "train", folder)


def test_missing_and_changed_files_give_one_error(tmp_path, monkeypatch):
    changed = dict(photographs.PICTURES)
    changed["rocket"] = photographs.Picture("train", "skimage", "data/no.jpg", "0")
    changed["china"] = photographs.Picture("test", "no_such_package", "china.jpg", "0")
    changed["flower"] = photographs.Picture(
        "train", "sklearn", os.path.join("datasets", "images", "china.jpg"), "0"
    )
    monkeypatch.setattr(photographs, "PICTURES", changed)
    with pytest.raises(OSError, match="photographs are missing") as error:
        data.open_source("photographs", "test", str(tmp_path), labelled=False)
    for text in (
        "data/no.jpg of the package skimage",
        "china.jpg of the package no_such_package",
        "china.jpg (there, but with other content)",
        "by pip",
    ):
        assert text in str(error.value)
