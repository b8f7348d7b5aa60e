"""Batches of images and boxes: what is bright is in the boxes, resumable to the bit."""

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds
from box_pictures import CLASSES, PICTURES, xml_of
from PIL import Image

from keras_cnns import data
from keras_cnns.data import box_sources

PLAIN = data.Preprocessing.plain(1, 1, 3)
SIDES = {"short_side": 48, "long_side": 64}


@pytest.fixture
def source(voc_folder):
    return data.open_detection_source(str(voc_folder), "train")


def _training(source, batch_size=2, preprocessing=PLAIN, **options):
    return data.load_detection_training(
        source, batch_size, preprocessing=preprocessing, **{**SIDES, **options}
    )


def _evaluation(source, batch_size=2, preprocessing=PLAIN, **options):
    return data.load_detection_evaluation(
        source, batch_size, preprocessing=preprocessing, **{**SIDES, **options}
    )


def _assert_boxes_are_bright(images, targets):
    """The rectangles of the pictures, found by their colours."""
    for image, boxes, labels in zip(images, targets["boxes"], targets["labels"]):
        for box, label in zip(boxes, labels):
            if label < 0:
                np.testing.assert_array_equal(box, 0)
                continue
            y1, x1, y2, x2 = box
            bright = image[..., label] > 130
            rows, columns = np.nonzero(bright)
            found = rows.min(), columns.min(), rows.max() + 1, columns.max() + 1
            np.testing.assert_allclose(found, (y1, x1, y2, x2), atol=1)
            expected = (y2 - y1) * (x2 - x1)
            assert abs(bright.sum() - expected) < 0.15 * expected + 2


def test_batches_of_evaluation_by_hand(source):
    images, targets = next(iter(_evaluation(source, 3)))
    assert images.shape == (3, 64, 64, 3) and images.dtype == tf.float32
    # 30x40 by 48 / 30, 20x20 by 48 / 20, 24x40 by 64 / 40
    np.testing.assert_allclose(targets["scales"], [1.6, 2.4, 1.6])
    np.testing.assert_allclose(targets["sizes"], [[48, 64], [48, 48], [38.4, 64]])
    np.testing.assert_array_equal(targets["index"], [0, 1, 2])
    np.testing.assert_array_equal(targets["labels"], [[1, 0], [-1, -1], [1, -1]])
    np.testing.assert_array_equal(
        targets["ignored"], [[False, True], [False, False], [False, False]]
    )
    np.testing.assert_allclose(
        targets["boxes"][0],
        np.array([[4, 2, 20, 12], [0, 20, 30, 40]]) * 1.6,
        rtol=1e-5,
    )
    np.testing.assert_array_equal(targets["boxes"][1], np.zeros((2, 4)))
    _assert_boxes_are_bright(images.numpy(), {k: v.numpy() for k, v in targets.items()})


def test_beside_the_image_is_zero_after_standardisation(source):
    caffe = data.Preprocessing(
        1, 1, 3, (102.9801, 115.9465, 122.7717), (1.0,) * 3, reverse_channels=True
    )
    images, _ = next(iter(_evaluation(source, 3, caffe)))
    np.testing.assert_array_equal(images[1, 48:], 0)
    np.testing.assert_array_equal(images[1, :, 48:], 0)
    expected = np.array([20 - 102.9801, 20 - 115.9465, 20 - 122.7717])
    np.testing.assert_allclose(images[1, 5, 5], expected, rtol=1e-5)
    np.testing.assert_allclose(images[0, 16, 8], expected + [0, 220, 0], rtol=1e-4)


def test_boxes_go_with_mirrored_and_scaled_pixels(source):
    flips = set()
    for images, targets in _training(source, 3, seed=1).take(8).as_numpy_iterator():
        assert set(targets) == {"boxes", "labels", "ignored", "sizes"}
        _assert_boxes_are_bright(images, targets)
        for boxes, labels, size in zip(
            *(targets[k] for k in ("boxes", "labels", "sizes"))
        ):
            if list(labels) == [1, 0]:
                flips.add(float(boxes[0, 1]))
                assert size.tolist() == [48, 64]
    np.testing.assert_allclose(sorted(flips), [2 * 1.6, (40 - 12) * 1.6], rtol=1e-6)
    unflipped = _training(source, 3, flip=False).take(4).as_numpy_iterator()
    for _, targets in unflipped:
        assert any(abs(boxes[0, 1] - 3.2) < 1e-5 for boxes in targets["boxes"])


