"""The apps of generative adversarial networks, called as their command lines do."""

import json
import os

import evaluate_gan
import numpy as np
import pytest
import sample_gan
import tensorflow as tf
import train_gan
from PIL import Image

from keras_cnns import data, runs
from keras_cnns.tasks.generation import config
from keras_cnns.trainers import adversarial

SMALL = '{"generator": {"filters": [16, 8]}, "discriminator": {"filters": [8, 16]}}'


def _train(run_dir, data_dir, **flags):
    defaults = {
        "model": "dcgan32",
        "builder_args": SMALL,
        "image_size": 8,
        "dataset": "digits",
        "train_split": "train[:256]",
        "data_dir": data_dir,
        "epochs": 2,
        "grid_columns": 3,
        "output_dir": str(run_dir),
    }
    return train_gan.run(**{**defaults, **flags})


@pytest.fixture(scope="module")
def trained(data_dir, tmp_path_factory):
    """A run on the digits with its exported generator."""
    folder = tmp_path_factory.mktemp("gan")
    progress = _train(
        folder / "run", data_dir, ema_decay=0.9, export_dir=str(folder / "saved")
    )
    return folder / "run", folder / "saved" / "dcgan32_generator" / "1", progress


def test_train_leaves_everything_it_promises(trained):
    run_dir, saved_model, progress = trained
    assert [row["epoch"] for row in progress["history"]] == [1, 2]
    for name in ("samples/epoch_0002.png", "training_curves.png"):
        Image.open(run_dir / name).verify()
    names = {"generator.h5", "discriminator.h5", "metrics.csv", "run.json", "logs"}
    assert names < set(os.listdir(run_dir))
    assert not (run_dir / "best.h5").exists()
    assert (saved_model / "saved_model.pb").exists()


def test_the_export_samples_what_the_run_does(trained):
    run_dir, saved_model, _ = trained
    generator, _, latents, _ = config.load_networks(str(run_dir))
    expected = adversarial.sample_generator(generator, latents, 5, seed=11)
    signatures = tf.saved_model.load(str(saved_model)).signatures
    sampled = signatures["sample"](
        count=tf.constant(5), seed=tf.constant(11, tf.int64)
    )["images"]
    np.testing.assert_allclose(sampled, expected, atol=1e-6)
    given = latents.draw(5, [11, -1])
    again = signatures["serving_default"](latents=given)["images"]
    np.testing.assert_allclose(again, expected, atol=1e-6)


def test_sample_writes_images_and_a_grid(trained, tmp_path):
    paths = sample_gan.run(str(trained[0]), str(tmp_path), num_images=5)
    assert len(paths) == 5
    assert Image.open(paths[4]).size == (8, 8)
    Image.open(tmp_path / "grid.png").verify()
    with pytest.raises(ValueError, match="not conditional"):
        sample_gan.run(str(trained[0]), str(tmp_path), classes="3")
    with pytest.raises(ValueError, match="no_run holds no run"):
        sample_gan.run(str(tmp_path / "no_run"), str(tmp_path))


def test_evaluate_compares_only_what_compares(trained, data_dir, tmp_path, capsys):
    import train_classifier

    net = {"units": [1, 1], "block": "basic", "filters": 4, "stem": "small"}
    train_classifier.run(
        model="resnet",
        builder_args=json.dumps(net),
        dataset="digits",
        data_dir=data_dir,
        epochs=1,
        output_dir=str(tmp_path / "embedding"),
    )
    flags = {
        "run_dir": str(trained[0]),
        "dataset": "digits",
        "embedding": str(tmp_path / "embedding"),
        "data_dir": data_dir,
        "output_dir": str(tmp_path),
    }
    result = evaluate_gan.run(
        **flags, num_images=60, parzen_samples=50, parzen_split="train[:100]"
    )
    assert result["generator"]["protocol"]["num_generated"] == 60
    assert result["generator"]["floor"]["kid"] < result["untrained"]["scores"]["kid"]
    assert np.isfinite(result["parzen"]["mean"])
    assert "of the way from untrained to real" in capsys.readouterr().out
    stored = str(tmp_path / "evaluation.json")
    again = evaluate_gan.run(**flags, num_images=60, compare_with=stored)
    assert again["difference"]["fid"] == 0
    os.rename(stored, stored + ".60")
    with pytest.raises(ValueError, match="num_generated .60, 50"):
        evaluate_gan.run(**flags, num_images=50, compare_with=stored + ".60")
    assert os.path.exists(stored)  # what was measured is kept
    with pytest.raises(ValueError, match="is no evaluation.json"):
        evaluate_gan.run(**flags, compare_with=str(trained[0] / "run.json"))
    with pytest.raises(ValueError, match="num_images must be at least 2, got 0"):
        evaluate_gan.run(**flags, num_images=0)
    with pytest.raises(ValueError, match="holds 360 images, 1000 are needed"):
        evaluate_gan.run(**flags, num_images=500)


