"""Protocols and ensembles against means that are computed by hand."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow import keras

from keras_cnns import applications, data, inference, runs
from keras_cnns.data import crops
from keras_cnns.inference import predictor

NAMES = ("a", "b", "c")
FEED = data.Preprocessing(28, 28, 3, (120.0, 110.0, 100.0), (60.0, 50.0, 40.0))
NET = {"units": [1, 1], "block": "basic", "filters": 4, "stem": "small"}
SCALES = (28, 32, 48, 60, 80)  # 224, 256, 384, 480, 640 in eighths


def _write_run(folder, model="resnet", builder_args=NET, names=NAMES, feed=FEED):
    """A run's folder with random weights; a ResNet's answers vary over images."""
    args = {**builder_args, "input_shape": feed.shape, "classes": len(names)}
    config = runs.RunConfig({"network": {"model": model, "args": args}}, feed, names)
    network = config.build("network", classifier_activation=None)
    if model == "resnet":
        head = network.get_layer("predictions")
        size = (feed.height, feed.width, feed.channels)
        images = _blobs(np.random.default_rng(3), 32, *size)
        logits = network.predict(feed.standardize(images), verbose=0)
        kernel, _ = head.get_weights()
        spread = logits.std(0)
        head.set_weights([kernel / spread, -logits.mean(0) / spread])
    runs.write_record(runs.Run(str(folder), "classification", {}, config))
    applications.save_weights(network, str(folder / "last.h5"))
    return str(folder)


def _blobs(random, count, height, width, channels=3):
    """Random images with large patches of colour."""
    coarse = random.integers(0, 256, (count, 5, 5, channels)).astype(np.float32)
    return tf.cast(tf.image.resize(coarse, (height, width)), tf.uint8).numpy()


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    keras.utils.set_random_seed(1)
    return _write_run(tmp_path_factory.mktemp("runs") / "one")


def _images(*shapes):
    random = np.random.default_rng(0)
    images = [_blobs(random, 1, *shape)[0] for shape in shapes]
    return images, [tf.io.encode_png(image).numpy() for image in images]


def _standardize(pixels):
    return (np.asarray(pixels, np.float32) - FEED.mean) / FEED.std


def _predict(encoded, run_dir, name, batch_size=64, **fields):
    protocol = crops.Protocol(name, **fields)
    predict, _ = inference.load_predictor(
        run_dir, protocol=protocol, batch_size=batch_size
    )
    return predict(encoded)


def test_ten_crops_against_numpy(run_dir):
    images, encoded = _images((32, 37), (40, 32))
    network, _ = inference.load_classifier(run_dir, "last")
    for image, found in zip(images, _predict(encoded, run_dir, "10_crop")):
        bottom, right = image.shape[0] - 28, image.shape[1] - 28
        starts = [(0, 0), (0, right), (bottom, 0), (bottom, right)]
        starts.append((bottom // 2, right // 2))
        cuts = [image[y : y + 28, x : x + 28] for y, x in starts]
        cuts += [np.fliplr(cut) for cut in cuts]
        expected = network.predict(_standardize(cuts), verbose=0)
        assert expected.std(0).max() > 0.01  # the crops differ for the network
        np.testing.assert_allclose(found, expected.mean(0), atol=1e-5)


def _resized(image, scale):
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = (round(width * scale / shorter), round(height * scale / shorter))
    channels = [Image.fromarray(c.astype(np.float32)) for c in image.transpose(2, 0, 1)]
    return np.stack([np.asarray(c.resize(size, Image.BILINEAR)) for c in channels], -1)


def test_dense_multi_scale_against_pil_and_a_network_of_each_size(run_dir):
    (image,), encoded = _images((50, 41))
    answers = []
    for scale in SCALES:
        pixels = _resized(image, scale)
        network, _ = inference.load_classifier(run_dir, "last", size=pixels.shape[:2])
        assert network.input_shape[1:3] == pixels.shape[:2]
        answers.append(network(_standardize(pixels)[None])[0])
    (found,) = _predict(encoded, run_dir, "dense_multi_scale")
    assert np.std(answers, axis=0).max() > 0.01
    np.testing.assert_allclose(found, np.mean(answers, 0), atol=1e-4)


def test_dense_at_the_size_of_training_is_one_crop(run_dir):
    _, encoded = _images(*[(28, 28)] * 5)
    once = _predict(encoded, run_dir, "1_crop")
    dense = _predict(encoded, run_dir, "dense_multi_scale", scales=(28,))
    np.testing.assert_allclose(dense, once, atol=1e-6)


@pytest.mark.parametrize("name", crops.PROTOCOLS)
def test_a_plain_image_looks_alike_in_every_crop(run_dir, name):
    """Of one colour and the input's size; maps of other sizes differ at the rim."""
    plain = np.full((28, 28, 3), (200, 100, 50), np.uint8)
    encoded = [tf.io.encode_png(plain).numpy()]
    once = _predict(encoded, run_dir, "1_crop")
    fields = {"scales": (28,)} if name == "dense_multi_scale" else {}
    found = _predict(encoded, run_dir, name, **fields)
    np.testing.assert_allclose(found, once, atol=1e-5)


