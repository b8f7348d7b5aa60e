"""Functional-API builders: ``keras_cnns.applications.DenseNet121()`` and its kin."""

from keras_cnns.applications._registry import (
    ModelInfo,
    create_model,
    extract_features,
    list_models,
    model_info,
)
from keras_cnns.applications.classification.densenet import *  # noqa: F403
from keras_cnns.applications.classification.densenet import __all__ as _densenet
from keras_cnns.applications.classification.resnet import *  # noqa: F403
from keras_cnns.applications.classification.resnet import __all__ as _resnet

__all__ = [
    "ModelInfo",
    "create_model",
    "extract_features",
    "list_models",
    "model_info",
    *_densenet,
    *_resnet,
]
