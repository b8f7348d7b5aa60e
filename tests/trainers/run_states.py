"""What the checkpoints of a run hold."""

import numpy as np
import tensorflow as tf

from keras_cnns import runs


def check_equal_states(first, second, step) -> list:
    """Compares checkpoints of two runs bit by bit, and returns the names of values."""
    expected, actual = state_of(first, step), state_of(second, step)
    assert set(expected) == set(actual)
    for name, value in expected.items():
        np.testing.assert_array_equal(value, actual[name], err_msg=name)
    return sorted(expected)


def state_of(run_dir, step=None):
    """Every value of a checkpoint by name.

    Args:
        run_dir: ``pathlib.Path`` of the run's folder.
        step: of the checkpoint; None: the newest.
    """
    if step is None:
        step = runs.list_steps(str(run_dir / "checkpoints"))[-1]
    path = run_dir / "checkpoints" / f"step_{step:08d}" / "state"
    reader = tf.train.load_checkpoint(str(path))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name) for name in names}
