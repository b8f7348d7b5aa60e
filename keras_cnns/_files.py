"""Files: complete under their final name or not there, valid JSON, locks.

What is being written has a name that nobody can foresee, ``.<random>.partial`` in the
same folder, and is created, never opened: a link that lies there is not followed, and
of several writers of one name the last one wins with a whole file.
"""

import contextlib
import errno
import fcntl
import json
import math
import os
import secrets
import shutil
import tempfile

from absl import logging

_ENDING = ".partial"
# What renaming raises where the name is taken by what cannot be replaced.
_TAKEN = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
_LONGEST_TEXT = 200  # of a lock, in characters
_LONGEST_REASON = 500
# What locking raises on disks that know no locks.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)


def _fresh_name(folder):
    return os.path.join(folder, f".{secrets.token_hex(8)}{_ENDING}")


@contextlib.contextmanager
def atomic_file(path: str, durable: bool = False):
    """Yields a new binary file; gives it the name ``path`` when the block succeeds.

    Args:
        path: final name; its folder is made, an existing file is replaced.
        durable: whether it must survive a power failure from then on.

    Raises:
        OSError: naming ``path``, if writing fails; no partial file is left, and an
            existing file stays unchanged.
    """
    folder = os.path.dirname(path) or "."
    partial = _fresh_name(folder)
    try:
        os.makedirs(folder, exist_ok=True)
        with open(partial, "x+b") as file:  # x: created, so that no link is followed
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(partial, path)
        if durable:
            _sync(folder)
    except OSError as error:
        raise OSError(f"could not write {path}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            os.remove(partial)


@contextlib.contextmanager
def scratch_folder(parent: str):
    """Yields a new folder within another that only this user can enter; removes it.

    It is locked. Those that killed processes have left there, whose locks ended with
    them, are removed first.
    """
    os.makedirs(parent, exist_ok=True)
    _remove_abandoned(parent)
    while True:
        private = _fresh_name(parent)
        os.mkdir(private, 0o700)
        with contextlib.suppress(FileNotFoundError):
            descriptor = _open_folder(private)
            if _lock_folder(descriptor, private):
                break
            os.close(descriptor)  # taken for an abandoned one before it was locked
    try:
        yield private
    finally:
        shutil.rmtree(private, ignore_errors=True)
        os.close(descriptor)


def _remove_abandoned(parent):
    for entry in os.scandir(parent):
        if not _is_partial(entry) or not entry.is_dir(follow_symlinks=False):
            continue
        with contextlib.suppress(OSError):  # in use, another user's, gone, or no locks
            descriptor = _open_folder(entry.path)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                logging.info("%s was never completed and is removed", entry.path)
                shutil.rmtree(entry.path, ignore_errors=True)
            finally:
                os.close(descriptor)


def _open_folder(path):
    return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)


def _lock_folder(descriptor, path) -> bool:
    """Locks an open folder, if its disk knows locks; whether it still has its name."""
    with contextlib.suppress(OSError):
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    return _has_name(descriptor, path)


@contextlib.contextmanager
def partial_folder(parent: str):
    """Yields a new empty folder for ``claim``; it is removed unless claimed.

    It lies in a ``scratch_folder`` and has the permissions of any new folder itself.
    """
    with scratch_folder(parent) as private:
        partial = os.path.join(private, "new")
        os.mkdir(partial)
        yield partial


def remove_folder(path: str) -> None:
    """Removes a folder, which is there as a whole or not at all meanwhile."""
    with scratch_folder(os.path.dirname(os.path.normpath(path)) or ".") as private:
        os.rename(path, os.path.join(private, "old"))


def claim(partial: str, path: str) -> None:
    """Gives a folder that is not empty its final name, unless the name is taken.

    Raises:
        FileExistsError: if ``path`` exists, or another process was faster.
        OSError: if it cannot be renamed.
    """
    taken = FileExistsError(f"{path} exists already")
    if os.path.lexists(path):
        raise taken
    try:
        os.rename(partial, path)
    except OSError as error:
        if error.errno in _TAKEN:
            raise taken from error
        raise


