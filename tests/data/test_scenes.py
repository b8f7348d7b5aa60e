"""Scenes: exact boxes of what is seen, nothing of the test in training, one error."""

import os

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image

from keras_cnns import data
from keras_cnns.data import builders
from keras_cnns.data.builders import cutouts, scene_drawing, scenes

# Where Debian's packages are unpacked to.
DEBIAN = os.environ.get("DEBIAN_ROOT", "/")
STAMPS = cutouts.find_stamps(DEBIAN, cutouts.DEBIAN_FOLDER)


class _Stock:
    """Opaque rectangles of one colour for each class."""

    class_names = ("red", "green", "blue")

    def draw(self, label, random):
        height, width = random.integers(20, 60, 2)
        pixels = np.zeros((height, width, 4), np.uint8)
        pixels[..., [label, 3]] = 255
        return cutouts.Cutout(self.class_names[label], pixels)


def _seen(image, label):
    return image[..., label] > 127


def test_boxes_are_those_of_what_is_seen(monkeypatch):
    """Found again in the picture: of each colour that is there once."""
    monkeypatch.setattr(scene_drawing, "_varied", lambda pixels, *_: pixels)
    found = {"covered": 0, "cut": 0, "empty": 0}
    for seed in range(150):
        random = np.random.default_rng(seed)
        black = np.zeros((128, 128, 3), np.uint8)
        image, placed = scene_drawing.draw_scene(black, _Stock(), random)
        found["empty"] += not placed
        labels = [one.label for one in placed]
        np.testing.assert_array_equal(
            image.max(-1) > 0,
            np.any([np.zeros((128, 128)), *(p.mask for p in placed)], 0),
        )
        for one in placed:
            y1, x1, y2, x2 = one.box
            assert 0 <= y1 <= y2 - 6 and 0 <= x1 <= x2 - 6 and max(y2, x2) <= 128
            assert one.is_difficult == (one.visible < 0.5) and one.visible >= 0.4
            if labels.count(one.label) == 1:
                np.testing.assert_array_equal(one.mask, _seen(image, one.label))
                rows, columns = np.nonzero(_seen(image, one.label))
                assert one.box == (
                    rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
                )  # fmt: skip
                found["covered"] += one.mask.sum() < (y2 - y1) * (x2 - x1)
                found["cut"] += 0 in (y1, x1) or 128 in (y2, x2)
    assert all(count >= 5 for count in found.values()), found


def test_half_transparent_pixels_count_from_one_half_on():
    """One object over black, of any size and turn: white is its alpha."""

    class Blurred(_Stock):
        class_names = ("white",)

        def draw(self, label, random):
            rows, columns = np.ogrid[-20:21, -30:31]
            alpha = 255 - np.clip((rows**2 * 2 + columns**2) / 3, 0, 255)
            pixels = np.full((41, 61, 4), 255, np.uint8)
            pixels[..., 3] = alpha
            return cutouts.Cutout("x", cutouts.trimmed(pixels))

    ones = 0
    for seed in range(60):
        black = np.zeros((96, 96, 3), np.uint8)
        random = np.random.default_rng(seed)
        image, placed = scene_drawing.draw_scene(black, Blurred(), random)
        if len(placed) == 1:
            ones += 1
            assert placed[0].box == scene_drawing.tight_box(image[..., 0] > 127)
    assert ones > 5


def test_tight_box_by_hand():
    mask = np.zeros((5, 7), bool)
    assert scene_drawing.tight_box(mask) == (0, 0, 0, 0)
    mask[1, 2] = mask[3, 6] = True
    assert scene_drawing.tight_box(mask) == (1, 2, 4, 7)


@pytest.fixture(scope="module")
def fake_stamps(tmp_path_factory):
    """As the package has them: pictures by folder, some mirrored, some deeper."""
    folder = tmp_path_factory.mktemp("fake") / "usr" / "share" / "tuxpaint" / "stamps"
    for label, place in enumerate(scenes.cutouts.STAMP_CLASSES.values()):
        for i in range(6):
            path = folder / place / ("cartoon" if i == 5 else "") / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = np.zeros((40, 30, 4), np.uint8)
            pixels[5:, 3:] = (40 * label, 40 * i, 200, 255)
            Image.fromarray(pixels).save(path)
        Image.fromarray(pixels[:, ::-1]).save(folder / place / "4_mirror.png")
    return folder.parents[3]


