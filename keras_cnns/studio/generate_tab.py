"""The tab that draws images of a generator, walks between two, and moves latents."""

import dataclasses
import functools

import gradio as gr
import numpy as np

from keras_cnns import figures, inference
from keras_cnns.inspection.latent_walks import PATHS
from keras_cnns.studio.drawing import Drawing
from keras_cnns.studio.events import connect, run_choice
from keras_cnns.studio.pictures import drawn, picture_output, shown
from keras_cnns.studio.shelf import Shelf

_EACH = "each in turn"
_TASK = "generation"
_LARGEST_SEED = 2**31 - 1
_SHOWN_SIDE = 640  # pixels that the grid of a walk has, about
_MOST_COLUMNS = 6
_GALLERY_HEIGHT = 600  # pixels; more is scrolled
_SLIDERS = 8  # latents that have one at once
# Each changes the drawing that the event before left: they wait for each other, as
# events that run networks do, but show no progress.
_QUICK = {"concurrency_id": "networks"}


def make_generate_tab(shelf: Shelf, tab: gr.Tab) -> None:
    """Makes the content of the tab."""
    drawing = gr.State(None, time_to_live=3600)
    with gr.Row():
        with gr.Column():
            run = run_choice(shelf, tab, _TASK)
            label = gr.Dropdown([_EACH], value=_EACH, label="class", visible=False)
            seed = gr.Number(
                1, label="seed", precision=0, minimum=0, maximum=_LARGEST_SEED
            )
            count = gr.Slider(1, 100, 16, step=1, label="number of images")
            draw = gr.Button("draw", variant="primary")
            gr.Markdown("**Walk** between the two pictures that were clicked last")
            between = gr.Slider(1, 30, 10, step=1, label="images between them")
            path = gr.Radio(list(PATHS), value="spherical", label="path")
            go = gr.Button("walk", variant="primary")
            gr.Markdown("**Latents** of the picture *to*, moved by hand")
            part = gr.Dropdown([("1 to 8", 0)], value=0, label="which latents")
            sliders = _make_sliders()
        with gr.Column():
            gallery = _make_gallery()
            way = picture_output("walk, row by row")
            moved = picture_output("picture of the moved latents")

    do = _Events(shelf)
    shown = [drawing, gallery, part, *sliders, moved]
    connect(tab.select, do.classes, run, label, heavy=True)
    connect(run.change, do.classes, run, label, heavy=True)
    connect(draw.click, do.draw, [run, label, seed, count], shown, heavy=True)
    connect(gallery.select, do.choose, [drawing, part], shown, **_QUICK)
    connect(go.click, do.walk, [drawing, between, path], way, heavy=True)
    connect(part.input, do.turn, [drawing, part], sliders, **_QUICK)
    for number, slider in enumerate(sliders):
        connect(
            slider.input, functools.partial(do.move, number), [drawing, part, slider],
            [drawing, moved], trigger_mode="always_last", **_QUICK,
        )  # fmt: skip


def _make_gallery():
    return gr.Gallery(
        label="images; click two", format="png", columns=4, object_fit="contain",
        height=_GALLERY_HEIGHT, allow_preview=False, interactive=False,
        buttons=["download_all"], elem_classes="whole",
    )  # fmt: skip


def _make_sliders():
    sliders = []
    with gr.Group():
        for first in range(1, _SLIDERS, 2):
            with gr.Row():
                sliders += [
                    gr.Slider(-1, 1, 0, label=f"latent {number}", buttons=[])
                    for number in (first, first + 1)
                ]
    return sliders


@dataclasses.dataclass(frozen=True)
class _Events:
    """What the tab does at its events, with the runs of a shelf."""

    shelf: Shelf

    def classes(self, name):
        """The choice of the classes of a run."""
        sampler = self._open(name) if name else None
        names = sampler.class_names if sampler and sampler.is_conditional else ()
        return gr.Dropdown([_EACH, *names], value=_EACH, visible=bool(names))

    def draw(self, name, chosen, seed, count):
        """A new drawing, and all that is shown of it."""
        if seed is None:
            limit = _LARGEST_SEED
            raise ValueError(f"the seed is missing: a whole number from 0 to {limit}")
        sampler = self._open(name)
        labels = _labels(sampler, chosen, count)
        return _view(Drawing.of_run(name, sampler, count, int(seed), labels), 0)

    def choose(self, drawing, first, event: gr.SelectData):
        """The drawing in which the picture that was clicked is chosen."""
        return _view(drawing.choose(event.index), first)

    def walk(self, drawing, between, path):
        """The grid of a walk."""
        if drawing is None:
            raise ValueError("there is no picture yet: draw some, and click two")
        return _grid(drawing.walk(self._open(drawing.run), between, path))

    def turn(self, drawing, first):
        """The sliders of other latents."""
        return _slider_views(drawing, first)

    def move(self, number, drawing, first, value):
        """The drawing whose latents one slider moved, and their image."""
        if drawing is None:
            raise ValueError("there is no picture yet: draw some, and click one")
        drawing = drawing.move(first + number, value)
        return drawing, shown(drawing.moved_pixels(self._open(drawing.run)))

    def _open(self, name):
        return self.shelf.use(name, _TASK, "sampler", inference.Sampler)


def _labels(sampler, chosen, count):
    """Class numbers of a choice; None of generators without labels."""
    if not sampler.is_conditional:
        return None
    names = sampler.class_names
    if chosen == _EACH:
        return [number % len(names) for number in range(count)]
    if chosen not in names:
        raise ValueError(f"unknown class {chosen!r}; there are {', '.join(names)}")
    return [names.index(chosen)] * count


def _view(drawing, first):
    """What is shown of a drawing, with the sliders of latents from ``first`` on."""
    names = dict(zip(drawing.chosen, ("from", "to")))
    pictures = [
        (np.broadcast_to(one, (*one.shape[:2], 3)), names.get(number))
        for number, one in enumerate(drawing.pixels)
    ]
    columns = min(_MOST_COLUMNS, int(np.ceil(np.sqrt(len(pictures)))))
    size = len(drawing.moved)
    parts = [
        (f"{start + 1} to {min(start + _SLIDERS, size)}", start)
        for start in range(0, size, _SLIDERS)
    ]
    return [
        drawing,
        gr.Gallery(pictures, columns=columns),
        gr.Dropdown(parts, value=first),
        *_slider_views(drawing, first),
        shown(drawing.pixels[drawing.chosen[-1]]),
    ]


def _slider_views(drawing, first):
    """Sliders of latents from ``first`` on; those beyond the last are hidden."""
    if drawing is None:
        return [gr.Slider() for _ in range(_SLIDERS)]
    low, high = drawing.bounds
    values = drawing.moved[first : first + _SLIDERS].clip(low, high)
    views = [
        gr.Slider(
            low, high, round(float(value), 2), step=0.01,
            label=f"latent {first + number}", visible=True,
        )
        for number, value in enumerate(values, 1)
    ]  # fmt: skip
    return views + [gr.Slider(visible=False)] * (_SLIDERS - len(views))


def _grid(pixels):
    unit = pixels / np.float32(255)
    columns = min(_MOST_COLUMNS, len(unit))
    scale = max(1, _SHOWN_SIDE // (columns * unit.shape[2]))
    return drawn(
        lambda path: figures.image_grid(
            unit, path, columns, value_range="unit", scale=scale
        )
    )
