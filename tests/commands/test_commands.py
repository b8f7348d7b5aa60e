"""Commands: one verb each, flags of one meaning, runs of the right task, exit codes."""

import ast
import collections
import dataclasses
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from absl.testing import flagsaver

from keras_cnns import applications, commands, data
from keras_cnns.commands import VERBS, find_command, program, run_command
from keras_cnns.runs import TrainingInterrupted, holds_run
from keras_cnns.tasks import TASKS
from keras_cnns.tasks.classification import RECIPES

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "keras_cnns"


def _fields():
    """(verb, field) of every option of every command."""
    for verb in VERBS:
        for field in dataclasses.fields(find_command(verb)[1]):
            yield verb, field


# What a name means elsewhere, where it cannot mean the same, and why.
OTHER_HELP = {
    "dataset": {
        "study-dcgan": "that of the run, unless another is given",
        "check-boxes": "its data sets have boxes",
    },
    "image_size": {
        "compare-inpainting": "0 is the runs', which have one already",
        "inspect-classifier": "0 is the model's, no data are asked",
        "study-gan-training": "its dense networks take any size: 0 is the data's",
        "train-detector": "images keep their aspect: it is their shorter side",
        "train-super-resolution": "its images are patches of larger pictures",
    },
    "freeze": {"train-detector": "the layers of the backbone, or all of it"},
    "preprocessing": {
        "inspect-classifier": "there is no fine-tuning, nor a backbone",
        "train-detector": "that of the backbone's weights",
    },
    "augmentation": {
        "train-detector": "boxes move with their images by flips only",
        "train-super-resolution": "nothing else keeps pairs of patches as they are",
    },
    "channels": {
        "compare-inpainting": "as image_size",
        "train-super-resolution": "one channel is luma; the model decides",
    },
    "init_weights": {"train-super-resolution": "there are no public checkpoints"},
    "feature_weights": {"train-super-resolution": "SRGAN compares by VGG19"},
    "feature_layers": {"train-super-resolution": "those of VGG19 can be others, too"},
    "recipe": {"train-super-resolution": "the published ones are the model's"},
    "scales": {"evaluate-classifier": "sides in pixels; of pictures factors"},
    "input": {"upscale": "a picture is enlarged, nothing is filled"},
    "method": {"upscale": "these enlarge"},
    "host": {"serve-data": "others reach it there; servers listen there"},
    "port": {"studio": "its pages are not for other programs"},
    "tile_size": {"upscale": "it has a default, and bicubic has tiles too"},
    "run_dir": {
        "evaluate-classifier": "several runs are an ensemble",
        "predict": "several runs are an ensemble",
    },
    "batch_size": dict.fromkeys(
        (
            "evaluate-classifier",
            "predict",
            "inspect-classifier",
            "compare-inpainting",
            "study-gan-training",
        ),
        "one device; trainings spread a step over all",
    ),
    "export_dir": {"export-model": "it must be given: no export makes no sense"},
    "split": {"study-dcgan": "one of its studies needs it, and says which"},
    "train_split": {"study-dcgan": "nothing is trained on it but a linear SVM"},
    "learning_rate": {"study-gan-training": "its rate is constant"},
    "grid_columns": {"sample-gan": "0 is possible: there may be any number of images"},
    "weights": {
        "sample-gan": "of one of the model's networks; there are no public ones"
    },
    "num_images": {
        "evaluate-gan": "of each kind: real ones, further real ones, generated ones",
        "sample-gan": "0 cannot be all, of what is drawn",
        "evaluate-detector": "evenly spaced, as the images of a class may lie together",
    },
    "layer": {"study-dcgan": "it is the generator's"},
    "methods": {
        "compare-inpainting": "these are of inpainting",
        "compare-super-resolution": "these enlarge",
    },
    "scale": {"compare-super-resolution": "that of several methods"},
    "self_ensemble": {"compare-super-resolution": "in addition, not instead"},
    "compare_with": {"compare-super-resolution": "the file has another name"},
    "markdown_file": {"list-options": "without it, Markdown goes to the terminal"},
}


def test_one_name_means_one_thing():
    texts = collections.defaultdict(lambda: collections.defaultdict(list))
    for verb, field in _fields():
        texts[field.name][field.metadata["help"]].append(verb)
    different = {}
    for name, by_text in texts.items():
        _, *others = sorted(by_text.values(), key=len, reverse=True)
        if others:
            different[name] = {verb for verbs in others for verb in verbs}
    assert different == {name: set(verbs) for name, verbs in OTHER_HELP.items()}


