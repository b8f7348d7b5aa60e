"""Embeddings against the networks' layers by hand, Pillow's resizing and Keras' own."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow import keras

from keras_cnns import applications, data, inference, metrics, runs

FEED = data.Preprocessing(28, 28, 3, (120.0, 110.0, 100.0), (60.0, 50.0, 40.0))
GREY = data.Preprocessing(28, 28, 1, (120.0,), (60.0,))
NET = {"units": [1, 1], "block": "basic", "filters": 4, "stem": "small"}
NAMES = ("a", "b", "c")


def _write_run(folder, feed=FEED, model="resnet", builder_args=NET):
    """A run's folder with random weights, whose classifier answers differently."""
    args = {**builder_args, "input_shape": feed.shape, "classes": len(NAMES)}
    networks = {"network": {"model": model, "args": args}}
    config = runs.RunConfig(networks, feed, NAMES)
    network = config.build("network", classifier_activation=None)
    folder.mkdir()
    options = {"model": model, "dataset": "patches", "train_split": "train[:90%]"}
    runs.write_record(runs.Run(str(folder), "classification", options, config))
    applications.save_weights(network, str(folder / "best.h5"))
    return str(folder)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    keras.utils.set_random_seed(1)
    return _write_run(tmp_path_factory.mktemp("runs") / "one")


def _images(count, height, width, channels=3, seed=0):
    """Random images with large patches of colour."""
    random = np.random.default_rng(seed)
    coarse = random.integers(0, 256, (count, 5, 5, channels)).astype(np.float32)
    return tf.cast(tf.image.resize(coarse, (height, width)), tf.uint8).numpy()


def _by_layers(run_dir, inputs):
    """Penultimate features and probabilities, the classifier computed in NumPy."""
    network, _ = inference.load_classifier(run_dir)
    body = keras.Model(network.input, network.get_layer("avg_pool").output)
    features = body.predict(inputs, verbose=0)
    kernel, bias = network.get_layer("predictions").get_weights()
    powers = np.exp(features @ kernel + bias)
    return features, powers / powers.sum(axis=1, keepdims=True)


def test_features_and_probabilities_are_those_of_the_layers(run_dir):
    images = _images(7, 28, 28)
    inputs = (images.astype(np.float32) - FEED.mean) / FEED.std
    expected, answers = _by_layers(run_dir, inputs)
    embedding = inference.run_embedding(run_dir)
    for batch_size in (1, 3, 128):
        features, probabilities = embedding(images, batch_size)
        np.testing.assert_allclose(features, expected, atol=1e-5)
        np.testing.assert_allclose(probabilities, answers, atol=1e-5)
    assert features.shape == (7, embedding.dimension)
    assert features.dtype == probabilities.dtype == np.float32
    named = inference.run_embedding(run_dir, "avg_pool")
    np.testing.assert_allclose(named(images)[0], expected, atol=1e-5)


def test_another_layer_is_averaged_over_its_maps(run_dir):
    network, _ = inference.load_classifier(run_dir)
    name = next(x.name for x in network.layers if isinstance(x, keras.layers.Conv2D))
    maps = keras.Model(network.input, network.get_layer(name).output)
    images = _images(3, 28, 28)
    inputs = (images.astype(np.float32) - FEED.mean) / FEED.std
    expected = maps.predict(inputs, verbose=0).mean(axis=(1, 2))
    found = inference.run_embedding(run_dir, name)(images)[0]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    with pytest.raises(ValueError, match="no layer 'pool9'; its last ones are .*pred"):
        inference.run_embedding(run_dir, "pool9")


