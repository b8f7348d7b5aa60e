"""What every custom layer promises; a layer without a row fails."""

import math

import numpy as np
import pooling_references
import pytest
import region_references
import tensorflow as tf
from tensorflow import keras

from keras_cnns import layers


def _local_response_normalization(x, radius=2, bias=0.7, alpha=2.0, beta=0.6):
    result = np.empty_like(x)
    for c in range(x.shape[-1]):
        near = x[..., max(0, c - radius) : c + radius + 1]
        scale = bias + alpha / (2 * radius + 1) * (near**2).sum(axis=-1)
        result[..., c] = x[..., c] / scale**beta
    return result


def _adaptive_pooling(x, size=3, reduce=np.mean):
    result = np.empty((len(x), size, size, x.shape[-1]))
    for i in range(size):
        for j in range(size):
            rows, columns = (
                slice(k * n // size, math.ceil((k + 1) * n / size))
                for k, n in zip((i, j), x.shape[1:3])
            )
            result[:, i, j] = reduce(x[:, rows, columns], axis=(1, 2))
    return result


def _fractal_join(shallow, deep, weights):
    return weights[1, 1] * shallow + weights[1, 2] * deep


def _contextual_attention(foreground, background, masks):
    """Single pixels are compared; each comes with the square that begins there."""
    batch, height, width, channels = foreground.shape
    f, b = (x.reshape(batch, -1, channels) for x in (foreground, background))
    norms = np.linalg.norm(b, axis=-1)[:, None]
    is_known = masks.reshape(batch, 1, -1) >= 0.5
    weights = np.exp(np.where(is_known, f @ b.transpose(0, 2, 1) / norms, 0))
    weights = is_known * weights / weights.sum(axis=-1, keepdims=True)
    padded = np.pad(background, [(0, 0), (0, 1), (0, 1), (0, 0)])
    result = np.zeros_like(padded)
    for i, j in np.ndindex(2, 2):
        rows, columns = slice(i, i + height), slice(j, j + width)
        part = padded[:, rows, columns].reshape(b.shape)
        result[:, rows, columns] += (weights @ part).reshape(foreground.shape)
    return result[:, :height, :width] / 4


def _windows(x, size, strides):
    """Windows of a map padded with zeros, as TensorFlow's "same" does it."""
    padding, counts = [(0, 0)], []
    for length in x.shape[1:3]:
        counts.append(-(-length // strides))
        extra = max((counts[-1] - 1) * strides + size - length, 0)
        padding.append((extra // 2, extra - extra // 2))
    x = np.pad(x, [*padding, (0, 0)])
    for i, j in np.ndindex(*counts):
        rows, columns = slice(i * strides, None), slice(j * strides, None)
        yield i, j, x[:, rows, columns][:, :size, :size]


def _mask_renormalization(masks, size=2, strides=2):
    """Half sizes, rounded up."""
    batch, height, width, _ = masks.shape
    scale = np.zeros((batch, -(-height // strides), -(-width // strides), 1))
    for i, j, window in _windows(masks, size, strides):
        for k, total in enumerate(window.sum(axis=(1, 2, 3))):
            scale[k, i, j] = window[0].size / total if total else 0
    return [scale, np.sign(scale)]


def _partial_conv(x, masks):
    """All weights and biases are 1."""
    scale, valid = _mask_renormalization(masks, size=3)
    result = np.zeros((*scale.shape[:3], 2))
    for i, j, window in _windows(x * masks, 3, 2):
        result[:, i, j] = window.sum(axis=(1, 2, 3))[:, None]
    return [(result * scale + 1) * valid, valid]


def _bilinear_sampler(maps, grid):
    """Every cell by its two tents, as the paper writes it."""
    height, width = maps.shape[1:3]
    x, y = ((grid[..., i] + 1) * (n - 1) / 2 for i, n in enumerate((width, height)))
    columns, rows = (
        np.maximum(0, 1 - np.abs(places[..., None] - np.arange(n)))
        for places, n in ((x, width), (y, height))
    )
    return np.einsum("brcn,brcm,bnmd->brcd", rows, columns, maps)


def _attention_grid(parameters):
    y, x = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 4), indexing="ij")
    s, right, down = parameters.T[:, :, None, None]
    return np.stack([s * x + right, s * y + down], -1)


def _learnable_mask_activation(x):
    bell = np.exp(-((x - 2) ** 2))
    return np.where(x < 2, 1.1 * bell, 1 + 0.1 * bell)


_RANDOM = np.random.default_rng(1)
_BOXES = region_references.scattered_boxes((12,))
_CLASS_BOXES = region_references.scattered_boxes((2, 6, 3))
_SCORES = _RANDOM.uniform(size=(2, 6, 3)).astype(np.float32)
_IS_REGION = np.arange(6) < [[6], [4]]
# Of two columns of windows over four of cells: one cell is outside on each side.
_PLACES = _RANDOM.uniform(0, 1, (2, 2, 2, 3, 2)).astype(np.float32)
_PLACES[:, :, 1] *= -1

# name: (constructor arguments, input shape or a list of them, NumPy reference); an
# array in place of a shape is an input without gradient.
CASES = {
    "AdaptiveAveragePooling2D": ({"size": 3}, (2, 7, 2, 2), _adaptive_pooling),
    "AdaptiveMaxPooling2D": (
        {"size": 3},
        (2, 7, 2, 2),
        lambda x: _adaptive_pooling(x, reduce=np.max),
    ),
    "Anchors": (
        {"stride": 8, "sizes": (16, 20), "ratios": (0.5, 1.0)},
        np.zeros((2, 3, 4, 2), np.float32),
        region_references.anchors,
    ),
    "BilinearSampler": ({}, [(2, 4, 3, 2), (2, 3, 5, 2)], _bilinear_sampler),
    "ChannelPadding": (
        {"filters": 5},
        (2, 4, 3, 2),
        lambda x: np.concatenate([x, np.zeros((*x.shape[:3], 3))], axis=-1),
    ),
    "ChannelShuffle": (
        {"groups": 3},
        (2, 4, 3, 6),
        lambda x: x[..., [0, 2, 4, 1, 3, 5]],  # groups 01, 23, 45
    ),
    "ContextualAttention": (
        {"patch_size": 1, "rate": 1, "propagation_size": 1, "softmax_factor": 1.0},
        [(2, 3, 2, 2), (2, 3, 2, 2), (2, 3, 2, 1)],
        _contextual_attention,
    ),
    "DepthToSpace": (
        {"size": 2},
        (2, 4, 3, 8),
        lambda x: (
            x.reshape(2, 4, 3, 2, 2, 2).transpose(0, 1, 3, 2, 4, 5).reshape(2, 8, 6, 2)
        ),
    ),
    "Detections": (
        {"min_score": 0.2, "max_detections": 6},
        [_SCORES, _CLASS_BOXES, _IS_REGION],
        region_references.detections,
    ),
    "FoldRegions": ({}, (2, 3, 4, 2), lambda x: x.reshape(6, 4, 2)),
    "FractalDropPath": (
        {"columns": 3, "blocks": 2},
        (2, 4, 3, 2),
        lambda x: np.array([[0, 1, 1], [1, 1, 1]] * 2) / np.array([[2], [3]] * 2),
    ),
    "FractalJoin": ({"row": 1}, [(2, 3, 4, 2), (2, 3, 4, 2), (4, 3)], _fractal_join),
    "BatchNormalizationFromMoments": (  # the running moments are 0 and 1
        {"epsilon": 0.5},
        [(2, 4, 3, 2), np.ones((2, 2), np.float32)],
        lambda x, *_: [x / 1.5**0.5, np.zeros(2), np.full(2, 1.5**-0.5), np.zeros(2)],
    ),
    "ChannelMoments": (
        {},
        (2, 4, 3, 2),
        lambda x: np.stack([x.mean(axis=(0, 1, 2)), x.var(axis=(0, 1, 2))]),
    ),
    "RecomputingConv2D": (  # in inference the first input's convolution
        {"filters": 3, "kernel_size": 1, "kernel_initializer": "ones"},
        [
            (2, 4, 3, 2),
            *_RANDOM.normal(size=(1, 2, 4, 3, 2)).astype(np.float32),
            *np.ones((3, 2), np.float32),
            *_RANDOM.normal(size=(2, 2, 4, 3, 1)).astype(np.float32),
        ],
        lambda x, *_: x.sum(axis=-1, keepdims=True).repeat(3, axis=-1),
    ),
    "GroupedConv2D": (  # every filter sums the channels of its group
        {"filters": 6, "kernel_size": 1, "groups": 3, "kernel_initializer": "ones"},
        (2, 4, 3, 6),
        lambda x: x.reshape(2, 4, 3, 3, 2).sum(axis=-1).repeat(2, axis=-1),
    ),
    "LocalResponseNormalization": (
        {"depth_radius": 2, "bias": 0.7, "alpha": 2.0, "beta": 0.6},
        (2, 3, 2, 7),
        _local_response_normalization,
    ),
    "ValidPixels": (
        {},
        [(2, 4, 3, 2), (2, 4, 3, 1)],
        lambda x, masks: x * masks,
    ),
    "LearnableMaskActivation": ({}, (2, 5, 4, 3), _learnable_mask_activation),
    "MaskRenormalization": (
        {"kernel_size": 2, "strides": 2},
        (2, 5, 4, 3),
        _mask_renormalization,
    ),
    "MaskUpdate": (
        {"exponent": 0.8},
        (2, 4, 3, 2),
        lambda x: np.maximum(x, 0) ** 0.8,
    ),
    "MaskedConcatenate": (
        {},
        [(2, 4, 3, 2), (2, 4, 3, 1), (2, 4, 3, 3), (2, 4, 3, 3)],
        lambda x, first, y, second: [
            np.concatenate([x, y], axis=-1),
            np.concatenate([first, first, second], axis=-1),
        ],
    ),
    "MaxPoolWithSwitches2D": (
        {"padding": "same"},
        (2, 5, 4, 3),
        pooling_references.max_pool_with_switches,
    ),
    "MaxUnpool2D": (
        {"padding": "same"},
        [
            (2, 3, 2, 3),
            _RANDOM.integers(0, 4, (2, 3, 2, 3), np.int32),
            np.zeros((2, 5, 4, 1), np.float32),
        ],
        pooling_references.max_unpool,
    ),
    "NearestUpsampling2D": (
        {"size": 3},
        (2, 4, 3, 2),
        lambda x: x.repeat(3, axis=1).repeat(3, axis=2),
    ),
    "PartialConv2D": (
        {
            "filters": 2,
            "kernel_size": 3,
            "strides": 2,
            "kernel_initializer": "ones",
            "bias_initializer": "ones",
        },
        [(2, 5, 4, 3), (2, 5, 4, 1)],
        _partial_conv,
    ),
    "RegionProposals": (
        {
            "pre_nms": (9, 8),
            "post_nms": (5, 5),
            "iou_threshold": 0.3,
            "min_size": 4.0,
        },
        [
            _RANDOM.normal(size=(2, 12, 2)).astype(np.float32),
            _RANDOM.normal(scale=0.2, size=(2, 12, 4)).astype(np.float32),
            _BOXES,
            np.array([[50, 40], [12, 60]], np.float32),
        ],
        region_references.region_proposals,
    ),
    "RoIAlign": (
        {"size": 2, "scale": 0.25, "samples": 3},
        [(2, 6, 5, 2), region_references.ROIS],
        region_references.roi_align,
    ),
    "RoIPooling": (
        {"size": 2, "scale": 0.25},
        [(2, 6, 5, 2), region_references.ROIS],
        region_references.roi_pooling,
    ),
    "RoIPyramidPooling": (
        {"levels": (2, 1), "scale": 0.25},
        [(2, 6, 5, 2), region_references.ROIS],
        region_references.roi_pyramid_pooling,
    ),
    "SamplingGrid": (
        {"transform": "attention", "size": (3, 4)},
        (2, 3),
        _attention_grid,
    ),
    "SoftMaxPool2D": (
        {"beta": 1.5, "padding": "same"},
        (2, 5, 4, 3),
        lambda x: pooling_references.soft_max_pool(x, beta=1.5),
    ),
    "SoftUnpool2D": (
        {"pool_size": 3, "padding": "same"},
        [
            (2, 2, 2, 3),
            _PLACES,
            np.zeros((2, 6, 4, 1), np.float32),
        ],
        lambda *inputs: pooling_references.soft_unpool(*inputs, size=3),
    ),
    "UnfoldRegions": (
        {},
        [(8, 3, 2), region_references.ROIS],
        lambda x, _: x.reshape(2, 4, 3, 2),
    ),
    "WarpedCrops": (
        {"size": 5, "context": 1},
        [(2, 12, 10, 1), region_references.ROIS / 2],
        region_references.warped_crops,
    ),
    "WeightedSum": (
        {},
        [(2, 4, 3, 2), (2, 4, 3, 2), (2, 4, 3, 2)],
        lambda *tensors: sum(tensors) / 3,
    ),
    # By the initial running statistics, mean 0 and variance 1.
    "MatrixBatchNormalization": (
        {"epsilon": 0.21},
        (2, 4, 3, 2),
        lambda x: x / 1.1,
    ),
    # Sums of what windows of 2x2 see, and what such windows add up to.
    "MatrixConv2D": (
        {"filters": 2, "kernel_size": 2, "strides": 2, "kernel_initializer": "ones"},
        (2, 4, 6, 3),
        lambda x: np.repeat(
            x.reshape(2, 2, 2, 3, 2, 3).sum((2, 4, 5), keepdims=True)[:, :, 0, :, 0],
            2,
            axis=-1,
        ),
    ),
    "MatrixConv2DTranspose": (
        {"filters": 2, "kernel_size": 2, "strides": 2, "kernel_initializer": "ones"},
        (2, 2, 3, 3),
        lambda x: x.sum(-1, keepdims=True).repeat(2, 1).repeat(2, 2).repeat(2, 3),
    ),
    # At a zero kernel only the shortcut of the first half of the channels is left.
    "DualStreamConv2D": (
        {"filters": 4, "kernel_initializer": "zeros"},
        (2, 4, 3, 4),
        lambda x: np.concatenate([x[..., :2], np.zeros((*x.shape[:3], 2))], axis=-1),
    ),
}
# Largest error of the gradient, for layers that compute in float32 under every policy
# or bend much in the step of a finite difference.
GRADIENT_TOLERANCE = {
    "LearnableMaskActivation": 1e-5,
    "LocalResponseNormalization": 1e-3,
}
# Places of inputs that are masks of 0 and 1, without gradients.
MASKS = {
    "ValidPixels": (1,),
    "MaskRenormalization": (0,),
    "MaskedConcatenate": (1, 3),
    "PartialConv2D": (1,),
}
# Boxes, places and what belongs to them, whatever the policy.
OWN_DTYPES = {
    "Anchors": {tf.float32},
    "BatchNormalizationFromMoments": {tf.float16, tf.float32},
    "ChannelMoments": {tf.float32},
    "Detections": {tf.float32, tf.int32},
    "MaxPoolWithSwitches2D": {tf.float16, tf.int32},
    "RegionProposals": {tf.float32},
    "SamplingGrid": {tf.float32},
}
# Where a slope is infinite next to 0: no input comes near.
AWAY_FROM_ZERO = ("MaskUpdate",)


def _inputs(name, dtype=np.float32):
    shapes = CASES[name][1]
    shapes = shapes if isinstance(shapes, list) else [shapes]
    generator = np.random.default_rng(0)
    inputs = [
        shape if isinstance(shape, np.ndarray) else generator.normal(size=shape)
        for shape in shapes
    ]
    for i in MASKS.get(name, ()):
        inputs[i] = (inputs[i] > 0.8).astype(dtype)
    if name in AWAY_FROM_ZERO:
        inputs = [x + np.sign(x) / 2 for x in inputs]
    return [x.astype(dtype) if x.dtype.kind == "f" else x for x in inputs]


def _free(name):
    """Places of the inputs that have a gradient."""
    shapes = CASES[name][1]
    shapes = shapes if isinstance(shapes, list) else [shapes]
    return [
        i
        for i, shape in enumerate(shapes)
        if i not in MASKS.get(name, ()) and not isinstance(shape, np.ndarray)
    ]


def _call(layer, *inputs):
    """One input goes in alone, several as a list."""
    return layer(list(inputs) if len(inputs) > 1 else inputs[0])


def _all(outputs):
    """Outputs or shapes as a list, also of a layer that has one."""
    if isinstance(outputs, dict):
        return [outputs[key] for key in sorted(outputs)]
    return outputs if isinstance(outputs, list) else [outputs]


def _symbolic(x):
    """An image of unknown size, or what else the layer takes."""
    shape = (None, None, None, x.shape[-1]) if x.ndim == 4 else x.shape
    return keras.Input(batch_shape=shape, dtype=x.dtype)


def test_every_layer_has_a_case():
    kinds = [getattr(layers, name) for name in layers.__all__]
    assert set(CASES) == {kind.__name__ for kind in kinds if isinstance(kind, type)}


@pytest.mark.parametrize("name", CASES)
def test_values_against_numpy(name):
    arguments, _, reference = CASES[name]
    inputs = _inputs(name)
    layer = getattr(layers, name)(**arguments)
    outputs = _all(_call(layer, *inputs))
    expected = _all(reference(*inputs))
    shapes = _all(_call(layer.compute_output_shape, *(x.shape for x in inputs)))
    assert len(outputs) == len(expected)
    for output, values in zip(outputs, expected):
        np.testing.assert_allclose(output, values, rtol=1e-5, atol=1e-6)
    assert shapes == [tuple(output.shape) for output in outputs]


@pytest.mark.parametrize("name", filter(_free, CASES))
def test_gradient_against_finite_differences(name):
    layer = getattr(layers, name)(**CASES[name][0], dtype="float64")
    inputs = _inputs(name, np.float64)
    free = _free(name)

    @tf.function  # which is called for each number
    def first_output(*values):
        given = dict(zip(free, values))
        return _all(_call(layer, *(given.get(i, x) for i, x in enumerate(inputs))))[0]

    theoretical, numerical = tf.test.compute_gradient(
        first_output, [inputs[i] for i in free]
    )
    for exact, approximate in zip(theoretical, numerical):
        np.testing.assert_allclose(
            exact, approximate, atol=GRADIENT_TOLERANCE.get(name, 1e-6)
        )


@pytest.mark.parametrize("name", CASES)
def test_config_mixed_precision_xla_and_unknown_sizes(name):
    arguments = CASES[name][0]
    layer = getattr(layers, name)(**arguments, dtype="mixed_float16")
    copy = keras.layers.deserialize(keras.layers.serialize(layer))
    assert copy.get_config() == layer.get_config()
    inputs = _inputs(name)
    dtypes = OWN_DTYPES.get(name, {tf.float16})
    assert {x.dtype for x in _all(_call(layer, *inputs))} == dtypes
    symbols = [_symbolic(x) for x in inputs]
    model = keras.Model(symbols, _call(getattr(layers, name)(**arguments), *symbols))
    compiled = tf.function(model, jit_compile=True)
    for fast, plain in zip(*(_all(_call(f, *inputs)) for f in (compiled, model))):
        np.testing.assert_allclose(fast, plain, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("filters", [0, 2.5, "three"])
def test_channel_padding_refuses_bad_filters(filters):
    with pytest.raises(ValueError, match=str(filters)):
        layers.ChannelPadding(filters)


def test_channel_padding_refuses_to_remove_channels():
    with pytest.raises(ValueError, match="filters=2.*got 3"):
        layers.ChannelPadding(2)(tf.ones([1, 2, 2, 3]))


@pytest.mark.parametrize(
    ("name", "arguments", "quoted"),
    [
        ("AdaptiveAveragePooling2D", {"size": 0}, "size.*got 0"),
        ("AdaptiveAveragePooling2D", {"size": 2.5}, "size.*got 2.5"),
        ("AdaptiveMaxPooling2D", {"size": 0}, "size.*got 0"),
        ("AdaptiveMaxPooling2D", {"size": True}, "size.*got True"),
        ("BatchNormalizationFromMoments", {"axis": 1}, "axis.*last.*got 1"),
        ("BatchNormalizationFromMoments", {"renorm": True}, "no renorm.*renorm=True"),
        (
            "RecomputingConv2D",
            {"filters": 2, "kernel_size": 1, "data_format": "channels_first"},
            "data_format.*'channels_first'",
        ),
        ("ChannelShuffle", {"groups": 0}, "groups.*got 0"),
        ("ChannelShuffle", {"groups": 1.5}, "groups.*got 1.5"),
        ("DepthToSpace", {"size": 1}, "size.*got 1"),
        ("DepthToSpace", {"size": 2.0}, "size.*got 2.0"),
        ("DualStreamConv2D", {"filters": 4, "padding": "same"}, "no padding"),
        ("FractalDropPath", {"columns": 1, "blocks": 5}, "columns.*got 1"),
        ("FractalDropPath", {"columns": 3, "blocks": 0}, "blocks.*got 0"),
        (
            "FractalDropPath",
            {"columns": 3, "blocks": 5, "drop_rate": 1.0},
            "drop_rate.*got 1.0",
        ),
        (
            "FractalDropPath",
            {"columns": 3, "blocks": 5, "global_fraction": 1.5},
            "global_fraction.*got 1.5",
        ),
        ("FractalJoin", {"row": -1}, "row.*got -1"),
        ("LearnableMaskActivation", {"a": 1.0}, r"a must be in \[1.01, 6.0\], got 1.0"),
        ("LearnableMaskActivation", {"gamma_left": "1"}, "gamma_left.*got '1'"),
        ("MaskRenormalization", {"kernel_size": 0}, "kernel_size.*got 0"),
        ("MaskRenormalization", {"kernel_size": 4, "strides": 1.5}, "strides.*1.5"),
        ("MaskUpdate", {"exponent": 0}, "exponent.*got 0"),
        ("Anchors", {"stride": 0, "sizes": (8,)}, "stride.*got 0"),
        ("Anchors", {"stride": 8, "sizes": ()}, r"sizes.*got \(\)"),
        ("Anchors", {"stride": 8, "sizes": (8, -1)}, r"sizes=\(8, -1\).*got -1"),
        ("Anchors", {"stride": 8, "sizes": (8,), "ratios": 2}, "ratios.*got 2"),
        ("Anchors", {"stride": 8, "sizes": (8,), "style": "x"}, "style.*got 'x'"),
        ("Detections", {"iou_threshold": 1.5}, "iou_threshold.*got 1.5"),
        ("Detections", {"min_score": float("nan")}, "min_score.*got nan"),
        ("Detections", {"max_detections": 0}, "max_detections.*got 0"),
        ("RegionProposals", {"pre_nms": 5}, "pre_nms must be two.*got 5"),
        ("RegionProposals", {"post_nms": (5, 0)}, r"post_nms=\(5, 0\).*got 0"),
        ("RegionProposals", {"min_size": -1}, "min_size.*got -1"),
        ("RoIAlign", {"size": 2, "scale": 1, "samples": 0}, "samples.*got 0"),
        ("RoIAlign", {"size": 2, "scale": 1, "aligned": 1}, "aligned.*got 1"),
        ("RoIPooling", {"size": 2.5, "scale": 1}, "size.*got 2.5"),
        ("RoIPooling", {"size": (2, 2, 2), "scale": 1}, r"size.*got \(2, 2, 2\)"),
        ("RoIPooling", {"size": 2, "scale": 0}, "scale.*got 0"),
        ("RoIPyramidPooling", {"levels": (2, 0)}, r"levels=\(2, 0\).*got 0"),
        ("RoIPyramidPooling", {"margin": 6.5}, "margin=6.5 has no effect"),
        ("WarpedCrops", {"size": 32}, "context.*size=32, got 16"),
        ("WarpedCrops", {"size": 8, "context": -1}, "context.*got -1"),
        ("MaxPoolWithSwitches2D", {"pool_size": 0}, "pool_size.*got 0"),
        ("MaxUnpool2D", {"padding": "full"}, "padding.*'valid' or 'same'.*'full'"),
        ("SoftMaxPool2D", {"beta": -1}, "beta.*got -1"),
        ("SoftMaxPool2D", {"pool_size": 2.5}, "pool_size.*got 2.5"),
        ("SoftUnpool2D", {"pool_size": "2"}, "pool_size.*got '2'"),
        ("NearestUpsampling2D", {"size": 0}, "size.*got 0"),
        ("NearestUpsampling2D", {"size": (2, 2)}, r"size.*got \(2, 2\)"),
        (
            "PartialConv2D",
            {"filters": 2, "kernel_size": 3, "padding": "causal"},
            "padding.*got 'causal'",
        ),
        (
            "PartialConv2D",
            {"filters": 2, "kernel_size": 3, "activation": "relu"},
            "takes no activation",
        ),
        ("LocalResponseNormalization", {"depth_radius": 0}, "depth_radius.*got 0"),
        ("LocalResponseNormalization", {"bias": 0.0}, "bias.*got 0.0"),
        ("LocalResponseNormalization", {"alpha": -1.0}, "alpha.*got -1.0"),
        ("LocalResponseNormalization", {"beta": -0.5}, "beta.*got -0.5"),
    ],
)
def test_bad_arguments_are_quoted(name, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        getattr(layers, name)(**arguments)


def test_local_response_normalization_does_not_overflow_in_16_bits():
    layer = layers.LocalResponseNormalization(dtype="mixed_float16")
    x = tf.fill([1, 1, 1, 5], tf.constant(300.0, tf.float16))
    middle = float(layer(x)[0, 0, 0, 2])
    assert middle == pytest.approx(300 / (1 + 1e-4 * 300**2) ** 0.75, rel=1e-3)


def test_depth_to_space_refuses_channels_that_do_not_fill_squares():
    with pytest.raises(ValueError, match="size=2.*got 6"):
        layers.DepthToSpace(2)(tf.ones([1, 2, 2, 6]))


def test_depth_to_space_has_the_order_of_tensorflow_and_is_undone():
    pixel = tf.reshape(tf.range(8.0), [1, 1, 1, 8])
    square = layers.DepthToSpace(2)(pixel)
    assert square[0, ..., 0].numpy().tolist() == [[0, 2], [4, 6]]
    assert square[0, ..., 1].numpy().tolist() == [[1, 3], [5, 7]]
    x = tf.random.stateless_normal([2, 6, 4, 3], [1, 2])
    folded = tf.nn.space_to_depth(x, 2)
    np.testing.assert_array_equal(layers.DepthToSpace(2)(folded), x)


def test_weighted_sum_refuses_a_single_tensor():
    with pytest.raises(ValueError, match="list of two tensors or more"):
        layers.WeightedSum()(tf.ones([1, 2, 2, 6]))


def test_channel_shuffle_refuses_channels_that_do_not_fill_groups():
    with pytest.raises(ValueError, match="groups=4.*got 6"):
        layers.ChannelShuffle(4)(tf.ones([1, 2, 2, 6]))
