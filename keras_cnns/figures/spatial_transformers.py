"""What spatial transformers see, where they look, and what they make of it."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from keras_cnns import _files

_COLOUR, _TOP_COLOUR = (240, 130, 30), (0, 175, 190)  # of the outline; its upper edge
_GREY = (128, 128, 128)
_GAP, _WIDE_GAP = 4, 16
# Maps are shown at about this height, in pixels; what is around them is a part of it.
_SHOWN_HEIGHT, _MARGIN = 112, 1 / 6


def transformer_grid(warps: Sequence, path: str) -> None:
    """Writes a row for each image: for each transformer its input and its output.

    On the input is the outline of where the output is taken from, its upper edge in
    another colour; it may reach into the grey margin. Maps of three channels are shown
    in colour, two channels side by side, more as their mean, each in full contrast.

    Args:
        warps: objects with ``maps`` ``(count, height, width, channels)``, ``places``
            ``(count, rows, columns, 2)``, x and y in cells of the maps, and
            ``outputs`` ``(count, rows, columns, channels)``; one for each transformer.
        path: PNG file to write.

    Raises:
        ValueError: if there is no transformer, or none has an image.
        OSError: naming ``path``, if writing fails.
    """
    if not warps or not len(warps[0].maps):
        raise ValueError("there must be a transformer and an image to show, got none")
    rows = [
        _beside([_panel(warp, index) for warp in warps], _WIDE_GAP)
        for index in range(len(warps[0].maps))
    ]
    with _files.atomic_file(path) as file:
        _stacked(rows).save(file, format="PNG")


def _panel(warp, index):
    """Input with outline and output of one transformer for one image."""
    shown = _levels(warp.maps[index])
    scale = max(1, round(_SHOWN_HEIGHT / warp.maps.shape[1]))
    inputs = [_outlined(image, warp.places[index], scale) for image in shown]
    outputs = [_centred(image, inputs[0]) for image in _levels(warp.outputs[index])]
    return _beside(inputs + outputs, _GAP)


def _levels(maps):
    """Maps ``(height, width, channels)`` as a list of images, uint8."""
    maps = np.nan_to_num(np.asarray(maps, np.float64), posinf=0.0, neginf=0.0)
    low, high = maps.min(), maps.max()
    maps = np.round(255 * (maps - low) / (high - low if high > low else 1))
    if maps.shape[-1] == 2:
        images = [maps[..., :1], maps[..., 1:]]
    else:
        images = [maps if maps.shape[-1] == 3 else maps.mean(-1, keepdims=True)]
    return [np.broadcast_to(x, (*x.shape[:2], 3)).astype(np.uint8) for x in images]


def _enlarged(image, scale):
    height, width = image.shape[:2]
    size = (scale * width, scale * height)
    return Image.fromarray(image).resize(size, Image.Resampling.NEAREST)


def _outlined(image, places, scale):
    """The input with a margin, and the border of the places on it."""
    image = _enlarged(image, scale)
    margin = round(_MARGIN * image.height)
    size = (image.width + 2 * margin, image.height + 2 * margin)
    canvas = Image.new("RGB", size, _GREY)
    canvas.paste(image, (margin, margin))
    draw = ImageDraw.Draw(canvas)
    edges = (places[:, -1], places[-1, ::-1], places[::-1, 0], places[0])
    for edge, colour in zip(edges, (_COLOUR, _COLOUR, _COLOUR, _TOP_COLOUR)):
        if np.isfinite(edge).all():
            points = np.clip((edge + 0.5) * scale + margin, -(2.0**14), 2.0**14)
            draw.line(list(map(tuple, points.tolist())), fill=colour, width=2)
    return canvas


def _centred(image, like):
    """The output, about as high as an input, on a white ground of its height."""
    scale = max(1, round(_SHOWN_HEIGHT / len(image)))
    image = _enlarged(image, scale)
    canvas = Image.new("RGB", (image.width, max(image.height, like.height)), "white")
    canvas.paste(image, (0, (canvas.height - image.height) // 2))
    return canvas


def _beside(images, gap):
    width = sum(image.width for image in images) + gap * (len(images) - 1)
    canvas = Image.new("RGB", (width, max(i.height for i in images)), "white")
    left = 0
    for image in images:
        canvas.paste(image, (left, 0))
        left += image.width + gap
    return canvas


def _stacked(images):
    height = sum(image.height for image in images) + _GAP * (len(images) - 1)
    canvas = Image.new("RGB", (images[0].width, height), "white")
    top = 0
    for image in images:
        canvas.paste(image, (0, top))
        top += image.height + _GAP
    return canvas
