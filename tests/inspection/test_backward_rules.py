"""Backward rules by hand, on every kind of network, which stays as it is."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns import applications, inspection
from keras_cnns.inspection.flat_copy import flat_copy

# y = v . relu(W x): z = (3, -1, 1) at x = (1, 2), y = 0.
_W = np.array([[1.0, 1], [1, -1], [-1, 1]])
_V = np.array([[1.0], [2], [-3]])
_X = np.array([1.0, 2]).reshape(1, 1, 2, 1)
_GOLDEN = {"gradient": (4, -2), "deconvnet": (3, -1), "guided": (1, 1)}
_DEVIOUS = {
    "argument": {"activation": "relu"},
    "function": {"activation": tf.nn.relu},
    "layer as argument": {"activation": layers.ReLU},
    "weighted layer as argument": {"activation": layers.PReLU},
    "layer": {"then": layers.ReLU},
    "activation layer": {"then": lambda: layers.Activation("relu")},
    "limited layer": {"then": lambda: layers.ReLU(max_value=6.0)},
    "weighted layer": {"then": layers.PReLU},
    "operation": {"then": lambda: tf.nn.relu},
    "limited operation": {"then": lambda: tf.nn.relu6},
}


def _hidden(kind, x):
    given = _DEVIOUS[kind]
    activation = given.get("activation")
    if activation in (layers.ReLU, layers.PReLU):
        activation = activation()
    x = layers.Dense(3, activation=activation, use_bias=False, name="hidden")(x)
    return given["then"]()(x) if "then" in given else x


def _golden_network(kind="argument"):
    images = keras.Input((1, 2, 1))
    x = _hidden(kind, layers.Flatten()(images))
    model = keras.Model(images, layers.Dense(1, use_bias=False, name="out")(x))
    weights = model.get_layer("hidden").get_weights()
    model.get_layer("hidden").set_weights([_W.T, *weights[1:]])
    model.get_layer("out").set_weights([_V])
    return model


@pytest.mark.parametrize("kind", _DEVIOUS)
@pytest.mark.parametrize("rule", _GOLDEN)
def test_golden_network(kind, rule):
    model = _golden_network(kind)
    if "weighted" in kind:  # a PReLU without leak
        assert all((w == 0).all() for w in model.get_weights() if w.shape == (3,))
    classifier = inspection.InspectedClassifier(model, rule)
    assert classifier.scores(_X) == pytest.approx(0, abs=1e-6)
    gradients = classifier.gradients(_X, np.zeros(1, np.int32))
    np.testing.assert_allclose(gradients.ravel(), _GOLDEN[rule], atol=1e-6)
    assert len(classifier.copy.replaced) == (rule != "gradient")


@pytest.mark.parametrize("rule", _GOLDEN)
def test_nothing_passes_at_zero_but_in_the_deconvnet(rule):
    model = keras.Sequential([keras.Input((1, 1, 1)), layers.ReLU(), layers.Flatten()])
    classifier = inspection.InspectedClassifier(model, rule)
    gradients = classifier.gradients(np.zeros((1, 1, 1, 1)), np.zeros(1, np.int32))
    assert gradients.item() == (rule == "deconvnet")


def test_rules_coincide_where_all_is_positive():
    keras.utils.set_random_seed(1)
    images = keras.Input((6, 6, 1))
    x = layers.Conv2D(4, 3, activation="relu", kernel_constraint="non_neg")(images)
    x = layers.MaxPooling2D()(x)
    model = keras.Model(images, layers.Dense(2)(layers.Flatten()(x)))
    model.set_weights([np.abs(w) for w in model.get_weights()])
    values = np.random.default_rng(0).uniform(0.1, 1, (2, 6, 6, 1))
    first, *others = (
        inspection.InspectedClassifier(model, rule).gradients(
            values, np.array([0, 1], np.int32)
        )
        for rule in inspection.RULES
    )
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-6)


def test_deconvnet_has_one_switch_in_each_window():
    """1x1 convolution by 2, ReLU, 2x2 pooling; the largest value of a window is hit."""
    images = keras.Input((4, 4, 1))
    x = layers.Conv2D(1, 1, use_bias=False, activation="relu")(images)
    x = layers.MaxPooling2D(name="pool")(x)
    model = keras.Model(images, layers.Dense(1)(layers.Flatten()(x)))
    weights = model.get_weights()
    model.set_weights([np.full((1, 1, 1, 1), 2.0), np.ones((4, 1)), weights[2]])
    values = np.random.default_rng(0).permutation(16).reshape(1, 4, 4, 1) + 1.0
    gradients = inspection.InspectedClassifier(model, "deconvnet").gradients(
        values, np.zeros(1, np.int32)
    )
    windows = gradients.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    largest = values.reshape(2, 2, 2, 2).transpose(0, 2, 1, 3).reshape(4, 4)
    np.testing.assert_array_equal((windows != 0).sum(axis=1), 1)
    np.testing.assert_array_equal(windows.argmax(axis=1), largest.argmax(axis=1))
    assert set(gradients.ravel()) == {0, 2}


def _nested(shared=False):
    """A classifier around a base that holds a base; perhaps used twice."""
    inner = keras.Sequential(
        [
            keras.Input((None, None, 4)),
            layers.Conv2D(4, 3, activation="relu", name="c"),
        ],
        name="inner",
    )
    base_images = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 1, name="a")(base_images)
    base = keras.Model(base_images, inner(layers.ReLU(name="b")(x)), name="base")
    images = keras.Input((8, 8, 3))
    maps = base(images)
    if shared:
        maps = layers.Add(name="sum")([maps, base(-images)])
    x = layers.GlobalAveragePooling2D()(maps)
    head = keras.Sequential([layers.Dense(3, activation="softmax", name="p")], name="h")
    return keras.Model(images, head(x), name="outer")


@pytest.fixture
def images():
    return np.random.default_rng(0).normal(size=(3, 8, 8, 3)).astype(np.float32)


@pytest.mark.parametrize("shared", [False, True])
def test_nested_and_shared_layers_are_reached(images, shared):
    model = _nested(shared)
    classifier = inspection.InspectedClassifier(model, "guided")
    assert classifier.copy.removed == "h/p"
    assert set(classifier.copy.replaced) == {"base/b", "base/inner/c"}
    np.testing.assert_allclose(
        classifier.probabilities(images), model.predict(images, verbose=0), atol=1e-6
    )
    classes = classifier.classes_of(images)
    maps, gradients = classifier.map_gradients(images, classes, "base/inner/c")
    assert maps.shape == gradients.shape == (3, 6, 6, 4)
    kernel = model.layers[-1].get_weights()[0]
    expected = kernel.T[classes][:, None, None] / 36
    np.testing.assert_allclose(gradients, expected + 0 * gradients, atol=1e-6)
    base = classifier.map_gradients(images, classes, "base")[0]
    np.testing.assert_array_equal(base, maps)
    if shared:
        first, second = (classifier.output_at("base", use) for use in (0, 1))
        uses = keras.Model(classifier.model.inputs, [first, second])(images)
        np.testing.assert_allclose(uses[0], model.get_layer("base")(images), atol=1e-6)
        np.testing.assert_allclose(uses[1], model.get_layer("base")(-images), atol=1e-6)
        with pytest.raises(ValueError, match="'base' is used 2 times; there is no 2"):
            classifier.output_at("base", 2)


def _state(model):
    """What an inspection must leave alone."""
    found = [layer for layer in model.submodules if isinstance(layer, layers.Layer)]
    return [
        (id(x), len(x.inbound_nodes), id(getattr(x, "activation", None))) for x in found
    ]


@pytest.mark.parametrize("rule", inspection.RULES)
def test_the_model_stays_as_it_is(images, rule):
    model = _nested(shared=True)
    before, state = model.predict(images, verbose=0), _state(model)
    weights = model.get_weights()
    traced = tf.function(model)
    first = traced(images)
    classifier = inspection.InspectedClassifier(model, rule)
    classifier.gradients(images, classifier.classes_of(images))
    np.testing.assert_array_equal(model.predict(images, verbose=0), before)
    np.testing.assert_array_equal(traced(images), first)
    assert _state(model) == state
    for one, other in zip(model.get_weights(), weights):
        np.testing.assert_array_equal(one, other)


def test_training_goes_on_with_plain_gradients(images):
    """Rules hold in the copy alone: there is no registry that others would find."""
    model, x = _golden_network(), tf.constant(_X, tf.float32)
    inspection.guided_copy(model)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = model(x)
    np.testing.assert_allclose(tf.reshape(tape.gradient(y, x), -1), (4, -2), atol=1e-6)


def _swish(x):
    return x * tf.sigmoid(x)


def test_functions_that_keras_does_not_know(images):
    scale = 3.0
    inputs = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, activation=_swish, name="swish")(inputs)
    x = layers.Lambda(lambda y: tf.nn.relu(y) * scale, name="unseen")(x)
    x = layers.Conv2D(4, 3, activation=lambda y: tf.nn.relu(y), name="lambda")(x)
    x = layers.ELU(name="elu")(tf.nn.leaky_relu(x, alpha=0.3))
    x = layers.Flatten()(tf.reshape(x, [-1, 4, 4, 4]) * 2 + 1)
    model = keras.Model(inputs, tf.nn.softmax(layers.Dense(3)(x)))
    classifier = inspection.InspectedClassifier(model, "guided")
    np.testing.assert_allclose(
        classifier.probabilities(images), model(images), atol=1e-6
    )
    assert set(classifier.copy.kept) == {"swish", "unseen", "lambda", "elu"}
    assert len(classifier.copy.replaced) == 1
    assert "leaky_relu" in classifier.copy.replaced[0]
    assert "softmax" in classifier.copy.removed


@pytest.mark.parametrize("activation", ["elu", "swish", "tanh", _swish])
def test_networks_without_relu_are_refused(activation):
    inputs = keras.Input((8, 8, 3))
    x = layers.Flatten()(layers.Conv2D(4, 3, activation=activation, name="c")(inputs))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x), name="smooth")
    message = r"nothing was replaced: smooth has no ReLU.*\(other activations: c\)"
    for rule in ("guided", "deconvnet"):
        with pytest.raises(ValueError, match=message):
            inspection.InspectedClassifier(model, rule)


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        (layers.Dense(3, activation="sigmoid"), tf.nn.sigmoid),
        (layers.Dense(3, activation=layers.Softmax()), tf.nn.softmax),
    ],
)
def test_probabilities_are_the_models(images, end, expected):
    """Also where a cast, or another identity, stands behind."""
    inputs = keras.Input(images.shape[1:])
    logits = end(layers.Flatten()(layers.ReLU()(inputs)))
    outputs = layers.Activation("linear", dtype="float32")(logits)
    model = keras.Model(inputs, outputs)
    classifier = inspection.InspectedClassifier(model)
    np.testing.assert_allclose(classifier.probabilities(images), model(images), 1e-5)
    scores = classifier.scores(images)
    np.testing.assert_allclose(expected(scores), model(images), 1e-5)


class _NoConfig(layers.Layer):
    def __init__(self, factor):
        super().__init__(name="factor")
        self.factor = factor

    def call(self, x):
        return self.factor * x


def test_layers_without_a_name_among_their_arguments_are_copied():
    inputs = keras.Input((4, 4, 1))
    copy = inspection.ruled_copy(keras.Model(inputs, _NoConfig(2)(inputs)), "gradient")
    np.testing.assert_array_equal(copy.model(np.ones((1, 4, 4, 1))), 2)


def test_what_cannot_be_inspected_is_refused():
    inputs = keras.Input((4, 4, 1))
    with pytest.raises(ValueError, match="'factor' of _NoConfig cannot be copied"):
        inspection.ruled_copy(
            keras.Model(inputs, _NoConfig(np.ones(1))(inputs)), "gradient"
        )
    with pytest.raises(ValueError, match="rule must be 'gradient' or 'guided'"):
        inspection.ruled_copy(keras.Model(inputs, layers.ReLU()(inputs)), "lrp")
    with pytest.raises(ValueError, match="a classifier gives"):
        inspection.InspectedClassifier(keras.Model(inputs, layers.ReLU()(inputs)))
    whole = keras.Input((4, 4, 1), dtype="uint8")
    x = layers.Dense(2)(layers.Flatten()(layers.Rescaling(1 / 255)(whole)))
    with pytest.raises(ValueError, match="images of uint8, which have no gradient"):
        inspection.InspectedClassifier(keras.Model(whole, x))
    two = keras.Model([inputs, keras.Input((2,))], layers.Flatten()(inputs))
    with pytest.raises(ValueError, match="has 2 inputs, not one"):
        inspection.InspectedClassifier(two)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda c, x: c.scores(x[0]), r"images must be \(count, 8, 8, 3\)"),
        (lambda c, x: c.scores(x[:0]), "images must be"),
        (lambda c, x: c.classes_of(x, 3), "class 3 does not exist: there are 3"),
        (lambda c, x: c.classes_of(x, [0, 1]), "2 classes are given for 3 images"),
        (lambda c, x: c.output_at("d"), "no layer 'd'; maps have base/a"),
        (lambda c, x: c.map_gradients(x, c.classes_of(x), "h/p"), "gives no maps"),
    ],
)
def test_bad_arguments_are_quoted(images, call, message):
    with pytest.raises(ValueError, match=message):
        call(inspection.InspectedClassifier(_nested()), images)


def test_a_batch_is_its_images_one_by_one(images):
    inputs = keras.Input((8, 8, 3))
    x = layers.BatchNormalization()(layers.Conv2D(4, 3)(inputs))
    x = layers.Dropout(0.5)(layers.Flatten()(layers.ReLU()(x)))
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    classifier = inspection.InspectedClassifier(model, batch_size=2)
    classes = np.array([0, 1, 2], np.int32)
    together = classifier.gradients(images, classes)
    for i in range(3):
        alone = classifier.gradients(images[i : i + 1], classes[i : i + 1])
        np.testing.assert_allclose(together[i], alone[0], atol=1e-6)


def test_equal_maxima():
    """Pooling sends the gradient to the first one; a map's response shares it."""
    images = keras.Input((2, 2, 1))
    pooled = layers.Flatten()(layers.MaxPooling2D()(images))
    value = np.ones((1, 2, 2, 1), np.float32)
    classifier = inspection.InspectedClassifier(keras.Model(images, pooled))
    first = classifier.gradients(value, np.zeros(1, np.int32))
    np.testing.assert_array_equal(first.ravel(), [1, 0, 0, 0])
    model = keras.Model(images, layers.Activation("linear", name="map")(images))
    shared = inspection.unit_gradients(model, value, "map", [0])
    np.testing.assert_array_equal(shared.ravel(), np.full(4, 0.25))


