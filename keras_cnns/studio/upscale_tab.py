"""The tab that enlarges a picture, and compares it with its own pixels."""

from typing import TYPE_CHECKING

import gradio as gr

from keras_cnns import _progress, inference
from keras_cnns.studio.events import connect
from keras_cnns.studio.pictures import picture_input, read_picture
from keras_cnns.studio.shelf import Shelf

if TYPE_CHECKING:
    import numpy as np

_TASK = "super_resolution"
_BICUBIC = inference.BicubicUpscaler.name
_OF_RUN = "run "
_LARGEST_SIDE = 2048
_OWN = "the network's"
_BEFORE = ("pixels", "bicubic")


def make_upscale_tab(shelf: Shelf, tab: gr.Tab) -> None:
    """Makes the content of the tab; arguments as of ``make_inpaint_tab``."""
    with gr.Row():
        with gr.Column():
            methods = _methods(shelf)
            method = gr.Dropdown(methods, value=methods[:2][-1], label="method")
            scale = gr.Dropdown(
                [_OWN, "2", "3", "4"], value=_OWN,
                label="factor; bicubic interpolation takes 2 where none is chosen",
            )  # fmt: skip
            before = gr.Radio(list(_BEFORE), value="pixels", label="left side")
            picture = picture_input(f"picture, at most {_LARGEST_SIDE} pixels a side")
            button = gr.Button("enlarge", variant="primary")
        result = gr.ImageSlider(
            label="left before, right after", format="png", interactive=False,
            max_height=720, buttons=["download", "fullscreen"],
        )  # fmt: skip

    def choices(chosen):
        known = _methods(shelf)
        return gr.Dropdown(known, value=chosen if chosen in known else known[0])

    def enlarge(name, factor, left, path):
        image = read_picture(path)
        if max(image.shape[:2]) > _LARGEST_SIDE:
            raise ValueError(
                f"the picture is {image.shape[0]}x{image.shape[1]} (height x width); "
                f"at most {_LARGEST_SIDE} pixels on a side are enlarged here"
            )
        upscaler = _open(shelf, name, 0 if factor == _OWN else int(factor))
        with _progress.fractions(name) as show:
            large = upscaler(image, progress=show)
        return compare_with(left, image, large, upscaler.scale)

    connect(tab.select, choices, method, method)
    inputs = [method, scale, before, picture]
    connect(button.click, enlarge, inputs, result, heavy=True)


def _methods(shelf):
    runs, exports = shelf.choices(_TASK)
    runs = [f"{_OF_RUN}{name}" for name in runs]
    return [_BICUBIC, *runs, *exports]


def _open(shelf, name, scale):
    if name == _BICUBIC:
        return inference.BicubicUpscaler(scale or 2)
    scale = scale or None
    return shelf.use(
        (name or "").removeprefix(_OF_RUN),
        _TASK,
        f"upscaler {scale}",
        lambda run: inference.load_upscaler(run, scale=scale),
        scale=scale,
    )


def compare_with(
    left: str, image: "np.ndarray", large: "np.ndarray", scale: int
) -> tuple:
    """Two pictures of one size, in colour: before and after.

    Args:
        left: ``"pixels"``, each repeated, or ``"bicubic"``.
        image: uint8 ``(height, width, channels)``.
        large: the same ``scale`` times as large.
        scale: whole number.
    """
    if left == "bicubic":
        before = inference.BicubicUpscaler(scale)(image)
    else:
        before = image.repeat(scale, 0).repeat(scale, 1)
    return tuple(one.repeat(3 // one.shape[2], 2) for one in (before, large))
