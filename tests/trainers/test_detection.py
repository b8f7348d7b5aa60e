"""Trainers of detectors: who is trained by which loss, and what comes of it."""

import numpy as np
import pytest
import shapes
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, trainers
from keras_cnns.metrics import mean_average_precision, proposal_recall

_SMALL = {
    "image_shape": (64, 64, 3),
    "crop_size": 40,
    "pooling": "align",
    "anchor_sizes": (12, 18, 26),
    "rpn_channels": 64,
    "proposals": {"pre_nms": (600, 300), "post_nms": (48, 50), "min_size": 4.0},
}
_TINY = {"backbone_args": {"filters": (4, 4, 4, 4), "units": 8}, "rpn_channels": 4}
_SAMPLING = {
    "regions_per_image": 32,
    "background_range": (0.0, 0.5),
    "anchors_per_image": 64,
    "anchor_border": 4.0,
}


def _network(**changes):
    given = {**_SMALL, **changes, "classes": 3}
    return applications.create_model("faster_rcnn_small", **given)


def _proposer():
    dropped = ("crop_size", "pooling")
    given = {k: v for k, v in {**_SMALL, **_TINY}.items() if k not in dropped}
    given["backbone_args"] = {"filters": (4, 4, 4, 4)}
    return applications.create_model("rpn_small", **given)


def _sgd():
    return keras.optimizers.SGD(0.01, jit_compile=False)


@pytest.fixture(scope="module")
def batch():
    return shapes.draw(4, seed=0)


def _moved(network, before):
    """Names of the parts of which a weight moved."""
    return {
        name
        for name in ("backbone", "rpn", "regions")
        if any(
            (one != other).any()
            for one, other in zip(network.get_layer(name).get_weights(), before[name])
        )
    }


def _weights(network):
    return {
        name: network.get_layer(name).get_weights()
        for name in ("backbone", "rpn", "regions")
    }


def _fit(trainer, batch, steps=1):
    data = tf.data.Dataset.from_tensors(batch).repeat(steps)
    return trainer.fit(data, verbose=0).history


def test_joint_training_moves_all_parts_and_reports_their_losses(batch):
    network = _network(**_TINY)
    trainer = trainers.FasterRCNNTrainer(network, **_SAMPLING)
    trainer.compile(_sgd())
    before = _weights(network)
    history = _fit(trainer, batch)
    assert _moved(network, before) == {"backbone", "rpn", "regions"}
    parts = ("class_loss", "box_loss", "rpn_class_loss", "rpn_box_loss")
    total = sum(history[name][0] for name in parts)
    np.testing.assert_allclose(history["loss"][0], total, rtol=1e-5)
    np.testing.assert_allclose(history["rpn_class_loss"][0], np.log(2), rtol=0.02)
    np.testing.assert_allclose(history["class_loss"][0], np.log(4), rtol=0.05)
    evaluation = trainer.evaluate(
        tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True
    )
    assert set(evaluation) == {"loss", *parts, "region_accuracy"}


def test_the_losses_of_regions_do_not_reach_the_proposals(batch):
    network = _network(**_TINY)
    trainer = trainers.FasterRCNNTrainer(network, **_SAMPLING)
    images, targets = (tf.nest.map_structure(tf.constant, part) for part in batch)
    rpn = network.get_layer("rpn")
    with tf.GradientTape() as tape:
        maps = network.get_layer("backbone")(images)
        outputs = rpn(maps)
        rois = trainers.propose(network, maps, *outputs, targets, training=True)
        uniform = tf.random.stateless_uniform([4, rois.shape[1] + 3], [0, 1])
        rois, classes, deltas = trainer.sample(rois, targets, uniform)
        found = network.get_layer("regions")([maps, rois])
        total, _ = trainer.totalled(trainer.region_report(found, classes, deltas))
    gradients = tape.gradient(
        total, [*outputs, network.get_layer("backbone").trainable_weights[0]]
    )
    assert gradients[:2] == [None, None] and gradients[2] is not None


def test_four_steps_train_one_part_after_the_other(batch):
    network, proposer = _network(**_TINY), _proposer()
    trainer = trainers.AlternatingFasterRCNNTrainer(
        network, proposer, phase_ends=(1, 2, 3), **_SAMPLING
    )
    trainer.compile(*(_sgd() for _ in range(4)))
    expected = [set(), {"backbone", "regions"}, {"rpn"}, {"regions"}]
    for moved in expected:
        before, of_proposer = _weights(network), proposer.get_weights()
        _fit(trainer, batch)
        assert _moved(network, before) == moved
        has_moved = any(
            (a != b).any() for a, b in zip(of_proposer, proposer.get_weights())
        )
        assert has_moved == (not moved)


def test_frozen_layers_stay(batch):
    network = _network(**_TINY)
    trainers.freeze_up_to(network.get_layer("backbone"), "pool2")
    trainer = trainers.FasterRCNNTrainer(network, **_SAMPLING)
    trainer.compile(_sgd())
    kernels = [
        network.get_layer("backbone").get_layer(f"conv{i}").kernel for i in (1, 2, 3)
    ]
    before = [kernel.numpy() for kernel in kernels]
    _fit(trainer, batch)
    changed = [(b != k.numpy()).any() for b, k in zip(before, kernels)]
    assert changed == [False, False, True]


