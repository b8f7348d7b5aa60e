"""TFDS builders of the data sets that TFDS does not have; most need no network."""

from keras_cnns.data.builders.benchmark_pictures import BenchmarkPictures
from keras_cnns.data.builders.digits import Digits
from keras_cnns.data.builders.distorted_digits import DistortedDigits
from keras_cnns.data.builders.fashion_mnist_idx import FashionMnistIdx
from keras_cnns.data.builders.photographs import Photographs
from keras_cnns.data.builders.rendered_digits import RenderedDigits
from keras_cnns.data.builders.scenes import Scenes

__all__ = [
    "BenchmarkPictures",
    "Digits",
    "DistortedDigits",
    "FashionMnistIdx",
    "Photographs",
    "RenderedDigits",
    "Scenes",
]
