"""Kills trainings at random moments, resumes them, and compares how they end.

    python benchmarks/kill_runs.py --task=generation --kills=100 --output_dir=runs/kills

A tiny deterministic training, of digits or scenes, is left alone once. The same one is
then repeated in new folders: killed by SIGKILL at a moment drawn over the time that one
takes (the first, then the last that ended before its moment), from its start to the
last line of its report, and resumed, over and over until it ends.
Every second kill takes the process alone, as a kernel out of memory does; the others
its child process, which verifies the export, as well. Kills within imports would tell
nothing, so each process is forked from one that has imported TensorFlow; one kill in
twenty comes before it has the run's folder.

How it ends must be the same to the bit: every file of the run and the export by its
hash. Of ``run.json``, ``metrics.csv`` and ``progress.json`` times and places are left
out, the state of checkpoints is compared tensor by tensor, and of the exported model
its variables and outputs: its graph numbers functions as they were traced.
TensorBoard's ``logs`` hold times and are not compared. Nothing may be left: half-
written or temporary files, a lock, a process; but for the sources that TensorFlow
traces, which it writes to ``TMPDIR`` and removes at its end.

Prints one line of JSON, also to ``<output_dir>/<task>.json``; exit code 1 if anything
differs, is left or cannot be resumed. Folders of such trainings are kept. Several of
these may share an output folder, one for each task, one after the other.
"""

import collections
import contextlib
import csv
import hashlib
import io
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import types

from absl import app, flags

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

_COMMON = {
    "dataset": "digits",
    "ema_decay": 0.9,
    "epochs": 2,
    "checkpoint_interval": 3,
    "deterministic": True,
}
_TRAININGS = {
    "autoencoding": {
        "model": "swwae_small",
        "notation": "(4)3c-2p-(6)3c-2p-10fc",
        "train_split": "train[:200]",
        "validation_split": "test[:50]",
        "labels": "some",
        "num_labels": 40,
        "labelled_batch_size": 16,
        "batch_size": 32,
        "augmentation": "pad_crop:1",
        "grid_columns": 3,
    },
    "detection": {
        "model": "sppnet_small",
        "builder_args": '{"network": {"backbone_args": {"filters": [4, 4, 4, 4]}, '
        '"units": [8]}}',
        "dataset": "scenes/items",
        "train_split": "train[:24]",
        "validation_split": "test[:8]",
        "freeze": "",
        "num_proposals": 50,
        "batch_size": 4,
    },
    "classification": {
        "model": "densenet",
        "builder_args": '{"blocks": [1, 1], "growth_rate": 4, "initial_filters": 8, '
        '"stem": "small", "dropout_rate": 0.1}',
        "train_split": "train[:16%]",
        "validation_split": "test[:20%]",
        "batch_size": 32,
        "augmentation": "pad_crop:1",
        "mixup_alpha": 0.2,
        "optimizer": "adamw",
        "learning_rate": 0.01,
        "warmup_epochs": 0.5,
    },
    "generation": {
        "model": "cgan_mnist",
        "builder_args": '{"generator": {"joint_units": 16}}',
        "train_split": "train[:128]",
        "image_size": 8,
        "batch_size": 16,
        "instance_noise": 0.2,
        "instance_noise_epochs": 1.0,
        "grid_columns": 3,
    },
    "inpainting": {
        "model": "pconv_unet",
        "builder_args": '{"network": {"filters": [4, 6]}}',
        "train_split": "train[:64]",
        "validation_split": "test[:20]",
        "validation_images": 7,
        "image_size": 16,
        "batch_size": 8,
        "perceptual_weight": 0.0,
        "style_weight": 0.0,
    },
    "refinement": {
        "model": "simgan_eye",
        "builder_args": '{"refiner": {"filters": 4, "blocks": 1}, '
        '"discriminator": {"filters": [4, 4, 4, 4]}}',
        "train_split": "train[:256]",
        "real_dataset": "digits",
        "batch_size": 16,
        "refiner_steps": 1,
        "buffer_size": 64,
        "refiner_pretraining": 3,
        "discriminator_pretraining": 2,
        "grid_columns": 3,
    },
    "super_resolution": {
        "model": "edsr_small_x2",
        "builder_args": '{"network": {"filters": 6, "blocks": 1}}',
        "dataset": "photographs",
        "train_split": "train[:64]",
        "validation_split": "test[:5]",
        "image_size": 24,
        "batch_size": 8,
    },
}
_AT_START = 0.05  # fraction of the kills before a process has the run's folder
_POLL = 0.005  # seconds
_END = 120  # seconds in which child processes must end
_NUMBERED = "graph numbered as traced"
_TRACED = "__autograph_generated_file"


