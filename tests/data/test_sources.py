"""Data sets: ours, local files, image folders, and what cannot be had."""

import gzip
import struct

import numpy as np
import pytest
import tensorflow_datasets as tfds
from etils import epath
from PIL import Image
from sklearn import datasets

from keras_cnns import data
from keras_cnns.data import sources
from keras_cnns.data.builders import fashion_mnist_idx


def _pixels(source, preprocessing_channels=1):
    plain = data.Preprocessing(
        8, 8, preprocessing_channels, (0.0,) * preprocessing_channels,
        (1.0,) * preprocessing_channels,
    )  # fmt: skip
    decoded = source.examples.map(
        lambda c, label: (plain.decode(source.read(c)), label)
    )
    return [(image, int(label)) for image, label in decoded.as_numpy_iterator()]


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("dog", "dog"),
        ("großer Hund, 5 $", "großer Hund, 5 $"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a_b", "a_b"),
        ("", "%"),
        ("%", "%25"),
        (".", "%2E"),
        ("..", "%2E."),
        ("../x", "%2E.%2Fx"),
        ("x.y", "x.y"),
        ("\0", "%00"),
        ("a\nb", "a%0Ab"),
    ],
)
def test_every_class_has_its_own_folder(tmp_path, name, folder):
    assert sources.folder_name(name) == folder
    (tmp_path / folder).mkdir()  # it is one
    assert [path.name for path in tmp_path.iterdir()] == [folder]


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "\udcff"])
def test_names_that_no_file_of_labels_holds_are_refused(tmp_path, name):
    (tmp_path / "train" / name).mkdir(parents=True)
    with pytest.raises(ValueError, match="must be UTF-8 without line breaks"):
        data.open_source(str(tmp_path), "train")


def test_digits_are_scikit_learns(data_dir):
    train = data.open_source("digits", "train", data_dir)
    test = data.open_source("digits", "test", data_dir)
    assert (train.num_examples, test.num_examples) == (1437, 360)
    assert train.image_shape == (8, 8, 1) and len(train.class_names) == 10
    of_train, of_test = _pixels(train), _pixels(test)
    ours = sorted((i.tobytes(), label) for i, label in of_train + of_test)
    digits = datasets.load_digits()
    theirs = np.round(digits.images * 255 / 16).astype(np.uint8)
    assert ours == sorted((i.tobytes(), int(t)) for i, t in zip(theirs, digits.target))
    fractions = np.bincount([label for _, label in of_test]) / 360
    np.testing.assert_allclose(fractions, np.bincount(digits.target) / 1797, atol=2e-3)


def test_slices_of_splits(data_dir):
    assert data.open_source("digits", "train[:10%]", data_dir).num_examples == 144


def _write_idx(path, array):
    header = (
        b"\x00\x00\x08"
        + bytes([array.ndim])
        + struct.pack(f">{array.ndim}I", *array.shape)
    )
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "wb") as file:
        file.write(header + array.tobytes())


@pytest.fixture
def any_content(monkeypatch):
    """Small files stand in for those of Fashion-MNIST."""
    anything = dict.fromkeys(fashion_mnist_idx._SHA256)
    monkeypatch.setattr(fashion_mnist_idx, "_SHA256", anything)


def _write_fashion(folder, ending=""):
    random = np.random.default_rng(0)
    written = {}
    for split, count in (("train", 12), ("t10k", 5)):
        images = random.integers(0, 256, (count, 28, 28), np.uint8)
        labels = random.integers(0, 10, count, np.uint8)
        _write_idx(folder / f"{split}-images-idx3-ubyte{ending}", images)
        _write_idx(folder / f"{split}-labels-idx1-ubyte{ending}", labels)
        written[split] = (images, labels)
    return written


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_fashion_mnist_from_local_idx_files(tmp_path, any_content, ending):
    written = _write_fashion(tmp_path, ending)
    source = data.open_source("fashion_mnist", "train", str(tmp_path))
    assert source.num_examples == 12 and source.class_names[9] == "Ankle boot"
    got = sorted((i.tobytes(), label) for i, label in _pixels(source))
    assert got == sorted((i.tobytes(), int(n)) for i, n in zip(*written["train"]))


def test_class_names_are_those_of_the_official_builder(tmp_path):
    official = tfds.builder("fashion_mnist", data_dir=str(tmp_path))
    assert official.info.features["label"].names == list(fashion_mnist_idx.CLASS_NAMES)


def test_prepared_data_serve_without_the_idx_files(tmp_path, any_content):
    _write_fashion(tmp_path)
    data.open_source("fashion_mnist", "train", str(tmp_path))
    for file in tmp_path.glob("*ubyte"):
        file.unlink()
    assert data.open_source("fashion_mnist", "test", str(tmp_path)).num_examples == 5


def test_other_data_under_the_same_file_names_are_refused(tmp_path):
    """MNIST's files are called the same."""
    _write_fashion(tmp_path)
    with pytest.raises(ValueError, match="not the one of Fashion-MNIST"):
        data.open_source("fashion_mnist", "train", str(tmp_path))


@pytest.mark.parametrize(
    "content", [b"", b"\x00\x00\x08\x01\x00\x00\x00\x09ab", b"text!"]
)
def test_damaged_idx_files_are_named(tmp_path, content):
    path = tmp_path / "labels"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="labels"):
        fashion_mnist_idx.read_idx(str(path))


