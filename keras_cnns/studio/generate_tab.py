"""The tab that draws images of a generator, and walks between two of them."""

import gradio as gr
import numpy as np
import tensorflow as tf

from keras_cnns import data, figures, inference, inspection
from keras_cnns.inspection.latent_walks import PATHS
from keras_cnns.studio.events import connect, run_choice
from keras_cnns.studio.pictures import drawn, picture_output
from keras_cnns.studio.shelf import Shelf

_EACH = "each in turn"
_TASK = "generation"
_LARGEST_SEED = 2**31 - 1
_SHOWN_SIDE = 640  # pixels that grids have, about


def make_generate_tab(shelf: Shelf, tab: gr.Tab) -> None:
    """Makes the content of the tab."""
    with gr.Row():
        with gr.Column():
            run = run_choice(shelf, tab, _TASK)
            label = gr.Dropdown([_EACH], value=_EACH, label="class", visible=False)
            seed = _seed("seed", 1)
            count = gr.Slider(1, 100, 16, step=1, label="number of images")
            draw = gr.Button("draw", variant="primary")
            gr.Markdown("**Walk** from the image that one seed gives to another's")
            with gr.Row():
                first, second = _seed("from seed", 1), _seed("to seed", 2)
            steps = gr.Slider(2, 30, 10, step=1, label="images on the way")
            path = gr.Radio(list(PATHS), value="spherical", label="path")
            go = gr.Button("walk", variant="primary")
        with gr.Column():
            grid = picture_output("images")
            way = picture_output("walk, row by row")

    def classes(name):
        sampler = _open(shelf, name) if name else None
        names = sampler.class_names if sampler and sampler.is_conditional else ()
        return gr.Dropdown([_EACH, *names], value=_EACH, visible=bool(names))

    def sample(name, chosen, number, many):
        sampler = _open(shelf, name)
        images = sampler(
            many, seed=_whole(number), labels=_labels(sampler, chosen, many)
        )
        return _grid(sampler, images)

    def stroll(name, chosen, start, end, many, kind):
        sampler = _open(shelf, name)
        labels = _labels(sampler, chosen, 1)
        images = walk_images(sampler, _whole(start), _whole(end), many, kind, labels)
        return _grid(sampler, images)

    connect(tab.select, classes, run, label, heavy=True)
    connect(run.change, classes, run, label, heavy=True)
    connect(draw.click, sample, [run, label, seed, count], grid, heavy=True)
    connect(go.click, stroll, [run, label, first, second, steps, path], way, heavy=True)


def walk_images(sampler, first: int, second: int, count: int, path: str, labels):
    """Images on the way from the image of one seed to that of another, both included.

    Args:
        sampler: ``inference.Sampler``.
        first, second: seeds.
        count: number of images, 2 at least.
        path: as ``inspection.interpolate`` takes it.
        labels: list of one class number, of conditional generators; else None.

    Returns:
        ``(count, height, width, channels)`` float32 in the sampler's range.

    Raises:
        ValueError: as ``inspection.interpolate``.
    """
    ends = [
        sampler.latents.draw(1, tf.constant([seed, -1], tf.int64)).numpy()[0]
        for seed in (first, second)
    ]
    inputs = [tf.constant(inspection.interpolate(*ends, count, path))]
    if labels:
        inputs.append(tf.one_hot(labels * count, len(sampler.class_names)))
    given = inputs if labels else inputs[0]
    return sampler.generator(given, training=False).numpy()


def _open(shelf, name):
    return shelf.load(shelf.run(name, _TASK), "sampler", inference.Sampler)


def _seed(label, value):
    return gr.Number(
        value, label=label, precision=0, minimum=0, maximum=_LARGEST_SEED
    )  # fmt: skip


def _whole(seed):
    if seed is None:
        raise ValueError(f"a seed is missing: a whole number from 0 to {_LARGEST_SEED}")
    return int(seed)


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


def _grid(sampler, images):
    unit = data.to_bytes(images, sampler.value_range) / np.float32(255)
    columns = int(np.ceil(np.sqrt(len(unit))))
    scale = max(1, _SHOWN_SIDE // (columns * unit.shape[2]))
    return drawn(
        lambda path: figures.image_grid(
            unit, path, columns, value_range="unit", scale=scale
        )
    )
