"""Networks in PyTorch, made of functional Keras models with the same weights.

Maps are mirrored, up and down and across: where a stride of 2 leaves one row of padding
too many, TensorFlow has it at the end of a map, PyTorch's layers at the start.
"""

import functools
import math

import numpy as np
import torch
from torch import nn


class TorchNetwork(nn.Module):
    """A functional Keras model of one output, in PyTorch.

    Args:
        model: of layers that ``_LAYERS`` names.
        order: of maps in memory, ``"channels_last"`` or ``"contiguous_format"``.

    Raises:
        ValueError: if there is another kind of layer, which it names.
    """

    def __init__(self, model, order):
        super().__init__()
        self.parts = nn.ModuleList()
        self._plan = []
        self._inputs = [x.name for x in model.inputs]
        for layer in model.layers:
            kind = type(layer).__name__.removeprefix("Matrix")
            if kind == "InputLayer":
                continue
            if kind not in _LAYERS:
                raise ValueError(f"no PyTorch form of {kind}, which {layer.name} is")
            inputs = layer.input if isinstance(layer.input, list) else [layer.input]
            self.parts.append(_LAYERS[kind](layer))
            self._plan.append((layer.output.name, [x.name for x in inputs]))
        self._output = model.output.name
        self._order = getattr(torch, order)
        self.to(memory_format=self._order)

    def forward(self, *inputs):
        """Vectors, or mirrored maps, to either."""
        known = dict(zip(self._inputs, map(self._ordered, inputs)))
        for part, (output, names) in zip(self.parts, self._plan):
            known[output] = self._ordered(part(*(known[name] for name in names)))
        return known[self._output]

    def _ordered(self, x):
        return x.contiguous(memory_format=self._order) if x.ndim == 4 else x


def to_torch(values):
    """NumPy maps ``(batch, height, width, channels)``, mirrored; others as they are."""
    if values.ndim < 4:
        return torch.from_numpy(values)
    return torch.from_numpy(values[:, ::-1, ::-1].copy()).permute(0, 3, 1, 2)


def from_torch(values):
    """The inverse of ``to_torch``."""
    if values.ndim < 4:
        return values.detach().numpy()
    return values.detach().permute(0, 2, 3, 1).numpy()[:, ::-1, ::-1]


class _Function(nn.Module):
    """A function of tensors."""

    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, *inputs):
        return self.function(*inputs)


def _activation(name):
    """The module of Keras' activation of a name."""
    made = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
    return nn.Identity() if name == "linear" else made[name]()


def _with_weights(module, layer, order):
    """The module with a layer's weights, then the layer's activation."""
    kernel, *bias = layer.get_weights()
    kernel = np.ascontiguousarray(kernel.transpose(order))
    if kernel.ndim == 4:
        kernel = kernel[:, :, ::-1, ::-1].copy()
    with torch.no_grad():
        module.weight.copy_(torch.from_numpy(kernel))
        if bias:
            module.bias.copy_(torch.from_numpy(bias[0]))
    return nn.Sequential(module, _activation(layer.activation.__name__))


def _margins(layer):
    """Rows of padding of 'same', as PyTorch has them: the same before and after."""
    lengths = zip(layer.input_shape[1:3], layer.kernel_size, layer.strides)
    missing = [max((math.ceil(n / s) - 1) * s + k - n, 0) for n, k, s in lengths]
    return [math.ceil(margin / 2) for margin in missing]


def _without_rest(layer, size, made):
    """The module after a cut of rows that windows without padding do not reach."""
    lengths = zip(layer.input_shape[1:3], size, layer.strides)
    down, across = ((n - k) % s for n, k, s in lengths)
    if layer.padding == "same" or not (down or across):
        return made
    return nn.Sequential(nn.ZeroPad2d((-across, 0, -down, 0)), made)


def _convolution(layer):
    _, _, channels, filters = layer.kernel.shape
    margins = _margins(layer) if layer.padding == "same" else 0
    shape = (channels, filters, layer.kernel_size, layer.strides, margins)
    made = nn.Conv2d(*shape, bias=layer.use_bias)
    made = _with_weights(made, layer, order=(3, 2, 0, 1))
    return _without_rest(layer, layer.kernel_size, made)


