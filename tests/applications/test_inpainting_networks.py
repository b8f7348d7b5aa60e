"""U-Nets and LBAM against their papers' tables and independent computations."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.layers import PartialConv2D


def _uniform(*shape, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def _masks(*shape, seed=1):
    return (_uniform(*shape, seed=seed) > 0.4).astype(np.float32)


def _count(model):
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


def _sizes(model, names):
    return [model.get_layer(name).output_shape[1] for name in names]


# U-Net


def test_sizes_of_the_valid_form():
    """The figure of the paper; widths do not matter to it."""
    model = applications.create_model("unet", filters=(2, 2, 2, 2, 2))
    ends = [f"encoder{level}_conv2" for level in range(1, 6)]
    assert _sizes(model, ends) == [568, 280, 136, 64, 28]
    assert _sizes(model, [f"decoder{i}_up" for i in (4, 3, 2, 1)]) == [
        56,
        104,
        200,
        392,
    ]
    assert _sizes(model, [f"decoder{i}_conv2" for i in (4, 3, 2)]) == [52, 100, 196]
    crops = [model.get_layer(f"decoder{i}_crop").cropping for i in (4, 3, 2, 1)]
    assert crops == [((n, n), (n, n)) for n in (4, 16, 40, 88)]
    assert model.output_shape == (None, 388, 388, 2)


def test_skips_are_cropped_to_the_middle():
    """With weights of one, what a pixel sees is the same on all sides of it."""
    model = applications.UNet((None, None, 1), filters=(1, 1, 1), classes=1)
    for weight in model.trainable_weights:
        weight.assign(tf.ones_like(weight) * float("kernel" in weight.name))
    # Maxima of an image that rises to its middle point there from all sides.
    ramp = 1 + np.minimum(np.arange(60), np.arange(60)[::-1]).astype(np.float32)
    labels = model(np.minimum.outer(ramp, ramp)[None, ..., None]).numpy()[0, ..., 0]
    assert labels.shape == (20, 20)
    np.testing.assert_allclose(labels, labels[::-1], rtol=1e-5)
    np.testing.assert_allclose(labels, labels.T, rtol=1e-5)


@pytest.mark.parametrize(("size", "labels"), [(188, 4), (204, 20)])
def test_other_sizes_of_the_valid_form(size, labels):
    model = applications.create_model(
        "unet", image_shape=(size, size, 3), filters=(2, 2, 2, 2, 2), dropout_rate=0.0
    )
    images = _uniform(1, size, size, 3)
    assert model(images).shape == (1, labels, labels, 2)
    for wrong in (size - 16 if size == 188 else size - 1, size + 8):
        with pytest.raises(ValueError, match="188 plus a multiple of 16"):
            applications.create_model("unet", image_shape=(size, wrong, 3))


def test_a_head_of_three_leaves_the_size():
    """Only the levels are without padding; the labels are those of the figure."""
    model = applications.create_model(
        "unet", filters=(2, 2, 2, 2, 2), head_filters=3, classes=1
    )
    assert model.get_layer("head").kernel.shape == (3, 3, 2, 3)
    assert model.output_shape == (None, 388, 388, 1)


def test_dropout_ends_the_last_two_levels():
    model = applications.create_model("unet_same", filters=(2, 2, 2, 2, 2))
    dropped = {x.name: x.rate for x in model.layers if hasattr(x, "rate")}
    assert dropped == {"encoder4_dropout": 0.5, "encoder5_dropout": 0.5}
    without = applications.UNet((64, 64, 1), (2, 2), padding="same", skips=False)
    assert not any("join" in x.name for x in without.layers)


# Partial convolution


def _rows(model):
    """(kernel, stride, inputs, filters, normalised, slope below 0) of each layer."""
    names = {x.name for x in model.layers}
    rows = []
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        step = layer.name.removesuffix("_conv")
        slope = None
        if f"{step}_relu" in names:
            slope = round(float(model.get_layer(f"{step}_relu").negative_slope), 6)
        size, _, inputs, filters = layer.kernel.shape
        normalised = f"{step}_bn" in names
        rows.append((size, layer.strides[0], inputs, filters, normalised, slope))
    return rows


@pytest.mark.parametrize("name", ["pconv_unet", "masked_unet"])
def test_table_of_partial_convolution(name):
    """P1 to P16, with an eighth of the widths."""
    published = applications.model_info(name).architecture["filters"]
    assert published == (64, 128, 256, 512, 512, 512, 512, 512)
    model = applications.create_model(
        name, image_shape=(256, 256, 3), filters=tuple(w // 8 for w in published)
    )
    seen = 3 if name == "pconv_unet" else 4  # the plain twin sees the mask
    down = [(7, 2, seen, 8), (5, 2, 8, 16), (5, 2, 16, 32), (3, 2, 32, 64)]
    down += [(3, 2, 64, 64)] * 4
    up = [(3, 1, 128, 64)] * 4 + [(3, 1, 96, 32), (3, 1, 48, 16), (3, 1, 24, 8)]
    expected = [(*row, i > 0, 0.0) for i, row in enumerate(down)]
    expected += [(*row, True, 0.2) for row in up]
    assert _rows(model) == [*expected, (3, 1, 8 + seen, 3, False, None)]
    biased = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert all(layer.use_bias for layer in biased)


def test_holes_close_on_the_way_down_and_up():
    model = applications.PartialConvUNet((64, 64, 3), (4, 4, 4, 4))
    steps = [f"encoder{i}" for i in (1, 2, 3, 4)] + [
        f"decoder{i}" for i in (4, 3, 2, 1)
    ]
    followed = keras.Model(
        model.inputs, [model.get_layer(f"{step}_conv").output[1] for step in steps]
    )
    masks = np.ones([1, 64, 64, 1], np.float32)
    masks[:, 16:48, 16:48] = 0
    known = [float(x.numpy().mean()) for x in followed([_uniform(1, 64, 64, 3), masks])]
    assert known[:4] == sorted(known[:4]) and known[0] > 0.75
    assert known[3:] == [1.0] * 5


def test_encoder_batch_norm_can_be_frozen():
    model = applications.PartialConvUNet((32, 32, 3), (4, 4, 4))
    normal = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    frozen = [layer for layer in normal if layer.name.startswith("encoder")]
    names = ["encoder2_bn", "encoder3_bn", "decoder3_bn", "decoder2_bn"]
    assert [layer.name for layer in normal] == names
    for layer in frozen:
        layer.trainable = False
    before = {x.name: x.moving_mean.numpy() for x in normal}
    model([_uniform(2, 32, 32, 3), _masks(2, 32, 32, 1)], training=True)
    moved = [x.name for x in normal if (x.moving_mean.numpy() != before[x.name]).any()]
    assert moved == names[2:]


# LBAM


def _torch_lbam(model, images, masks, levels):
    """LBAM once more, with PyTorch's operations and the same weights."""
    torch = pytest.importorskip("torch")
    functional = torch.nn.functional

    def tensor(x):
        return torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2)))

    def kernel(name):
        # (height, width, in, out), of deconvolutions (height, width, out, in)
        weight = model.get_layer(name).kernel.numpy().transpose(3, 2, 0, 1)
        return torch.from_numpy(weight.copy())

    def attention(x, name):
        a, mu, left, right = map(float, model.get_layer(name).get_weights())
        squares = (x - mu) ** 2
        lower = a * torch.exp(-left * squares)
        return torch.where(x < mu, lower, 1 + (a - 1) * torch.exp(-right * squares))

    def maps(mask, count, name):
        found = []
        for level in range(1, count + 1):
            x = functional.conv2d(mask, kernel(f"{name}{level}_conv"), None, 2, 1)
            found.append(attention(x, f"{name}{level}_attention"))
            mask = torch.relu(x) ** 0.8
        return found

    def down(x, level):
        return functional.conv2d(x, kernel(f"encoder{level}_conv"), None, 2, 1)

    def up(x, level):
        return functional.conv_transpose2d(
            x, kernel(f"decoder{level}_conv"), None, 2, 1
        )

    images, mask = tensor(images), tensor(masks)
    three = mask.repeat(1, images.shape[1], 1, 1)
    forward = maps(three, levels, "encoder_mask")
    reverse = maps(1 - three, levels - 1, "decoder_mask")
    x, skips = torch.cat([images * three, mask], 1), []
    for level in range(1, levels + 1):
        skips.append(down(x, level))
        x = functional.leaky_relu(skips[-1] * forward[level - 1], 0.2)
    for level in range(levels - 1, 0, -1):
        both = torch.cat([skips[level - 1], up(x, level)], 1)
        gates = torch.cat([forward[level - 1], reverse[level - 1]], 1)
        x = functional.leaky_relu(both * gates, 0.2)
    x = (torch.tanh(up(x, 0)) + 1) / 2
    return x.numpy().transpose(0, 2, 3, 1)


