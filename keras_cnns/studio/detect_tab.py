"""The tab that finds objects in a picture."""

from typing import Optional

import gradio as gr

from keras_cnns import figures, inference
from keras_cnns.studio.events import connect, epoch_choice, run_choice
from keras_cnns.studio.pictures import picture_input, picture_output, read_picture
from keras_cnns.studio.shelf import Shelf

_TASK = "detection"
_COLUMNS = ["class", "score", "y1", "x1", "y2", "x2"]  # edges in pixels
_SHOWN_SIDE = 480  # pixels that small pictures are enlarged to, about
_LARGEST_SIDE = 2048


def make_detect_tab(shelf: Shelf, tab: gr.Tab) -> None:
    """Makes the content of the tab."""
    seen = gr.State(None, time_to_live=3600)  # picture, detections, names
    with gr.Row():
        with gr.Column():
            run = run_choice(shelf, tab, _TASK)
            which = epoch_choice(shelf, run)
            picture = picture_input("picture")
            button = gr.Button("detect", variant="primary")
        with gr.Column():
            score = gr.Slider(0, 1, 0.5, step=0.01, label="minimum score shown")
            boxes = picture_output("objects")
            table = gr.Dataframe(
                headers=_COLUMNS, datatype="str", interactive=False, label="objects"
            )

    def answer(name, epoch, path, least):
        detector = shelf.use(
            name, _TASK, f"detector {epoch}", lambda run: inference.Detector(run, epoch)
        )
        channels = detector.preprocessing.channels
        image = read_picture(path, channels, _LARGEST_SIDE)
        seen = (image, detector(image), detector.class_names)
        lowest = detector.protocol["min_score"]
        least = max(least, lowest)
        slider = gr.Slider(minimum=lowest, value=least)
        return seen, slider, *_shown(seen, least)

    inputs = [run, which, picture, score]
    connect(button.click, answer, inputs, [seen, score, boxes, table], heavy=True)
    moved = {"trigger_mode": "always_last"}
    connect(score.input, _shown, [seen, score], [boxes, table], **moved)


def _shown(seen, least):
    drawn, rows = show_detections(seen, least)
    return drawn, gr.Dataframe(rows, label=count_shown(seen, len(rows)))


def count_shown(seen: Optional[tuple], count: int) -> str:
    """How many objects are shown, and the highest score if none is.

    Args:
        seen: as ``show_detections`` takes it.
        count: of those shown.
    """
    if seen is None:
        return "objects"
    scores = seen[1]["scores"]
    if not len(scores):
        return "objects: none found"
    text = f"objects: {count} of {len(scores)} shown"
    return text if count else f"{text}; the highest score is {max(scores):.2f}"


def show_detections(seen: Optional[tuple], least: float) -> tuple:
    """The picture with boxes, and rows of a table.

    Args:
        seen: (uint8 picture, detections of ``inference.Detector``, names of the
            classes), or None before there are any.
        least: score of what is shown.
    """
    if seen is None:
        return None, []
    image, found, names = seen
    drawn = figures.draw_boxes(
        image,
        found["boxes"],
        found["classes"],
        found["scores"],
        names,
        min_score=least,
        scale=max(1, _SHOWN_SIDE // max(image.shape[:2])),
    )
    rows = [
        [names[kind], f"{score:.3f}", *(f"{side:.1f}" for side in box)]
        for kind, score, box in zip(found["classes"], found["scores"], found["boxes"])
        if score >= least
    ]
    return drawn, rows
