"""Settings of the training process."""

import tensorflow as tf
from absl import logging
from tensorflow import keras


def make_deterministic() -> None:
    """Makes operations bit-exact across runs; call before anything else.

    One operation at a time: oneDNN sums over as many threads as are free, so that two
    that overlap (both passes of a critic, for example) round differently from run to
    run, in spite of TensorFlow's own switch.
    """
    tf.config.experimental.enable_op_determinism()
    try:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logging.warning(
            "TensorFlow runs already, so that operations may overlap: results may "
            "differ in the last bits"
        )


def set_up(seed: int, mixed_precision: str = "") -> None:
    """Sets seeds, resumable random generators, and the precision of layers.

    Args:
        seed: of all random numbers without their own seed.
        mixed_precision: ``"float16"``, ``"bfloat16"``, or empty for float32.
    """
    keras.utils.set_random_seed(seed)
    keras.backend.experimental.enable_tf_random_generator()
    keras.mixed_precision.set_global_policy(
        f"mixed_{mixed_precision}" if mixed_precision else "float32"
    )
