"""The pictures of docs/studio.md: each tab of the studio, used in a headless browser.

    pip install -e '.[studio,studio_tests]'  # and Debian's chromium and chromium-driver
    python benchmarks/studio_screenshots.py --runs=runs

``--runs`` holds a run for each tab: those of ``make studio``, of docs/detection.md and
of docs/super_resolution.md; of several the newest is used. What is dropped on the
page is held out from these trainings, and chosen for the eye. The Train tab trains a
small classifier, the run ``screenshots`` below ``--runs``, which must not be there yet.
Writes ``studio_<tab>.png`` for each of ``--tabs`` into ``--output_dir``; takes some
minutes.
"""

import contextlib
import io
import os
import shutil
import tempfile
import time

import numpy as np
import tensorflow as tf
from absl import app, flags
from PIL import Image, ImageChops
from selenium import webdriver
from selenium.webdriver import ActionChains, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from keras_cnns import _files, data
from keras_cnns.commands import verb_of
from keras_cnns.data.builders.photographs import read_pictures
from keras_cnns.studio.server import Studio
from keras_cnns.studio.shelf import Shelf
from keras_cnns.tasks import TASKS

flags.DEFINE_string("runs", "runs", "folder below which the runs are")
flags.DEFINE_string("output_dir", "docs/images", "folder for the pictures")

_FLAGS = ("--headless", "--no-sandbox", "--disable-dev-shm-usage")
_VIEW, _WIDTH, _COLOURS = (1300, 1400), 860, 128  # of the page; of the pictures
_PATIENCE, _SETTLED = 180, 2  # seconds to wait for results; in which the page draws
_NEW_RUN = {
    "name of the run": "screenshots",
    "model": "cifar_resnet20",
    "dataset": "digits",
    "epochs": "6",
}
_CLICKED = (0, 9)  # of the generated pictures
_LABEL = "//span[@data-testid='block-info' and normalize-space()='{}']"
_PLACE = f"{_LABEL}/following::*[self::input or self::textarea][1]"
# By tab: the button that is pressed, and how many images there are then.
_TABS = {
    "Runs": (None, 1),
    "Classify": ("classify", 2),
    "Generate": ("draw", 17),
    "Inpaint": ("fill the hole", 6),
    "Detect": ("detect", 2),
    "Upscale": ("enlarge", 3),
    "Train": ("train", 1),
}

flags.DEFINE_multi_enum("tabs", list(_TABS), list(_TABS), "which ones; may be repeated")


def _find(browser, selector, text="", count=1):
    """Visible elements that hold a text, as soon as there are as many."""
    for _ in range(_PATIENCE):
        found = browser.find_elements("css selector", selector)
        found = [one for one in found if one.is_displayed() and text in one.text]
        if len(found) >= count:
            return found
        time.sleep(1)
    raise TimeoutError(f"{count} of {selector} with {text!r} did not come")


def _write_pictures(folder):
    """The picture of each tab that is given one, as a file."""
    digit, _ = next(iter(data.open_source("digits", "test").examples.skip(5)))
    scenes = data.open_detection_source("scenes/items", "test")
    scene, _ = next(iter(scenes.examples.skip(14)))
    cat = read_pictures()["chelsea"]
    pixels = {
        "Classify": tf.io.decode_image(digit),
        "Inpaint": cat[:, 60:360],
        "Detect": tf.io.decode_image(scenes.read(scene)),
        "Upscale": cat[40:140, 110:210],
    }
    paths = {tab: os.path.join(folder, f"{tab}.png") for tab in pixels}
    for tab, path in paths.items():
        data.write_image(path, np.asarray(pixels[tab]))
    return paths


def _drop(browser, path):
    tab = _find(browser, "div[role=tabpanel]")[0]
    tab.find_elements("css selector", "input[type=file]")[0].send_keys(path)
    time.sleep(2 * _SETTLED)


def _paint(browser):
    """A stroke over the middle of the picture."""
    mouse = ActionChains(browser)
    mouse.move_to_element_with_offset(_find(browser, "canvas")[0], -60, -40)
    mouse.click_and_hold().move_by_offset(60, 30).move_by_offset(60, 30)
    mouse.release().perform()
    time.sleep(_SETTLED)


def _walk(browser, images):
    """From the picture that is clicked first to the other, and beyond by a slider."""
    for number in _CLICKED:
        _find(browser, ".thumbnail-item")[number].click()
        time.sleep(_SETTLED)
    _find(browser, "button", "walk")[0].click()
    _find(browser, "img", count=images + 1)
    slider = _find(browser, "input[type=range]")[-1]
    mouse = ActionChains(browser).move_to_element_with_offset(slider, 60, 0)
    mouse.click().perform()
    time.sleep(_SETTLED)


def _use(browser, tab, pictures):
    """Uses a tab as somebody would, until it shows what was asked for."""
    button, images = _TABS[tab]
    _find(browser, "button[role=tab]", tab)[0].click()
    time.sleep(_SETTLED)
    if tab in pictures:
        _drop(browser, pictures[tab])
    if tab == "Runs":
        _find(browser, "td span, div span", "classification")[0].click()
    if tab == "Inpaint":
        _paint(browser)
        _find(browser, "label", "run ")[0].click()
    if tab == "Train":
        for label, text in _NEW_RUN.items():
            place = browser.find_element("xpath", _PLACE.format(label))
            place.send_keys(text, Keys.ENTER)
    if button:
        _find(browser, "button:not([role=tab])", button)[0].click()
    _find(browser, "img", count=images)
    if tab == "Train":
        printed = browser.find_element("xpath", _PLACE.format("what it prints"))
        last = f"epoch {_NEW_RUN['epochs']}/"
        WebDriverWait(browser, _PATIENCE).until(
            lambda _: last in printed.get_property("value")
        )
    if tab == "Generate":
        _walk(browser, images)
    if tab == "Classify":
        _find(browser, "button", "check the map")[0].click()
        _find(browser, "img", count=images + 1)
    time.sleep(2 * _SETTLED)


def _shoot(browser, path):
    """Writes what the page shows, without the white below."""
    browser.execute_script("window.scrollTo(0, 0)")
    image = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    white = Image.new("RGB", image.size, "white")
    bottom = ImageChops.difference(image, white).getbbox()[3]
    image = image.crop((0, 0, image.width, bottom))
    image.thumbnail((_WIDTH, image.height), Image.Resampling.LANCZOS)
    with _files.atomic_file(path) as file:
        image.quantize(_COLOURS).save(file, format="PNG", optimize=True)


def main(_):
    given = flags.FLAGS
    verbs = {name: verb_of(task) for name, task in TASKS.items()}
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        studio = stack.enter_context(Studio(Shelf(given.runs), verbs))
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium")
        for flag in (*_FLAGS, f"--user-data-dir={folder}/browser"):
            options.add_argument(flag)
        browser = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
        stack.callback(browser.quit)
        browser.set_window_size(*_VIEW)
        browser.get(studio.address)
        pictures = _write_pictures(folder)
        for tab in given.tabs:
            _use(browser, tab, pictures)
            name = f"studio_{tab.lower()}.png"
            _shoot(browser, os.path.join(given.output_dir, name))


if __name__ == "__main__":
    app.run(main)
