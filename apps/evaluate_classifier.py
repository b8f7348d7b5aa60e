"""Measures a trained classifier on a split of a data set.

    python apps/evaluate_classifier.py --checkpoint=runs/digits --dataset=digits

prints the accuracy over all and per class, in seconds for the digits. With
``--saved_model=savedmodels/<model>`` the exported model is measured instead, through
its ``serve_images`` signature. ``--output_dir`` gets ``report.json`` and
``confusion_matrix.png``.
"""

import json
import os

import flag_definitions
import numpy as np

from keras_cnns import _files, data, export, metrics
from keras_cnns.data import sources
from keras_cnns.trainers import load_run


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
    if bool(checkpoint) == bool(saved_model):
        raise ValueError("give either --checkpoint or --saved_model")
    source = data.open_source(dataset, split, data_dir)
    with sources.naming_bad_images(dataset):
        if checkpoint:
            network, description = load_run(checkpoint, which)
            _check_classes(description.class_names, source)
            batches = data.load(
                dataset,
                split,
                batch_size,
                preprocessing=description.preprocessing,
                data_dir=data_dir,
            )
            report = metrics.evaluate_classifier(
                network, batches, description.class_names
            )
        else:
            predict, class_names = export.load_saved_model(saved_model)
            _check_classes(class_names, source)
            probabilities, labels = [], []
            for contents, numbers in source.examples.batch(batch_size):
                encoded = [source.read(content).numpy() for content in contents]
                probabilities.append(predict(encoded))
                labels.append(numbers)
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


def _check_classes(class_names, source):
    if tuple(class_names) != source.class_names:
        raise ValueError(
            f"the network tells {len(class_names)} classes apart "
            f"({', '.join(class_names[:3])} ...), {source.name} has "
            f"{len(source.class_names)} ({', '.join(source.class_names[:3])} ...)"
        )


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
