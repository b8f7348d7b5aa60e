"""What benchmarks compute, by hand: statistics over seeds, where a step's time goes."""

import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, trainers
from keras_cnns.tasks import TASKS


@pytest.fixture(scope="module")
def seeds(load_benchmark):
    return load_benchmark("_seeds")


@pytest.fixture(scope="module")
def step_profile(load_benchmark):
    return load_benchmark("step_profile")


@pytest.fixture(scope="module")
def steps(load_benchmark):
    return load_benchmark("_steps")


def test_mean_and_sample_standard_deviation(seeds):
    """Of 0.7, 0.8 and 0.9: squared deviations of 0.02 over 2."""
    row = seeds.over_seeds("accuracy", [0.7, 0.9, 0.8])
    assert row["accuracy"] == pytest.approx(0.8)
    assert row["accuracy_std"] == pytest.approx(0.1)
    assert row["accuracy_by_seed"] == [0.7, 0.9, 0.8]
    assert seeds.shown(row, "accuracy") == "80.00% +- 10.00%"


def test_one_seed_has_no_deviation(seeds):
    row = seeds.over_seeds("loss", [0.25])
    assert row == {"loss": 0.25, "loss_std": None, "loss_by_seed": [0.25]}
    assert seeds.shown(row, "loss", ".3f") == "0.250"


def test_what_counts_is_the_last_epoch(seeds, tmp_path):
    (tmp_path / "metrics.csv").write_text("epoch,loss\n1,0.9\n2,0.4\n")
    assert seeds.last_epoch(tmp_path) == {"epoch": "2", "loss": "0.4"}


def test_rounds_in_either_order(steps):
    """Medians of the rounds but for the first, whose order is as given."""
    calls = []

    def timed(name, values):
        values = iter(values)
        return lambda: calls.append(name) or next(values)

    runs = {"a": timed("a", [9, 1, 5, 2]), "b": timed("b", [9, 7, 4, 8])}
    assert steps.medians_in_turn(runs, 3) == {"a": 2, "b": 7}
    assert "".join(calls) == "abbaabba"


def test_operations_that_overlap_count_once(step_profile):
    intervals = [(5, 7), (0, 3), (2, 4), (2, 3), (7, 8)]
    assert step_profile.covered(intervals) == 4 + 3
    assert step_profile.covered([]) == 0


@pytest.mark.parametrize(
    ("operation", "kind"),
    [
        ("_MklNativeConv2DBackpropFilter", "convolution"),
        ("_MklNativeFusedConv2D", "convolution"),
        ("_MklNativeFusedMatMul", "product of matrices"),
        ("FusedBatchNormGradV3", "normalisation"),
        ("ReluGrad", "elementwise and sums"),
        ("ConcatV2", "moving data"),
        ("AssignSubVariableOp", "optimizer"),
        ("MaxPoolGrad", "pooling"),
        ("StatelessRandomUniformV2", "random numbers"),
        ("NoOp", "other"),
    ],
)
def test_kinds_of_operations(step_profile, operation, kind):
    assert step_profile.kind_of(operation) == kind


def test_floating_point_operations_by_hand(step_profile):
    """Two per multiplication and addition; also those of functions that are called."""

    @tf.function
    def product(x):
        return tf.reshape(x, [2, 100]) @ tf.ones([100, 7])

    @tf.function
    def forward(x):
        return product(tf.nn.conv2d(x, tf.ones([3, 3, 2, 4]), 1, "SAME"))

    graph = forward.get_concrete_function(tf.TensorSpec([2, 5, 5, 2])).graph
    convolution = 2 * (2 * 5 * 5 * 4) * (3 * 3 * 2)
    assert step_profile.flops_of(graph) == convolution + 2 * 2 * 100 * 7


def test_every_kind_of_trainer_has_a_step(steps):
    """Each class of the package; of detectors each algorithm that shares one, too."""
    tasks = [steps.make_task(name) for name in steps.STEPS]
    bases = {trainers.StepwiseTrainer, trainers.InpaintingTrainer}
    left_out = {trainers.PruningTrainer, trainers.AlternatingFasterRCNNTrainer}
    known = {
        kind
        for kind in map(trainers.__dict__.get, trainers.__all__)
        if isinstance(kind, type) and issubclass(kind, trainers.StepwiseTrainer)
    }
    assert {task.trainer_class for task in tasks} == known - bases - left_out
    assert {task.name for task in tasks} == set(TASKS)
    detectors = [task for task in tasks if task.name == "detection"]
    rows = TASKS["detection"].options_class.models.values()
    algorithms = {row.trainer for row in rows}
    assert {task.options.row.trainer for task in detectors} == algorithms


def test_a_variant_that_fails_leaves_the_others(
    load_benchmark, steps, monkeypatch, data_dir
):
    """As where a GPU's memory is too small for one of them."""
    train_step = load_benchmark("train_step")
    prepare = steps.prepare

    def failing(name, **changes):
        trainer, load, size = prepare(name, **changes)
        if changes.get("seed") == 1:
            error = tf.errors.ResourceExhaustedError(None, None, "no memory")
            monkeypatch.setattr(trainer, "train_step", mock.Mock(side_effect=error))
        return trainer, load, size

    monkeypatch.setattr(train_step._steps, "prepare", failing)
    variants = [{"seed": seed, "image_size": 8, "batch_size": 8} for seed in (1, 2)]
    found = train_step.measure("cifar_resnet20", variants, 1, 1, data_dir)
    first, second = found.values()
    assert next(iter(found)).startswith("seed=1")
    assert first.startswith("ResourceExhaustedError:") and "no memory" in first
    assert second > 0


def test_a_step_of_a_training_without_a_run(step_profile, steps, data_dir):
    """Profiled: its convolutions take time, and the network is trained."""
    changes = {"data_dir": data_dir, "image_size": 8, "batch_size": 8}
    trainer, load, size = steps.prepare("cifar_resnet20", **changes)
    assert size == 8
    batches, step = iter(load(0)), steps.step_function(trainer)
    assert steps.seconds(lambda: step(batches), 2) > 0
    spent, idle = step_profile.profiled(lambda: step(batches), 2)
    kinds = {step_profile.kind_of(operation) for operation in spent}
    assert {"convolution", "normalisation", "optimizer"} <= kinds
    assert 0 <= idle < 1 and min(spent.values()) >= 0
    assert trainer.steps_done == 4
    assert not pathlib.Path(steps.make_task("cifar_resnet20").options.run_dir).exists()


@pytest.mark.slow
def test_a_network_of_keras_trains_alike(load_benchmark):
    """Losses of five steps of ResNet-50 in float64 from the same weights."""
    keras_step = load_benchmark("keras_step")
    keras.mixed_precision.set_global_policy("float64")
    arguments = {"input_shape": (32, 32, 3), "classes": 10}
    network = applications.create_model(
        "resnet50", **arguments, classifier_activation=None
    )
    trainer = trainers.ClassificationTrainer(network)
    trainer.compile(trainers.make_optimizer("sgd", 1e-2))
    theirs = keras_step.keras_model("resnet50", trainer)
    random = np.random.default_rng(0)
    images, labels = random.normal(size=(8, 32, 32, 3)), np.eye(10)[:8]
    steps = [tf.function(one.train_step) for one in (trainer, theirs)]
    for _ in range(5):
        found, expected = (step((images, labels)) for step in steps)
        np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-8)
