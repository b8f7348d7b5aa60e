"""Report of a detector: rows by hand, its files read back, its curves."""

import csv
import json

import numpy as np
import pytest

from keras_cnns import metrics

NAMES = ["cat | dog", "bird", "fish"]


@pytest.fixture(scope="module")
def report():
    """Cats: 2 objects, 1 ignored, found, missed; birds: found at IoU 0.6; no fish."""
    boxes = np.array([[0, 20 * i, 10, 20 * i + 10] for i in range(5)], float)
    truth = [
        {
            "boxes": boxes[:3],
            "labels": np.array([0, 0, 0]),
            "ignored": np.array([False, False, True]),
        },
        {"boxes": boxes[3:4], "labels": np.array([1])},
    ]
    low = boxes[3] - [0, 0, 4, 0]
    found = [
        {
            "boxes": boxes[[0, 2, 4]],
            "scores": np.array([0.9, 0.8, 0.7]),
            "classes": np.array([0, 0, 2]),
        },
        {"boxes": low[np.newaxis], "scores": np.array([0.5]), "classes": np.array([1])},
    ]
    return metrics.report_detections(truth, found, NAMES, num_resamples=100, seed=3)


def test_rows_by_hand(report):
    cat, bird, fish = report.rows
    assert (cat.num_objects, cat.num_ignored) == (2, 1)
    assert (cat.num_detections, cat.num_found, cat.recall) == (1, 1, 0.5)
    assert cat.average_precision == cat.average_precision_75 == 0.5
    assert cat.coco_ap == pytest.approx(51 / 101)
    assert (bird.average_precision, bird.average_precision_75) == (1, 0)
    assert bird.coco_ap == pytest.approx(0.3)
    assert (fish.num_objects, fish.num_detections, fish.recall) == (0, 1, None)
    assert fish.average_precision is fish.coco_ap is None
    assert report.mean_average_precision == pytest.approx(0.75)
    assert report.mean_average_precision_75 == pytest.approx(0.25)
    assert report.coco.ap == pytest.approx((51 / 101 + 0.3) / 2)
    assert 0.5 <= report.interval[0] <= report.interval[1] <= 1
    assert report.protocol["interval"] == "bootstrap over images, 95%"
    assert (report.protocol["num_resamples"], report.protocol["seed"]) == (100, 3)


def test_curves_are_of_classes_with_objects(report):
    curves = report.curves()
    assert list(curves) == NAMES[:2]
    np.testing.assert_array_equal(curves["cat | dog"], [[0.5], [1]])


def test_files(tmp_path, report):
    paths = [str(tmp_path / "tables" / name) for name in ("rows.csv", "report.json")]
    metrics.write_detection_csv(paths[0], report)
    metrics.write_detection_json(paths[1], report, dataset="scenes")
    with open(paths[1], encoding="utf-8") as file:
        content = json.load(file)
    assert content["dataset"] == "scenes"
    assert tuple(metrics.DetectionRow(**r) for r in content["rows"]) == report.rows
    assert content["interval"] == list(report.interval)
    assert content["coco"]["ap_per_class"] == list(report.coco.ap_per_class)
    assert content["protocol"] == report.protocol and "matches" not in content
    with open(paths[0], encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["class_name"] for line in lines] == NAMES
    assert [line["average_precision"] for line in lines] == ["0.5", "1.0", ""]
    assert len(list((tmp_path / "tables").iterdir())) == 2


def test_markdown(report):
    lines = metrics.detection_markdown(report).splitlines()
    assert lines[2] == r"| cat \| dog | 2 | 1 | 50.0 | 50.0 | 50.0 | 50.5 |"
    assert lines[4] == "| fish | 0 | 1 | - | - | - | - |"
    assert lines[5] == "| all | 3 | 3 | 75.0 | 75.0 | 25.0 | 40.2 |"


def test_without_objects_and_without_coco(tmp_path):
    report = metrics.report_detections([], [], ["a"], coco=False)
    assert report.mean_average_precision is report.coco is None
    assert report.interval == (None, None) and report.curves() == {}
    metrics.write_detection_json(str(tmp_path / "report.json"), report)
    assert "| all | 0 | 0 | - | - | - | - |" in metrics.detection_markdown(report)