@pytest.mark.parametrize("size", [(64, 40), (20, 14)])
def test_resizing_against_pillow(run_dir, size):
    """Pillow's bilinear filter smooths before it shrinks, channel by channel."""
    images = _images(3, *size)
    resized = [
        [
            np.asarray(
                Image.fromarray(channel.astype(np.float32)).resize(
                    (28, 28), Image.BILINEAR
                )
            )
            for channel in np.moveaxis(image, -1, 0)
        ]
        for image in images
    ]
    inputs = (np.moveaxis(np.array(resized), 1, -1) - FEED.mean) / FEED.std
    expected, answers = _by_layers(run_dir, inputs)
    embedding = inference.run_embedding(run_dir)
    assert "bilinear with antialias, to 28x28" in embedding.resize
    features, probabilities = embedding(images)
    np.testing.assert_allclose(features, expected, atol=1e-3)
    np.testing.assert_allclose(probabilities, answers, atol=1e-3)


def test_floats_are_quantised_like_files(run_dir):
    images = _images(4, 28, 28)
    random = np.random.default_rng(0)
    floats = images + random.uniform(-0.49, 0.49, images.shape)
    np.testing.assert_array_equal(inference.quantize(floats), images)
    np.testing.assert_array_equal(inference.quantize(images), images)
    embedding = inference.run_embedding(run_dir)
    for found, expected in zip(embedding(floats), embedding(images)):
        np.testing.assert_array_equal(found, expected)
    edge = np.array([-0.4, 0.6, 254.4, 255.4]).reshape(1, 2, 2, 1)
    assert inference.quantize(edge).ravel().tolist() == [0, 1, 254, 255]


@pytest.mark.parametrize(
    ("images", "quoted"),
    [
        (np.zeros((4, 8, 8), np.uint8), r"\(count, .*, got \(4, 8, 8\)"),
        (np.zeros((0, 8, 8, 3), np.uint8), r"got \(0, 8, 8, 3\)"),
        (np.linspace(-1, 1, 192).reshape(1, 8, 8, 3), "float64 from -1 to 1"),
        (np.linspace(0, 1, 192).reshape(1, 8, 8, 3), "float64 from 0 to 1"),
        (np.linspace(0, 400, 192).reshape(1, 8, 8, 3), "float64 from 0 to 400"),
        (np.full((1, 8, 8, 3), np.nan), "float64 from nan to nan"),
    ],
)
def test_what_are_no_grey_levels_is_refused(images, quoted):
    with pytest.raises(ValueError, match=quoted):
        inference.quantize(images)


def test_channels(run_dir, tmp_path):
    grey = _images(3, 28, 28, 1)
    embedding = inference.run_embedding(run_dir)
    repeated = embedding(np.concatenate([grey] * 3, axis=-1))
    np.testing.assert_array_equal(embedding(grey)[0], repeated[0])
    of_grey = inference.run_embedding(_write_run(tmp_path / "grey", GREY))
    with pytest.raises(ValueError, match="takes images of 1 channels, got 3"):
        of_grey(_images(3, 28, 28))
    with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
        embedding(grey, batch_size=0)


def test_heads_of_class_maps_are_averaged_before(tmp_path):
    folder = _write_run(tmp_path / "run", FEED, "all_cnn", {"filters": [8, 12]})
    network, _ = inference.load_classifier(folder)
    embedding = inference.run_embedding(folder)
    assert embedding.dimension == 12
    images = _images(2, 28, 28)
    inputs = (images.astype(np.float32) - FEED.mean) / FEED.std
    maps = keras.Model(network.input, network.get_layer("head_2_relu").output)
    expected = maps.predict(inputs, verbose=0).mean(axis=(1, 2))
    features, answers = embedding(images)
    np.testing.assert_allclose(features, expected, atol=1e-5)
    np.testing.assert_allclose(answers, network.predict(inputs, verbose=0), atol=1e-5)


