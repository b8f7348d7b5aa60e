"""Batches of images and masks: resumable, labels dropped, fixed in evaluation."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from scipy import ndimage

from keras_cnns import data, metrics

PLAIN = data.Preprocessing(8, 8, 1, (0.0,), (255.0,))
RECTANGLES = data.MaskRecipe("rectangle", rectangle_sides=(0.25, 0.25))


@pytest.fixture(scope="module")
def train(data_dir):
    return data.open_source("digits", "train", data_dir)


@pytest.fixture(scope="module")
def test(data_dir):
    return data.open_source("digits", "test", data_dir)


def _stream(source, count, **kwargs):
    stream = data.load_inpainting_training(source, 64, preprocessing=PLAIN, **kwargs)
    return list(stream.take(count).as_numpy_iterator())


def _evaluation(source, batch_size=100, **kwargs):
    batches = data.load_inpainting_evaluation(
        source, batch_size, preprocessing=PLAIN, **kwargs
    ).as_numpy_iterator()
    return [np.concatenate(parts) for parts in zip(*batches)]


def _is_mask(masks):
    return masks.dtype == np.float32 and set(np.unique(masks)) == {0.0, 1.0}


CHANGES = {"augmentation": data.Augmentation("pad_crop:1,flip"), "seed": 5}


@pytest.fixture(scope="module")
def whole(train):
    """24 steps, of which 22 make an epoch."""
    return _stream(train, 24, **CHANGES)


@pytest.mark.parametrize("start", [1, 21, 22, 23])
def test_a_stream_from_a_step_is_the_rest_of_the_whole(train, whole, start):
    """The starts lie within an epoch, at its end and behind it."""
    tf.random.set_seed(99)  # no global seed must matter
    np.random.seed(99)
    rest = _stream(train, 24 - start, start_step=start, **CHANGES)
    assert len(rest) == 24 - start
    for expected, got in zip(whole[start:], rest):
        for one, other in zip(expected, got):
            np.testing.assert_array_equal(one, other)


def test_images_are_those_of_the_ordinary_stream(train):
    stream = data.load_training(train, 64, preprocessing=PLAIN, seed=3).take(3)
    for (images, masks), (expected, _) in zip(_stream(train, 3, seed=3), stream):
        np.testing.assert_array_equal(images, expected)
        assert masks.shape == (64, 8, 8, 1) and _is_mask(masks)


def test_shapes_are_static_and_the_stream_endless(train):
    stream = data.load_inpainting_training(train, 64, preprocessing=PLAIN)
    images, masks = stream.element_spec
    assert images.shape == masks.shape == (64, 8, 8, 1)
    assert images.dtype == masks.dtype == tf.float32
    assert stream.cardinality() == tf.data.INFINITE_CARDINALITY
    options = stream.options().experimental_distribute
    assert options.auto_shard_policy == tf.data.experimental.AutoShardPolicy.DATA


def test_every_image_gets_other_masks_every_time(train):
    """Within a batch, over an epoch of 22 steps, and under another seed."""
    masks = np.concatenate([m for _, m in _stream(train, 24)])
    assert len({mask.tobytes() for mask in masks}) > 0.95 * len(masks)
    ratios = 1 - masks.mean((1, 2, 3))
    assert ratios.min() > 0.01 and ratios.max() <= 0.6
    assert np.std(ratios) == pytest.approx(0.59 / 12**0.5, abs=0.02)  # evenly drawn
    assert (_stream(train, 1, seed=1)[0][1] != masks[:64]).any()


def test_evaluation_has_each_image_once_with_the_same_holes(test):
    recipe = data.MaskRecipe(hole_ratios=data.HOLE_RATIO_BINS[2])
    images, masks = _evaluation(test, masks=recipe)
    expected = list(test.examples.map(lambda c, _: PLAIN(c)).as_numpy_iterator())
    np.testing.assert_array_equal(images, expected)
    assert _is_mask(masks) and len({mask.tobytes() for mask in masks}) > 350
    assert {metrics.hole_ratio_bin(mask) for mask in masks} == {(0.2, 0.3)}
    again = _evaluation(test, 7, masks=recipe, num_examples=20)
    np.testing.assert_array_equal(again[0], images[:20])
    np.testing.assert_array_equal(again[1], masks[:20])
    other = _evaluation(test, masks=recipe, seed=1)
    np.testing.assert_array_equal(other[0], images)
    assert (other[1] != masks).any()


def test_evaluation_and_training_have_other_masks_under_one_seed(train):
    trained = _stream(train, 1)[0][1]
    evaluated = _evaluation(train, 64, num_examples=64)[1]
    same = [np.array_equal(*pair) for pair in zip(trained, evaluated)]
    assert np.mean(same) < 0.1


def test_rectangles_are_fractions_of_the_sides(test):
    wide = data.Preprocessing(32, 16, 1, (0.0,), (1.0,))
    batches = data.load_inpainting_evaluation(
        test, 50, preprocessing=wide, masks=RECTANGLES, num_examples=50
    )
    (_, masks) = next(batches.as_numpy_iterator())
    corners = set()
    for mask in masks:
        (place,) = ndimage.find_objects((mask[..., 0] == 0).astype(int))
        assert mask[place].shape == (8, 4, 1) and not mask[place].any()
        corners.add(tuple(span.start for span in place))
    assert len(corners) > 30


def test_masks_from_files(tmp_path, test):
    known = [data.irregular_mask(8, 8, seed) for seed in range(3)]
    for i, mask in enumerate(known):
        data.write_mask(str(tmp_path / f"{i}.png"), mask)
    recipe = data.MaskRecipe(f"files:{tmp_path}")
    assert recipe.num_files == 3 and data.MaskRecipe().num_files == 0
    _, masks = _evaluation(test, masks=recipe)
    found = {mask.tobytes() for mask in masks}
    assert found == {mask.tobytes() for mask in known}


def test_kinds_are_mixed(tmp_path, test):
    Image.new("L", (4, 4)).save(tmp_path / "no_hole.png")
    recipe = data.MaskRecipe(
        f"irregular, rectangle, files:{tmp_path}",
        hole_ratios=(0.5, 0.6),
        rectangle_sides=(0.25, 0.25),
    )
    _, masks = _evaluation(test, masks=recipe)
    num_holes = (masks == 0).sum((1, 2, 3))
    fractions = [
        np.mean(num_holes == 0),
        np.mean(num_holes == 4),
        np.mean(num_holes > 32),
    ]
    assert sum(fractions) == 1
    np.testing.assert_allclose(fractions, 1 / 3, atol=0.08)


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"kinds": "circle"}, "'circle'; there are irregular"),
        ({"kinds": ""}, "''"),
        ({"kinds": "files:"}, "'files:'"),
        ({"hole_ratios": (0.5, 0.2)}, r"\(0.5, 0.2\)"),
        ({"rectangle_sides": (0.1, 0.2)}, "for rectangle masks, but kinds='irregular'"),
        ({"kinds": "rectangle", "hole_ratios": (0.1, 0.2)}, "for irregular masks"),
        ({"kinds": "rectangle", "rectangle_sides": (0.1, 2)}, r"\(0.1, 2\)"),
        ({"kinds": "files:here", "border": 2}, "border=2"),
    ],
)
def test_bad_recipes_are_refused(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        data.MaskRecipe(**arguments)


def test_bad_arguments_are_refused_before_the_first_batch(tmp_path, train):
    def load(**kwargs):
        data.load_inpainting_training(train, 64, preprocessing=PLAIN, **kwargs)

    with pytest.raises(ValueError, match="mixup_alpha=0.2"):
        load(augmentation=data.Augmentation(mixup_alpha=0.2))
    with pytest.raises(ValueError, match="seed .* got -1"):
        load(seed=-1)
    with pytest.raises(ValueError, match="border"):
        load(masks=data.MaskRecipe(border=4))
    with pytest.raises(ValueError, match="8x8 would leave no valid pixel"):
        load(masks=data.MaskRecipe("rectangle", rectangle_sides=(1, 1)))
    Image.new("L", (4, 4), 255).save(tmp_path / "white.png")
    with pytest.raises(ValueError, match="white.png is all hole"):
        load(masks=data.MaskRecipe(f"irregular,files:{tmp_path}"))
    for count in (0, 1438):
        with pytest.raises(ValueError, match=f"the 1437 of digits train, got {count}"):
            _evaluation(train, num_examples=count)


def test_a_process_ends_in_the_middle_of_streams(data_dir):
    """Masks are drawn in Python, which iterators must not wait for at the end."""
    script = f"""
from keras_cnns import data
source = data.open_source("digits", "train", {data_dir!r})
preprocessing = data.Preprocessing.for_range(256, 256, 1, "unit")
loads = (data.load_inpainting_evaluation, data.load_inpainting_training)
held = [iter(load(source, 50, preprocessing=preprocessing)) for load in loads]
for iterator in held:
    next(iterator)
print("left", flush=True)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "left\n"
    assert process.wait(timeout=10) == 0