def test_unknown_names_splits_and_kinds(data_dir, tmp_path):
    with pytest.raises(ValueError, match="'no_such_set'"):
        data.open_source("no_such_set", "train", str(tmp_path))
    with pytest.raises(ValueError, match="'middle'.*train"):
        data.open_source("digits", "middle", data_dir)
    with pytest.raises(ValueError, match="'voc' is not one of labelled images"):
        data.open_source("voc", "train", str(tmp_path))
    with pytest.raises(ValueError, match="no/such/folder"):
        data.open_source("no/such/folder", "train")


def test_a_set_that_cannot_be_prepared_says_what_was_tried(tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise ConnectionError("network is unreachable")

    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", refuse)
    monkeypatch.setattr(fashion_mnist_idx, "DEBIAN_FOLDER", str(tmp_path / "none"))
    with pytest.raises(OSError, match="unreachable.*data_dir.*dataset-fashion-mnist"):
        data.open_source("fashion_mnist", "train", str(tmp_path))


@pytest.fixture
def folder(tmp_path):
    """Two classes, three colour images each in train, one in test."""
    random = np.random.default_rng(1)
    for split, count in (("train", 3), ("test", 1)):
        for name in ("cat", "dog"):
            place = tmp_path / split / name
            place.mkdir(parents=True)
            for i in range(count):
                pixels = random.integers(0, 256, (10 + i, 12, 3), np.uint8)
                Image.fromarray(pixels).save(place / f"{i}.png")
    return tmp_path


def test_image_folder(folder):
    source = data.open_source(str(folder), "train")
    assert (source.num_examples, source.class_names) == (6, ("cat", "dog"))
    assert source.image_shape == (None, None, 3)
    images = _pixels(source, 3)
    assert [label for _, label in images] == [0, 0, 0, 1, 1, 1]
    stored = np.asarray(Image.open(folder / "train" / "dog" / "1.png"))
    np.testing.assert_array_equal(images[4][0], stored)


def test_grey_folders_have_one_channel(tmp_path):
    (tmp_path / "train" / "a").mkdir(parents=True)
    Image.new("L", (5, 5)).save(tmp_path / "train" / "a" / "x.jpg")
    assert data.open_source(str(tmp_path), "train").image_shape == (None, None, 1)


def test_folder_errors(folder):
    with pytest.raises(ValueError, match="'validation'.*test, train"):
        data.open_source(str(folder), "validation")
    (folder / "train" / "cat" / "notes.txt").write_text("no image")
    with pytest.raises(ValueError, match="notes.txt"):
        data.open_source(str(folder), "train")


def test_corrupt_images_are_named(folder):
    bad = folder / "train" / "dog" / "0.png"
    bad.write_bytes(b"no png at all")
    with pytest.raises(ValueError, match="0.png"):
        data.open_source(str(folder), "train")


def test_an_image_cut_short_is_named_when_decoding_fails(folder):
    bad = folder / "train" / "dog" / "2.png"
    bad.write_bytes(bad.read_bytes()[:120])
    source = data.open_source(str(folder), "train")
    with pytest.raises(ValueError, match="2.png"), data.naming_bad_images():
        _pixels(source, 3)


def test_an_image_cut_short_is_named_without_classes(tmp_path):
    for split in ("test", "train"):
        (tmp_path / split).mkdir()
        for i in range(3):
            noise = np.random.default_rng(i).integers(256, size=(12, 12, 3))
            path = tmp_path / split / f"{split}_{i}.png"
            Image.fromarray(noise.astype(np.uint8)).save(path)
    bad = tmp_path / "train" / "train_1.png"
    bad.write_bytes(bad.read_bytes()[:120])
    source = data.open_source(str(tmp_path), "train", labelled=False)
    with (
        pytest.raises(ValueError, match="train_1.png cannot be read"),
        data.naming_bad_images(),
    ):
        _pixels(source, 3)


def test_empty_folder(tmp_path):
    (tmp_path / "train" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds no images"):
        data.open_source(str(tmp_path), "train")


class _ImagesAlone(tfds.core.GeneratorBasedBuilder):
    """Two features, neither of them a class."""

    name = "images_alone"
    # older TFDS do not find it where the tests are no package
    pkg_dir_path = epath.Path(__file__).parent
    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        image = tfds.features.Image(shape=(4, 4, 1))
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict({"image": image, "age": np.int64})
        )

    def _split_generators(self, _):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for i in range(3):
            yield i, {"image": np.full((4, 4, 1), 50 * i, np.uint8), "age": i}


def test_sets_without_labels_are_taken_where_none_are_needed(tmp_path, monkeypatch):
    builder = _ImagesAlone(data_dir=str(tmp_path))
    monkeypatch.setattr(sources, "_tfds_builder", lambda name, data_dir: builder)
    with pytest.raises(ValueError, match="not one of labelled images"):
        data.open_source("images_alone", "train", str(tmp_path))
    source = data.open_source("images_alone", "train", str(tmp_path), labelled=False)
    assert source.class_names == (data.UNLABELLED,)
    pixels = _pixels(source)
    assert sorted(int(image.max()) for image, _ in pixels) == [0, 50, 100]
    assert {label for _, label in pixels} == {0}


def test_folders_without_classes(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(np.full((5, 5), i, np.uint8)).save(folder / f"{i}.png")
    source = data.open_source(str(tmp_path), "train", labelled=False)
    assert source.num_examples == 2 and source.class_names == (data.UNLABELLED,)
    with pytest.raises(ValueError, match="holds no images"):
        data.open_source(str(tmp_path), "train")
