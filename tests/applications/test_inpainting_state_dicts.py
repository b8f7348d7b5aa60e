"""Files of PyTorch's inpainting networks: layers by name, equal outputs.

The references are the released modules' layers under their names, with torch's
functions; weights are random and as many as small networks have.
"""

import numpy as np
import pytest
import safetensors.numpy

from keras_cnns import applications

WIDTHS = (4, 6, 8)


def _torch():
    return pytest.importorskip(
        "torch", reason="PyTorch is not installed: pip install 'keras-cnns[reference]'"
    )


class Modules:
    """Random tensors by PyTorch's names, drawn as they are asked for."""

    def __init__(self, scale=0.4):
        self.state = {}
        self._scale = scale
        self._random = np.random.default_rng(0)

    def tensor(self, name, *shape, low=None, high=None):
        if name not in self.state:
            if low is None:
                value = self._scale * self._random.normal(size=shape)
            else:
                value = self._random.uniform(low, high, shape)
            self.state[name] = np.asarray(value, np.float32)
        return _torch().from_numpy(self.state[name])

    def conv(self, x, filters, name, size=4, strides=2, bias=False, **kwargs):
        weight = self.tensor(f"{name}.weight", filters, x.shape[1], size, size)
        offset = self.tensor(f"{name}.bias", filters) if bias else None
        padding = kwargs.pop("padding", (size - 1) // 2)
        conv = _torch().nn.functional.conv2d
        return conv(x, weight, offset, strides, padding, **kwargs)

    def deconv(self, x, filters, name, bias=False):
        weight = self.tensor(f"{name}.weight", x.shape[1], filters, 4, 4)
        offset = self.tensor(f"{name}.bias", filters) if bias else None
        return _torch().nn.functional.conv_transpose2d(x, weight, offset, 2, 1)

    def linear(self, x, units, name):
        x = x.flatten(1)
        weight = self.tensor(f"{name}.weight", units, x.shape[1])
        return _torch().nn.functional.linear(
            x, weight, self.tensor(f"{name}.bias", units)
        )

    def norm(self, x, name):
        channels = x.shape[1]
        self.state[f"{name}.num_batches_tracked"] = np.array(3, np.int64)
        return _torch().nn.functional.batch_norm(
            x,
            self.tensor(f"{name}.running_mean", channels),
            self.tensor(f"{name}.running_var", channels, low=0.5, high=1.5),
            self.tensor(f"{name}.weight", channels, low=0.5, high=1.5),
            self.tensor(f"{name}.bias", channels),
        )

    def saved(self, folder):
        """A file that PyTorch writes."""
        torch = _torch()
        path = str(folder / "model.pth")
        tensors = {k: torch.from_numpy(v) for k, v in self.state.items()}
        torch.save(tensors, path)
        return path


def _images(size=32):
    """Images and masks, and the same for PyTorch."""
    draw = np.random.default_rng(1)
    images = draw.random((2, size, size, 3)).astype(np.float32)
    masks = (draw.random((2, size, size, 1)) > 0.4).astype(np.float32)
    theirs = [
        _torch().from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        for x in (images, masks)
    ]
    return images, masks, *theirs


def _assert_equal(ours, theirs):
    """Outputs ``(batch, height, width, channels)`` and PyTorch's."""
    expected = theirs.numpy()
    assert expected.std() > 1e-3
    if expected.ndim == 4:
        expected = expected.transpose(0, 2, 3, 1)
    np.testing.assert_allclose(ours, expected, rtol=0, atol=1e-5)


# LBAM


def _attention(modules, x, name):
    """g_A; values outside of the limits, which the released code clips as it runs."""
    torch = _torch()
    drawn = [
        modules.tensor(f"{name}.{part}", low=low, high=high).clamp(*limits)
        for part, low, high, limits in (
            ("a", 0.9, 1.5, (1.01, 6.0)),
            ("mu", 0.0, 2.0, (0.1, 3.0)),
            ("sigma1", 0.3, 1.5, (0.5, 2.0)),
            ("sigma2", 0.5, 2.2, (0.5, 2.0)),
        )
    ]
    a, mu, left, right = drawn
    squares = (x - mu) ** 2
    upper = 1 + (a - 1) * torch.exp(-right * squares)
    return torch.where(x < mu, a * torch.exp(-left * squares), upper)


def _lbam(modules, images, mask, batch_norm):
    torch, leaky = _torch(), _torch().nn.functional.leaky_relu
    norm = modules.norm if batch_norm else lambda x, name: x
    count, mask = len(WIDTHS), mask.repeat(1, 3, 1, 1)
    x, valid, hole = torch.cat([images * mask, mask[:, :1]], 1), mask, 1 - mask
    skips, gates, back = [], [], []
    for i, width in enumerate(WIDTHS, start=1):
        features = modules.conv(valid, width, f"ec{i}.conv.maskConv")
        gates.append(_attention(modules, features, f"ec{i}.conv.activationFuncG_A"))
        valid = torch.relu(features) ** 0.8
        skips.append(modules.conv(x, width, f"ec{i}.conv.conv"))
        x = skips[-1] * gates[-1]
        x = leaky(norm(x, f"ec{i}.bn") if i > 1 else x, 0.2)
    for i, width in enumerate(WIDTHS[:-1], start=1):
        features = modules.conv(hole, width, f"reverseConv{i}.reverseMaskConv")
        back.append(_attention(modules, features, f"reverseConv{i}.activationFuncG_A"))
        hole = torch.relu(features) ** 0.8
    for i in range(1, count):
        level = count - i - 1
        both = torch.cat(
            [skips[level], modules.deconv(x, WIDTHS[level], f"dc{i}.conv")], 1
        )
        both = both * torch.cat([gates[level], back[level]], 1)
        x = leaky(norm(both, f"dc{i}.bn"), 0.2)
    return (torch.tanh(modules.deconv(x, 3, f"dc{count}")) + 1) / 2


@pytest.mark.parametrize("batch_norm", [False, True])
def test_lbam_against_torch(batch_norm, tmp_path):
    modules = Modules()
    images, masks, *theirs = _images()
    expected = _lbam(modules, *theirs, batch_norm)
    network = applications.create_model(
        "lbam",
        image_shape=(None, None, 3),
        filters=WIDTHS,
        batch_norm=batch_norm,
        weights=modules.saved(tmp_path),
    )
    _assert_equal(network([images, masks]), expected)


@pytest.mark.parametrize("batch_norm", [False, True])
def test_lbam_discriminator_against_torch(batch_norm, tmp_path):
    """Without the released code's sigmoid."""
    modules = Modules()
    images, masks, x, mask = _images()
    columns = []
    for column, seen in (("globalConv", mask), ("localConv", 1 - mask)):
        features, place = x * seen, 0
        for level, width in enumerate(WIDTHS):
            name = f"{column}.{place}"
            features, place = modules.conv(features, width, name, bias=True), place + 2
            if level:
                name = f"{column}.{place - 1}"
                features = modules.norm(features, name) if batch_norm else features
                place += 1
            features = _torch().nn.functional.leaky_relu(features, 0.2)
        columns.append(features)
    both = _torch().cat(columns, 1)
    score = modules.conv(both, 1, "fusionLayer.0", strides=1, padding=0, bias=True)
    network = applications.create_model(
        "lbam_discriminator",
        image_shape=(32, 32, 3),
        filters=WIDTHS,
        batch_norm=batch_norm,
        weights=modules.saved(tmp_path),
    )
    _assert_equal(network([images, masks]), score.reshape(2, 1))


def _lbam_shapes(levels, widths):
    """Shapes by name of the released generator."""
    shapes, seen = {}, (4, *widths)
    gates = dict.fromkeys(("a", "mu", "sigma1", "sigma2"), ())
    for i, width in enumerate(widths, start=1):
        shapes[f"ec{i}.conv.conv.weight"] = (width, seen[i - 1], 4, 4)
        shapes[f"ec{i}.conv.maskConv.weight"] = (width, seen[i - 1] - (i == 1), 4, 4)
        shapes |= {f"ec{i}.conv.activationFuncG_A.{k}": v for k, v in gates.items()}
        if i < levels:
            name = f"reverseConv{i}"
            reverse = (width, seen[i - 1] - (i == 1), 4, 4)
            shapes[f"{name}.reverseMaskConv.weight"] = reverse
            shapes |= {f"{name}.activationFuncG_A.{k}": v for k, v in gates.items()}
    for i in range(1, levels):
        below = widths[levels - i] * (1 if i == 1 else 2)
        shapes[f"dc{i}.conv.weight"] = (below, widths[levels - i - 1], 4, 4)
    shapes[f"dc{levels}.weight"] = (2 * widths[0], 3, 4, 4)
    return shapes


def _random_file(shapes, folder):
    draw = np.random.default_rng(2)
    tensors = {
        name: np.asarray(draw.uniform(0.4, 1.6, shape), np.float32)
        for name, shape in shapes.items()
    }
    path = str(folder / "model.safetensors")
    safetensors.numpy.save_file(tensors, path)
    return tensors, path


def test_layers_of_lbam_by_name(tmp_path):
    tensors, path = _random_file(_lbam_shapes(3, WIDTHS), tmp_path)
    network = applications.LearnableAttentionUNet((16, 16, 3), WIDTHS, weights=path)
    for ours, theirs in {
        "encoder2_conv": "ec2.conv.conv",
        "encoder_mask3_conv": "ec3.conv.maskConv",
        "decoder_mask1_conv": "reverseConv1.reverseMaskConv",
        "decoder2_conv": "dc1.conv",
        "decoder1_conv": "dc2.conv",
        "decoder0_conv": "dc3",
    }.items():
        (kernel,) = network.get_layer(ours).get_weights()
        expected = tensors[f"{theirs}.weight"].transpose(2, 3, 1, 0)
        np.testing.assert_array_equal(kernel, expected)
    found = network.get_layer("decoder_mask2_attention").get_weights()
    parts = ("a", "mu", "sigma1", "sigma2")
    expected = [tensors[f"reverseConv2.activationFuncG_A.{part}"] for part in parts]
    low = (1.01, 0.1, 0.5, 0.5)
    np.testing.assert_allclose(found, np.maximum(expected, low), rtol=1e-6)


def test_files_of_other_networks_are_refused(tmp_path):
    _, path = _random_file(_lbam_shapes(3, WIDTHS), tmp_path)
    with pytest.raises(ValueError, match="another architecture.*modules dc3"):
        applications.LearnableAttentionUNet((16, 16, 3), (*WIDTHS, 8), weights=path)
    with pytest.raises(ValueError, match="global_local reads no PyTorch files"):
        applications.create_with_weights("global_local", path, image_shape=(64, 64, 3))
    with pytest.raises(ValueError, match="shapes differ"):
        applications.LearnableAttentionUNet((16, 16, 3), (4, 6, 9), weights=path)


# Partial convolution


def _partial(modules, x, mask, filters, name, size=3, strides=1, bias=False):
    """The port's layer: the mask's sum over a window and all channels, without N.

    NVIDIA's, where ``modules.layer`` is so: with N, and no further module.
    """
    torch, is_port = _torch(), modules.layer == "port"
    ones = np.ones((filters, x.shape[1], size, size), np.float32)
    if is_port:
        modules.state[f"{name}.conv.mask_conv.weight"] = ones
    conv, padding = torch.nn.functional.conv2d, size // 2
    total = conv(mask, torch.from_numpy(ones), None, strides, padding)
    total = total if is_port else total / (size**2 * x.shape[1])
    name = f"{name}.conv.input_conv" if is_port else f"{name}.conv"
    y = modules.conv(x * mask, filters, name, size, strides, bias, padding=padding)
    offset = modules.state.get(f"{name}.bias", np.zeros(filters, np.float32))
    offset = torch.from_numpy(offset)[:, None, None]
    holes = total == 0
    y = (y - offset) / total.masked_fill(holes, 1.0) + offset
    return y.masked_fill(holes, 0.0), (~holes).float()


def _pconv(modules, x, mask):
    torch = _torch()
    double = torch.nn.functional.interpolate
    mask = mask.repeat(1, 3, 1, 1)
    kept = [(x, mask)]
    for i, (width, size) in enumerate(zip(WIDTHS, (7, 5, 5)), start=1):
        x, mask = _partial(modules, x, mask, width, f"enc_{i}", size, 2)
        x = torch.relu(modules.norm(x, f"enc_{i}.bn") if i > 1 else x)
        kept.append((x, mask))
    for i in range(len(WIDTHS), 0, -1):
        x, mask = (
            torch.cat([double(y, scale_factor=2), skip], 1)
            for y, skip in zip((x, mask), kept[i - 1])
        )
        width = (3, *WIDTHS)[i - 1]
        x, mask = _partial(modules, x, mask, width, f"dec_{i}", bias=i == 1)
        if i > 1:
            x = torch.nn.functional.leaky_relu(modules.norm(x, f"dec_{i}.bn"), 0.2)
    return x


@pytest.mark.parametrize("layer", ["port", "nvidia"])
def test_partial_convolution_against_torch(layer, tmp_path):
    """Standardised colours there, as its scripts feed them; [0, 1] here."""
    modules = Modules(scale=1.0 if layer == "port" else 0.1)
    modules.layer = layer
    images, masks, x, mask = _images()
    masks[:, 8:20, 8:20] = 0  # holes that the first level does not close
    mask[:, :, 8:20, 8:20] = 0
    mean, std = (
        _torch().tensor(values)[:, None, None]
        for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    )
    expected = _pconv(modules, (x - mean) / std, mask) * std + mean
    path = modules.saved(tmp_path)
    network = applications.create_model(
        "pconv_unet256_torch",
        image_shape=(None, None, 3),
        filters=WIDTHS,
        weights=path,
    )
    _assert_equal(network([images, masks]), expected)
    with pytest.raises(ValueError, match="reads no PyTorch files"):
        applications.PartialConvUNet((32, 32, 3), WIDTHS, weights=path)


# Contextual attention


def _patches(x, size, stride=1):
    """Patches of one map ``(places, channels, size, size)``, padded as TensorFlow."""
    before = (size - stride) // 2
    after = size - stride - before
    functional = _torch().nn.functional
    x = functional.pad(x, (before, after, before, after))
    columns = functional.unfold(x, size, stride=stride)[0]
    return columns.T.reshape(-1, x.shape[1], size, size)


def _attend(x, holes, rate=2, factor=10):
    """The port's layer, of one example whose foreground is its background."""
    torch, functional = _torch(), _torch().nn.functional
    pasted, small = _patches(x, 2 * rate, rate), x[:, :, ::rate, ::rate]
    height, width = small.shape[2:]
    kernels = _patches(small, 3)
    norms = ((kernels**2 + 1e-4).sum((1, 2, 3), keepdim=True)) ** 0.5
    scores = functional.conv2d(small, kernels / norms, padding=1)
    identity, count = torch.eye(3)[None, None], height * width
    for sides in ((height, width), (width, height)):
        scores = scores.reshape(1, 1, count, count)
        scores = functional.conv2d(scores, identity, padding=1)
        scores = scores.reshape(1, *sides, *sides).permute(0, 2, 1, 4, 3)
    scores = scores.reshape(1, count, height, width)
    valid = _patches(holes[:, :, :: 4 * rate, :: 4 * rate], 3).sum((1, 2, 3)) == 0
    valid = valid.float().reshape(1, count, 1, 1)
    attention = torch.softmax(scores * valid * factor, 1) * valid
    return functional.conv_transpose2d(attention, pasted, stride=rate, padding=1) / 4


def _coarse_to_fine(modules, image, holes, widths=(4, 6, 8)):
    torch, functional = _torch(), _torch().nn.functional
    one, two, four = widths

    def conv(x, width, name, size=3, strides=1, rate=1, activation=functional.elu):
        padding = rate * (size // 2)
        x = modules.conv(
            x, width, f"{name}.conv", size, strides, True,
            padding=padding, dilation=rate,
        )  # fmt: skip
        return activation(x)

    def encode(x, rows, name, last=functional.elu):
        for i, width in enumerate(rows, start=1):
            kind = "_downsample" if i in (2, 4) else ""
            x = conv(
                x, width, f"{name}{i}{kind}", 5 if i == 1 else 3, 2 if kind else 1,
                activation=last if i == 6 else functional.elu,
            )  # fmt: skip
        return x

    def dilate(x, name):
        for i in range(4):
            x = conv(x, four, f"{name}{7 + i}_atrous", rate=2 ** (i + 1))
        return x

    def decode(x, name):
        for i, width in enumerate((four, four, two, two, one, one // 2, 3), start=11):
            if i in (13, 15):
                x = functional.interpolate(x, scale_factor=2)
            last = functional.elu if i < 17 else torch.nn.Identity()
            x = conv(x, width, f"{name}{i}", activation=last)
        return x.clamp(-1, 1)

    image, ones = image * (1 - holes), torch.ones_like(holes)
    name = "coarse_generator.conv"
    x = encode(
        torch.cat([image, ones, holes], 1), (one, two, two, four, four, four), name
    )
    coarse = decode(dilate(x, name), name)
    pasted = torch.cat([coarse * holes + image, ones, holes], 1)
    name = "fine_generator.conv"
    x = dilate(encode(pasted, (one, one, two, two, four, four), name), name)
    name = "fine_generator.pmconv"
    y = encode(pasted, (one, one, two, four, four, four), name, torch.relu)
    y = conv(conv(_attend(y, holes), four, f"{name}9"), four, f"{name}10")
    return decode(torch.cat([x, y], 1), "fine_generator.allconv"), coarse


def test_contextual_attention_against_torch(tmp_path):
    """One example, as the port takes the first mask's patches for all."""
    modules = Modules(scale=0.15)
    images, masks, *_ = _images(64)
    images, masks = 2 * images[:1] - 1, np.ones_like(masks[:1])
    masks[:, 16:40, 24:48] = 0
    image, mask = (
        _torch().from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))
        for x in (images, masks)
    )
    expected = _coarse_to_fine(modules, image, 1 - mask)
    path = modules.saved(tmp_path)
    network = applications.create_model(
        "contextual_attention_torch",
        image_shape=(64, 64, 3),
        filters=WIDTHS,
        weights=path,
    )
    for ours, theirs in zip(network([images, masks]), expected):
        _assert_equal(ours, theirs)


def _critic_of_port(modules, x, prefix):
    for i, width in enumerate((*WIDTHS, WIDTHS[-1]), start=1):
        name = f"{prefix}dis_conv_module.conv{i}.conv"
        x = modules.conv(x, width, name, 5, bias=True, padding=2)
        x = _torch().nn.functional.leaky_relu(x, 0.2)
    return modules.linear(x, 1, f"{prefix}linear")


CRITICS = {"localD.": 32, "globalD.": 64}


def _critics(modules):
    """Scores of images by the critics' keys, and the images."""
    images = {prefix: _images(size) for prefix, size in CRITICS.items()}
    scores = {k: _critic_of_port(modules, v[2], k) for k, v in images.items()}
    return scores, {k: v[0] for k, v in images.items()}


def _strided_critic(size, path):
    return applications.create_model(
        "contextual_attention_torch_local_discriminator",
        image_shape=(size, size, 3),
        filters=(*WIDTHS, WIDTHS[-1]),
        weights=path,
    )


@pytest.mark.parametrize("kind", ["both", "names", "alone"])
def test_critics_of_contextual_attention_against_torch(kind, tmp_path):
    """Of a file of both as the port saves it, of their tensors, of one alone."""
    torch, modules = _torch(), Modules(scale=0.2)
    scores, images = _critics(modules)
    for prefix, size in CRITICS.items():
        path = str(tmp_path / f"{prefix}pt")
        parts = {
            key.removesuffix("."): {
                name.removeprefix(key): torch.from_numpy(value)
                for name, value in modules.state.items()
                if name.startswith(key)
            }
            for key in CRITICS
        }
        if kind == "both":
            torch.save(parts, path)
        elif kind == "names":
            path = modules.saved(tmp_path)
        else:
            torch.save(parts[prefix.removesuffix(".")], path)
        network = _strided_critic(size, path)
        _assert_equal(network(images[prefix]), scores[prefix])


def test_critics_of_another_size_are_refused(tmp_path):
    modules = Modules()
    _critics(modules)
    path = modules.saved(tmp_path)
    with pytest.raises(ValueError, match="localD.*and globalD.*both stand for"):
        _strided_critic(96, path)
    with pytest.raises(ValueError, match="reads no PyTorch files"):
        applications.create_model(
            "contextual_attention_local_discriminator", weights=path
        )


# Global&Local


def _relu_then_norm(modules, x, filters, row, number, prefix=""):
    size, stride, dilation = row
    name = f"{prefix}conv{number}"
    padding = dilation * (size // 2)
    x = modules.conv(
        x, filters, name, size, stride, True, padding=padding, dilation=dilation
    )
    return modules.norm(_torch().relu(x), f"{prefix}bn{number}")


def _completion(modules, images, mask, colour):
    """The port's; its masks are 1 in holes."""
    torch, (one, two, four) = _torch(), WIDTHS
    holes = 1 - mask
    colour = torch.tensor(colour)[:, None, None]
    x = torch.cat([images - images * holes + colour * holes, holes], 1)
    widths = (one, two, two, four, *[four] * 8)
    sizes = (5, *[3] * 11)
    strides = (1, 2, 1, 2, *[1] * 8)
    dilations = (*[1] * 6, 2, 4, 8, 16, 1, 1)
    for i, width in enumerate(widths):
        row = (sizes[i], strides[i], dilations[i])
        x = _relu_then_norm(modules, x, width, row, i + 1)
    for number, width, after in ((13, two, two), (15, one, one // 2)):
        x = torch.relu(modules.deconv(x, width, f"deconv{number}", bias=True))
        x = modules.norm(x, f"bn{number}")
        x = _relu_then_norm(modules, x, after, (3, 1, 1), number + 1)
    x = modules.conv(x, 3, "conv17", 3, 1, True, padding=1)
    return torch.sigmoid(x)


def test_global_local_against_torch(tmp_path):
    colour = (0.2, 0.5, 0.9)
    modules = Modules(scale=0.2)
    images, masks, *theirs = _images()
    expected = _completion(modules, *theirs, colour)
    path = modules.saved(tmp_path)
    network = applications.create_model(
        "global_local_torch",
        image_shape=(None, None, 3),
        filters=WIDTHS,
        fill_value=colour,
        weights=path,
    )
    _assert_equal(network([images, masks]), expected)
    with pytest.raises(ValueError, match="reads no PyTorch files"):
        applications.CompletionNetwork((32, 32, 3), WIDTHS, weights=path)
    with pytest.raises(ValueError, match="missing in the file: conv17_bn; conv18"):
        applications.CompletionNetwork(
            (32, 32, 3), WIDTHS, (2, 4, 8, 16, 32), torch_form=True, weights=path
        )


@pytest.mark.parametrize("levels", [3, 4], ids=["faces", "places"])
def test_global_local_discriminator_against_torch(levels, tmp_path):
    """Without the sigmoid; for places, the image has a convolution more."""
    torch, modules, columns = _torch(), Modules(scale=0.2), []
    images, _, x, _ = _images()
    widths = {"model_ld": WIDTHS, "model_gd": (*WIDTHS, 8)[:levels]}
    patches = images[:, 3:19, 5:21]
    for column, seen in (("model_ld", x[:, :, 3:19, 5:21]), ("model_gd", x)):
        for i, width in enumerate(widths[column], start=1):
            seen = _relu_then_norm(modules, seen, width, (5, 2, 1), i, f"{column}.")
        name = f"{column}.linear{len(widths[column]) + 1}"
        columns.append(torch.relu(modules.linear(seen, 7, name)))
    expected = modules.linear(torch.cat(columns, 1), 1, "linear1")
    given = {
        "image_shape": (32, 32, 3),
        "local_shape": (16, 16, 3),
        "global_filters": widths["model_gd"],
        "local_filters": WIDTHS,
        "torch_form": True,
    }
    path = modules.saved(tmp_path)
    network = applications.ContextDiscriminator(**given, units=7, weights=path)
    _assert_equal(network([images, patches]), expected)
    with pytest.raises(ValueError, match=r"logits \(the file's linear1\): file \[\(14"):
        applications.ContextDiscriminator(**given, units=6, weights=path)
    with pytest.raises(ValueError, match="another architecture.*model_ld"):
        applications.create_model("global_local_torch", weights=path)
