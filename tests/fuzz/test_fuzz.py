"""Files and options changed at random: used, or refused in one line; never obeyed.

A case is a function of its kind and number. What fails prints the command that repeats
it, and stays in the folder that it names; ``-rP`` shows the numbers of each kind. Other
cases, or one: ``FUZZ_CASES=2000:9000 python -m pytest tests/fuzz -k "few and png]"``.
"""

import collections
import io
import json
import os
import random
import shutil
import signal
import sys
import time
from typing import Callable, NamedTuple

import mutations
import numpy as np
import pytest
import safetensors.numpy
import stored_weights
import tensorflow as tf
from PIL import Image

from keras_cnns import (
    applications,
    commands,
    data,
    export,
    inference,
    metrics,
    runs,
    tasks,
    trainers,
)
from keras_cnns.applications.frame import weight_files
from keras_cnns.commands.program import what_happened
from keras_cnns.data import coco_folders, proposals, voc_folders
from keras_cnns.data.decoding import decode_image
from keras_cnns.export import verification
from keras_cnns.runs.progress import read_progress
from keras_cnns.serving import json_tensors, proto_tensors
from keras_cnns.serving.status import RequestError

# Pillow's about what it leaves out of damaged files
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
SECONDS, LONGEST_MESSAGE = 10, 1000
_FEED = data.Preprocessing(8, 8, 3, (127.0,) * 3, (60.0,) * 3)
_MODEL = {"units": [1], "block": "basic", "filters": 4, "stem": "small"}
_WARMUP = "assets.extra/tf_serving_warmup_requests"
_INPUTS = {
    "x": tf.TensorSpec([None, 2], tf.float32),
    "b": tf.TensorSpec([None], tf.string),
    "n": tf.TensorSpec([None], tf.int8),
}
_PICTURES = {
    "png": {}, "jpeg": {"quality": 90}, "bmp": {}, "gif": {}, "webp": {}, "tiff": {},
}  # fmt: skip


_XML = b"""<annotation><filename>a.png</filename>
<size><width>9</width><height>7</height><depth>3</depth></size>
<object><name>cat</name><difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin>
<xmax>9</xmax><ymax>7.5</ymax></bndbox></object></annotation>"""
_INSTANCES = {
    "categories": [{"id": 3, "name": "cat"}, {"id": 1, "name": "dog"}],
    "images": [{"id": 5, "file_name": "a.png", "height": 7, "width": 9}],
    "annotations": [
        {"id": 1, "image_id": 5, "category_id": 3, "bbox": [1, 2.5, 3, 4], "iscrowd": 1}
    ],
}


_REQUEST = {
    "signature_name": "a",
    "instances": [{"x": [0.5, 2], "b": {"b64": "AAAA"}, "n": 1}] * 2,
}


# Whole files, in one folder


def _write_picture(folder, kind):
    pixels = np.random.default_rng(0).integers(256, size=(7, 9, 3)).astype(np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    told = {"exif": exif} if kind in ("png", "jpeg", "webp", "tiff") else {}
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **_PICTURES[kind], **told)
    (folder / f"image.{kind}").write_bytes(file.getvalue())


def _write_run(folder):
    args = {**_MODEL, "input_shape": [8, 8, 3], "classes": 2, "weights": None}
    network = {"model": "resnet", "args": args}
    config = runs.RunConfig(
        {"network": network}, _FEED, ("a", "b"), {"examples": 10}, {}
    )
    options = {"model": "resnet", "dataset": "digits", "epochs": 3}
    folder.mkdir()
    runs.write_record(runs.Run(str(folder), "classification", options, config))
    applications.save_weights(config.build("network"), str(folder / "last.h5"))