def test_name_and_checksum_tell_embeddings_apart(run_dir, tmp_path):
    embedding = inference.run_embedding(run_dir)
    assert (
        embedding.name
        == "resnet, best epoch on patches train[:90%] (input of predictions)"
    )
    assert inference.run_embedding(run_dir).checksum == embedding.checksum
    assert embedding.checksum.startswith("sha256:") and len(embedding.checksum) == 71
    keras.utils.set_random_seed(5)
    other = inference.run_embedding(_write_run(tmp_path / "other"))
    feed = data.Preprocessing(28, 28, 3, FEED.mean, (60.0, 50.0, 41.0), crop_ratio=0.9)
    network, _ = inference.load_classifier(run_dir)
    fed = inference.Embedding("fed", network, feed)
    assert len({embedding.checksum, other.checksum, fed.checksum}) == 3
    assert fed.resize.startswith("central square of 0.9, ")


def test_no_run(tmp_path):
    with pytest.raises(ValueError, match="holds no run"):
        inference.run_embedding(str(tmp_path))


def test_evaluation_of_images(run_dir):
    """Images of the same kind score near the floor, flat ones do not."""
    embedding = inference.run_embedding(run_dir)
    real, other, same = (_images(60, 28, 28, seed=s) for s in range(3))
    flat = np.tile(np.arange(60, dtype=np.uint8)[:, None, None, None], (1, 28, 28, 3))

    def evaluate(generated, **settings):
        return inference.evaluate_images(
            embedding, real, other, generated, real_data="patches", **settings
        )

    near, far = evaluate(same), evaluate(flat.astype(np.float64))
    protocol = near.protocol
    assert protocol == far.protocol
    assert protocol.embedding_checksum == embedding.checksum
    assert (protocol.resize, protocol.real_data) == (embedding.resize, "patches")
    assert (protocol.num_real, protocol.num_generated) == (60, 60)
    assert protocol.kid_subset_size == 30
    features, answers = embedding(flat)
    expected = metrics.frechet_distance(embedding(real)[0], features)
    assert far.scores.fid == pytest.approx(expected)
    assert far.scores.inception_score == metrics.inception_score(answers)[0]
    assert near.scores.fid < 2 * near.floor.fid < far.scores.fid
    assert far.scores.precision < 0.1 < near.scores.precision
    assert metrics.compare(near, far)["fid"] > 0
    with pytest.raises(ValueError, match="differ in kid_subset_size"):
        metrics.compare(near, evaluate(same, kid_subset_size=20))
    with pytest.raises(ValueError, match=r"one height and width.*\(14, 28\)"):
        evaluate(same[:, ::2])


@pytest.mark.slow
def test_inception_against_keras_applications(tmp_path):
    """Random weights in Keras' own network, whose file ours reads."""
    keras.utils.set_random_seed(0)
    theirs = keras.applications.InceptionV3(weights=None)
    path = str(tmp_path / "inception.h5")
    theirs.save_weights(path)
    body = keras.Model(
        theirs.input, [theirs.get_layer("avg_pool").output, theirs.output]
    )
    images = _images(3, 299, 299)
    inputs = keras.applications.inception_v3.preprocess_input(images.astype(np.float32))
    expected, answers = body.predict(inputs, verbose=0)
    embedding = inference.inception_embedding(path)
    assert "not comparable with published FIDs" in embedding.name
    assert embedding.dimension == 2048 and "to 299x299" in embedding.resize
    features, probabilities = embedding(images)
    assert features.shape == (3, 2048) and probabilities.shape == (3, 1000)
    assert expected.std(axis=0).max() > 0
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probabilities, answers, rtol=1e-4, atol=1e-7)
    # An image of another shape is resized as a whole, not cropped.
    wide = np.zeros((1, 100, 400, 1), np.uint8)
    wide[:, :, :20] = 255
    assert np.abs(embedding(wide)[0] - embedding(wide[:, :, ::-1])[0]).max() > 0
    with pytest.raises(ValueError, match="weights=None would embed by random values"):
        inference.inception_embedding(None)
    with pytest.raises(ValueError, match="neither a file nor a public checkpoint"):
        inference.inception_embedding("nowhere")
