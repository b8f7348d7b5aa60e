"""Super-resolution networks: sizes, start, sharing, files, against NumPy."""

import numpy as np
import pytest
import safetensors.numpy
import stored_weights
import tensorflow as tf
from scipy.ndimage import correlate
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.applications.frame import pickled_tensors
from keras_cnns.applications.super_resolution._parts import ICNR, from_pixel_shuffle

SMALL = {"blocks": 2, "filters": 4}
MEAN = np.array([0.4488, 0.4371, 0.4040])[:, None, None]


class Reference:
    """PyTorch's layers in NumPy, on maps ``(channels, height, width)``.

    Weights are drawn as they are asked for, under PyTorch's names and shapes.
    """

    def __init__(self):
        self.state = {}
        self._random = np.random.default_rng(0)

    def conv(self, x, filters, name, size=3):
        if f"{name}.weight" not in self.state:
            shape = (filters, len(x), size, size)
            kernel = self._random.normal(size=shape) / np.sqrt(len(x) * size**2)
            self.state[f"{name}.weight"] = kernel.astype(np.float32)
            bias = self._random.normal(size=filters) / 10
            self.state[f"{name}.bias"] = bias.astype(np.float32)
        kernel, bias = (self.state[f"{name}.{key}"] for key in ("weight", "bias"))
        return np.stack(
            [
                b + sum(correlate(m, k, mode="constant") for m, k in zip(x, kernels))
                for kernels, b in zip(kernel.astype(float), bias.astype(float))
            ]
        )

    @staticmethod
    def shuffle(x, size):
        """``PixelShuffle``: channel c * size^2 + i * size + j goes to (i, j) of c."""
        channels, height, width = len(x) // size**2, *x.shape[1:]
        x = x.reshape(channels, size, size, height, width)
        return x.transpose(0, 3, 1, 4, 2).reshape(channels, size * height, size * width)


def leaky(x, leak=0.0):
    return np.where(x > 0, x, leak * x)


def bilinear(x, scale):
    """Half-pixel centres, the border repeated: ``align_corners=False``."""
    for axis in (1, 2):
        n = x.shape[axis]
        places = (np.arange(n * scale) + 0.5) / scale - 0.5
        low = np.floor(places).astype(int)
        part = (places - low).reshape([-1 if i == axis else 1 for i in range(3)])
        first, second = (np.take(x, np.clip(low + i, 0, n - 1), axis) for i in (0, 1))
        x = (1 - part) * first + part * second
    return x


def edsr(net, x, scale, residual_scale=1.0, style="authors"):
    """EDSR under the authors' names or BasicSR's."""
    theirs = style == "authors"
    first = y = net.conv((x - MEAN) * 255, 4, "head.0" if theirs else "conv_first")
    for i in range(2):
        names = [f"body.{i}.body.0", f"body.{i}.body.2"]
        names = names if theirs else [f"body.{i}.conv1", f"body.{i}.conv2"]
        residual = leaky(net.conv(y, 4, names[0]))
        y = y + residual_scale * net.conv(residual, 4, names[1])
    y = first + net.conv(y, 4, "body.2" if theirs else "conv_after_body")
    for i, step in enumerate((2, 2) if scale == 4 else (scale,)):
        name = f"tail.0.{2 * i}" if theirs else f"upsample.{2 * i}"
        y = net.shuffle(net.conv(y, 4 * step**2, name), step)
    y = net.conv(y, 3, "tail.1" if theirs else "conv_last")
    return y / 255 + MEAN


def msrresnet(net, x, scale):
    y = leaky(net.conv(x, 4, "conv_first"), 0.1)
    for i in range(2):
        residual = leaky(net.conv(y, 4, f"body.{i}.conv1"))
        y = y + net.conv(residual, 4, f"body.{i}.conv2")
    for i, step in enumerate((2, 2) if scale == 4 else (scale,), start=1):
        y = net.shuffle(net.conv(y, 4 * step**2, f"upconv{i}"), step)
        y = leaky(y, 0.1)
    y = net.conv(leaky(net.conv(y, 4, "conv_hr"), 0.1), 3, "conv_last")
    return y + bilinear(x, scale)


def small_picture():
    """(1, height, width, 3) and the same as a map."""
    picture = np.random.default_rng(1).uniform(size=(1, 5, 6, 3))
    return picture.astype(np.float32), picture[0].transpose(2, 0, 1)


def write(net, folder, **others):
    path = str(folder / "model.safetensors")
    safetensors.numpy.save_file({**net.state, **others}, path)
    return path


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("style", ["authors", "basicsr"])
def test_edsr_reads_pytorch_files(style, scale, tmp_path):
    """Of the authors, with their layers that shift the mean, and of BasicSR."""
    net, (picture, x) = Reference(), small_picture()
    expected = edsr(net, x, scale, 0.5, style).transpose(1, 2, 0)
    shift = {"weight": np.eye(3, dtype=np.float32).reshape(3, 3, 1, 1)}
    shift["bias"] = -255 * MEAN.ravel().astype(np.float32)
    names = ("sub_mean", "add_mean") if style == "authors" else ()
    shifts = {f"{n}.{key}": v.copy() for n in names for key, v in shift.items()}
    path = write(net, tmp_path, **shifts)
    network = applications.EDSR(scale, residual_scale=0.5, weights=path, **SMALL)
    np.testing.assert_allclose(network(picture)[0], expected, atol=1e-4)


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_msrresnet_reads_pytorch_files(scale, tmp_path):
    net, (picture, x) = Reference(), small_picture()
    expected = msrresnet(net, x, scale).transpose(1, 2, 0)
    network = applications.MSRResNet(scale, weights=write(net, tmp_path), **SMALL)
    np.testing.assert_allclose(network(picture)[0], expected, atol=1e-4)


