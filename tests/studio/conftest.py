"""A served page, and a browser in front of it."""

import contextlib
import shutil
import tempfile

import pytest

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic"),
    *("--no-first-run", "--disable-background-networking", "--disable-dev-shm-usage"),
    *("--disable-component-update", "--disable-sync", "--window-size=1300,1250"),
)


@pytest.fixture(scope="session")
def gradio():
    """The page's library; tests that need it are skipped without."""
    reason = "the extra studio is not installed"
    return pytest.importorskip("gradio", reason=reason)


@pytest.fixture
def shelf(runs_by_task, exports_by_task):
    """The runs and exports of all tasks."""
    import os

    from keras_cnns.studio.shelf import Shelf

    runs = os.path.dirname(runs_by_task["classification"])
    exports = os.path.dirname(os.path.dirname(exports_by_task["classification"]))
    return Shelf(runs, exports=exports)


@pytest.fixture
def studio(gradio, shelf):
    """Context of a served page: ``studio(**options)``, with ``of``, another shelf."""

    def serve(of=shelf, **options):
        from keras_cnns.commands import verb_of
        from keras_cnns.studio.server import Studio
        from keras_cnns.tasks import TASKS

        verbs = {name: verb_of(task) for name, task in TASKS.items()}
        return Studio(of, verbs, **options)

    return serve


@pytest.fixture
def open_browser(tmp_path):
    """Opens a headless Chromium of its own at each call; skipped without it."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium")
    paths = shutil.which("chromium"), shutil.which("chromedriver")
    if None in paths:
        pytest.skip("chromium and chromedriver are not installed")
    from selenium.webdriver.chrome.service import Service

    with contextlib.ExitStack() as stack:

        def start():
            profile = tempfile.mkdtemp(dir=tmp_path)
            options = webdriver.ChromeOptions()
            options.binary_location = paths[0]
            for flag in (*_FLAGS, f"--user-data-dir={profile}"):
                options.add_argument(flag)
            logs = {"browser": "ALL", "performance": "ALL"}
            options.set_capability("goog:loggingPrefs", logs)
            driver = webdriver.Chrome(options, Service(paths[1]))
            stack.callback(driver.quit)
            return driver

        yield start


@pytest.fixture
def browser(open_browser):
    """A headless Chromium; tests are skipped without it."""
    return open_browser()
