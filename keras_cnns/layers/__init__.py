"""Custom layers, one per file."""

from keras_cnns.layers.channel_padding import ChannelPadding

__all__ = ["ChannelPadding"]
