"""Fills the holes of pictures.

    python apps/inpaint.py --input=picture.png --mask=mask.png --output=filled.png
    python apps/inpaint.py --input=pictures --mask=masks --output=filled \
        --method=runs/lbam

``--mask`` is a picture of the same size whose white pixels are holes. A folder of
pictures takes a folder of masks with equal names (but for the ending), or one mask for
all. ``--method`` is mean, nearest, biharmonic, criminisi, patch_match, or the folder of
a run of ``train_inpainter.py``; every one takes pictures of any size. Valid pixels come
out as they were. A name in ``--output`` that ends in ``.png`` is a file, any other a
folder that gets ``<name>.png``.

For a picture of 256x256 with a hole of a quarter, patch_match takes about three seconds
of one core, criminisi two, the others less than one. A picture that cannot be filled is
named, the others are filled all the same, and the exit code is 1 then.
"""

import os
import sys

import flag_definitions
import tensorflow as tf
import tqdm
from absl import logging

from keras_cnns import data, exemplar, inspection
from keras_cnns.data import sources

_OF_RUNS = ("a run's folder",)
_USED_BY = {"which": ("method", _OF_RUNS), "tile_size": ("method", _OF_RUNS)}


def run(
    input, mask, output, method="patch_match", which="last", tile_size=0, seed=0
) -> list:
    """Fills; the parameters are the flags.

    Returns:
        Paths of the filled pictures.

    Raises:
        ValueError: if the flags are bad, or, when the others are done, if a picture
            could not be filled.
    """
    jobs = _jobs(input, mask, output)
    inpainter = inspection.open_inpainter(method, which, tile_size)
    shared_mask = data.read_mask(mask) if os.path.isfile(mask) else None
    written, errors = [], []
    # None: no bar unless on a terminal
    with tqdm.tqdm(total=len(jobs), disable=None, bar_format="{l_bar}{bar}| "
                   "{elapsed}<{remaining}") as bar:  # fmt: skip
        for number, (source, mask_path, target) in enumerate(jobs):

            def show(share, done=number):
                bar.update(done + share - bar.n)

            try:
                _fill(inpainter, source, mask_path, shared_mask, target, seed, show)
                written.append(target)
            except (ValueError, OSError, tf.errors.OpError) as error:
                text = str(error).splitlines()[0]
                errors.append(text if source in text else f"{source}: {text}")
                if len(jobs) > 1:
                    bar.write(f"error: {errors[-1]}", file=sys.stderr)
    if errors and len(jobs) == 1:
        raise ValueError(errors[0])
    print(f"{len(written)} filled pictures in {os.path.dirname(jobs[0][2]) or '.'}")
    if errors:
        raise ValueError(f"{len(errors)} of {len(jobs)} pictures could not be filled")
    return written


def _fill(inpainter, source, mask_path, shared_mask, target, seed, progress):
    """Reads, fills and writes one picture."""
    image = data.read_picture(source)
    if mask_path is None:
        raise ValueError(f"there is no mask for {source}, of its name in --mask")
    mask = shared_mask
    if mask is None:
        mask = data.read_mask(mask_path, image.shape[:2])
    elif mask.shape[:2] != image.shape[:2]:
        sizes = "{}x{}, but the picture is {}x{}".format(
            *mask.shape[:2], *image.shape[:2]
        )
        raise ValueError(f"mask {mask_path} is {sizes} (height x width)")
    filled = inpainter(image, mask, seed=seed, progress=progress)
    data.write_picture(target, filled)


def _jobs(input, mask, output):
    """(picture, mask or None where there is none, file to write) of every picture."""
    for name, path in (("input", input), ("mask", mask)):
        if not os.path.exists(path):
            raise ValueError(f"--{name}={path} is neither a file nor a folder")
    is_folder = os.path.isdir(input)
    found = _by_name(input) if is_folder else {_name(input): input}
    masks = _by_name(mask) if os.path.isdir(mask) else dict.fromkeys(found, mask)
    idle = sorted(set(masks) - set(found)) if is_folder else []
    if idle:
        logging.warning("no picture for the mask %s (%d such)", idle[0], len(idle))
    targets = _targets(found, output, is_folder)
    used = {os.path.realpath(path) for path in (*found.values(), *masks.values())}
    for target in targets.values():
        if os.path.realpath(target) in used:
            raise ValueError(
                f"--output={output} would overwrite {target}, which is read; give "
                "another place"
            )
    return [(path, masks.get(name), targets[name]) for name, path in found.items()]


def _targets(names, output, is_folder):
    """The file to write, by name of the picture."""
    ending = os.path.splitext(output)[1].lower()
    is_file = not os.path.isdir(output) and (
        os.path.exists(output) or ending in sources.IMAGE_ENDINGS
    )
    if is_file and is_folder:
        raise ValueError(f"--output={output} must be a folder, as --input is one")
    if is_file and ending != ".png":
        raise ValueError(f"--output={output} must end in .png, or be a folder")
    return {
        name: output if is_file else os.path.join(output, f"{name}.png")
        for name in names
    }


def _by_name(folder):
    """Pictures of a folder by their names without the ending."""
    paths = sources.list_images(folder)
    if not paths:
        raise ValueError(f"the folder {folder} holds no images")
    named = {}
    for path in paths:
        if _name(path) in named:
            raise ValueError(
                f"{named[_name(path)]} and {path} have one name; rename one of them"
            )
        named[_name(path)] = path
    return named


def _name(path):
    return os.path.splitext(os.path.basename(path))[0]


def _checked(values, given):
    """Refuses flags of networks with another method."""
    flag_definitions.check_used(values, given, _USED_BY, set(exemplar.METHODS))
    return values


if __name__ == "__main__":
    flag_definitions.start(run, _checked)