def test_shapes_are_static_and_the_stream_endless(source):
    stream = _training(source, 2)
    images, targets = stream.element_spec
    assert images.shape == (2, 64, 64, 3)
    assert targets["boxes"].shape == (2, 2, 4) and targets["labels"].shape == (2, 2)
    assert targets["ignored"].dtype == tf.bool and targets["sizes"].shape == (2, 2)
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY


def test_a_stream_from_a_step_is_the_rest_of_the_whole(source, tmp_path):
    """Bit by bit, proposals and mirroring included."""
    store = data.write_proposals(
        str(tmp_path / "p"), source, _propose, settings={}, max_boxes=6, shard_size=2
    )

    def batches(start, seed):
        stream = _training(source, 1, start_step=start, seed=seed, proposals=store)
        return list(stream.take(8 - start).as_numpy_iterator())

    whole = batches(0, 5)
    tf.random.set_seed(99)  # no global seed must matter
    np.random.seed(99)
    for start in (2, 3, 7):  # within an epoch of three, at its end, later
        rest = batches(start, 5)
        assert len(rest) == 8 - start
        for one, other in zip(whole[start:], rest):
            tf.nest.map_structure(np.testing.assert_array_equal, one, other)
    others = batches(0, 6)
    assert any((a[0] != b[0]).any() for a, b in zip(whole, others))


def _propose(image, index):
    """The image, and as many more as its position tells."""
    height, width = image.shape[:2]
    return [[0, 0, height, width]] + [[1, 2, 5, width / 2]] * index


def test_proposals_are_placed_as_boxes_are(source, tmp_path):
    store = data.write_proposals(
        str(tmp_path / "p"), source, _propose, settings={}, max_boxes=4, shard_size=2
    )
    _, targets = next(iter(_evaluation(source, 3, proposals=store)))
    np.testing.assert_array_equal(targets["num_proposals"], [1, 2, 3])
    expected = np.zeros((3, 4, 4))
    expected[:, 0, 2:] = targets["sizes"]
    expected[1, 1] = np.array([1, 2, 5, 10]) * 2.4
    expected[2, 1:3] = np.array([1, 2, 5, 20]) * 1.6
    np.testing.assert_allclose(targets["proposals"], expected, rtol=1e-5)
    for _, targets in _training(source, 3, proposals=store).take(4).as_numpy_iterator():
        assert targets["proposals"].shape == (3, 4, 4)
        for rows, count, size in zip(
            targets["proposals"], targets["num_proposals"], targets["sizes"]
        ):
            np.testing.assert_allclose(rows[0], [0, 0, *size], rtol=1e-6)
            np.testing.assert_array_equal(rows[count:], 0)
    val = data.open_detection_source(source.name, "val")
    with pytest.raises(ValueError, match="proposals of split 'train', not 'val'"):
        _evaluation(val, proposals=store)


def test_fixed_sizes_need_no_larger_canvas(source):
    import dataclasses

    fixed = dataclasses.replace(source, image_shape=(30, 40, 3), num_examples=1)
    fixed = dataclasses.replace(fixed, examples=source.examples.take(1))
    (images, targets), *_ = _evaluation(fixed, 1)
    assert images.shape == (1, 48, 64, 3)
    _assert_boxes_are_bright(images.numpy(), {k: v.numpy() for k, v in targets.items()})


def test_too_many_objects_are_refused(source):
    with pytest.raises(ValueError, match=r"max_objects=1, but .*a.png has 2 of them"):
        _training(source, max_objects=1)
    _, targets = next(iter(_training(source, max_objects=7)))
    assert targets["boxes"].shape == (2, 7, 4)


def _rewrite(folder, objects, name="a"):
    (folder / "Annotations" / f"{name}.xml").write_text(xml_of(name, objects=objects))


