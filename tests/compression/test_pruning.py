"""Pruning against counts and kernels worked out by hand, and published figures."""

import itertools

import numpy as np
import pytest
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import applications, compression
from keras_cnns.compression import FIXED_PATTERNS, KernelRule

# A kernel whose centre is almost 0, as a column.
KERNEL = np.array([[0.1, -0.5, 0.3, 0.2, 0.05, -0.4, 0.6, 0.0, -0.7]]).T


def _retained(kernel, pattern):
    return float(np.square(kernel[list(pattern)]).sum())


def test_the_golden_kernel():
    mask = compression.natural_patterns(KERNEL)
    assert np.flatnonzero(mask).tolist() == [1, 4, 6, 8]
    assert np.square(KERNEL).sum() == pytest.approx(1.4025)
    assert _retained(KERNEL, (1, 4, 6, 8)) == pytest.approx(1.1025)
    by_dropped = {
        ({1, 3, 5, 7} - set(pattern)).pop(): _retained(KERNEL, pattern)
        for pattern in FIXED_PATTERNS
    }
    expected = {7: 0.4525, 1: 0.2025, 3: 0.4125, 5: 0.2925}
    assert by_dropped == pytest.approx(expected)
    best = compression.best_patterns(KERNEL, FIXED_PATTERNS)
    assert np.flatnonzero(best).tolist() == [1, 3, 4, 5]


def test_fixed_patterns_have_the_mean_of_a_laplacian():
    """Each neighbour is in three of four, the centre in all, a corner in none."""
    counts = np.bincount(sum(FIXED_PATTERNS, ()), minlength=9)
    assert counts.tolist() == [0, 3, 0, 3, 4, 3, 0, 3, 0]
    assert len(set(FIXED_PATTERNS)) == 4


def test_there_are_56_natural_patterns():
    kernels = np.random.default_rng(0).normal(size=(9, 40_000))
    library = compression.pattern_library(kernels, 1000)
    assert set(library) == {
        tuple(sorted((4, *others)))
        for others in itertools.combinations((0, 1, 2, 3, 5, 6, 7, 8), 3)
    }
    assert len(library) == 56


def test_ties_keep_four_weights_and_the_lower_code():
    """Equal magnitudes keep the first; equally frequent patterns are in code order."""
    equal = np.ones((9, 1))
    assert np.flatnonzero(compression.natural_patterns(equal)).tolist() == [0, 1, 2, 4]
    kernels = np.zeros((9, 5))
    kernels[[5, 7, 8], 0] = kernels[[0, 1, 2], 1] = 1
    kernels[[2, 5, 8], 2] = kernels[[2, 5, 8], 3] = 1  # the last one is gone
    library = compression.pattern_library(kernels, 8)
    assert library == ((2, 4, 5, 8), (0, 1, 2, 4), (4, 5, 7, 8))
    assert compression.pattern_library(kernels, 1) == library[:1]
    with pytest.raises(ValueError, match="all 3x3 kernels are 0"):
        compression.pattern_library(np.zeros((9, 3)), 8)
    with pytest.raises(ValueError, match="num_patterns must be .*got 0"):
        compression.pattern_library(kernels, 0)


def test_assignment_is_the_best_of_all():
    """Against every pattern tried on every kernel."""
    kernels = np.random.default_rng(1).normal(size=(9, 300)).astype(np.float32)
    library = compression.pattern_library(kernels, 6)
    found = compression.best_patterns(kernels, library)
    for column, mask in zip(kernels.T, found.T):
        scores = [_retained(column.astype(float), pattern) for pattern in library]
        assert tuple(np.flatnonzero(mask)) == library[int(np.argmax(scores))]


@pytest.mark.parametrize(
    ("channels", "kernels", "compressed"), [(64, 1138, 8.0984), (512, 72_818, 8.09998)]
)
def test_published_counts(channels, kernels, compressed):
    values = np.random.default_rng(2).normal(size=(3, 3, channels, channels))
    mask = KernelRule("conv/kernel", None, FIXED_PATTERNS, 3.6).mask(values)
    row, total = compression.report_pruning({"conv/kernel": mask})
    assert row["kept_kernels"] == kernels and row["kept_entries"] == 4 * kernels
    assert row["kernels"] == channels**2 and row["patterns"] == 4
    assert row["compression"] == pytest.approx(compressed, abs=5e-5)
    assert row["sparsity"] == pytest.approx(1 - 4 * kernels / (9 * channels**2))
    assert total["kept_entries"] == 4 * kernels and total["kernel"] is None