def _pooling(kind, layer, **options):
    same = layer.padding == "same"
    margins = [size // 2 if same else 0 for size in layer.pool_size]
    made = kind(layer.pool_size, layer.strides, margins, **options)
    return _without_rest(layer, layer.pool_size, made)


def _transposed_convolution(layer):
    """Of 'same', where maps become as many times larger as the stride is."""
    _, _, filters, channels = layer.kernel.shape
    sides = list(zip(layer.kernel_size, layer.strides))
    margins = [math.ceil((k - s) / 2) for k, s in sides]
    ends = [s + 2 * m - k for (k, s), m in zip(sides, margins)]
    shape = (channels, filters, layer.kernel_size, layer.strides, margins, ends)
    return _with_weights(
        nn.ConvTranspose2d(*shape, bias=layer.use_bias), layer, order=(3, 2, 0, 1)
    )


def _dense(layer):
    made = nn.Linear(*layer.kernel.shape, bias=layer.use_bias)
    return _with_weights(made, layer, order=(1, 0))


def _normalisation(layer):
    kind = nn.BatchNorm2d if len(layer.input_shape) == 4 else nn.BatchNorm1d
    channels = layer.input_shape[-1]
    made = kind(channels, eps=layer.epsilon, momentum=1 - layer.momentum)
    with torch.no_grad():
        names = {"weight": "gamma", "bias": "beta"}
        names |= {"running_mean": "moving_mean", "running_var": "moving_variance"}
        for theirs, ours in names.items():
            getattr(made, theirs).copy_(torch.from_numpy(getattr(layer, ours).numpy()))
    return made


class _MaskActivation(nn.Module):
    """The asymmetric Gaussian of ``keras_cnns.layers.LearnableMaskActivation``."""

    def __init__(self, layer):
        super().__init__()
        self.limits = layer.LIMITS
        for name in self.limits:
            value = torch.tensor(float(getattr(layer, name)))
            setattr(self, name, nn.Parameter(value))

    def forward(self, x):
        squares = (x - self.mu) ** 2
        left = self.a * torch.exp(-self.gamma_left * squares)
        right = 1 + (self.a - 1) * torch.exp(-self.gamma_right * squares)
        return torch.where(x < self.mu, left, right)

    @torch.no_grad()
    def clip(self):
        """Brings the parameters back between their limits, after an update."""
        for name, ends in self.limits.items():
            getattr(self, name).clamp_(*ends)


def _mask_update(layer):
    def update(x):
        return torch.where(x > 0, x.clamp(min=1e-6) ** layer.exponent, 0.0)

    return _Function(update)


def _valid_pixels(images, masks):
    return torch.where(masks > 0, images * masks, 0.0)


def _zero_padding(layer):
    (top, bottom), (left, right) = layer.padding
    return nn.ZeroPad2d((right, left, bottom, top))


def _reshape(layer):
    """Vectors, in Keras' order, to mirrored maps."""
    shape = layer.output_shape[1:]
    return _Function(lambda x: x.reshape(-1, *shape).flip(1, 2).permute(0, 3, 1, 2))


def _flatten(layer):
    """The inverse of ``_reshape``."""
    return _Function(lambda x: x.permute(0, 2, 3, 1).flip(1, 2).flatten(1))


_LAYERS = {
    "Activation": lambda layer: _activation(layer.activation.__name__),
    "Add": lambda layer: _Function(lambda x, y: x + y),
    "AveragePooling2D": functools.partial(
        _pooling, nn.AvgPool2d, count_include_pad=False
    ),
    "BatchNormalization": _normalisation,
    "Concatenate": lambda layer: _Function(lambda *maps: torch.cat(maps, 1)),
    "Conv2D": _convolution,
    "Conv2DTranspose": _transposed_convolution,
    "Dense": _dense,
    "Flatten": _flatten,
    "GlobalAveragePooling2D": lambda layer: _Function(lambda x: x.mean((2, 3))),
    "LeakyReLU": lambda layer: nn.LeakyReLU(float(layer.alpha)),
    "LearnableMaskActivation": _MaskActivation,
    "MaskUpdate": _mask_update,
    "MaxPooling2D": functools.partial(_pooling, nn.MaxPool2d),
    "Multiply": lambda layer: _Function(lambda x, y: x * y),
    "ReLU": lambda layer: nn.ReLU(),
    "Rescaling": lambda layer: _Function(lambda x: x * layer.scale + layer.offset),
    "Reshape": _reshape,
    "ValidPixels": lambda layer: _Function(_valid_pixels),
    "ZeroPadding2D": _zero_padding,
}
