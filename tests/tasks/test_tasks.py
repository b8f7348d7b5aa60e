"""Tasks: published options are real and accepted; every run opens as what it is."""

import dataclasses
import inspect
import json
import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

import keras_cnns
from keras_cnns import applications, data, inference
from keras_cnns.runs import parse_numbers
from keras_cnns.tasks import TASKS, train_task
from keras_cnns.tasks.classification import RECIPES, ClassificationOptions
from keras_cnns.tasks.generation import GenerationOptions
from keras_cnns.trainers import optimizers

PLACES = {"dataset": "digits", "run_dir": "nowhere"}
ROWS = [
    (task, name) for task, kind in TASKS.items() for name in kind.options_class.models
]
# What a paper leaves to the user.
OPEN = {
    "autoencoding": {},
    "detection": {},
    "generation": {},
    "inpainting": {"feature_weights": "imagenet"},
    "refinement": {"real_dataset": "digits"},
    "super_resolution": {"feature_weights": "imagenet"},
}


def test_every_task_has_published_options():
    assert {task for task, _ in ROWS} == set(TASKS) - {"classification"}
    assert len(RECIPES) > 10


@pytest.mark.parametrize(("task", "name"), ROWS, ids=[name for _, name in ROWS])
def test_rows_of_models_are_accepted_and_have_an_effect(task, name):
    kind = TASKS[task].options_class
    row = kind.models[name]
    assert set(row.options) <= {field.name for field in dataclasses.fields(kind)}
    given = {**PLACES, **OPEN[task], "model": name}
    if not row.options.get("perceptual_weight") and row.trainer != "srgan":
        given.pop("feature_weights", None)
    options = kind.resolve(**given)
    assert {key: getattr(options, key) for key in row.options} == row.options
    # Given by hand, an option without effect would be refused.
    assert kind.resolve(**given, **row.options) == options
    for role, network in row.networks.items():
        assert network in applications.list_models(), role
    assert TASKS[task].models()[name] == row.networks
    assert row.source


@pytest.mark.parametrize("trainer", ["gan", "wgan", "wgan_gp"])
def test_an_algorithm_of_another_paper_brings_its_options(trainer):
    options = GenerationOptions.resolve(model="dcgan64", trainer=trainer, **PLACES)
    assert options.algorithm == trainer
    rate, steps = {"gan": (2e-4, 1), "wgan": (5e-5, 5), "wgan_gp": (1e-4, 5)}[trainer]
    assert (options.learning_rate, options.discriminator_steps) == (rate, steps)


# Families whose papers or authors' code say Nesterov.
NESTEROV = ("densenet", "stochastic_depth", "highway")


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_accepted_and_train_as_they_say(name):
    model, values, source = RECIPES[name]
    assert "arXiv" in source or source.startswith("as ")
    options = ClassificationOptions.resolve(model=model, recipe=name, **PLACES)
    assert {key: getattr(options, key) for key in values} == values
    data.Augmentation(options.augmentation)
    arguments = json.loads(options.builder_args or "{}")
    constructor = applications.model_info(model).constructor
    assert set(arguments) <= set(inspect.signature(constructor).parameters)
    assert ("aux_heads" in arguments) == (options.auxiliary_weight > 0)
    boundaries = parse_numbers("boundaries", options.boundaries)
    rate = optimizers.make_schedule(
        options.schedule,
        options.learning_rate,
        1000,
        boundaries=boundaries,
        decay_rate=options.decay_rate,
    )
    assert float(rate(0)) == pytest.approx(options.learning_rate)
    if options.schedule == "step":
        last = options.learning_rate * options.decay_rate ** len(boundaries)
        assert float(rate(999)) == pytest.approx(last)
    optimizer = options.make_optimizer(1000, 10.0)
    if options.optimizer == "sgd":
        assert optimizer.nesterov == name.startswith(NESTEROV)
    if name == "inception_imagenet":  # arXiv 1512.00567, section 8
        assert optimizer.get_config()["epsilon"] == 1.0
        assert options.ema_decay > 0 and options.gradient_clip_norm == 2.0


@pytest.mark.parametrize("task", TASKS)
def test_a_run_gives_its_networks(runs_by_task, task):
    run = keras_cnns.open_run(runs_by_task[task])
    assert run.task == task
    names = {role: row["model"] for role, row in run.config.networks.items()}
    if task == "classification":  # of a general builder
        assert names == {"network": "resnet"}
    else:
        assert names == TASKS[task].models()[run.options["model"]]
    for role in names:
        network = run.load(role)
        weights = [w.numpy() for w in network.weights]
        fresh = run.config.build(role)
        applications.load_weights(
            fresh,
            os.path.join(run.folder, f"{'last' if role == 'network' else role}.h5"),
            adapt=False,
        )
        assert len(weights) > 1
        for value, other in zip(weights, fresh.weights):
            np.testing.assert_array_equal(value, other)


