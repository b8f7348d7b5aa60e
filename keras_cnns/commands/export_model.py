"""Exports the network of a training run for TF Serving.

    export-model --run_dir=runs/digits --export_dir=savedmodels

writes ``savedmodels/<model>/<version>/``, verifies it in a fresh process and prints the
path; half a minute for a small network. ``--run_dir`` is a run of a classifier, an
auto-encoder, a detector, a GAN, a network that fills holes or enlarges pictures, or a
refiner. ``savedmodels/README.md`` describes the files.
"""

import dataclasses

from keras_cnns import tasks
from keras_cnns.commands.groups import Epoch, OneRun
from keras_cnns.runs import RunOptions, changed, one_of, option, read_run
from keras_cnns.tasks.classification import ClassificationOptions

_WITH_EPOCHS = one_of(
    "task",
    "autoencoding",
    "classification",
    "detection",
    "inpainting",
    "super_resolution",
    shown="run_dir",
)
_CLASSIFIER = one_of("task", "classification", shown="run_dir")


@dataclasses.dataclass(frozen=True)
class OPTIONS(OneRun):
    """What ``export-model`` takes."""

    export_dir: str = changed(
        RunOptions,
        "export_dir",
        "",
        help="folder that gets <model>/<version>",
        required=True,
    )
    export_name: str = option("", "name in the export's path; empty: the model's")
    which: str = changed(Epoch, "which", "last", needs=(_WITH_EPOCHS,))
    warmup_requests: int = changed(
        ClassificationOptions, "warmup_requests", 1, needs=(_CLASSIFIER,)
    )

    @classmethod
    def derive(cls, values):
        return {"task": read_run(values["run_dir"]).task}


def run(options) -> str:
    """Exports and returns the version's folder."""
    opened = tasks.open_run(options.run_dir)
    own = options.effective("which", "warmup_requests")
    path, difference = opened.export(options.export_dir, options.export_name, **own)
    print(f"exported and verified: {path} (largest difference {difference:.1g})")
    return path
