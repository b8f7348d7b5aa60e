"""Each tab, used with the mouse in a headless Chromium."""

import contextlib
import functools
import io
import json
import os
import pathlib
import re
import signal
import time
import urllib.request

import numpy as np
import pytest
from PIL import Image

from keras_cnns import applications, data, exemplar, inference, runs
from keras_cnns.commands import run_command
from keras_cnns.studio.shelf import Shelf

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
        errors = pytest.importorskip("selenium.common")
        passing = (  # the page replaced what was looked at, or covers it as it loads
            errors.StaleElementReferenceException,
            errors.ElementClickInterceptedException,
        )
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            with contextlib.suppress(*passing):
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
        def click():
            found = [one for one in self.all(selector) if one.text.strip() == text]
            for one in found[:1]:
                self.browser.execute_script("arguments[0].scrollIntoView()", one)
                one.click()
            return found

        self.wait(click)

    def drop(self, path):
        """Gives the open tab a picture."""
        before = len(self.pictures()) + len(self.all("canvas", self.panel()))
        self.give(path)
        self.wait(
            lambda: (
                len(self.pictures()) + len(self.all("canvas", self.panel())) > before
                or self.all("canvas", self.panel())
            )
        )
        time.sleep(3)

    def give(self, path):
        """Gives the open tab a file, whatever becomes of it."""
        place = self.panel().find_elements("css selector", "input[type=file]")[0]
        place.send_keys(str(path))

    def pictures(self):
        """Pictures that the open tab shows."""
        return self.all("img", self.panel())

    def click_picture(self, number):
        """Clicks a picture of the open tab's gallery."""
        one = self.all(".thumbnail-item", self.panel())[number]
        self.browser.execute_script("arguments[0].scrollIntoView()", one)
        one.click()

    def captions(self):
        """Those of the gallery's pictures that have one: their numbers by text."""
        items = self.all(".thumbnail-item", self.panel())
        return {one.text: number for number, one in enumerate(items) if one.text}

    def pixels(self):
        """Those of the pictures that the open tab shows."""
        addresses = [one.get_attribute("src") for one in self.pictures()]
        return [_read(address) for address in addresses]

    def paint(self):
        """Draws a stroke over the middle of the picture that was dropped."""
        from selenium.webdriver import ActionChains

        (canvas,) = self.all("canvas", self.panel())
        mouse = ActionChains(self.browser)
        mouse.move_to_element_with_offset(canvas, -60, 0).click_and_hold()
        for _ in range(12):
            mouse.move_by_offset(10, 3)
        mouse.release().perform()
        time.sleep(2)  # the page sends what was painted

    def slide(self, part, label):
        """Clicks the slider of a label of the open tab, from 0 at its left to 1."""
        from selenium.webdriver import ActionChains

        selector = f"input[type=range][aria-label='range slider for {label}']"
        (slider,) = self.all(selector, self.panel())
        self.browser.execute_script("arguments[0].scrollIntoView()", slider)
        offset = round((part - 0.5) * (slider.size["width"] - 4))
        mouse = ActionChains(self.browser)
        mouse.move_to_element_with_offset(slider, offset, 0).click().perform()

    def box(self, label):
        """The box of a label, to be ticked."""
        boxes = self.panel().find_elements("css selector", "input[type=checkbox]")
        texts = [one.find_element("xpath", "..").text for one in boxes]
        return next(one for one, text in zip(boxes, texts) if label in text)

    def field(self, label):
        """The input of a label of the open tab; choices have the label as a name."""
        below = f"ancestor::label[.//span[normalize-space()='{label}']]"
        path = f".//*[self::input or self::textarea][@aria-label='{label}' or {below}]"
        return self.wait(lambda: self.panel().find_elements("xpath", path))[0]

    def fill(self, label, text):
        """Types a text, or the name of a choice, into the input of a label."""
        from selenium.webdriver import Keys

        whole = Keys.CONTROL, "a", Keys.NULL  # what is there goes
        self.field(label).send_keys(*whole, text, Keys.ENTER)

    def choose(self, methods):
        """Ticks these methods and no others."""
        for name in exemplar.METHODS:
            box = self.box(name)
            if box.is_selected() != (name in methods):
                box.click()
            self.wait(
                lambda name=name: self.box(name).is_selected() == (name in methods)
            )

    def wait_for(self, methods):
        """Until the results of these methods are shown, and no others."""
        shown = re.compile(r"(\S+): PSNR")
        self.wait(lambda: sorted(shown.findall(self.panel().text)) == sorted(methods))

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

    def check_quiet(self):
        """Nothing went wrong in the page, and nothing outside was asked for."""
        log = self.browser.get_log("browser")
        assert not [entry for entry in log if entry["level"] == "SEVERE"]
        assert not list(self.asked_outside())


