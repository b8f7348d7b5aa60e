"""Names that annotations share; no part of the package runs them."""

from typing import Union

import numpy as np
import tensorflow as tf

Array = Union[np.ndarray, tf.Tensor]
# Of a tensor, batch first; None for a size that is not known.
Shape = Union[tf.TensorShape, tuple]