# Functions of the processes that are forked.


def _prepare(task, dataset, data_dir):
    """Prepares a data set, where it is not yet."""
    from keras_cnns import data

    if task == "detection":
        data.open_detection_source(dataset, "train", data_dir)
    else:
        data.open_source(dataset, "train", data_dir, labelled=False)


def _train(verb, arguments, log, scratch, verify_here):
    """The command, in a session of its own."""
    from keras_cnns import commands
    from keras_cnns.export import verification

    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.environ["TMPDIR"], tempfile.tempdir = scratch, None
    if verify_here:
        verification.subprocess = types.SimpleNamespace(run=_verify)
    sys.argv = [verb, *arguments]
    commands.main(verb)


def _verify(command, **_):
    """Verifies an export in this process."""
    from keras_cnns.export import verification

    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        verification.print_differences(*command[-2:])
    return subprocess.CompletedProcess(command, 0, output.getvalue(), "")


def _describe(folder, path):
    """Writes what a training has left as JSON: hash or content by name."""
    found = {}
    for name in _names(folder):
        found[name] = _content(pathlib.Path(folder, name))
    for version in pathlib.Path(folder).glob("exports/*/*/saved_model.pb"):
        outputs = _outputs(str(version.parent))
        found[f"{version.parent.relative_to(folder)} outputs"] = outputs
    pathlib.Path(path).write_text(json.dumps(found))


def _names(folder):
    """Names of the files that must be the same."""
    folder = pathlib.Path(folder)
    files = (
        file for part in ("run", "exports") for file in folder.glob(f"{part}/**/*")
    )
    names = [str(f.relative_to(folder)) for f in sorted(files) if f.is_file()]
    others = ("run/logs/", "scratch/")
    return [n for n in names if not n.startswith(others) and not _is_passing(n)]


def _content(file):
    """What of a file must be the same."""
    if file.name == "run.json":
        record = json.loads(file.read_text())
        for name in ("run_dir", "export_dir", "resume"):
            del record["options"][name]
        return {**record, "started": None}
    if file.name == "export.json":
        return None  # paths
    if file.name == "detection_report.json":
        report = json.loads(file.read_text())
        del report["detector"]["run"]
        return {**report, "seconds_per_image": None}
    if file.name == "metrics.csv":
        with open(file) as rows:
            return [{**row, "seconds": None} for row in csv.DictReader(rows)]
    if file.name == "progress.json":
        progress = json.loads(file.read_text())
        return [progress, [row.pop("seconds") and None for row in progress["history"]]]
    if file.name == "state.index":
        return _tensors(str(file.with_suffix("")))
    if file.name.startswith("state.data") or file.name in (
        *("saved_model.pb", "fingerprint.pb"),
        "variables.index",
    ):
        return _NUMBERED
    if file.name.startswith("variables.data"):
        return _tensors(str(file.with_name("variables")))
    return _hash(file.read_bytes())


def _hash(content):
    return hashlib.sha256(content).hexdigest()


def _tensors(path):
    import tensorflow as tf

    reader = tf.train.load_checkpoint(path)
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    tensors = {name: reader.get_tensor(name) for name in sorted(names)}
    return {
        name: _hash(tensor.tobytes() if hasattr(tensor, "tobytes") else tensor)
        for name, tensor in tensors.items()
    }


def _outputs(version):
    """Hash of each output of an exported model, of the same inputs."""
    import numpy as np
    import tensorflow as tf

    from keras_cnns.runs import process

    process.make_deterministic()
    generator = np.random.default_rng(0)

    def example(spec):
        shape = [size or (16 if i else 2) for i, size in enumerate(spec.shape)]
        if spec.dtype == tf.string:
            pixels = generator.integers(0, 256, (2, 16, 16, 1), np.uint8)
            return tf.stack([tf.io.encode_png(image) for image in pixels])
        if spec.dtype.is_integer:
            return tf.fill(shape, tf.constant(3, spec.dtype))
        return tf.constant(generator.random(shape).round(1), spec.dtype)

    found = {}
    for name, signature in tf.saved_model.load(version).signatures.items():
        specs = sorted(signature.structured_input_signature[1].items())
        outputs = signature(**{key: example(spec) for key, spec in specs})
        for key, value in sorted(outputs.items()):
            array = value.numpy()
            found[f"{name} {key}"] = _hash(
                repr(array.tolist()).encode()
                if value.dtype == tf.string
                else array.tobytes()
            )
    return found


# The process that kills.


