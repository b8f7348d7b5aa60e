"""Tasks: auto-encoding, classification, detection, generation and their like."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from keras_cnns.runs import Run, read_run, train
from keras_cnns.tasks.autoencoding import AutoencodingTask
from keras_cnns.tasks.classification import ClassificationTask
from keras_cnns.tasks.detection import DetectionTask
from keras_cnns.tasks.generation import GenerationTask
from keras_cnns.tasks.inpainting import InpaintingTask
from keras_cnns.tasks.refinement import RefinementTask
from keras_cnns.tasks.super_resolution import SuperResolutionTask

if TYPE_CHECKING:
    import numpy as np

TASKS = {
    task.name: task
    for task in (
        AutoencodingTask,
        ClassificationTask,
        DetectionTask,
        GenerationTask,
        InpaintingTask,
        RefinementTask,
        SuperResolutionTask,
    )
}


class OpenedRun(Run):
    """A run with the inference and the export of its task.

    ``load`` returns its trained networks by role, ``inferencer`` the object that uses
    them.
    """

    def inferencer(self, **options: Any) -> Callable:
        """A callable that uses the run.

        Args:
            **options: of the task, such as ``which="best"``.

        Returns:
            Of ``autoencoding`` an ``inference.Autoencoder`` (images to
            reconstructions), of ``classification`` a ``Predictor`` (encoded images to
            probabilities), of ``detection`` a ``Detector`` (an image to boxes, scores
            and classes), of ``generation`` a ``Sampler`` (a count to images), of
            ``inpainting`` a ``NetworkInpainter`` (image and mask to the filled image),
            of ``refinement`` a ``Refiner`` (images to refined ones), of
            ``super_resolution`` a ``NetworkUpscaler`` (a picture to the enlarged one).

        Raises:
            ValueError: if weights are missing or an option is bad.
        """
        return TASKS[self.task].inferencer(self, **options)

    def export(self, export_dir: str, name: str = "", **options: Any) -> tuple:
        """Exports the run for TF Serving; see ``Task.export``."""
        return TASKS[self.task].export(self, export_dir, name, **options)

    def calibration_images(self, count: int) -> np.ndarray:
        """Images to calibrate 8 bits by; see ``Task.calibration_images``."""
        return TASKS[self.task].calibration_images(self, count)


def open_run(run_dir: str) -> OpenedRun:
    """The run in a folder, of any task.

    Raises:
        ValueError: if the folder holds no run, or one of an unknown task.
    """
    run = read_run(run_dir)
    if run.task not in TASKS:
        raise ValueError(
            f"{run_dir} is a run of {run.task!r}; known are {', '.join(TASKS)}"
        )
    return OpenedRun(run.folder, run.task, run.options, run.config)


def train_task(task: str, **options: Any) -> dict:
    """Trains as the command line does.

    Args:
        task: key of ``TASKS``.
        **options: values by name; the paper's or the task's own where left out.

    Returns:
        The run's progress, with ``history``.

    Raises:
        ValueError: if an option is bad, without effect, or does not suit the data.
    """
    if task not in TASKS:
        raise ValueError(f"unknown task {task!r}; there are {', '.join(TASKS)}")
    kind = TASKS[task]
    return train(kind, kind.options_class.resolve(**options))


__all__ = ["TASKS", "OpenedRun", "open_run", "train", "train_task"]
