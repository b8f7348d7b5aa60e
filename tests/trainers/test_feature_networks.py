"""Feature networks against ``keras.applications`` and a PyTorch VGG16."""

import json

import h5py
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, inference, trainers
from keras_cnns.trainers.feature_networks import VGG22, VGG54

STAGES = [f"block{i}_pool" for i in (1, 2, 3)]


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory):
    """A VGG16 of random weights, and its Keras file."""
    keras.utils.set_random_seed(4)
    network = keras.applications.VGG16(include_top=False, weights=None)
    path = str(tmp_path_factory.mktemp("weights") / "vgg16_notop.h5")
    network.save_weights(path)
    return network, path


def _images(channels=3):
    random = np.random.default_rng(0)
    return random.uniform(size=(2, 16, 24, channels)).astype(np.float32)


@pytest.mark.parametrize("policy", ["float32", "mixed_float16"])
def test_vgg16_features_are_those_of_keras(vgg16, policy):
    network, path = vgg16
    images = _images()
    inputs = keras.applications.vgg16.preprocess_input(255 * images)
    maps = keras.Model(network.input, [network.get_layer(s).output for s in STAGES])
    expected = maps(inputs)
    keras.mixed_precision.set_global_policy(policy)
    unit = trainers.vgg16_features(path)
    signed = trainers.vgg16_features(path, value_range="signed")
    assert keras.mixed_precision.global_policy().name == policy
    for features, given in ((unit, images), (signed, 2 * images - 1)):
        for found, wanted in zip(features(tf.constant(given)), expected):
            assert found.dtype == tf.float32
            np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=1e-3)
    assert unit.checksum == signed.checksum and unit.layers == tuple(STAGES)
    json.dumps(unit.record())


def test_images_can_reach_the_network_as_they_are(vgg16):
    """As in LBAM's code: [0, 1], in the order of channels of the weights' source."""
    network, path = vgg16
    images = _images()
    maps = keras.Model(network.input, network.get_layer(STAGES[0]).output)
    expected = maps(images[..., ::-1])  # Keras' file is for BGR
    for value_range, given in (("unit", images), ("signed", 2 * images - 1)):
        features = trainers.vgg16_features(
            path, value_range=value_range, standardize=False
        )
        found = features(tf.constant(given))[0]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert features.checksum != trainers.vgg16_features(path).checksum


def test_vgg19_features_are_those_of_keras(tmp_path):
    """SRGAN's layers: convolutions with their ReLU, of grey levels, BGR less means."""
    keras.utils.set_random_seed(4)
    network = keras.applications.VGG19(include_top=False, weights=None)
    path = str(tmp_path / "vgg19_notop.h5")
    network.save_weights(path)
    images, names = _images(), ("block2_conv2", "block5_conv4")
    inputs = keras.applications.vgg19.preprocess_input(255 * images)
    maps = keras.Model(network.input, [network.get_layer(n).output for n in names])
    assert names == (*VGG22, *VGG54)
    found = trainers.vgg19_features(path, layers=names)(tf.constant(images))
    for one, wanted in zip(found, maps(inputs)):
        assert wanted.numpy().min() == 0 < wanted.numpy().max()
        np.testing.assert_allclose(one, wanted, rtol=1e-3, atol=1e-3)
    assert trainers.vgg19_features(path).layers == VGG54


def test_grey_images_are_repeated_and_gradients_reach_them(vgg16):
    features = trainers.vgg16_features(vgg16[1])
    images = tf.constant(_images(1))
    with tf.GradientTape() as tape:
        tape.watch(images)
        maps = features(images)
        total = tf.add_n([tf.reduce_sum(values) for values in maps])
    again = features(tf.repeat(images, 3, axis=-1))
    for a, b in zip(maps, again):
        np.testing.assert_array_equal(a, b)
    assert (tape.gradient(total, images).numpy() != 0).any()
    assert not features._model.trainable_weights
    with pytest.raises(ValueError, match="3 channels, got 2"):
        features(images[..., :1] * tf.ones([2]))
    features.check_channels(1)
    features.check_channels(3)
    with pytest.raises(ValueError, match="3 channels, got 4"):
        features.check_channels(4)


