"""Pictures from and for the page."""

import os
import tempfile
from collections.abc import Callable
from typing import Optional

import gradio as gr
import numpy as np
from PIL import Image

from keras_cnns import data
from keras_cnns.studio.events import reading_told

_SHOWN_SIDE = 320  # pixels that small pictures are enlarged to, about


def picture_input(label: str) -> gr.Image:
    """A place for a picture, whose file is read by the rule of all commands."""
    place = gr.Image(
        type="filepath",
        image_mode=None,
        sources=["upload", "clipboard"],
        label=label,
        height=280,
        elem_classes="whole",
    )
    place.preprocess = _naming_what_is_no_picture(place.preprocess)
    return reading_told(place)


def _naming_what_is_no_picture(preprocess):
    """Reading of an upload that refuses a damaged one by the name that it came with."""

    def read(payload):
        if payload and payload.path:
            try:
                data.read_image(payload.path, "picture")
            except ValueError as error:
                folder = os.path.join(os.path.dirname(payload.path), "")
                raise ValueError(str(error).replace(folder, "")) from error
        return preprocess(payload)

    return read


def picture_output(label: str) -> gr.Image:
    """A place where a picture is shown, pixel by pixel."""
    return gr.Image(
        label=label, format="png", interactive=False, buttons=["download", "fullscreen"]
    )


def check_given(picture: object) -> None:
    """Refuses a place without a picture.

    Raises:
        ValueError: if there is none.
    """
    if picture is None:
        raise ValueError("there is no picture yet: drop one, or choose a file")


def read_picture(
    path: Optional[str], channels: int = 0, longest: int = 0
) -> np.ndarray:
    """The pixels of an uploaded picture.

    Args:
        path: of its file, None without one.
        channels: 1 or 3; 0: as the file has.
        longest: longer side that it is made smaller to; 0: as it is.

    Returns:
        uint8 ``(height, width, channels)``.

    Raises:
        ValueError: if there is none, or it cannot be read.
    """
    check_given(path)
    pixels = data.read_image(path, "picture", channels)
    return smaller(pixels, longest) if longest else pixels


def smaller(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Pixels, area-averaged so that the longer side is at most ``longest``."""
    height, width = pixels.shape[:2]
    factor = longest / max(height, width)
    if factor >= 1:
        return pixels
    size = [max(1, round(side * factor)) for side in (width, height)]
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    made = np.asarray(image.resize(size, Image.Resampling.BOX))
    return made.reshape(size[1], size[0], pixels.shape[2])


def shown(pixels: np.ndarray) -> np.ndarray:
    """Pixels for the page: in colour, those of small pictures repeated."""
    times = max(1, _SHOWN_SIDE // max(pixels.shape[:2]))
    pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
    return pixels.repeat(times, 0).repeat(times, 1)


def drawn(draw: Callable[[str], object]) -> np.ndarray:
    """The picture that a function of a path writes."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "picture.png")
        draw(path)
        return data.read_image(path, channels=3)
