"""Fully connected highway networks, deep and narrow, and their plain twins.

Srivastava, Greff, Schmidhuber, "Highway Networks", arXiv 1505.00387, and "Training Very
Deep Networks", arXiv 1507.06228, the study of optimisation on MNIST: a plain layer from
784 to 50 units, then 9, 19, 49 or 99 highway layers (``highway``). There is no dropout
and no normalisation. Deviations: the kernels' distributions and the default gate bias
are ours, since the papers search them for every depth (the bias in [-10, -1]).
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count, check_flag
from keras_cnns.applications.classification.highway import carry, check_gate_bias
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import SMALL_IMAGES, classifier
from keras_cnns.applications.frame.registry import register

# depth: params with 10 classes, which are 39,250 for the first layer, 5,100 for every
# highway layer and 510 for the classifier.
_PARAMS = {10: 85_660, 20: 136_660, 50: 289_660, 100: 544_660}
_DEFAULT_SHAPE = (28, 28, 1)


def _highway_dense(x, activation, gate_bias, name):
    """Fully connected highway layer of the input's width."""
    units = x.shape[-1]
    transformed = layers.Dense(
        units,
        activation=activation,
        kernel_initializer=_dense_initializer(activation),
        name=f"{name}_transform",
    )(x)
    gate = layers.Dense(
        units,
        activation="sigmoid",
        kernel_initializer="glorot_uniform",
        bias_initializer=keras.initializers.Constant(gate_bias),
        name=f"{name}_gate",
    )(x)
    return carry(x, transformed, gate, name)


def _dense_initializer(activation):
    return "he_normal" if activation == "relu" else "glorot_uniform"


def _plain_units(units):
    """Width of the plain layer that has about as many parameters: 71 for 50 units."""
    return round(((1 + 8 * (units * units + units)) ** 0.5 - 1) / 2)


@classification_builder
def _highway_fc(
    depth=10,
    units=50,
    *,
    transform_gate_bias=None,
    activation="relu",
    plain=False,
):
    """General builder of fully connected highway networks.

    Args:
        depth: number of hidden layers; the first is plain, the others are highway
            layers.
        units: width of the hidden layers.
        transform_gate_bias: value at which the gates' biases start, at most 0; the
            paper searches in [-10, -1]. None is -4, a choice of ours.
        activation: of what the gates let through, ``"relu"`` or ``"tanh"``.
        plain: whether to build the plain twin: as many ordinary layers, widened so that
            each has about the parameters of a highway layer (71 instead of 50 units).
    """
    check_count("depth", depth)
    check_count("units", units)
    check_choice("activation", activation, ("relu", "tanh"))
    check_flag("plain", plain)
    if plain and transform_gate_bias is not None:
        raise ValueError(
            f"transform_gate_bias={transform_gate_bias!r} has no effect with "
            "plain=True, which has no gates; leave it out"
        )
    gate_bias = -4.0 if transform_gate_bias is None else transform_gate_bias
    check_gate_bias(gate_bias)
    width = _plain_units(units) if plain else units

    def plain_layer(x, index):
        return layers.Dense(
            width,
            activation=activation,
            kernel_initializer=_dense_initializer(activation),
            name=f"layer{index}_plain",
        )(x)

    def features(x):
        x = layers.Flatten(name="flatten")(x)
        x = plain_layer(x, 1)
        for index in range(2, depth + 1):
            if plain:
                x = plain_layer(x, index)
            else:
                x = _highway_dense(x, activation, gate_bias, f"layer{index}")
        return x

    return Design(
        features,
        default_shape=_DEFAULT_SHAPE,
        min_size=1,
        head=classifier,
        fixed_size=True,
    )


def _variant(function_name, name, depth, architecture=None):
    return register(
        _highway_fc,
        function_name,
        architecture=architecture,
        name=name,
        paper=f"Highway networks, arXiv 1505.00387, {depth} fully connected layers",
        params=_PARAMS[depth],
        min_size=1,
        traits=("vector_features", "fixed_size", "fixed_features"),
        **{**SMALL_IMAGES, "input_shape": _DEFAULT_SHAPE},
    )


HighwayFC10 = _variant("HighwayFC10", "highway_fc10", 10, {})
HighwayFC20 = _variant("HighwayFC20", "highway_fc20", 20, {"depth": 20})
HighwayFC50 = _variant("HighwayFC50", "highway_fc50", 50, {"depth": 50})
HighwayFC100 = _variant("HighwayFC100", "highway_fc100", 100, {"depth": 100})
HighwayFC = _variant("HighwayFC", "highway_fc", 10)

__all__ = ["HighwayFC", *(f"HighwayFC{depth}" for depth in _PARAMS)]
