"""Files of the usual PyTorch port of WGAN-GP, its forward passes stated here."""

import numpy as np
import pytest
import stored_weights

from keras_cnns import applications

LATENTS = 6


class NumPyLayers:
    """The port's layers on maps ``(batch, channels, height, width)``.

    Weights are drawn as they are asked for, under the port's names.
    """

    def __init__(self):
        self.state = {}
        self._random = np.random.default_rng(0)

    def tensor(self, name, *shape, low=-0.5, high=0.5):
        value = self._random.uniform(low, high, shape).astype(np.float32)
        return self.state.setdefault(name, value)

    def linear(self, x, units, name):
        weight = self.tensor(f"{name}.weight", units, x.shape[1])
        return x @ weight.T + self.tensor(f"{name}.bias", units)

    def norm(self, x, name):
        shape = (1, -1, *[1] * (x.ndim - 2))
        weight, bias, mean, variance = (
            value.reshape(shape) for value in self.norm_tensors(x.shape[1], name)
        )
        return weight * (x - mean) / np.sqrt(variance + 1e-5) + bias

    def norm_tensors(self, channels, name):
        return (
            self.tensor(f"{name}.weight", channels, low=0.5, high=1.5),
            self.tensor(f"{name}.bias", channels),
            self.tensor(f"{name}.running_mean", channels),
            self.tensor(f"{name}.running_var", channels, low=0.5, high=1.5),
        )

    def conv(self, x, filters, size, padding, name):
        """Of stride 2."""
        weight = self.tensor(f"{name}.weight", filters, x.shape[1], size, size)
        ends = (padding, padding)
        x = np.pad(x, ((0, 0), (0, 0), ends, ends))
        side = (x.shape[2] - size) // 2 + 1
        y = np.zeros((len(x), filters, side, side), np.float32)
        for i, j in np.ndindex(side, side):
            window = x[:, :, 2 * i : 2 * i + size, 2 * j : 2 * j + size]
            y[:, :, i, j] = np.einsum("nchw,ochw->no", window, weight)
        return y + self.tensor(f"{name}.bias", filters)[:, None, None]

    def deconv(self, x, filters, size, stride, name):
        weight = self.tensor(f"{name}.weight", x.shape[1], filters, size, size)
        side = (x.shape[2] - 1) * stride + size
        y = np.zeros((len(x), filters, side, side), np.float32)
        for i, j in np.ndindex(x.shape[2:]):
            rows, columns = (slice(stride * n, stride * n + size) for n in (i, j))
            y[:, :, rows, columns] += np.einsum("nc,cohw->nohw", x[:, :, i, j], weight)
        return y + self.tensor(f"{name}.bias", filters)[:, None, None]

    def saved(self, folder):
        """A file as PyTorch writes it."""
        items = {k: stored_weights.pickled_tensor(k, v.shape) for k, v in self.items()}
        storages = {k: v.tobytes() for k, v in self.items()}
        content = stored_weights.pickled_dict(items)
        return str(stored_weights.write_archive(folder / "x.pth", content, storages))

    def items(self):
        return self.state.items()


class TorchLayers(NumPyLayers):
    """The same by PyTorch's functions."""

    def __init__(self):
        super().__init__()
        self._torch = pytest.importorskip(
            "torch", reason="PyTorch is not installed: pip install '.[reference]'"
        )

    def _call(self, function, x, *tensors, **kwargs):
        function = getattr(self._torch.nn.functional, function)
        x, *tensors = map(self._torch.from_numpy, (x, *tensors))
        return function(x, *tensors, **kwargs).numpy()

    def linear(self, x, units, name):
        weight = self.tensor(f"{name}.weight", units, x.shape[1])
        return self._call("linear", x, weight, self.tensor(f"{name}.bias", units))

    def norm(self, x, name):
        weight, bias, mean, variance = self.norm_tensors(x.shape[1], name)
        return self._call("batch_norm", x, mean, variance, weight, bias)

    def conv(self, x, filters, size, padding, name):
        weight = self.tensor(f"{name}.weight", filters, x.shape[1], size, size)
        bias = self.tensor(f"{name}.bias", filters)
        return self._call("conv2d", x, weight, bias, stride=2, padding=padding)

    def deconv(self, x, filters, size, stride, name):
        weight = self.tensor(f"{name}.weight", x.shape[1], filters, size, size)
        bias = self.tensor(f"{name}.bias", filters)
        return self._call("conv_transpose2d", x, weight, bias, stride=stride)

    def saved(self, folder):
        path = str(folder / "x.pth")
        self._torch.save({k: self._torch.from_numpy(v) for k, v in self.items()}, path)
        return path