def test_one_name_has_one_type():
    kinds = collections.defaultdict(lambda: collections.defaultdict(list))
    for verb in VERBS:
        for name, kind in find_command(verb)[1].kinds().items():
            kinds[name][kind].append(verb)
    several = {name for name, by_kind in kinds.items() if len(by_kind) > 1}
    assert several == {"run_dir"}  # some commands take several runs


# Values of options by name: they set options, and use none.
TABLES = {"models.py", "recipes.py"}
# Calls that name options without using their values.
NAMING = {"any_of", "one_of", "changed"}


def _used_names():
    """Attributes and texts of the package's code, by file."""
    for path in PACKAGE.rglob("*.py"):
        if path.name in TABLES:
            continue
        tree = ast.parse(path.read_text())
        naming = {
            id(node)
            for call in ast.walk(tree)
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in NAMING
            for node in ast.walk(call)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                yield node.attr
            elif isinstance(node, ast.arg) and path.parent.name == "trainers":
                yield node.arg  # Task.trainer_options gives options by these names
            elif isinstance(node, ast.Constant) and id(node) not in naming:
                yield node.value


def test_every_option_is_used():
    used = {name for name in _used_names() if isinstance(name, str)}
    assert {field.name for _, field in _fields()} - used == set()


def test_needs_and_texts_of_options():
    for verb, field in _fields():
        text = field.metadata["help"]
        assert text and not text.endswith("."), (verb, field.name)
        kind = find_command(verb)[1]
        names = {f.name for f in dataclasses.fields(kind)}
        for need in field.metadata["needs"]:
            assert need.shown in names | {""}, (verb, field.name)
            derived = set(need.names) - names
            if derived:  # what stands for it in the message is an option
                assert need.shown in names, (verb, field.name)


def test_each_verb_has_one_script_of_one_call():
    scripts = sorted((ROOT / "apps").glob("*.py"))
    assert [path.stem.replace("_", "-") for path in scripts] == sorted(VERBS)
    for path in scripts:
        source = path.read_text()
        assert len(source.splitlines()) <= 60, path
        docstring, imported, guard = ast.parse(source).body
        assert isinstance(docstring.value.value, str), path
        assert ast.unparse(imported) == "from keras_cnns import commands", path
        assert ast.unparse(guard.test) == "__name__ == '__main__'", path
        verb = path.stem.replace("_", "-")
        assert [ast.unparse(line) for line in guard.body] == [
            f"commands.main('{verb}')"
        ]
        assert f"apps/{path.name}" in docstring.value.value, path


def test_every_verb_says_what_it_does():
    for verb, (text, _) in VERBS.items():
        docstring, options, run = find_command(verb)
        assert text and docstring.strip(), verb
        assert f"{verb} " in docstring, verb  # an example
        assert callable(run) and dataclasses.is_dataclass(options)
    first = set(list(VERBS)[: len(TASKS)])
    assert {commands.verb_of(task) for task in TASKS.values()} == first


@pytest.fixture
def console(monkeypatch, capsys):
    """``keras-cnns`` in this process: (exit code, standard output, errors)."""
    from absl import app, logging

    monkeypatch.setattr(logging, "use_absl_handler", lambda: None)  # pytest has its own
    app.define_help_flags()

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["keras-cnns", *map(str, arguments)])
        main = sys.modules["__main__"]
        monkeypatch.setattr(main, "__doc__", main.__doc__)
        capsys.readouterr()
        level, tf_level = logging.get_verbosity(), tf.get_logger().level
        code = 0
        # A process has one command line; here each call does.
        app._register_and_parse_flags_with_usage.done = False
        with flagsaver.flagsaver():
            try:
                commands.console()
            except SystemExit as end:
                code = end.code or 0
            finally:
                logging.set_verbosity(level)
                tf.get_logger().setLevel(tf_level)
        return (code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_help_lists_all_verbs(console, arguments):
    code, output, errors = console(*arguments)
    assert code == 0 and errors == ""
    listed = dict(re.findall(r"^  ([\w-]+)  +(.+)$", output, re.MULTILINE))
    assert listed == {verb: text for verb, (text, _) in VERBS.items()}


def test_the_package_runs_as_a_module():
    command = [sys.executable, "-m", "keras_cnns", "--help"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0 and "usage: keras-cnns <verb>" in done.stdout


def test_help_of_a_verb_has_its_text_and_all_flags(console):
    _, output, errors = console("predict", "--help")
    docstring, options, _ = find_command("predict")
    assert docstring.splitlines()[0] in output
    for field in dataclasses.fields(options):
        assert re.search(rf"^ +--(\[no\])?{field.name}: ", output, re.MULTILINE)
    assert errors == ""


def test_an_unknown_verb_names_the_nearest(console):
    code, output, errors = console("train-gans", "--epochs=3")
    assert code == 1 and output == ""
    assert errors.startswith(
        "error: unknown verb 'train-gans'; did you mean train-gan? There are train-"
    )
    assert len(errors.splitlines()) == 1
    assert all(verb in errors for verb in VERBS)
    with pytest.raises(ValueError, match="unknown verb 'xyzzy'. There are train-class"):
        run_command("xyzzy")


def test_flags_become_options(console, monkeypatch):
    """Of each type; those that are not given stay out."""
    given = []

    def resolve(**values):
        given.append(values)
        raise ValueError("that is enough")

    options = find_command("train-gan")[1]
    monkeypatch.setattr(options, "resolve", resolve)
    code, _, errors = console(
        "train-gan", "--model=wgan64", "--epochs", "3", "--resume", "--noenable_xla",
        "--learning_rate=1e-3", "--mixed_precision=",
    )  # fmt: skip
    assert (code, errors) == (1, "error: that is enough\n")
    assert given == [
        {
            "model": "wgan64",
            "epochs": 3,
            "resume": True,
            "enable_xla": False,
            "learning_rate": 1e-3,
            "mixed_precision": "",
        }
    ]


def test_lists_and_results_on_the_command_line(console):
    code, output, errors = console("list-models", "--pattern=*densenet1*")
    assert (code, errors) == (0, "")
    assert "densenet121" in output and "7,978,856" in output
    code, output, errors = console("predict", "--images=a.png,b.png", "--run_dir=x,y")
    assert (code, output) == (1, "") and errors.startswith("error: x holds no run")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("predict", "--images=x", "stray"), "unexpected argument 'stray'"),
        (("predict", "--image=x", "--images=y"), "Unknown command line flag 'image'"),
        (("predict", "--images=x", "--top_k=many"), "--top_k=many"),
    ],
)
def test_command_lines_that_are_none(console, arguments, message):
    code, _, errors = console(*arguments)
    assert code == 1 and message in errors