@pytest.mark.parametrize(("stored", "scale"), [(2, 3), (2, 4), (4, 2), (3, 2)])
def test_files_of_another_scale_are_refused_by_name(stored, scale, tmp_path):
    net, (_, x) = Reference(), small_picture()
    edsr(net, x, stored)
    path = write(net, tmp_path)
    with pytest.raises(ValueError, match=f"enlarges x{stored}, edsr x{scale}"):
        applications.EDSR(scale, weights=path, **SMALL)
    net = Reference()
    msrresnet(net, x, stored)
    path = write(net, tmp_path)
    with pytest.raises(ValueError, match=f"enlarges x{stored}, msrresnet x{scale}"):
        applications.MSRResNet(scale, weights=path, **SMALL)


def test_files_of_another_network_are_refused(tmp_path):
    net, (_, x) = Reference(), small_picture()
    edsr(net, x, 2)
    path = write(net, tmp_path)
    with pytest.raises(ValueError, match="another architecture.*body.0.body.0"):
        applications.MSRResNet(2, weights=path, **SMALL)
    with pytest.raises(ValueError, match="does not fit edsr, shapes differ"):
        applications.EDSR(2, blocks=2, filters=8, weights=path)


def test_shuffle_permutation_by_hand():
    kernel = np.arange(8.0).reshape(1, 1, 1, 8).repeat(2, axis=2)
    changed, bias = from_pixel_shuffle([kernel, np.arange(8.0)])
    assert bias.tolist() == changed[0, 0, 0].tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


@pytest.mark.parametrize("key", ["params", "params_ema", "both"])
def test_checkpoints_of_basicsr(key, tmp_path):
    """Their tensors stand under a key; averaged ones come first."""
    value = np.arange(3, dtype=np.float32)
    tensor = stored_weights.pickled_tensor("0", value.shape)
    inner = {"a.bias": tensor}
    stop = -1  # of the pickle within

    def nested(items):
        return stored_weights.pickled_dict(items)[2:stop]

    keys = ("params", "params_ema") if key == "both" else (key,)
    outer = {name: nested(inner if name == keys[-1] else {}) for name in keys}
    path = tmp_path / "model.pth"
    content = stored_weights.pickled_dict(outer)
    stored_weights.write_archive(path, content, {"0": value.tobytes()})
    (array,) = pickled_tensors.read(str(path)).values()
    assert array.tolist() == [0, 1, 2]


def test_rdn_reads_files_of_the_keras_port(tmp_path):
    """The port's names, in whatever order; x2 by 4 times the channels of a picture."""
    given = {
        "blocks": 2,
        "convolutions": 2,
        "growth_rate": 4,
        "filters": 4,
        "tail_filters": (6, 5),
        "upsampling": "nearest",
    }
    source = applications.RDN(2, **given)
    names = {
        "first_conv": "F_m1",
        "second_conv": "F_0",
        "fusion1_conv": "GFF_1",
        "fusion2_conv": "GFF_2",
        "tail1_conv": "UPN1",
        "tail2_conv": "UPN2",
        "upsample1_conv": "UPN3",
        "last_conv": "SR",
        **{f"block{i}_fusion": f"LFF_{i}" for i in (1, 2)},
        **{f"block{i}_conv{j}": f"F_{i}_{j}" for i in (1, 2) for j in (1, 2)},
    }
    copies = {names[x.name]: x for x in source.layers if x.weights}
    port = keras.Sequential(name="port")
    for name, layer in sorted(copies.items()):
        new = keras.layers.Conv2D.from_config({**layer.get_config(), "name": name})
        new.build(layer.input_shape)
        new.set_weights(layer.get_weights())
        port.add(new)
    path = str(tmp_path / "port.h5")
    applications.save_weights(port, path)
    copy = applications.RDN(2, weights=path, **given)
    picture, _ = small_picture()
    np.testing.assert_array_equal(copy(picture), source(picture))
    with pytest.raises(ValueError, match="enlarges x2, rdn x3"):
        applications.RDN(3, weights=path, **given)


@pytest.mark.parametrize(
    "upsampling", ["depth_to_space", "icnr", "deconvolution", "nearest"]
)
@pytest.mark.parametrize("build", [applications.EDSR, applications.MSRResNet])
def test_own_files_are_read(build, upsampling, tmp_path):
    source = build(2, upsampling=upsampling, **SMALL)
    path = str(tmp_path / "own.h5")
    applications.save_weights(source, path)
    copy = build(2, upsampling=upsampling, weights=path, **SMALL)
    picture, _ = small_picture()
    np.testing.assert_array_equal(copy(picture), source(picture))


