"""Atomic writes: files and folders get their final name only when complete."""

import contextlib
import os
import shutil


def partial_name(path: str) -> str:
    """The hidden name beside it that a file or folder is written under first."""
    folder, name = os.path.split(os.path.normpath(path))
    return os.path.join(folder, f".{name}.partial")


@contextlib.contextmanager
def atomic_file(path: str):
    """Yields a temporary path; renames it to ``path`` when the block succeeds.

    Raises:
        OSError: naming ``path``, if writing fails; no partial file is left, and an
            existing file stays unchanged.
    """
    partial = partial_name(path)
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    try:
        yield partial
        os.replace(partial, path)
    except OSError as error:
        raise OSError(f"could not write {path}: {error}") from error
    finally:
        if os.path.exists(partial):
            os.remove(partial)


@contextlib.contextmanager
def atomic_folder(path: str):
    """Yields a temporary empty folder; renames it to ``path`` when the block succeeds.

    Raises:
        FileExistsError: if ``path`` exists.
    """
    if os.path.exists(path):
        raise FileExistsError(f"{path} exists already")
    partial = partial_name(path)
    shutil.rmtree(partial, ignore_errors=True)
    os.makedirs(partial)
    try:
        yield partial
        os.rename(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def write_text(path: str, text: str) -> None:
    """Writes a text file atomically."""
    with atomic_file(path) as partial, open(partial, "w", encoding="utf-8") as file:
        file.write(text)
