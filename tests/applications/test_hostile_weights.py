"""Weight files made to do harm: each ends in one line that names it, none is obeyed."""

import io
import json
import os
import pathlib
import zipfile

import h5py
import numpy as np
import pytest
import safetensors.numpy
from stored_weights import (
    NAMES,
    draw_tensors,
    instructions_of,
    pickled_dict,
    pickled_tensor,
    tiny_network,
    write_archive,
    write_one_by_one,
    write_state,
)

from keras_cnns import applications, inference
from keras_cnns.applications.frame import weight_files
from keras_cnns.commands import run_command
from keras_cnns.data import write_image

KERNEL = "conv/conv/kernel:0"


def _load(path, network=None):
    weight_files.load(network or tiny_network(), str(path), state_dict_names=NAMES)


def _message(path):
    """Of the refusal, which changes no weight."""
    network = tiny_network()
    before = network.get_weights()
    with pytest.raises(ValueError) as refused:
        _load(path, network)
    for a, b in zip(before, network.get_weights()):
        np.testing.assert_array_equal(a, b)
    message = str(refused.value)
    assert str(path) in message and "\n" not in message and len(message) < 1000
    return message


def _hdf5(folder, name="weights.h5"):
    path = str(folder / name)
    tiny_network().save_weights(path)
    return path


def _replaced(make):
    """A change of a file: something else in the place of the first kernel."""

    def change(file, folder):
        del file[KERNEL]
        make(file, folder)

    return change


def _dataset(**options):
    options = {"shape": (3, 3, 3, 4), "dtype": "f4", **options}
    return _replaced(lambda file, _: file.create_dataset(KERNEL, **options))


def _external_link(file, folder):
    file[KERNEL] = h5py.ExternalLink(_hdf5(folder, "other.h5"), KERNEL)


def _external_group(file, folder):
    del file["conv"]
    file["conv"] = h5py.ExternalLink(_hdf5(folder, "other.h5"), "conv")


def _external_root(file, folder):
    file["model_weights"] = h5py.ExternalLink(_hdf5(folder, "other.h5"), "/")


def _soft_link(file, _):
    file["conv/other"] = np.zeros((3, 3, 3, 4), np.float32)
    file[KERNEL] = h5py.SoftLink("/conv/other")


