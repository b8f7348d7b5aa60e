"""Making trained networks smaller: new networks of fewer weights."""

from keras_cnns.compression.truncated_svd import truncate_dense

__all__ = ["truncate_dense"]
