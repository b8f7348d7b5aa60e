"""FractalNet: columns, joins, drop-path and columns taken out."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, layers
from keras_cnns.layers.fractal_drop_path import fractal_joins
from keras_cnns.runs import checkpoints

SMALL = {"filters": (4, 6), "columns": 3, "classes": 5, "input_shape": (8, 8, 3)}
DRAWS = 20_000


@pytest.fixture(scope="module")
def network():
    """A small network with statistics and scales that are not those of the start.

    No test changes its trained weights.
    """
    keras.utils.set_random_seed(0)
    model = applications.FractalNet(**SMALL, dropout_rate=0.0)
    generator = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            shapes = [w.shape for w in layer.weights]
            layer.set_weights([generator.uniform(0.5, 1.5, s) for s in shapes])
    return model


def _images(count=3):
    return tf.random.stateless_normal([count, 8, 8, 3], seed=[0, 1])


def _convolutions(model, size=3):
    return [
        layer
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D) and layer.kernel_size[0] == size
    ]


def _keep(monkeypatch, model, row):
    """Makes every join use these weights of the columns, rescaled to sum 1."""
    layer = model.get_layer("drop_path")
    kept = layer._takes * np.array(row, np.float32)
    kept = np.where(kept.sum(1, keepdims=True) > 0, kept, layer._takes)
    weights = tf.constant(kept / kept.sum(1, keepdims=True), tf.float32)
    monkeypatch.setattr(layer, "call", lambda inputs, training=None: weights)


def test_joins_of_a_block():
    """As the authors' generator places them: widths after units 2, 4, 6, ..."""
    assert fractal_joins(1) == []
    assert fractal_joins(2) == [2]
    assert fractal_joins(3) == [2, 3]
    assert fractal_joins(4) == [2, 3, 2, 4]


def test_parameters_of_the_published_form(only_shapes):
    """The paper's 38.6 million."""
    model = applications.FractalNet20(widening="pointwise")
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert trainable == 38_647_114


@pytest.mark.parametrize(
    ("columns", "millions"),
    [
        (1, 0.3),
        (2, 0.8),
        (3, 2.1),
        (4, 4.8),
        pytest.param(5, 10.2, marks=pytest.mark.slow),
    ],
)
def test_parameters_of_narrow_networks(columns, millions, only_shapes):
    """The paper's table 3 (unverified), which the default wiring gives."""
    filters = (16, 32, 64, 128, 128)
    model = applications.FractalNet(filters=filters, columns=columns, classes=100)
    trainable = sum(int(np.prod(w.shape)) for w in model.trainable_weights)
    assert round(trainable / 1e6, 1) == millions


@pytest.mark.parametrize("columns", [1, 2, 3, 4])
def test_depths_of_the_columns(columns, only_shapes):
    """B * 2^(c-1) units in column c, in the whole and taken alone."""
    arguments = {**SMALL, "columns": columns}
    whole = applications.FractalNet(**arguments)
    assert len(_convolutions(whole)) == 2 * (2**columns - 1)
    for column in range(1, columns + 1):
        alone = applications.FractalNet(**arguments, only_column=column)
        assert len(_convolutions(alone)) == 2 * 2 ** (column - 1)


def test_wiring_against_the_rule(network):
    """f_1(z) = conv(z), f_{C+1}(z) = mean of f_C(f_C(z)) and conv(z), by hand."""

    def unit(x, block, column, i):
        for part in ("conv", "bn", "relu"):
            x = network.get_layer(f"block{block}_column{column}_unit{i}_{part}")(x)
        return x

    def pool(x):
        return tf.nn.max_pool2d(x, 2, 2, "VALID")

    x = images = _images()
    for b in (1, 2):
        two = unit(x, b, 2, 1)
        three = unit(unit(x, b, 3, 1), b, 3, 2)
        middle = (two + three) / 2
        two = unit(middle, b, 2, 2)
        three = unit(unit(middle, b, 3, 3), b, 3, 4)
        x = (pool(unit(x, b, 1, 1)) + pool(two) + pool(three)) / 3
    x = network.get_layer("predictions")(tf.reduce_mean(x, axis=[1, 2]))
    np.testing.assert_allclose(network(images), x, rtol=1e-5, atol=1e-7)


def test_units_are_convolution_dropout_normalisation_relu():
    model = applications.FractalNet(**SMALL)
    names = ("conv", "dropout", "bn", "relu")
    unit = [model.get_layer(f"block2_column3_unit4_{name}") for name in names]
    for first, second in zip(unit, unit[1:]):
        assert second.input is first.output
    assert unit[1].rate == 0.4
    assert "block1_column3_unit4_dropout" not in [x.name for x in model.layers]


