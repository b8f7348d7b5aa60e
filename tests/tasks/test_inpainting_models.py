"""The published inpainting models: how they train, and their networks from a record."""

import json

import constant_inpainter
import numpy as np
import pytest
import tensorflow as tf
import trainer_kinds

from keras_cnns import applications, inference, runs, trainers
from keras_cnns.tasks.inpainting import (
    MODELS,
    TRAINERS,
    InpaintingOptions,
    InpaintingTask,
)

_UNET = {"network": {"filters": [4, 6, 8]}}
_CRITICS = dict.fromkeys(("global_critic", "local_critic"), {"filters": [4, 6]})
SMALL = {
    "pconv_unet": _UNET,
    "pconv_unet256": _UNET,
    "masked_unet": _UNET,
    "lbam": {**_UNET, "discriminator": {"filters": [4, 6, 8]}},
    "global_local": {
        "network": {"filters": [4, 6]},
        "discriminator": {
            "global_filters": [4, 6],
            "local_filters": [4],
            "units": 5,
        },
    },
    "contextual_attention": {**_UNET, **_CRITICS},
}


def _configure(model, **options):
    options = {"builder_args": json.dumps(SMALL[model]), "image_size": 32, **options}
    return constant_inpainter.configure(model, **options)


@pytest.fixture
def open_task(data_dir, monkeypatch):
    """The task of a model with small networks; by default of 10 epochs of 718 steps."""

    def open_it(model, **options):
        def features(*_, value_range, standardize):
            assert value_range == "unit" and standardize == (model != "lbam")
            return trainer_kinds.make_features()

        weights = MODELS[model].options
        if weights.get("perceptual_weight", 0) and "perceptual_weight" not in options:
            monkeypatch.setattr(trainers, "vgg16_features", features)
            options["feature_weights"] = "imagenet"
        given = {
            "builder_args": json.dumps(SMALL[model]),
            "dataset": "digits",
            "data_dir": data_dir,
            "run_dir": "nowhere",
            "image_size": 32,
            "batch_size": 2,
            "epochs": 10,
        }
        kind = InpaintingOptions
        task = InpaintingTask(kind.resolve(model=model, **{**given, **options}))
        task.open()
        return task

    return open_it


def _phases(trainer, steps):
    """Names of the steps that come after so many."""
    names = []
    for step in steps:
        trainer.step.assign(step)
        names.append(trainer.next_step().__name__)
    trainer.step.assign(0)
    return names


# Those that differ from another by the number of levels or the kind of layer.
ALIKE = ("pconv_unet256", "masked_unet")


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name
        for name in MODELS
    ],
)
def test_a_row_trains_by_its_papers_options(open_task, model):
    """Networks as small as they can be, all else as published."""
    row = MODELS[model]
    assert set(SMALL) == set(MODELS)
    single = {"discriminator_steps": 1} if "discriminator_steps" in row.options else {}
    task = open_task(model, **single)
    config = task.configure()
    trainer = task.make_trainer(config, True)
    assert type(trainer) is TRAINERS[row.trainer]
    assert set(config.networks) == set(row.networks)
    assert task.total_steps == 7180
    if row.trainer == "global_local":
        steps = [0, 1291, 1292, 1435, 1436]
        phases = ["generator_step"] * 2 + ["discriminator_step"] * 2 + ["train_step"]
        assert _phases(trainer, steps) == phases
    if row.trainer == "reconstruction":
        phases = ["train_step"] * 2 + ["second_stage_step"]
        assert _phases(trainer, [0, 4786, 4787]) == phases
    images, masks = next(iter(task.load_batches(config, 0)))
    trainer.optimizer.iterations.assign(4785)  # the second stage is near
    rates = []
    for _ in range(3):
        logs = trainer.train_step((images, masks))
        rates.append(float(trainer.optimizer.learning_rate))
    last = row.options.get("second_stage_learning_rate", rates[0])
    first = row.options["learning_rate"]
    np.testing.assert_allclose(rates, [first, first, last], rtol=1e-6)
    assert all(np.isfinite(float(value)) for value in logs.values())
    images, masks = images.numpy(), masks.numpy()
    made = trainer.inpaint(images, masks)
    known = masks == 1
    np.testing.assert_array_equal(made[known], images[known])


