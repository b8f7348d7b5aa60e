"""What stands in for tensorflow-addons: against its papers in NumPy, and against itself
where it is installed."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _addons, _stand_ins, _versions

needs_addons = pytest.mark.skipif(
    not _versions.HAS_ADDONS, reason="tensorflow-addons has no release for this Python"
)
STEPS = 14
SHAPES = ((3, 4), (5,), (2, 2, 1))
_VALUES = {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-4, "weight_decay": 0.03}


def _gradients(seed=0):
    rng = np.random.default_rng(seed)
    return [
        [rng.normal(size=s).astype(np.float32) for s in SHAPES] for _ in range(STEPS)
    ]


def _starts():
    rng = np.random.default_rng(7)
    tensors = [rng.normal(size=s).astype(np.float32) for s in SHAPES]
    tensors[1][:] = 0  # as biases start
    return tensors


def _rate():
    return keras.optimizers.schedules.ExponentialDecay(0.02, 3, 0.7)


def _make(source, name, **changes):
    values = {**_VALUES, **changes}
    if name == "Lookahead":
        inner = source.RectifiedAdam(_rate(), **values)
        return source.Lookahead(inner, sync_period=3, slow_step_size=0.3)
    return getattr(source, name)(_rate(), **values)


def _trained(optimizer, steps=None, variables=None):
    """The values after each step; biases have no gradient in the second."""
    variables = variables or [tf.Variable(value) for value in _starts()]
    path = []
    for step, gradients in enumerate(_gradients()[: steps or STEPS]):
        pairs = [
            (tf.constant(g), v)
            for g, v in zip(gradients, variables)
            if step != 1 or v.shape.rank > 1
        ]
        optimizer.apply_gradients(pairs)
        path.append([variable.numpy() for variable in variables])
    return path, variables


def _lamb(mean, square, step, weights):
    change = mean / (np.sqrt(square) + _VALUES["epsilon"])
    change = change + _VALUES["weight_decay"] * weights
    length, step_length = np.linalg.norm(weights), np.linalg.norm(change)
    return change * (length / step_length if length > 0 and step_length > 0 else 1)


def _rectified(mean, square, step, weights):
    """Algorithm 2 of arXiv 1908.03265, with the threshold 5 of its code."""
    beta = _VALUES["beta_2"]
    infinite = 2 / (1 - beta) - 1
    rho = infinite - 2 * step * beta**step / (1 - beta**step)
    if rho >= 5:
        top = (rho - 4) * (rho - 2) * infinite
        factor = np.sqrt(top / ((infinite - 4) * (infinite - 2) * rho))
        change = factor * mean / (np.sqrt(square) + _VALUES["epsilon"])
    else:
        change = mean
    return change + _VALUES["weight_decay"] * weights


def _by_numpy(rule, period=0):
    weights = [value.astype(np.float64) for value in _starts()]
    slow = [value.copy() for value in weights]
    means = [np.zeros(shape) for shape in SHAPES]
    squares = [np.zeros(shape) for shape in SHAPES]
    path = []
    for number, gradients in enumerate(_gradients()):
        step, rate = number + 1, 0.02 * 0.7 ** (number / 3)
        for i, gradient in enumerate(gradients):
            if number == 1 and len(SHAPES[i]) == 1:
                continue
            b1, b2 = _VALUES["beta_1"], _VALUES["beta_2"]
            means[i] = b1 * means[i] + (1 - b1) * gradient
            squares[i] = b2 * squares[i] + (1 - b2) * gradient.astype(float) ** 2
            corrected = means[i] / (1 - b1**step), squares[i] / (1 - b2**step)
            weights[i] = weights[i] - rate * rule(*corrected, step, weights[i])
            if period and step % period == 0:
                slow[i] = slow[i] + 0.3 * (weights[i] - slow[i])
                weights[i] = slow[i].copy()
        path.append([value.copy() for value in weights])
    return path


RULES = {
    "LAMB": (_lamb, 0),
    "RectifiedAdam": (_rectified, 0),
    "Lookahead": (_rectified, 3),
}


@pytest.mark.parametrize("name", RULES)
def test_steps_are_those_of_the_paper(name):
    """Both sides of the threshold of rectified Adam are among the steps."""
    path, _ = _trained(_make(_stand_ins, name))
    for found, expected in zip(path, _by_numpy(*RULES[name])):
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=2e-5, atol=1e-6)


@needs_addons
@pytest.mark.parametrize("decay", [0.0, 0.03])
@pytest.mark.parametrize("name", RULES)
def test_steps_are_those_of_addons(name, decay):
    ours, _ = _trained(_make(_stand_ins, name, weight_decay=decay))
    theirs, _ = _trained(_make(_addons, name, weight_decay=decay))
    for found, expected in zip(ours, theirs):
        for a, b in zip(found, expected):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=2e-7)


@needs_addons
@pytest.mark.parametrize("writer", [_addons, _stand_ins])
@pytest.mark.parametrize("name", RULES)
def test_checkpoints_go_from_one_to_the_other(name, writer, tmp_path):
    """All values have the same names, and the steps go on as without the change."""
    reader = _stand_ins if writer is _addons else _addons
    first = _make(writer, name)
    straight, _ = _trained(_make(writer, name))
    _, variables = _trained(first, 5)
    path = tf.train.Checkpoint(optimizer=first, variables=variables).write(
        str(tmp_path / "checkpoint")
    )
    second = _make(reader, name)
    fresh = [tf.Variable(value) for value in _starts()]
    status = tf.train.Checkpoint(optimizer=second, variables=fresh).read(path)
    _make_slots(second, fresh)
    status.assert_existing_objects_matched().assert_consumed()
    for gradients in _gradients()[5:]:
        second.apply_gradients(zip(gradients, fresh))
    for a, b in zip(fresh, straight[-1]):
        np.testing.assert_allclose(a, b, rtol=5e-6, atol=1e-6)


def _make_slots(optimizer, variables):
    with tf.init_scope():
        optimizer.iterations  # noqa: B018  made on first use
        optimizer._create_hypers()
        optimizer._create_slots(variables)


@pytest.mark.parametrize("name", RULES)
def test_configs_make_the_same_optimizer(name):
    kinds = {kind: getattr(_stand_ins, kind) for kind in RULES}
    optimizer = _make(_stand_ins, name)
    with keras.utils.custom_object_scope(kinds):
        again = type(optimizer).from_config(optimizer.get_config())
    for a, b in zip(_trained(optimizer)[0][-1], _trained(again)[0][-1]):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("axis", [-1, 1])
def test_maxout_takes_the_largest_of_each_group(axis):
    x = np.random.default_rng(0).normal(size=(2, 6, 6)).astype(np.float32)
    expected = np.stack(
        [np.take(x, [u, u + 2, u + 4], axis).max(axis) for u in (0, 1)], axis
    )
    layer = _stand_ins.Maxout(2, axis=axis)
    np.testing.assert_array_equal(layer(x), expected)
    again = _stand_ins.Maxout.from_config(layer.get_config())
    np.testing.assert_array_equal(again(x), expected)
    if _versions.HAS_ADDONS:
        np.testing.assert_array_equal(_addons.Maxout(2, axis=axis)(x), expected)


def test_maxout_takes_any_size_but_of_features():
    inputs = keras.Input((None, None, 6))
    network = keras.Model(inputs, _stand_ins.Maxout(3)(inputs))
    assert network.output_shape == (None, None, None, 3)
    x = np.random.default_rng(0).normal(size=(2, 5, 4, 6)).astype(np.float32)
    np.testing.assert_array_equal(network(x), np.maximum(x[..., :3], x[..., 3:]))
    with pytest.raises(ValueError, match="features 6 .* num_units=4"):
        _stand_ins.Maxout(4)(inputs)


@pytest.mark.parametrize("size", [2, 4, 20])
def test_cutout_blanks_a_square(size):
    x = np.random.default_rng(0).normal(size=(4, 7, 9, 3)).astype(np.float32)
    centres = np.array([[0, 0], [3, 4], [6, 8], [2, 8]], np.int32)
    expected = x.copy()
    for image, (row, column) in zip(expected, centres):
        rows, columns = (
            slice(max(0, place - size // 2), place + size // 2)
            for place in (row, column)
        )
        image[rows, columns] = 0
    found = _stand_ins.cutout(tf.constant(x), size, tf.constant(centres))
    np.testing.assert_array_equal(found, expected)
    if _versions.HAS_ADDONS:
        theirs = _addons.cutout(tf.constant(x), size, tf.constant(centres))
        np.testing.assert_array_equal(theirs, expected)