def test_dropout_rises_from_block_to_block():
    """0, .1, .2, .3, .4 in the paper's five blocks."""
    model = applications.FractalNet(filters=(2,) * 5, columns=1, classes=2)
    rates = [x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)]
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])


@pytest.mark.parametrize("column", [1, 2, 3])
@pytest.mark.parametrize("training", [False, True])
def test_column_equals_the_network_that_keeps_it(
    network, monkeypatch, column, training
):
    alone = applications.fractal_column(network, column)
    assert alone.name == f"{network.name}_column{column}"
    assert len(_convolutions(alone)) == 2 * 2 ** (column - 1)
    whole = network(_images()).numpy()
    expected = alone(_images(), training=training).numpy()
    assert not np.allclose(whole, expected, rtol=1e-2)
    _keep(monkeypatch, network, np.eye(3)[column - 1])
    actual = network(_images(), training=training).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-7)


def test_anytime_outputs_are_the_columns_and_the_whole(network):
    answers = applications.fractal_anytime(network)(_images())
    columns = [applications.fractal_column(network, c) for c in (1, 2, 3)]
    assert len(answers) == 4
    for answer, alone in zip(answers, [*columns, network]):
        np.testing.assert_array_equal(answer, alone(_images()))


def test_column_shares_its_weights(network):
    ends = [f"block{i}_join4" for i in (1, 2)]
    columns = [applications.fractal_column(network, c) for c in (1, 2, 3)]
    whole = {w.ref() for w in network.weights}
    parts = [{w.ref() for w in column.weights} for column in columns]
    assert set.union(*parts) == whole
    shared = {w.ref() for w in network.get_layer("predictions").weights}
    assert parts[0] & parts[1] == parts[1] & parts[2] == shared
    # The network stays what it was.
    features = applications.extract_features(network, [0, 1], stage_ends=ends)
    assert [x.shape[1] for x in features(_images())] == [4, 2]
    copy = keras.Model.from_config(columns[2].get_config())
    copy.set_weights(columns[2].get_weights())
    np.testing.assert_array_equal(copy(_images()), columns[2](_images()))


def test_column_fits_the_plain_network_of_one_column(network, tmp_path):
    column = applications.fractal_column(network, 3)
    path = str(tmp_path / "column.h5")
    applications.save_weights(column, path)
    plain = applications.FractalNet(**SMALL, only_column=3, weights=path)
    np.testing.assert_array_equal(plain(_images()), column(_images()))


@pytest.mark.parametrize("pooling", [None, "avg", "max"])
def test_column_without_classifier(pooling):
    arguments = {k: v for k, v in SMALL.items() if k != "classes"}
    model = applications.FractalNet(
        **arguments, include_top=False, pooling=pooling, widening="pointwise"
    )
    column = applications.fractal_column(model, 2)
    assert column(_images()).shape == model(_images()).shape
    assert len(_convolutions(column, size=1)) == 2


def test_outside_of_training_joins_are_means():
    layer = layers.FractalDropPath(3, 1, 0.9, 1.0)
    expected = [[0, 1 / 2, 1 / 2], [1 / 3] * 3]
    np.testing.assert_allclose(layer(tf.ones([1, 2, 2, 3])), expected, rtol=1e-6)


def _draws(columns, drop_rate, global_fraction, blocks=1):
    layer = layers.FractalDropPath(columns, blocks, drop_rate, global_fraction, seed=3)
    layer.build((None, 1, 1, 3))

    @tf.function
    def draws():
        return tf.map_fn(lambda x: layer(x, training=True), tf.zeros([DRAWS]))

    return draws().numpy()


def test_local_draws():
    """Each input goes with probability p, but for the last: a random one stays."""
    p = 0.4
    weights = _draws(columns=3, drop_rate=p, global_fraction=0.0)[:, 1]
    kept = weights > 0
    np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        weights * kept.sum(axis=1, keepdims=True), kept, rtol=1e-6
    )
    patterns, counts = np.unique(kept, axis=0, return_counts=True)
    for pattern, count in zip(patterns, counts):
        survivors = pattern.sum()
        expected = (1 - p) ** survivors * p ** (3 - survivors)
        if survivors == 1:
            expected += p**3 / 3
        assert count / DRAWS == pytest.approx(expected, abs=0.012), pattern
    assert len(patterns) == 7


def test_joins_draw_independently():
    kept = _draws(columns=2, drop_rate=0.4, global_fraction=0.0, blocks=2) > 0
    first, second = kept[:, 0, 0], kept[:, 1, 0]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(0, abs=0.03)


