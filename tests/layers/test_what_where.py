"""Pooling that keeps where: published formula by hand, TensorFlow's and addons' ops."""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import layers

WINDOWS = {
    "two by two": [[1, 3], [2, 0]],
    "three by three": [[0, 1, 2], [3, 4, 5], [8, 7, 6]],
    "tie": [[2, 2], [0, 0]],
    "near tie": [[1, 1.02], [0, 0]],
}
# By window and beta: what, x and y, computed by NumPy from the formula.
SOFT = {
    ("two by two", 0): (1.5, 0, 0),
    ("two by two", 1): (2.492653, 0.351946, -0.462117),
    ("two by two", 10): (2.999955, 0.999909, -0.999909),
    ("two by two", 100): (3, 1, -1),
    ("three by three", 0): (4, 0, 0),
    ("three by three", 1): (7.419134, -0.518069, 0.947975),
    ("three by three", 10): (7.999955, -0.999955, 1),
    ("three by three", 100): (8, -1, 1),
    ("tie", 0): (1, 0, 0),
    ("tie", 1): (1.761594, 0, -0.761594),
    ("tie", 10): (2, 0, -1),
    ("tie", 100): (2, 0, -1),
    ("near tie", 0): (0.505, 0, 0),
    ("near tie", 1): (0.740434, 0.007330, -0.466060),
    ("near tie", 10): (1.010955, 0.099664, -0.999918),
    ("near tie", 100): (1.017616, 0.761594, -1),
}


def _map(values):
    return np.array(values, np.float32)[np.newaxis, ..., np.newaxis]


@pytest.mark.parametrize(("window", "beta"), SOFT)
def test_soft_pooling_of_one_window(window, beta):
    x = _map(WINDOWS[window])
    what, where = layers.SoftMaxPool2D(x.shape[1], beta)(x)
    found = [what.numpy().item(), *where.numpy().ravel()]
    np.testing.assert_allclose(found, SOFT[window, beta], atol=1e-5)


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ("two by two", [[0.590467, 1.231809], [0.217221, 0.453157]]),
        (
            "three by three",
            [[0, 0, 0], [0.199966, 0.186017, 0], [3.643659, 3.389492, 0]],
        ),
    ],
)
def test_soft_unpooling_of_one_window(window, expected):
    x = _map(WINDOWS[window])
    what, where = layers.SoftMaxPool2D(x.shape[1], 1.0)(x)
    made = layers.SoftUnpool2D(x.shape[1])([what, where])
    np.testing.assert_allclose(made[0, ..., 0], expected, atol=1e-5)
    assert float(tf.reduce_sum(made)) == pytest.approx(what.numpy().item(), abs=1e-5)


def test_soft_unpooling_keeps_the_mass_of_every_window():
    x = tf.random.stateless_normal([3, 7, 8, 4], [1, 2])
    pool = {"pool_size": 3, "padding": "same"}
    what, where = layers.SoftMaxPool2D(beta=2.0, **pool)(x)
    made = layers.SoftUnpool2D(**pool)([what, where, x])
    assert made.shape == x.shape
    np.testing.assert_allclose(
        tf.reduce_sum(made, [1, 2]), tf.reduce_sum(what, [1, 2]), atol=1e-5
    )


def test_soft_pooling_does_not_overflow_in_16_bits():
    x = tf.constant(_map([[300, 301], [-300, 0]]), tf.float16)
    what, where = layers.SoftMaxPool2D(dtype="mixed_float16")(x)
    assert what.numpy().item() == 301 and where.numpy().ravel().tolist() == [1, -1]


def test_soft_meets_hard_as_beta_grows():
    """Where no window has a tie; the error falls with beta to rounding."""
    random = np.random.default_rng(4)
    x = np.stack([random.permutation(36) for _ in range(6)], axis=-1)
    x = x.reshape(1, 6, 6, 6).astype(np.float32)
    what, where = layers.MaxPoolWithSwitches2D(3)(x)
    hard = layers.MaxUnpool2D(3)([what, where])
    errors = []
    for beta in (0.0, 0.3, 1.0, 3.0, 10.0, 100.0):
        soft = layers.SoftMaxPool2D(3, beta)(x)
        errors.append(np.abs(layers.SoftUnpool2D(3)(soft) - hard).mean())
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 1 and errors[-1] < 1e-4


def test_a_place_on_a_cell_still_has_a_gradient():
    """Towards the next cell, in the last one from the cell before."""
    what = tf.ones([1, 1, 1, 1])
    slopes = {}
    for x in (-1.0, 0.0, 1.0):
        where = tf.constant([x, 0.0], shape=[1, 1, 1, 1, 2])
        with tf.GradientTape() as tape:
            tape.watch(where)
            made = layers.SoftUnpool2D(3)([what, where])
            column = tf.reduce_sum(made[0, :, :, 0] * [0.0, 10.0, 30.0])
        slopes[x] = tape.gradient(column, where).numpy().ravel()[0]
    # One cell is a step of 1 in x.
    assert slopes == {-1.0: 10, 0.0: 20, 1.0: 20}


