"""Files of PyTorch's generators and critics: layers by name, equal outputs."""

import functools
import importlib.util
import os

import numpy as np
import pytest
import safetensors.numpy
import stored_weights

from keras_cnns import applications

SMALL = {"image_shape": (32, 32, 3), "kernel_size": 4}
# What each layer of the example is called in both layouts; ours is the key.
GENERATOR = {
    "maps": ("main.0", "main.initial:5-16:convt"),
    "maps_bn": ("main.1", "main.initial:16:batchnorm"),
    "deconv1": ("main.3", "main.pyramid:16-8:convt"),
    "deconv1_bn": ("main.4", "main.pyramid:8:batchnorm"),
    "deconv2": ("main.6", "main.pyramid:8-4:convt"),
    "deconv2_bn": ("main.7", "main.pyramid:4:batchnorm"),
    "deconv3": ("main.9", "main.final:4-3:convt"),
}
DISCRIMINATOR = {
    "conv1": ("main.0", "main.initial:3-4:conv"),
    "conv2": ("main.2", "main.pyramid:4-8:conv"),
    "conv2_bn": ("main.3", "main.pyramid:8:batchnorm"),
    "conv3": ("main.5", "main.pyramid:8-16:conv"),
    "conv3_bn": ("main.6", "main.pyramid:16:batchnorm"),
    "logits": ("main.8", "main.final:16-1:conv"),
}


def _generator(**kwargs):
    return applications.DCGANGenerator((16, 8, 4), latent_size=5, **SMALL, **kwargs)


def _discriminator(**kwargs):
    return applications.DCGANDiscriminator((4, 8, 16), **SMALL, **kwargs)


PLAYERS = {
    "generator": (_generator, GENERATOR),
    "discriminator": (_discriminator, DISCRIMINATOR),
}


def _as_torch(name, values):
    """A layer's values under PyTorch's names, kernels in its order of axes."""
    kernel = values[0]
    if name == "maps":  # (latents, 4 * 4 * channels)
        kernel = kernel.reshape(len(kernel), 4, 4, -1).transpose(0, 3, 1, 2)
    elif name == "logits":  # (4 * 4 * channels, 1)
        kernel = kernel.reshape(4, 4, -1, 1).transpose(3, 2, 0, 1)
    elif kernel.ndim == 4:
        kernel = kernel.transpose(3, 2, 0, 1)
    parts = ("weight", "bias", "running_mean", "running_var")
    arrays = [np.ascontiguousarray(array) for array in (kernel, *values[1:])]
    return dict(zip(parts, arrays))


def _state_dict(network, names, layout):
    """The network's weights under the names of a layout, sorted as a text."""
    tensors = {
        f"{names[x.name][layout]}.{part}": array
        for x in network.layers
        if x.weights
        for part, array in _as_torch(x.name, x.get_weights()).items()
    }
    return dict(sorted(tensors.items()))


def _written(tensors, folder):
    path = str(folder / "model.safetensors")
    safetensors.numpy.save_file(tensors, path)
    return path


def _assert_same_weights(first, second):
    for weight, other in zip(first.weights, second.weights):
        np.testing.assert_array_equal(weight, other, err_msg=weight.name)


@pytest.mark.parametrize("layout", ["example", "wgan", "wgan_dots", "dropout"])
@pytest.mark.parametrize("player", PLAYERS)
def test_layers_by_name(player, layout, tmp_path):
    build, names = PLAYERS[player]
    source = build()
    tensors = _state_dict(source, names, int(layout.startswith("wgan")))
    if layout == "wgan_dots":
        tensors = {key.replace(":", "."): value for key, value in tensors.items()}
    if layout == "dropout":  # a layer more after the first two counts, too
        shift = {f"main.{n}": f"main.{n + (n > 1)}" for n in range(10)}
        split = {key: key.rpartition(".") for key in tensors}
        tensors = {f"{shift[m]}.{t}": tensors[k] for k, (m, _, t) in split.items()}
    _assert_same_weights(build(weights=_written(tensors, tmp_path)), source)


