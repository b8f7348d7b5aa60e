"""The table of inpainting models, and what it takes to build a run's networks again."""

import inpainting_steps
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, data, trainers
from keras_cnns.runs import record, setup
from keras_cnns.tasks.inpainting import config, models

SMALL = {
    "pconv_unet": '{"network": {"filters": [4, 6, 8]}}',
    "pconv_unet256": '{"network": {"filters": [4, 6, 8]}}',
    "masked_unet": '{"network": {"filters": [4, 6, 8]}}',
    "lbam": (
        '{"network": {"filters": [4, 6, 8]}, "discriminator": {"filters": [4, 6, 8]}}'
    ),
    "global_local": (
        '{"network": {"filters": [4, 6]}, "discriminator": {"global_filters": [4, 6], '
        '"local_filters": [4], "units": 5}}'
    ),
    "contextual_attention": (
        '{"network": {"filters": [4, 6, 8]}, "global_critic": {"filters": [4, 6]}, '
        '"local_critic": {"filters": [4, 6]}}'
    ),
}


class _Source:
    name, split = "digits", "train"
    class_names, image_shape, num_examples = ("a", "b"), (8, 8, 1), 10


def _describe(model, **options):
    options = {"builder_args": SMALL[model], "image_size": 32, **options}
    return config.describe(model, _Source(), **options)


# Those that differ from another by the number of levels or the kind of layer.
ALIKE = ("pconv_unet256", "masked_unet")


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name
        for name in models.MODELS
    ],
)
def test_a_row_trains_by_its_papers_flags(model):
    """Networks as small as they can be, the trainer's options as published."""
    row = models.find_model(model)
    assert set(SMALL) == set(models.MODELS)
    description = _describe(model)
    networks = description.build()
    assert len(networks) == 1 + len(row.discriminators)
    options = models.trainer_options(row.trainer, row.flags, 1000)
    if "loss_weights" in options:
        options["feature_network"] = inpainting_steps.make_features(trainers)
    if "discriminator_steps" in options:
        options["discriminator_steps"] = 1
    if row.trainer == "global_local":
        assert options["completion_steps"] == 180
        assert options["discriminator_alone_steps"] == 20
    kind = models.TRAINERS[row.trainer]
    if row.network == "pconv_unet":
        assert options["second_stage_start"] == 667
    trainer = kind(
        *networks,
        value_range=description.value_range,
        **options,
    )
    count = 2 if row.discriminators else 1
    trainer.compile(
        *(keras.optimizers.SGD(1e-3, jit_compile=False) for _ in range(count))
    )
    recipe = data.MaskRecipe(**row.masks)
    masks = np.stack([recipe.drawer(32, 32)(seed) for seed in range(2)])
    images = np.random.default_rng(0).uniform(size=(2, 32, 32, 1)).astype(np.float32)
    logs = trainer.train_step((tf.constant(images), tf.constant(masks, tf.float32)))
    assert all(np.isfinite(float(value)) for value in logs.values())
    made = trainer.inpaint(images, masks)
    np.testing.assert_array_equal(made[masks == 1], images[masks == 1])


@pytest.mark.parametrize("model", models.MODELS)
def test_flags_of_a_row_are_those_that_its_trainer_uses(model):
    row = models.find_model(model)
    used = {flag for flag, (_, users) in models.USED_BY.items() if row.trainer in users}
    assert used - {"discriminator_learning_rate", "discriminator_beta_1"} <= set(
        row.flags
    )
    assert not (set(models.USED_BY) - used) & set(row.flags)
    assert row.flags["optimizer"] in setup.ADVERSARIAL_OPTIMIZERS


def test_weights_of_a_run_come_back(tmp_path):
    description = _describe("contextual_attention", patch_size=16)
    record.write_record(str(tmp_path), {}, description)
    network, global_critic, local_critic = description.build()
    assert global_critic.input_shape[1:] == (32, 32, 1)
    assert local_critic.input_shape[1:] == (16, 16, 1)
    with pytest.raises(ValueError, match="no last.h5"):
        config.load_network(str(tmp_path))
    applications.save_weights(network, str(tmp_path / "last.h5"))
    again, read = config.load_network(str(tmp_path), size=(64, 48))
    assert read == description and again.output_shape[0][1:] == (64, 48, 1)
    for a, b in zip(network.get_weights(), again.get_weights()):
        np.testing.assert_array_equal(a, b)
    pixels = read.preprocessing.standardize(tf.constant([[[0.0], [255.0]]]))
    assert read.value_range == "signed" and np.ravel(pixels).tolist() == [-1, 1]


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
def test_bad_descriptions(model, options, quoted):
    with pytest.raises(ValueError, match=quoted):
        _describe(model, **options)


def test_bad_names_and_rates():
    with pytest.raises(ValueError, match="unknown inpainting model 'pconv'"):
        models.find_model("pconv")
    flags = {**models.MODELS["global_local"].flags, "completion_fraction": 2}
    with pytest.raises(ValueError, match="completion_fraction .* got 2"):
        models.trainer_options("global_local", flags, 100)
    for changes, quoted in (
        (
            {"completion_fraction": 0.001},
            "completion_fraction=0.001 of 100 steps is none",
        ),
        (
            {"discriminator_alone_fraction": 0.004},
            "alone_fraction=0.004 of 100 steps is",
        ),
        ({"completion_fraction": 0.98}, "=0.98 and .*=0.02 leave none of 100 steps"),
        (
            {"completion_fraction": 0.7, "discriminator_alone_fraction": 0.6},
            "=0.7 and .*0.6",
        ),
    ):
        flags = {**models.MODELS["global_local"].flags, **changes}
        with pytest.raises(ValueError, match=quoted):
            models.trainer_options("global_local", flags, 100)
    flags |= {"completion_fraction": 0, "discriminator_alone_fraction": 0}
    options = models.trainer_options("global_local", flags, 100)
    assert options["completion_steps"] == options["discriminator_alone_steps"] == 0
    flags = models.MODELS["pconv_unet"].flags
    with pytest.raises(
        ValueError, match="second_stage_fraction=0.33.* of 1 steps is none"
    ):
        models.trainer_options("reconstruction", flags, 1)
    with pytest.raises(ValueError, match="step 1 or later, got 0.1, 0.2 and 0"):
        models.two_stage_rate(0.1, 0.2, 0)
    with pytest.raises(ValueError, match="'best' or 'last', got 'first'"):
        config.load_network("nowhere", "first")
