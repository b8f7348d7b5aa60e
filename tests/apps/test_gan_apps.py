"""The commands of generative adversarial networks: what they leave and refuse."""

import json
import os

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from run_states import state_of

import keras_cnns
from keras_cnns import applications, data, export, runs, trainers
from keras_cnns.commands import run_command
from keras_cnns.tasks.generation import GenerationOptions, GenerationTask

SMALL = '{"generator": {"filters": [16, 8]}, "discriminator": {"filters": [8, 16]}}'
DENSE = '{"generator": {"latent_units": 8, "label_units": 8, "joint_units": 16}}'


@pytest.fixture
def train(small_options, tmp_path):
    """Trains a small network on the digits, in ``tmp_path / "run"``."""

    def run(**changes):
        options = {"run_dir": str(tmp_path / "run"), **changes}
        return run_command("train-gan", **small_options("generation", **options))

    return run


def test_train_leaves_everything_it_promises(gan_run):
    run_dir, saved_model, progress = gan_run
    assert [row["epoch"] for row in progress["history"]] == [1, 2]
    for name in ("samples/epoch_0002.png", "training_curves.png"):
        Image.open(run_dir / name).verify()
    names = {"generator.h5", "discriminator.h5", "metrics.csv", "run.json", "logs"}
    assert names < set(os.listdir(run_dir))
    assert not (run_dir / "best.h5").exists()
    assert (saved_model / "saved_model.pb").exists()


def test_the_export_samples_what_the_run_does(gan_run):
    run_dir, saved_model, _ = gan_run
    sampler = keras_cnns.open_run(str(run_dir)).inferencer()
    expected = sampler(5, seed=11)
    export.check_graph(str(saved_model))  # else no server loads it
    signatures = tf.saved_model.load(str(saved_model)).signatures
    sampled = signatures["sample"](
        count=tf.constant(5), seed=tf.constant(11, tf.int64)
    )["images"]
    np.testing.assert_allclose(sampled, expected, atol=1e-6)
    given = sampler.latents.draw(5, [11, -1])
    again = signatures["serving_default"](latents=given)["images"]
    np.testing.assert_allclose(again, expected, atol=1e-6)


def test_sample_writes_images_and_a_grid(gan_run, tmp_path):
    places = {"run_dir": str(gan_run.run_dir), "output_dir": str(tmp_path)}
    paths = run_command("sample-gan", num_images=5, **places)
    assert len(paths) == 5
    assert Image.open(paths[4]).size == (8, 8)
    Image.open(tmp_path / "grid.png").verify()
    with pytest.raises(ValueError, match="not conditional"):
        run_command("sample-gan", classes="3", **places)


def test_sample_takes_a_model_and_its_file(tmp_path):
    """In place of a run; the same images as of the network that the file is of."""
    generator = applications.create_model("wgan64_constant_generator")
    file = str(tmp_path / "generator.h5")
    applications.save_weights(generator, file)
    places = {"output_dir": str(tmp_path / "drawn"), "num_images": 3}
    given = {"model": "wgan64_constant", "weights": file}
    paths = run_command("sample-gan", seed=4, **given, **places)
    latents = trainers.Latents(100).draw(3, tf.constant([4, -1], tf.int64))
    expected = data.to_bytes(generator(latents).numpy(), "signed")
    np.testing.assert_array_equal(np.stack([*map(data.read_image, paths)]), expected)
    for wrong, quoted in (
        ({}, "either --run_dir or --model"),
        ({"model": "wgan64"}, "--model=wgan64 needs --weights"),
        ({**given, "run_dir": "runs/wgan"}, "either --run_dir or --model"),
        ({**given, "model": "wgan65"}, "unknown model 'wgan65'"),
        ({**given, "model": "wgan64"}, "does not fit"),
        ({**given, "weights": "nowhere.pth"}, "nowhere.pth"),
        ({**given, "classes": "3"}, "not conditional"),
    ):
        with pytest.raises((ValueError, OSError), match=quoted):
            run_command("sample-gan", **wrong, **places)