def test_a_part_of_a_checkpoint(tmp_path):
    """``netG_state_dict`` alone, in a file of the ending that PyTorch's tutorials have.

    The tensors of a generator without normalisation are written by hand.
    """
    build = functools.partial(_generator, batch_norm=False)
    source = build()
    tensors = _state_dict(source, GENERATOR, 0)
    items = {
        key: stored_weights.pickled_tensor(str(i), value.shape)
        for i, (key, value) in enumerate(tensors.items())
    }
    inner = stored_weights.pickled_dict(items)[2:-1]
    content = stored_weights.pickled_dict({"netG_state_dict": inner})
    path = tmp_path / "weights.tar"
    storages = {str(i): v.tobytes() for i, v in enumerate(tensors.values())}
    stored_weights.write_archive(path, content, storages)
    _assert_same_weights(build(weights=str(path)), source)


def test_files_of_other_networks_are_refused(tmp_path):
    tensors = _state_dict(_generator(), GENERATOR, 0)
    path = _written(tensors, tmp_path)
    with pytest.raises(ValueError, match="not in the network: .*deconv3"):
        applications.DCGANGenerator(
            (16, 8), (16, 16, 3), kernel_size=4, latent_size=5, weights=path
        )
    with pytest.raises(ValueError, match=r"maps \(the file's main.0\): file \[\(5, "):
        applications.DCGANGenerator((16, 8, 4), latent_size=6, weights=path, **SMALL)
    with pytest.raises(ValueError, match="dcgan_generator reads no PyTorch files"):
        applications.DCGANGenerator((16, 8, 4), (32, 32, 3), weights=path)
    with pytest.raises(ValueError, match="another architecture.*main.extra"):
        extra = {"main.extra-layers-0:4:conv.weight": np.ones((4, 4, 3, 3), np.float32)}
        _generator(weights=_written({**tensors, **extra}, tmp_path))
    with pytest.raises(ValueError, match="'nowhere.pth' is neither a file"):
        applications.create_model("dcgan64_torch_generator", weights="nowhere.pth")


def test_own_files_are_read(tmp_path):
    source = applications.DCGANGenerator(
        (8, 4), (16, 16, 3), classes=3, dense_units=6, latent_size=5
    )
    path = str(tmp_path / "own.h5")
    applications.save_weights(source, path)
    copy = applications.DCGANGenerator(
        (8, 4), (16, 16, 3), classes=3, dense_units=6, latent_size=5, weights=path
    )
    _assert_same_weights(copy, source)


# Against PyTorch


def _torch():
    return pytest.importorskip(
        "torch", reason="PyTorch is not installed: pip install 'keras-cnns[reference]'"
    )


def _random(network):
    """PyTorch's network with normalisation as of a trained one, to be evaluated."""
    torch = _torch()
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.1)
            torch.nn.init.normal_(module.running_mean, 0, 0.1)
            torch.nn.init.uniform_(module.running_var, 0.5, 1.5)
    return network.eval()


def _saved(network, folder):
    """A file of the network, which stands in its module ``main``."""
    path = str(folder / "model.pth")
    _torch().save(_torch().nn.ModuleDict({"main": network}).state_dict(), path)
    return path


def _normals(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def _channels_first(x):
    return _torch().from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))


def _torch_generator(widths, latents, dropout=False):
    """Of the example; with dropout after the first map, as in a copy of it."""
    nn = _torch().nn
    modules, before = [], latents
    for place, width in enumerate((*widths, 3)):
        strides, padding = (2, 1) if place else (1, 0)
        modules.append(
            nn.ConvTranspose2d(before, width, 4, strides, padding, bias=False)
        )
        if place < len(widths):
            modules += [nn.BatchNorm2d(width), nn.ReLU()]
            modules += [nn.Dropout(0.2)] if dropout and not place else []
        before = width
    return nn.Sequential(*modules, nn.Tanh())


def _torch_discriminator(widths):
    nn = _torch().nn
    modules, before = [], 3
    for place, width in enumerate(widths):
        modules.append(nn.Conv2d(before, width, 4, 2, 1, bias=False))
        modules += [nn.BatchNorm2d(width)] if place else []
        modules.append(nn.LeakyReLU(0.2))
        before = width
    return nn.Sequential(*modules, nn.Conv2d(before, 1, 4, 1, 0, bias=False))


