"""The same network as timm's and torchvision's: files, names, outputs."""

import importlib.util

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "timm", "safetensors"))),
    reason="timm is not installed: pip install 'keras-cnns[reference]'",
)
# ours: (package, its name, input size); the first of each family runs in every test
# run, the others in the long one.
QUICK = {
    "densenet121": ("timm", "densenet121", 224),
    "dpn68": ("timm", "dpn68", 224),
    "googlenet_torch": ("torchvision", "googlenet", 224),
    "inception_v3_torch": ("timm", "inception_v3", 299),
    "resnet18": ("timm", "resnet18", 224),
}
SLOW = {
    "densenet161": ("timm", "densenet161", 224),
    "densenet169": ("timm", "densenet169", 224),
    "densenet201": ("timm", "densenet201", 224),
    "inception_resnet_v2_torch": ("timm", "inception_resnet_v2", 299),
    "inception_v4": ("timm", "inception_v4", 299),
    **{f"dpn{n}": ("timm", f"dpn{n}", 224) for n in ("68b", 92, 98, 107, 131)},
    "resnet34": ("timm", "resnet34", 224),
    "resnet50_v1_5": ("timm", "resnet50", 224),
    "resnet101_v1_5": ("timm", "resnet101", 224),
    "resnet152_v1_5": ("timm", "resnet152", 224),
}
ALL = [*QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]


def reference(package, name):
    """A random network of theirs, its normalisation random too, in evaluation mode."""
    import torch

    torch.manual_seed(0)
    if package == "timm":
        import timm

        model = timm.create_model(name)
    else:
        import torchvision

        model = getattr(torchvision.models, name)(
            weights=None, init_weights=False, transform_input=False
        )
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
    return model.eval()


def assert_equal_outputs(theirs, ours, size):
    """Logits of one random image agree within 1e-4 of the largest."""
    import torch

    images = tf.random.stateless_normal([1, size, size, 3], seed=[3, size])
    with torch.no_grad():
        expected = theirs(torch.from_numpy(images.numpy().transpose(0, 3, 1, 2).copy()))
    actual = ours(images).numpy()
    difference = np.abs(expected.numpy() - actual).max() / np.abs(actual).max()
    assert difference <= 1e-4


@pytest.mark.parametrize("name", ALL)
def test_safetensors(name, tmp_path):
    import safetensors.torch

    package, their_name, size = {**QUICK, **SLOW}[name]
    keras.backend.clear_session()
    theirs = reference(package, their_name)
    path = str(tmp_path / "model.safetensors")
    safetensors.torch.save_file(theirs.state_dict(), path)
    ours = applications.create_model(name, weights=path, classifier_activation=None)
    assert_equal_outputs(theirs, ours, size)


def test_pickled_file(tmp_path):
    import torch

    theirs = reference("timm", "resnet18")
    path = str(tmp_path / "model.pth")
    torch.save(theirs.state_dict(), path)
    ours = applications.create_model(
        "resnet18", weights=path, classifier_activation=None
    )
    assert_equal_outputs(theirs, ours, 224)


class _Harm:
    """What runs when a pickle of it is read without care."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_pickled_code_is_not_executed(tmp_path):
    import torch

    victim = tmp_path / "victim"
    path = str(tmp_path / "model.pth")
    torch.save({"conv1.weight": _Harm(str(victim))}, path)
    with pytest.raises(ValueError, match="cannot be read as a PyTorch state dict"):
        applications.create_model("resnet18", weights=path)
    assert not victim.exists()


def test_tensors_are_named_that_are_missing_extra_or_of_another_shape(tmp_path):
    import safetensors.torch

    good = dict(reference("timm", "resnet18").state_dict())
    path = str(tmp_path / "model.safetensors")

    def message(changes):
        tensors = {k: v for k, v in {**good, **changes}.items() if v is not None}
        safetensors.torch.save_file(tensors, path)
        with pytest.raises(ValueError) as caught:
            applications.create_model("resnet18", weights=path)
        return str(caught.value)

    kernel = good["layer1.0.conv1.weight"]
    assert "conv2_block1_1_conv" in message({"layer1.0.conv1.weight": None})
    assert "layer1.0.conv9" in message({"layer1.0.conv9.weight": kernel.clone()})
    swapped = {"layer4.2.conv1.weight": good["layer4.1.conv1.weight"]}
    both = message({"layer4.1.conv1.weight": None, **swapped})
    assert "conv5_block2_1_conv" in both and "conv5_block3_1_conv" in both
    assert "conv2_block1_1_conv" in message(
        {"layer1.0.conv1.weight": kernel[:, :, :1, :1].contiguous()}
    )
    assert "layer1.0.conv1.scale" in message({"layer1.0.conv1.scale": kernel.clone()})


def test_other_classes_and_channels_and_no_top(tmp_path, caplog):
    import safetensors.torch

    theirs = reference("timm", "resnet18")
    path = str(tmp_path / "model.safetensors")
    safetensors.torch.save_file(theirs.state_dict(), path)
    with caplog.at_level("INFO", logger="absl"):
        applications.create_model("resnet18", weights=path, classes=7)
        applications.create_model("resnet18", weights=path, input_shape=(64, 64, 1))
    assert "stays fresh" in caplog.text and "adapted from 3 to 1" in caplog.text
    headless = applications.create_model("resnet18", weights=path, include_top=False)
    kernel = headless.get_layer("conv1_conv").kernel.numpy()
    np.testing.assert_array_equal(
        kernel, theirs.conv1.weight.detach().numpy().transpose(2, 3, 1, 0)
    )


def test_files_of_one_resnet50_are_refused_by_the_other(tmp_path):
    import safetensors.torch

    torch_file = str(tmp_path / "model.safetensors")
    safetensors.torch.save_file(reference("timm", "resnet50").state_dict(), torch_file)
    with pytest.raises(ValueError, match="ResNet50V1_5"):
        applications.create_model("resnet50", weights=torch_file)
    keras_file = str(tmp_path / "model.h5")
    applications.save_weights(applications.create_model("resnet50"), keras_file)
    with pytest.raises(ValueError, match="shapes differ.*conv1_conv"):
        applications.create_model("resnet50_v1_5", weights=keras_file)


@pytest.mark.parametrize("content", [b"", b"no tensors at all, only text"])
def test_broken_files(content, tmp_path):
    for suffix in (".safetensors", ".pth"):
        path = tmp_path / f"model{suffix}"
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"{path.name} cannot be read"):
            applications.create_model("resnet18", weights=str(path))
