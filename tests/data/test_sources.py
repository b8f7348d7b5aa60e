"""Data sets: ours, local files, image folders, and what cannot be had."""

import gzip
import re
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


def test_of_damaged_images_one_of_the_folder_opened_last_is_named(tmp_path):
    sources = []
    for name in ("earlier", "later"):
        (tmp_path / name / "train").mkdir(parents=True)
        path = tmp_path / name / "train" / "0.png"
        noise = np.random.default_rng(0).integers(256, size=(12, 12, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
        path.write_bytes(path.read_bytes()[:120])
        folder = str(tmp_path / name)
        sources.append(data.open_source(folder, "train", labelled=False))
    with pytest.raises(ValueError) as caught, data.naming_bad_images():
        _pixels(sources[1], 1)
    pattern = r"image \S+later/train/0\.png cannot be read: Invalid PNG data, size \d+"
    assert re.fullmatch(pattern, str(caught.value))


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


def _write_pictures(folder, sizes):
    """Pictures of noise by name; JPEG where the name has it."""
    random = np.random.default_rng(3)
    folder.mkdir(parents=True)
    for name, size in sizes.items():
        pixels = random.integers(0, 256, size, np.uint8)
        Image.fromarray(pixels).save(folder / name)


_ARCHIVES = {
    "set5": {"Set5_HR": {"woman.png": (20, 30, 3), "baby.png": (16, 12, 3)}},
    "set14": {"Set14_HR": {"bridge.png": (18, 18)}},  # a grey one
    "bsds500": {
        f"BSR/BSDS500/data/images/{split}": {f"{i}.jpg": (9, 8 + i, 3) for i in (1, 2)}
        for split in ("train", "val", "test")
    },
}


@pytest.mark.parametrize("name", _ARCHIVES)
def test_pictures_of_archives(tmp_path, monkeypatch, name):
    """As the archives are laid out: every picture once, by name, whatever its size."""
    for folder, sizes in _ARCHIVES[name].items():
        _write_pictures(tmp_path / "unpacked" / folder, sizes)
    asked = []

    def download(self, url):
        asked.append(url)
        return tmp_path / "unpacked"

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", download)
    source = data.open_source(name, "test", str(tmp_path / "tfds"), labelled=False)
    folder, sizes = list(_ARCHIVES[name].items())[-1]
    found = [x.shape for x, _ in _pixels(source, 3)]
    assert found == [(*sizes[n][:2], 3) for n in sorted(sizes)]
    assert source.num_examples == len(sizes) and len(asked) == 1
    assert asked[0].startswith("https://") and source.image_shape == (None, None, 3)
    first = sorted(sizes)[0]
    content = next(iter(source.examples))[0].numpy()
    assert content == (tmp_path / "unpacked" / folder / first).read_bytes()
    if name == "bsds500":
        assert data.open_source(name, "val", str(tmp_path / "tfds"), labelled=False)
    else:
        with pytest.raises(ValueError, match="no split 'train'; it has test"):
            data.open_source(name, "train", str(tmp_path / "tfds"), labelled=False)


def test_archives_that_cannot_be_had_are_told(tmp_path, monkeypatch):
    def refuse(self, url):
        raise ConnectionError(f"no way to {url}")

    manager = tfds.download.DownloadManager
    monkeypatch.setattr(manager, "download_and_extract", refuse)
    with pytest.raises(OSError, match="'set14'.*no way to.*Set14_HR.tar.gz.*data_dir"):
        data.open_source("set14", "test", str(tmp_path), labelled=False)
    monkeypatch.setattr(manager, "download_and_extract", lambda self, url: tmp_path)
    with pytest.raises(OSError, match="bsds500.tgz holds no pictures in BSR/BSDS500"):
        data.open_source("bsds500", "test", str(tmp_path / "tfds"), labelled=False)


def test_large_pictures_of_div2k(tmp_path, monkeypatch):
    """TFDS' own builder, on files laid out as its archives."""
    for kind, size in (("HR", (12, 16, 3)), ("LR_bicubic_X2", (6, 8, 3))):
        for split in ("train", "valid"):
            name = f"DIV2K_{split}_{kind}"
            folder = tmp_path / name / name
            suffix = "" if kind == "HR" else "x2"
            _write_pictures(folder, {f"000{i}{suffix}.png": size for i in (1, 2)})

    def download(self, urls):
        names = {key: url.rpartition("/")[2][:-4] for key, url in urls.items()}
        return {key: epath.Path(tmp_path / name) for key, name in names.items()}

    monkeypatch.setattr(tfds.download.DownloadManager, "download_and_extract", download)
    given = {"data_dir": str(tmp_path / "tfds"), "labelled": False}
    source = data.open_source("div2k/bicubic_x2", "validation", **given)
    wanted = (tmp_path / "DIV2K_valid_HR").rglob("*.png")
    found = {content for content, _ in source.examples.as_numpy_iterator()}
    assert found == {path.read_bytes() for path in wanted} and len(found) == 2
    with pytest.raises(ValueError, match="'div2k/unknown_x3'.*take div2k/bicubic_x2"):
        data.open_source("div2k/unknown_x3", "train", **given)


def test_folders_without_classes(tmp_path):
    folder = tmp_path / "train"
    folder.mkdir()
    for i in range(2):
        Image.fromarray(np.full((5, 5), i, np.uint8)).save(folder / f"{i}.png")
    source = data.open_source(str(tmp_path), "train", labelled=False)
    assert source.num_examples == 2 and source.class_names == (data.UNLABELLED,)
    with pytest.raises(ValueError, match="holds no images"):
        data.open_source(str(tmp_path), "train")
