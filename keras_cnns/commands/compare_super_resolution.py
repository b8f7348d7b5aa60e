"""Compares methods that enlarge pictures, on held-out ones.

    compare-super-resolution --dataset=my_pictures --scale=3 \\
        --methods=runs/vdsr,EDSR=runs/edsr --output_dir=runs/compared

Pictures are made small by MATLAB's bicubic and enlarged again by bicubic interpolation,
which always has a row, and by each of ``--methods``: folders of runs or name:file, a
network and its weights, labelled by the last part or by what precedes a ``=``.

PSNR and SSIM are those of the literature: of luma (``--scored=rgb``: of colours), of
pictures rounded to bytes, without ``--shave`` pixels of each border (else as many as
the factor), means over pictures. The gain is over bicubic interpolation.

Prints the tables in Markdown. ``--output_dir`` gets them as ``comparison.md``,
``comparison.csv`` (a row for each method and picture) and ``comparison.json`` (all
scores with their protocol), and ``comparison.png``: of some pictures the part where
bicubic interpolation errs most, by each method, and the truth. ``--compare_with`` adds
the methods of another ``comparison.json``, which must be of the same protocol and
pictures.
"""

import csv
import dataclasses
import io
import os
import platform
from typing import Optional

from keras_cnns import _files, _progress, data, inference, metrics
from keras_cnns.commands.groups import (
    Counted,
    Epoch,
    Quiet,
    Split,
    Written,
    labelled_methods,
)
from keras_cnns.runs import changed, option, required

_BICUBIC = inference.BicubicUpscaler.name


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Split, Counted, Written, Epoch):
    """What ``compare-super-resolution`` takes."""

    methods: tuple = required(
        "methods to compare with bicubic interpolation, comma-separated: folders of "
        "runs, name:file, or label=method"
    )
    scale: int = option(
        0, "factor to enlarge by; 0: the only one of the methods", within="[0, 8]"
    )
    self_ensemble: bool = option(
        False, "a further row for each: the mean over eight ways to turn a picture"
    )
    scored: str = option("y", "what is compared: luma or colours", choices=("y", "rgb"))
    shave: Optional[int] = option(
        None,
        "pixels of each border that do not count; without, the factor",
        within="[0, 100]",
    )
    which: str = changed(Epoch, "which", "last")
    compare_with: str = option(
        "", "comparison.json of the same pictures, whose methods are added"
    )


def run(options: OPTIONS) -> inference.UpscalingComparison:
    """Compares and returns an ``inference.UpscalingComparison``.

    Raises:
        ValueError: if an option is bad, methods enlarge by different factors, or the
            other comparison is of another protocol.
    """
    methods = labelled_methods(options.methods)
    other = options.compare_with
    others = inference.read_upscaling_reports(other) if other else {}
    upscalers = _open(methods, options)
    source = data.open_source(
        options.dataset, options.split, options.data_dir, labelled=False
    )
    with _progress.fractions("pictures") as show:
        result = inference.compare_upscalers(
            upscalers,
            source,
            channels=options.scored,
            shave=options.shave,
            num_images=options.num_images,
            others=others.values(),
            progress=show,
        )
    _write(result, others, methods, options)
    return result


def _open(methods, options):
    """Upscalers by label, bicubic interpolation first."""
    opened = {}
    for label, method in methods.items():
        if method == _BICUBIC:
            raise ValueError("bicubic has a row in any case; leave it out of --methods")
        for ensemble in (False, True) if options.self_ensemble else (False,):
            upscaler = inference.open_upscaler(
                method, options.which, scale=options.scale or None, ensemble=ensemble
            )
            opened[label + "+" * ensemble] = upscaler
    scale = next(iter(opened.values())).scale
    return {_BICUBIC: inference.BicubicUpscaler(scale), **opened}


def _write(result, others, methods, options):
    """The tables on the terminal, and all files."""
    stem = os.path.join(options.output_dir, "comparison")
    reports = dict(result.reports)
    for label, report in others.items():
        if label != _BICUBIC:
            reports[label if label not in reports else f"{label} (other)"] = report
        metrics.compare_upscaling(result.reports[_BICUBIC], report)  # of one protocol
    table = metrics.upscaling_markdown(reports, result.seconds)
    print(table, end="")
    _files.write_text(f"{stem}.md", table)
    _files.write_text(f"{stem}.csv", _as_csv(reports))
    content = {
        "methods": {label: os.path.abspath(path) for label, path in methods.items()},
        "which": options.which,
        "seconds_per_picture": {
            "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
            "by_method": result.seconds,
        },
        "reports": {label: report.to_json() for label, report in reports.items()},
    }
    _files.write_json(f"{stem}.json", content, indent=1)
    result.write_grid(f"{stem}.png")
    print(f"everything is in {options.output_dir}")


def _as_csv(reports):
    """A row for each method and picture; no PSNR is an empty field."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["method", "picture", "psnr", "ssim"])
    for label, report in reports.items():
        for one in report.pictures:
            writer.writerow([label, one.name, one.psnr, one.ssim])
    return text.getvalue()
