"""Compares inpainting methods on the same pictures with the same holes.

    python apps/compare_inpainting.py --dataset=photographs --num_images=50 \
        --methods=mean,nearest,biharmonic,patch_match,runs/pconv,LBAM=runs/lbam \
        --output_dir=runs/comparison

Each of ``--methods`` is the name of an exemplar method or the folder of a run of
``train_inpainter.py``, whose label is its last part or what stands before a ``=``.
Every method fills every picture once for each bin of hole ratios, from (1 %, 10 %] to
(50 %, 60 %], under irregular masks that ``--seed`` fixes. Pictures have the size and
the channels that the runs were trained with, if ``--image_size`` and ``--channels`` say
nothing else.

Prints PSNR, SSIM and mean absolute error (l1, all pixels) of the composite by bin as a
Markdown table. The folder then holds it as ``comparison.md``, ``comparison.csv`` and
``comparison.json``, with the protocol and the seconds that each method took, and
``comparison.png``: a picture of each bin, as input, by each method, and in truth.

On 64x64, patch_match takes about a third of a second of one core for a picture, the
other exemplar methods less than a tenth.
"""

import os
import platform

import flag_definitions
import tqdm

from keras_cnns import _files, data, exemplar, inspection, metrics


def run(
    methods,
    dataset,
    output_dir,
    split="test",
    data_dir=None,
    num_images=0,
    image_size=0,
    channels=0,
    which="last",
    batch_size=16,
    seed=0,
):
    """Compares; the parameters are the flags.

    Returns:
        ``inspection.Comparison``.
    """
    if batch_size < 1 or num_images < 0:
        raise ValueError(
            f"batch_size={batch_size} must be at least 1, num_images={num_images} at "
            "least 0"
        )
    named = _named(methods)
    source = data.open_source(dataset, split, data_dir, labelled=False)
    inpainters = {
        label: inspection.open_inpainter(method, which)
        for label, method in named.items()
    }
    shape = _picture_shape(inpainters, source, image_size, channels)
    # None: no bar unless on a terminal
    with tqdm.tqdm(total=1, disable=None, bar_format="{l_bar}{bar}| "
                   "{elapsed}<{remaining}") as bar:  # fmt: skip
        result = inspection.compare_inpainters(
            inpainters,
            source,
            shape,
            num_images=num_images,
            batch_size=batch_size,
            seed=seed,
            progress=lambda share: bar.update(share - bar.n),
        )
    protocol = {
        "dataset": dataset,
        "split": split,
        "num_images": num_images or source.num_examples,
        "image_shape": shape,
        "masks": f"irregular, one for each picture and bin, by seed {seed}",
        "scored": "composite, rounded to bytes; l1 over all pixels, of the range",
        "methods": {label: one.protocol for label, one in inpainters.items()},
        "seconds_per_picture": {
            "measured": "in this run, on this machine, whatever else ran on it",
            "machine": f"{platform.platform()}, {os.cpu_count()} CPUs",
            "batch_size": batch_size,
            "by_method": result.seconds,
        },
    }
    _write(result, protocol, output_dir)
    return result


def _named(methods):
    """Methods by label, in order."""
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


def _checked(values, given):
    """Refuses a flag of networks where there are none."""
    methods = _named(values["methods"] or []).values()
    if "which" in given and set(methods) <= set(exemplar.METHODS):
        raise ValueError(
            f"--which={values['which']} has no effect with --methods="
            f"{','.join(values['methods'])}; leave it out, or add the folder of a run"
        )
    return values


def _picture_shape(inpainters, source, image_size, channels):
    """(height, width, channels): as told, else the runs', else the data set's."""
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
            f"the pictures of {source.name} differ in size; give --image_size"
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
            f"the runs were trained with different pictures ({shown}); give --{flag}, "
            "which all of them will get"
        )
    return next(iter(values.values()), None)


def _write(result, protocol, output_dir):
    """The table on the terminal, and all files."""
    stem = os.path.join(output_dir, "comparison")
    table = metrics.quality_markdown(result.rows)
    print(table, end="")
    _files.write_text(f"{stem}.md", table)
    metrics.write_quality_csv(f"{stem}.csv", result.rows)
    metrics.write_quality_json(f"{stem}.json", result.rows, **protocol)
    result.write_grid(f"{stem}.png")
    print(f"everything is in {output_dir}")


if __name__ == "__main__":
    flag_definitions.start(run, _checked)