def _read(address):
    with urllib.request.urlopen(address, timeout=PATIENCE) as response:
        return np.asarray(Image.open(response).convert("RGB"))


@pytest.fixture
def visitor(studio, browser):
    """Somebody in front of the page; nothing went wrong or outside in the end."""
    with studio() as page:
        one = Visitor(browser, page.address)
        yield one
        one.check_quiet()


def _noise(path, side):
    """The path of a square picture of noise that is written there."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8)
    data.write_image(str(path), pixels)
    return path


@pytest.fixture
def picture(tmp_path):
    """A file with a picture of noise."""
    return _noise(tmp_path / "noise.png", 96)


def test_a_run_that_is_clicked_tells_its_options(visitor):
    cell = visitor.wait(
        lambda: [c for c in visitor.all("td span, div span") if c.text == "inpainting"]
    )[0]
    cell.click()
    visitor.wait(lambda: "optimizer" in visitor.panel().text)


def test_a_picture_is_classified_and_explained(
    visitor, picture, runs_by_task, tmp_path
):
    visitor.open("Classify")
    visitor.press("classify")
    assert "there is no picture yet" in visitor.message()
    visitor.drop(picture)
    visitor.press("classify")
    visitor.wait(lambda: "%" in visitor.panel().text and len(visitor.pictures()) == 2)
    blended = visitor.pixels()[1]
    visitor.slide(0, "strength of the map")
    visitor.wait(lambda: (visitor.pixels()[1] != blended).any())
    plain = visitor.pixels()[1]
    assert (plain == plain[..., :1]).all()  # the network sees grey, the map has colours
    visitor.press("check the map")
    visitor.wait(lambda: len(visitor.pictures()) == 3)
    (told,) = run_command(
        "inspect-classifier", run_dir=runs_by_task["classification"],
        images=str(picture), methods=["grad_cam"], output_dir=str(tmp_path / "found"),
    )["images"]  # fmt: skip
    shown = visitor.panel().text
    for stays in told["methods"]["grad_cam"]["stays"].values():
        for one in stays.values():  # undefined where a map has but one value
            assert ("undefined" if one is None else f"{one:.2f}") in shown
    written = data.read_image(told["picture"], channels=3)
    assert (visitor.pixels()[2] == written).all()
    visitor.fill("map", "none")
    visitor.press("check the map")
    assert "there is no map to check" in visitor.message()


@pytest.fixture
def damaged(picture):
    """Files that are no pictures: one with bytes of others within, and a text."""
    content = bytearray(picture.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 40] = b"x" * 40
    paths = [picture.with_name(name) for name in ("damaged.png", "text.png")]
    for path, written in zip(paths, (content, b"some text\n")):
        path.write_bytes(written)
    return paths


@pytest.mark.parametrize(
    ("tab", "button"), [("Classify", "classify"), ("Upscale", "enlarge")]
)
def test_a_file_that_is_no_picture_is_refused(visitor, picture, damaged, tab, button):
    """By one line with its name; a picture is used afterwards."""
    for path in damaged:
        visitor.open(tab)
        visitor.give(path)
        time.sleep(3)  # it is uploaded
        visitor.press(button)
        _, _, message = visitor.message().split("\n")  # "Error", a cross, one line
        assert message.startswith(f"picture {path.name} cannot be read: ")
    visitor.give(picture)
    time.sleep(3)
    visitor.press(button)
    visitor.wait(lambda: len(visitor.pictures()) > 1)


def test_a_file_that_is_no_picture_is_not_painted_on(visitor, picture, damaged):
    """It never leaves the browser, whose own error is in its log alone."""
    visitor.open("Inpaint")
    for path in damaged:
        visitor.give(path)
        time.sleep(3)
        visitor.press("fill the hole")
        _, _, message = visitor.message().split("\n")
        assert "a damaged one, or another that the browser cannot read" in message
    log = visitor.browser.get_log("browser")
    errors = [entry["message"] for entry in log if entry["level"] == "SEVERE"]
    assert len(errors) == len(damaged)
    assert all("could not be decoded" in error for error in errors)
    visitor.drop(picture)
    visitor.paint()
    visitor.press("fill the hole")
    visitor.wait(lambda: len(visitor.pictures()) >= 4)


def test_images_are_drawn_and_walked_between(visitor):
    visitor.open("Generate")
    visitor.press("walk")
    assert "there is no picture yet" in visitor.message()
    visitor.press("draw")
    visitor.wait(lambda: len(visitor.pictures()) == 17)
    *drawn, moved = visitor.pixels()
    assert visitor.captions() == {"from": 0, "to": 1}
    assert _shows(moved, drawn[1])
    for number, chosen in ((4, {"from": 1, "to": 4}), (2, {"from": 4, "to": 2})):
        visitor.click_picture(number)
        visitor.wait(lambda chosen=chosen: visitor.captions() == chosen)
    visitor.wait(lambda: _shows(visitor.pixels()[-1], drawn[2]))
    visitor.press("walk")
    visitor.wait(lambda: len(visitor.pictures()) == 18)
    *_, way, moved = visitor.pixels()
    side = (way.shape[0] - 2) // 2  # two rows of six, with lines of two pixels
    assert way.shape[1] == 6 * side + 10
    assert _shows(way[:side, :side], drawn[4])
    assert _shows(way[-side:, -side:], drawn[2])
    visitor.slide(0.98, "latent 3")
    visitor.wait(lambda: (visitor.pixels()[-1] != moved).any())
    visitor.click_picture(2)
    visitor.wait(lambda: (visitor.pixels()[-1] == moved).all())


@pytest.fixture
def conditional(write_run, tmp_path):
    """The run of a generator whose images differ by class as if it were trained."""
    folder = write_run(
        tmp_path / "runs" / "conditional", "generation", model="cgan_mnist",
        builder_args='{"generator": {"joint_units": 16}}',
    )  # fmt: skip
    generator = runs.read_run(folder).load("generator")
    for weight in generator.weights:
        weight.assign(weight * 20)  # with smaller ones all images are grey
    applications.save_weights(generator, os.path.join(folder, "generator.h5"))
    return folder


def test_images_of_a_chosen_class_are_drawn(studio, browser, conditional):
    """The generator's own images of these labels; and each class has others."""
    sampler = inference.Sampler(conditional)
    labels = {"each in turn": [*range(10), *range(6)], "7": [7] * 16, "2": [2] * 16}
    with studio(of=Shelf(os.path.dirname(conditional))) as page:
        visitor = Visitor(browser, page.address)
        visitor.open("Generate")
        shown = []
        for name, numbers in labels.items():
            visitor.fill("class", name)
            visitor.press("draw")
            drawn = sampler(16, seed=1, labels=numbers)
            expected = data.to_bytes(drawn, sampler.value_range).repeat(3, -1)
            visitor.wait(lambda want=expected: _are(visitor.pixels()[:16], want))
            shown.append(expected)
        visitor.check_quiet()
    turn, seven, two = shown
    assert all((one != other).any() for one, other in zip(seven, two))
    assert (turn[2] == two[2]).all() and (turn[0] != two[0]).any()


