"""The tab that fills a painted hole by several methods side by side."""

import dataclasses
import time
from typing import Optional

import gradio as gr
import numpy as np

from keras_cnns import _progress, exemplar, inference, metrics
from keras_cnns.studio.events import connect, reading_told, warn
from keras_cnns.studio.pictures import shown, smaller
from keras_cnns.studio.shelf import Shelf

_TASK = "inpainting"
_OF_RUN = "run "
_PAINT = "#ff3b6b"
_FIRST = ("nearest", "patch_match")


def make_inpaint_tab(shelf: Shelf, tab: gr.Tab) -> None:
    """Makes the content of the tab.

    Args:
        shelf: with the runs.
        tab: which it is the content of.
    """
    with gr.Row():
        with gr.Column():
            editor = make_editor()
            longest = gr.Slider(
                32, 1024, 256, step=32,
                label="longer side in pixels; larger pictures are made smaller",
            )  # fmt: skip
            grey = gr.Checkbox(False, label="in grey, as networks of grey images need")
            methods = gr.CheckboxGroup(
                _methods(shelf), value=list(_FIRST), label="methods"
            )
            button = gr.Button("fill the hole", variant="primary")
        filled = gr.Gallery(
            label="filled picture, and beside it its difference to the original: grey "
            "where there is none",
            format="png", columns=2, object_fit="contain", height=720,
        )  # fmt: skip

    def choices(chosen):
        known = _methods(shelf)
        return gr.CheckboxGroup(known, value=[one for one in chosen if one in known])

    def fill(painted, side, is_grey, chosen):
        image, mask = read_painted(painted, side, is_grey)
        if not chosen:
            raise ValueError(f"choose a method: {', '.join(_methods(shelf))}")
        results = _fill_each(shelf, chosen, image, mask)
        return [pair for result in results for pair in result.shown(image, mask)]

    connect(tab.select, choices, methods, methods)
    inputs = [editor, longest, grey, methods]
    connect(button.click, fill, inputs, filled, heavy=True)


def make_editor() -> gr.ImageEditor:
    """A picture on which a hole is painted."""
    editor = gr.ImageEditor(
        type="numpy",
        format="png",
        image_mode="RGBA",
        sources=["upload", "clipboard"],
        label="picture; paint the hole with the brush",
        brush=gr.Brush(colors=[_PAINT], color_mode="fixed", default_size="auto"),
        transforms=(),
        layers=False,
        height=520,
    )
    return reading_told(editor)


def _methods(shelf):
    """Exemplar methods, runs and exports; a run may have a method's name."""
    runs, exports = shelf.choices(_TASK)
    runs = [f"{_OF_RUN}{name}" for name in runs]
    return [*exemplar.METHODS, *runs, *exports]


@dataclasses.dataclass(frozen=True)
class Filled:
    """A picture that a method filled.

    Attributes:
        name: of the method.
        pixels: uint8 ``(height, width, channels)``.
        seconds: that it took, loading left out.
    """

    name: str
    pixels: np.ndarray
    seconds: float

    def shown(self, image: np.ndarray, mask: np.ndarray) -> list:
        """(pixels, text) of it and of its difference to the original."""
        hole = np.broadcast_to(mask == 0, image.shape)
        error = np.abs(self.pixels[hole].astype(float) - image[hole]).mean()
        ratio = metrics.psnr(image[None], self.pixels[None], value_range=(0, 255))[0]
        text = f"{self.name}: PSNR {ratio:.1f} dB, {self.seconds:.1f} s"
        return [
            (shown(self.pixels), text),
            (shown(difference(self.pixels, image)), f"mean error in it {error:.1f}"),
        ]


def _fill_each(shelf, methods, image, mask):
    """The picture filled by each method; those that cannot are told."""
    results, errors = [], []
    for number, name in enumerate(methods, 1):
        try:
            with _progress.fractions(f"{name}, {number} of {len(methods)}") as show:
                results.append(_fill(shelf, name, image, mask, show))
        except ValueError as error:
            errors.append(f"{name}: {error}")
    if not results:
        raise ValueError("; ".join(errors))
    for message in errors:
        warn(message)
    return results


def _fill(shelf, name, image, mask, show):
    if name in exemplar.METHODS:
        inpainter = inference.ExemplarInpainter(name)
    else:
        chosen = name.removeprefix(_OF_RUN)
        inpainter = shelf.use(chosen, _TASK, "inpainter", inference.load_inpainter)
    start = time.perf_counter()
    pixels = inpainter(image, mask, seed=0, progress=show)
    return Filled(name, pixels, time.perf_counter() - start)


def difference(pixels: np.ndarray, image: np.ndarray) -> np.ndarray:
    """Half of the difference of two uint8 pictures around a middle grey, as uint8."""
    half = (pixels.astype(np.int16) - image) // 2
    return (half + 128).astype(np.uint8)


def read_painted(painted: Optional[dict], longest: int, grey: bool = False) -> tuple:
    """The picture of an editor, and the hole that was painted on it.

    Args:
        painted: dict of ``background``, RGBA or None, and ``layers``, a list of the
            same; or None.
        longest: side in pixels that it is made smaller to.
        grey: whether it becomes grey, as ``data.decode_image`` makes it.

    Returns:
        uint8 ``(height, width, 1 or 3)``; mask ``(height, width, 1)``, 1 = valid, 0
        where at least half of a pixel was painted.

    Raises:
        ValueError: if there is no picture, no hole, or nothing but hole.
    """
    if not painted or painted["background"] is None:
        raise ValueError(
            "there is no picture yet: drop one, or choose a file; a damaged one, or "
            "another that the browser cannot read, stays out"
        )
    background = painted["background"]
    alpha = background[..., 3:].astype(np.int32)
    colour = background[..., :3].astype(np.int32)
    image = ((colour * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
    if grey:
        red, green, blue = np.moveaxis(image.astype(np.int32), 2, 0)
        luma = (19595 * red + 38470 * green + 7471 * blue + 32768) >> 16
        image = luma.astype(np.uint8)[..., np.newaxis]
    hole = np.zeros((*image.shape[:2], 1), np.uint8)
    for layer in painted["layers"]:
        if layer.shape[:2] != hole.shape[:2]:
            raise ValueError(
                f"what was painted is {layer.shape[0]}x{layer.shape[1]}, the picture "
                f"{hole.shape[0]}x{hole.shape[1]} (height x width): drop it again"
            )
        hole = np.maximum(hole, layer[..., 3:])
    image, hole = smaller(image, longest), smaller(hole, longest) >= 128
    if not hole.any():
        raise ValueError("there is no hole: paint it with the brush")
    if hole.all():
        raise ValueError("all of the picture is hole: leave something to fill it from")
    return image, (~hole).astype(np.uint8)