@pytest.mark.parametrize(
    ("name", "widths"),
    [
        ("dcgan64_torch_generator", (16, 12, 8, 4)),
        ("dcgan128_torch_generator", (16, 12, 8, 6, 4)),
        ("wgan64_generator", (16, 12, 8, 4)),
    ],
)
def test_generators_against_torch(name, widths, tmp_path):
    theirs = _random(_torch_generator(widths, 100))
    ours = applications.create_model(
        name, filters=widths, weights=_saved(theirs, tmp_path)
    )
    latents = _normals(2, 100)
    with _torch().no_grad():
        expected = theirs(_torch().from_numpy(latents)[..., None, None]).numpy()
    actual = ours(latents).numpy().transpose(0, 3, 1, 2)
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "widths", "size"),
    [
        ("dcgan64_torch_discriminator", (4, 8, 12, 16), 64),
        ("dcgan128_torch_discriminator", (4, 6, 8, 12, 16), 128),
        ("wgan64_critic", (4, 8, 12, 16), 64),
    ],
)
def test_discriminators_against_torch(name, widths, size, tmp_path):
    theirs = _random(_torch_discriminator(widths))
    ours = applications.create_model(
        name, filters=widths, weights=_saved(theirs, tmp_path)
    )
    images = _normals(2, size, size, 3)
    with _torch().no_grad():
        expected = theirs(_channels_first(images)).numpy().reshape(2, 1)
    np.testing.assert_allclose(ours(images), expected, rtol=0, atol=1e-5)


def test_dense_networks_against_torch(tmp_path):
    """WGAN's: pixels are channel by channel there."""
    torch = _torch()
    sizes = {"generator": (7, 9, 8, 6, 48), "critic": (48, 9, 8, 6, 1)}
    for player, units in sizes.items():
        modules = []
        for before, after in zip(units, units[1:]):
            modules += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        theirs = torch.nn.Sequential(*modules[:-1])
        given = {"units": units[1:-1], "image_shape": (4, 4, 3)}
        if player == "generator":
            given["latent_size"] = units[0]
        ours = applications.create_model(
            f"wgan64_mlp_{player}", weights=_saved(theirs, tmp_path), **given
        )
        x = _normals(2, 7) if player == "generator" else _normals(2, 4, 4, 3)
        inputs = torch.from_numpy(x) if x.ndim == 2 else _channels_first(x)
        with torch.no_grad():
            expected = theirs(inputs.reshape(2, -1)).numpy()
        if player == "generator":
            expected = expected.reshape(2, 3, 4, 4).transpose(0, 2, 3, 1)
        np.testing.assert_allclose(ours(x), expected, rtol=0, atol=1e-5)


# Trained generators that come with packages: the file's folder and name, our network,
# its latents, and the labels among them.
PACKAGES = {
    "gan_face_generate": ("weights.tar", "dcgan64_torch_generator", 100, 0),
    "omniart_eye_generator": (
        "generator_model_state.pth",
        "dcgan128_torch_generator",
        108,
        8,
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("package", PACKAGES)
def test_trained_generators_against_torch(package):
    """Faces, and eyes of a colour whose label stands after the latents."""
    torch = _torch()
    found = importlib.util.find_spec(package)
    if found is None:
        pytest.skip(f"{package} is not installed: pip install --no-deps {package}")
    file, name, latents, labels = PACKAGES[package]
    path = os.path.join(os.path.dirname(found.origin), file)
    ours = applications.create_model(name, latent_size=latents, weights=path)
    state = torch.load(path, map_location="cpu", weights_only=True)
    state = state.get("netG_state_dict", state)
    widths = applications.model_info(name).architecture["filters"]
    theirs = _torch_generator(widths, latents, dropout=bool(labels)).eval()
    theirs.load_state_dict({k.removeprefix("main."): v for k, v in state.items()})
    x = _normals(8, latents)
    if labels:
        x[:, -labels:] = np.eye(labels)
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)[..., None, None]).numpy()
    actual = ours(x).numpy().transpose(0, 3, 1, 2)
    assert actual.std() > 0.1
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)