def test_global_draws():
    """One column in all joins that take it, each column equally often."""
    weights = _draws(columns=3, drop_rate=0.4, global_fraction=1.0, blocks=2)
    chosen = weights[:, 1].argmax(axis=1)
    np.testing.assert_allclose(np.bincount(chosen) / DRAWS, 1 / 3, atol=0.012)
    for row in (1, 3):
        np.testing.assert_array_equal(weights[:, row], np.eye(3)[chosen])
    for row in (0, 2):
        expected = np.where(
            chosen[:, np.newaxis] == 0, [0, 0.5, 0.5], np.eye(3)[chosen]
        )
        np.testing.assert_array_equal(weights[:, row], expected)


def test_half_of_the_batches_are_global():
    """With p = 0 a local batch keeps everything, a global one a single column."""
    weights = _draws(columns=3, drop_rate=0.0, global_fraction=0.5)[:, 1]
    sizes, counts = np.unique((weights > 0).sum(axis=1), return_counts=True)
    assert list(sizes) == [1, 3]
    np.testing.assert_allclose(counts / DRAWS, 0.5, atol=0.015)


def test_global_training_gives_the_outputs_of_the_columns():
    model = applications.FractalNet(**SMALL, dropout_rate=0.0, global_path_fraction=1.0)
    columns = [applications.fractal_column(model, c) for c in (1, 2, 3)]
    expected = [column(_images(), training=True).numpy() for column in columns]
    seen = set()
    for _ in range(30):
        output = model(_images(), training=True).numpy()
        equal = [np.allclose(output, e, rtol=1e-4, atol=1e-6) for e in expected]
        assert sum(equal) == 1
        seen.add(equal.index(True))
    assert seen == {0, 1, 2}


@pytest.fixture
def checkpointed_randomness():
    """As in training runs."""
    keras.backend.experimental.enable_tf_random_generator()
    yield
    keras.backend.experimental.disable_tf_random_generator()


def test_draws_are_restored_from_checkpoints(checkpointed_randomness, tmp_path):
    """A resumed run drops the paths that the run would have dropped."""
    model = applications.FractalNet(**SMALL)
    generators = checkpoints._random_generators([model])
    # Drop-path and seven units of the second block.
    assert len(generators) == 8
    saved = tf.train.Checkpoint(generators=generators).write(str(tmp_path / "state"))
    layer = model.get_layer("drop_path")
    first = [layer(_images(), training=True).numpy() for _ in range(20)]
    assert len(np.unique(first, axis=0)) > 1
    tf.train.Checkpoint(generators=generators).read(saved)
    second = [layer(_images(), training=True).numpy() for _ in range(20)]
    np.testing.assert_array_equal(first, second)


def test_training_step_compiles():
    arguments = {**SMALL, "columns": 2, "classifier_activation": None}
    model = applications.FractalNet(**arguments)

    @tf.function(jit_compile=True)
    def gradients(images):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(images, training=True) ** 2)
        return tape.gradient(loss, model.trainable_variables)

    assert all(np.isfinite(g).all() for g in gradients(_images()))


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"filters": ()}, r"\(\)"),
        ({"columns": 0}, "0"),
        ({"dropout_rate": 1.0}, "1.0"),
        ({"drop_path_rate": 1.0}, "drop_path_rate.*1.0"),
        ({"global_path_fraction": 2.0}, "global_path_fraction.*2.0"),
        ({"widening": "pad"}, "pad"),
        ({"only_column": 4}, "4"),
        ({"only_column": True}, "True"),
        ({"only_column": 3, "drop_path_rate": "often"}, "drop_path_rate.*often"),
        ({"only_column": 3, "drop_path_rate": 0.2}, "0.2.*no effect"),
        ({"columns": 1, "global_path_fraction": 0.0}, "0.0.*no effect"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.FractalNet(**arguments)


def test_bad_columns_are_quoted(network):
    with pytest.raises(ValueError, match="1 to 3, got 4"):
        applications.fractal_column(network, 4)
    plain = applications.FractalNet(**SMALL, only_column=2)
    with pytest.raises(ValueError, match="no FractalNet of several columns"):
        applications.fractal_column(plain, 2)


def test_joins_refuse_what_does_not_fit():
    maps, weights = tf.ones([1, 2, 2, 3]), tf.ones([2, 3])
    for inputs, quoted in [
        ([maps, weights], "two or more"),
        ([maps, tf.ones([1, 2, 2, 4]), weights], "one shape"),
        ([maps] * 4 + [weights], "4 maps do not fit"),
    ]:
        with pytest.raises(ValueError, match=quoted):
            layers.FractalJoin(0)(inputs)
    with pytest.raises(ValueError, match="row=2"):
        layers.FractalJoin(2)([maps, maps, weights])