def test_rescaling_within_the_model_keeps_the_order(images):
    """It scales the gradients, and so maps are compared by rank."""
    plain = _nested()
    inputs = keras.Input((8, 8, 3))
    scaled = keras.Model(inputs, plain(layers.Rescaling(1 / 255)(inputs)))
    one, other = (
        inspection.class_gradients(model, values, 1)
        for model, values in ((plain, images), (scaled, 255 * images))
    )
    np.testing.assert_allclose(other * 255, one, atol=1e-4 * np.abs(one).max())
    found = inspection.map_similarity(one.sum(axis=-1), other.sum(axis=-1))
    assert found.signed > 0.999 and found.absolute > 0.999


def test_logits_where_probabilities_are_sure(images):
    """After softmax the gradient would vanish."""
    model = _nested()
    model.layers[-1].set_weights([w * 1e4 for w in model.layers[-1].get_weights()])
    assert model.predict(images, verbose=0).max(axis=1).min() > 0.999
    classifier = inspection.InspectedClassifier(model)
    gradients = classifier.gradients(images, classifier.classes_of(images))
    assert np.abs(gradients).max(axis=(1, 2, 3)).min() > 1


def test_mixed_precision_gives_float32(images):
    plain = inspection.InspectedClassifier(_nested(), "guided")
    keras.mixed_precision.set_global_policy("mixed_float16")
    mixed_model = _nested()
    keras.mixed_precision.set_global_policy("float32")
    mixed_model.set_weights(plain.model.get_weights())
    mixed = inspection.InspectedClassifier(mixed_model, "guided")
    classes = plain.classes_of(images)
    assert mixed.scores(images).dtype == np.float32
    found, expected = (c.gradients(images, classes) for c in (mixed, plain))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.01 * np.abs(expected).max())


