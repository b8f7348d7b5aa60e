"""Inception v3, v4 and the Inception-ResNets: both forms, scales, heads, faces."""

import importlib.util
import pathlib
import re

import h5py
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.applications.classification import _inception, _inception_resnet

needs_torch = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "torchvision", "safetensors"))),
    reason="torchvision is not installed: pip install 'keras-cnns[reference]'",
)
needs_facenet = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "facenet_pytorch"))),
    reason="facenet-pytorch is not installed: pip install --no-deps facenet-pytorch",
)
SMALL = {"depth_multiplier": 0.25, "input_shape": (75, 75, 3)}
# Three kinds of block, as few of each as there may be.
SHORT = {**SMALL, "version": 2, "blocks": (1, 1, 2), "classes": 3}


def _parameters(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def _randomise_normalisation(model):
    import torch

    for module in model.modules():
        if isinstance(module, (torch.nn.BatchNorm2d, torch.nn.BatchNorm1d)):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    return model.eval()


def _assert_near(theirs, ours):
    theirs, ours = theirs.detach().numpy(), np.asarray(ours)
    if theirs.ndim == 4:
        theirs = theirs.transpose(0, 2, 3, 1)
    assert theirs.shape == ours.shape
    assert np.abs(theirs - ours).max() <= 1e-4 * np.abs(theirs).max()


@pytest.mark.parametrize("padding_counts", [False, True])
def test_average_pooling_counts_the_padding_or_not(padding_counts):
    """A map of ones: 4 of 9 values of a corner's window are inside, 6 of an edge's."""
    cells = _inception.Cells("torch", padding_counts=padding_counts)
    pooled = cells.average_pool(tf.ones([1, 3, 3, 1]), "pool")[0, :, :, 0]
    inside = np.array([[4, 6, 4], [6, 9, 6], [4, 6, 4]]) / 9
    expected = inside if padding_counts else np.ones([3, 3])
    np.testing.assert_allclose(pooled, expected, rtol=1e-6)


def test_widths_shrink_but_not_below_16(only_shapes):
    """A quarter of 64, 64, 96 and 32 channels is 16, 16, 24 and (from 8) 16."""
    model = applications.InceptionV3(**SMALL, include_top=False)
    assert model.get_layer("conv2d").filters == 16
    assert model.get_layer("conv2d_4").filters == 48
    channels = {f"mixed{i}": 192 for i in range(4, 8)}
    channels |= {"mixed0": 72, "mixed1": 72, "mixed2": 72, "mixed3": 96 + 24 + 72}
    channels |= {"mixed8": 80 + 48 + 192, "mixed9": 512, "mixed10": 512}
    for name, expected in channels.items():
        assert model.get_layer(name).output_shape[-1] == expected


def _renumbered(model, folder):
    """A file of a network's weights with layers counted from 1, as the public ones."""
    path, renamed = str(folder / "weights.h5"), str(folder / "renamed.h5")
    model.save_weights(path)
    with h5py.File(path) as source, h5py.File(renamed, "w") as target:
        names = [name for name in source.attrs["layer_names"] if len(source[name])]
        others = [_next_number(name) for name in names]
        assert len(set(names) & set(others)) > 100
        target.attrs["layer_names"] = others
        for name, other in zip(names, others):
            source.copy(source[name], target, other)
    return renamed


@pytest.mark.slow  # a dozen seconds
def test_files_load_whose_numbers_start_elsewhere(tmp_path, caplog):
    """Into no head, and into another one with other channels."""
    first = applications.InceptionV3(**SMALL, classes=9)
    path = pathlib.Path(_renumbered(first, tmp_path))
    with caplog.at_level("INFO", logger="absl"):
        headless = applications.InceptionV3(**SMALL, include_top=False, weights=path)
    assert "matched by position" in caplog.text
    images = tf.random.stateless_normal([1, 75, 75, 3], seed=[1, 2])
    maps = keras.Model(first.input, first.get_layer("mixed10").output)
    np.testing.assert_array_equal(maps(images), headless(images))
    caplog.clear()
    grey = {**SMALL, "input_shape": (75, 75, 1)}
    with caplog.at_level("INFO", logger="absl"):
        seven = applications.InceptionV3(**grey, classes=7, weights=path)
    for message in ("matched by position", "stays fresh", "adapted from 3 to 1"):
        assert message in caplog.text
    last = "conv2d_93"
    np.testing.assert_array_equal(
        seven.get_layer(last).kernel, first.get_layer(last).kernel
    )


def _next_number(name):
    name = name.decode() if isinstance(name, bytes) else name
    if not name.startswith(("conv2d", "batch_normalization")):
        return name
    stem, number = re.fullmatch(r"(\D*(?:conv2d)?\D*?)(?:_(\d+))?", name).groups()
    return f"{stem}_{int(number or 0) + 1}"


def test_auxiliary_head_on_small_maps(only_shapes):
    """75x75 gives a 3x3 map: pooling and kernel shrink to 3x3 and 1x1."""
    model = applications.InceptionV3Torch(**SMALL, classes=5, aux_heads=True)
    assert model.output_names == ["predictions", "aux1_predictions"]
    assert model.get_layer("aux1_pool").pool_size == (3, 3)
    assert model.get_layer("aux1_conv1_conv").kernel_size == (1, 1)
    main, auxiliary = model(tf.ones([2, 75, 75, 3]))
    assert main.shape == auxiliary.shape == (2, 5)


@pytest.mark.parametrize("name", ["inception_v3", "inception_resnet_v2"])
def test_auxiliary_head_wants_a_known_size(name):
    with pytest.raises(ValueError, match="height and width must be known"):
        applications.create_model(name, aux_heads=True, input_shape=(None, None, 3))


def test_residuals_are_scaled_but_the_last():
    scales = {"block35_1": 0.5, "block17_1": 0.25, "block8_1": 2.0, "block8_2": 1.0}
    model = applications.InceptionResNet(**SHORT, scales=(0.5, 0.25, 2.0))
    starts = {
        "block35_1": "mixed_5b",
        "block17_1": "mixed_6a",
        "block8_1": "mixed_7a",
        "block8_2": "block8_1_ac",
    }
    for block, scale in scales.items():
        names = [starts[block], f"{block}_conv", f"{block}_add"]
        outputs = [model.get_layer(name).output for name in names]
        images = tf.random.stateless_normal([1, 75, 75, 3], seed=[1, 2])
        x, residual, total = keras.Model(model.input, outputs)(images)
        np.testing.assert_allclose(total, x + scale * residual, rtol=1e-5, atol=1e-6)
    names = {layer.name for layer in model.layers}
    assert "block8_1_ac" in names and "block8_2_ac" not in names


def test_face_embeddings_are_unit_vectors():
    model = applications.InceptionResNet(**{**SHORT, "version": 1}, embedding_size=8)
    embeddings = applications.face_embeddings(model)
    images = tf.random.stateless_normal([3, 75, 75, 3], seed=[1, 2])
    raw = keras.Model(model.input, model.get_layer("embedding_bn").output)(images)
    raw = raw.numpy()
    expected = raw / np.sqrt((raw**2).sum(axis=1, keepdims=True))
    np.testing.assert_allclose(embeddings(images), expected, rtol=1e-4, atol=1e-5)
    assert embeddings.output_shape == (None, 8)
    headless = keras.Model(model.input, model.get_layer("avg_pool").output)
    with pytest.raises(ValueError, match="has no embedding"):
        applications.face_embeddings(headless)


@pytest.mark.slow
def test_parameters_of_parts():
    """As facenet-pytorch's network has them, with and without its embedding."""
    backbone = applications.InceptionResNetV1(include_top=False)
    assert _parameters(backbone) == 22_564_096
    faces = applications.face_embeddings(applications.FaceNetInceptionResNetV1())
    assert _parameters(faces) == 23_482_624


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("inception_v3", {"aux_heads": "yes"}, "aux_heads.*'yes'"),
        ("inception_v3", {"depth_multiplier": 0}, "depth_multiplier.*got 0"),
        ("inception_v3_torch", {"dropout_rate": 1.0}, "dropout_rate.*1.0"),
        ("inception_v4", {"depth_multiplier": -0.5}, "depth_multiplier.*-0.5"),
        ("inception_v4", {"dropout_rate": 2}, "dropout_rate.*2"),
        ("inception_resnet", {"version": 3}, "version.*got 3"),
        ("inception_resnet", {"form": "slim"}, "form.*'slim'"),
        ("inception_resnet", {"blocks": (5, 10)}, r"blocks.*\(5, 10\)"),
        ("inception_resnet", {"blocks": (5, 0, 6)}, r"blocks.*\(5, 0, 6\)"),
        ("inception_resnet", {"scales": (0.1, 0.1)}, r"scales.*\(0.1, 0.1\)"),
        ("inception_resnet", {"scales": (0.1, -1, 0.2)}, "scales.*-1"),
        ("inception_resnet", {"embedding_size": 0}, "embedding_size.*0"),
        ("inception_resnet_v2", {"dropout_rate": -0.1}, "dropout_rate.*-0.1"),
        ("facenet_inception_resnet_v1", {"dropout_rate": 1.5}, "dropout_rate.*1.5"),
        ("facenet_inception_resnet_v1", {"aux_heads": True}, "aux_heads"),
    ],
)
def test_bad_arguments(name, arguments, message):
    with pytest.raises(ValueError, match=message):
        applications.create_model(name, **arguments)