@pytest.mark.parametrize("build", [applications.ESPCN, applications.FSRCNN])
def test_squares_of_one_colour_are_refused(build):
    with pytest.raises(ValueError, match="upsampling.*'nearest'"):
        build(2, upsampling="nearest")


@pytest.mark.parametrize(
    ("name", "size"), [("srcnn915", 21), ("srcnn935", 19), ("srcnn955", 17)]
)
def test_srcnn_without_padding(name, size, by_shapes):
    network = applications.create_model(name, padding="valid", image_shape=(33, 33, 1))
    assert network.output_shape == (None, size, size, 1)


def test_residual_networks_start_from_their_input():
    """With a last layer of zeros they give the bicubic enlargement, exactly."""
    x = tf.random.stateless_uniform([1, 9, 7, 1], [1, 2])
    vdsr = applications.VeryDeepSuperResolution(filters=4, depth=3)
    drcn = applications.DeeplyRecursiveNetwork(filters=4, recursions=4, supervised=True)
    for network, last in ((vdsr, "conv3"), (drcn, "reconstruct2")):
        layer = network.get_layer(last)
        layer.set_weights([np.zeros_like(value) for value in layer.get_weights()])
        for output in tf.nest.flatten(network(x)):
            np.testing.assert_allclose(output, x, rtol=1e-6)


def test_drcn_shares_its_layers(by_shapes):
    """5 convolutions and a weight for each recursion, however deep it recurses."""
    for recursions in (2, 5):
        network = applications.DeeplyRecursiveNetwork(
            filters=8, recursions=recursions, supervised=True
        )
        convolutions = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
        assert len(convolutions) == 5 and len(network.trainable_weights) == 11
        np.testing.assert_allclose(network.get_layer("enlarged").sum_weights,
                                   np.full(recursions, 1 / recursions))  # fmt: skip
        assert len(network.outputs) == 1 + recursions


def test_drcn_starts_its_recursion_from_the_identity():
    network = applications.DeeplyRecursiveNetwork(filters=4, recursions=2)
    x = tf.random.stateless_uniform([1, 5, 6, 4], [3, 4])
    np.testing.assert_allclose(network.get_layer("recursion")(x), x, atol=1e-7)


def test_icnr_starts_from_repeated_pixels():
    kernel = ICNR(2, keras.initializers.RandomNormal(0.0, 1.0, seed=1))((3, 3, 5, 12))
    x = tf.random.stateless_normal([1, 6, 7, 5], [1, 2])
    shuffled = tf.nn.depth_to_space(tf.nn.conv2d(x, kernel, 1, "SAME"), 2)
    single = tf.nn.conv2d(x, kernel[..., :3], 1, "SAME")
    repeated = tf.repeat(tf.repeat(single, 2, axis=1), 2, axis=2)
    np.testing.assert_allclose(shuffled, repeated, atol=1e-5)


@pytest.mark.parametrize("upsampling", ["icnr", "deconvolution", "nearest"])
def test_other_upsamplings(upsampling):
    network = applications.SRResNet(
        3, blocks=1, filters=4, image_shape=(5, 4, 1), upsampling=upsampling
    )
    assert network.output_shape == (None, 15, 12, 1)
    assert network(tf.ones([1, 5, 4, 1])).shape == (1, 15, 12, 1)
    copy = keras.Model.from_config(network.get_config())
    assert copy.output_shape == network.output_shape


@pytest.mark.parametrize(
    ("builder", "arguments", "quoted"),
    [
        ("ESPCN", {"scale": 5}, "scale must be 2 or 3 or 4, got 5"),
        ("EDSR", {"scale": 2.0}, "scale must be.*got 2.0"),
        ("EDSR", {"residual_scale": 0}, r"residual_scale.*\(0, 1\].*got 0"),
        ("EDSR", {"weights": "nowhere.pth"}, "nowhere.pth"),
        ("FSRCNN", {"upsampling": "bicubic"}, "upsampling must be.*got 'bicubic'"),
        ("FSRCNN", {"mapping_layers": 0}, "mapping_layers.*got 0"),
        ("SRCNN", {"padding": "reflect"}, "padding must be.*got 'reflect'"),
        ("SRCNN", {"kernel_sizes": (9, 5)}, "equal length.*kernel_sizes=.9, 5."),
        ("VeryDeepSuperResolution", {"depth": 1}, "depth.*at least 2, got 1"),
        ("DeeplyRecursiveNetwork", {"recursions": 1}, "recursions.*got 1"),
        ("RDN", {"growth_rate": -1}, "growth_rate.*got -1"),
        ("SRResNet", {"image_shape": (8, 8)}, "image_shape must be"),
        ("SuperResolutionDiscriminator", {"image_shape": (None, None, 3)}, "None"),
    ],
)
def test_bad_arguments_are_quoted(builder, arguments, quoted):
    with pytest.raises((ValueError, OSError), match=quoted):
        getattr(applications, builder)(**arguments)
