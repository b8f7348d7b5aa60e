"""Custom layers, one per file."""

from keras_cnns.layers.adaptive_average_pooling import AdaptiveAveragePooling2D
from keras_cnns.layers.adaptive_max_pooling import AdaptiveMaxPooling2D
from keras_cnns.layers.channel_padding import ChannelPadding
from keras_cnns.layers.channel_shuffle import ChannelShuffle
from keras_cnns.layers.dual_stream_convolution import DualStreamConv2D
from keras_cnns.layers.fractal_drop_path import FractalDropPath
from keras_cnns.layers.fractal_join import FractalJoin
from keras_cnns.layers.grouped_convolution import GroupedConv2D
from keras_cnns.layers.local_response_normalization import LocalResponseNormalization

__all__ = [
    "AdaptiveAveragePooling2D",
    "AdaptiveMaxPooling2D",
    "ChannelPadding",
    "ChannelShuffle",
    "DualStreamConv2D",
    "FractalDropPath",
    "FractalJoin",
    "GroupedConv2D",
    "LocalResponseNormalization",
]
