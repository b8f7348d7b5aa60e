"""Detectors from the command line: train, resume, find, evaluate, export."""

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from run_states import state_of

import keras_cnns
from keras_cnns import applications, export, inference, runs
from keras_cnns.commands import run_command
from keras_cnns.tasks.detection import DetectionOptions, DetectionTask

slow = pytest.mark.slow
BACKBONE = {"filters": [4, 4, 4, 4], "units": 8}
RPN = {
    "rpn_channels": 4,
    "proposals": {"pre_nms": [50, 50], "post_nms": [20, 20], "min_size": 4.0},
}
SEARCH = {"proposal_scales": "20", "num_proposals": 30}


def _args(has_top=True, **network):
    args = BACKBONE if has_top else {"filters": BACKBONE["filters"]}
    return json.dumps({"network": {"backbone_args": args, **network}})


SMALL = {
    "faster": {"model": "faster_rcnn_small", "builder_args": _args(**RPN)},
    "alternating": {
        "model": "faster_rcnn_small",
        "builder_args": _args(**RPN),
        "training": "alternating",
    },
    "fast": {"model": "fast_rcnn_small", "builder_args": _args(), **SEARCH},
    "rcnn": {"model": "rcnn_small", "builder_args": _args(), **SEARCH},
    "sppnet": {
        "model": "sppnet_small",
        "builder_args": _args(False, units=[8]),
        **SEARCH,
    },
    "rpn": {"model": "rpn_small", "builder_args": _args(False, **RPN)},
}
TWICE = """
import json, os, shutil, sys
from keras_cnns.commands import run_command
options = json.loads(sys.argv[1])
run_command("train-detector", **options)
copy = options["run_dir"] + "_resumed"
shutil.copytree(options["run_dir"], copy)
steps = sorted(os.listdir(os.path.join(copy, "checkpoints")))
assert steps == ["step_00000004", "step_00000006"], steps
shutil.rmtree(os.path.join(copy, "checkpoints", steps[-1]))
for name in ("last.h5", "classifiers.npz"):
    if os.path.exists(os.path.join(copy, name)):
        os.remove(os.path.join(copy, name))
run_command("train-detector", **{**options, "run_dir": copy, "resume": True})
"""


def _options(kind, folder, boxes_dir):
    places = {"dataset": boxes_dir, "run_dir": str(folder / kind)}
    return {**places, "batch_size": 4, "ema_decay": 0.5, **SMALL[kind]}


@pytest.fixture(scope="module")
def trained(boxes_dir, tmp_path_factory):
    """Folders of Faster R-CNN's and of R-CNN's run."""
    folder = tmp_path_factory.mktemp("detectors")
    for kind in ("faster", "rcnn"):
        run_command("train-detector", **_options(kind, folder, boxes_dir), epochs=1)
    return {kind: folder / kind for kind in ("faster", "rcnn")}


def _rows(run_dir):
    with open(run_dir / "metrics.csv") as file:
        return [{**row, "seconds": "0"} for row in csv.DictReader(file)]


def _assert_same_run(first):
    second = first.with_name(f"{first.name}_resumed")
    assert _rows(first) == _rows(second) and len(_rows(first)) == 2
    for path in [*first.glob("*.h5"), *first.glob("*.npz"), *first.glob("samples/*")]:
        other = second / path.relative_to(first)
        assert path.read_bytes() == other.read_bytes(), path
    states = [state_of(run_dir) for run_dir in (first, second)]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_array_equal(value, states[1][name], err_msg=name)


