"""Exported inpainting networks: what they fill, and that valid pixels stay."""

import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow import keras

from keras_cnns import data, export
from keras_cnns.export import inpainter, verification

SIDE = 8


def _network(outputs=1):
    """A convolution over valid pixels; one output or two."""
    images, masks = keras.Input((SIDE, SIDE, 3)), keras.Input((SIDE, SIDE, 1))
    # It does not multiply them: what lies under the hole must not get here at all.
    made = [keras.layers.Conv2D(3, 3, padding="same")(images) for _ in range(outputs)]
    return keras.Model([images, masks], made if outputs > 1 else made[0])


def _constant_network(levels):
    """Fills with one colour, whatever it is given."""
    network = _network()
    layer = network.layers[-1]
    kernel, _ = layer.get_weights()
    layer.set_weights([np.zeros_like(kernel), np.array(levels) / 255])
    return network


def _feed(value_range):
    mean = {"unit": 0.0, "signed": 127.5}[value_range]
    return data.Preprocessing(SIDE, SIDE, 3, (mean,) * 3, (255 - mean,) * 3)


def _png(pixels):
    return tf.io.encode_png(pixels).numpy()


def _read(content):
    return np.asarray(Image.open(io.BytesIO(content)))


def _serve(serve_images, images, holes):
    answer = serve_images(
        image_bytes=tf.constant([_png(p) for p in images]),
        mask_bytes=tf.constant([_png(255 * h.astype(np.uint8)) for h in holes]),
    )
    return [_read(content) for content in answer["image_bytes"].numpy()]


@pytest.fixture(scope="module")
def signed(tmp_path_factory, verifying_here):
    """A network of two outputs in [-1, 1] whose values go beyond, and its export."""
    keras.utils.set_random_seed(0)
    network = _network(outputs=2)
    kernel, bias = network.layers[-2].get_weights()
    network.layers[-2].set_weights([3 * kernel, bias + 0.3])
    with verifying_here():
        path, difference = export.export_inpainter(
            network,
            str(tmp_path_factory.mktemp("signed")),
            "net",
            preprocessing=_feed("signed"),
            value_range="signed",
        )
    assert 0 <= difference < 1e-5 and path.endswith("/net/1")
    return network, tf.saved_model.load(path).signatures


def test_both_signatures_fill_by_the_first_output(signed):
    network, signatures = signed
    random = np.random.default_rng(2)
    pixels = random.integers(0, 256, (2, SIDE, SIDE, 3), np.uint8)
    hole = random.uniform(size=(2, SIDE, SIDE, 1)) < 0.4
    images, masks = (pixels / np.float32(127.5) - 1), 1 - hole.astype(np.float32)
    expected = np.clip(network([images * masks, masks])[0].numpy(), -1, 1)
    assert (np.abs(expected) == 1).any()
    where = np.broadcast_to(hole, pixels.shape)
    served = signatures["serving_default"](
        images=tf.constant(images), masks=tf.constant(masks)
    )["images"].numpy()
    np.testing.assert_array_equal(served[~where], images[~where])
    np.testing.assert_allclose(served[where], expected[where], atol=1e-5)
    filled = np.stack(_serve(signatures["serve_images"], pixels, hole))
    np.testing.assert_array_equal(filled[~where], pixels[~where])
    levels = 127.5 * (expected[where] + 1)
    np.testing.assert_allclose(filled[where], levels, atol=0.51)


@pytest.fixture(scope="module")
def constant():
    """What is exported, before it is written; fills with (200, 100, 50)."""
    network = _constant_network([200, 100, 50])
    return inpainter._ServedInpainter(network, _feed("unit"), "unit").serve_images


def test_images_of_any_size_keep_their_valid_pixels(constant):
    """Larger and smaller ones in one request; grey masks are cut at 128."""
    random = np.random.default_rng(3)
    shapes = [(23, 40), (5, 7), (SIDE, SIDE)]
    images = [random.integers(0, 256, (*shape, 3), np.uint8) for shape in shapes]
    holes = [random.uniform(size=(*shape, 1)) < 0.3 for shape in shapes]
    for image, hole, filled in zip(images, holes, _serve(constant, images, holes)):
        expected = np.where(hole, np.uint8([200, 100, 50]), image)
        np.testing.assert_array_equal(filled, expected)
    grey = np.full((SIDE, SIDE, 1), 127, np.uint8)
    grey[:4] = 128
    answer = constant(
        image_bytes=tf.constant([_png(images[2])]),
        mask_bytes=tf.constant([_png(grey)]),
    )
    filled = _read(answer["image_bytes"].numpy()[0])
    np.testing.assert_array_equal(filled[4:], images[2][4:])
    assert (filled[:4] == [200, 100, 50]).all()


def test_what_lies_under_the_hole_has_no_effect(signed):
    """Even where an image is resized, which mixes neighbours."""
    serve = signed[1]["serve_images"]
    random = np.random.default_rng(4)
    image = random.integers(0, 256, (20, 28, 3), np.uint8)
    hole = np.zeros((20, 28, 1), bool)
    hole[5:15, 6:20] = True
    other = np.where(hole, 255 - image, image)
    first, second = _serve(serve, [image, other], [hole, hole])
    np.testing.assert_array_equal(first, second)
    empty = np.zeros_like(hole)
    np.testing.assert_array_equal(_serve(serve, [image], [empty])[0], image)


def test_masks_that_do_not_fit_are_refused(constant):
    image = np.zeros((10, 12, 3), np.uint8)
    with pytest.raises(tf.errors.InvalidArgumentError, match="size of its image"):
        _serve(constant, [image], [np.zeros((10, 11, 1), bool)])
    with pytest.raises(tf.errors.InvalidArgumentError, match="all hole"):
        _serve(constant, [image], [np.ones((10, 12, 1), bool)])


def test_encoded_images_are_compared_by_their_pixels():
    """One level may be a matter of rounding, more is a difference."""
    pixels = np.full((1, 2, 2, 3), 100, np.uint8)
    given = tf.constant([_png(pixels[0])])
    for added, difference in ((0, 0), (1, 0), (3, 2 / 103)):
        expected = pixels + np.uint8(added)
        assert verification._difference(given, expected) == pytest.approx(difference)
