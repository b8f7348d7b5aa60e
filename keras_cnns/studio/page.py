"""The page: a tab for each use of runs."""

import gradio as gr

from keras_cnns.studio.classify_tab import make_classify_tab
from keras_cnns.studio.detect_tab import make_detect_tab
from keras_cnns.studio.events import cancel_button
from keras_cnns.studio.generate_tab import make_generate_tab
from keras_cnns.studio.inpaint_tab import make_inpaint_tab
from keras_cnns.studio.runs_tab import make_runs_tab
from keras_cnns.studio.shelf import Shelf
from keras_cnns.studio.train_tab import make_train_tab
from keras_cnns.studio.trainings import Trainings
from keras_cnns.studio.upscale_tab import make_upscale_tab

TABS = ("Runs", "Classify", "Generate", "Inpaint", "Detect", "Upscale", "Train")
# Small pictures are as large as their place, with pixels that can be seen.
STYLE = """
.whole img {width: 100%; height: 100%; object-fit: contain; image-rendering: pixelated}
.whole .grid-wrap {overflow-y: auto}
"""
_CLEANED = (600, 3600)  # seconds between looks, and of age: pictures older than it go
_WAITING = 32  # events that may wait; more are refused


def theme() -> gr.themes.Base:
    """The look of the page: fonts of the system, as nothing is fetched."""
    sans, mono = ("system-ui", "sans-serif"), ("ui-monospace", "monospace")
    return gr.themes.Default(primary_hue="blue", font=sans, font_mono=mono)


def make_page(shelf: Shelf, trainings: Trainings) -> gr.Blocks:
    """The page, not yet served.

    Args:
        shelf: with the runs.
        trainings: that the page starts.
    """
    page = gr.Blocks(
        title="keras_cnns studio", analytics_enabled=False, delete_cache=_CLEANED
    )
    with page:
        with gr.Tab("Runs"):
            make_runs_tab(shelf, page)
        with gr.Tab("Classify") as tab:
            make_classify_tab(shelf, tab)
        with gr.Tab("Generate") as tab:
            make_generate_tab(shelf, tab)
        with gr.Tab("Inpaint") as tab:
            make_inpaint_tab(shelf, tab)
        with gr.Tab("Detect") as tab:
            make_detect_tab(shelf, tab)
        with gr.Tab("Upscale") as tab:
            make_upscale_tab(shelf, tab)
        with gr.Tab("Train") as tab:
            make_train_tab(trainings, tab)
        cancel_button(page)
    return page.queue(api_open=False, max_size=_WAITING)