class Trainings:
    """Repetitions of one training.

    Args:
        task: its name.
        output_dir: gets a folder for each, with ``run``, ``exports``, ``scratch`` for
            temporary files, and a log.
        seed: of the trainings and of the moments.
        data_dir: folder of prepared data sets.
        verify_here: whether exports are verified in the process that trains.
    """

    def __init__(self, task, output_dir, seed, data_dir, verify_here):
        from keras_cnns import commands, tasks

        self._task = task
        self._verb = commands.verb_of(tasks.TASKS[task])
        self._output = pathlib.Path(output_dir).resolve()
        self._options = {**_COMMON, **_TRAININGS[task], "seed": seed}
        if data_dir:
            self._options["data_dir"] = data_dir
        self._verify_here = verify_here
        self._random = random.Random(seed)
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(
            ["keras_cnns.commands.program", "keras_cnns.tasks", "keras_cnns.data"]
        )
        self._kills = collections.Counter()
        self._completed = 0
        self._failures, self._mismatches, self._leftovers = [], [], []

    def measure(self):
        """Trains without a kill: what is left, and the time of it."""
        places = self._options["dataset"], self._options.get("data_dir")
        self._fork(_prepare, self._task, *places)
        folder, started = self._new_folder("straight"), time.monotonic()
        process = self._run(folder, resume=False)
        while process.is_alive() and not _has_lock(folder, process.pid):
            time.sleep(_POLL)
        self._until_lock = time.monotonic() - started
        process.join()
        self._until_end = time.monotonic() - started
        if process.exitcode:
            sys.exit(f"the training itself fails: {_last_line(folder)}")
        self._expected = self._description(folder)
        left = self._leftover(folder, process)
        if left:
            self._leftovers.append(left)

    def kill(self, wanted, deadline):
        """Trains until so many kills are done, or until a time on the clock."""
        self._wanted, self._deadline = wanted, deadline
        while self._goes_on():
            folder = self._new_folder(f"{self._completed + len(self._failures):04d}")
            self._train_killed(folder)
            total = sum(self._kills.values())
            print(f"{total} kills, {self._completed} trainings", flush=True)

    def _goes_on(self):
        is_time = time.monotonic() < self._deadline
        return is_time and sum(self._kills.values()) < self._wanted

    def summary(self):
        """The numbers of all trainings."""
        return {
            "kills": sum(self._kills.values()),
            "by_phase": dict(sorted(self._kills.items())),
            "trainings": self._completed,
            "seconds_of_one": round(self._until_end, 1),
            "mismatches": self._mismatches,
            "leftovers": self._leftovers,
            "resume_failures": self._failures,
        }

    def _train_killed(self, folder):
        """One training, killed and resumed to its end."""
        phases, resume = [], False
        while True:
            before = set(folder.rglob("*.partial"))
            is_new, resume, started = not resume, True, time.monotonic()
            process = self._run(folder, resume=not is_new)
            if self._goes_on():
                moment = self._moment()
                process.join(moment)
                if process.is_alive():
                    process.kill()
            process.join()
            if process.exitcode != -signal.SIGKILL:
                break
            if sum(self._kills.values()) % 2:
                _kill_session(process.pid)
            is_begun = moment > self._until_lock
            phases.append(self._phase(folder, process.pid, before, is_begun))
            self._kills[phases[-1]] += 1
        if is_new:  # to its end: other jobs on the machine change the time it takes
            self._until_end = time.monotonic() - started
        if process.exitcode:
            self._failures.append([folder.name, phases, _last_line(folder)])
            return
        self._completed += 1
        left = self._leftover(folder, process)
        found = self._description(folder)
        names = {*found, *self._expected}
        differing = sorted(n for n in names if found.get(n) != self._expected.get(n))
        if differing:
            self._mismatches.append([folder.name, phases, differing])
            print("differs:", self._mismatches[-1], flush=True)
        if left:
            self._leftovers.append([folder.name, phases, left])
            print("left:", self._leftovers[-1], flush=True)
        if not differing and not left:
            shutil.rmtree(folder)

    def _moment(self):
        """Seconds from a process' start to its kill."""
        if self._random.random() < _AT_START:
            return self._random.uniform(0, self._until_lock)
        return self._random.uniform(self._until_lock, self._until_end)

    def _new_folder(self, name):
        folder = self._output / name
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "scratch").mkdir(parents=True)
        return folder

    def _run(self, folder, resume):
        options = {
            **self._options,
            "run_dir": folder / "run",
            "export_dir": folder / "exports",
            "resume": resume,
        }
        arguments = [f"--{name}={value}" for name, value in options.items()]
        places = (str(folder / "log"), str(folder / "scratch"))
        process = self._context.Process(
            target=_train, args=(self._verb, arguments, *places, self._verify_here)
        )
        process.start()
        return process

    def _description(self, folder):
        path = folder / "found.json"
        self._fork(_describe, str(folder), str(path))
        return json.loads(path.read_text())

    def _fork(self, function, *arguments):
        """Runs a function to its end in another process."""
        process = self._context.Process(target=function, args=arguments)
        process.start()
        process.join()
        if process.exitcode:
            sys.exit(f"{function.__name__} failed, see above")

    def _phase(self, folder, pid, before, is_begun):
        """Where a process was when it was killed, by what it has left."""
        wanted = {n for n in self._expected if not n.endswith(" outputs")}
        missing = wanted - set(_names(folder))
        if not _has_lock(folder, pid):
            at_end = is_begun and not missing
            return "after the end" if at_end else "before it has the folder"
        new = set(folder.rglob("*.partial")) - before
        places = {path.relative_to(folder).parts[:2] for path in new}
        if any(place[0] == "exports" for place in places):
            return "in the export"
        if ("run", "checkpoints") in places:
            return "within a checkpoint"
        if new:
            return "in samples, figures and weights"
        steps = _steps(folder)
        if not steps:
            return "before the first checkpoint"
        if steps[-1] < max(_steps(self._output / "straight")):
            rows = _last_recorded(folder)
            recorded = rows > steps[-1]
            return "in samples, figures and weights" if recorded else "in an epoch"
        if any(name.startswith("exports/") for name in missing):
            return "in the export"
        return "in samples, figures and weights" if missing else "after the export"

    def _leftover(self, folder, process):
        """What should not be there after the end."""
        paths = [*folder.glob("run/**/*"), *folder.glob("exports/**/*")]
        left = [p for p in paths if _is_passing(p.name)]
        left += [p for p in folder.glob("scratch/*") if _TRACED not in p.name]
        left = sorted(str(path.relative_to(folder)) for path in left)
        deadline = time.monotonic() + _END
        while _has_session(process.pid):
            if time.monotonic() > deadline:
                return [*left, "a process"]
            time.sleep(_POLL)
        return left


