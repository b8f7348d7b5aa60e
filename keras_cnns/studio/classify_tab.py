"""The tab that classifies a picture and shows what the network looks at."""

import dataclasses

import gradio as gr
import numpy as np

from keras_cnns import data, figures, inspection
from keras_cnns.studio.events import connect, epoch_choice, run_choice
from keras_cnns.studio.pictures import (
    check_given,
    picture_input,
    picture_output,
    shown,
)
from keras_cnns.studio.shelf import Shelf

_NO_MAP, _BEST = "none", "the most probable"
_TASK = "classification"


@dataclasses.dataclass(frozen=True)
class Inspected:
    """A classifier of a run, and how its decisions are explained.

    Attributes:
        subject: ``inspection.Subject``.
        explainer: ``inspection.Explainer`` of it.
    """

    subject: inspection.Subject
    explainer: inspection.Explainer

    @classmethod
    def of_run(cls, run, which: str) -> "Inspected":
        """That of a ``Run``, with its best or last weights."""
        subject = inspection.Subject.of_run(run, which)
        return cls(subject, inspection.Explainer(subject.model))

    def probabilities(self, inputs) -> np.ndarray:
        """``(count, classes)`` of inputs."""
        return self.explainer.classifier("gradient").probabilities(inputs)


def make_classify_tab(shelf: Shelf, tab: gr.Tab) -> None:
    """Makes the content of the tab."""
    seen = gr.State(None, time_to_live=3600)  # the picture, and colours of the map
    with gr.Row():
        with gr.Column():
            run, which = run_choice(shelf, tab, _TASK), epoch_choice()
            picture = picture_input("picture")
            top_k = gr.Slider(1, 20, 5, step=1, label="classes shown")
            method = gr.Dropdown(
                [_NO_MAP, *inspection.METHODS], value="grad_cam", label="map"
            )
            explained = gr.Dropdown([_BEST], value=_BEST, label="class of the map")
            button = gr.Button("classify", variant="primary")
        with gr.Column():
            bars = gr.Label(label="probabilities")
            strength = gr.Slider(0, 1, 0.6, step=0.05, label="strength of the map")
            overlay = picture_output("red speaks for the class, blue against it")

    def classes(name):
        found = shelf.run(name, _TASK).config.class_names if name else ()
        return gr.Dropdown([_BEST, *found], value=_BEST)

    def answer(name, epoch, path, count, kind, wanted, part):
        check_given(path)
        opened = shelf.run(name, _TASK)
        inspected = shelf.load(
            opened, f"inspected {epoch}", lambda run: Inspected.of_run(run, epoch)
        )
        found = classify(inspected, path, kind, wanted)
        bars = gr.Label(found.probabilities, num_top_classes=count)
        seen = (found.picture, found.colours)
        return bars, seen, blend(seen, part)

    connect(tab.select, classes, run, explained)
    connect(run.change, classes, run, explained)
    inputs = [run, which, picture, top_k, method, explained, strength]
    connect(button.click, answer, inputs, [bars, seen, overlay], heavy=True)
    moved = {"trigger_mode": "always_last"}
    connect(strength.input, blend, [seen, strength], overlay, **moved)


@dataclasses.dataclass(frozen=True)
class Classified:
    """What the tab shows of a picture.

    Attributes:
        probabilities: by class, all of them.
        picture: what the network saw, ``(height, width, channels)`` in [0, 1].
        colours: of the map, ``(height, width, 3)`` in [0, 1]; None without one.
    """

    probabilities: dict
    picture: np.ndarray
    colours: np.ndarray = None


def classify(inspected: Inspected, path: str, method: str, wanted: str) -> Classified:
    """Classifies an image file and explains it.

    Args:
        inspected: the network.
        path: of the file.
        method: key of ``inspection.METHODS``, or ``"none"``.
        wanted: class whose map is made, or ``"the most probable"``.

    Raises:
        ValueError: if the file cannot be read, there is no such class, or the network
            does not suit the method.
    """
    subject = inspected.subject
    inputs = subject.inputs([path])
    row = inspected.probabilities(inputs)[0]
    named = dict(zip(subject.class_names, map(float, row)))
    picture = subject.as_unit(inputs)[0]
    if method == _NO_MAP:
        return Classified(named, picture)
    chosen = None if wanted == _BEST else subject.class_number(wanted)
    values = inspected.explainer.maps(method, inputs, chosen)[0]
    return Classified(named, picture, figures.map_colours(values))


def blend(seen, strength: float):
    """The picture under its map, as bytes; None before there is one.

    Args:
        seen: (picture, colours or None) as ``Classified`` has them, or None.
        strength: of the map, in [0, 1].
    """
    if seen is None:
        return None
    picture, colours = seen
    picture = np.broadcast_to(picture, (*picture.shape[:2], 3))
    if colours is not None:
        over = figures.over_image(picture, colours)
        picture = (1 - strength) * picture + strength * over
    return shown(data.to_bytes(picture[np.newaxis], "unit")[0])
