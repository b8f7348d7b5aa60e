"""Measures a trained classifier on a split of a data set.

    python apps/evaluate_classifier.py --checkpoint=runs/digits --dataset=digits

prints the accuracy over all and per class, in seconds for the digits. With
``--saved_model=savedmodels/<model>`` the exported model is measured instead, through
its ``serve_images`` signature. ``--output_dir`` gets ``report.json`` and
``confusion_matrix.png``. Classes are matched by name.

    python apps/evaluate_classifier.py --checkpoint=runs/a,runs/b --protocol=10_crop \\
        --dataset=imagenet2012 --split=validation

shows every picture ten times to each of two networks and averages their probabilities.
``keras_cnns/data/crops.py`` says what the protocols are.
"""

import json
import os

import flag_definitions
import numpy as np

from keras_cnns import _files, data, export, metrics
from keras_cnns.data import crops, sources
from keras_cnns.trainers.runs import describe_run


def run(
    dataset,
    checkpoint="",
    saved_model="",
    which="last",
    protocol="1_crop",
    crop_ratio=0.0,
    scales=(),
    data_dir=None,
    split="test",
    batch_size=128,
    output_dir="",
):
    """Evaluates; the parameters are the flags.

    Returns:
        ``keras_cnns.metrics.ClassificationReport``.
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    views = crops.Protocol(protocol, crop_ratio or None, _whole_numbers(scales))
    predict, class_names = export.load_predictor(
        checkpoint, saved_model, which, views, batch_size
    )
    source = data.open_source(dataset, split, data_dir)
    outputs = _outputs_of(source, class_names)
    probabilities, labels = [], []
    with sources.naming_bad_images(dataset):
        for contents, numbers in source.examples.batch(batch_size):
            encoded = [source.read(content).numpy() for content in contents]
            probabilities.append(predict(encoded))
            labels.append(outputs[numbers.numpy()])
    report = metrics.report(
        np.concatenate(probabilities), np.concatenate(labels), class_names
    )
    runs = [checkpoint] if isinstance(checkpoint, str) else checkpoint
    models = [saved_model] if saved_model else [folder for folder in runs if folder]
    shown = [] if saved_model else [_views_of(run, views) for run in models]
    _show(report, views, shown, len(models))
    if output_dir:
        record = {
            **report.to_json(),
            "protocol": protocol,
            "num_crops": views.num_crops,
            "num_models": len(models),
            "models": models,
            "views": shown,
        }
        _files.write_text(os.path.join(output_dir, "report.json"), json.dumps(record))
        metrics.plot_confusion_matrix(
            report, os.path.join(output_dir, "confusion_matrix.png")
        )
    return report


def _views_of(run_dir, views):
    """The crop ratio and the scales that a run's pictures were shown with."""
    feed = describe_run(run_dir).preprocessing
    return {
        "crop_ratio": views.effective_ratio(feed),
        "scales": list(views.list_scales(feed)),
    }


def _whole_numbers(texts):
    try:
        return tuple(int(text) for text in texts)
    except ValueError as error:
        raise ValueError(f"scales must be whole numbers, got {texts!r}") from error


def _outputs_of(source, class_names):
    """The network's output for each label of the data, by the classes' names."""
    known = {sources.folder_name(name): i for i, name in enumerate(class_names)}
    names = [sources.folder_name(name) for name in source.class_names]
    strangers = [name for name in names if name not in known]
    if strangers:
        raise ValueError(
            f"{source.name} has classes that the network does not tell apart: "
            f"{', '.join(strangers[:3])} ({len(strangers)} of {len(names)}); the "
            f"network knows {', '.join(class_names[:3])} ... ({len(class_names)})"
        )
    return np.array([known[name] for name in names])


def _show(report, views, shown, num_models):
    width = max(map(len, report.class_names))
    print(f"{'class':{width}}  precision  recall  examples")
    for name, precision, recall, row in zip(
        report.class_names, report.precision, report.recall, report.confusion
    ):
        print(f"{name:{width}}  {precision:9.4f}  {recall:6.4f}  {row.sum():8d}")
    print(
        f"{views.name}: {_count(views.num_crops, 'view')} of each of "
        f"{_count(report.num_examples, 'example')}, {_count(num_models, 'model')}; "
        "95 % intervals in brackets"
    )
    for one in {json.dumps(one): one for one in shown}.values():
        ratio, scales = one["crop_ratio"] or "none", one["scales"] or "none"
        print(f"crop ratio {ratio}, shorter sides {scales}")
    print(_share("top-1", report.top_1, report.top_1_interval))
    if report.top_5 is not None:
        print(_share("top-5", report.top_5, report.top_5_interval))
    print(f"cross-entropy {report.cross_entropy:.4f}")


def _count(number, noun):
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _share(name, share, interval):
    lower, upper = interval
    return f"{name} {share:.2%} [{lower:.2%}, {upper:.2%}], error {1 - share:.2%}"


if __name__ == "__main__":
    flag_definitions.start(run)
