"""Options that make no sense are refused by name, before Keras sees them."""

import inspect
import re

import pytest

from keras_cnns import applications
from keras_cnns.applications import _builder

# Of the standard arguments, those that other tests and Keras look after.
OTHERS = set(_builder.STANDARD) - {"include_top", "classes"}


def _options():
    """Each option of each family, with a model that has it."""
    found = {}
    for name in applications.list_models("classification"):
        constructor = applications.model_info(name).constructor
        for option in inspect.signature(constructor).parameters:
            if option not in OTHERS:
                found[constructor.__module__.rpartition(".")[2], option] = name
    return sorted((name, option) for (_, option), name in found.items())


@pytest.mark.parametrize(("name", "option"), _options())
@pytest.mark.parametrize("value", ["nonsense", [], True, float("nan")])
def test_nonsense_is_refused_by_name(name, option, value):
    constructor = applications.model_info(name).constructor
    default = inspect.signature(constructor).parameters[option].default
    if isinstance(value, bool) and isinstance(default, bool):
        value = int(value)
    with pytest.raises(ValueError, match=f"{option}.*{re.escape(repr(value))}"):
        applications.create_model(name, **{option: value})


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("all_cnn_c", "rectified_class_maps", False),
        ("bn_inception", "dropout_rate", 0.3),
        ("dpn", "mean_max_pooling", True),
        ("dpn68", "mean_max_pooling", True),
        ("facenet_inception_resnet_v1", "dropout_rate", 0.3),
        ("googlenet", "aux_heads", True),
        ("googlenet", "dropout_rate", 0.3),
        ("inception_resnet", "embedding_size", 8),
        ("inception_resnet_v2", "aux_heads", True),
        ("inception_resnet_v2", "dropout_rate", 0.3),
        ("inception_v3", "aux_heads", True),
        ("inception_v3_torch", "dropout_rate", 0.3),
        ("inception_v4", "dropout_rate", 0.3),
        ("maxout_network", "units", 8),
        ("network_in_network", "rectified_class_maps", False),
    ],
)
def test_options_of_the_classifier_want_one(name, option, value):
    message = f"{option}={value} has no effect with include_top=False"
    with pytest.raises(ValueError, match=message):
        applications.create_model(name, include_top=False, **{option: value})


def test_defaults_and_the_architecture_are_not_refused():
    applications.AllCNNC(include_top=False, rectified_class_maps=True)
    faces = applications.FaceNetInceptionResNetV1(
        include_top=False, dropout_rate=None, depth_multiplier=0.1
    )
    assert faces.output_shape[-1] > 0
