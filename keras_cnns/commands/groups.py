"""Options shared by several commands."""

import dataclasses
import os
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Optional

import tensorflow as tf
import tqdm

from keras_cnns import _progress, data
from keras_cnns.data.decoding import IMAGE_EXTENSIONS
from keras_cnns.data.folders import check_images
from keras_cnns.runs import (
    DataOptions,
    Options,
    RunOptions,
    any_of,
    changed,
    option,
    required,
)

if TYPE_CHECKING:
    import numpy as np


@dataclasses.dataclass(frozen=True)
class OneRun(Options):
    """A finished training."""

    run_dir: Optional[str] = changed(RunOptions, "run_dir", None, writes="")


@dataclasses.dataclass(frozen=True)
class SomeRuns(Options):
    """Finished trainings, or none."""

    run_dir: tuple = option(
        (), "folder of the run; several, comma-separated, are averaged"
    )


@dataclasses.dataclass(frozen=True)
class Epoch(Options):
    """Which weights of a run are used."""

    which: str = option(
        "last", "weights of the best or the last epoch", choices=("best", "last")
    )


@dataclasses.dataclass(frozen=True)
class Split(Options):
    """The data set."""

    dataset: Optional[str] = changed(DataOptions, "dataset", None)
    split: str = option("test", "its split")
    data_dir: Optional[str] = changed(DataOptions, "data_dir", None)


@dataclasses.dataclass(frozen=True)
class Written(Options):
    """Where results go."""

    output_dir: Optional[str] = required("folder of the results", writes="folder")


@dataclasses.dataclass(frozen=True)
class Seeded(Options):
    """The seed."""

    seed: int = changed(RunOptions, "seed", 0)


@dataclasses.dataclass(frozen=True)
class Quiet(Options):
    """Whether what takes long is silent."""

    quiet: bool = changed(RunOptions, "quiet", False)


@dataclasses.dataclass(frozen=True)
class Counted(Options):
    """The number of images."""

    num_images: int = option(
        0, "number of images, from the first on; 0 for all", within="[0, inf)"
    )


@dataclasses.dataclass(frozen=True)
class Exported(Options):
    """An exported model, in place of runs."""

    saved_model: str = option("", "folder of an exported SavedModel version")
    trust_graph: bool = option(
        False,
        "whether the exported model's graph, which executes, may do more than compute",
        needs=any_of("saved_model"),
    )


@dataclasses.dataclass(frozen=True)
class Detecting(Options):
    """What counts as a detection."""

    min_score: Optional[float] = option(
        None,
        "least score; default: 0.05 of probabilities, -1 of support vector machines, 0 "
        "of proposals alone",
        within="(-inf, inf)",
    )
    iou_threshold: Optional[float] = option(
        None,
        "IoU above which the lower-scored of two boxes of a class is dropped; default: "
        "0.3, and 1 of proposals alone",
        within="[0, 1]",
    )
    max_detections: Optional[int] = option(
        None,
        "largest number in an image; default: 100, and 300 of proposals alone",
        within="[1, 10000]",
    )

    def detector_options(self) -> dict:
        """Arguments of ``inference.Detector``."""
        return {
            "min_score": self.min_score,
            "iou_threshold": self.iou_threshold,
            "max_detections": self.max_detections,
        }


def named_images(images: Sequence[str]) -> list:
    """Paths of images, folders listed; each image is decoded once as a check.

    Args:
        images: files and folders.

    Raises:
        ValueError: if there are none, or one cannot be decoded.
    """
    paths = []
    for name in images:
        if os.path.isdir(name):
            found = data.list_images(name)
            if not found:
                raise ValueError(f"the folder {name} holds no images")
            paths += found
        elif os.path.lexists(name):
            paths.append(name)
        else:
            raise ValueError(f"{name!r} is neither a file nor a folder")
    if not paths:
        raise ValueError("--images names no file")
    check_images(paths)
    return paths


def picture_files(paths: Sequence[str], folder: str) -> list:
    """The PNG file to write for each image; names that occur twice are numbered.

    Args:
        paths: of the images.
        folder: where files are written.

    Raises:
        ValueError: if one of the images would be overwritten.
    """
    targets, used = [], set()
    for path in paths:
        name, number = os.path.splitext(os.path.basename(path))[0], 1
        while (name if number == 1 else f"{name}_{number}") in used:
            number += 1
        name = name if number == 1 else f"{name}_{number}"
        used.add(name)
        target = os.path.join(folder, f"{name}.png")
        if os.path.realpath(target) in map(os.path.realpath, paths):
            raise ValueError(
                f"--output_dir={folder} would overwrite {target}, which is read; give "
                "another folder"
            )
        targets.append(target)
    return targets


