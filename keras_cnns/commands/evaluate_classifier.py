"""Evaluates a trained classifier on a split of a data set.

    evaluate-classifier --run_dir=runs/digits --dataset=digits

prints accuracy, and precision and recall per class, in seconds for the digits. With
``--saved_model=savedmodels/<model>`` the exported model is evaluated instead, through
its ``serve_images`` signature; its graph executes, and one that could do more than
compute is refused without ``--trust_graph``. ``--output_dir`` gets ``report.json`` and
``confusion_matrix.png``. Classes are matched by name.

    evaluate-classifier --run_dir=runs/a,runs/b --protocol=10_crop \\
        --dataset=imagenet2012 --split=validation

averages the probabilities of two networks over ten crops of every image.
``keras_cnns/data/crops.py`` defines the protocols.
"""

import dataclasses
import json
import os

import numpy as np

from keras_cnns import _files, _progress, data, figures, inference, metrics
from keras_cnns.commands.groups import Epoch, Exported, Quiet, SomeRuns, Split, Written
from keras_cnns.data import crops, sources
from keras_cnns.runs import (
    DataOptions,
    changed,
    option,
    parse_numbers,
    read_run,
)


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, SomeRuns, Epoch, Exported, Split):
    """What ``evaluate-classifier`` takes."""

    protocol: str = option(
        "1_crop",
        "crops of each image: 1_crop, 10_crop, 12_crop, 144_crop or dense_multi_scale",
    )
    crop_ratio: float = option(
        0.0,
        "the input's fraction of the image's shorter side in 1_crop, 10_crop and "
        "12_crop; 0: the run's",
        within="[0, 1]",
    )
    scales: tuple = option(
        (), "shorter sides for dense_multi_scale, in pixels; empty for the paper's"
    )
    batch_size: int = changed(DataOptions, "batch_size", 128, help="images per step")
    output_dir: str = changed(Written, "output_dir", "", required=False)


def run(options: OPTIONS) -> metrics.ClassificationReport:
    """Evaluates and returns a ``keras_cnns.metrics.ClassificationReport``."""
    views = crops.Protocol(
        options.protocol,
        options.crop_ratio or None,
        parse_numbers("scales", options.scales, kind=int),
    )
    predictor = inference.load_predictor(
        options.run_dir,
        options.saved_model,
        options.which,
        views,
        options.batch_size,
        options.trust_graph,
    )
    report = _measure(options, predictor)
    models = [options.saved_model] if options.saved_model else list(options.run_dir)
    shown = [] if options.saved_model else [_views_of(run, views) for run in models]
    _show(report, views, shown, len(models))
    if options.output_dir:
        record = {
            **report.to_json(),
            "protocol": options.protocol,
            "num_crops": views.num_crops,
            "num_models": len(models),
            "models": models,
            "views": shown,
        }
        path = os.path.join(options.output_dir, "report.json")
        _files.write_json(path, record)
        path = os.path.join(options.output_dir, "confusion_matrix.png")
        figures.plot_confusion_matrix(report, path)
    return report


def _measure(options, predictor):
    """The report over the whole split."""
    source = data.open_source(options.dataset, options.split, options.data_dir)
    outputs = _outputs_of(source, predictor.class_names)
    probabilities, labels = [], []
    batches = source.examples.batch(options.batch_size)
    count = -(-source.num_examples // options.batch_size)
    for contents, numbers in _progress.track(batches, "evaluation", count):
        encoded = [source.read(content).numpy() for content in contents]
        probabilities.append(predictor(encoded))
        labels.append(outputs[numbers.numpy()])
    return metrics.report(
        np.concatenate(probabilities), np.concatenate(labels), predictor.class_names
    )


def _views_of(run_dir, views):
    """Crop ratio and scales of a run's images."""
    preprocessing = read_run(run_dir).config.preprocessing
    return {
        "crop_ratio": views.effective_ratio(preprocessing),
        "scales": list(views.list_scales(preprocessing)),
    }


def _outputs_of(source, class_names):
    """The network's output for each label of the data, by the classes' names."""
    known = {name: i for i, name in enumerate(class_names)}
    # Either may come from image folders that were made of the other's names.
    known = {**{sources.folder_name(name): i for name, i in known.items()}, **known}
    names = [
        name if name in known else sources.folder_name(name)
        for name in source.class_names
    ]
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ValueError(
            f"{source.name} has classes that the network does not tell apart: "
            f"{', '.join(unknown[:3])} ({len(unknown)} of {len(names)}); the "
            f"network knows {', '.join(class_names[:3])} ... ({len(class_names)})"
        )
    return np.array([known[name] for name in names])


def _show(report, views, shown, num_models):
    width = max(map(len, report.class_names))
    print(f"{'class':{width}}  precision  recall  examples")
    for name, precision, recall, row in zip(
        report.class_names, report.precision, report.recall, report.confusion
    ):
        print(
            f"{name:{width}}  {_or_none(precision):>9}  {_or_none(recall):>6}  "
            f"{row.sum():8d}"
        )
    print(
        f"{views.name}: {_count(views.num_crops, 'view')} of each of "
        f"{_count(report.num_examples, 'example')}, {_count(num_models, 'model')}; "
        "95 % intervals in brackets"
    )
    for one in {json.dumps(one): one for one in shown}.values():
        ratio, scales = one["crop_ratio"] or "none", one["scales"] or "none"
        print(f"crop ratio {ratio}, shorter sides {scales}")
    print(_fraction("top-1", report.top_1, report.top_1_interval))
    if report.top_5 is not None:
        print(_fraction("top-5", report.top_5, report.top_5_interval))
    print(f"cross-entropy {report.cross_entropy:.4f}")


def _or_none(fraction):
    return "none" if fraction is None else f"{fraction:.4f}"


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _fraction(name, fraction, interval):
    lower, upper = interval
    return f"{name} {fraction:.2%} [{lower:.2%}, {upper:.2%}], error {1 - fraction:.2%}"
