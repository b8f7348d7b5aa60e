"""Each tab, used with the mouse in a headless Chromium."""

import contextlib
import json
import time

import numpy as np
import pytest

from keras_cnns import data

pytestmark = pytest.mark.slow
PATIENCE = 120  # seconds: the first use of a network loads it
INSIDE = ("http://127.0.0.1:", "data:", "blob:", "chrome:")


class Visitor:
    """Somebody in front of the page."""

    def __init__(self, browser, address):
        self.browser = browser
        browser.get(address)
        self.wait(lambda: self.all("button[role=tab]"))

    def all(self, selector, within=None):
        """Visible elements."""
        found = (within or self.browser).find_elements("css selector", selector)
        return [one for one in found if one.is_displayed()]

    def wait(self, look):
        """What ``look`` finds, as soon as it finds something."""
        stale = pytest.importorskip("selenium.common").StaleElementReferenceException
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(stale):  # the page replaced what was looked at
                found = look()
                if found:
                    return found
            time.sleep(0.2)
        raise AssertionError(f"nothing came; the page shows {self.panel().text!r}")

    def panel(self):
        """The open tab."""
        return self.wait(lambda: self.all("div[role=tabpanel]"))[0]

    def open(self, tab):
        """Opens a tab."""
        self._click("button[role=tab]", tab)
        time.sleep(2)  # the choice of runs is made anew

    def press(self, button):
        """Presses a button of the open tab."""
        self._click("button", button)

    def _click(self, selector, text):
        one = self.wait(
            lambda: [b for b in self.all(selector) if b.text.strip() == text]
        )[0]
        self.browser.execute_script("arguments[0].scrollIntoView()", one)
        one.click()

    def drop(self, path):
        """Gives the open tab a picture."""
        before = len(self.pictures()) + len(self.all("canvas", self.panel()))
        place = self.panel().find_elements("css selector", "input[type=file]")[0]
        place.send_keys(str(path))
        self.wait(
            lambda: (
                len(self.pictures()) + len(self.all("canvas", self.panel())) > before
                or self.all("canvas", self.panel())
            )
        )
        time.sleep(3)

    def pictures(self):
        """Pictures that the open tab shows."""
        return self.all("img", self.panel())

    def message(self):
        """The text of the error or warning that is shown."""
        toasts = ".toast-body"
        text = self.wait(lambda: [t.text for t in self.all(toasts) if t.text])[0]
        for button in self.all(f"{toasts} button"):
            button.click()
        return text

    def asked_outside(self):
        """Addresses that the page asked other machines for."""
        for entry in self.browser.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                address = message["params"]["request"]["url"]
                if not address.startswith(INSIDE):
                    yield address


@pytest.fixture
def visitor(studio, browser):
    """Somebody in front of the page; nothing went wrong or outside in the end."""
    with studio() as page:
        one = Visitor(browser, page.address)
        yield one
        bad = [e for e in browser.get_log("browser") if e["level"] == "SEVERE"]
        assert not bad
        assert not list(one.asked_outside())


@pytest.fixture
def picture(tmp_path):
    """A file with a picture of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (96, 96, 3), np.uint8)
    data.write_image(str(tmp_path / "noise.png"), pixels)
    return tmp_path / "noise.png"


def test_a_run_that_is_clicked_tells_its_options(visitor):
    cell = visitor.wait(
        lambda: [c for c in visitor.all("td span, div span") if c.text == "inpainting"]
    )[0]
    cell.click()
    visitor.wait(lambda: "optimizer" in visitor.panel().text)


def test_a_picture_is_classified_and_explained(visitor, picture):
    visitor.open("Classify")
    visitor.press("classify")
    assert "there is no picture yet" in visitor.message()
    visitor.drop(picture)
    visitor.press("classify")
    visitor.wait(lambda: "%" in visitor.panel().text and len(visitor.pictures()) == 2)


def test_images_are_drawn_and_walked_between(visitor):
    visitor.open("Generate")
    visitor.press("draw")
    visitor.wait(lambda: len(visitor.pictures()) == 1)
    visitor.press("walk")
    visitor.wait(lambda: len(visitor.pictures()) == 2)


def test_a_painted_hole_is_filled(visitor, picture):
    from selenium.webdriver import ActionChains

    visitor.open("Inpaint")
    visitor.drop(picture)
    visitor.press("fill the hole")
    assert "there is no hole" in visitor.message()
    (canvas,) = visitor.all("canvas", visitor.panel())
    mouse = ActionChains(visitor.browser)
    mouse.move_to_element_with_offset(canvas, -60, 0).click_and_hold()
    for _ in range(12):
        mouse.move_by_offset(10, 3)
    mouse.release().perform()
    time.sleep(2)  # the page sends what was painted
    for box in visitor.panel().find_elements("css selector", "input[type=checkbox]"):
        if "run inpainting" in box.find_element("xpath", "..").text:
            box.click()
    visitor.press("fill the hole")
    assert "trained with grey images" in visitor.message()
    visitor.wait(lambda: len(visitor.pictures()) == 4)
    box = visitor.all("input[type=checkbox]", visitor.panel())[0]
    assert "in grey" in box.find_element("xpath", "..").text
    box.click()
    visitor.press("fill the hole")
    visitor.wait(lambda: len(visitor.pictures()) >= 6)
    text = visitor.panel().text
    assert all(f"{name}: PSNR" in text for name in ("nearest", "run inpainting"))


def test_objects_are_found(visitor, picture):
    visitor.open("Detect")
    visitor.drop(picture)
    visitor.press("detect")
    visitor.wait(lambda: len(visitor.pictures()) == 2)


def test_a_picture_is_enlarged(visitor, picture):
    visitor.open("Upscale")
    visitor.drop(picture)
    visitor.press("enlarge")
    visitor.wait(lambda: len(visitor.pictures()) == 3)