def test_a_role_that_a_run_does_not_have_is_refused(runs_by_task):
    run = keras_cnns.open_run(runs_by_task["generation"])
    with pytest.raises(ValueError, match="'refiner'.*generator, discriminator"):
        run.load("refiner")


def test_what_uses_a_run_takes_it_opened_too(runs_by_task):
    for task, use in (
        ("autoencoding", inference.Autoencoder),
        ("classification", inference.load_classifier),
        ("detection", inference.Detector),
        ("generation", inference.Sampler),
        ("inpainting", inference.load_inpainter),
        ("refinement", inference.Refiner),
        ("super_resolution", inference.load_upscaler),
    ):
        assert use(keras_cnns.open_run(runs_by_task[task]))
        other = keras_cnns.open_run(runs_by_task["generation"])
        if task != "generation":
            with pytest.raises(ValueError, match=f"of generation; a run of {task}"):
                use(other)


def test_a_task_that_is_unknown_is_not_trained():
    with pytest.raises(ValueError, match="'captioning'.*generation"):
        train_task("captioning", model="m", **PLACES)


def _images(shape, count=3):
    return np.random.default_rng(0).integers(0, 256, (count, *shape), np.uint8)


def test_the_inferencer_of_a_classifier(runs_by_task):
    run = keras_cnns.open_run(runs_by_task["classification"])
    predict = run.inferencer()
    assert isinstance(predict, inference.Predictor)
    encoded = [tf.io.encode_png(image).numpy() for image in _images((8, 8, 1))]
    probabilities = predict(encoded)
    assert probabilities.shape == (3, 10)
    assert predict.class_names == run.config.class_names == tuple("0123456789")
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    inputs = tf.stack([run.config.preprocessing(content) for content in encoded])
    np.testing.assert_allclose(run.load("network")(inputs), probabilities, atol=1e-5)
    best = run.inferencer(which="best")(encoded)
    np.testing.assert_allclose(run.load("network", "best")(inputs), best, atol=1e-5)
    assert np.abs(best - probabilities).max() > 1e-4
    with pytest.raises(ValueError, match="'first'"):
        run.inferencer(which="first")


def test_the_inferencer_of_a_generator(runs_by_task):
    run = keras_cnns.open_run(runs_by_task["generation"])
    sample = run.inferencer()
    assert isinstance(sample, inference.Sampler)
    images = sample(3, seed=5)
    assert images.shape == (3, 8, 8, 1) and np.abs(images).max() <= 1
    np.testing.assert_array_equal(images, sample(3, seed=5))
    assert np.abs(images - sample(3, seed=6)).max() > 0
    latents = sample.latents.draw(3, [5, -1])
    np.testing.assert_allclose(run.load("generator")(latents), images, atol=1e-6)


def test_the_inferencer_of_an_inpainting_network(runs_by_task):
    run = keras_cnns.open_run(runs_by_task["inpainting"])
    (image,) = _images((20, 23, 1), 1)
    mask = np.ones((20, 23, 1), np.uint8)
    mask[5:9, 4:12] = 0
    last, best = (run.inferencer(which=which) for which in ("last", "best"))
    assert isinstance(last, inference.NetworkInpainter)
    filled = last(image, mask)
    assert filled.shape == image.shape and filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[mask == 1], image[mask == 1])
    assert (filled != best(image, mask)).any()
    with pytest.raises(ValueError, match="tile_size must be a multiple.*got 3"):
        run.inferencer(tile_size=3)


def test_the_inferencer_of_a_refiner(runs_by_task):
    run = keras_cnns.open_run(runs_by_task["refinement"])
    refine = run.inferencer()
    assert isinstance(refine, inference.Refiner)
    images = _images((8, 8, 1))
    refined = refine(images)
    assert refined.shape == images.shape and refined.dtype == np.uint8
    inputs = run.config.preprocessing.standardize(images)
    levels = 127.5 * (run.load("refiner")(inputs).numpy() + 1)
    np.testing.assert_allclose(refined, levels, atol=0.51)