def test_files_with_the_classifier_and_of_other_networks(vgg16, tmp_path):
    network, path = vgg16
    with h5py.File(path, "r") as file:
        whole = str(tmp_path / "vgg16.h5")
        with h5py.File(whole, "w") as copy:
            for name in file:
                file.copy(name, copy)
            names = [*file.attrs["layer_names"], "fc1"]
            copy.attrs["layer_names"] = [str(name).encode() for name in names]
            group = copy.create_group("fc1")
            group.attrs["weight_names"] = [b"kernel"]
            group["kernel"] = np.zeros((3, 2))
    first, second = (trainers.vgg16_features(file) for file in (path, whole))
    assert first.checksum == second.checksum
    other = str(tmp_path / "other.h5")
    image = keras.Input((8, 8, 3))
    keras.Model(image, keras.layers.Conv2D(2, 3)(image)).save_weights(other)
    with pytest.raises(ValueError, match="other.h5 does not fit .*block1_conv1"):
        trainers.vgg16_features(other)
    with pytest.raises(ValueError, match="'imagenet', 'torchvision' or a path"):
        trainers.vgg16_features(None)
    with pytest.raises(ValueError, match="neither a file nor a public checkpoint"):
        trainers.vgg16_features("vgg")


def test_torchvisions_layout_gives_torchs_features(tmp_path):
    torch = pytest.importorskip("torch")
    layers, channels = [], 3
    for width in (64, 64, 0, 128, 128, 0, 256, 256, 256, 0):
        if width:
            layers += [torch.nn.Conv2d(channels, width, 3, padding=1), torch.nn.ReLU()]
            channels = width
        else:
            layers.append(torch.nn.MaxPool2d(2))
    torch.manual_seed(0)
    stages = torch.nn.Sequential(*layers)
    state = {f"features.{key}": value for key, value in stages.state_dict().items()}
    state["classifier.0.weight"] = torch.zeros(2, 2)
    path = str(tmp_path / "vgg16.pth")
    torch.save(state, path)
    images = _images()
    mean, std = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)
    x = torch.tensor(((images - mean) / std).transpose(0, 3, 1, 2))
    expected = []
    with torch.no_grad():
        for layer in stages:
            x = layer(x)
            if isinstance(layer, torch.nn.MaxPool2d):
                expected.append(x.numpy().transpose(0, 2, 3, 1))
    for found, wanted in zip(trainers.vgg16_features(path)(images), expected):
        np.testing.assert_allclose(found, wanted, atol=1e-4)


@pytest.fixture(scope="module")
def classifier(write_run, tmp_path_factory):
    """The folder of a classifier's run with random weights."""
    options = {"model": "cifar_resnet20", "builder_args": ""}
    return write_run(tmp_path_factory.mktemp("run"), "classification", **options)


@pytest.mark.parametrize("size", [(None, None), (16, 24)])
def test_a_run_gives_the_ends_of_its_first_stages(classifier, size):
    network, run = inference.load_classifier(classifier)
    keras.mixed_precision.set_global_policy("mixed_float16")
    features = inference.run_features(classifier, size=size)
    stages = applications.model_info("cifar_resnet20").stage_ends[:3]
    assert features.layers == stages
    assert features.name == "cifar_resnet20, best epoch on digits train"
    images = _images(1)[:, :8, :8] if size[0] is None else _images(1)
    found = features(images)
    assert [maps.dtype for maps in found] == [tf.float32] * 3
    if size[0] is None:
        feed = run.config.preprocessing
        maps = keras.Model(network.input, [network.get_layer(s).output for s in stages])
        for a, b in zip(found, maps((255 * images - feed.mean) / feed.std)):
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-4)


def test_layers_that_do_not_fit(classifier, tmp_path):
    with pytest.raises(ValueError, match="no layer 'conv9'"):
        inference.run_features(classifier, layers=("conv9",))
    with pytest.raises(ValueError, match="give maps in float32, got .*predictions"):
        inference.run_features(classifier, layers=("predictions",))
    with pytest.raises(ValueError, match="holds no run"):
        inference.run_features(str(tmp_path / "none"))
