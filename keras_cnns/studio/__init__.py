"""The studio: a page in the browser to use finished runs, and to start new ones.

``server.Studio`` needs the extra ``studio``. A file for each tab, and ``page.py`` that
puts them together.
"""

import os

from keras_cnns._checks import check_installed

# The page's library would tell its makers that it was used.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "0")


def check_available() -> None:
    """Checks that the studio can run.

    Raises:
        ImportError: if the extra ``studio`` is not installed.
    """
    needs = ". It is for Python 3.10 and later"
    check_installed("the studio", ("gradio", "uvicorn"), "studio", needs)