@contextlib.contextmanager
def atomic_folder(path: str, durable: bool = False):
    """Yields a new empty folder; gives it the name ``path`` when the block succeeds.

    Args:
        path: final name.
        durable: whether its files must survive a power failure from then on.

    Raises:
        FileExistsError: if ``path`` exists.
        OSError: if it cannot be written.
    """
    if os.path.lexists(path):
        raise FileExistsError(f"{path} exists already")
    parent = os.path.dirname(os.path.normpath(path)) or "."
    with partial_folder(parent) as partial:
        yield partial
        if durable:
            for entry in os.scandir(partial):
                _sync(entry.path)
            _sync(partial)
        claim(partial, path)
        if durable:
            _sync(parent)


def _sync(path):
    """Waits until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network disks cannot sync folders
            raise
    finally:
        os.close(descriptor)


def remove_partials(folder: str) -> None:
    """Removes what killed writers have left in a folder.

    Only for folders that no other process writes into meanwhile.
    """
    for entry in os.scandir(folder) if os.path.isdir(folder) else ():
        if _is_partial(entry):
            logging.info("%s was never completed and is removed", entry.path)
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.remove(entry.path)


def _is_partial(entry):
    return entry.name.startswith(".") and entry.name.endswith(_ENDING)


@contextlib.contextmanager
def plain_path(folder: str):
    """Yields a path of a folder that TensorFlow takes as it is.

    Its readers of checkpoints take names for patterns, such as ``[`` in them, and all
    of it takes UTF-8 only. The path is valid within the block.
    """
    whole = os.path.abspath(folder)
    is_text = whole.encode(errors="replace").decode() == whole
    if is_text and not set("*?[]\\") & set(whole):
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        link = os.path.join(scratch, "link")
        os.symlink(whole, link)
        yield link


def reason_of(error: BaseException) -> str:
    """What an error says of a file, in one line that is not too long."""
    text = repr(error) if isinstance(error, KeyError) else str(error).strip()
    return (text or repr(error)).splitlines()[0][:_LONGEST_REASON]


@contextlib.contextmanager
def reading(path: str, kind: str):
    """Within the block, whatever goes wrong is a ValueError that names the file.

    Args:
        path: of the file.
        kind: what it should be, such as ``"an .h5 weight file"``.

    Raises:
        ValueError: if the file is none, or the block raises anything.
    """
    if not os.path.isfile(path):
        raise ValueError(f"{path} cannot be read as {kind}: it is not a file")
    try:
        yield
    except Exception as error:  # readers raise many things on damaged files
        reason = reason_of(error)
        if not isinstance(error, ValueError):
            reason += "; it may be cut short, damaged or of another kind"
        raise ValueError(f"{path} cannot be read as {kind}: {reason}") from error


def write_text(path: str, text: str, durable: bool = False) -> None:
    """Writes a text file atomically, as ``atomic_file`` does."""
    with atomic_file(path, durable) as file:
        file.write(
            text.encode("utf-8", "surrogateescape")
        )  # names of files as they are


def write_json(path: str, value, indent=None, durable: bool = False) -> None:
    """Writes a value as a JSON file, as ``atomic_file`` does.

    Numbers that are NaN or infinite, for which JSON has no form, become null.
    """
    text = json.dumps(_finite(value), indent=indent, allow_nan=False)
    write_text(path, f"{text}\n", durable)


def _finite(value):
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(v) for v in value] if isinstance(value, (list, tuple)) else value


@contextlib.contextmanager
def locked(path: str, wait: bool = True, text: str = ""):
    """Within the block, no other process holds the lock that is a file.

    It ends with the process, however that ends. Disks that know no locks are used
    without, which the log says.

    Args:
        path: of the file, in a folder that exists; it is there as long as the lock.
        wait: whether to wait for another holder.
        text: content of the file, for others to read.

    Raises:
        BlockingIOError: if another one holds it; its ``strerror`` is that one's text.
        OSError: if the file cannot be made.
    """

    def create(path, _):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(path, flags, 0o666)

    while True:
        with open(
            path, "r+", encoding="utf-8", errors="replace", opener=create
        ) as file:
            if not _lock(file, wait):
                continue  # its holder has removed it meanwhile
            file.truncate(0)
            file.write(text)
            file.flush()
            try:
                yield
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.remove(path)
            return


def _lock(file, wait) -> bool:
    """Locks an open file; whether it still has its name."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError as error:
        raise BlockingIOError(error.errno, file.read(_LONGEST_TEXT)) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        logging.warning("cannot be locked, start nothing twice: %s", error)
        return True
    return _has_name(file.fileno(), file.name)


def _has_name(descriptor, path):
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