def _write_export(folder):
    network = applications.ResNet(
        (1,), "basic", 4, stem="small", input_shape=(8, 8, 3), classes=2
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "verify", lambda *_: 0.0)
        path, _ = export.export_saved_model(
            network, str(folder / "exports"), "tiny", preprocessing=_FEED,
            class_names=("a", "b"), warmup_requests=1,
        )  # fmt: skip
    os.rename(path, folder / "model")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The folder of all whole files, made in an order that does not depend on cases."""
    folder = tmp_path_factory.mktemp("whole")
    tf.keras.utils.set_random_seed(0)
    _write_export(folder)
    _write_run(folder / "run")
    for kind in _PICTURES:
        _write_picture(folder, kind)
    data.write_mask(str(folder / "mask.png"), np.eye(6, 5)[..., None])
    rows = [{"epoch": i, "loss": 0.5 / i, "val_accuracy": None} for i in (1, 2)]
    progress = {"history": rows, "best_epoch": 2, "stopped_early": False}
    (folder / "progress.json").write_text(json.dumps(progress))
    scores = [metrics.UpscaledPicture("a", 30.5, 0.9)]
    protocol = metrics.UpscalingProtocol("set5 test", 1, 2)
    report = metrics.UpscalingReport("bicubic", protocol, scores).to_json()
    (folder / "comparison.json").write_text(json.dumps({"reports": {"a": report}}))
    (folder / "request.json").write_text(json.dumps(_REQUEST))
    (folder / "objects.xml").write_bytes(_XML)
    (folder / "instances.json").write_text(json.dumps(_INSTANCES))
    with open(folder / "shard.npz", "wb") as file:
        np.savez(file, starts=np.array([0, 1, 3]), boxes=np.ones((3, 4), np.float32))
    stored_weights.tiny_network().save_weights(str(folder / "weights.h5"))
    tensors = stored_weights.draw_tensors()
    safetensors.numpy.save_file(tensors, str(folder / "weights.safetensors"))
    draw = np.random.RandomState(0)
    shapes = {"weights": (3, 2), "box_weights": (4, 2, 4), "box_biases": (2, 4)}
    arrays = {k: draw.randn(*shape).astype("f4") for k, shape in shapes.items()}
    classifiers = trainers.RegionClassifiers(
        biases=np.zeros(2, "f4"), detectable=np.array([True, False]), **arrays
    )
    classifiers.save(str(folder / "classifiers.npz"))
    stored_weights.write_state(folder / "archive.pth")
    stored_weights.write_state(folder / "old.pth", stored_weights.write_one_by_one)
    return folder


# How a case is made: ``change(draw, path)`` of a copy


def _by_content(function):
    def change(draw, path):
        path.write_bytes(function(path.read_bytes(), draw))

    return change


def _in_pickle(write_file):
    """Half of the changes are of bytes, the others of the pickle's instructions."""

    def change(draw, path):
        if draw.random() < 0.5:
            _by_content(mutations.mutated)(draw, path)
            return

        def write(path, instructions, storages):
            instructions = mutations.mutated_pickle(instructions, draw)
            write_file(path, instructions, storages)

        stored_weights.write_state(path, write)

    return change


def _change_run(draw, path):
    _by_content(mutations.mutated_json_text)(draw, path / "run.json")


def _change_model(draw, path):
    files = ["saved_model.pb"] * 3 + ["assets/labels.txt"]
    files += [f"variables/{p.name}" for p in sorted((path / "variables").iterdir())]
    name = draw.choice(files)
    is_graph = name == "saved_model.pb"
    function = mutations.mutated_model if is_graph else mutations.mutated
    _by_content(function)(draw, path / name)


def _change_warmup(draw, path):
    """Half of the changes are within a record, whose checksum is right."""
    path = path / _WARMUP
    if draw.random() < 0.5:
        _by_content(mutations.mutated)(draw, path)
        return
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(path))]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(mutations.mutated(record, draw))


# How a case is used


def _read_picture(path):
    """As a file; and in a graph, which must take what is taken as a file."""
    try:
        data.read_image(str(path))
    except (ValueError, OSError):
        _decode_in_graph(path)
        raise
    _decode_in_graph(path)


