"""What-where auto-encoders: notation, mirrored decoders, what is told of places."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications

NOTATION = "(5)3c-2p-(6)3c-(7)3c-3p-8fc-4fc"


def _parts(**changes):
    arguments = {"notation": NOTATION, "image_shape": (11, 13, 2), **changes}
    network = applications.create_model("swwae_small", **arguments)
    return network, applications.autoencoder_parts(network)


def _images(shape=(3, 11, 13, 2)):
    return tf.random.stateless_uniform(shape, [1, 2])


@pytest.mark.parametrize("unpooling", ["where", "soft", "upsampling"])
def test_the_decoder_mirrors_the_encoder(unpooling):
    """Sides that no pooling divides, several convolutions in a level, a hidden fc."""
    network, parts = _parts(unpooling=unpooling)
    shapes = {name: tuple(x.shape[1:]) for name, x in parts(_images()).items()}
    maps = {"encoded3": (6, 7, 5), "encoded6": (2, 3, 7)}
    expected = {"reconstruction": (11, 13, 2), "logits": (4,), "code": (8,), **maps}
    expected |= {f"decoded{name[-1]}": shape for name, shape in maps.items()}
    if unpooling != "upsampling":
        pair = (2,) if unpooling == "soft" else ()
        expected |= {"where2": (6, 7, 5, *pair), "where5": (2, 3, 7, *pair)}
    assert shapes == expected
    # Kernels and biases of both halves, the hidden layers and the classifier.
    conv = 9 * (2 * 5 + 5 * 6 + 6 * 7)
    biases = (5 + 6 + 7) + (6 + 5 + 2)
    dense = 42 * 8 + 8 + 8 * 42 + 42 + 8 * 4 + 4
    assert network.count_params() == 2 * conv + biases + dense
    layers = [layer.name for layer in network.layers if layer.weights]
    coder = ["conv1", "conv3", "conv4", "fc6"]
    assert layers == [*coder, *(f"de{name}" for name in reversed(coder)), "logits"]


def test_the_last_layer_is_linear_and_the_others_are_rectified():
    _, parts = _parts()
    values = parts(_images())
    assert tf.reduce_min(values["reconstruction"]) < 0
    for name in ("code", "encoded3", "decoded3", "encoded6", "decoded6"):
        assert tf.reduce_min(values[name]) == 0, name


def test_without_a_classifier_the_code_is_what_would_enter_it():
    network, parts = _parts(include_top=False)
    assert network.output_shape == (None, 11, 13, 2)
    assert "logits" not in parts.output and parts.output["code"].shape == (None, 8)
    network, parts = _parts(notation="(5)3c-2p-(6)3c")
    assert parts.output["code"].shape == (None, 6, 7, 6)
    assert len(network.outputs) == 1
    network, parts = _parts(notation="(5)3c-2p-(6)3c-4fc")
    assert parts.output["code"].shape == (None, 6, 7, 6)


def test_soft_places_become_the_exact_ones():
    """With the same weights, as beta grows; biases keep values from tying at 0."""
    hard, _ = _parts()
    hard.set_weights([w + 1 if w.ndim == 1 else w for w in hard.get_weights()])
    images, distances = _images(), []
    expected = hard(images)[0]
    for beta in (1.0, 1e2, 1e4, 1e6):
        soft, _ = _parts(unpooling="soft", beta=beta)
        soft.set_weights(hard.get_weights())
        distances.append(float(tf.reduce_mean(tf.abs(soft(images)[0] - expected))))
    assert distances[-1] < 1e-6 < 1e-2 < distances[0]
    assert distances == sorted(distances, reverse=True)


def test_where_tells_more_than_upsampling():
    """Only with places the decoder can tell apart images that pool alike."""
    images = np.zeros((2, 8, 8, 1), np.float32)
    images[0, 2, 2], images[1, 3, 5] = 1, 1
    for unpooling, differs in (("where", True), ("upsampling", False)):
        network = applications.create_model(
            "swwae_probe", notation="(3)1c-8p", image_shape=(8, 8, 1),
            unpooling=unpooling,
        )  # fmt: skip
        conv, _, deconv, _ = network.get_weights()
        ones = [np.ones_like(conv), np.zeros(3), np.ones_like(deconv), np.zeros(1)]
        network.set_weights(ones)
        made = network(images).numpy()
        assert (made[0] != made[1]).any() == differs
        if differs:  # the three maps add up
            np.testing.assert_array_equal(made, 3 * images)


def test_normalisation_is_of_all_maps_but_the_last():
    network, _ = _parts(batch_norm=True)
    norms = [
        layer.name
        for layer in network.layers
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    names = ["conv1", "conv3", "conv4", "deconv4", "deconv3"]
    assert norms == [f"{name}_bn" for name in names]
    assert network.get_layer("conv1").use_bias is False
    assert network.get_layer("deconv1").use_bias is True


def test_dropout_is_of_what_enters_dense_layers():
    network, _ = _parts(dropout_rate=0.4)
    rates = {x.name: x.rate for x in network.layers if hasattr(x, "rate")}
    assert rates == {"fc6_dropout": 0.4, "dropout": 0.4}


def test_only_such_networks_have_these_parts():
    network = applications.create_model("deduplication_autoencoder")
    with pytest.raises(ValueError, match="deduplication_autoencoder is no what-where"):
        applications.autoencoder_parts(network)


@pytest.mark.parametrize(
    ("notation", "message"),
    [
        ("(64)5c-2q-10fc", "'(64)5c-2q-10fc': token 2, '2q', must be a convolution"),
        ("(64)5c--10fc", "token 2, '', must be a convolution such as (64)5c, a"),
        ("64c5-2p", "token 1, '64c5', must be"),
        ("(0)5c", "token 1, '(0)5c', must be"),
        ("(64)5c-0p", "token 2, '0p', must be"),
        ("(64)5c -2p", "token 1, '(64)5c ', must be"),
        ("(64)5c-123456fc", "token 2, '123456fc', must be"),
        ("", "token 1, '', must be"),
        ("2p-(64)5c", "token 1, '2p', must be a convolution such as (64)5c, for it is"),
        ("10fc", "token 1, '10fc', must be a convolution"),
        ("(4)3c-9fc-2p", "token 3, '2p', must be a dense layer such as 10fc, for it"),
        (["(64)5c"], "notation must be a text, got ['(64)5c']"),
    ],
)
def test_bad_notation_is_refused(notation, message):
    with pytest.raises(ValueError) as refused:
        applications.create_model("swwae_mnist", notation=notation)
    assert message in str(refused.value) and "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"unpooling": "nearest"}, "unpooling.*'upsampling', got 'nearest'"),
        ({"beta": 3.0}, "beta=3.0 has no effect with unpooling='where'"),
        ({"beta": -1.0, "unpooling": "soft"}, r"beta.*got -1"),
        ({"dropout_rate": 1.0}, "dropout_rate.*got 1.0"),
        ({"dropout_rate": 0.5, "include_top": False}, "dropout_rate=0.5 has no effect"),
        ({"include_top": "no"}, "include_top.*got 'no'"),
        ({"image_shape": (None, 28, 1)}, "image_shape.*None"),
    ],
)
def test_bad_arguments_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        applications.create_model("swwae_mnist", **changes)
