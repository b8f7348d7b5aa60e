"""Names that annotations share; no part of the package runs them."""

from collections.abc import Callable, Sequence
from typing import Union

import numpy as np
import tensorflow as tf
from tensorflow import keras

Array = Union[np.ndarray, tf.Tensor]
# From module names of a PyTorch state dict to layer names, or a function to such rules.
NameRules = Union[Sequence[tuple], Callable[[dict], Sequence[tuple]]]
# Those of tensorflow-addons are legacy ones.
Optimizer = Union[keras.optimizers.Optimizer, keras.optimizers.legacy.Optimizer]
Rate = Union[float, keras.optimizers.schedules.LearningRateSchedule]
# Of a tensor, batch first; None for a size that is not known.
Shape = Union[tf.TensorShape, tuple]