def _are(pictures, expected):
    """Whether pictures are these, up to a level."""
    if len(pictures) != len(expected):
        return False
    return np.abs(np.int16(pictures) - expected).max() <= 1


def _shows(enlarged, picture):
    """Whether pixels are those of a picture, each repeated."""
    times = len(enlarged) // len(picture)
    return (enlarged == picture.repeat(times, 0).repeat(times, 1)).all()


def test_a_painted_hole_is_filled(visitor, picture):
    visitor.open("Inpaint")
    visitor.drop(picture)
    visitor.press("fill the hole")
    assert "there is no hole" in visitor.message()
    visitor.paint()
    visitor.box("run inpainting").click()
    visitor.press("fill the hole")
    assert "trained with grey images" in visitor.message()
    visitor.wait(lambda: len(visitor.pictures()) == 4)
    visitor.box("in grey").click()
    visitor.press("fill the hole")
    visitor.wait(lambda: len(visitor.pictures()) >= 6)
    text = visitor.panel().text
    assert all(f"{name}: PSNR" in text for name in ("nearest", "run inpainting"))


def test_long_work_is_cancelled(visitor, tmp_path):
    """Criminisi's method takes minutes for a large hole; the next does not begin."""
    visitor.open("Inpaint")
    visitor.drop(_noise(tmp_path / "large.png", 512))
    visitor.paint()
    visitor.choose(("criminisi", "mean"))
    # Pictures stay as large as they are.
    visitor.slide(1, "longer side in pixels; larger pictures are made smaller")
    visitor.press("fill the hole")
    visitor.wait(lambda: "criminisi, 1 of 2" in visitor.panel().text)
    visitor.press("cancel")
    _, _, message = visitor.message().split("\n")  # "Error", a cross, one line
    assert message == "cancelled: criminisi, 1 of 2"
    assert "mean: PSNR" not in visitor.panel().text
    visitor.choose(("nearest",))
    visitor.press("fill the hole")
    visitor.wait_for(("nearest",))


