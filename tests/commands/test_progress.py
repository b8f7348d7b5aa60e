"""What commands show of long work: all of it, to its end, and nothing if quiet."""

import pytest
import tqdm

from keras_cnns import _progress, applications, data
from keras_cnns.commands import VERBS, find_command, run_command
from keras_cnns.tasks import TASKS

_SMALLEST = "gan_mnist_generator"
# They answer at once, or until they are stopped.
WITHOUT = {"list-options", "serve", "serve-data", "studio"}


@pytest.fixture
def shown(monkeypatch):
    """Of what is shown, the bars by description, as if on a terminal."""
    bars = {}

    class Recorder(_progress._Plain):
        def __init__(self, *args, **options):
            super().__init__(*args, **options)
            bars.setdefault(options["desc"], []).append(self)

        def tell(self):
            """Nobody looks."""

    monkeypatch.setattr(_progress, "_on_stderr", lambda: Recorder)
    return bars


@pytest.fixture
def places(runs_by_task, data_dir, boxes_dir, pictures_dir, tmp_path):
    """What stands for names in braces in the table of commands."""
    return {
        **runs_by_task,
        "boxes": boxes_dir,
        "data": data_dir,
        "out": str(tmp_path / "out"),
        "picture": f"{pictures_dir}/test/china1.png",
        "pictures": pictures_dir,
        "test": f"{pictures_dir}/test",
    }


_DIGITS = {"dataset": "digits", "data_dir": "{data}", "split": "test[:40]"}
_OUT = {"output_dir": "{out}"}
# By verb: options, and descriptions of the bars that there must be.
ROWS = {
    "check-boxes": ({"dataset": "{boxes}"}, {"boxes"}),
    "compare-inpainting": (
        {**_DIGITS, **_OUT, "methods": "mean", "num_images": 2, "image_size": 16},
        {"images"},
    ),
    "compare-super-resolution": (
        {"dataset": "{pictures}", "methods": "{super_resolution}", **_OUT},
        {"pictures", "image headers"},
    ),
    "detect": (
        {"run_dir": "{detection}", "images": "{test}", **_OUT},
        {"images", "images read"},
    ),
    "evaluate-autoencoder": ({"run_dir": "{autoencoding}", **_DIGITS}, {"evaluation"}),
    "evaluate-classifier": ({"run_dir": "{classification}", **_DIGITS}, {"evaluation"}),
    "evaluate-detector": (
        {"run_dir": "{detection}", "dataset": "{boxes}", "num_images": 3},
        {"boxes", "evaluation"},
    ),
    "evaluate-gan": (
        {
            "run_dir": "{generation}",
            "embedding": "{classification}",
            **_DIGITS,
            **_OUT,
            "num_images": 20,
            "parzen_samples": 10,
            "parzen_split": "train[:30]",
        },
        {"features", "images", "kernel distance", "Parzen windows", "samples"},
    ),
    "export-model": (
        {"run_dir": "{inpainting}", "export_dir": "{out}"},
        {"writing"},  # the description of a bar that begins with it
    ),
    "inpaint": (
        {"input": "{picture}", "mask": "{picture}", "output": "{out}"},
        {"images"},
    ),
    "inspect-classifier": (
        {
            "run_dir": "{classification}",
            "images": "{test}",
            **_OUT,
            "methods": "saliency,class_model",
            "num_steps": 2,
        },
        {"batches of images", "steps"},
    ),
    "list-models": ({"markdown_file": "{out}"}, {"models"}),
    "predict": (
        {"run_dir": "{classification}", "images": "{test}"},
        {"batches of images", "images read"},
    ),
    "prune-classifier": (
        {"run_dir": "{classification}", "epochs": 1, **_OUT},
        {"training", "validation", "evaluation"},
    ),
    "refine-images": (
        {"run_dir": "{out}", "epochs": 1},
        {"training", "refinement"},
    ),
    "sample-gan": (
        {"run_dir": "{generation}", "num_images": 2, **_OUT},
        {"samples", "files"},
    ),
    "save-images": ({**_DIGITS, **_OUT}, {"images"}),
    "study-dcgan": (
        {
            "run_dir": "{generation}",
            "train_split": "train[:128]",
            **_OUT,
            "studies": "features,duplicates",
            "split": "test[:40]",
            "num_samples": 4,
            "svm_penalties": "0.01",
            "deduplicator_epochs": 1,
        },
        {"images", "features", "penalties of the SVM", "hashes", "normalisations"},
    ),
    "study-gan-training": (
        {
            "data_dir": "{data}",
            "num_images": 64,
            "probe_epochs": "1",
            **_OUT,
            "probe_steps": 5,
            "distances": "1",
            "line_steps": 5,
        },
        {"training", "discriminator", "parallel lines"},
    ),
    "train-autoencoder": ({"run_dir": "{out}", "epochs": 1}, {"training"}),
    "train-classifier": (
        {"run_dir": "{out}", "epochs": 1},
        {"training", "validation", "evaluation"},
    ),
    "train-detector": (
        {"run_dir": "{out}", "epochs": 1},
        {"training", "boxes", "evaluation"},
    ),
    "train-gan": ({"run_dir": "{out}", "epochs": 1}, {"training"}),
    "train-inpainter": ({"run_dir": "{out}", "epochs": 1}, {"training", "validation"}),
    "train-super-resolution": (
        {"run_dir": "{out}", "epochs": 1},
        {"training", "validation"},
    ),
    "upscale": (
        {"input": "{test}", "output": "{out}", "method": "bicubic", "scale": 2},
        {"pictures"},
    ),
}
# Trainings but one, which have their loop in common, and what is slow by itself.
SLOW = {
    "study-gan-training",
    *(verb for verb, (_, module) in VERBS.items() if module.startswith("tasks.")),
} - {"train-classifier"}


