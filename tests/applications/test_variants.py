"""Every classifier as it is built by default, against its row."""

import inspect

import pytest

from keras_cnns import applications
from keras_cnns.applications.frame import catalogue

STANDARD = [
    "include_top",
    "weights",
    "input_tensor",
    "input_shape",
    "pooling",
    "classes",
    "classifier_activation",
    "name",
]
# Trainable parameters and statistics together, as keras.applications counts them.
TOTALS = {
    "bn_inception": 11_315_272,  # two statistics for each of 10,016 channels
    "densenet121": 8_062_504,
    "densenet169": 14_307_880,
    "densenet201": 20_242_984,
    "densenet264": 33_736_232,
    "inception_resnet_v2": 55_873_736,
    "inception_v3": 23_851_784,
    "resnet50": 25_636_712,
    "resnet101": 44_707_176,
    "resnet152": 60_419_944,
}
# With 100 classes, counted from the paper's layers; its table 2 gives them in millions.
HUNDRED_CLASSES = {
    "all_cnn_c": 1_387_108,
    "cifar_densenet40_k12": 1_060_132,
    "cifar_densenet100_k12": 7_084_852,
    "cifar_densenet100_k24": 27_457_972,
    "cifar_densenet_bc100_k12": 800_032,
    "cifar_densenet_bc250_k24": 15_480_556,
    "cifar_densenet_bc190_k40": 25_821_620,
    "network_in_network": 984_356,
}


# General builders, which by default build what other rows do.
TWINS = ("densenet", "dpn", "inception_resnet")
# The deepest networks take most of the time, some up to ten seconds; their kin, of the
# same code and table, are in every test run.
DEEPEST = (
    "cifar_densenet100_k12",
    "cifar_densenet100_k24",
    "cifar_densenet_bc100_k12",
    "cifar_densenet_bc190_k40",
    "cifar_densenet_bc250_k24",
    "cifar_resnet110",
    "cifar_resnet110b",
    "densenet161",
    "densenet169",
    "densenet201",
    "densenet232_k48",
    "densenet264",
    "densenet264_k48",
    "dpn68b",
    "dpn92",
    "dpn98",
    "dpn107",
    "dpn131",
    "highway_fc100",
    "inception_resnet_v2_torch",
    "resnet101",
    "resnet101_v1_5",
    "resnet152",
    "resnet152_v1_5",
    "stochastic_depth_resnet110",
    "stochastic_depth_resnet152",
)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in DEEPEST + TWINS else name
        for name in applications.list_models("classification")
    ],
)
def test_variant(name, check_row, only_shapes):
    """Parameters and multiply-adds as published, default shapes, stage ends."""
    info = applications.model_info(name)
    model = applications.create_model(name)
    check_row(model, relative_macs=0.01)
    assert model.count_params() == TOTALS.get(name, model.count_params())
    if name in HUNDRED_CLASSES:
        kernel, bias = model.get_layer("predictions").get_weights()
        more = 90 * (kernel.shape[-2] + 1)
        assert kernel.shape[-1] == len(bias) == 10
        assert info.params + more == HUNDRED_CLASSES[name]
    assert model.name == name
    assert model.input_shape == (None, *info.input_shape)
    assert model.output_shape == (None, info.classes)
    sizes = [model.get_layer(end).output_shape[1] for end in info.stage_ends]
    assert sizes == sorted(set(sizes), reverse=True)


def test_catalogue_has_the_models_and_no_others(model_table):
    assert model_table.startswith(catalogue.HEADER)
    rows = model_table.removeprefix(catalogue.HEADER).splitlines()
    names = [row.split("`")[1] for row in rows]
    assert names == applications.list_models()


@pytest.mark.parametrize("name", applications.list_models("classification"))
def test_signature_is_that_of_keras_applications(name):
    constructor = applications.model_info(name).constructor
    parameters = inspect.signature(constructor).parameters
    assert set(STANDARD) <= set(parameters)
    assert constructor.__doc__.startswith(f"Builds {constructor.__name__}")
    assert getattr(applications, constructor.__name__) is constructor
    assert parameters["name"].default == name
    assert parameters["classes"].default == applications.model_info(name).classes
    if list(parameters)[0] != "include_top":
        return  # a general builder, which takes the architecture first
    assert list(parameters)[: len(STANDARD)] == STANDARD
