"""Weight files: what fits, what is adapted, what is refused."""

import hashlib
import pathlib
import re
import sys

import h5py
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.applications.classification import resnet
from keras_cnns.applications.frame import public_files, weight_files


def _net(**kwargs):
    return applications.CifarResNet20(**{"input_shape": (16, 16, 3), **kwargs})


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A network that no test changes, and the file of its weights."""
    network = _net()
    path = str(tmp_path_factory.mktemp("weights") / "weights.h5")
    network.save_weights(path)
    return network, path


def test_another_number_of_classes_leaves_the_head_fresh(saved, caplog):
    network, path = saved
    with caplog.at_level("INFO", logger="absl"):
        other = _net(classes=4, weights=path)
    for layer in network.layers[1:-1]:
        for a, b in zip(layer.get_weights(), other.get_layer(layer.name).get_weights()):
            np.testing.assert_array_equal(a, b)
    assert "the file has 10 classes, the network 4" in caplog.text


def test_a_file_with_head_serves_a_network_without(saved):
    network, path = saved
    headless = _net(include_top=False, weights=path)
    first = network.get_layer("conv1_conv").get_weights()[0]
    np.testing.assert_array_equal(
        headless.get_layer("conv1_conv").get_weights()[0], first
    )


@pytest.mark.parametrize(
    "name, changes",
    [
        ("maxout_network", {"filters": (4, 4, 4), "units": 5}),
        (
            "inception_resnet",
            {
                "embedding_size": 6,
                "form": "torch",
                "blocks": (1, 1, 1),
                "depth_multiplier": 0.1,
                "input_shape": (96, 96, 3),
            },
        ),
    ],
)
def test_tops_of_several_layers_are_left_out_too(name, changes, tmp_path):
    network = applications.create_model(name, **changes)
    path = str(tmp_path / "weights.h5")
    network.save_weights(path)
    changes.pop("embedding_size", None)
    if name == "maxout_network":
        changes.pop("units")
    headless = applications.create_model(
        name, include_top=False, weights=path, **changes
    )
    for layer in headless.layers[1:]:
        for mine, other in zip(
            layer.get_weights(), network.get_layer(layer.name).get_weights()
        ):
            np.testing.assert_array_equal(mine, other)


def test_first_kernel_adapts_so_that_a_grey_image_gives_what_its_copy_gave(
    saved, caplog
):
    network, path = saved
    with caplog.at_level("INFO", logger="absl"):
        grey = _net(input_shape=(16, 16, 1), weights=path)
    image = tf.random.stateless_normal([2, 16, 16, 1], seed=[1, 2])
    np.testing.assert_allclose(
        grey(image), network(tf.repeat(image, 3, axis=-1)), rtol=1e-4, atol=1e-6
    )
    assert "from 3 to 1 input channels" in caplog.text


def test_files_of_other_networks_are_refused_by_name(saved):
    _, path = saved
    with pytest.raises(ValueError, match="missing in the file: conv2_block4_1_conv"):
        applications.CifarResNet32(weights=path)


def test_other_shapes_are_refused(tmp_path):
    path = str(tmp_path / "narrow.h5")
    applications.ResNet((3, 3, 3), "basic", 8, stem="small", classes=10).save_weights(
        path
    )
    with pytest.raises(ValueError, match="shapes differ.*conv1_conv"):
        applications.ResNet(
            (3, 3, 3), "basic", 16, stem="small", classes=10, weights=path
        )


def test_nothing_changes_when_a_file_does_not_fit(saved, tmp_path):
    network, _ = saved
    before = network.get_weights()
    other = applications.CifarResNet32(input_shape=(16, 16, 3))
    with pytest.raises(ValueError):
        weight_files.load(network, _save(other, str(tmp_path / "other.h5")))
    for a, b in zip(before, network.get_weights()):
        np.testing.assert_array_equal(a, b)


def _save(network, path):
    network.save_weights(path)
    return path


def test_older_names_of_the_head_are_known(saved, tmp_path):
    network, path = saved
    old = str(tmp_path / "old.h5")
    with h5py.File(path) as source, h5py.File(old, "w") as target:
        names = [
            n.decode() if isinstance(n, bytes) else n
            for n in source.attrs["layer_names"]
        ]
        target.attrs["layer_names"] = [
            n.replace("predictions", "fc1000") for n in names
        ]
        for name in names:
            source.copy(name, target, name.replace("predictions", "fc1000"))
    same = _net(weights=old)
    images = tf.ones([1, 16, 16, 3])
    np.testing.assert_array_equal(same(images), network(images))


@pytest.mark.parametrize("damage", ["truncated", "text", "other h5"])
def test_unreadable_files_are_named(saved, tmp_path, damage):
    _, path = saved
    bad = tmp_path / "bad.h5"
    if damage == "truncated":
        bad.write_bytes(pathlib.Path(path).read_bytes()[:5000])
    elif damage == "text":
        bad.write_text("no weights")
    else:
        with h5py.File(bad, "w") as file:
            file["x"] = [1]
    with pytest.raises(ValueError, match="bad.h5"):
        _net(weights=str(bad))


def test_public_weights_are_listed_when_an_unknown_name_is_given():
    with pytest.raises(ValueError, match="'imagenet21k'.*public ones: 'imagenet'"):
        applications.ResNet50(weights="imagenet21k")


def test_public_file_is_found_by_its_checksum(tmp_path, monkeypatch):
    """The download path itself, on a file served from this machine."""
    source = _net()
    path = tmp_path / "served.h5"
    source.save_weights(str(path))
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    good = public_files.PublicFile(path.as_uri(), f"md5:{md5}", "none")
    network = resnet._resnet(
        (3, 3, 3), "basic", 16, "zero_pad", "small", input_shape=(16, 16, 3),
        classes=10, weights="served", public_weights={"served": good},
    )  # fmt: skip
    images = tf.ones([1, 16, 16, 3])
    np.testing.assert_array_equal(network(images), source(images))


CHECKED = [
    name
    for name in applications.list_models()
    for file in [applications.model_info(name).weights.get("imagenet")]
    if file is not None and file.headless_url
]


@pytest.mark.parametrize("name", CHECKED)
def test_public_files_are_those_of_keras_applications(name):
    """Addresses by the documented pattern, checksums as Keras' own source has them."""
    info = applications.model_info(name)
    file, constructor = info.weights["imagenet"], info.constructor.__name__
    module = sys.modules[getattr(keras.applications, constructor).__module__]
    family = module.__name__.rpartition(".")[2]
    stem = (
        "https://storage.googleapis.com/tensorflow/keras-applications/"
        f"{family}/{name}_weights_tf_dim_ordering_tf_kernels"
    )
    assert (file.url, file.headless_url) == (f"{stem}.h5", f"{stem}_notop.h5")
    source = pathlib.Path(module.__file__).read_text()
    if family == "resnet":
        expected = module.WEIGHTS_HASHES[name]
    elif family == "densenet":  # each stands behind the name of its address
        address = f"{name.upper()}_WEIGHT_PATH"
        expected = tuple(
            re.search(rf'{address}{end},.*?file_hash="(\w+)"', source, re.DOTALL)[1]
            for end in ("", "_NO_TOP")
        )
    else:  # there is one network in the file
        expected = tuple(re.findall(r'file_hash="(\w+)"', source))
    assert (file.checksum, file.headless_checksum) == tuple(
        f"md5:{digest}" for digest in expected
    )