def test_every_command_that_takes_long_has_a_row():
    assert set(ROWS) == set(VERBS) - WITHOUT
    for verb in VERBS:
        has_flag = "quiet" in find_command(verb)[1].kinds()
        assert has_flag == (verb not in WITHOUT), verb


@pytest.fixture
def options_of(places, small_options):
    """The options of a row."""
    verbs = {module.partition(".")[2]: verb for verb, (_, module) in VERBS.items()}
    tasks = {verbs[task]: task for task in TASKS}

    def options(verb):
        small = small_options(tasks[verb]) if verb in tasks else {}
        row = {
            name: value.format(**places) if isinstance(value, str) else value
            for name, value in ROWS[verb][0].items()
        }
        return {**small, **row}

    return options


@pytest.mark.parametrize(
    "verb",
    [pytest.param(v, marks=pytest.mark.slow) if v in SLOW else v for v in sorted(ROWS)],
)
def test_all_work_is_shown_to_its_end(
    verb, shown, options_of, verify_here, monkeypatch
):
    if verb == "list-models":  # of all it would take minutes
        monkeypatch.setattr(applications, "list_models", lambda *_: [_SMALLEST])
    run_command(verb, **options_of(verb))
    assert ROWS[verb][1] <= set(shown)
    for description, bars in shown.items():
        for bar in bars:
            assert bar.disable, f"{description} was not closed"
            if bar.total is not None:
                assert bar.n == pytest.approx(bar.total), description


@pytest.mark.parametrize("verb", ["save-images", "check-boxes", "upscale"])
def test_quiet_commands_give_results_only(verb, shown, options_of, capfd):
    run_command(verb, **options_of(verb), quiet=True)
    assert not shown
    output, errors = capfd.readouterr()
    assert output and errors == ""


def test_quiet_trainings_tell_the_end_only(shown, options_of, capfd):
    options = options_of("train-classifier")
    run_command("train-classifier", **options, quiet=True)
    assert not shown
    output, errors = capfd.readouterr()
    assert errors == ""
    score, place = output.splitlines()
    assert score.startswith("last epoch: ")
    assert place == f"everything is in {options['run_dir']}"


def test_preparing_data_shows_what_tfds_tells(shown, tmp_path, capfd):
    with _progress.shown():
        data.open_source("digits", "train", str(tmp_path))
    assert {"Generating train examples...", "Generating test examples..."} <= set(shown)
    assert capfd.readouterr() == (
        "",
        f"preparing data set digits in {tmp_path}/digits/1.0.0\n",
    )


def test_preparing_data_in_code_shows_it_too(shown, tmp_path):
    """As TFDS itself and downloads of Keras do."""
    data.open_source("digits", "train", str(tmp_path))
    assert shown


def test_tfds_keeps_its_own_bars(tmp_path):
    from tensorflow_datasets.core.utils import tqdm_utils

    data.open_source("digits", "train", str(tmp_path))
    assert issubclass(tqdm_utils.tqdm_lib.tqdm, tqdm.tqdm)
