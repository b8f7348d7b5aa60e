"""Files: whole or not there, no link followed, valid JSON, one holder of a lock."""

import json
import os
import signal
import stat

import pytest

from keras_cnns import _files

# Two such processes write one name at the same time; each is one long letter.
WRITER = """
import sys
from keras_cnns import _files
path, letter = sys.argv[1:]
for _ in range(150):
    _files.write_text(path, letter * 300_000)
"""
CLAIMER = """
import os, sys
from keras_cnns import _files
parent, letter = sys.argv[1:]
for number in range(40):
    try:
        with _files.atomic_folder(os.path.join(parent, str(number))) as folder:
            for name in "ab":
                _files.write_text(os.path.join(folder, name), letter)
    except FileExistsError:
        print(number)
"""


def test_of_two_writers_each_leaves_a_whole_file(start, tmp_path):
    path = tmp_path / "file"
    writers = [start("-c", WRITER, path, letter) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if path.exists():
            seen.add(path.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert {*seen, path.read_text()} <= {"a" * 300_000, "b" * 300_000}
    assert os.listdir(tmp_path) == ["file"]


def test_of_two_writers_of_a_folder_one_wins(start, tmp_path):
    writers = [start("-c", CLAIMER, tmp_path, letter) for letter in "ab"]
    refused = [writer.communicate()[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0]
    assert sorted(refused[0] + refused[1], key=int) == [str(n) for n in range(40)]
    assert sorted(os.listdir(tmp_path), key=int) == [str(n) for n in range(40)]
    for folder in tmp_path.iterdir():
        winner = "b" if folder.name in refused[0] else "a"
        assert [file.read_text() for file in folder.iterdir()] == [winner] * 2


def test_a_link_is_never_followed(tmp_path, monkeypatch):
    """Neither in the place of the file nor in that of what is written first."""
    monkeypatch.setattr(_files.secrets, "token_hex", lambda _: "foreseen")
    other = tmp_path / "other"
    other.write_text("mine")
    link = tmp_path / ".foreseen.partial"
    link.symlink_to(other)
    with pytest.raises(OSError, match="could not write .*file"):
        _files.write_text(str(tmp_path / "file"), "text")
    assert not (tmp_path / "file").exists()
    (tmp_path / "file").symlink_to(other)
    _files.write_text(str(tmp_path / "file"), "text")
    assert not (tmp_path / "file").is_symlink()
    (tmp_path / "lock").symlink_to(other)
    with pytest.raises(OSError), _files.locked(str(tmp_path / "lock"), text="text"):
        pass
    link.symlink_to(tmp_path)
    with pytest.raises(FileExistsError), _files.atomic_folder(str(tmp_path / "folder")):
        pass
    assert other.read_text() == "mine"


@pytest.mark.parametrize("durable", [False, True])
def test_what_fails_leaves_nothing(tmp_path, durable):
    (tmp_path / "file").write_text("old")
    path, stop = str(tmp_path / "file"), pytest.raises(KeyboardInterrupt)
    with stop, _files.atomic_file(path, durable) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    path, stop = str(tmp_path / "folder"), pytest.raises(KeyboardInterrupt)
    with stop, _files.atomic_folder(path, durable) as folder:
        _files.write_text(os.path.join(folder, "file"), "new")
        raise KeyboardInterrupt
    assert os.listdir(tmp_path) == ["file"]
    assert (tmp_path / "file").read_text() == "old"


def test_permissions_are_those_of_any_new_file(tmp_path):
    before = os.umask(0o027)
    try:
        _files.write_text(str(tmp_path / "file"), "text")
        with _files.atomic_folder(str(tmp_path / "folder"), durable=True) as folder:
            private = os.stat(os.path.dirname(folder)).st_mode
            _files.write_text(os.path.join(folder, "file"), "text")
    finally:
        os.umask(before)
    modes = [
        stat.S_IMODE(os.stat(tmp_path / n).st_mode)
        for n in ("file", "folder", "folder/file")
    ]
    assert modes == [0o640, 0o750, 0o640]
    assert stat.S_IMODE(private) == 0o700


@pytest.mark.parametrize("taken", ["file", "folder", "dangling"])
def test_a_folder_takes_no_name_that_is_taken(tmp_path, taken):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "dangling").symlink_to("nowhere")
    refused = pytest.raises(FileExistsError, match=f"{taken} exists already")
    with refused, _files.atomic_folder(str(tmp_path / taken)):
        raise AssertionError("refused before anything is written")


@pytest.mark.parametrize(
    "name", ["[a]", "a*", "a?", "a\\b", os.fsdecode(b"\xff"), "ä b"]
)
def test_tensorflow_gets_a_path_that_it_takes_as_it_is(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    with _files.plain_path(folder) as plain:
        _files.write_text(os.path.join(plain, "file"), "text")
        assert not set("[]*?\\") & set(str(plain)) and str(plain).encode()
    assert (folder / "file").read_text() == "text"
    assert os.path.exists(plain) == (name == "ä b")


def test_json_is_valid(tmp_path):
    path = tmp_path / "file.json"
    value = {"psnr": float("inf"), "rows": [(1.5, float("nan"), None, True, "NaN")]}
    _files.write_json(str(path), value)

    def refuse(constant):
        raise AssertionError(constant)

    stored = json.loads(path.read_text(), parse_constant=refuse)
    assert stored == {"psnr": None, "rows": [[1.5, None, None, True, "NaN"]]}


def test_a_lock_has_one_holder_and_names_it(tmp_path):
    path = str(tmp_path / "lock")
    with _files.locked(path, text="the first"):
        with pytest.raises(BlockingIOError) as refused, _files.locked(path, wait=False):
            raise AssertionError("two hold it")
        assert refused.value.strerror == "the first"
        assert os.listdir(tmp_path) == ["lock"]
    assert os.listdir(tmp_path) == []


HOLDER = """
import sys, time
from keras_cnns import _files
with _files.locked(sys.argv[1], text="pid"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_lock_ends_with_its_process(start, tmp_path):
    path = tmp_path / "lock"
    holder = start("-c", HOLDER, path)
    assert holder.stdout.readline() == "locked\n"
    with pytest.raises(BlockingIOError), _files.locked(str(path), wait=False):
        pass
    holder.kill()
    holder.wait()
    assert path.exists()
    with _files.locked(str(path), wait=False, text="x"):
        assert path.read_text() == "x"


WAITER = """
import os, sys
from keras_cnns import _files
for _ in range(200):
    with _files.locked(sys.argv[1] + ".lock"):
        os.mkdir(sys.argv[1])
        os.rmdir(sys.argv[1])
"""


def test_those_who_wait_for_a_lock_hold_it_one_by_one(start, tmp_path):
    """Each removes the file that others wait for."""
    waiters = [start("-c", WAITER, tmp_path / "held") for _ in range(3)]
    for waiter in waiters:
        assert waiter.wait() == 0, waiter.stderr.read()


def test_of_scratch_folders_only_abandoned_ones_are_removed(start, tmp_path):
    code = """
import os, signal, sys
from keras_cnns import _files
with _files.partial_folder(sys.argv[1]) as partial:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert start("-c", code, tmp_path).wait() == -signal.SIGKILL
    (abandoned,) = tmp_path.iterdir()
    assert os.listdir(abandoned) == ["new"]
    elsewhere = tmp_path.parent / f"{tmp_path.name}_elsewhere"
    elsewhere.mkdir()
    (tmp_path / ".link.partial").symlink_to(elsewhere)
    first, second = (_files.scratch_folder(str(tmp_path)) for _ in range(2))
    with first as in_use, second as other:
        assert in_use != other and os.path.isdir(in_use)
        assert not abandoned.exists()
    assert os.listdir(tmp_path) == [".link.partial"] and elsewhere.is_dir()


def test_a_folder_is_removed_as_a_whole(tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "file").touch()
    remove = _files.shutil.rmtree

    def look_and_remove(path, **options):
        assert not (tmp_path / "folder").exists()
        remove(path, **options)

    monkeypatch.setattr(_files.shutil, "rmtree", look_and_remove)
    _files.remove_folder(str(tmp_path / "folder"))
    assert os.listdir(tmp_path) == []


def test_what_killed_writers_left_is_removed(tmp_path):
    (tmp_path / ".0123456789abcdef.partial").write_text("half")
    (tmp_path / ".step_00000003.partial").mkdir()
    (tmp_path / ".step_00000003.partial" / "state").touch()
    (tmp_path / ".hidden").touch()
    (tmp_path / "notes.partial").touch()
    _files.remove_partials(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == [".hidden", "notes.partial"]
    _files.remove_partials(str(tmp_path / "nowhere"))