@pytest.mark.parametrize("rule", ["guided", "deconvnet"])
def test_rules_compile_by_xla(images, rule):
    classifier = inspection.InspectedClassifier(_nested(), rule)

    @tf.function(jit_compile=True)
    def gradient(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            score = tf.reduce_sum(classifier.model(x, training=False)[:, 0])
        return tape.gradient(score, x)

    plain = classifier.gradients(images, np.zeros(3, np.int32))
    np.testing.assert_allclose(gradient(tf.constant(images)), plain, atol=1e-6)


slow = pytest.mark.slow
# The smallest network of each family; the first of these are in the short run.
_FAMILIES = {
    "all_cnn": {"filters": (4, 6)},
    "bn_inception": {"depth_multiplier": 0.1},
    "densenet": {"blocks": (1, 1), "growth_rate": 4, "initial_filters": 4},
    "dpn": {"units": (1, 1, 1, 1), "filters": 32, "groups": 2, "width": 8},
    "fractalnet": {"filters": (4, 4), "columns": 2},
    "googlenet": {"depth_multiplier": 0.1},
    "highway": {"widths": (4, 4), "highway_layers": (1, 1)},
    "highway_mnist16": {},
    "inception_resnet": {},
    "inception_v3": {"depth_multiplier": 0.1},
    "maxout_network": {},
    "network_in_network": {},
    "resnet": {"units": (1, 1), "filters": 8, "stem": "small"},
    "rir": {"widths": (4, 4), "units": (1, 1)},
    "shufflenet": {"units": (1, 1, 1), "filters": 48, "groups": 3},
    "small_convnet": {},
    "stochastic_depth_resnet": {"depth": 8},
    "inception_v4": {},
    "vgg16": {},
    "zf": {},
}
_QUICK = ("all_cnn", "densenet", "highway", "network_in_network", "resnet")


@pytest.mark.parametrize(
    "name",
    [
        *_QUICK,
        *(pytest.param(n, marks=slow) for n in _FAMILIES if n not in _QUICK),
    ],
)
def test_every_family_is_copied(name):
    info = applications.model_info(name)
    size = 75 if "inception_" in name else max(info.min_size or 0, 32)
    size = 28 if "mnist" in name else size
    shape = (size, size, info.input_shape[2])
    model = applications.create_model(
        name, input_shape=shape, classes=3, **_FAMILIES[name]
    )
    images = np.random.default_rng(0).normal(size=(2, *shape)).astype(np.float32)
    rule = "gradient" if name == "maxout_network" else "guided"
    classifier = inspection.InspectedClassifier(model, rule)
    outputs = model(images)
    outputs = outputs[0] if isinstance(outputs, (list, tuple)) else outputs
    np.testing.assert_allclose(classifier.probabilities(images), outputs, atol=1e-5)
    assert classifier.copy.removed
    classes = classifier.classes_of(images)
    gradients = classifier.gradients(images, classes)
    assert np.isfinite(gradients).all() and np.abs(gradients).max() > 0
    maps, _ = classifier.map_gradients(images, classes, classifier.last_maps())
    assert maps.shape[0] == 2 and maps.shape[1] * maps.shape[2] > 1


def test_maxout_has_no_relu_to_replace():
    model = applications.create_model("maxout_network", input_shape=(16, 16, 3))
    with pytest.raises(ValueError, match="nothing was replaced"):
        inspection.InspectedClassifier(model, "guided")


def test_a_flat_copy_takes_images_of_any_size(images):
    model = _nested()
    part = keras.Model(model.get_layer("base").inputs, model.get_layer("base").outputs)
    copy = flat_copy(part, open_size=True)
    np.testing.assert_allclose(copy(images), part(images), atol=1e-6)
    assert copy(np.zeros((1, 20, 11, 3), np.float32)).shape == (1, 18, 9, 4)