def test_two_thousand_objects_and_one_pixel(voc_folder):
    objects = [("cat", (i % 40 + 1, i // 40 % 30 + 1, 40, 30), 0) for i in range(1200)]
    objects += [("dog", o[1], 0) for o in objects[:800]]
    _rewrite(voc_folder, objects)
    source = data.open_detection_source(str(voc_folder), "train")
    _, targets = next(iter(_evaluation(source, 3)))
    assert targets["boxes"].shape == (3, 2000, 4)
    assert (targets["labels"].numpy()[0] >= 0).all()
    one_pixel = np.array([29, 39, 30, 40]) * 1.6
    np.testing.assert_allclose(targets["boxes"][0, 1199], one_pixel, rtol=1e-5)


BAD = [
    ("dog", (3, 5, 12, 20), 0),
    ("dog", (3, 5, 12, 20), 0),  # twice
    ("cat", (3, 5, 12, 20), 0),  # another class
    ("dog", (9, 9, 4, 20), 0),  # no area
    ("dog", (60, 9, 70, 20), 0),  # not in the image at all
    ("dog", (30, 9, 45, 20), 0),  # cut
    ("dog", (30, 9, 41, 20), 0),  # a pixel too far: cut without a word
]


def test_bad_boxes_are_refused_or_left_out_and_counted(voc_folder):
    _rewrite(voc_folder, BAD)
    source = data.open_detection_source(str(voc_folder), "train")
    for load in (_training, _evaluation):
        with pytest.raises(
            ValueError, match=r"a.png: object 2, 'dog', is there tw"
        ) as e:
            load(source)
        counts = "4 bad boxes of 8 (2 degenerate, 1 outside, 1 duplicate)"
        assert counts in str(e.value) and "bad_boxes='drop'" in str(e.value)
    with pytest.raises(
        ValueError, match="bad_boxes must be 'refuse' or 'drop', got 'x'"
    ):
        _training(source, bad_boxes="x")
    _, targets = next(iter(_evaluation(source, 3, bad_boxes="drop")))
    kept = targets["labels"][0].numpy()
    np.testing.assert_array_equal(kept, [1, 0, 1, 1, -1, -1, -1])
    cut = np.array([[8, 29, 20, 40]] * 2) * 1.6
    np.testing.assert_allclose(targets["boxes"][0, 2:4], cut, rtol=1e-5)
    np.testing.assert_array_equal(targets["labels"][2, :2], [1, -1])


def test_damaged_images_are_named(voc_folder):
    path = voc_folder / "JPEGImages" / "d.png"
    path.write_bytes(path.read_bytes()[:-30])
    source = data.open_detection_source(str(voc_folder), "train")
    batches = _evaluation(source)
    named = pytest.raises(ValueError, match=r"image .*d.png cannot be read")
    with named, data.naming_bad_images():
        list(batches)


def test_grey_images_with_colour_preprocessing(voc_folder):
    for path in (voc_folder / "JPEGImages").iterdir():
        Image.open(path).convert("LA").save(path)
    source = data.open_detection_source(str(voc_folder), "train")
    assert source.image_shape == (None, None, 1)
    images, _ = next(iter(_evaluation(source)))
    assert images.shape == (2, 64, 64, 3)


# Data sets of TFDS


def test_corners_of_voc_in_tfds(tmp_path):
    """Inclusive and from 1 on, divided by the size as they are."""
    info = tfds.builder("voc/2007", data_dir=str(tmp_path)).info
    layout = box_sources._objects_layout("voc/2007", info)
    assert layout.class_names[:2] == ("aeroplane", "bicycle")
    boxes = np.array([[239, 155, 414, 195], [1, 1, 500, 353]])  # ymin, xmin, ymax, xmax
    target = layout.target(
        {
            "objects": {
                "bbox": (boxes / [500, 353, 500, 353]).astype(np.float32),
                "label": np.array([7, 11]),
                "is_difficult": np.array([False, True]),
            }
        }
    )
    found = data.pixel_boxes(target, 500, 353).numpy()
    np.testing.assert_array_equal(found, boxes - [1, 1, 0, 0])
    np.testing.assert_array_equal(target["ignored"], [False, True])


def test_corners_of_coco_in_tfds(tmp_path):
    info = tfds.builder("coco/2017", data_dir=str(tmp_path)).info
    layout = box_sources._objects_layout("coco/2017", info)
    assert len(layout.class_names) == 80
    boxes = np.array([[305.86, 116.95, 571.89, 402.25]])
    target = layout.target(
        {
            "objects": {
                "bbox": (boxes / [640, 480, 640, 480]).astype(np.float32),
                "label": np.array([58]),
                "is_crowd": np.array([True]),
            }
        }
    )
    found = data.pixel_boxes(target, 640, 480).numpy()
    np.testing.assert_allclose(found, boxes, atol=1e-4)
    np.testing.assert_array_equal(target["ignored"], [True])


def test_sets_without_boxes_are_refused(data_dir):
    with pytest.raises(ValueError, match="'digits' is not one of images with boxes"):
        data.open_detection_source("digits", "train", data_dir)
    with pytest.raises(ValueError, match="scenes has no 'nothing', but items, cut"):
        data.open_detection_source("scenes/nothing", "train", data_dir)


def test_pictures_are_as_the_tests_take_them():
    assert set(CLASSES) == {o[0] for _, objects in PICTURES.values() for o in objects}
