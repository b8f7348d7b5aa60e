"""Arrays in files: back as they were, equal bytes for equal arrays, lies refused."""

import io
import zipfile

import numpy as np
import pytest

from keras_cnns import _arrays

ARRAYS = {
    "a": np.arange(6, dtype=np.float32).reshape(2, 3),
    "b": np.array([True, False]),
    "c": np.zeros((0, 4), np.int32),
}


def _npy(array, **header):
    """The content of an ``.npy`` file whose header tells something else."""
    file = io.BytesIO()
    told = np.lib.format.header_data_from_array_1_0(array)
    np.lib.format.write_array_header_1_0(file, {**told, **header})
    return file.getvalue() + array.tobytes()


def _write(path, compression=zipfile.ZIP_STORED, more=(), **changed):
    members = {f"{k}.npy": _npy(v) for k, v in ARRAYS.items()}
    members.update({f"{k}.npy": v for k, v in changed.items()})
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in [*members.items(), *more]:
            archive.writestr(name, content)


def test_arrays_come_back(tmp_path):
    path = str(tmp_path / "arrays.npz")
    _arrays.write_arrays(path, {**ARRAYS, "a": np.asfortranarray(ARRAYS["a"])})
    found = _arrays.read_arrays(path, tuple(ARRAYS), "arrays")
    assert list(found) == list(ARRAYS)
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    with zipfile.ZipFile(path) as archive:  # no time, so that equal arrays are equal
        assert {m.date_time for m in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


_A = ARRAYS["a"]
BAD = {
    "compressed": ({"compression": zipfile.ZIP_DEFLATED}, "its arrays are compressed"),
    "another": ({"more": [("d.npy", b"")]}, "not a, b, c"),
    "twice": ({"more": [("a.npy", b"")]}, "not a, b, c"),
    "endless": ({"a": _npy(_A, shape=(10**9, 10**9))}, "shape .* but 24 bytes"),
    "negative": ({"a": _npy(_A, shape=(-2, -3))}, "shape .* but 24 bytes"),
    "objects": ({"a": _npy(_A, descr="|O")}, "a is of the format object"),
    "texts": ({"a": _npy(_A, descr="<U1")}, "a is of the format <U1"),
    "records": ({"a": _npy(_A, descr=[("x", "<f4")])}, "a is of the format"),
    "by columns": ({"a": _npy(_A, fortran_order=True)}, "or not by rows"),
    "no header": ({"a": b"x"}, "cannot be read as arrays: "),
    "version": ({"a": b"\x93NUMPY\2\0"}, "a is of another version"),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name", BAD)
def test_files_that_lie(name, tmp_path):
    changes, message = BAD[name]
    path = tmp_path / "arrays.npz"
    _write(path, **changes)
    with pytest.raises(ValueError, match=message) as raised:
        _arrays.read_arrays(str(path), tuple(ARRAYS), "arrays")
    assert str(raised.value).startswith(f"{path} cannot be read as arrays: ")
    assert "\n" not in str(raised.value)


def test_members_larger_than_the_file(tmp_path):
    path = tmp_path / "arrays.npz"
    _write(path)
    content = bytearray(path.read_bytes())
    place = content.rindex(b"PK\1\2")  # of the last one in the list at the end
    content[place + 24 : place + 28] = (2**31).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(ValueError, match="its arrays are larger than the file"):
        _arrays.read_arrays(str(path), tuple(ARRAYS), "arrays")


def test_no_file(tmp_path):
    with pytest.raises(ValueError, match="it is not a file"):
        _arrays.read_arrays(str(tmp_path), ("a",), "arrays")
