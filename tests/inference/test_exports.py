"""SavedModels, used as the runs that they come from."""

import json
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import export, inference, tasks
from keras_cnns.applications.generative.cgan import CGANGenerator
from keras_cnns.trainers import Latents


@pytest.fixture
def exported(exports_by_task):
    """The folder of each task's exported version."""
    return exports_by_task


def _noise(*shape, low=0):
    return np.random.default_rng(0).integers(low, 256, shape, np.uint8)


def test_probabilities_are_those_of_the_run(exported, runs_by_task):
    content = [tf.io.encode_png(_noise(20, 30, 3)).numpy()]
    of_run = tasks.open_run(runs_by_task["classification"]).inferencer()
    opened = inference.open_export(exported["classification"])
    assert opened.class_names == of_run.class_names
    np.testing.assert_allclose(opened(content), of_run(content), atol=1e-6)


def test_images_are_those_of_the_run(exported, runs_by_task):
    of_run = inference.Sampler(runs_by_task["generation"])
    opened = inference.open_export(exported["generation"])
    assert opened.latents == of_run.latents and not opened.is_conditional
    assert opened.value_range == of_run.value_range
    np.testing.assert_allclose(opened(7, seed=3), of_run(7, seed=3), atol=1e-5)


def test_classes_of_an_exported_generator_are_chosen(tmp_path, verify_here):
    generator = CGANGenerator(
        latent_units=5, label_units=5, joint_units=9, image_shape=(4, 4, 1), classes=3
    )
    for weight in generator.weights:
        weight.assign(weight * 20)  # with smaller ones all images are grey
    latents = Latents(generator.inputs[0].shape[-1], "unit_uniform")
    about = {"task": "generation"}
    path, _ = export.export_generator(
        generator, latents, str(tmp_path), "g", value_range="unit", class_names="abc",
        form=export.Form(about=about),
    )  # fmt: skip
    opened = inference.open_export(path)
    assert opened.class_names == ("a", "b", "c") and opened.is_conditional
    drawn = latents.draw(3, tf.constant([1, -1], tf.int64))
    expected = generator([drawn, tf.one_hot([2, 0, 1], 3)])
    found = opened(3, seed=1, labels=[2, 0, 1])
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.ptp(found, 0).max() > 0.1


def test_holes_are_filled_as_by_the_run(exported, runs_by_task):
    """Where a picture has the network's size; others are resized to it."""
    of_run = inference.load_inpainter(runs_by_task["inpainting"])
    opened = inference.open_export(exported["inpainting"])
    assert opened.image_shape == of_run.image_shape == (16, 16, 1)
    image, mask = _noise(16, 16, 1), np.ones((16, 16, 1))
    mask[4:9, 3:12] = 0
    found, expected = opened(image, mask), of_run(image, mask)
    assert np.abs(found.astype(int) - expected).max() <= 1
    assert (found != image).any()
    large, mask = _noise(40, 33, 1), np.ones((40, 33, 1))
    mask[10:20, 10:20] = 0
    told = []
    found = opened(large, mask, progress=told.append)
    assert (found[mask == 1] == large[mask == 1]).all() and told == [1.0]
    with pytest.raises(ValueError, match="trained with grey images"):
        opened(_noise(40, 33, 3), mask)


def test_objects_are_those_of_the_run(exported, runs_by_task):
    of_run = inference.Detector(runs_by_task["detection"])
    opened = inference.open_export(exported["detection"])
    image = _noise(70, 90, 3)
    found, expected = opened(image), of_run(image)
    assert len(found["scores"]) == len(expected["scores"]) > 1
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-3)
    assert opened.class_names == of_run.class_names
    assert opened.protocol["min_score"] == of_run.protocol["min_score"]


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_enlarged_as_by_the_run(
    exported, runs_by_task, channels, monkeypatch
):
    """In tiles, too."""
    from keras_cnns.inference import exports

    of_run = inference.load_upscaler(runs_by_task["super_resolution"])
    opened = inference.open_export(exported["super_resolution"])
    picture = _noise(41, 30, channels, low=60)
    monkeypatch.setattr(exports, "TILE_SIZE", 16)
    told = []
    found = opened(picture, progress=told.append).astype(int)
    assert found.shape == (82, 60, channels) and len(told) == 6
    assert np.abs(found - of_run(picture)).max() <= 1
    with pytest.raises(ValueError, match="exported for x2, not for x3"):
        inference.open_export(exported["super_resolution"], scale=3)


def test_an_export_tells_where_it_comes_from(classifier_run):
    card = export.read_card(str(classifier_run.saved_model))
    history = classifier_run.progress["history"]
    assert (card["task"], card["model"], card["data"]) == (
        "classification", "resnet", "digits",
    )  # fmt: skip
    assert card["epoch"] == len(history)
    unmeasured = {"epoch", "step", "learning_rate", "seconds"}
    assert card["measures"] == {
        name: value for name, value in history[-1].items() if name not in unmeasured
    }


def test_the_best_epoch_tells_its_own_measures(classifier_run, tmp_path, verify_here):
    run = tasks.open_run(str(classifier_run.run_dir))
    path, _ = run.export(str(tmp_path), which="best")
    best = classifier_run.progress["best_epoch"]
    card = export.read_card(path)
    assert card["epoch"] == best
    measured = classifier_run.progress["history"][best - 1]["val_accuracy"]
    assert card["measures"]["val_accuracy"] == measured


def _change(version, **values):
    file = pathlib.Path(version, "assets.extra", "model.json")
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


@pytest.mark.parametrize("task", ["autoencoding", "refinement"])
def test_other_tasks_are_refused(exported, task):
    with pytest.raises(ValueError, match=f"tells the task '{task}'; used are classif"):
        inference.open_export(exported[task])


@pytest.mark.parametrize(
    ("task", "harm", "reason"),
    [
        ("generation", {"task": "cooking"}, "tells the task 'cooking'"),
        ("generation", {"latents": "odd"}, "'odd'"),
        ("generation", {"task": "inpainting"}, "'preprocessing'"),
        ("inpainting", {"preprocessing": 3}, "a model of inpainting"),
        ("super_resolution", {"scales": []}, "a model of super_resolution"),
        ("detection", {"min_score": "x"}, "a model of detection: .*'x'"),
    ],
)
def test_other_descriptions_are_refused(exported, tmp_path, task, harm, reason):
    version = shutil.copytree(exported[task], tmp_path / "1")
    _change(version, **harm)
    with pytest.raises(ValueError, match=reason) as caught:
        inference.open_export(str(version))
    assert str(version) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("task", ["generation", "classification"])
@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index"])
def test_damaged_files_are_refused_by_name(exported, tmp_path, task, file):
    version = shutil.copytree(exported[task], tmp_path / "1")
    content = (version / file).read_bytes()
    (version / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=str(version)) as caught:
        inference.open_export(str(version))
    assert "\n" not in str(caught.value)


def test_graphs_that_do_more_than_compute_are_refused(exported, tmp_path):
    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec([None, 3], name="latents")])
        def serving_default(self, latents):
            tf.io.write_file(str(tmp_path / "written"), "x")
            return {"images": latents}

    version, served = str(tmp_path / "1"), Writer()
    signatures = {"serving_default": served.serving_default}
    tf.saved_model.save(served, version, signatures=signatures)
    extra = pathlib.Path(exported["generation"], "assets.extra")
    shutil.copytree(extra, tmp_path / "1" / "assets.extra")
    with pytest.raises(ValueError, match="operation 'WriteFile'"):
        inference.open_export(version)
    inference.open_export(version, trust_graph=True)
    assert not (tmp_path / "written").exists()
