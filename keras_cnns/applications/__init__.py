"""Functional-API builders: ``keras_cnns.applications.DenseNet121()`` and its kin."""

from keras_cnns.applications._costs import count_macs
from keras_cnns.applications._registry import (
    ModelInfo,
    create_model,
    extract_features,
    list_models,
    model_info,
)
from keras_cnns.applications._weights import load as load_weights
from keras_cnns.applications._weights import save as save_weights
from keras_cnns.applications.classification.densenet import *
from keras_cnns.applications.classification.resnet import *
