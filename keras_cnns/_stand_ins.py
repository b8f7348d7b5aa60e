"""What is used of tensorflow-addons, for Pythons that it has no release for.

Arguments, results, weights and names in checkpoints are those of tensorflow-addons
0.23: what was trained with one goes on with the other.
"""

import tensorflow as tf
from tensorflow import keras


class Maxout(keras.layers.Layer):
    """The largest of every group of features.

    Feature ``i`` belongs to group ``i % num_units``.

    Args:
        num_units: number of groups, a divisor of the number of features.
        axis: the axis of features, whose size is known.

    Source: Goodfellow et al., arXiv 1302.4389.

    Raises:
        ValueError: if the features cannot be divided among the groups.
    """

    def __init__(self, num_units, axis=-1, **kwargs):
        super().__init__(**kwargs)
        self.num_units = num_units
        self.axis = axis

    def build(self, input_shape):
        features = input_shape[self.axis]
        if features is None or features % self.num_units:
            raise ValueError(
                f"the number of features {features} is no multiple of "
                f"num_units={self.num_units}"
            )
        super().build(input_shape)

    def call(self, inputs):
        axis = self.axis % inputs.shape.rank
        shape, pieces = tf.shape(inputs), inputs.shape[axis] // self.num_units
        grouped = [shape[:axis], [pieces, self.num_units], shape[axis + 1 :]]
        largest = tf.reduce_max(tf.reshape(inputs, tf.concat(grouped, 0)), axis)
        return tf.ensure_shape(largest, self.compute_output_shape(inputs.shape))

    def compute_output_shape(self, input_shape):
        sizes = tf.TensorShape(input_shape).as_list()
        sizes[self.axis] = self.num_units
        return tf.TensorShape(sizes)

    def get_config(self):
        config = super().get_config()
        return {**config, "num_units": self.num_units, "axis": self.axis}


def cutout(images, mask_size, offset):
    """Sets a square of each image to zero; what lies beyond the border is left out.

    Args:
        images: ``(batch, height, width, channels)``.
        mask_size: height and width of the square, in pixels; even.
        offset: rows and columns of the centres, whole numbers ``(batch, 2)``; the
            square is as long before as from them on.

    Source: DeVries and Taylor, arXiv 1708.04552.
    """
    inside = []
    for axis in (1, 2):
        start = offset[:, axis - 1, tf.newaxis] - mask_size // 2
        place = tf.range(tf.shape(images)[axis])
        inside.append((place >= start) & (place < start + mask_size))
    blank = inside[0][:, :, tf.newaxis] & inside[1][:, tf.newaxis]
    return tf.where(blank[..., tf.newaxis], tf.zeros_like(images), images)


