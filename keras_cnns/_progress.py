"""Progress of long work: the one place that decides whether it is shown, and how.

Loops that may take long run through ``track``, or move a ``bar``. In code neither shows
anything unless it is asked for, by ``shown``; the commands and trainings ask for it
unless they are told to be quiet.
"""

import contextlib
import contextvars
import functools
import os
import sys

import tqdm
from absl import logging

# What counts and shows, a class like tqdm's; None: not asked for; False: not wanted.
_KIND = contextvars.ContextVar("kind", default=None)
_FIRST_LINE, _LONGEST_WAIT = 10.0, 600.0  # seconds
_COUNTED = "{desc}: {n_fmt} of {total_fmt}, {elapsed} gone, {remaining} left{postfix}"
_PARTS = "{desc}: {percentage:.0f} %, {elapsed} gone, {remaining} left"
_ENDLESS = "{desc}: {n_fmt}, {elapsed} gone"
_STAGES = "{desc}: {n} of {total} stages done, {elapsed} gone"
_DRAWN_PARTS = "{l_bar}{bar}| {elapsed}<{remaining}"


class _Plain(tqdm.tqdm):
    """Counts as tqdm does, but draws no bar: it is shown by ``tell`` of subclasses."""

    def __init__(self, *args, **options):
        options = {**options, "miniters": 0, "mininterval": 0.2}
        super().__init__(*args, **options, gui=True)  # gui: without its own drawing

    def refresh(self, *_, **__):
        """Without tqdm's lock, which stays locked where ``tell`` raises an error."""
        self.display()
        return True

    def display(self, *_, **__):
        self.tell()

    def clear(self, *_, **__):
        """Nothing is drawn that could be cleared."""


class _Lines(_Plain):
    """A line now and then, for logs: the first after 10 s, then ever more rarely.

    Between two lines a tenth of the time goes by that the work has taken, at least 10 s
    and at most 10 minutes.
    """

    def __init__(self, *args, **options):
        self._due, self._told = _FIRST_LINE, None
        super().__init__(*args, **options)

    def tell(self):
        elapsed = self.format_dict["elapsed"]
        if elapsed >= self._due:
            wait = min(max(elapsed / 10, _FIRST_LINE), _LONGEST_WAIT)
            self._due = elapsed + wait
            self._write()

    def close(self):
        if not self.disable and self._told not in (None, self.n):
            self._write()
        super().close()

    def _write(self):
        self._told = self.n
        text = _COUNTED if self.total else _ENDLESS
        text = {_DRAWN_PARTS: _PARTS, _STAGES: _STAGES}.get(self.bar_format, text)
        values = {**self.format_dict, "bar_format": text, "ncols": None}
        print(self.format_meter(**values), file=sys.stderr, flush=True)


class _Told(_Plain):
    """Calls a function of (fraction done, what is done)."""

    def __init__(self, *args, listener, **options):
        self._listener = listener
        super().__init__(*args, **options)

    def tell(self):
        if self.total:
            self._listener(min(self.n / self.total, 1.0), self.desc.rstrip(": "))


def _on_stderr():
    """A bar on a terminal, else lines."""
    try:
        columns = os.get_terminal_size(sys.stderr.fileno()).columns
    except (OSError, ValueError):  # it is none
        columns = 0
    return tqdm.tqdm if columns else _Lines


@contextlib.contextmanager
def _as(kind):
    token = _KIND.set(kind)
    try:
        yield
    finally:
        _KIND.reset(token)


@contextlib.contextmanager
def shown(quiet: bool = False):
    """Within the block, this thread's long work shows on the standard error.

    A bar with the time left on a terminal; elsewhere lines, the first after 10 s.

    Args:
        quiet: whether to show neither that, nor notes, nor what is logged below
            warnings.
    """
    verbosity = logging.get_verbosity()
    if quiet:
        logging.set_verbosity(min(verbosity, logging.WARNING))
    try:
        with _as(False if quiet else _on_stderr()):
            yield
    finally:
        logging.set_verbosity(verbosity)


def hidden():
    """Within the block, this thread's long work shows nothing; what is logged stays."""
    return _as(False)


def told_to(listener):
    """Within the block, this thread's long work is told to a function.

    Args:
        listener: called with the fraction done and a text, what is done; of work within
            other work, too. An error that it raises ends the work.
    """
    return _as(functools.partial(_Told, listener=listener))


def bar(items=None, desc="", total=None, *, always=False, **options):
    """What counts work and shows it, with the methods of ``tqdm.tqdm``.

    Args:
        items: that it runs through; None: it is moved by ``update``.
        desc: what is done.
        total: how much there is to do; None: as many as there are items.
        always: whether it shows unless asked to be quiet, as Keras's downloads do.
        **options: further ones of ``tqdm.tqdm``.
    """
    kind = _KIND.get()
    if kind is None and always:
        kind = _on_stderr()
    # The time left is by the mean speed so far: by that of late, an evaluation at the
    # end of an epoch would count as a step that is slow from now on.
    options = {"leave": False, "dynamic_ncols": True, "smoothing": 0, **options}
    return (kind or tqdm.tqdm)(
        items, desc=desc or None, total=total, disable=not kind, **options
    )


def track(items, desc: str, total=None):
    """An iterator over items that shows how far it is; arguments as of ``bar``."""
    return iter(bar(items, desc, total))


@contextlib.contextmanager
def fractions(desc: str, total: float = 1):
    """Shows work that tells how much of it is done.

    Args:
        desc: what is done.
        total: of what it tells.

    Yields:
        Function to call with what is done so far.
    """
    with bar(desc=desc, total=total, bar_format=_DRAWN_PARTS) as drawn:
        yield lambda done: drawn.update(done - drawn.n)


@contextlib.contextmanager
def stages(*names: str):
    """Shows work that does not know how far it is, stage by stage.

    Args:
        *names: of the stages, in order.

    Yields:
        Function that begins the next one.
    """
    with bar(desc=names[0], total=len(names), bar_format=_STAGES) as drawn:
        numbered = enumerate(names)

        def begin_next():
            number, name = next(numbered)
            drawn.update(number - drawn.n)
            drawn.set_description_str(name)

        yield begin_next
        drawn.update(len(names) - drawn.n)


def announce(text: str) -> None:
    """Prints on the standard error what takes long now, unless asked to be quiet."""
    if _KIND.get() is not False:
        tqdm.tqdm.write(text, file=sys.stderr)


def note(text: str) -> None:
    """Prints a line of progress, clear of bars; nothing where none is shown."""
    if _KIND.get():
        tqdm.tqdm.write(text)