def _is_passing(name):
    """Whether a file, or what it is in, should go before the training ends."""
    return name.endswith(".lock") or ".partial" in name


def _has_lock(folder, pid):
    try:
        return f"process {pid} " in (folder / "run" / ".lock").read_text()
    except FileNotFoundError:
        return False


def _steps(folder):
    from keras_cnns.runs import checkpoints

    return checkpoints.list_steps(str(folder / "run" / "checkpoints"))


def _last_recorded(folder):
    """Step of the last epoch that the metrics tell of."""
    try:
        with open(folder / "run" / "metrics.csv") as file:
            return max(int(row["step"]) for row in csv.DictReader(file))
    except FileNotFoundError:
        return 0


def _last_line(folder):
    return (folder / "log").read_text(errors="replace").strip().splitlines()[-1]


def _kill_session(pid):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def _has_session(pid):
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main(_):
    values = flags.FLAGS
    given = (values.output_dir, values.seed, values.data_dir, values.verify_here)
    trainings = Trainings(values.task, *given)
    trainings.measure()
    limit = values.minutes or float("inf")
    trainings.kill(values.kills, time.monotonic() + 60 * limit)
    summary = {"task": values.task, **trainings.summary()}
    line = json.dumps(summary)
    (pathlib.Path(values.output_dir) / f"{values.task}.json").write_text(f"{line}\n")
    print(line)
    if any(summary[k] for k in ("mismatches", "leftovers", "resume_failures")):
        sys.exit(1)


if __name__ == "__main__":
    # Not at the top: a process that trains has flags of its own.
    flags.DEFINE_enum("task", None, list(_TRAININGS), "which training")
    flags.DEFINE_integer("kills", 100, "how many", lower_bound=0)
    flags.DEFINE_float("minutes", 0.0, "after which there are no more; 0: no limit")
    flags.DEFINE_string("output_dir", None, "folder for the trainings and the summary")
    flags.DEFINE_string("data_dir", "", "where the data set is kept")
    flags.DEFINE_integer("seed", 0, "of the trainings and of the moments")
    flags.DEFINE_boolean(
        "verify_here",
        False,
        "whether exports are verified in the process that trains, not in a fresh one: "
        "quicker, so that fewer of the kills fall into that",
    )
    flags.mark_flags_as_required(["task", "output_dir"])
    app.run(main)
