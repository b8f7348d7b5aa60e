"""Pooling of regions and suppression of boxes against torchvision's operations."""

import importlib.util

import numpy as np
import pytest
import region_references
import tensorflow as tf

from keras_cnns import _boxes, layers

pytestmark = pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("torch", "torchvision"))),
    reason="torchvision is not installed: pip install 'keras-cnns[reference]'",
)


def _example(seed):
    """A map of two images, regions of each in pixels of 4 to a cell, and gradients."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(2, 13, 17, 3)).astype(np.float32)
    # In eighths of a pixel, so that halves are met when they are rounded.
    rois = np.round(region_references.scattered_boxes((2, 40), seed) * 12) / 8 - 6
    return x, rois.astype(np.float32), random


def _theirs(operation, x, rois, upstream, **arguments):
    """Values and gradients, channels last; regions as (image, x1, y1, x2, y2)."""
    import torch

    images = np.repeat(np.arange(2), rois.shape[1])[:, None]
    regions = np.concatenate([images, rois.reshape(-1, 4)[:, [1, 0, 3, 2]]], 1)
    maps = torch.tensor(x.transpose(0, 3, 1, 2).copy(), requires_grad=True)
    pooled = operation(maps, torch.tensor(regions.astype(np.float32)), **arguments)
    flat = upstream.reshape(-1, *upstream.shape[2:])
    pooled.backward(torch.tensor(flat.transpose(0, 3, 1, 2).copy()))
    values = pooled.detach().numpy().transpose(0, 2, 3, 1)
    return values.reshape(upstream.shape), maps.grad.numpy().transpose(0, 2, 3, 1)


def _ours(layer, x, rois, upstream):
    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        pooled = layer([x, rois])
    return pooled, tape.gradient(pooled, x, upstream)


def _assert_equal(layer, ours, operation, theirs, seed, **arguments):
    x, rois, random = _example(seed)
    upstream = random.normal(size=(2, 40, *layer.size, 3)).astype(np.float32)
    found = _ours(layer, x, ours(rois), upstream)
    expected = _theirs(operation, x, theirs(rois), upstream, **arguments)
    for values, reference in zip(found, expected):
        np.testing.assert_allclose(values, reference, atol=1e-5)


@pytest.mark.parametrize("size", [1, 2, 7, (3, 5)])
def test_roi_pooling(size):
    """Their regions are inclusive."""
    import torchvision

    _assert_equal(
        layers.RoIPooling(size, 0.25),
        lambda rois: _boxes.inclusive_to_continuous(rois, first_pixel=0),
        torchvision.ops.roi_pool,
        lambda rois: rois,
        seed=0,
        output_size=size,
        spatial_scale=0.25,
    )


@pytest.mark.parametrize("aligned", [True, False])
@pytest.mark.parametrize(("size", "samples"), [(1, 1), (7, 2), ((3, 5), 3)])
def test_roi_align(size, samples, aligned):
    import torchvision

    _assert_equal(
        layers.RoIAlign(size, 0.25, samples, aligned),
        lambda rois: rois,
        torchvision.ops.roi_align,
        lambda rois: rois,
        seed=1,
        output_size=size,
        spatial_scale=0.25,
        sampling_ratio=samples,
        aligned=aligned,
    )


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.7])
def test_suppression(threshold):
    import torch
    import torchvision

    boxes = region_references.scattered_boxes((200,), seed=2)
    scores = np.random.default_rng(2).uniform(size=200).astype(np.float32)
    places, is_found = _boxes.suppress_overlapping(
        boxes[None], scores[None], 200, threshold
    )
    expected = torchvision.ops.nms(
        torch.tensor(boxes[:, [1, 0, 3, 2]]), torch.tensor(scores), threshold
    )
    assert places[is_found].numpy().tolist() == expected.tolist()


def test_detections_are_those_of_suppression_by_class():
    import torch
    import torchvision

    boxes = region_references.scattered_boxes((1, 60, 4), seed=3)
    scores = np.random.default_rng(3).uniform(size=(1, 60, 4)).astype(np.float32)
    found = layers.Detections(0.3, 0.1, 25)([scores, boxes, np.ones((1, 60), bool)])
    classes = np.tile(np.arange(4), 60)
    expected = torchvision.ops.batched_nms(
        torch.tensor(boxes.reshape(-1, 4)[:, [1, 0, 3, 2]]),
        torch.tensor(scores.ravel()),
        torch.tensor(classes),
        0.3,
    ).numpy()[:25]
    np.testing.assert_array_equal(found["scores"][0], scores.ravel()[expected])
    np.testing.assert_array_equal(found["classes"][0], classes[expected])
    np.testing.assert_array_equal(found["boxes"][0], boxes.reshape(-1, 4)[expected])


@pytest.mark.parametrize("stride", [8, 16])
def test_centred_anchors(stride):
    import torch
    from torchvision.models.detection import anchor_utils, image_list

    sizes, ratios = (32, 100, 256), (0.5, 1.0, 2.0, 3.0)
    generator = anchor_utils.AnchorGenerator((sizes,), (ratios,))
    images = torch.zeros(1, 3, 4 * stride, 6 * stride)
    expected = generator(
        image_list.ImageList(images, [images.shape[-2:]]), [torch.zeros(1, 1, 4, 6)]
    )[0].numpy()
    anchors = layers.Anchors(stride, sizes, ratios, style="centred")
    found = anchors(np.zeros((1, 4, 6, 1), np.float32)).numpy()
    np.testing.assert_allclose(found[:, [1, 0, 3, 2]], expected)


def test_box_coding():
    import torch
    from torchvision.models.detection import _utils

    first, second = (
        region_references.scattered_boxes((50,), seed) * 10 for seed in (4, 5)
    )
    coder = _utils.BoxCoder((10.0, 10.0, 5.0, 5.0))
    by_x = [1, 0, 3, 2]
    theirs = coder.encode_single(*(torch.tensor(b[:, by_x]) for b in (first, second)))
    stddevs = (0.1, 0.1, 0.2, 0.2)
    ours = _boxes.encode_boxes(first, second, stddevs).numpy()
    np.testing.assert_allclose(ours[:, by_x], theirs, rtol=1e-4, atol=1e-4)
    large = 3 * ours  # beyond the largest growth
    theirs = coder.decode_single(
        torch.tensor(large[:, by_x]), torch.tensor(second[:, by_x])
    )
    decoded = _boxes.decode_boxes(large, second, stddevs).numpy()
    np.testing.assert_allclose(decoded[:, by_x], theirs, rtol=1e-4, atol=1e-2)
