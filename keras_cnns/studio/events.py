"""What happens on the page: errors in one line, and one network at a time."""

import functools
import html
from collections.abc import Callable
from typing import Any, TypeVar

import gradio as gr
import tensorflow as tf
from absl import logging
from gradio import server_messages, utils
from PIL import Image

from keras_cnns import _progress
from keras_cnns._errors import what_happened
from keras_cnns.studio.shelf import Shelf

# Events that run networks wait for each other: memory is that of one of them.
_NETWORKS = {"concurrency_id": "networks", "concurrency_limit": 1}
_LIGHT = {"concurrency_limit": 8}
_CANCELLED = set()  # visits whose long work is to end
_SHOWN_SECONDS = 20
_Component = TypeVar("_Component", bound=gr.components.Component)
_EXPECTED = (ValueError, OSError, ImportError)


class _Cancelled(Exception):
    """Ends work whose user asked for that; no error of the work itself."""


def told(function: Callable) -> Callable:
    """The function, whose errors are shown on the page as the shell has them."""

    @functools.wraps(function)
    def answer(*args, **kwargs):
        try:
            return function(*args, **kwargs)
        except gr.Error:  # is a ValueError
            raise
        except tf.errors.OpError as error:
            message, cause = what_happened(error.message), error
        except MemoryError as error:
            message, cause = f"out of memory: {error}", error
        except (*_EXPECTED, _Cancelled, Image.DecompressionBombError) as error:
            message, cause = what_happened(str(error)), error
        except Exception as error:  # a mistake of ours: the terminal tells where
            logging.exception("the page's user met an unexpected error")
            message, cause = f"{type(error).__name__}: {error}", error
        logging.info("the page shows the error: %s", message)
        raise shown_error(message) from cause

    return answer


def reading_told(component: _Component) -> _Component:
    """A component, whose errors of reading what it was given are shown so, too."""
    component.preprocess = told(component.preprocess)
    return component


def shown_error(message: str) -> gr.Error:
    """An error for the page, on which texts would be HTML."""
    return gr.Error(
        html.escape(message), duration=_SHOWN_SECONDS, print_exception=False
    )


def warn(message: str) -> None:
    """Shows a warning on the page."""
    gr.Warning(html.escape(message), duration=_SHOWN_SECONDS)


def progress_told(function: Callable) -> Callable:
    """The function, whose long work is shown on the page, and ends if that asks."""

    def answer(request: gr.Request, *args):
        visit, shown = request.session_hash, gr.Progress()
        _CANCELLED.discard(visit)

        def tell(part, what):
            if visit in _CANCELLED:
                raise _Cancelled(f"cancelled: {what}")
            shown(part, desc=what)

        with _progress.told_to(tell):
            return function(*args)

    return answer


def cancel_button(page: gr.Blocks) -> None:
    """Makes a button that ends the long work of who presses it.

    Work ends where it next tells how far it is, and what still waits for that of others
    is dropped at once; both with an error that says so.

    Args:
        page: whose work it is.
    """

    async def cancel(request: gr.Request):
        await _drop_waiting(page, request.session_hash)
        _CANCELLED.add(request.session_hash)

    gr.Button("cancel", size="sm").click(
        cancel, api_visibility="private", show_progress="hidden", **_LIGHT
    )


async def _drop_waiting(page, visit):
    """Takes what a visit's networks wait for out of the page's queue.

    The library has this for what the browser names alone (``cancels``), and then ends
    what runs without waiting for it, so that two networks would run at once.
    """
    queue = page._queue
    line = queue.event_queue_per_concurrency_id.get(_NETWORKS["concurrency_id"])
    waiting = [one for one in line.queue if one.session_hash == visit] if line else []
    for event in waiting:
        await queue.clean_events(event_id=event._id)
        error = shown_error("cancelled: it waited for the work of others")
        message = server_messages.ProcessCompletedMessage(
            output=utils.error_payload(error, True), success=False
        )
        queue.send_message(event, message)


def connect(
    event: Callable,
    function: Callable,
    inputs: Any = None,
    outputs: Any = None,
    *,
    heavy: bool = False,
    **options: Any,
) -> Any:
    """Calls a function of components at an event of one.

    Args:
        event: such as ``button.click``.
        function: of the inputs' values, to the outputs'.
        inputs, outputs: components.
        heavy: whether it runs a network; then the page shows how far it is.
        **options: of the event.
    """
    return event(
        told(progress_told(function) if heavy else function),
        inputs,
        outputs,
        api_visibility="private",
        show_progress="full" if heavy else "hidden",
        **(_NETWORKS if heavy else _LIGHT),
        **options,
    )


def run_choice(shelf: Shelf, tab: gr.Tab, task: str) -> gr.Dropdown:
    """A choice of the runs and exports of a task, looked for when the tab is opened."""

    def choices(chosen):
        names = sum(shelf.choices(task), [])
        first = names[0] if names else None
        return gr.Dropdown(names, value=chosen if chosen in names else first)

    names = sum(shelf.choices(task), [])
    first = names[0] if names else None
    box = gr.Dropdown(names, value=first, label=f"run or export of {task}")
    connect(tab.select, choices, box, box)
    return box


def epoch_choice(shelf: Shelf, run: gr.Dropdown) -> gr.Radio:
    """Which weights of a chosen run are used; hidden for exports, which have one."""

    def shown(name):
        return gr.Radio(visible=name not in shelf.find().exports)

    epochs = gr.Radio(["last", "best"], value="last", label="epoch")
    connect(run.change, shown, run, epochs)
    return epochs