class _MomentOptimizer(keras.optimizers.legacy.Optimizer):
    """Keeps mean and mean square of gradients, as Adam, and decays weights apart.

    Subclasses have ``_direction``, which makes the change before decay of both, once
    they are corrected.

    Args:
        learning_rate: number or schedule.
        beta_1, beta_2: fractions of the old mean and mean square that are kept.
        epsilon: added to the root of the mean square.
        weight_decay: fraction of the weights that is added to their change.
        name: of the optimizer; None: that of its class.
        **kwargs: as every legacy optimizer of Keras takes them.
    """

    # Numbers that tensorflow-addons has in checkpoints, beside those above.
    _further_numbers = {}

    def __init__(
        self,
        learning_rate=0.001,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-7,
        weight_decay=0.0,
        name=None,
        **kwargs,
    ):
        super().__init__(name or type(self).__name__, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("beta_1", beta_1)
        self._set_hyper("beta_2", beta_2)
        self._set_hyper("weight_decay", weight_decay)
        for key, value in self._further_numbers.items():
            self._set_hyper(key, value)
        self.epsilon = epsilon

    def _create_slots(self, var_list):
        for slot in ("m", "v"):
            for variable in var_list:
                self.add_slot(variable, slot)

    def _resource_apply_dense(self, grad, var, apply_state=None):
        dtype = var.dtype.base_dtype
        mean, square = self.get_slot(var, "m"), self.get_slot(var, "v")
        beta_1, beta_2 = (self._get_hyper(key, dtype) for key in ("beta_1", "beta_2"))
        step = tf.cast(self.iterations + 1, dtype)
        mean = mean.assign(beta_1 * mean + (1 - beta_1) * grad)
        square = square.assign(beta_2 * square + (1 - beta_2) * grad**2)
        direction = self._direction(
            mean / (1 - beta_1**step), square / (1 - beta_2**step), step, beta_2
        )
        change = direction + self._get_hyper("weight_decay", dtype) * var
        rate = apply_state[(var.device, dtype)]["lr_t"]
        return var.assign_sub(rate * self._scale(var, change) * change)

    def _scale(self, var, change):
        """Factor of the learning rate."""
        return 1.0

    def get_config(self):
        names = ("learning_rate", "decay", "beta_1", "beta_2", "weight_decay")
        return {
            **super().get_config(),
            **{name: self._serialize_hyperparameter(name) for name in names},
            "epsilon": self.epsilon,
        }


class LAMB(_MomentOptimizer):
    """Adam whose change of a tensor is as long as the tensor, times the rate.

    Source: You et al., arXiv 1904.00962, algorithm 2, with phi the identity; where the
    tensor or its change is zero, the rate is not scaled.
    """

    def _direction(self, mean, square, step, beta_2):
        return mean / (tf.sqrt(square) + self.epsilon)

    def _scale(self, var, change):
        length, step_length = tf.norm(var), tf.norm(change)
        ratio = tf.math.divide_no_nan(length, step_length)
        return tf.where((length > 0) & (step_length > 0), ratio, tf.ones_like(ratio))


class RectifiedAdam(_MomentOptimizer):
    """Adam that corrects the variance of its rates, and has momentum alone at first.

    Source: Liu et al., arXiv 1908.03265, algorithm 2; momentum alone while the
    approximated length of the average is below 5, as the authors' code has it.
    """

    _further_numbers = {
        "sma_threshold": 5.0,
        "total_steps": 0.0,
        "warmup_proportion": 0.1,
        "min_lr": 0.0,
    }

    def _direction(self, mean, square, step, beta_2):
        longest = 2 / (1 - beta_2) - 1
        length = longest - 2 * step * beta_2**step / (1 - beta_2**step)
        variance = (length - 4) * (length - 2) * longest
        variance /= (longest - 4) * (longest - 2) * length
        adapted = tf.sqrt(variance) * mean / (tf.sqrt(square) + self.epsilon)
        threshold = self._get_hyper("sma_threshold", mean.dtype)
        return tf.where(length >= threshold, adapted, mean)


class Lookahead(keras.optimizers.legacy.Optimizer):
    """Every few steps of another optimizer, goes back part of the way.

    Args:
        optimizer: legacy optimizer of Keras.
        sync_period: number of steps.
        slow_step_size: fraction of the way that is kept.
        name, **kwargs: as every legacy optimizer of Keras takes them.

    Source: Zhang et al., arXiv 1907.08610, algorithm 1.
    """

    def __init__(
        self,
        optimizer,
        sync_period=6,
        slow_step_size=0.5,
        name="Lookahead",
        **kwargs,
    ):
        super().__init__(name, **kwargs)
        self._optimizer = optimizer
        self._set_hyper("sync_period", sync_period)
        self._set_hyper("slow_step_size", slow_step_size)
        self._track_trackable(optimizer, "lh_base_optimizer")

    def _create_slots(self, var_list):
        self._optimizer._create_slots(var_list)
        for variable in var_list:
            self.add_slot(variable, "slow", initializer=variable)

    def _create_hypers(self):
        self._optimizer._create_hypers()

    def _prepare(self, var_list):
        return self._optimizer._prepare(var_list)

    def apply_gradients(self, grads_and_vars, name=None, **kwargs):
        self._optimizer._iterations = self.iterations
        return super().apply_gradients(grads_and_vars, name, **kwargs)

    def _resource_apply_dense(self, grad, var, apply_state=None):
        fast = self._optimizer._resource_apply_dense(grad, var, apply_state)
        with tf.control_dependencies([fast]):
            slow, now = self.get_slot(var, "slow"), var.read_value()
        kept = slow + self._get_hyper("slow_step_size", var.dtype) * (now - slow)
        period = self._get_hyper("sync_period", tf.int64)
        is_due = (self.iterations + 1) % period == 0
        return tf.group(
            slow.assign(tf.where(is_due, kept, slow)),
            var.assign(tf.where(is_due, kept, now)),
        )

    @property
    def weights(self):
        return self._weights + self._optimizer.weights

    @property
    def learning_rate(self):
        return self._optimizer.learning_rate

    @learning_rate.setter
    def learning_rate(self, learning_rate):
        self._optimizer.learning_rate = learning_rate

    def get_config(self):
        names = ("sync_period", "slow_step_size")
        return {
            **super().get_config(),
            **{name: self._serialize_hyperparameter(name) for name in names},
            "optimizer": keras.optimizers.serialize(self._optimizer),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        inner = keras.optimizers.deserialize(
            config["optimizer"],
            custom_objects=custom_objects,
            use_legacy_optimizer=True,
        )
        return cls(**{**config, "optimizer": inner})
