"""Compares inpainting methods on the same images with the same holes.

    compare-inpainting --dataset=photographs --num_images=50 \
        --methods=mean,nearest,biharmonic,patch_match,runs/pconv,LBAM=runs/lbam \
        --output_dir=runs/comparison

Each of ``--methods`` is the name of an exemplar method, the folder of an inpainting
run, or a network and the file of its weights, as ``lbam:lbam.pth``, labelled by the
path's last part or by what precedes a ``=``.
Every method fills every image once for each bin of hole ratios, from (1 %, 10 %] to
(50 %, 60 %], under irregular masks that ``--seed`` fixes. Images have the size and
the channels that the runs were trained with, unless ``--image_size`` and ``--channels``
say otherwise.

Prints PSNR, SSIM and mean absolute error (l1, all pixels) of the composite by bin as a
Markdown table. ``--output_dir`` gets it as ``comparison.md``, ``comparison.csv`` and
``comparison.json``, with the protocol and the seconds per image, and
``comparison.png``: an image of each bin as input, filled by each method, and the truth.

On 64x64, patch_match takes about a third of a second of one core for an image, the
other exemplar methods less than a tenth.
"""

import dataclasses
import os
import platform

from keras_cnns import _files, _progress, data, inference, metrics
from keras_cnns.commands.groups import (
    Counted,
    Epoch,
    Quiet,
    Seeded,
    Split,
    Written,
    labelled_methods,
)
from keras_cnns.runs import (
    DataOptions,
    any_of,
    changed,
    holds_run,
    required,
)

_OF_RUNS = any_of("has_run", shown="methods", hint="the folder of a run")


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Split, Counted, Written, Seeded):
    """What ``compare-inpainting`` takes."""

    methods: tuple = required(
        "methods to compare, comma-separated, as --method of inpaint, or label=method"
    )
    image_size: int = changed(
        DataOptions, "image_size", 0, help="height and width; 0: the runs'"
    )
    channels: int = changed(
        DataOptions, "channels", 0, help="1 (grey) or 3; 0: the runs'"
    )
    which: str = changed(Epoch, "which", "last", needs=(_OF_RUNS,))
    batch_size: int = changed(DataOptions, "batch_size", 16, help="images per step")

    @classmethod
    def derive(cls, values: dict) -> dict:
        methods = labelled_methods(values["methods"]).values()
        return {"has_run": any(map(holds_run, methods))}


def run(options: OPTIONS) -> inference.Comparison:
    """Compares and returns an ``inference.Comparison``."""
    source = data.open_source(
        options.dataset, options.split, options.data_dir, labelled=False
    )
    inpainters = {
        label: inference.open_inpainter(method, options.which)
        for label, method in labelled_methods(options.methods).items()
    }
    shape = _image_shape(inpainters, source, options.image_size, options.channels)
    with _progress.fractions("images") as show:
        result = inference.compare_inpainters(
            inpainters,
            source,
            shape,
            num_images=options.num_images,
            batch_size=options.batch_size,
            seed=options.seed,
            progress=show,
        )
    _write(result, _protocol(options, source, shape, inpainters, result), options)
    return result


def _protocol(options, source, shape, inpainters, result):
    """The protocol of the comparison, as JSON values."""
    return {
        "dataset": options.dataset,
        "split": options.split,
        "num_images": options.num_images or source.num_examples,
        "image_shape": shape,
        "masks": f"irregular, one for each image and bin, by seed {options.seed}",
        "scored": "composite, rounded to bytes; l1 over all pixels, of the range",
        "methods": {label: one.protocol for label, one in inpainters.items()},
        "seconds_per_image": {
            "measured": "in this run, on this machine, whatever else ran on it",
            "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
            "batch_size": options.batch_size,
            "by_method": result.seconds,
        },
    }


def _image_shape(inpainters, source, image_size, channels):
    """(height, width, channels): as given, else the runs', else the data set's."""
    trained = {
        label: tuple(one.image_shape)
        for label, one in inpainters.items()
        if one.image_shape
    }
    sizes = {label: shape[:2] for label, shape in trained.items()}
    depths = {label: shape[2:] for label, shape in trained.items()}
    size = (image_size, image_size) if image_size else None
    depth = (channels,) if channels else None
    size = size or _common("image_size", sizes) or source.image_shape[:2]
    depth = depth or _common("channels", depths) or source.image_shape[2:]
    if None in size:
        raise ValueError(
            f"the images of {source.name} differ in size; give --image_size"
        )
    return (*size, *depth)


def _common(flag, values):
    """What all runs were trained with; None without runs."""
    if len(set(values.values())) > 1:
        shown = ", ".join(
            f"{label} with {'x'.join(map(str, value))}"
            for label, value in values.items()
        )
        raise ValueError(
            f"the runs were trained with different images ({shown}); give --{flag}, "
            "which all of them will get"
        )
    return next(iter(values.values()), None)


def _write(result, protocol, options):
    """The table on the terminal, and all files."""
    stem = os.path.join(options.output_dir, "comparison")
    table = metrics.quality_markdown(result.rows)
    print(table, end="")
    _files.write_text(f"{stem}.md", table)
    metrics.write_quality_csv(f"{stem}.csv", result.rows)
    metrics.write_quality_json(f"{stem}.json", result.rows, **protocol)
    result.write_grid(f"{stem}.png")
    print(f"everything is in {options.output_dir}")