def test_lbam_against_torch():
    model = applications.LearnableAttentionUNet((32, 48, 3), (4, 6, 8))
    for weight in model.trainable_weights:  # larger than at the start: all layers count
        if "conv" in weight.name:
            weight.assign(20 * weight)
    images, masks = _uniform(2, 32, 48, 3), _masks(2, 32, 48, 1)
    ours = model([images, masks]).numpy()
    assert ours.std() > 0.01
    expected = _torch_lbam(model, images, masks, levels=3)
    np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-5)


def test_initial_shapes_of_the_attention_maps():
    model = applications.LearnableAttentionUNet((16, 16, 3), (2, 2, 2))
    shapes = {
        x.name: [round(float(w), 4) for w in x.get_weights()]
        for x in model.layers
        if x.name.endswith("_attention")
    }
    forward = {f"encoder_mask{i}_attention": [1.1, 2.0, 1.0, 1.0] for i in (1, 2, 3)}
    reverse = {f"decoder_mask{i}_attention": [1.1, 1.0, 0.5, 0.5] for i in (1, 2)}
    assert shapes == {**forward, **reverse}


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({}, ("forward", "reverse", "forward_bells", "reverse_bells")),
        ({"attention": "forward"}, ("forward", "forward_bells")),
        ({"activation": "sigmoid"}, ("forward", "reverse")),
        ({"activation": "relu"}, ("forward", "reverse")),
        ({"activation": "leaky_relu"}, ("forward", "reverse")),
        (
            {"activation": "conv3x3"},
            ("forward", "reverse", "forward_3x3", "reverse_3x3"),
        ),
        ({"mask_learning": "fixed"}, ()),
        ({"mask_learning": "fixed", "attention": "forward"}, ()),
        (
            {"batch_norm": True},
            ("forward", "reverse", "forward_bells", "reverse_bells", "norms"),
        ),
    ],
)
def test_ablations_of_lbam(changes, parts):
    """Parameters of what is left; finite slopes with no hole and nothing but one."""
    model = applications.LearnableAttentionUNet((16, 16, 3), (2, 3, 5), **changes)
    kernels = 16 * (4 * 2 + 2 * 3 + 3 * 5 + 5 * 3 + 2 * 3 * 2 + 2 * 2 * 3)
    counts = {
        "forward": 16 * (3 * 2 + 2 * 3 + 3 * 5),
        "reverse": 16 * (3 * 2 + 2 * 3),
        "forward_bells": 3 * 4,
        "reverse_bells": 2 * 4,
        "forward_3x3": 9 * (2 * 2 + 3 * 3 + 5 * 5),
        "reverse_3x3": 9 * (2 * 2 + 3 * 3),
        "norms": 2 * (3 + 5 + 6 + 4),
    }
    assert _count(model) == kernels + sum(counts[part] for part in parts)
    masks = _masks(3, 16, 16, 1)
    masks[1], masks[2] = 0, 1
    with tf.GradientTape() as tape:
        output = model([_uniform(3, 16, 16, 3), masks], training=True)
        loss = tf.reduce_sum(output**2)
    for weight, slope in zip(
        model.trainable_weights, tape.gradient(loss, model.trainable_weights)
    ):
        assert np.isfinite(slope.numpy()).all(), weight.name
    assert float(tf.reduce_min(output)) >= 0 and float(tf.reduce_max(output)) <= 1