def images_by_name(option: str, path: str) -> dict:
    """The image of a path, or those of a folder, by name without the extension.

    Args:
        option: that the path is the value of, for errors.
        path: of an image or a folder.

    Raises:
        ValueError: if there is neither, the folder holds no images, or two of one name.
    """
    if not os.path.exists(path):
        raise ValueError(f"--{option}={path} is neither a file nor a folder")
    paths = data.list_images(path) if os.path.isdir(path) else [path]
    if not paths:
        raise ValueError(f"the folder {path} holds no images")
    named = {}
    for one in paths:
        name = os.path.splitext(os.path.basename(one))[0]
        if name in named:
            raise ValueError(
                f"{named[name]} and {one} have one name; rename one of them"
            )
        named[name] = one
    return named


def png_targets(
    names: Iterable[str], output: str, is_folder: bool, read: Iterable[str]
) -> dict:
    """The PNG file to write, by name of the image.

    Args:
        names: of the images, as ``images_by_name`` has them.
        output: of ``--output``: a file that ends in .png, or a folder.
        is_folder: whether the images are those of a folder, which needs one.
        read: paths that must not be overwritten.

    Raises:
        ValueError: if the output is of another kind, or would overwrite what is read.
    """
    extension = os.path.splitext(output)[1].lower()
    is_file = not os.path.isdir(output) and (
        os.path.exists(output) or extension in IMAGE_EXTENSIONS
    )
    if is_file and is_folder:
        raise ValueError(f"--output={output} must be a folder, as --input is one")
    if is_file and extension != ".png":
        raise ValueError(f"--output={output} must end in .png, or be a folder")
    targets = {
        name: output if is_file else os.path.join(output, f"{name}.png")
        for name in names
    }
    used = set(map(os.path.realpath, read))
    for target in targets.values():
        if os.path.realpath(target) in used:
            raise ValueError(
                f"--output={output} would overwrite {target}, which is read; give "
                "another place"
            )
    return targets


def write_pictures(
    jobs: Sequence[tuple[str, str]],
    make: "Callable[[int, Callable[[float], object]], np.ndarray]",
    kind: str,
    done: str,
) -> list:
    """Makes pictures of pictures with progress; those that cannot be are skipped.

    Args:
        jobs: (picture, file to write) of each.
        make: function of ``(number of the job, progress)`` that returns uint8 pixels;
            ``progress`` is called with the fraction done.
        kind, done: what they are and what is done to them, such as ``"images"``,
            ``"filled"``, for the user.

    Returns:
        Paths of the files that were written.

    Raises:
        ValueError: after all others, if a picture could not be made; of a single one
            with the reason.
    """
    written, errors = [], []
    with _progress.fractions(kind, len(jobs)) as show_done:
        for number, (source, target) in enumerate(jobs):

            def show(fraction, before=number):
                show_done(before + fraction)

            try:
                data.write_image(target, make(number, show))
                written.append(target)
            except (ValueError, OSError, tf.errors.OpError) as error:
                text = str(error).splitlines()[0]
                errors.append(text if source in text else f"{source}: {text}")
                if len(jobs) > 1:
                    tqdm.tqdm.write(f"error: {errors[-1]}", file=sys.stderr)
    if errors and len(jobs) == 1:
        raise ValueError(errors[0])
    print(f"{len(written)} {done} {kind} in {os.path.dirname(jobs[0][1]) or '.'}")
    if errors:
        raise ValueError(f"{len(errors)} of {len(jobs)} {kind} could not be {done}")
    return written


def labelled_methods(methods: Sequence[str]) -> dict:
    """Methods by label, in order.

    Args:
        methods: names, folders or ``label=folder``; a folder's label is its last part.

    Raises:
        ValueError: if there are none, or two have one label.
    """
    named = {}
    for text in methods:
        label, found, method = text.partition("=")
        if not found:
            method, label = text, os.path.basename(os.path.normpath(text))
        if not label.strip() or not method.strip():
            raise ValueError(
                f"methods must be names, folders or label=folder, got {text!r}"
            )
        if label in named:
            raise ValueError(
                f"two methods are labelled {label!r}: {named[label]} and {method}; "
                "write label=folder"
            )
        named[label] = method
    if not named:
        raise ValueError("--methods names no method")
    return named