def test_given_regions_are_trained_on(batch):
    images, targets = batch
    targets = {**targets, "proposals": targets["boxes"] + np.float32([0, 0, 4, 4])}
    network = applications.create_model(
        "fast_rcnn_small", image_shape=(64, 64, 3), classes=3,
        backbone_args=_TINY["backbone_args"],
    )  # fmt: skip
    trainer = trainers.FastRCNNTrainer(network, regions_per_image=8)
    trainer.compile(_sgd())
    losses = _fit(trainer, (images, targets), 20)
    assert set(losses) == {"loss", "class_loss", "box_loss", "region_accuracy"}
    alone = trainers.FastRCNNTrainer(
        applications.create_model(
            "sppnet_small", image_shape=(64, 64, 3), classes=3, units=(8,),
            backbone_args={"filters": (4, 4, 4, 4)},
        ),
        regions_per_image=8,
    )  # fmt: skip
    alone.compile(_sgd())
    assert set(_fit(alone, (images, targets))) == {
        "loss", "class_loss", "region_accuracy",
    }  # fmt: skip


def test_images_without_objects_train(batch):
    images, targets = batch
    empty = {
        **targets,
        "boxes": np.zeros_like(targets["boxes"]),
        "labels": np.full_like(targets["labels"], -1),
    }
    trainer = trainers.FasterRCNNTrainer(_network(**_TINY), **_SAMPLING)
    trainer.compile(_sgd())
    history = _fit(trainer, (images, empty), 2)
    assert np.isfinite([values[0] for values in history.values()]).all()
    assert history["box_loss"][0] == history["rpn_box_loss"][0] == 0


def test_many_and_odd_objects_train():
    """2,000 of them, of one pixel, of the whole image, outside of it, without area."""
    random = np.random.default_rng(0)
    images = random.normal(size=(2, 64, 64, 3)).astype(np.float32)
    corners = np.sort(random.uniform(-9, 70, (2, 2000, 2, 2)), axis=2)
    boxes = corners.reshape(2, 2000, 4).astype(np.float32)
    boxes[:, :4] = [[5, 5, 6, 6], [0, 0, 64, 64], [70, 70, 90, 90], [9, 9, 9, 20]]
    targets = {
        "boxes": boxes,
        "labels": random.integers(0, 3, (2, 2000)).astype(np.int32),
        "ignored": random.uniform(size=(2, 2000)) < 0.1,
        "sizes": np.full((2, 2), 64, np.float32),
    }
    trainer = trainers.FasterRCNNTrainer(_network(**_TINY), **_SAMPLING)
    trainer.compile(_sgd())
    history = _fit(trainer, (images, targets), 2)
    assert np.isfinite([values[0] for values in history.values()]).all()
    assert all(np.isfinite(w).all() for w in trainer.network.get_weights())


def _detections(network, images, targets):
    """Detections and proposals of all images."""
    function = applications.DetectionFunction(network, min_score=0.01)
    found, rois = [], []
    for start in range(0, len(images), 50):
        chunk = images[start : start + 50], targets["sizes"][start : start + 50]
        outputs = {name: value.numpy() for name, value in function(*chunk).items()}
        rois.append(network(list(chunk))[2].numpy())
        found += [
            {k: outputs[k][i, :count] for k in ("boxes", "scores", "classes")}
            for i, count in enumerate(outputs["count"])
        ]
    return found, np.concatenate(rois)


@pytest.mark.slow
def test_shapes_are_found():
    """The two-stage gate, of 800 steps; ``-s`` shows what is reached."""
    keras.utils.set_random_seed(0)
    network, steps = _network(), 800
    trainer = trainers.FasterRCNNTrainer(network, **_SAMPLING)
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([600], [1e-3, 2e-4])
    trainer.compile(keras.optimizers.Adam(rate, jit_compile=False))
    data = tf.data.Dataset.from_tensor_slices(shapes.draw(2000, seed=0))
    data = data.shuffle(2000, seed=0).repeat().batch(8, drop_remainder=True)
    trainer.fit(data.take(steps), verbose=0)
    images, targets = shapes.draw(200, seed=1)
    found, rois = _detections(network, images, targets)
    truth = [
        {"boxes": boxes[labels >= 0], "labels": labels[labels >= 0]}
        for boxes, labels in zip(targets["boxes"], targets["labels"])
    ]
    precisions = [
        mean_average_precision(truth, found, 3, iou_threshold=threshold).value
        for threshold in (0.5, 0.75)
    ]
    recalls = [proposal_recall(truth, list(rois), count) for count in (10, 50)]
    print(f"mAP at IoU 0.5, 0.75: {precisions}; recall of 10, 50: {recalls}")
    assert precisions[0] >= 0.85
    assert recalls[0] >= 0.95