def test_work_that_waits_for_another_user_is_cancelled(studio, open_browser, tmp_path):
    """At once, and for that user alone; the work before it is not."""
    with studio() as page:
        users = [Visitor(open_browser(), page.address) for _ in range(2)]
        for side, user in zip((512, 64), users):
            path = _noise(tmp_path / f"{side}.png", side)
            user.open("Inpaint")
            user.drop(path)
            user.paint()
            user.choose(("criminisi",))
        first, second = users
        first.slide(1, "longer side in pixels; larger pictures are made smaller")
        first.press("fill the hole")
        first.wait(lambda: "criminisi, 1 of 1" in first.panel().text)
        second.press("fill the hole")
        second.wait(lambda: "queue: 1/1" in second.panel().text)
        second.press("cancel")
        _, _, message = second.message().split("\n")  # "Error", a cross, one line
        assert message == "cancelled: it waited for the work of others"
        assert "criminisi, 1 of 1" in first.panel().text
        first.press("cancel")
        _, _, message = first.message().split("\n")
        assert message == "cancelled: criminisi, 1 of 1"
        second.press("fill the hole")
        second.wait_for(("criminisi",))
        assert not first.captions() and len(second.pixels()) == 2
        for user in users:
            user.check_quiet()


def test_two_users_who_compare_at_once_get_their_own(studio, open_browser, tmp_path):
    """Each has a picture of one colour, of which all that is shown must be."""
    methods = (("biharmonic", "nearest"), ("mean", "nearest", "patch_match"))
    noise = np.random.default_rng(0)
    given = [noise.integers(100, 256, (side, side), np.uint8) for side in (96, 64)]
    with studio() as page:
        users = [Visitor(open_browser(), page.address) for _ in given]
        for colour, (user, levels) in enumerate(zip(users, given)):
            path = str(tmp_path / f"{colour}.png")
            data.write_image(
                path, np.eye(3, dtype=np.uint8)[colour] * levels[..., None]
            )
            user.open("Inpaint")
            user.drop(path)
            user.paint()
        for chosen in (methods, methods[::-1]):
            for user, names in zip(users, chosen):
                user.choose(names)
            for user in users:
                user.press("fill the hole")
            for colour, (user, names) in enumerate(zip(users, chosen)):
                user.wait_for(names)
                assert len(user.pixels()) == 2 * len(names)
                _check_colour(user.pixels(), colour, given[colour])
        for user in users:
            user.check_quiet()


def _check_colour(pictures, colour, levels):
    """Filled pictures of a colour, and each one's difference around a middle grey."""
    others = [channel for channel in range(3) if channel != colour]
    for filled, difference in zip(pictures[::2], pictures[1::2]):
        times = len(filled) // len(levels)
        assert (filled[..., others] == 0).all()
        assert (difference[..., others] == 128).all()
        kept = filled[::times, ::times, colour] == levels
        assert 0.1 < kept.mean() < 1  # by chance one of 156 is the same
        assert (difference[::times, ::times, colour][kept] == 128).all()