def _external_storage(file, folder):
    secret = folder / "secret"
    secret.write_bytes(bytes(3 * 3 * 3 * 4 * 4))
    parts = [(str(secret), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(KERNEL, (3, 3, 3, 4), "f4", external=parts)


def _virtual(shape):
    def make(file, folder):
        layout = h5py.VirtualLayout(shape=shape, dtype="f4")
        source = h5py.VirtualSource(_hdf5(folder, "other.h5"), KERNEL, (3, 3, 3, 4))
        if shape == source.shape:
            layout[...] = source
        file.create_virtual_dataset(KERNEL, layout)

    return make


def _attribute(name, value):
    def change(file, _):
        (file if name == "layer_names" else file["conv"]).attrs[name] = value

    return change


def _same_dataset_under_many_names(file, _):
    file["conv"].create_dataset("large", data=np.zeros(5000, np.float32))
    names = [f"kernel{i}" for i in range(100)]
    for name in names:
        file[f"conv/{name}"] = file["conv/large"]
    file["conv"].attrs["weight_names"] = names


def _no_dataset(make):
    def change(file, _):
        make(file)

    return _replaced(change)


HDF5 = {
    "external link": (_replaced(_external_link), "kernel:0 is a ExternalLink"),
    "external group": (_external_group, "conv is a ExternalLink"),
    "external root": (_external_root, "model_weights is a ExternalLink"),
    "soft link": (_replaced(_soft_link), "kernel:0 is a SoftLink"),
    "external storage": (_replaced(_external_storage), "kernel:0 is external"),
    "virtual": (_replaced(_virtual((3, 3, 3, 4))), "kernel:0 is external, virtual"),
    "huge virtual": (_replaced(_virtual((10**6, 10**6))), "external, virtual"),
    "huge": (_dataset(shape=(10**6, 10**6)), "not stored"),
    "huge compressed": (
        _dataset(shape=(10**6, 10**6), chunks=(100, 100), compression="gzip"),
        "compressed",
    ),
    "missing": (_replaced(lambda file, _: None), "kernel:0 is missing"),
    "a group": (_no_dataset(lambda f: f.create_group(KERNEL)), "a Group"),
    "a type": (_no_dataset(lambda f: f.update({KERNEL: np.dtype("f4")})), "Datatype"),
    "complex": (
        _dataset(data=np.zeros((3, 3, 3, 4), np.complex64), dtype="c8"),
        "complex64",
    ),
    "texts": (_dataset(data=np.full((3, 3, 3, 4), b"1"), dtype="S1"), "S1"),
    "objects": (
        _dataset(data=np.full((3, 3, 3, 4), "1", object), dtype=h5py.string_dtype()),
        "object",
    ),
    "references": (_dataset(dtype=h5py.ref_dtype, fillvalue=None), "kernel:0"),
    "integers": (_dataset(data=np.zeros((3, 3, 3, 4)), dtype="i1"), "int8"),
    "no shape": (_no_dataset(lambda f: f.update({KERNEL: h5py.Empty("f4")})), "None"),
    "one name": (_attribute("layer_names", "conv"), "layer_names is not a list"),
    "numbers": (_attribute("layer_names", [1.0, 2.0]), "layer_names is not a list"),
    "table": (_attribute("weight_names", [[b"a"], [b"b"]]), "weight_names is not"),
    "a name twice": (_attribute("layer_names", ["conv", "conv"]), "a name twice"),
    "bytes": (_attribute("layer_names", [b"\xff\xfe"]), "codec"),
    "many names": (_same_dataset_under_many_names, "its arrays stand for"),
}


@pytest.mark.parametrize("name", HDF5)
def test_hdf5_holds_its_values_itself(name, tmp_path):
    path = _hdf5(tmp_path)
    change, message = HDF5[name]
    with h5py.File(path, "r+") as file:
        change(file, tmp_path)
    assert message in _message(path)


def test_hdf5_with_a_damaged_heap_of_texts_is_not_read_for_ever(tmp_path):
    path = tmp_path / "weights.h5"
    content = bytearray(pathlib.Path(_hdf5(tmp_path)).read_bytes())
    first = content.index(b"GCOL") + 16
    content[first : first + 16] = bytes(16)  # space of no size at all
    path.write_bytes(content)
    assert "heap with its texts is damaged" in _message(path)


@pytest.mark.parametrize("suffix", ["h5", "safetensors", "pth"])
def test_what_is_no_file_is_not_waited_for(suffix, tmp_path):
    for make in (os.mkfifo, os.mkdir, lambda path: None):
        path = tmp_path / f"{make.__name__}.{suffix}"
        make(path)
        assert "it is not a file" in _message(path)


@pytest.mark.parametrize("suffix", ["h5", "safetensors"])
def test_a_classifier_without_bias_is_not_another_number_of_classes(suffix, tmp_path):
    path = _hdf5(tmp_path)
    if suffix == "h5":
        with h5py.File(path, "r+") as file:
            file["predictions"].attrs["weight_names"] = ["predictions/kernel:0"]
    else:
        path = str(tmp_path / "model.safetensors")
        tensors = draw_tensors()
        del tensors["fc.bias"]
        safetensors.numpy.save_file(tensors, path)
    assert "file [(4, 5)], network [(4, 5), (5,)]" in _message(path)


def test_a_runs_file_is_read_with_the_same_care(write_run, tmp_path):
    folder = write_run(tmp_path / "run", "classification")
    path = os.path.join(folder, "last.h5")
    other = str(tmp_path / "other.h5")
    os.rename(path, other)
    with h5py.File(path, "w") as file:
        file["model_weights"] = h5py.ExternalLink(other, "/")
    with pytest.raises(ValueError, match=r"last\.h5.*ExternalLink"):
        inference.load_classifier(folder, "last")


# Safetensors


def _safetensors(folder, header, values=bytes(16)):
    path = folder / "model.safetensors"
    header = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(header).to_bytes(8, "little") + header + values)
    return path


def _entry(dtype="F32", shape=(4,), offsets=(0, 16)):
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


BAD_HEADERS = {
    "overlap": {"conv.weight": _entry(), "conv.bias": _entry(offsets=(8, 24))},
    "same bytes": {"conv.weight": _entry(), "conv.bias": _entry()},
    "outside": {"conv.bias": _entry(shape=(400,), offsets=(0, 1600))},
    "shape": {"conv.bias": _entry(shape=(10**6, 10**6))},
    "reversed": {"conv.bias": _entry(offsets=(16, 0))},
    "unknown format": {"conv.bias": _entry("F7")},
    "complex": {"conv.bias": _entry("C64", (2,))},
    "integers": {"conv.bias": _entry("I32")},
    "bytes": {"conv.bias": _entry("I8", (16,))},
    "nested": b"[" * 100_000,
    "no JSON": b"{",
}


@pytest.mark.parametrize("name", BAD_HEADERS)
def test_safetensors_that_lie(name, tmp_path):
    _message(_safetensors(tmp_path, BAD_HEADERS[name]))


def test_safetensors_with_a_name_twice(tmp_path):
    path = str(tmp_path / "model.safetensors")
    safetensors.numpy.save_file(draw_tensors(), path)
    content = (tmp_path / "model.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    entries = json.loads(content[8 : 8 + length])
    entry = f'"conv.bias": {json.dumps(entries["conv.bias"])}, '.encode()
    header = json.dumps(entries).encode().replace(b"{", b"{" + entry, 1)
    twice = _safetensors(tmp_path, header, content[8 + length :])
    assert "'conv.bias' twice" in _message(twice)


def test_safetensors_cut_short_or_with_a_huge_header(tmp_path):
    path = tmp_path / "model.safetensors"
    for length in (2**63 - 1, 2**40, 100):
        path.write_bytes(length.to_bytes(8, "little") + b"{}")
        _message(path)
    for content in (b"", b"\0\0\0"):
        path.write_bytes(content)
        _message(path)


@pytest.mark.parametrize("write", [write_archive, write_one_by_one])
def test_pickled_tensors_are_read_without_pytorch(write, tmp_path):
    network = tiny_network()
    _load(write_state(tmp_path / "model.pth", write), network)
    tensors = draw_tensors()
    kernel, bias, dense, dense_bias = network.get_weights()
    np.testing.assert_array_equal(kernel.transpose(3, 2, 0, 1), tensors["conv.weight"])
    np.testing.assert_array_equal(bias, tensors["conv.bias"])
    np.testing.assert_array_equal(dense.T, tensors["fc.weight"])
    np.testing.assert_array_equal(dense_bias, tensors["fc.bias"])


def test_tensors_in_another_order_of_axes(tmp_path):
    """Strides of PyTorch's channels_last."""
    network = tiny_network()
    _load(write_state(tmp_path / "model.pth", strides=(27, 1, 9, 3)), network)
    values = draw_tensors()["conv.weight"].reshape(4, 3, 3, 3).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(
        network.get_weights()[0].transpose(3, 2, 0, 1), values
    )


def _nested(depth):
    """Tuples in tuples, each twice: printing or comparing one takes for ever."""
    return b")" + b"q\x00h\x00\x86" * depth


BAD_TENSORS = {
    "longer than its storage": {"shape": (4, 3, 3, 30), "size": 108},
    "storage shorter than said": {"size": 10**12, "shape": (10**6, 10**6)},
    "strides outside": {"strides": (10**9, 9, 3, 1)},
    "negative strides": {"strides": (-27, 9, 3, 1)},
    "offset outside": {"offset": 50},
    "no number": {"offset": "0"},
    "bool": {"offset": True},
    "repeated for ever": {"shape": (10**6, 10**6), "strides": (0, 0), "size": 108},
    "repeated": {"shape": (4, 30, 30, 30), "strides": (1, 0, 0, 0), "size": 108},
    "complex": {"kind": "torch\nComplexFloatStorage"},
    "quantised storage": {"kind": "torch\nQInt8Storage"},
    "quantised": {"call": "torch._utils\n_rebuild_qtensor"},
    "sparse": {"call": "torch._utils\n_rebuild_sparse_tensor"},
    "meta": {"call": "torch._utils\n_rebuild_meta_tensor_no_storage"},
    "code": {"item": b"cposix\nsystem\n" + instructions_of(("touch victim",)) + b"R"},
    "object": {"item": b"ctorch.nn.modules\nConv2d\n)\x81"},
    "old class": {"item": b"(iposix\nsystem\n"},
    "number": {"item": instructions_of(1)},
    "mark": {"item": b"t"},
    "bad memo": {"item": b"h\x07"},
    "a list of itself": {"item": b"]q\x00h\x00a"},
    "deep": {"item": b")" + b"\x85" * 10**5},
    "deep key": {"item": b"}" + _nested(64) + b"Ns"},
    "deep text": {"item": b"ctorch._utils\n_rebuild_tensor\n" + _nested(64) + b"R"},
    "deep storage": {"item": b"(" + _nested(64) * 5 + b"tQ"},
    "deep call": {"item": _nested(64) + b")R"},
    "deep shape": {
        "item": b"ctorch._utils\n_rebuild_tensor\n(("
        + instructions_of("storage") + b"ctorch\nFloatStorage\n"
        + b"".join(map(instructions_of, ("conv.bias", "cpu", 4))) + b"tQK\x00"
        + _nested(64) + _nested(64) + b"tR"
    },
}  # fmt: skip


@pytest.mark.parametrize("write", [write_archive, write_one_by_one])
@pytest.mark.parametrize("name", BAD_TENSORS)
def test_pickles_that_lie(name, write, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write_state(tmp_path / "model.pth", write, **BAD_TENSORS[name])
    message = _message(path)
    assert "weights_only" not in message and "safe_globals" not in message
    assert os.listdir(tmp_path) == ["model.pth"]


def test_state_dicts_side_by_side(tmp_path):
    """Of a checkpoint's players; what would grow by it, or be two things, is not."""
    path, values = tmp_path / "model.pth", {"a": bytes(16)}

    def part(name):
        return pickled_dict({name: pickled_tensor("a", (4,))})[2:-1]

    for parts, message in (
        (
            {"first": part("x.bias"), "other": part("x.bias")},
            "modules first.x, other.x",
        ),
        ({"first": part("x.bias") + b"q\x07", "other": b"h\x07"}, "'first', 'other'"),
        ({"first" * 100: part("x.bias"), "other": part("x.bias")}, "'firstfirst"),
        ({"first": part("x.y.bias"), "first.x": part("y.bias")}, "y.bias' twice"),
        ({"first": part("x.bias"), "step": b"K\x01"}, "'first', 'step'"),
    ):
        write_archive(path, pickled_dict(parts), values)
        assert message in _message(path)


@pytest.mark.parametrize("write", [write_archive, write_one_by_one])
def test_files_of_pytorch_without_an_ending(write, tmp_path):
    """As some ports save them; what starts otherwise is taken for Keras' format."""
    network = tiny_network()
    path = write_state(tmp_path / "model_step100", write)
    _load(path, network)
    expected = draw_tensors()["fc.weight"]
    np.testing.assert_array_equal(network.get_weights()[2].T, expected)
    path.write_bytes(path.read_bytes()[:50])
    assert "cannot be read as a PyTorch state dict" in _message(path)
    for content in (b"", b"text", b"\x89HDF"):
        path.write_bytes(content)
        assert "cannot be read as an .h5 weight file" in _message(path)


def test_archives_that_lie(tmp_path):
    path = tmp_path / "model.pth"
    instructions = pickled_dict({"conv.bias": pickled_tensor("a", (4,))})
    values = {"a": bytes(16)}
    write_archive(
        path, instructions, {"a": bytes(10**7)}, compression=zipfile.ZIP_DEFLATED
    )
    assert "compressed" in _message(path)
    content = write_archive(path, instructions, values).read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        start = content.rindex(b"PK\x01\x02")  # the last member's entry
        assert archive.infolist()[-1].file_size == 16
    path.write_bytes(
        content[: start + 24] + b"\xff\xff\xff\x7f" + content[start + 28 :]
    )
    assert "larger than the file" in _message(path)
    write_archive(path, instructions, {})
    _message(path)
    with pytest.warns(UserWarning, match="Duplicate"):
        write_archive(path, instructions, {**values, "../byteorder": b"", "x": b""})
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr("model/data/a", bytes(16))
    assert "twice" in _message(path)
    path.write_bytes(b"PK\x03\x04")
    _message(path)


def test_files_of_pytorch_itself(tmp_path):
    torch = pytest.importorskip("torch")
    tensors = {name: torch.tensor(value) for name, value in draw_tensors().items()}
    module = {f"module.{name}": value.half() for name, value in tensors.items()}
    parameters = {name: torch.nn.Parameter(value) for name, value in tensors.items()}
    path = str(tmp_path / "model.pth")
    for stored in (tensors, module, {"state_dict": parameters, "epoch": 3}):
        for is_archive in (True, False):
            network = tiny_network()
            torch.save(stored, path, _use_new_zipfile_serialization=is_archive)
            _load(path, network)
            found = network.get_weights()[2].T
            np.testing.assert_allclose(found, tensors["fc.weight"], rtol=1e-3)
    for bad in (
        tensors["fc.bias"].to_sparse(),
        tensors["fc.bias"].to("meta"),
        torch.quantize_per_tensor(tensors["fc.bias"], 0.1, 0, torch.qint8),
        tensors["fc.bias"].to(torch.complex64),
    ):
        torch.save({**tensors, "fc.bias": bad}, path)
        _message(path)


# Fine-tuning


def _image_folder(folder, classes):
    draw = np.random.RandomState(0)
    for split in ("train", "test"):
        for name in classes:
            (folder / split / name).mkdir(parents=True)
            for i in range(4):
                image = draw.randint(0, 256, (8, 8, 3), np.uint8)
                write_image(str(folder / split / name / f"{i}.png"), image)
    return str(folder)


def _train(small_options, folder, classes, **changes):
    options = small_options(
        "classification",
        run_dir=str(folder / "run"),
        data_dir=None,
        dataset=_image_folder(folder / "images", classes),
        image_size=8,
        batch_size=4,
        epochs=1,
        **changes,
    )
    run_command("train-classifier", **options)
    return folder / "run"


def test_fine_tuning_keeps_classes_by_name(write_run, small_options, tmp_path, caplog):
    first = write_run(
        tmp_path / "first", "classification", data_dir=None, image_size=8,
        dataset=_image_folder(tmp_path / "images", "abc"),
    )  # fmt: skip
    with caplog.at_level("INFO", logger="absl"):
        second = _train(
            small_options, tmp_path / "second", "acd",
            init_weights=str(first), learning_rate=1e-9, seed=1,
        )  # fmt: skip
    assert "carried over by name: a; c; fresh: d" in caplog.text
    before, _ = inference.load_classifier(str(first), "best")
    after, _ = inference.load_classifier(str(second), "last")
    old, new = (n.get_layer("predictions").get_weights() for n in (before, after))
    for theirs, ours in zip(old, new):
        np.testing.assert_allclose(ours[..., :2], theirs[..., [0, 2]], atol=1e-6)
    assert not np.allclose(new[0][:, 2], old[0][:, 1])
    assert not np.allclose(new[0][:, 2], old[0][:, 2])


HEADS = {
    "googlenet": {"aux_heads": True, "depth_multiplier": 0.1},
    "all_cnn_c": {},
    "rir": {"widths": (4, 4, 4), "units": (1, 1, 1)},
}


@pytest.mark.parametrize("name", HEADS)
def test_all_heads_are_matched_by_name(name, tmp_path, only_shapes):
    theirs, ours = ("a", "b", "c"), ("c", "a", "d")
    network = applications.create_model(name, classes=3, **HEADS[name])
    heads = [x for x in network.layers if x.name.endswith("predictions")]
    assert len(heads) == {"googlenet": 3, "all_cnn_c": 1, "rir": 2}[name]
    for head in heads:
        head.set_weights(
            [np.ones(w.shape) * np.array([1, 2, 3]) for w in head.get_weights()]
        )
    path = str(tmp_path / "weights.h5")
    applications.save_weights(network, path)
    other = applications.create_model(name, classes=3, **HEADS[name])
    fresh = [other.get_layer(head.name).get_weights() for head in heads]
    applications.load_weights(other, path, class_names=(theirs, ours))
    for head, values in zip(heads, fresh):
        for value, start in zip(other.get_layer(head.name).get_weights(), values):
            np.testing.assert_array_equal(
                value, np.ones(value.shape) * np.array([3, 1, start.flat[2]])
            )
    with pytest.raises(ValueError, match="weights.h5 has a classifier of 3 classes"):
        applications.load_weights(other, path, class_names=(("a", "b"), ours))


def test_classes_without_names_keep_their_place_and_say_so(tmp_path, caplog):
    with caplog.at_level("INFO", logger="absl"):
        _load(_hdf5(tmp_path))
    assert "keeps its 5 classes by position" in caplog.text
