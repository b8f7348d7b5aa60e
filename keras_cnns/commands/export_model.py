"""Exports the network of a training run for TF Serving, ONNX or TensorFlow Lite.

    export-model --run_dir=runs/digits --export_dir=savedmodels --optimize
    export-model --run_dir=runs/digits --export_dir=files --format=onnx_int8

writes ``savedmodels/<model>/<version>/``, verifies it in a fresh process and prints the
path; half a minute for a small network. Other formats than SavedModel get folders of
their own, ``files/<model>_onnx_int8/<version>/``. ``--run_dir`` is a run of a
classifier, an auto-encoder, a detector, a GAN, a network that fills holes or enlarges
pictures, or a refiner. ``savedmodels/README.md`` describes the files.
"""

import dataclasses

from keras_cnns import export, tasks
from keras_cnns.commands.groups import Epoch, OneRun, Quiet
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
_SAVED_MODEL = one_of("format", "saved_model")
_INT8 = one_of("format", "onnx_int8", "tflite_int8")


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, OneRun):
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
    format: str = option(
        "saved_model",
        "how the network is stored; int8: in 8 bits, of classifiers",
        choices=export.FORMATS,
    )
    optimize: bool = option(
        False,
        "store weights as constants, with batch normalisation folded into convolutions",
        needs=_SAVED_MODEL,
    )
    calibration_images: int = option(
        200,
        "training images by which the ranges of 8-bit numbers are chosen",
        needs=_INT8,
        within="[1, inf)",
    )
    warmup_requests: int = changed(
        ClassificationOptions, "warmup_requests", -1, needs=(_CLASSIFIER, _SAVED_MODEL)
    )

    @classmethod
    def derive(cls, values: dict) -> dict:
        return {"task": read_run(values["run_dir"]).task}


def run(options: OPTIONS) -> str:
    """Exports and returns the version's folder."""
    opened = tasks.open_run(options.run_dir)
    own = options.effective("which", "warmup_requests", "optimize")
    images = None
    if options.format.endswith("_int8"):
        images = opened.calibration_images(options.calibration_images)
    form = export.Form(options.format, own.pop("optimize", False), images)
    path, difference = opened.export(
        options.export_dir, options.export_name, form=form, **own
    )
    print(f"exported and verified: {path} (largest difference {difference:.1g})")
    return path