@pytest.mark.parametrize(
    ("raised", "code", "message"),
    [
        (ValueError("epochs is bad"), 1, "error: epochs is bad\n"),
        (OSError("disk full"), 1, "error: disk full\n"),
        (ImportError("install x"), 1, "error: install x\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (TrainingInterrupted("saved at 5"), 130, "saved at 5\n"),
        (tf.errors.NotFoundError(None, None, "no x\nstack"), 1, "error: no x\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_exit_codes(console, monkeypatch, raised, code, message):
    from keras_cnns.commands import list_models

    def run(options):
        raise raised

    monkeypatch.setattr(list_models, "run", run)
    assert console("list-models") == (code, "", message)


def test_errors_from_a_shell_are_one_line(finish, data_dir, tmp_path):
    code, output, errors = finish(
        "apps/train_classifier.py", "--model=nothing", "--dataset=digits",
        f"--data_dir={data_dir}", f"--run_dir={tmp_path}",
    )  # fmt: skip
    assert code == 1 and output == ""
    lines = [line for line in errors.splitlines() if not re.match(r"I\d{4} ", line)]
    assert len(lines) == 1 and lines[0].startswith("error: unknown model 'nothing'")


TASK_OF = {
    "evaluate-classifier": "classification",
    "predict": "classification",
    "inspect-classifier": "classification",
    "evaluate-gan": "generation",
    "sample-gan": "generation",
    "study-dcgan": "generation",
    "inpaint": "inpainting",
    "compare-inpainting": "inpainting",
    "upscale": "super_resolution",
    "compare-super-resolution": "super_resolution",
}


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """A grey image and its mask, as files."""
    folder = tmp_path_factory.mktemp("images")
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 1), np.uint8)
    data.write_image(str(folder / "image.png"), image)
    mask = np.zeros((16, 16, 1), np.uint8)
    mask[4:8, 4:8] = 255
    data.write_image(str(folder / "mask.png"), mask)
    return folder


def _options_with_run(verb, run_dir, images, data_dir, folder):
    """Options of a command that are fine but for the run."""
    places = {"dataset": "digits", "data_dir": data_dir}
    output = {"output_dir": str(folder / "out")}
    return {
        "evaluate-classifier": {"run_dir": [run_dir], **places},
        "predict": {"run_dir": [run_dir], "images": [str(images / "image.png")]},
        "inspect-classifier": {
            "run_dir": run_dir, "images": [str(images / "image.png")], **output,
        },
        "evaluate-gan": {
            "run_dir": run_dir, "embedding": "imagenet", **places, **output,
        },
        "sample-gan": {"run_dir": run_dir, **output},
        "study-dcgan": {"run_dir": run_dir, **output},
        "inpaint": {
            "method": run_dir,
            "input": str(images / "image.png"),
            "mask": str(images / "mask.png"),
            "output": str(folder / "filled.png"),
        },
        "compare-inpainting": {"methods": ["mean", run_dir], **places, **output},
        "upscale": {
            "method": run_dir,
            "input": str(images / "image.png"),
            "output": str(folder / "large.png"),
        },
        "compare-super-resolution": {"methods": [run_dir], **places, **output},
    }[verb]  # fmt: skip


@pytest.mark.parametrize("verb", TASK_OF)
def test_runs_of_other_tasks_are_refused(
    runs_by_task, images, data_dir, tmp_path, verb
):
    for other, run_dir in runs_by_task.items():
        if other == TASK_OF[verb]:
            continue
        options = _options_with_run(verb, run_dir, images, data_dir, tmp_path)
        with pytest.raises(ValueError) as refused:
            run_command(verb, **options)
        message = str(refused.value)
        assert f"{run_dir} is a run of {other}" in message
        assert f"a run of {TASK_OF[verb]}" in message and "\n" not in message
    assert not (tmp_path / "out").exists()


def test_runs_of_other_tasks_are_refused_by_options(runs_by_task, data_dir, tmp_path):
    """Wherever else a run is named."""
    places = {
        "dataset": "digits", "data_dir": data_dir, "run_dir": str(tmp_path / "run"),
    }  # fmt: skip
    gan, refiner = runs_by_task["generation"], runs_by_task["refinement"]
    evaluated = {**places, "run_dir": gan, "output_dir": str(tmp_path)}
    for verb, options, other, wanted in (
        (
            "train-classifier",
            {**places, "model": "cifar_resnet20", "init_weights": gan},
            "generation",
            "classification",
        ),
        (
            "train-inpainter",
            {**places, "model": "pconv_unet", "image_size": 16, "feature_run": refiner},
            "refinement",
            "classification",
        ),
        ("evaluate-gan", {**evaluated, "embedding": gan}, "generation", "classif"),
        (
            "train-gan",
            {**places, "model": "dcgan32", "run_dir": refiner, "resume": True},
            "refinement",
            "generation",
        ),
    ):
        with pytest.raises(ValueError, match=f"of {other}; a run of {wanted}.*$"):
            run_command(verb, **options)
    assert not holds_run(str(tmp_path / "run"))


SIGNATURES = {
    "autoencoding": ("swwae_small", {"reconstruct", "encode", "classify"}),
    "classification": ("resnet", {"serving_default", "serve_images"}),
    "detection": ("faster_rcnn_small", {"serving_default", "serve_images"}),
    "generation": ("dcgan32_generator", {"serving_default", "sample"}),
    "inpainting": ("pconv_unet", {"serving_default", "serve_images"}),
    "refinement": ("simgan_eye_refiner", {"serving_default"}),
    "super_resolution": ("edsr_small_x2", {"serving_default", "serve_images"}),
}


@pytest.mark.parametrize("task", TASKS)
def test_export_model_takes_a_run_of_any_task(
    runs_by_task, tmp_path, capsys, verify_here, task
):
    places = {"run_dir": runs_by_task[task], "export_dir": str(tmp_path)}
    name, signatures = SIGNATURES[task]
    path = run_command("export-model", **places)
    assert path == str(tmp_path / name / "1")
    assert f"exported and verified: {path}" in capsys.readouterr().out
    assert signatures == set(tf.saved_model.load(path).signatures)


@pytest.mark.slow  # a process each; classifiers and GANs have one in the short run
@pytest.mark.parametrize("task", TASKS)
def test_exports_of_any_task_are_verified_in_a_fresh_process(
    runs_by_task, tmp_path, task
):
    places = {"run_dir": runs_by_task[task], "export_dir": str(tmp_path)}
    name, _ = SIGNATURES[task]
    assert run_command("export-model", **places) == str(tmp_path / name / "1")


def test_export_model_by_another_name_and_epoch(
    runs_by_task, data_dir, tmp_path, verify_here
):
    run_dir = runs_by_task["classification"]
    image = tf.io.encode_png(np.full((8, 8, 1), 90, np.uint8))
    answers = {}
    for which in ("last", "best"):
        path = run_command(
            "export-model",
            run_dir=run_dir,
            export_dir=str(tmp_path),
            export_name="other",
            which=which,
            warmup_requests=0,
        )
        served = tf.saved_model.load(path).signatures["serve_images"]
        answers[which] = served(image_bytes=tf.stack([image]))["probabilities"].numpy()
    assert path == str(tmp_path / "other" / "2")
    assert np.abs(answers["last"] - answers["best"]).max() > 1e-4
    for task, given in (
        ("generation", {"which": "best"}),
        ("refinement", {"which": "last"}),
        ("inpainting", {"warmup_requests": 2}),
    ):
        (name,) = given
        with pytest.raises(ValueError, match=f"--{name}=.* whose task is {task}"):
            run_command(
                "export-model",
                run_dir=runs_by_task[task],
                export_dir=str(tmp_path),
                **given,
            )


def test_list_models(capsys):
    names = run_command("list-models", pattern="densenet*")
    assert set(names) == set(applications.list_models(pattern="densenet*"))
    output = capsys.readouterr().out
    assert "densenet121" in output and "7,978,856" in output
    assert run_command("list-models", recipes=True) == list(RECIPES)
    assert "--learning_rate=0.1" in capsys.readouterr().out
    with pytest.raises(ValueError, match="models.md"):
        run_command("list-models", pattern="densenet*", markdown_file="models.md")


def test_list_models_by_task(capsys):
    """What ``--model`` takes comes first, then the networks that it is made of."""
    everything = run_command("list-models")
    assert sorted(set(everything)) == sorted(everything)
    assert set(everything) >= set(applications.list_models())
    for task, kind in TASKS.items():
        names = run_command("list-models", task=task)
        output = capsys.readouterr().out
        assert f"{commands.verb_of(kind)} --model=" in output
        assert names[: len(kind.models())] == list(kind.models())
    with pytest.raises(ValueError, match="'captioning'.*generation"):
        run_command("list-models", task="captioning")


def test_list_options(capsys, tmp_path):
    assert run_command("list-options", verb="predict") == ["predict"]
    output = capsys.readouterr().out
    for field in dataclasses.fields(find_command("predict")[1]):
        assert f"--{field.name}`" in output
    path = tmp_path / "options.md"
    assert run_command("list-options", markdown_file=str(path)) == list(VERBS)
    text = path.read_text()
    for verb, field in _fields():
        assert f"`--{field.name}`" in text, verb
    assert all(f"\n## {verb}\n" in text for verb in VERBS)
    with pytest.raises(ValueError, match="'predict'.*'predicted'"):
        run_command("list-options", verb="predicted")


OOM = "OOM when allocating tensor with shape[9,9] and type float on /device:CPU:0"
WHERE = (
    "Graph execution error:\n\nDetected at node a/b defined at (most recent call last)"
)
FRAMES = (
    '  File "train.py", line 11, in <module>\n\n  File "net.py", line 5, in call\n\n'
)


@pytest.mark.parametrize(
    ("message", "line"),
    [
        (f"{WHERE}:\n{FRAMES}{OOM}\n\t [[{{{{node a}}}}]]\nHint: x. [Op:f]", OOM),
        (f"{WHERE}:\n<stack traces unavailable>\n{OOM}\n\t [[a]] [Op:f]", OOM),
        (f"{WHERE}:\nNode: 'a/b'\n2 root error(s) found.\n  (0) RESOURCE_EXHAUSTED:  "
         f"{OOM}\n\t [[a]]\n  (1) CANCELLED:  other\n0 successful operations.", OOM),
        (f"in user code:\n\n{FRAMES}    ValueError: no 5\n", "ValueError: no 5"),
        (f"{OOM} [Op:Fill]", f"{OOM} [Op:Fill]"),
        ("--dataset is missing", "--dataset is missing"),
        ("first\nsecond", "first"),
        ("", "no message"),
        ("Graph execution error:\n\n", "Graph execution error:"),
    ],
)  # fmt: skip
def test_an_error_is_told_in_the_line_that_says_what_happened(message, line):
    assert program.what_happened(message) == line