@slow  # one to three minutes each
@pytest.mark.parametrize("kind", SMALL)
def test_a_run_goes_on_within_an_epoch_as_if_never_stopped(boxes_dir, tmp_path, kind):
    """Two epochs of three steps; then again, from a copy at step 4, on to the end.

    In a process of its own, which is deterministic.
    """
    more = {"epochs": 2, "deterministic": True, "checkpoint_interval": 2}
    options = {**_options(kind, tmp_path, boxes_dir), **more}
    code = [sys.executable, "-c", TWICE, json.dumps(options)]
    done = subprocess.run(code, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    _assert_same_run(tmp_path / kind)


@pytest.mark.parametrize("kind", ["faster", "rcnn"])
def test_it_leaves_everything_it_promises(trained, kind):
    names = {path.name for path in trained[kind].iterdir()}
    assert names >= {
        "best.h5", "checkpoints", "detection_report.csv", "detection_report.json",
        "last.h5", "logs", "metrics.csv", "run.json", "samples", "training_curves.png",
    }  # fmt: skip
    assert ("classifiers.npz" in names) == ("proposals" in names) == (kind == "rcnn")
    for path in (trained[kind] / "samples").iterdir():
        assert Image.open(path).size[0] > 256
    report = json.loads((trained[kind] / "detection_report.json").read_text())
    assert report["num_images"] == 4 and len(report["rows"]) == 3
    assert {"dataset", "split", "seconds_per_image", "protocol"} <= set(report)


@pytest.mark.parametrize("kind", ["faster", "rcnn"])
def test_the_detector_of_a_run_takes_images_of_any_size(trained, kind):
    detect = keras_cnns.open_run(trained[kind]).inferencer(min_score=-5.0)
    random = np.random.default_rng(0)
    for height, width in ((64, 64), (31, 90), (3, 3), (2, 1000), (130, 40)):
        image = random.integers(0, 256, (height, width, 3), np.uint8)
        found = detect(image)
        assert set(found) == {"boxes", "scores", "classes"}
        count = len(found["scores"])
        assert found["boxes"].shape == (count, 4) and count <= 100
        assert np.isfinite(found["boxes"]).all() and found["boxes"].min(initial=0) >= 0
        assert (found["boxes"][:, 2:] <= [height + 1e-3, width + 1e-3]).all()
        assert (np.diff(found["scores"]) <= 0).all()
        assert set(found["classes"]) <= {0, 1, 2}
    assert count
    for bad in (image[..., :1], image[0], image[:0]):
        with pytest.raises(ValueError, match=r"\(height, width, 3\), got"):
            detect(bad)


def test_detect_draws_and_tells(trained, boxes_dir, tmp_path, capsys):
    Image.new("LA", (40, 30), (90, 0)).save(tmp_path / "0.png")
    results = run_command(
        "detect", run_dir=str(trained["faster"]), min_score=0.0,
        images=f"{boxes_dir}/images/test,{tmp_path}/0.png",
        output_dir=str(tmp_path / "found"),
    )  # fmt: skip
    names = {path.name for path in (tmp_path / "found").iterdir()}
    images = {"0.png", "0_2.png", "1.png", "2.png", "3.png"}
    assert names == {*images, "detections.csv", "detections.json"}
    assert json.loads((tmp_path / "found" / "detections.json").read_text()) == results
    assert [(r["height"], r["width"]) for r in results] == [(64, 64)] * 4 + [(30, 40)]
    with open(tmp_path / "found" / "detections.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == sum(len(r["detections"]) for r in results) > 0
    assert list(rows[0]) == ["image", "class", "score", "y1", "x1", "y2", "x2"]
    assert f"{len(rows)} objects in 5 images" in capsys.readouterr().out
    assert Image.open(tmp_path / "found" / "0_2.png").size == (40, 30)


def test_evaluation_counts_all_images_and_times_proposals(trained, boxes_dir, tmp_path):
    for kind in ("faster", "rcnn"):
        evaluation = run_command(
            "evaluate-detector", run_dir=str(trained[kind]), dataset=boxes_dir,
            interpolation="11-point", output_dir=str(tmp_path / kind),
        )  # fmt: skip
        assert evaluation.facts["num_images"] == 4
        assert (evaluation.proposal_seconds is not None) == (kind == "rcnn")
        assert (tmp_path / kind / "precision_recall.png").exists()
        assert evaluation.report.protocol["interpolation"] == "11-point"
    with pytest.raises(ValueError, match="its support vector machines belong to"):
        run_command(
            "evaluate-detector", run_dir=str(trained["rcnn"]), dataset=boxes_dir,
            which="best",
        )  # fmt: skip
    other = tmp_path / "other"
    with pytest.raises(ValueError, match="there is no run.json"):
        run_command("evaluate-detector", run_dir=str(other), dataset=boxes_dir)


@pytest.mark.parametrize("kind", ["faster", "rcnn"])
def test_exports_find_what_the_run_finds(
    trained, boxes_dir, tmp_path, verify_here, kind
):
    path = run_command(
        "export-model", run_dir=str(trained[kind]), export_dir=str(tmp_path)
    )
    export.check_graph(path)  # else no server loads it
    signatures = tf.saved_model.load(path).signatures
    assert (tmp_path / SMALL[kind]["model"] / "1" / "assets" / "labels.txt").exists()
    detect = inference.Detector(str(trained[kind]))
    image = np.asarray(Image.open(f"{boxes_dir}/images/test/1.png"))
    if kind == "faster":
        expected = detect(image)
        content = tf.io.encode_png(image)[tf.newaxis]
        found = signatures["serve_images"](image_bytes=content)
        count = int(found["count"][0])
        assert count == len(expected["scores"]) > 0
        for name, value in expected.items():
            np.testing.assert_allclose(found[name][0][:count], value, atol=1e-3)
    else:
        assert set(signatures) == {"serving_default"}
        inputs = detect.preprocessing.standardize(image)[tf.newaxis]
        rois = tf.constant(detect.propose(image))[tf.newaxis]
        found = signatures["serving_default"](images=inputs, rois=rois)
        expected = detect(image)["scores"]
        expected = expected[expected > -0.99]  # a rounding error from the least score
        np.testing.assert_allclose(
            found["scores"][0][: len(expected)], expected, atol=1e-3
        )


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"training": "alternating", "model": "fast_rcnn_small"}, "--training=.*model"),
        ({"anchors_per_image": 8, "model": "rcnn_small"}, "--anchors_per_image="),
        ({"num_proposals": 8}, "--num_proposals="),
        ({"classifiers": "svm"}, "--classifiers="),
        ({"augmentation": "cutout:4"}, "augmentation.*'cutout:4'"),
        ({"background_iou": 0.6}, "background_iou=0.6 must be less than"),
        ({"model": "yolo"}, "unknown model 'yolo'"),
        ({"bad_boxes": "keep"}, "bad_boxes.*'keep'"),
    ],
)
def test_bad_options_are_refused_at_once(given, quoted):
    options = {"model": "faster_rcnn_small", "dataset": "x", "run_dir": "nowhere"}
    with pytest.raises(ValueError, match=quoted):
        DetectionOptions.resolve(**{**options, **given})


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"freeze_batch_norm": True}, "freeze_batch_norm has no effect"),
        (
            {"builder_args": '{"network": {"backbone_args": {"classes": 3}}}'},
            "backbone_args cannot set classes",
        ),
        (
            {
                "model": "rpn_small",
                "builder_args": '{"network": {"backbone_args": {"units": 3}}}',
            },
            "backbone_args cannot set units",
        ),
        (
            {
                "model": "rcnn_small",
                "builder_args": '{"network": {"crop_size": 256, '
                '"backbone_args": {"units": 1}}}',
            },
            "classifiers must be 'softmax' for rcnn_small, .* 65536 values",
        ),
        ({"training": "alternating", "batch_size": 12}, "needs 4 steps at least"),
        ({"backbone_weights": "nowhere.h5"}, "nowhere.h5"),
        ({"freeze": "conv9"}, "'conv9'"),
        ({"builder_args": '{"network": {"backbone": "lenet"}}'}, "'lenet'"),
        ({"builder_args": '{"network": {"classes": 4}}'}, "cannot set classes"),
        ({"dataset": "digits"}, "not one of images with boxes"),
        ({"max_objects": 1}, "max_objects=1, but .*has [23]"),
        ({"batch_size": 13}, "batch_size=13"),
    ],
)
def test_what_does_not_suit_the_data_is_refused_before_training(
    small_options, tmp_path, given, quoted
):
    options = small_options("detection", run_dir=str(tmp_path / "run"), **given)
    with pytest.raises((ValueError, OSError), match=quoted):
        run_command("train-detector", **options)
    assert not runs.holds_run(str(tmp_path / "run"))