@pytest.mark.parametrize("name", ["10_crop", "144_crop", "dense_multi_scale"])
def test_the_size_of_the_steps_changes_nothing(run_dir, name):
    _, encoded = _images((30, 40), (28, 28), (28, 28), (90, 31))
    found = _predict(encoded, run_dir, name)
    assert found.shape == (4, 3) and found.dtype == np.float32
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-5)
    in_small_steps = _predict(encoded, run_dir, name, batch_size=7)
    np.testing.assert_allclose(in_small_steps, found, atol=1e-5)


def test_steps_are_bounded_and_of_one_shape():
    shapes = [(2, 2)] * 5 + [(4, 2)] * 3 + [(2, 2)]
    views = ((i, np.zeros((*shape, 1))) for i, shape in enumerate(shapes))
    steps = list(predictor._batches(views, lambda view: 8 // view[..., 0].size))
    assert [[i for i, _ in step] for step in steps] == [
        [0, 1], [2, 3], [4], [5], [6], [7], [8],
    ]  # fmt: skip


def test_crop_ratio_of_one_crop(run_dir):
    images, encoded = _images((56, 70))
    network, _ = inference.load_classifier(run_dir, "last")
    expected = network.predict(_standardize(images[0][14:42, 21:49])[None], verbose=0)
    found = _predict(encoded, run_dir, "1_crop", crop_ratio=0.5)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_ensemble_is_the_mean_of_classes_of_the_same_name(run_dir, tmp_path):
    keras.utils.set_random_seed(2)
    feed = data.Preprocessing(20, 20, 1, (99.0,), (9.0,), crop_ratio=0.9)
    other = _write_run(tmp_path / "two", names=("c", "a", "b"), feed=feed)
    _, encoded = _images((30, 40), (28, 28))
    protocol = crops.Protocol("10_crop")
    one, two = (
        inference.load_predictor(folder, protocol=protocol)[0](encoded)
        for folder in (run_dir, other)
    )
    both, names = inference.load_predictor([run_dir, other], protocol=protocol)
    assert names == NAMES
    expected = (one + two[:, [1, 2, 0]]) / 2
    np.testing.assert_allclose(both(encoded), expected, atol=1e-6)
    stranger = _write_run(tmp_path / "three", names=("a", "b", "d"))
    with pytest.raises(ValueError, match="different classes, c, d"):
        inference.load_predictor([run_dir, stranger])


@pytest.mark.parametrize(
    ("model", "builder_args"),
    [
        ("network_in_network", {"filters": [[8, 8], [8, 8]], "kernel_sizes": [5, 3]}),
        ("all_cnn", {"filters": [8, 8]}),
    ],
)
def test_dense_with_heads_of_class_maps(tmp_path, model, builder_args):
    folder = _write_run(tmp_path / "run", model, builder_args)
    _, encoded = _images(*[(28, 28)] * 3)
    once = _predict(encoded, folder, "1_crop")
    dense = _predict(encoded, folder, "dense_multi_scale", scales=(28,))
    np.testing.assert_allclose(dense, once, atol=1e-6)
    larger = _predict(encoded, folder, "dense_multi_scale", scales=(37,))
    np.testing.assert_allclose(larger.sum(1), 1, atol=1e-5)


def test_auxiliary_heads_that_want_a_known_size_are_left_out(tmp_path):
    builder_args = {"stem": "small", "depth_multiplier": 0.125, "aux_heads": True}
    feed = data.Preprocessing(20, 20, 1, (0.0,), (1.0,))
    folder = _write_run(tmp_path / "run", "googlenet", builder_args, feed=feed)
    network, _ = inference.load_classifier(folder, "last", size=(None, None))
    assert network.output_shape == (None, 3)
    assert network.input_shape == (None, None, None, 1)


@pytest.mark.parametrize("protocol", ["1_crop", "10_crop"])
def test_weights_that_are_no_numbers_are_named(tmp_path, protocol):
    folder = _write_run(tmp_path / "run")
    network, _ = inference.load_classifier(folder, "last")
    kernel, bias = network.get_layer("predictions").get_weights()
    network.get_layer("predictions").set_weights([kernel * np.nan, bias])
    applications.save_weights(network, str(tmp_path / "run" / "last.h5"))
    _, encoded = _images((28, 28))
    with pytest.raises(ValueError, match="probabilities that are NaN") as refused:
        _predict(encoded, folder, protocol)
    assert f"{folder} (last epoch)" in str(refused.value)


def test_what_a_protocol_cannot_do_is_refused(run_dir, tmp_path):
    dense = crops.Protocol("dense_multi_scale")
    folder = _write_run(tmp_path / "run", "highway_fc10", {})
    with pytest.raises(ValueError, match="highway_fc10 takes inputs of 28x28 only"):
        inference.load_predictor(folder, protocol=dense)
    with pytest.raises(ValueError, match="is too small"):
        tiny = crops.Protocol("dense_multi_scale", scales=(1, 28))
        inference.load_predictor(run_dir, protocol=tiny)
    for protocol, quoted in [
        (dense, "dense_multi_scale"),
        (crops.Protocol("10_crop"), "10_crop"),
        (crops.Protocol(crop_ratio=0.5), "crop_ratio=0.5"),
    ]:
        with pytest.raises(ValueError, match=f"exported model.*{quoted}"):
            inference.load_predictor(saved_model="anything", protocol=protocol)