@tf.function(input_signature=[tf.TensorSpec([], tf.string)])
def _decode(content):
    return decode_image(content, 3)


def _decode_in_graph(path):
    try:
        assert _decode(path.read_bytes()).dtype == tf.uint8
    except tf.errors.InvalidArgumentError as error:
        _check_message(what_happened(error.message))


def _read_annotation(path):
    voc_folders.read_annotation(str(path))


def _read_instances(path):
    coco_folders.read_annotations(str(path))


def _read_shard(path):
    proposals.read_shard(str(path), 2, 10)


def _load_weights(path):
    weight_files.load(
        _load_weights.network, str(path), state_dict_names=stored_weights.NAMES
    )


def _open_run(path):
    run = tasks.open_run(str(path))
    if run.task == "classification":
        run.load("network", "last")


def _use_classifiers(path):
    classifiers = trainers.RegionClassifiers.load(str(path))
    classifiers.scores(np.ones((1, len(classifiers.weights))))
    classifiers.boxes(np.ones((1, len(classifiers.box_weights))), np.ones((1, 4)))


def _use_comparison(path):
    reports = inference.read_upscaling_reports(str(path))
    if reports:
        metrics.upscaling_markdown(dict([reports.popitem()]), {})


def _read_request(path):
    try:
        document = json_tensors.parse(path.read_bytes())
        json_tensors.read_inputs(document, _INPUTS)
    except RequestError as error:
        raise ValueError(f"{path}: {error}") from error


def _read_warmup(path):
    for request in export.read_warmup_requests(str(path)):
        for name, tensor in request.inputs.items():
            try:
                proto_tensors.read(name, tensor, 2**20)
            except RequestError as error:
                _check_message(str(error))


_PNG = tf.io.encode_png(np.zeros((8, 8, 3), np.uint8)).numpy()


def _use_model(path):
    predict, names = export.load_saved_model(str(path))
    try:
        predict([_PNG])
    except tf.errors.InvalidArgumentError as error:
        _check_message(what_happened(error.message))


class Kind(NamedTuple):
    """A kind of cases.

    Attributes:
        few: number of cases of a short run; ten times as many of a long one.
        name: of the whole file or folder.
        change: function of a ``random.Random`` and a copy's path.
        use: function of that path.
    """

    few: int
    name: str
    change: Callable
    use: Callable


KINDS = {
    **{
        kind: Kind(8, f"image.{kind}", _by_content(change), _read_picture)
        for kind, change in {
            **dict.fromkeys(_PICTURES, mutations.mutated),
            "png": mutations.mutated_png,
            "jpeg": mutations.mutated_jpeg,
        }.items()
    },
    "mask": Kind(
        6, "mask.png", _by_content(mutations.mutated_png), lambda p: data.read_mask(p)
    ),
    "run": Kind(14, "run", _change_run, _open_run),
    "progress": Kind(
        8, "progress.json", _by_content(mutations.mutated_json_text), read_progress
    ),
    "comparison": Kind(
        4,
        "comparison.json",
        _by_content(mutations.mutated_json_text),
        _use_comparison,
    ),
    "voc": Kind(
        10, "objects.xml", _by_content(mutations.mutated_xml), _read_annotation
    ),
    "coco": Kind(
        10, "instances.json", _by_content(mutations.mutated_json_text), _read_instances
    ),
    "proposals": Kind(6, "shard.npz", _by_content(mutations.mutated_npz), _read_shard),
    "h5": Kind(
        12, "weights.h5", lambda d, p: mutations.mutate_hdf5(p, d), _load_weights
    ),
    "safetensors": Kind(
        14,
        "weights.safetensors",
        _by_content(mutations.mutated_safetensors),
        _load_weights,
    ),
    "archive": Kind(
        10, "archive.pth", _in_pickle(stored_weights.write_archive), _load_weights
    ),
    "old": Kind(
        8, "old.pth", _in_pickle(stored_weights.write_one_by_one), _load_weights
    ),
    "classifiers": Kind(
        10, "classifiers.npz", _by_content(mutations.mutated_npz), _use_classifiers
    ),
    "model": Kind(14, "model", _change_model, _use_model),
    "warmup": Kind(6, "model", _change_warmup, _read_warmup),
    "request": Kind(
        6,
        "request.json",
        _by_content(mutations.mutated_json_text),
        _read_request,
    ),
}
_OPTION_CASES = 14


