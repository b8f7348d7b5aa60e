"""Fills the holes of images.

    inpaint --input=image.png --mask=mask.png --output=filled.png
    inpaint --input=images --mask=masks --output=filled --method=runs/lbam
    inpaint --input=image.png --mask=mask.png --output=filled.png \\
        --method=lbam:LBAM_Places10Classes.pth

``--mask`` is an image of the same size whose white pixels are holes. A folder of
images takes a folder of masks of the same names (extensions may differ), or one mask
for all. ``--method`` is mean, nearest, biharmonic, criminisi, patch_match, the folder
of an inpainting run, or a network and the file of its weights; all take images of any
size and keep valid pixels unchanged. An ``--output`` that ends in ``.png`` is a file,
any other a folder that gets ``<name>.png``.

For an image of 256x256 with a hole of a quarter, patch_match takes about three seconds
of one core, criminisi two, the others less than one. Images that cannot be filled are
reported and skipped; the exit code is then 1.
"""

import dataclasses
import os
from typing import Optional

from absl import logging

from keras_cnns import data, exemplar, inference
from keras_cnns.commands.groups import (
    Epoch,
    Quiet,
    Seeded,
    images_by_name,
    png_targets,
    write_pictures,
)
from keras_cnns.runs import any_of, changed, holds_run, option, required

_OF_RUNS = any_of("is_run", shown="method", hint="the folder of a run")
_OF_NETWORKS = any_of("is_network", shown="method", hint="a network")


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Seeded):
    """What ``inpaint`` takes."""

    input: Optional[str] = required("image to fill, or a folder of them")
    mask: Optional[str] = required(
        "mask with white holes, or a folder of masks named as the images"
    )
    output: Optional[str] = required("PNG file to write, or a folder")
    method: str = option(
        "patch_match",
        "mean, nearest, biharmonic, criminisi, patch_match, an inpainting run, or "
        "name:file, a network and its weights",
    )
    which: str = changed(Epoch, "which", "last", needs=(_OF_RUNS,))
    tile_size: int = option(
        0,
        "height and width of the tiles of large images; 0: 1024, or twice the "
        "training size",
        within="[0, 16384]",
        needs=_OF_NETWORKS,
    )

    @classmethod
    def derive(cls, values: dict) -> dict:
        is_network = values["method"] not in exemplar.METHODS
        return {"is_run": holds_run(values["method"]), "is_network": is_network}


def run(options: OPTIONS) -> list:
    """Fills and returns the paths of the filled images.

    Raises:
        ValueError: if the options are bad, or, after all others, if an image
            could not be filled.
    """
    jobs, masks = _jobs(options.input, options.mask, options.output)
    inpainter = inference.open_inpainter(
        options.method, options.which, options.tile_size
    )
    shared_mask = None if os.path.isdir(options.mask) else data.read_mask(options.mask)

    def fill(number, progress):
        image, mask = _read(jobs[number][0], masks[number], shared_mask)
        return inpainter(image, mask, seed=options.seed, progress=progress)

    return write_pictures(jobs, fill, "images", "filled")


def _read(source, mask_path, shared_mask):
    """An image and its mask."""
    image = data.read_image(source)
    if mask_path is None:
        raise ValueError(f"there is no mask for {source} in --mask")
    mask = shared_mask
    if mask is None:
        mask = data.read_mask(mask_path, image.shape[:2])
    elif mask.shape[:2] != image.shape[:2]:
        sizes = "{}x{}, but the image is {}x{}".format(
            *mask.shape[:2], *image.shape[:2]
        )
        raise ValueError(f"mask {mask_path} is {sizes} (height x width)")
    if mask.all():
        logging.warning("mask %s has no hole: %s stays as it is", mask_path, source)
    return image, mask


def _jobs(input, mask, output):
    """(image, file to write) of every image; the masks, None where there is none."""
    found, masks = images_by_name("input", input), images_by_name("mask", mask)
    is_folder = os.path.isdir(input)
    if not os.path.isdir(mask):
        masks = dict.fromkeys(found, mask)
    unused = sorted(set(masks) - set(found)) if is_folder else []
    if unused:
        logging.warning("no image for the mask %s (%d such)", unused[0], len(unused))
    read = [*found.values(), *masks.values()]
    targets = png_targets(found, output, is_folder, read)
    jobs = [(path, targets[name]) for name, path in found.items()]
    return jobs, [masks.get(name) for name in found]