def _record(run_dir, folder, **changes):
    """A copy of a run whose record is changed; None leaves an entry out."""
    shutil.copytree(run_dir, folder)
    record = json.loads((folder / "run.json").read_text())
    record = {k: v for k, v in {**record, **changes}.items() if v is not None}
    (folder / "run.json").write_text(json.dumps(record))
    return str(folder)


def test_folders_without_a_run_that_is_known_are_refused(runs_by_task, tmp_path):
    run_dir = runs_by_task["classification"]
    refused = {
        str(tmp_path): "holds no run: there is no run.json in it",
        str(tmp_path / "nowhere"): "nowhere holds no run",
        _record(run_dir, tmp_path / "task", task="captioning"): (
            "task is a run of 'captioning'; known are autoencoding, classification, "
            "detection, generation, inpainting, refinement, super_resolution"
        ),
        _record(
            run_dir, tmp_path / "old", task=None, options=None, flags={}, network={}
        ): "run.json is not the record of a run: it was written before runs knew",
        _record(run_dir, tmp_path / "part", config=None): "run.json is not the record",
        _record(run_dir, tmp_path / "kind", config=3): "run.json is not the record",
    }
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text('{"task": ')
    refused[str(tmp_path / "broken")] = "run.json is not the record"
    for folder, message in refused.items():
        with pytest.raises(ValueError) as error:
            keras_cnns.open_run(folder)
        assert message in str(error.value) and folder in str(error.value)
        assert "\n" not in str(error.value)


NETWORKS = {
    "larger than any": ({"units": [10**9]}, "1000000000 in args is no size of"),
    "of no size": ({"input_shape": [8, 8, 10**400]}, "in args is no size of a network"),
    "an unknown argument": ({"depth": 3}, "unexpected keyword argument 'depth'"),
    "another value": ({"stem": "x" * 5000}, "stem must be 'imagenet' or 'small'"),
    "another kind": ({"units": 5}, ""),
    "a name": ({"name": "mine"}, None),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_a_record_with_another_network_is_named(name, runs_by_task, tmp_path):
    changes, message = NETWORKS[name]
    run = keras_cnns.open_run(runs_by_task["classification"])
    config = dataclasses.asdict(run.config)
    config["networks"]["network"]["args"].update(changes)
    folder = _record(run.folder, tmp_path / "run", config=config)

    def load():
        return keras_cnns.open_run(folder).load("network")

    if message is None:
        assert load().name == "mine"
        return
    with pytest.raises(ValueError) as refused:
        load()
    told = str(refused.value)
    assert f"{folder}/run.json" in told and message in told
    assert "\n" not in told and len(told) < 1000


@pytest.mark.parametrize("details", [{}, {"sides": [64, "a"]}, {"sides": 64}])
def test_a_detector_whose_record_lacks_something_is_refused(
    runs_by_task, tmp_path, details
):
    run_dir = runs_by_task["detection"]
    with open(os.path.join(run_dir, "run.json")) as file:
        config = json.load(file)["config"]
    changed = _record(run_dir, tmp_path / "run", config={**config, "details": details})
    with pytest.raises(ValueError, match="does not tell how its detector is used"):
        inference.Detector(changed)


def test_numbers_that_no_float_holds_are_refused(runs_by_task, tmp_path):
    run = keras_cnns.open_run(runs_by_task["classification"])
    config = dataclasses.asdict(run.config)
    config["preprocessing"]["mean"] = [10**400]
    folder = _record(run.folder, tmp_path / "run", config=config)
    with pytest.raises(ValueError, match="run.json is not the record of a run: int"):
        keras_cnns.open_run(folder)


def test_missing_weights_are_told_from_a_missing_run(runs_by_task, tmp_path):
    for task, role, weights in (
        ("classification", "network", "best"),
        ("generation", "generator", ""),
    ):
        folder = tmp_path / task
        shutil.copytree(runs_by_task[task], folder)
        (folder / f"{weights or role}.h5").unlink()
        run = keras_cnns.open_run(str(folder))
        with pytest.raises(ValueError, match=f"no {weights or role}.h5: no epoch"):
            run.load(role, weights)


@pytest.mark.parametrize("details", [{}, {"scales": 3}, {"scales": [10**9]}])
def test_an_upscaler_whose_record_lacks_its_factors_is_refused(
    runs_by_task, tmp_path, details
):
    run_dir = runs_by_task["super_resolution"]
    with open(os.path.join(run_dir, "run.json")) as file:
        config = json.load(file)["config"]
    changed = _record(run_dir, tmp_path / "run", config={**config, "details": details})
    with pytest.raises(ValueError, match="does not tell what its network enlarges by"):
        inference.load_upscaler(changed)