LAYERS = {"numpy": NumPyLayers, "torch": TorchLayers}


def _relu(x, slope=0.0):
    return np.where(x > 0, x, np.float32(slope) * x)


def mnist_generator(made, latents, dim):
    x = _relu(made.linear(latents, 4 * 4 * 4 * dim, "preprocess.0"))
    x = x.reshape(-1, 4 * dim, 4, 4)
    x = _relu(made.deconv(x, 2 * dim, 5, 1, "block1.0"))[:, :, :7, :7]
    x = _relu(made.deconv(np.ascontiguousarray(x), dim, 5, 1, "block2.0"))
    return 1 / (1 + np.exp(-made.deconv(x, 1, 8, 2, "deconv_out")))


def cifar10_generator(made, latents, dim):
    x = made.linear(latents, 4 * 4 * 4 * dim, "preprocess.0")
    x = _relu(made.norm(x, "preprocess.1")).reshape(-1, 4 * dim, 4, 4)
    for block, width in (("block1", 2 * dim), ("block2", dim)):
        x = made.deconv(x, width, 2, 2, f"{block}.0")
        x = _relu(made.norm(x, f"{block}.1"))
    return np.tanh(made.deconv(x, 3, 2, 2, "deconv_out"))


def _critic(made, images, dim, size, slope, last):
    x = images
    for place, width in enumerate((dim, 2 * dim, 4 * dim)):
        x = made.conv(x, width, size, size // 2, f"main.{2 * place}")
        x = _relu(x, slope)
    return made.linear(x.reshape(-1, 4 * 4 * 4 * dim), 1, last)


def mnist_critic(made, images, dim):
    return _critic(made, images, dim, 5, 0.0, "output")


def cifar10_critic(made, images, dim):
    return _critic(made, images, dim, 3, 0.01, "linear")


NETWORKS = {
    "wgan_gp_mnist_torch_generator": (mnist_generator, (12, 6, 3)),
    "wgan_gp_mnist_torch_critic": (mnist_critic, (3, 6, 12)),
    "wgan_gp_cifar10_torch_generator": (cifar10_generator, (12, 6, 3)),
    "wgan_gp_cifar10_torch_critic": (cifar10_critic, (3, 6, 12)),
}


def _normals(*shape):
    return np.random.default_rng(1).normal(size=shape).astype(np.float32)


def _maps_last(x):
    return x.transpose(0, 2, 3, 1) if x.ndim == 4 else x


@pytest.mark.parametrize("made", LAYERS)
@pytest.mark.parametrize("name", NETWORKS)
def test_forward_passes_of_the_port(name, made, tmp_path):
    forward, filters = NETWORKS[name]
    layers, given = LAYERS[made](), {"filters": filters}
    if name.endswith("generator"):
        given["latent_size"] = LATENTS
        inputs = _normals(2, LATENTS)
    else:
        height, width, channels = applications.model_info(name).input_shape
        inputs = _normals(2, channels, height, width)
    expected = _maps_last(forward(layers, inputs, dim=3))
    assert expected.std() > 0.01
    network = applications.create_model(name, weights=layers.saved(tmp_path), **given)
    actual = network(_maps_last(inputs)).numpy()
    np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("made", LAYERS)
@pytest.mark.parametrize(("player", "end"), [("generator", 2), ("critic", 1)])
def test_networks_for_points(player, end, made, tmp_path):
    layers, x = LAYERS[made](), _normals(5, 2)
    expected = x
    for place, units in enumerate((7, 6, 5, end)):
        expected = layers.linear(expected, units, f"main.{2 * place}")
        expected = _relu(expected) if place < 3 else expected
    network = applications.create_model(
        f"wgan_gp_toy_{player}", units=(7, 6, 5), weights=layers.saved(tmp_path)
    )
    np.testing.assert_allclose(network(x), expected, rtol=0, atol=1e-5)


def test_files_of_other_networks_are_refused(tmp_path):
    layers = NumPyLayers()
    cifar10_generator(layers, _normals(1, LATENTS), dim=3)
    path = layers.saved(tmp_path)
    build = applications.WGANGPTorchGenerator
    with pytest.raises(
        ValueError, match="missing in the file: deconv3; deconv3_bn; deconv4"
    ):
        build(
            (12, 6, 3, 2, 2), (128, 128, 3), (2,) * 5, (2,) * 5, LATENTS, weights=path
        )
    with pytest.raises(ValueError, match="not in the network: .*block1.1"):
        build((12, 6, 3), latent_size=LATENTS, batch_norm=False, weights=path)
    with pytest.raises(ValueError, match=r"preprocess.0\): file \[\(6, 192\)"):
        build((12, 6, 3), latent_size=7, weights=path)
    with pytest.raises(ValueError, match="another architecture.*preprocess.0"):
        applications.WGANGPTorchCritic(weights=path)
    with pytest.raises(ValueError, match="not in the network|shapes differ"):
        applications.create_model("wgan_gp_mnist_torch_generator", weights=path)


def test_a_bias_that_is_no_multiple_of_the_channels(tmp_path):
    layers = NumPyLayers()
    cifar10_generator(layers, _normals(1, LATENTS), dim=3)
    for shape in ((5,), ()):
        layers.state["preprocess.0.bias"] = np.zeros(shape, np.float32)
        with pytest.raises(ValueError, match=r"maps \(the file's preprocess.0\)"):
            applications.WGANGPTorchGenerator(
                (12, 6, 3), latent_size=LATENTS, weights=layers.saved(tmp_path)
            )


@pytest.mark.parametrize(
    ("size", "sides"), [(28, [4, 7, 11, 28]), (64, [21, 25, 29, 64]), (8, [1, 1, 1, 8])]
)
def test_sides_of_mnist_s_generator(size, sides):
    """Any size of image; 28 as the port's comments have it."""
    network = applications.create_model(
        "wgan_gp_mnist_torch_generator", filters=(3, 2, 2), image_shape=(size, size, 1)
    )
    names = ["maps_reshape", "deconv1_crop", "deconv2", "images"]
    if size == 64:
        names[1] = "deconv1"
    if size == 8:
        names[2] = "deconv2_crop"
    found = [network.get_layer(name).output_shape[1] for name in names]
    assert found == sides


def test_initial_weights_are_pytorch_s():
    """In +-1 / sqrt(fan-in); of deconvolutions it counts their outputs."""
    generator = applications.WGANGPCIFAR10TorchGenerator()
    critic = applications.WGANGPCIFAR10TorchCritic()
    for network, name, inputs in (
        (generator, "maps", 128),
        (generator, "deconv1", 4 * 256),
        (critic, "conv2", 9 * 128),
        (critic, "logits", 8192),
    ):
        limit = inputs**-0.5
        largest = np.abs(network.get_layer(name).get_weights()[0]).max()
        assert 0.98 * limit < largest <= limit * (1 + 1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"strides": (2, 2)}, "strides"),
        ({"kernel_sizes": (2, 2, 1)}, r"kernel_sizes=\(2, 2, 1\)"),
        ({"kernel_sizes": (2, 0, 2)}, "kernel_sizes"),
        ({"batch_norm": "unit"}, "batch_norm.*'unit'"),
        ({"batch_norm": False, "batch_norm_momentum": 0.5}, "momentum=0.5"),
    ],
)
def test_bad_arguments(change, message):
    with pytest.raises(ValueError, match=message):
        applications.WGANGPTorchGenerator(**change)


def test_bad_arguments_of_critics():
    with pytest.raises(ValueError, match="kernel_size must be odd, got 4"):
        applications.WGANGPTorchCritic(kernel_size=4)
    with pytest.raises(ValueError, match="leak"):
        applications.WGANGPTorchCritic(leak=1.5)