@pytest.fixture(scope="module")
def fake_scenes(fake_stamps, tmp_path_factory):
    """Folders in which the same few scenes were made, twice."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "_COUNTS", {"train": 20, "test": 8})
        found = []
        for name in "ab":
            folder = tmp_path_factory.mktemp(name)
            (folder / "usr").symlink_to(fake_stamps / "usr")
            data.open_detection_source("scenes/cutouts", "train", str(folder))
            found.append(str(folder))
    return found


def _examples(folder, split, config="cutouts"):
    builder = builders.Scenes(config=config, data_dir=folder)
    return list(tfds.as_numpy(builder.as_dataset(split=split)))


def test_what_scenes_hold(fake_scenes):
    source = data.open_detection_source("scenes/cutouts", "train", fake_scenes[0])
    assert source.class_names == tuple(cutouts.STAMP_CLASSES)
    assert source.image_shape == (128, 128, 3) and source.num_examples == 20
    for _, target in source.examples:
        boxes = data.pixel_boxes(target, 128, 128).numpy()
        np.testing.assert_array_equal(boxes, boxes.round())
    assert not data.check_boxes(source).problems


def test_scenes_are_the_same_each_time(fake_scenes):
    for split in ("train", "test"):
        pairs = zip(*(_examples(folder, split) for folder in fake_scenes))
        for one, other in pairs:
            np.testing.assert_array_equal(one["image"], other["image"])
            np.testing.assert_array_equal(
                one["objects"]["bbox"], other["objects"]["bbox"]
            )


def _assert_nothing_shared(folder, config):
    """Neither objects nor backgrounds; mirrored copies count as the same."""
    seen = []
    for split in ("train", "test"):
        examples = _examples(folder, split, config)
        names = {n.decode() for e in examples for n in e["objects"]["name"]}
        grounds = {e["background"].decode() for e in examples}
        seen.append((grounds, {n.replace("_mirror", "") for n in names}))
    assert seen[0][0] and seen[1][0] and not seen[0][0] & seen[1][0]
    assert seen[0][1] and seen[1][1] and not seen[0][1] & seen[1][1]


def test_test_scenes_share_nothing_with_those_to_train_on(fake_scenes):
    _assert_nothing_shared(fake_scenes[0], "cutouts")
    for config in scenes._BACKGROUNDS.values():
        assert not set(config["train"]) & set(config["test"])


def test_items_of_the_splits_differ():
    random = np.random.default_rng(0)
    images = np.zeros((40, 28, 28), np.uint8)
    images[:, 4:24, 6:22] = 200
    images[20:, 10:12] = 5  # in two parts: not used
    labels = np.arange(40) % 10
    found = {}
    for split in ("train", "test"):
        items = cutouts.Items(images, labels, split)
        drawn = [items.draw(i % 9, random) for i in range(400)]
        found[split] = {one.name for one in drawn}
        for one in drawn:
            assert one.pixels.dtype == np.uint8 and one.pixels.shape[2] == 4
            if one.name.startswith("fashion"):
                assert one.pixels.shape == (20, 16, 4)
                assert int(one.name.split("/")[-1]) < 20
    assert not found["train"] & found["test"]


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("scenes/items", "dataset-fashion-mnist"),
        ("scenes/cutouts_256", "tuxpaint-stamps-default"),
    ],
)
def test_what_is_missing_is_told_in_one_line(name, package, tmp_path, monkeypatch):
    monkeypatch.setattr(scenes.fashion_mnist_idx, "DEBIAN_FOLDER", "/nowhere/f")
    monkeypatch.setattr(cutouts, "DEBIAN_FOLDER", "/nowhere/s")
    folder = str(tmp_path)
    with pytest.raises(FileNotFoundError, match=f"Debian's package {package}") as error:
        data.open_detection_source(name, "train", folder)
    assert f"looked in {folder} and /nowhere/" in str(error.value)
    assert "\n" not in str(error.value)


def test_too_few_stamps_are_told(tmp_path):
    for place in cutouts.STAMP_CLASSES.values():
        (tmp_path / place).mkdir(parents=True)
    with pytest.raises(ValueError, match="0 pictures in animals/birds for .*'bird'"):
        cutouts.Stamps(str(tmp_path), "train")


@pytest.mark.slow  # makes 2,400 scenes
@pytest.mark.skipif(not STAMPS, reason="needs Debian's tuxpaint-stamps-default")
def test_scenes_of_the_real_stamps(tmp_path):
    (tmp_path / "stamps").symlink_to(STAMPS)
    source = data.open_detection_source("scenes/cutouts", "train", str(tmp_path))
    report = data.check_boxes(source)
    assert report.num_examples == 2000 and not report.problems
    assert min(report.boxes_by_class.values()) > 500 and report.most_boxes == 5
    assert 50 < report.num_empty < 200
    test = data.open_detection_source("scenes/cutouts", "test", str(tmp_path))
    assert test.num_examples == 400
    _assert_nothing_shared(str(tmp_path), "cutouts")
