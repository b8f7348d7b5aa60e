"""What benchmarks compute, by hand: statistics over seeds, where a step's time goes."""

import pathlib

import pytest
import tensorflow as tf


@pytest.fixture(scope="module")
def seeds(load_benchmark):
    return load_benchmark("_seeds")


@pytest.fixture(scope="module")
def step_profile(load_benchmark):
    return load_benchmark("step_profile")


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


def test_a_step_of_a_training_without_a_run(step_profile, load_benchmark, data_dir):
    """Profiled: its convolutions take time, and the network is trained."""
    steps = load_benchmark("_steps")
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
    assert not pathlib.Path("not_written").exists()