def test_conditional_models_draw_the_classes_asked_for(data_dir, tmp_path):
    small = '{"generator": {"latent_units": 8, "label_units": 8, "joint_units": 16}}'
    _train(
        tmp_path / "run",
        data_dir,
        model="cgan_mnist",
        builder_args=small,
        epochs=1,
        export_dir=str(tmp_path / "saved"),
    )
    paths = sample_gan.run(
        str(tmp_path / "run"), str(tmp_path / "drawn"), num_images=4, classes="7, 2"
    )
    folders = [os.path.basename(os.path.dirname(path)) for path in paths]
    assert folders == ["7", "2", "7", "2"]
    with pytest.raises(ValueError, match="unknown class '12'"):
        sample_gan.run(str(tmp_path / "run"), str(tmp_path / "drawn"), classes="12")
    version = str(tmp_path / "saved" / "cgan_mnist_generator" / "1")
    sample = tf.saved_model.load(version).signatures["sample"]
    images = sample(labels=tf.constant([3, 3]), seed=tf.constant(0, tf.int64))["images"]
    assert images.shape == (2, 8, 8, 1)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"model": "dcgan7"}, "'dcgan7'.*dcgan64"),
        ({"trainer": "cgan"}, "dcgan32 is not conditional"),
        ({"trainer": "lsgan"}, "'lsgan'.*wgan_gp"),
        ({"builder_args": '{"critic": {}}'}, "critic"),
        ({"builder_args": '{"generator": {"depth": 3}}'}, "takes no depth"),
        ({"builder_args": '{"generator": {"image_shape": [1]}}'}, "image_shape"),
        ({"builder_args": '{"generator": {"output_activation": "linear"}}'}, "output_"),
        ({"instance_noise": 0.1}, "instance_noise_epochs must both"),
        ({"optimizer": "lamb"}, "sgd, rmsprop, adam .*'lamb'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 200, "discriminator_steps": 2}, "more than the 256 images"),
    ],
)
def test_bad_flags_say_what_would_be_right(data_dir, tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        _train(tmp_path / "run", data_dir, **flags)


def test_flags_without_effect_and_a_used_folder_are_refused(finish, trained, data_dir):
    command = ["apps/train_gan.py", "--model=wgan64", "--dataset=digits"]
    folder = f"--output_dir={trained[0]}"
    code, _, errors = finish(*command, folder, "--penalty_weight=3")
    assert (
        code == 1 and "--penalty_weight=3.0 has no effect with --trainer=wgan" in errors
    )
    code, _, errors = finish(*command, folder, f"--data_dir={data_dir}")
    assert code == 1 and "already holds a run; give --resume" in errors


def _state(run_dir):
    steps = runs.list_steps(str(run_dir / "checkpoints"))
    path = run_dir / "checkpoints" / f"step_{steps[-1]:08d}" / "state"
    reader = tf.train.load_checkpoint(str(path))
    names = set(reader.get_variable_to_shape_map()) - {"_CHECKPOINTABLE_OBJECT_GRAPH"}
    return {name: reader.get_tensor(name) for name in names}


RESUMED = {
    # Two critic steps and both optimizers' moments
    "wgan_gp_mnist": ["--discriminator_steps=2", f"--builder_args={SMALL}"],
    # Dropout in both networks, momentum, an exponential schedule
    "cgan_mnist": ['--builder_args={"generator": {"joint_units": 16}}'],
    # The critic runs ahead
    "wgan64": ["--critic_warm_up", f"--builder_args={SMALL}"],
}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(model, marks=() if model == "wgan_gp_mnist" else pytest.mark.slow)
        for model in RESUMED
    ],
)
def test_a_killed_run_resumes_to_the_bit(
    start, finish, wait_for_step, data_dir, tmp_path, model
):
    """With instance noise and weight average; at every third step or so."""
    command = [
        "apps/train_gan.py", f"--model={model}", *RESUMED[model], "--dataset=digits",
        f"--data_dir={data_dir}", "--image_size=8", "--epochs=12", "--batch_size=16",
        "--train_split=train[:256]", "--instance_noise=0.2", "--deterministic",
        "--instance_noise_epochs=6", "--ema_decay=0.9", "--checkpoint_interval=2",
    ]  # fmt: skip
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    process = start(*command, f"--output_dir={killed}")
    wait_for_step(process, killed, 6)
    process.kill()
    process.wait()
    reached = max(runs.list_steps(str(killed / "checkpoints")))
    code, _, errors = finish(*command, f"--output_dir={killed}", "--resume")
    assert code == 0, errors[-2000:]
    assert reached < max(runs.list_steps(str(killed / "checkpoints")))
    code, _, errors = finish(*command, f"--output_dir={straight}")
    assert code == 0, errors[-2000:]
    first, second = _state(straight), _state(killed)
    assert set(first) == set(second) and len(first) > 40
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    for name in ("epoch_0001.png", "epoch_0012.png"):
        one, other = ((d / "samples" / name).read_bytes() for d in (straight, killed))
        assert one == other


def test_images_without_labels_will_do(trained, tmp_path, data_dir):
    """A plain folder of images; conditional models refuse it."""
    sample_gan.run(str(trained[0]), str(tmp_path / "set" / "train"), num_images=40)
    os.remove(tmp_path / "set" / "train" / "grid.png")
    flags = {"dataset": str(tmp_path / "set"), "train_split": "train", "batch_size": 16}
    progress = _train(
        tmp_path / "run", data_dir, epochs=1, sync_batch_norm=True, **flags
    )
    assert progress["history"][0]["step"] == 2
    with pytest.raises(ValueError, match="cgan_mnist wants labels"):
        _train(
            tmp_path / "other", data_dir, model="cgan_mnist", builder_args="", **flags
        )


def test_data_is_scaled_to_the_range_of_the_networks(data_dir):
    source = data.open_source("digits", "train", data_dir)
    for model, low in (("dcgan32", -1), ("gan_mnist", 0)):
        feed = config.describe(model, source, image_size=8).preprocessing
        ends = feed.standardize(np.array([[[0.0]], [[255.0]]])).numpy().ravel()
        np.testing.assert_allclose(ends, [low, 1])