def test_vgg16_is_compressed_as_computed():
    """14,710,464 weights of convolutions to 1,816,680; the first has patterns only."""
    network = applications.create_model("vgg16", include_top=False)
    rules = compression.plan_pruning(network, FIXED_PATTERNS, 3.6)
    assert [len(rule.sets()) for rule in rules] == [1, *[2] * 12]
    *rows, total = compression.report_pruning(compression.prune(rules))
    assert total["entries"] == 14_710_464
    assert total["kept_entries"] == 1_816_680
    assert total["compression"] == pytest.approx(8.0974, abs=5e-5)
    assert rows[0]["compression"] == 2.25
    left = sum(np.count_nonzero(rule.variable) for rule in rules)
    assert left == total["kept_entries"]


def _network():
    """One layer of each kind, a nested model, and a first 7x7 layer."""
    inner_input = keras.Input((None, None, 8))
    inner = keras.Model(
        inner_input, layers.Conv2D(6, 3, name="nested")(inner_input), name="inner"
    )
    x = images = keras.Input((32, 32, 3))
    x = layers.Conv2D(8, 7, name="first")(x)
    x = layers.Conv2D(8, 3, groups=2, name="grouped")(x)
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    x = layers.SeparableConv2D(8, 3, name="separable")(x)
    x = inner(x)
    x = layers.Conv2DTranspose(4, 3, name="transposed")(x)
    x = layers.Conv2D(5, 5, name="large")(x)
    x = layers.Conv2D(5, 1, name="pointwise")(layers.BatchNormalization()(x))
    x = layers.Dense(4)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(images, x, name="all_kinds")


def test_what_is_pruned_of_each_kind_of_layer():
    network = _network()
    library = compression.find_library(network, 8)
    rules = compression.plan_pruning(network, library, 3.6, 2.0)
    found = {rule.name: (bool(rule.library), rule.connectivity) for rule in rules}
    assert found == {
        "grouped/kernel": (True, 3.6),
        "depthwise/depthwise_kernel": (True, 1.0),
        "separable/depthwise_kernel": (True, 1.0),
        "separable/pointwise_kernel": (False, 2.0),
        "nested/kernel": (True, 3.6),
        "transposed/kernel": (True, 3.6),
        "large/kernel": (False, 2.0),
        "pointwise/kernel": (False, 2.0),
    }
    before = {rule.name: rule.variable.numpy() for rule in rules}
    masks = compression.prune(rules)
    for rule in rules:
        values, mask = rule.variable.numpy(), masks[rule.name]
        count = np.prod(values.shape[2:])
        each = np.count_nonzero(values.reshape(-1, count), axis=0)
        entries = 4 if rule.library else np.prod(values.shape[:2])
        assert set(each) <= {0, entries}
        assert np.count_nonzero(each) == int(np.ceil(count / rule.connectivity))
        np.testing.assert_array_equal(values, np.where(mask, before[rule.name], 0))
        assert not np.signbit(values[~mask]).any()
        norms = np.square(before[rule.name]).reshape(-1, count).sum(0)
        if each.min() == 0:  # of the whole kernels, not of what patterns leave
            assert norms[each > 0].min() > norms[each == 0].max()
    again = compression.plan_pruning(
        network, compression.find_library(network, 8), 3.6, 2.0
    )
    for name, mask in compression.prune(again).items():
        np.testing.assert_array_equal(mask, masks[name], err_msg=name)


def test_layers_can_be_left_out_and_nothing_is_refused():
    network = _network()
    rules = compression.plan_pruning(
        network, (), 1, 2, keep_dense=("separable", "large")
    )
    assert [rule.name for rule in rules] == ["pointwise/kernel"]
    with pytest.raises(ValueError, match="nothing of all_kinds would be pruned"):
        compression.plan_pruning(network, (), 1, 1)
    with pytest.raises(ValueError, match="convolutions of all_kinds .*got 'dense'"):
        compression.plan_pruning(network, (), keep_dense=("dense",))
    with pytest.raises(ValueError, match="connectivity must be .*got 0.5"):
        compression.plan_pruning(network, (), 0.5)
    image = keras.Input((8, 8, 3))
    flat = keras.Model(image, layers.Conv2D(3, 1)(image), name="flat")
    with pytest.raises(ValueError, match="flat has no 3x3 kernels"):
        compression.find_library(flat)