def test_a_short_run_has_200_cases():
    assert sum(kind.few for kind in KINDS.values()) + _OPTION_CASES == 200


# What no case may do, as Python tells it

_DEEDS = (
    "os.exec", "os.fork", "os.forkpty", "os.posix_spawn", "os.spawn", "os.system",
    "subprocess.Popen", "socket.connect", "os.link", "os.mkdir", "os.remove",
    "os.rename", "os.rmdir", "os.symlink", "os.truncate", "pickle.find_class",
)  # fmt: skip
_done = None  # a list while cases are used


def _watch(event, arguments):
    if _done is None:
        return
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & 3
    if event in _DEEDS or writes:
        _done.append((event, *arguments))


sys.addaudithook(_watch)


class _Hang(BaseException):
    pass


def _hang(*_):
    raise _Hang


def _check_message(message, path=""):
    assert message and "\n" not in message, f"several lines: {message!r}"
    assert len(message) <= LONGEST_MESSAGE, f"{len(message)} characters: {message!r}"
    assert str(path) in message, f"does not name the file: {message!r}"


def _tree(folder):
    """All files by path, with what tells that they were written."""
    found = {}
    for place, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(place, name)
            state = os.lstat(path)
            found[path] = name in folders or (state.st_size, state.st_mtime_ns)
    return found


def _outcome(use, path, root):
    """Uses a case and checks all that it must not do; whether it was taken."""
    global _done
    before, start = _tree(root), time.monotonic()
    previous = signal.signal(signal.SIGALRM, _hang)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    _done = done = []
    try:
        use(path)
        taken = "taken"
    except (ValueError, OSError) as error:
        _check_message(str(error), path if isinstance(path, os.PathLike) else "")
        taken = "refused"
    finally:
        _done = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - start < SECONDS, "a hang"
    assert not done, f"executed or wrote: {done[:3]}"
    assert _tree(root) == before, f"wrote {set(_tree(root)) ^ set(before)}"
    return taken


def _raises(error):
    def use(_):
        raise error

    return use


