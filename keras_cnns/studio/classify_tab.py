"""The tab that classifies a picture, and shows and checks what the network looks at."""

import dataclasses
from typing import Optional, Union

import gradio as gr
import numpy as np

from keras_cnns import data, figures, inference, inspection
from keras_cnns.runs import Run
from keras_cnns.studio.events import connect, epoch_choice, run_choice
from keras_cnns.studio.pictures import (
    check_given,
    drawn,
    picture_input,
    picture_output,
    shown,
)
from keras_cnns.studio.shelf import Export, Shelf

_NO_MAP, _BEST = "none", "the most probable"
_TASK = "classification"
_STAYS = "rank correlation with the map by random weights"
_NO_LAYERS = "an export holds no layers to make a map of: choose its run"
_COLUMNS = ["random weights", "absolute values", "with signs"]
_HOW_TO_READ = (
    "1: all of the map stays, 0: nothing, -1: it is reversed. A map that stays when "
    "all weights are random shows the picture, its edges for example, and not what the "
    "network has learnt."
)


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
    def of_run(cls, run: Run, which: str) -> "Inspected":
        """That of a ``Run``, with its best or last weights."""
        subject = inspection.Subject.of_run(run, which)
        return cls(subject, inspection.Explainer(subject.model))

    def probabilities(self, inputs: np.ndarray) -> np.ndarray:
        """``(count, classes)`` of inputs."""
        return self.explainer.classifier("gradient").probabilities(inputs)

    def chosen(self, wanted: str) -> Optional[int]:
        """Number of the class whose map is made; None: of each image the best."""
        return None if wanted == _BEST else self.subject.class_number(wanted)


def make_classify_tab(shelf: Shelf, tab: gr.Tab) -> None:
    """Makes the content of the tab."""
    seen = gr.State(None, time_to_live=3600)  # the picture, and colours of the map
    with gr.Row():
        with gr.Column():
            asked, top_k = _make_question(shelf, tab)
            with gr.Row():
                button = gr.Button("classify", variant="primary")
                check = gr.Button("check the map")
        with gr.Column():
            bars = gr.Label(label="probabilities")
            strength = gr.Slider(0, 1, 0.6, step=0.05, label="strength of the map")
            overlay = picture_output("red speaks for the class, blue against it")
    checked, maps, table = _make_check()

    def answer(name, epoch, path, kind, wanted, count, part):
        found = classify(_open(shelf, name, epoch, path), path, kind, wanted)
        bars = gr.Label(found.probabilities, num_top_classes=count)
        seen = (found.picture, found.colours)
        return bars, seen, blend(seen, part), gr.Row(visible=False)

    def answer_check(name, epoch, path, kind, wanted):
        found = check_map(_open(shelf, name, epoch, path), path, kind, wanted)
        return gr.Row(visible=True), *found

    results = [bars, seen, overlay, checked]
    connect(button.click, answer, [*asked, top_k, strength], results, heavy=True)
    told = {"heavy": True, "show_progress_on": overlay}
    connect(check.click, answer_check, asked, [checked, maps, table], **told)
    moved = {"trigger_mode": "always_last"}
    connect(strength.input, blend, [seen, strength], overlay, **moved)


def _make_question(shelf, tab):
    """What is asked: run, epoch, picture, map and its class; and how many are shown."""
    run = run_choice(shelf, tab, _TASK)
    which = epoch_choice(shelf, run)
    picture = picture_input("picture")
    top_k = gr.Slider(1, 20, 5, step=1, label="classes shown")
    method = gr.Dropdown([_NO_MAP, *inspection.METHODS], value="grad_cam", label="map")
    explained = gr.Dropdown([_BEST], value=_BEST, label="class of the map")

    def choices(name, chosen):
        one = shelf.item(name, _TASK) if name else None
        names = one.config.class_names if isinstance(one, Run) else ()
        maps = [] if isinstance(one, Export) else inspection.METHODS
        kept = chosen if chosen in maps else _NO_MAP
        return (
            gr.Dropdown([_NO_MAP, *maps], value=kept),
            gr.Dropdown([_BEST, *names], value=_BEST),
        )

    connect(tab.select, choices, [run, method], [method, explained])
    connect(run.change, choices, [run, method], [method, explained])
    return [run, which, picture, method, explained], top_k