def test_evaluate_compares_only_what_compares(
    gan_run, runs_by_task, data_dir, tmp_path, capsys
):
    def evaluate(**changes):
        flags = {
            "run_dir": str(gan_run.run_dir),
            "dataset": "digits",
            "embedding": runs_by_task["classification"],
            "data_dir": data_dir,
            "output_dir": str(tmp_path),
        }
        return run_command("evaluate-gan", **flags, **changes)

    result = evaluate(num_images=60, parzen_samples=50, parzen_split="train[:100]")
    assert result["generator"]["protocol"]["num_generated"] == 60
    assert result["generator"]["floor"]["kid"] < result["untrained"]["scores"]["kid"]
    assert np.isfinite(result["parzen"]["mean"])
    assert "of the way from untrained to real" in capsys.readouterr().out
    stored = str(tmp_path / "evaluation.json")
    again = evaluate(num_images=60, compare_with=stored)
    assert again["difference"]["fid"] == 0
    os.rename(stored, stored + ".60")
    with pytest.raises(ValueError, match="num_generated .60, 50"):
        evaluate(num_images=50, compare_with=stored + ".60")
    assert os.path.exists(stored)  # what was measured is kept
    with pytest.raises(ValueError, match="is no evaluation.json"):
        evaluate(compare_with=str(gan_run.run_dir / "run.json"))
    with pytest.raises(ValueError, match="num_images must be at least 2, got 0"):
        evaluate(num_images=0)
    with pytest.raises(ValueError, match="holds 360 images, 1000 are needed"):
        evaluate(num_images=500)


def test_conditional_models_draw_the_classes_asked_for(train, tmp_path, verify_here):
    train(
        model="cgan_mnist",
        builder_args=DENSE,
        epochs=1,
        export_dir=str(tmp_path / "saved"),
    )
    places = {"run_dir": str(tmp_path / "run"), "output_dir": str(tmp_path / "drawn")}
    paths = run_command("sample-gan", num_images=4, classes="7, 2", **places)
    folders = [os.path.basename(os.path.dirname(path)) for path in paths]
    assert folders == ["7", "2", "7", "2"]
    with pytest.raises(ValueError, match="unknown class '12'"):
        run_command("sample-gan", classes="12", **places)
    version = str(tmp_path / "saved" / "cgan_mnist_generator" / "1")
    export.check_graph(version)  # else no server loads it
    sample = tf.saved_model.load(version).signatures["sample"]
    images = sample(labels=tf.constant([3, 3]), seed=tf.constant(0, tf.int64))["images"]
    assert images.shape == (2, 8, 8, 1)
    for label in (10, -1, 250):
        with pytest.raises(tf.errors.InvalidArgumentError, match="from 0 to 9"):
            sample(labels=tf.constant([3, label]), seed=tf.constant(0, tf.int64))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"model": "dcgan7"}, "'dcgan7'.*dcgan64"),
        ({"trainer": "cgan"}, "dcgan32 is not conditional"),
        ({"trainer": "lsgan"}, "'wgan_gp'.*'lsgan'"),
        ({"builder_args": '{"critic": {}}'}, "critic"),
        ({"builder_args": '{"generator": {"depth": 3}}'}, "'depth'; it takes filters"),
        ({"builder_args": '{"generator": {"image_shape": [1]}}'}, "image_shape"),
        ({"builder_args": '{"generator": {"output_activation": "linear"}}'}, "output_"),
        ({"instance_noise": 0.1}, "instance_noise_epochs must both"),
        ({"optimizer": "lamp"}, "'sgd'.*'adam'.*'lamp'"),
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        (
            {"batch_size": 200, "discriminator_steps": 2},
            "2 times batch_size=200 examples .* has 256",
        ),
    ],
)
def test_bad_flags_say_what_would_be_right(train, flags, message):
    with pytest.raises(ValueError, match=message):
        train(**flags)


