"""The standard error without what TensorFlow's C++ code writes past all logging."""

import contextlib
import os
import sys


def quiet_import():
    """Keeps what TensorFlow writes while it is imported off the terminal.

    TensorFlow 2.21 writes some before it looks at TF_CPP_MIN_LOG_LEVEL; where that is
    set to show messages, they are shown.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] < "3":
        return contextlib.nullcontext()
    return errors_unseen()


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