def test_gradients_of_soft_pooling_and_of_places():
    x = tf.random.stateless_normal([1, 4, 4, 2], [3, 4], dtype=tf.float64)
    pool = layers.SoftMaxPool2D(beta=1.5, dtype="float64")
    unpool = layers.SoftUnpool2D(dtype="float64")
    for function in (lambda x: pool(x)[1], lambda x: unpool(pool(x))):
        exact, approximate = tf.test.compute_gradient(tf.function(function), [x])
        np.testing.assert_allclose(exact[0], approximate[0], atol=1e-6)


MATRIX = [[1, 2, 0, 4], [3, 0, 4, 1], [0, 0, -1, -2], [0, 0, -3, -4]]


def _flat_places(where, shape, size, padding):
    """Places in maps as ``max_pool_with_argmax`` counts them, batch included."""
    batch, height, width, channels = shape
    starts = [-n % size // 2 if padding == "same" else 0 for n in (height, width)]
    n, i, j, c = np.ogrid[tuple(map(slice, where.shape))]
    row, column = i * size + where // size, j * size + where % size
    row, column = row - starts[0], column - starts[1]
    return ((n * height + row) * width + column) * channels + c


def test_the_first_of_equal_values_counts():
    x = _map(MATRIX)
    what, where = layers.MaxPoolWithSwitches2D()(x)
    assert what.numpy().ravel().tolist() == [3, 4, 0, -1]
    flat = _flat_places(where.numpy(), x.shape, 2, "valid")
    assert flat.ravel().tolist() == [4, 3, 8, 10]
    with tf.GradientTape() as tape:
        tied = tf.fill([1, 2, 2, 1], 5.0)
        tape.watch(tied)
        maximum = layers.MaxPoolWithSwitches2D()(tied)[0]
    assert tape.gradient(maximum, tied).numpy().ravel().tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_hard_pooling_against_tensorflow(size, padding):
    """Values, places, unpooled maps and gradients to the bit; small integers tie."""
    random = np.random.default_rng(size)
    shape = (2, 9, 7, 3)
    x = tf.constant(random.integers(-3, 3, shape).astype(np.float32))
    arguments = {"pool_size": size, "padding": padding}
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        what, where = layers.MaxPoolWithSwitches2D(**arguments)(x)
        values, indices = tf.nn.max_pool_with_argmax(
            x, size, size, padding.upper(), include_batch_in_index=True
        )
        made = layers.MaxUnpool2D(**arguments)([what, where, x])
    np.testing.assert_array_equal(what, values)
    flat = _flat_places(where.numpy(), shape, size, padding)
    np.testing.assert_array_equal(flat, indices)
    np.testing.assert_array_equal(tape.gradient(what, x), tape.gradient(values, x))
    expected = tf.scatter_nd(tf.reshape(indices, [-1, 1]), tf.reshape(values, [-1]),
                             [x.shape.num_elements()])  # fmt: skip
    np.testing.assert_array_equal(made, tf.reshape(expected, shape))


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_unpooled_maps_against_addons(size):
    """To the bit; small integers tie."""
    tfa = pytest.importorskip("tensorflow_addons")
    x = np.random.default_rng(size).integers(-3, 3, (2, 9, 7, 3)).astype(np.float32)
    what, where = layers.MaxPoolWithSwitches2D(size)(x)
    whole = layers.MaxUnpool2D(size)([what, where])
    covered = x[:, : whole.shape[1], : whole.shape[2]]
    values, indices = tf.nn.max_pool_with_argmax(covered, size, size, "VALID")
    expected = tfa.layers.MaxUnpooling2D(size, size)(values, indices)
    np.testing.assert_array_equal(whole, expected)


def test_unpooled_maps_pool_to_the_same_positive_values():
    x = tf.random.stateless_normal([2, 8, 8, 5], [5, 6])
    what, where = layers.MaxPoolWithSwitches2D(4)(x)
    made = layers.MaxUnpool2D(4)([what, where])
    count = tf.nn.avg_pool(tf.cast(made != 0, tf.float32), 4, 4, "VALID") * 16
    assert tf.reduce_max(count) <= 1
    again, places = layers.MaxPoolWithSwitches2D(4)(made)
    is_positive = what.numpy() > 0
    assert is_positive.any()
    np.testing.assert_array_equal(again.numpy()[is_positive], what[is_positive])
    np.testing.assert_array_equal(places.numpy()[is_positive], where[is_positive])


def test_infinite_values_are_pooled():
    x = _map([[-np.inf, -np.inf], [-np.inf, np.inf]])
    what, where = layers.MaxPoolWithSwitches2D()(x)
    assert what.numpy().item() == np.inf and where.numpy().item() == 3
    made = layers.MaxUnpool2D()([what, where]).numpy().ravel().tolist()
    assert made == [0, 0, 0, np.inf]


def test_not_a_number_is_not_hidden():
    x = _map([[1.0, np.nan], [2.0, 3.0]])
    what, where = layers.MaxPoolWithSwitches2D()(x)
    assert np.isnan(what.numpy().item()) and where.numpy().item() == 1