def test_a_used_folder_is_refused(train, gan_run):
    with pytest.raises(ValueError, match="already holds a run; give --resume"):
        train(run_dir=str(gan_run.run_dir))


RESUMED = {
    # Two critic steps and both optimizers' moments
    "wgan_gp_mnist": {"discriminator_steps": 2, "builder_args": SMALL},
    # Dropout in both networks, momentum, an exponential schedule
    "cgan_mnist": {"builder_args": '{"generator": {"joint_units": 16}}'},
    # The critic runs ahead
    "wgan64": {"critic_warm_up": True, "builder_args": SMALL},
}
# Trains to the end without a stop, then again, to be killed on the way.
BOTH = """
import json, sys
from keras_cnns.commands import run_command
options = json.loads(sys.argv[1])
for run_dir in sys.argv[2:]:
    run_command("train-gan", run_dir=run_dir, **options)
"""


@pytest.mark.slow  # half a minute each; test_resume.py kills a run in the short run
@pytest.mark.parametrize("model", RESUMED)
def test_a_killed_run_resumes_to_the_bit(
    start, finish, wait_for_step, data_dir, tmp_path, model
):
    """With instance noise and weight average; at every third step or so."""
    options = {
        "model": model,
        **RESUMED[model],
        "dataset": "digits",
        "data_dir": data_dir,
        "train_split": "train[:256]",
        "image_size": 8,
        "batch_size": 16,
        "epochs": 4,
        "instance_noise": 0.2,
        "instance_noise_epochs": 2.0,
        "ema_decay": 0.9,
        "checkpoint_interval": 2,
        "deterministic": True,
    }
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    process = start("-c", BOTH, json.dumps(options), straight, killed)
    wait_for_step(process, killed, 6)
    process.kill()
    process.wait()
    reached = max(runs.list_steps(str(killed / "checkpoints")))
    flags = [f"--{name}={value}" for name, value in options.items()]
    code, _, errors = finish(
        "apps/train_gan.py", *flags, f"--run_dir={killed}", "--resume"
    )
    assert code == 0, errors[-2000:]
    assert reached < max(runs.list_steps(str(killed / "checkpoints")))
    first, second = state_of(straight), state_of(killed)
    assert set(first) == set(second) and len(first) > 40
    for name, value in first.items():
        np.testing.assert_array_equal(value, second[name], err_msg=name)
    for name in ("epoch_0001.png", "epoch_0004.png"):
        one, other = ((d / "samples" / name).read_bytes() for d in (straight, killed))
        assert one == other


def test_images_without_labels_will_do(train, gan_run, tmp_path):
    """A plain folder of images; conditional models refuse it."""
    folder = tmp_path / "set" / "train"
    places = {"run_dir": str(gan_run.run_dir), "output_dir": str(folder)}
    run_command("sample-gan", num_images=40, **places)
    os.remove(folder / "grid.png")
    flags = {"dataset": str(tmp_path / "set"), "train_split": "train", "batch_size": 16}
    progress = train(epochs=1, sync_batch_norm=True, **flags)
    assert progress["history"][0]["step"] == 2
    with pytest.raises(ValueError, match="cgan_mnist needs labels"):
        train(
            run_dir=str(tmp_path / "other"),
            model="cgan_mnist",
            builder_args="",
            **flags,
        )


def test_data_is_scaled_to_the_range_of_the_networks(small_options):
    for model, low in (("dcgan32", -1), ("gan_mnist", 0)):
        options = small_options("generation", model=model, builder_args="", run_dir="x")
        task = GenerationTask(GenerationOptions.resolve(**options))
        task.open()
        preprocessing = task.configure().preprocessing
        ends = preprocessing.standardize(np.array([[[0.0]], [[255.0]]])).numpy()
        np.testing.assert_allclose(ends.ravel(), [low, 1])
