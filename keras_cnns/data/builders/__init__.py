"""TFDS builders of the data sets that need no network."""

from keras_cnns.data.builders.digits import Digits
from keras_cnns.data.builders.fashion_mnist_idx import FashionMnistIdx

__all__ = ["Digits", "FashionMnistIdx"]
