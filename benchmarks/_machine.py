"""What the machine can do, beside what networks reach."""

import statistics
import time

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip


def matrix_product_gflops() -> float:
    """GFLOP/s of a product of two matrices, which bounds what a network can reach."""
    side, spent = 3072, []
    matrix = tf.random.normal([side, side])
    product = tf.function(lambda x: tf.matmul(x, x))
    for _ in range(14):
        started = time.perf_counter()
        product(matrix).numpy()
        spent.append(time.perf_counter() - started)
    return 2e-9 * side**3 / statistics.median(spent[2:])  # the first ones trace
