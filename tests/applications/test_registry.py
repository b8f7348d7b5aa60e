"""Look-up by name, and features by stage."""

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import applications
from keras_cnns.applications.frame import registry


def test_list_filters_by_pattern_and_task():
    names = applications.list_models("classification", "cifar_resnet*")
    assert names[0] == "cifar_resnet110" and len(names) == 10
    assert applications.list_models(pattern="nothing*") == []
    with pytest.raises(ValueError, match="'painting'"):
        applications.list_models("painting")


def test_unknown_name_suggests_near_ones():
    with pytest.raises(ValueError, match="'densenet12'.*densenet121"):
        applications.create_model("densenet12")


def test_a_name_can_be_taken_once():
    with pytest.raises(ValueError, match="'densenet121' is registered already"):
        registry.register(
            applications.DenseNet, "Again", architecture={}, name="densenet121"
        )


def test_features_are_the_maps_of_the_stages():
    model = applications.ResNet18(input_shape=(64, 64, 3), classes=5)
    features = applications.extract_features(model, levels=[0, 2, -1])
    image = tf.random.stateless_normal([1, 64, 64, 3], seed=[1, 2])
    maps = features(image)
    assert [m.shape[1] for m in maps] == [32, 8, 2]
    pooled = tf.reduce_mean(maps[-1], [1, 2])
    logits = model.get_layer("predictions")(pooled)
    np.testing.assert_allclose(logits, model(image), rtol=1e-4, atol=1e-6)
    with pytest.raises(ValueError, match="level 5"):
        applications.extract_features(model, levels=[5])


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"dropout_rate": 1.0}, "1.0"),
        ({"compression": 0.0}, "0.0"),
        ({"compression": 0.01, "growth_rate": 2}, "0.01 leaves none of"),
        ({"growth_rate": 0}, "growth_rate.*0"),
        ({"growth_rate": 12.5}, "growth_rate.*12.5"),
        ({"initial_filters": -1}, "initial_filters.*-1"),
        ({"blocks": ()}, r"\(\)"),
        ({"blocks": 6}, "6"),
        ({"blocks": (2.0, 2)}, "2.0"),
        ({"blocks": (1,) * 5, "stem": "small", "input_shape": (15, 15, 3)}, "16"),
        ({"stem": "large"}, "large"),
        ({"stem_strides": 3, "stem": "small"}, "3"),
        ({"stem_strides": 2}, "stem_strides=2"),
    ],
)
def test_bad_densenet_arguments(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.DenseNet(**{"blocks": (2, 2), **arguments})


@pytest.mark.parametrize(
    ("arguments", "quoted"),
    [
        ({"block": "wide"}, "wide"),
        ({"shortcut": "none"}, "none"),
        ({"filters": 0}, "filters.*0"),
        ({"filters": 16.0}, "filters.*16.0"),
        ({"units": (0, 1)}, r"\(0, 1\)"),
        ({"stem": "large"}, "large"),
    ],
)
def test_bad_resnet_arguments(arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        applications.ResNet(**{"units": (1, 1), **arguments})


def test_dropout_follows_every_convolution_but_the_first(only_shapes):
    model = applications.CifarDenseNetBC40K12(dropout_rate=0.2)
    convolutions = [x.name for x in model.layers if "conv" in type(x).__name__.lower()]
    dropouts = [x.name for x in model.layers if type(x).__name__ == "Dropout"]
    assert sorted(dropouts) == sorted(f"{n}_dropout" for n in convolutions[1:])


def test_biases_are_all_that_keras_resnets_have_more_than_the_paper(only_shapes):
    model = applications.ResNet50()
    biases = sum(int(np.prod(w.shape)) for w in model.weights if "bias" in w.name)
    assert applications.model_info("resnet50").params - (biases - 1000) == 25_557_032


def test_stage_ends_of_a_general_builder_are_the_callers(only_shapes):
    model = applications.ResNet(units=(1, 1), block="basic", stem="small")
    with pytest.raises(ValueError, match="resnet comes from a general builder"):
        applications.extract_features(model, levels=[0])
    ends = ("conv2_block1_out", "conv3_block1_out")
    maps = applications.extract_features(model, levels=[-1], stage_ends=ends)
    assert maps.output_shape == (None, 16, 16, 128)


def test_costs_need_a_size(only_shapes):
    model = applications.CifarResNet20(include_top=False)
    with pytest.raises(ValueError, match="cifar_resnet20 takes inputs of any size"):
        applications.count_macs(model)