FAULTS = {
    "traceback": _raises(TypeError("x")),
    "several lines": _raises(ValueError("file\nx")),
    "file not named": _raises(ValueError("x")),
    "long": _raises(ValueError("file" * 1000)),
    "executed": lambda _: os.system("true"),
    "written": lambda path: path.write_text("x"),
    "left over": lambda path: open(f"{path}.partial", "w").close(),
    "hang": lambda _: time.sleep(1),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_found(name, tmp_path, monkeypatch):
    """By what all cases go through; the file is called "file"."""
    monkeypatch.setattr(sys.modules[__name__], "SECONDS", 0.2)
    path = tmp_path / "file"
    path.write_text("")
    with pytest.raises((AssertionError, TypeError, _Hang)):
        _outcome(FAULTS[name], path, tmp_path)


def _numbers(text):
    """Of cases: "17", or "100:200" for those from 100 to 199."""
    first, _, end = text.partition(":")
    return range(int(first), int(end or int(first) + 1))


def _run(kind, count, tmp_path, monkeypatch, make, use, take_whole):
    """All cases of a kind; those that fail are listed together."""
    root = tmp_path / "root"
    root.mkdir()
    monkeypatch.chdir(root)
    monkeypatch.setattr("tempfile.tempdir", str(root))
    use(take_whole(root / "whole"))  # it is taken, and what is loaded late is loaded
    chosen = os.environ.get("FUZZ_CASES")
    outcomes, failed = collections.Counter(), []
    for number in _numbers(chosen) if chosen else range(count):
        place = root / str(number)
        draw = random.Random(f"{kind} {number}")
        print(f"{kind} {number}", flush=True)  # for those that end the process
        try:
            outcomes[_outcome(use, make(draw, place), root)] += 1
        except (Exception, _Hang) as error:
            outcomes["failed"] += 1
            what = f"{type(error).__name__}: {error}"
            failed.append(f"case {number}: {what[:600]}")
            continue
        if place.is_dir():
            shutil.rmtree(place)
        elif place.exists():
            place.unlink()
    print(f"{kind}: {sum(outcomes.values())} cases, {dict(outcomes)}")
    if failed:
        pytest.fail(
            "\n".join(failed) + f"\nTheir files are in {root}. To repeat a case:\n"
            f"FUZZ_CASES=<case> python -m pytest tests/fuzz -k 'few and {kind}]'",
            pytrace=False,
        )


def _run_files(name, count, whole, tmp_path, monkeypatch):
    kind = KINDS[name]
    _load_weights.network = stored_weights.tiny_network()

    def take_whole(folder):
        source, target = whole / kind.name, folder / kind.name
        folder.mkdir()
        (shutil.copytree if source.is_dir() else shutil.copy)(source, target)
        return target

    def make(draw, folder):
        path = take_whole(folder)
        kind.change(draw, path)
        return path

    _run(name, count, tmp_path, monkeypatch, make, kind.use, take_whole)


def _given(draw):
    """A verb, and values for some of its options: odd ones, or of their kinds."""
    verb = draw.choice(sorted(commands.VERBS))
    _, options, _ = commands.find_command(verb)
    kinds, fields = options.kinds(), options.__dataclass_fields__
    given = {}
    if draw.random() < 0.7:
        required = [n for n in kinds if fields[n].metadata["required"]]
        given = dict.fromkeys(required, "x")
    models = getattr(options, "models", {}) or ["resnet20"]
    if "model" in given:
        given["model"] = draw.choice(sorted(models))
    for name in draw.sample(sorted(kinds), min(len(kinds), draw.choice((0, 1, 2, 5)))):
        choices = fields[name].metadata["choices"]
        plain = {
            str: ("", "1,2", "0.5,0.75", "{}", "x"), int: (0, 1, 2, 32),
            float: (0.0, 0.1, 0.5, 1.0, 2), bool: (True, False),
            tuple: ((), ("x",), "x,y", ("1", "2")),
        }[kinds[name]]  # fmt: skip
        pool = draw.choice((choices or plain, plain, mutations.ODD_VALUES))
        given[name] = draw.choice(pool)
    if draw.random() < 0.03:
        given["no_such_option"] = 1
    return verb, given


def _run_options(count, tmp_path, monkeypatch):
    def resolve(case):
        if case:
            verb, given = case
            commands.find_command(verb)[1].resolve(**given)

    def make(draw, _):
        return _given(draw)

    for verb in commands.VERBS:
        commands.find_command(verb)
    _run("options", count, tmp_path, monkeypatch, make, resolve, lambda _: None)


@pytest.mark.parametrize("kind", [*KINDS, "options"])
def test_few_cases(kind, whole, tmp_path, monkeypatch):
    if kind == "options":
        _run_options(_OPTION_CASES, tmp_path, monkeypatch)
    else:
        _run_files(kind, KINDS[kind].few, whole, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "options"])
def test_many_cases(kind, whole, tmp_path, monkeypatch):
    if kind == "options":
        _run_options(10 * _OPTION_CASES, tmp_path, monkeypatch)
    else:
        _run_files(kind, 10 * KINDS[kind].few, whole, tmp_path, monkeypatch)