def test_weights_of_a_run_come_back(tmp_path):
    config = _configure("contextual_attention", patch_size=16)
    options = {"model": "contextual_attention"}
    runs.write_record(runs.Run(str(tmp_path), "inpainting", options, config))
    run = runs.read_run(str(tmp_path))
    assert run.config == config
    for role, side in (("global_critic", 32), ("local_critic", 16)):
        assert run.config.build(role).input_shape[1:] == (side, side, 1)
    with pytest.raises(ValueError, match="no last.h5"):
        inference.load_inpainting_network(run)
    network = config.build("network")
    applications.save_weights(network, str(tmp_path / "last.h5"))
    again = inference.load_inpainting_network(run, size=(64, 48))
    assert again.output_shape[0][1:] == (64, 48, 1)
    for a, b in zip(network.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(a, b)
    feed = run.config.preprocessing
    pixels = feed.standardize(tf.constant([[[0.0], [255.0]]]))
    assert feed.value_range == "signed" and np.ravel(pixels).tolist() == [-1, 1]
    with pytest.raises(ValueError, match="'best' or 'last', got 'first'"):
        inference.load_inpainting_network(run, "first")


@pytest.mark.parametrize(
    ("model", "options", "quoted"),
    [
        ("lbam", {"builder_args": '{"critic": {}}'}, 'builder_args .* "discriminator"'),
        (
            "global_local",
            {"builder_args": '{"discriminator": {"local_shape": [4, 4, 1]}}'},
            "discriminator cannot set local_shape",
        ),
        ("global_local", {"patch_size": 33}, "from 1 to the images' 32, got 33"),
    ],
)
def test_networks_that_there_are_not(model, options, quoted):
    with pytest.raises(ValueError, match=quoted):
        _configure(model, **options)


STEPS = {"train_split": "train[:20]"}  # 10 an epoch, 100 in all
NO_FEATURES = {"perceptual_weight": 0.0, "style_weight": 0.0}


@pytest.mark.parametrize(
    ("model", "options", "quoted"),
    [
        (
            "global_local",
            {"completion_fraction": 2.0},
            "completion_fraction .* got 2",
        ),
        (
            "global_local",
            {"completion_fraction": 0.001},
            "completion_fraction=0.001 of 100 steps is none",
        ),
        (
            "global_local",
            {"discriminator_alone_fraction": 0.004},
            "alone_fraction=0.004 of 100 steps is",
        ),
        (
            "global_local",
            {"completion_fraction": 0.98},
            "=0.98 and .*=0.02 leave none of 100 steps",
        ),
        (
            "global_local",
            {"completion_fraction": 0.7, "discriminator_alone_fraction": 0.6},
            "=0.7 and .*0.6",
        ),
        (
            "pconv_unet",
            {"train_split": "train[:2]", "epochs": 1, **NO_FEATURES},
            "second_stage_fraction=0.33.* of 1 steps is none",
        ),
        (
            "pconv_unet",
            {"second_stage_fraction": 1.0, **NO_FEATURES},
            "second_stage_fraction=1.0 leave none of 100 steps",
        ),
    ],
)
def test_phases_that_leave_no_step(open_task, model, options, quoted):
    with pytest.raises(ValueError, match=quoted):
        task = open_task(model, **{**STEPS, **options})
        task.make_trainer(task.configure(), True)


def test_without_phases_all_is_trained_from_the_first_step(open_task):
    fractions = {"completion_fraction": 0.0, "discriminator_alone_fraction": 0.0}
    task = open_task("global_local", **STEPS, **fractions)
    trainer = task.make_trainer(task.configure(), True)
    assert _phases(trainer, [0, 99]) == ["train_step"] * 2


def test_rates_of_two_stages_that_are_none():
    with pytest.raises(ValueError, match="step 1 or later, got 0.1, 0.2 and 0"):
        trainers.two_stage_rate(0.1, 0.2, 0)