def test_objects_are_found(visitor, picture, runs_by_task, tmp_path):
    """No object of an untrained network has a score of 0.5; the slider shows them."""
    run_dir, found = runs_by_task["detection"], tmp_path / "found"
    (told,) = run_command(
        "detect", run_dir=run_dir, images=str(picture), output_dir=str(found)
    )
    objects = told["detections"]
    assert len(objects) > 1 and all(0.05 <= one["score"] < 0.5 for one in objects)
    visitor.open("Detect")
    visitor.drop(picture)
    visitor.press("detect")
    best = objects[0]
    edges = [f"{edge:.1f}" for edge in best["box"]]
    row = "\n".join([best["class"], f"{best['score']:.3f}", *edges])
    none = f"0 of {len(objects)} shown; the highest score is {best['score']:.2f}"
    visitor.wait(lambda: none in visitor.panel().text)
    assert len(visitor.pictures()) == 2 and row not in visitor.panel().text
    plain = visitor.pixels()[1]
    visitor.slide(0, "minimum score shown")
    whole = f"{len(objects)} of {len(objects)} shown"
    visitor.wait(lambda: whole in visitor.panel().text and row in visitor.panel().text)
    visitor.wait(lambda: (visitor.pixels()[1] != plain).any())


def test_a_picture_is_enlarged_and_compared_by_a_slider(visitor, picture, runs_by_task):
    """What is seen is told by the colours on the screen, at both sides of the line."""
    visitor.open("Upscale")
    visitor.drop(picture)
    visitor.press("enlarge")
    visitor.wait(lambda: len(visitor.pictures()) == 3)
    _, before, after = visitor.pixels()
    pixels = data.read_image(str(picture))
    assert (before == pixels.repeat(2, 0).repeat(2, 1)).all()
    enlarge = inference.load_upscaler(runs_by_task["super_resolution"])
    assert _are([after], [enlarge(pixels)])
    assert np.abs(np.int16(before) - after).mean() > 20
    seen = functools.partial(_sides_seen, visitor, before, after)
    visitor.wait(lambda: seen() == ["before", "after"])
    for start, end, expected in ((0.5, 0.95, "before"), (0.95, 0.05, "after")):
        _drag(visitor, start, end)
        visitor.wait(lambda want=expected: seen() == [want, want])


def _sides_seen(visitor, before, after):
    """Which picture the screen shows in the left and the right part of the slider."""
    screen = Image.open(io.BytesIO(visitor.pictures()[1].screenshot_as_png))
    size, found = screen.size, []
    levels = np.asarray(screen.convert("RGB"), np.int16)
    scaled = {
        name: np.asarray(Image.fromarray(one).resize(size), np.int16)
        for name, one in (("before", before), ("after", after))
    }
    for part in (0.15, 0.65):
        strip = slice(round(part * size[0]), round((part + 0.2) * size[0]))
        errors = {
            name: np.abs(levels[:, strip] - one[:, strip]).mean()
            for name, one in scaled.items()
        }
        found.append(min(errors, key=errors.get))
    return found


def _drag(visitor, start, end):
    """Drags the line of the slider, from one part of the width to another."""
    from selenium.webdriver import ActionChains

    place = visitor.pictures()[1]
    width = place.size["width"]
    mouse = ActionChains(visitor.browser)
    mouse.move_to_element_with_offset(place, round((start - 0.5) * width), 0)
    mouse.click_and_hold()
    for _ in range(10):
        mouse.move_by_offset(round((end - start) * width / 10), 0)
    mouse.release().perform()


@pytest.fixture
def exported(visitor):
    """Chooses the export of a task on the tab that is open, before it is used."""

    def choose(tab, task):
        visitor.open(tab)
        visitor.fill(f"run or export of {task}", f"export {task}/1")
        time.sleep(2)  # what depends on it is made anew

    return choose


def test_an_export_tells_where_it_comes_from(visitor):
    name = "export detection/1"
    cell = visitor.wait(
        lambda: [c for c in visitor.all("td span, div span") if c.text == name]
    )[0]
    cell.click()
    visitor.wait(lambda: "faster_rcnn_small" in visitor.panel().text)
    visitor.wait(lambda: "min_score" in visitor.panel().text)