def test_torch_files_are_refused_by_the_keras_form(tmp_path):
    path = tmp_path / "model.safetensors"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match="InceptionResNetV2Torch"):
        applications.InceptionResNet(**SHORT, form="keras", weights=str(path))


def test_public_files():
    weights = applications.model_info("inception_v3_torch").weights
    assert weights["gluon_in1k"].preprocessing == "torch"
    assert weights["tf_in1k"].preprocessing == ""
    rules = _inception_resnet.state_dict_names(2, 10, "classifier")
    for head in ("classif", "last_linear"):  # timm's and Cadene's
        assert [n for p, n in rules if re.fullmatch(p, head)] == ["predictions"]


@needs_torch
@pytest.mark.slow
def test_auxiliary_head_against_torchvision(tmp_path):
    import safetensors.torch
    import torch
    import torchvision

    torch.manual_seed(0)
    theirs = torchvision.models.inception_v3(
        weights=None, init_weights=False, transform_input=False
    )
    _randomise_normalisation(theirs)
    path = str(tmp_path / "model.safetensors")
    safetensors.torch.save_file(theirs.state_dict(), path)
    arguments = {"weights": path, "classifier_activation": None}
    ours = applications.InceptionV3Torch(aux_heads=True, **arguments)
    assert _parameters(ours) == 27_161_264
    maps = []
    theirs.Mixed_6e.register_forward_hook(lambda *a: maps.append(a[-1]))
    images = tf.random.stateless_normal([1, 299, 299, 3], seed=[3, 4])
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.numpy().transpose(0, 3, 1, 2).copy()))
        auxiliary = theirs.AuxLogits(maps[0])
    main, side = ours(images)
    _assert_near(expected, main)
    _assert_near(auxiliary, side)
    _assert_near(expected, applications.InceptionV3Torch(**arguments)(images))


@needs_facenet
@pytest.mark.slow
def test_faces_against_facenet_pytorch(tmp_path):
    import torch
    from facenet_pytorch.models.inception_resnet_v1 import InceptionResnetV1

    torch.manual_seed(0)
    theirs = InceptionResnetV1(classify=True, num_classes=8631)
    _randomise_normalisation(theirs)
    path = str(tmp_path / "faces.pt")
    torch.save(theirs.state_dict(), path)
    images = tf.random.stateless_normal([2, 160, 160, 3], seed=[3, 4])
    tensor = torch.from_numpy(images.numpy().transpose(0, 3, 1, 2).copy())
    maps = []
    theirs.block8.register_forward_hook(lambda *a: maps.append(a[-1]))
    with torch.no_grad():
        logits = theirs(tensor)
        theirs.classify = False
        embeddings = theirs(tensor)
    ours = applications.FaceNetInceptionResNetV1(
        weights=path, classifier_activation=None
    )
    _assert_near(logits, ours(images))
    _assert_near(embeddings, applications.face_embeddings(ours)(images))
    backbone = applications.InceptionResNetV1(include_top=False, weights=path)
    _assert_near(maps[0], backbone(images))
