"""What the checkpoints of a run hold."""

import tensorflow as tf

from keras_cnns import runs


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
