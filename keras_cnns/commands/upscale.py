"""Enlarges pictures of any size.

    upscale --input=photo.jpg --output=large.png --method=runs/edsr
    upscale --input=photos --output=large --method=bicubic --scale=3
    upscale --input=photo.jpg --output=large.png \\
        --method=edsr_baseline_x2:edsr_baseline_x2-1bc95232.pt

``--method`` is bicubic, the folder of a run of ``train-super-resolution``, or a network
and the file of its weights. ``--scale`` says by how much where the method knows several
factors. ``--self_ensemble`` takes the mean over the turned and mirrored picture, in
eight times the time.

Pictures larger than a tile are enlarged tile by tile, without seams: the result is that
of the whole picture, and memory is bounded by ``--tile_size``. Alpha is put on white,
16 bits are rounded to 8, grey stays grey. An ``--output`` that ends in ``.png`` is a
file, any other a folder that gets ``<name>.png``. Pictures that cannot be read are
reported and skipped; the exit code is then 1.
"""

import dataclasses
import os
from typing import Optional

from keras_cnns import data, inference
from keras_cnns.commands.groups import (
    Epoch,
    Quiet,
    images_by_name,
    png_targets,
    write_pictures,
)
from keras_cnns.runs import any_of, changed, holds_run, option, required

_OF_RUNS = any_of("is_run", shown="method", hint="the folder of a run")
_OF_NETWORKS = any_of("is_network", shown="method", hint="a network")


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Epoch):
    """What ``upscale`` takes."""

    input: Optional[str] = required("picture to enlarge, or a folder of them")
    output: Optional[str] = required("PNG file to write, or a folder")
    method: Optional[str] = required(
        "bicubic, the folder of a run of super-resolution, or name:file, a network "
        "and its weights"
    )
    scale: int = option(
        0, "factor to enlarge by; 0: the only one of the method", within="[0, 8]"
    )
    self_ensemble: bool = option(
        False,
        "mean over the picture turned and mirrored in eight ways",
        needs=_OF_NETWORKS,
    )
    which: str = changed(Epoch, "which", "last", needs=(_OF_RUNS,))
    tile_size: int = option(
        256, "height and width of tiles, in pixels of the input", within="[8, 16384]"
    )

    @classmethod
    def derive(cls, values: dict) -> dict:
        method = values["method"]
        return {"is_run": holds_run(method), "is_network": method != "bicubic"}


def run(options: OPTIONS) -> list:
    """Enlarges and returns the paths of the large pictures.

    Raises:
        ValueError: if the options are bad, or, after all others, if a picture could not
            be enlarged.
    """
    jobs = _jobs(options.input, options.output)
    ensemble = options.effective("self_ensemble").get("self_ensemble", False)
    upscaler = inference.open_upscaler(
        options.method,
        options.which,
        scale=options.scale or None,
        tile_size=options.tile_size,
        ensemble=ensemble,
    )

    def enlarge(number, progress):
        return upscaler(data.read_image(jobs[number][0]), progress=progress)

    return write_pictures(jobs, enlarge, "pictures", "enlarged")


def _jobs(input, output):
    """(picture, file to write) of every picture."""
    found = images_by_name("input", input)
    targets = png_targets(found, output, os.path.isdir(input), found.values())
    return [(path, targets[name]) for name, path in found.items()]