def test_fixed_masks_are_partial_convolutions():
    model = applications.LearnableAttentionUNet(
        (16, 16, 3), (2, 3), mask_learning="fixed"
    )
    ends = [
        model.get_layer(name).output
        for name in ("known_and_masks", "encoder1_attended")
    ]
    images, masks = _uniform(2, 16, 16, 3), _masks(2, 16, 16, 1)
    seen, attended = keras.Model(model.inputs, ends)([images, masks])
    partial = PartialConv2D(2, 4, 2, use_bias=False)
    partial([seen, masks])
    partial.set_weights(model.get_layer("encoder1_conv").get_weights())
    np.testing.assert_allclose(attended, partial([seen, masks])[0], atol=1e-6)


def test_each_column_of_the_discriminator_sees_its_own_pixels():
    model = applications.TwoColumnDiscriminator((16, 16, 3), (4, 4))
    ends = [model.get_layer(f"{column}2_lrelu").output for column in ("known", "hole")]
    columns = keras.Model(model.inputs, [*ends, model.output])
    images, masks = _uniform(2, 16, 16, 3), _masks(2, 16, 16, 1)
    before = columns([images, masks])
    after = columns([images + (1 - masks), masks])
    np.testing.assert_array_equal(before[0], after[0])
    assert (before[1].numpy() != after[1].numpy()).any()
    assert (before[2].numpy() != after[2].numpy()).all()
    score = model.get_layer("score")
    assert score.kernel.shape == (4, 4, 8, 1) and before[2].shape == (2, 1)
