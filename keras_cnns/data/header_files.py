"""Headers of image files, kept from one opening of a large folder to the next.

A header is read again where the image's size in bytes or time of change differs.
"""

import hashlib
import json
import os
from collections.abc import Sequence

from absl import logging

from keras_cnns import _files, _progress
from keras_cnns.data import decoding

_LEAST = 1000  # images in a folder whose headers are kept


def read_headers(paths: Sequence[str], folder: str) -> list:
    """The ``decoding.Header`` of each of some image files.

    Args:
        paths: of the files.
        folder: where headers of many images are kept.

    Raises:
        ValueError: naming the first that is no image, and telling how many are not.
    """
    if len(paths) < _LEAST:
        headers = _read(paths)
        return [headers[path] for path in paths]
    top = os.path.realpath(os.path.commonpath(paths))
    name = hashlib.sha256(os.fsencode(top)).hexdigest()
    kept = os.path.join(folder, f"{name}.json")
    known = _known(kept)
    states = {path: _state(path) for path in paths}
    headers = {
        path: decoding.Header(*known[path][len(state) :])
        for path, state in states.items()
        if known.get(path, ())[: len(state)] == state
    }
    new = _read([path for path in paths if path not in headers])
    headers.update(new)
    others = {path: entry for path, entry in known.items() if path not in states}
    there = {path: entry for path, entry in others.items() if os.path.exists(path)}
    if new or len(there) < len(others):
        own = {path: [*states[path], *headers[path]] for path in paths}
        _keep(kept, {**there, **own})
    return [headers[path] for path in paths]


def _state(path) -> list:
    """What changes when a file does; of none what no file has."""
    try:
        found = os.stat(path)
    except OSError:  # told when its header is read
        return [-1, -1]
    return [found.st_size, found.st_mtime_ns]


def _known(kept) -> dict:
    """States and headers by path; none if there is no such file, or a damaged one."""
    try:
        with open(kept, encoding="utf-8") as file:
            known = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        logging.warning("headers are read again: %s: %s", kept, error)
        return {}
    if not isinstance(known, dict) or not all(map(_is_entry, known.values())):
        logging.warning("headers are read again: %s holds something else", kept)
        return {}
    return known


def _is_entry(entry):
    return isinstance(entry, list) and [int, int, bool, bool] == list(map(type, entry))


def _keep(kept, entries):
    try:
        _files.write_json(kept, entries)
    except OSError as error:  # they are not needed, only read faster
        logging.warning("headers are not kept: %s", error)


def _read(paths) -> dict:
    headers, bad = {}, []
    for path in _progress.track(paths, "image headers"):
        try:
            headers[path] = decoding.read_header(path)
        except (ValueError, OSError) as error:
            bad.append(error)
    if bad:
        more = f" ({len(bad)} such files)" if len(bad) > 1 else ""
        raise ValueError(f"{bad[0]}{more}")
    return headers