def _open(shelf, name, epoch, path):
    """``Inspected`` of a run or ``Predictor`` of an export, if there is a picture."""
    check_given(path)
    return shelf.use(
        name,
        _TASK,
        f"inspected {epoch}",
        lambda run: Inspected.of_run(run, epoch),
    )


def _make_check():
    """Where a checked map is shown, hidden at first: the row, picture and table."""
    with gr.Row(visible=False) as row:
        with gr.Column(scale=3):
            maps = gr.Image(
                label="map by the trained weights, and by random ones",
                format="png", interactive=False, show_label=False, buttons=[],
            )  # fmt: skip
        with gr.Column(scale=2):
            table = gr.Dataframe(
                headers=_COLUMNS, datatype="str", interactive=False, label=_STAYS
            )
            gr.Markdown(_HOW_TO_READ)
    return row, maps, table


@dataclasses.dataclass(frozen=True)
class Classified:
    """What the tab shows of a picture.

    Attributes:
        probabilities: by class, all of them.
        picture: what the network saw, of exports what it was given,
            ``(height, width, channels)`` in [0, 1].
        colours: of the map, ``(height, width, 3)`` in [0, 1]; None without one.
    """

    probabilities: dict
    picture: np.ndarray
    colours: Optional[np.ndarray] = None


def classify(
    inspected: Union[Inspected, inference.Predictor],
    path: str,
    method: str,
    wanted: str,
) -> Classified:
    """Classifies an image file and explains it.

    Args:
        inspected: ``Inspected``, or the ``Predictor`` of an export, without maps.
        path: of the file.
        method: key of ``inspection.METHODS``, or ``"none"``.
        wanted: class whose map is made, or ``"the most probable"``.

    Raises:
        ValueError: if the file cannot be read, there is no such class, or the network
            does not suit the method.
    """
    if isinstance(inspected, inference.Predictor):
        return _classify_plainly(inspected, path, method)
    subject = inspected.subject
    inputs = subject.inputs([path])
    row = inspected.probabilities(inputs)[0]
    named = dict(zip(subject.class_names, map(float, row)))
    picture = subject.as_unit(inputs)[0]
    if method == _NO_MAP:
        return Classified(named, picture)
    values = inspected.explainer.maps(method, inputs, inspected.chosen(wanted))[0]
    return Classified(named, picture, figures.map_colours(values))


def _classify_plainly(predictor, path, method):
    """By an export's network."""
    if method != _NO_MAP:
        raise ValueError(_NO_LAYERS)
    with open(path, "rb") as file:
        (row,) = predictor([file.read()])
    picture = data.read_image(path, "picture") / np.float32(255)
    return Classified(dict(zip(predictor.class_names, map(float, row))), picture)


def check_map(
    inspected: Union[Inspected, inference.Predictor],
    path: str,
    method: str,
    wanted: str,
) -> tuple:
    """How much of an image file's map stays when weights are random.

    Args:
        inspected, path, wanted: as of ``classify``; exports are refused.
        method: key of ``inspection.METHODS``.

    Returns:
        uint8 picture of the maps, as ``inspect-classifier`` writes it; rows of a table:
        which weights are random, rank correlation of absolute values, and with signs.

    Raises:
        ValueError: as of ``classify``, or if no map is chosen.
    """
    if isinstance(inspected, inference.Predictor):
        raise ValueError(_NO_LAYERS)
    if method == _NO_MAP:
        raise ValueError(
            f"there is no map to check: choose one of {', '.join(inspection.METHODS)}"
        )
    inputs = inspected.subject.inputs([path])
    chosen = inspected.chosen(wanted)
    found = inspection.maps_by_weights(inspected.explainer, [method], inputs, chosen)
    maps, image = found[method], inspected.subject.as_unit(inputs)[0]
    rows = [
        [
            inspection.RANDOMIZED[name],
            *(inspection.told_similarity(one[kind]) for kind in ("absolute", "signed")),
        ]
        for name, one in maps.stays(0).items()
    ]
    grid = [maps.row(0)]
    return drawn(lambda to: figures.explanation_grid(to, image, grid, True)), rows


def blend(seen: Optional[tuple], strength: float) -> Optional[np.ndarray]:
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
