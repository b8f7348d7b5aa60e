"""Measures a trained classifier on a split of a data set.

    python apps/evaluate_classifier.py --checkpoint=runs/digits --dataset=digits

prints the accuracy over all and per class, in seconds for the digits. With
``--saved_model=savedmodels/<model>`` the exported model is measured instead, through
its ``serve_images`` signature. ``--output_dir`` gets ``report.json`` and
``confusion_matrix.png``. Classes are matched by name.
"""

import json
import os

import flag_definitions
import numpy as np

from keras_cnns import _files, data, export, metrics
from keras_cnns.data import sources


def run(
    dataset,
    checkpoint="",
    saved_model="",
    which="last",
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
    predict, class_names = export.load_predictor(checkpoint, saved_model, which)
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
    _show(report)
    if output_dir:
        _files.write_text(
            os.path.join(output_dir, "report.json"), json.dumps(report.to_json())
        )
        metrics.plot_confusion_matrix(
            report, os.path.join(output_dir, "confusion_matrix.png")
        )
    return report


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


def _show(report):
    width = max(map(len, report.class_names))
    print(f"{'class':{width}}  precision  recall  examples")
    for name, precision, recall, row in zip(
        report.class_names, report.precision, report.recall, report.confusion
    ):
        print(f"{name:{width}}  {precision:9.4f}  {recall:6.4f}  {row.sum():8d}")
    top_5 = "" if report.top_5 is None else f", top-5 {report.top_5:.2%}"
    print(
        f"top-1 {report.top_1:.2%}{top_5}, cross-entropy {report.cross_entropy:.4f} on "
        f"{report.num_examples} examples"
    )


if __name__ == "__main__":
    flag_definitions.start(run)
