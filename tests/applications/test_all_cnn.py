"""What is special to All-CNN: four ways to halve a map, and the head's 6x6 maps."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications


def _convolutions(model):
    """(kernel size, filters, stride) of each convolution, in order."""
    return [
        (layer.kernel_size[0], layer.filters, layer.strides[0])
        for layer in model.layers
        if isinstance(layer, keras.layers.Conv2D)
    ]


_HEAD = [(3, 192, 1), (1, 192, 1), (1, 10, 1)]


@pytest.mark.parametrize(
    ("name", "blocks", "pools"),
    [
        ("a_base", [(5, 96, 1), (5, 192, 1)], 2),
        ("b_base", [(5, 96, 1), (1, 96, 1), (5, 192, 1), (1, 192, 1)], 2),
        ("c_base", [(3, 96, 1), (3, 96, 1), (3, 192, 1), (3, 192, 1)], 2),
        ("a_strided", [(5, 96, 2), (5, 192, 2)], 0),
        ("c_strided", [(3, 96, 1), (3, 96, 2), (3, 192, 1), (3, 192, 2)], 0),
        ("b", [(5, 96, 1), (1, 96, 1), (3, 96, 2),
               (5, 192, 1), (1, 192, 1), (3, 192, 2)], 0),
        ("c", [(3, 96, 1)] * 2 + [(3, 96, 2)] + [(3, 192, 1)] * 2 + [(3, 192, 2)], 0),
        ("c_conv_pool", [(3, 96, 1)] * 3 + [(3, 192, 1)] * 3, 2),
    ],
)  # fmt: skip
def test_layers_of_tables_1_and_2(name, blocks, pools):
    model = applications.create_model(f"all_cnn_{name}")
    assert _convolutions(model) == blocks + _HEAD
    kind = keras.layers.MaxPooling2D
    found = [layer for layer in model.layers if isinstance(layer, kind)]
    assert len(found) == pools
    assert all(layer.pool_size == (3, 3) for layer in found)


def test_class_maps_are_6x6_and_with_padding_8x8():
    sizes = [
        applications.AllCNNC(head_padding=padding).get_layer("class_maps").output_shape
        for padding in ("valid", "same")
    ]
    assert sizes == [(None, 6, 6, 10), (None, 8, 8, 10)]


def test_costs_of_the_padded_head():
    """Ports that pad it count 281 million multiply-adds and the same parameters."""
    model = applications.AllCNNC(head_padding="same")
    assert applications.count_macs(model) == pytest.approx(281e6, rel=0.002)
    assert model.count_params() == 1_369_738


def test_parameters_with_100_classes():
    assert applications.AllCNNC(classes=100).count_params() == 1_387_108


@pytest.mark.parametrize("name", applications.list_models(pattern="all_cnn_*"))
def test_dropout_of_input_and_of_each_block(name):
    def rates(**kwargs):
        model = applications.create_model(name, **kwargs)
        kind = keras.layers.Dropout
        return [layer.rate for layer in model.layers if isinstance(layer, kind)]

    assert rates() == [0.2, 0.5, 0.5]
    assert rates(input_dropout_rate=0.0, dropout_rate=0.0) == []


def test_strided_convolution_pads_both_sides():
    model = applications.AllCNN(filters=(1,), base="A", downsampling="strided")
    layer = model.get_layer("block1_1_conv")
    layer.set_weights([np.ones([5, 5, 3, 1]), np.zeros([1])])
    maps = keras.Model(model.input, layer.output)(tf.ones([1, 32, 32, 3]))
    # A corner window has 3 of its 5 rows and columns in the image, of 3 channels.
    assert maps.shape == (1, 16, 16, 1)
    assert float(maps[0, 0, 0, 0]) == 27 and float(maps[0, 5, 5, 0]) == 75


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"base": "D"}, "D"),
        ({"downsampling": "mean"}, "mean"),
        ({"filters": (96, 0)}, "0"),
        ({"head_padding": "full"}, "full"),
        ({"dropout_rate": 1.5}, "1.5"),
        ({"input_dropout_rate": 1.0}, "1.0"),
    ],
)
def test_bad_arguments_are_quoted(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.AllCNN(**arguments)