def test_an_exported_classifier_is_used(visitor, exported, picture, exports_by_task):
    exported("Classify", "classification")
    assert visitor.field("map").get_property("value") == "none"
    assert "epoch" not in visitor.panel().text
    visitor.drop(picture)
    visitor.press("classify")
    (told,) = run_command(
        "predict", saved_model=exports_by_task["classification"],
        images=str(picture), top_k=2,
    )  # fmt: skip
    first, second = (f"{row['probability']:.0%}" for row in told["predictions"])
    visitor.wait(lambda: first in visitor.panel().text)
    assert second in visitor.panel().text and len(visitor.pictures()) == 2
    pixels = data.read_image(str(picture))
    assert _shows(visitor.pixels()[1], pixels)
    visitor.press("check the map")
    assert "an export holds no layers to make a map of" in visitor.message()


def test_an_exported_generator_is_used(visitor, exported, runs_by_task):
    exported("Generate", "generation")
    visitor.press("draw")
    visitor.wait(lambda: len(visitor.pictures()) == 17)
    *drawn, moved = visitor.pixels()
    sampler = inference.Sampler(runs_by_task["generation"])
    expected = data.to_bytes(sampler(16, seed=1), sampler.value_range)
    assert _are(drawn, expected.repeat(3, -1))
    visitor.slide(0.98, "latent 3")
    visitor.wait(lambda: (visitor.pixels()[-1] != moved).any())
    visitor.press("walk")
    visitor.wait(lambda: len(visitor.pictures()) == 18)


def test_exported_inpainters_and_detectors_and_upscalers_are_used(
    visitor, exported, picture, runs_by_task
):
    visitor.open("Inpaint")
    visitor.drop(picture)
    visitor.paint()
    visitor.choose(())
    visitor.box("export inpainting/1").click()
    visitor.box("in grey").click()
    visitor.press("fill the hole")
    visitor.wait(lambda: "export inpainting/1: PSNR" in visitor.panel().text)
    exported("Detect", "detection")
    visitor.drop(picture)
    visitor.press("detect")
    pixels = data.read_image(str(picture))
    found = inference.Detector(runs_by_task["detection"])(pixels)
    count = f"0 of {len(found['scores'])} shown; the highest"
    visitor.wait(lambda: f"{count} score is" in visitor.panel().text)
    visitor.open("Upscale")
    visitor.fill("method", "export super_resolution/1")
    visitor.drop(picture)
    visitor.press("enlarge")
    visitor.wait(lambda: len(visitor.pictures()) == 3)
    enlarge = inference.load_upscaler(runs_by_task["super_resolution"])
    assert _are(visitor.pixels()[2:], [enlarge(pixels)])


def test_a_training_is_started_killed_resumed_and_stopped(visitor, shelf):
    """Long enough that it is stopped before its end."""
    visitor.open("Train")
    visitor.fill("name of the run", "by_hand")
    visitor.fill("dataset", "digits")
    visitor.fill("epochs", "500")
    visitor.fill("model", "cifar_resnet20")
    visitor.press("train")
    printed = visitor.field("what it prints")
    visitor.wait(lambda: "epoch 2/500" in printed.get_property("value"))
    visitor.wait(visitor.pictures)
    visitor.wait(lambda: _is_at_its_end(printed))
    visitor.press("resume")
    assert "by_hand is being trained" in visitor.message()
    folder = pathlib.Path(shelf.folder, "by_hand")
    os.kill(int((folder / ".lock").read_text().split()[1]), signal.SIGKILL)
    visitor.wait(lambda: "(ended)" in printed.get_property("value"))
    assert "state saved" not in printed.get_property("value")
    newest = sorted(folder.glob("checkpoints/step_*"))[-1]
    done = len(json.loads((newest / "progress.json").read_text())["history"])
    visitor.press("resume")
    # The one that was killed may have told of an epoch that it did not keep.
    visitor.wait(lambda: "(ended)" not in printed.get_property("value"))
    visitor.wait(lambda: f"epoch {done + 1}/500" in printed.get_property("value"))
    text = printed.get_property("value")
    assert "(ended)" not in text and f"epoch {done}/500" not in text
    visitor.press("stop")
    visitor.wait(lambda: "(ended)" in printed.get_property("value"))
    assert "state saved" in printed.get_property("value")
    visitor.wait(lambda: _is_at_its_end(printed))


def _is_at_its_end(box):
    """Whether the last line of a text is seen, and the first is not."""
    above, seen, whole = (
        box.get_property(name) for name in ("scrollTop", "clientHeight", "scrollHeight")
    )
    return above > 0 and above + seen > whole - 5
