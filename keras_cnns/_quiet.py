"""TensorFlow's import without its messages."""

import contextlib
import os
import sys


@contextlib.contextmanager
def quiet_import():
    """Keeps what TensorFlow writes while it is imported off the terminal.

    TensorFlow 2.21 writes some before it looks at TF_CPP_MIN_LOG_LEVEL; where that is
    set to show messages, they are shown.
    """
    if os.environ["TF_CPP_MIN_LOG_LEVEL"] < "3":
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