def test_a_backbone_starts_from_a_classifier(small_options, write_run, tmp_path):
    """Its run gives the weights, and the preprocessing."""
    weights = write_run(
        tmp_path / "classifier", "classification", model="small_convnet",
        builder_args='{"filters": [4, 4, 4, 4], "units": 8}', channels=3, image_size=32,
    )  # fmt: skip
    options = DetectionOptions.resolve(
        **small_options(
            "detection", run_dir=str(tmp_path), backbone_weights=weights, freeze="all"
        )
    )
    task = DetectionTask(options)
    task.open()
    config = task.configure()
    network = task.make_trainer(config, is_new=True).network
    classifier = runs.read_run(weights)
    assert config.preprocessing.mean == classifier.config.preprocessing.mean
    expected = classifier.load("network", "best")
    backbone, regions = (network.get_layer(name) for name in ("backbone", "regions"))
    assert not backbone.trainable_weights and regions.trainable_weights
    for part, name in ((backbone, "conv1"), (backbone, "conv4"), (regions, "fc")):
        pairs = zip(*(m.get_layer(name).get_weights() for m in (part, expected)))
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)


def test_a_backbone_starts_from_a_classifier_with_another_top(write_run, tmp_path):
    """Of which a network of proposals has nothing."""
    weights = write_run(
        tmp_path / "classifier", "classification", model="small_convnet",
        builder_args='{"filters": [4, 4, 4, 4], "units": 8}', channels=3, image_size=32,
    )  # fmt: skip
    args = {"filters": (4, 4, 4, 4)}
    network = applications.create_model("rpn_small", backbone_args=args)
    path = f"{weights}/last.h5"
    applications.load_backbone(network, path, "small_convnet", args)
    expected = runs.read_run(weights).load("network")
    for name in ("conv1", "conv4"):
        layers = (network.get_layer("backbone"), expected)
        pairs = zip(*(m.get_layer(name).get_weights() for m in layers))
        for one, other in pairs:
            np.testing.assert_array_equal(one, other)
