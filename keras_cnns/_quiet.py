"""The standard error without what TensorFlow tells of itself."""

import contextlib
import os
import pickle
import sys

from absl import logging


def start_log(verbosity: int) -> None:
    """Writes the log to the standard error, without what TensorFlow tells of itself.

    TensorFlow 2.21 tells how long a step of writing each checkpoint took; where
    TF_CPP_MIN_LOG_LEVEL is set to show messages, it is shown.

    Args:
        verbosity: absl's level from which lines are shown.
    """
    logging.use_absl_handler()
    logging.set_verbosity(verbosity)
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] >= "3":
        logging.get_absl_handler().python_handler.addFilter(_is_for_users)


def _is_for_users(record):
    within = f"{os.sep}tensorflow{os.sep}python{os.sep}"
    return record.levelname != "INFO" or within not in record.pathname


def quiet_import():
    """Keeps what TensorFlow writes while it is imported off the terminal.

    TensorFlow 2.21 writes some before it looks at TF_CPP_MIN_LOG_LEVEL; where that is
    set to show messages, they are shown.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] < "3":
        return contextlib.nullcontext()
    return errors_unseen()


def call_pickled(packed, *arguments):
    """Where a new process of this package begins: TensorFlow is imported quietly.

    Args:
        packed: pickle of a function and its last arguments, whose modules import it.
        *arguments: its first ones.
    """
    with quiet_import():
        function, *others = pickle.loads(packed)
    return function(*arguments, *others)


@contextlib.contextmanager
def errors_unseen():
    """Within the block, what the process writes to its standard error is lost."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
