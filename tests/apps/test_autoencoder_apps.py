"""Training of auto-encoders: what it leaves, evaluation, export, what is refused."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from run_states import check_equal_states

import keras_cnns
from keras_cnns import data, export, inference, runs
from keras_cnns.commands import run_command
from keras_cnns.tasks.autoencoding import AutoencodingOptions

APP = "apps/train_autoencoder.py"


@pytest.fixture(scope="module")
def trained(small_options, tmp_path_factory, verifying_here):
    """Folder of a small run with few labels, its export, and its progress."""
    folder = tmp_path_factory.mktemp("autoencoder")
    places = {"run_dir": str(folder / "run"), "export_dir": str(folder / "saved")}
    with verifying_here():
        progress = run_command(
            "train-autoencoder", **small_options("autoencoding", **places)
        )
    return folder / "run", folder / "saved" / "swwae_small" / "1", progress


def test_a_models_layers_take_the_datas_classes(write_run, tmp_path):
    for name in ("a", "b", "c"):
        folder = tmp_path / "images" / "train" / name
        folder.mkdir(parents=True)
        Image.new("L", (16, 16)).save(folder / "image.png")
    options = {"dataset": str(tmp_path / "images"), "validation_split": ""}
    options |= {"notation": "", "num_labels": 3, "labelled_batch_size": 3}
    options |= {"train_split": "train", "batch_size": 3}
    run = runs.read_run(write_run(tmp_path / "run", "autoencoding", **options))
    notation = run.config.networks["network"]["args"]["notation"]
    assert notation == "(16)5c-2p-(32)3c-2p-3fc"


@pytest.fixture(scope="module")
def held_out(data_dir):
    """(source, pixels, labels) of the digits' test split."""
    source = data.open_source("digits", "test", data_dir)
    plain = data.Preprocessing.plain(8, 8, 1)
    images, labels = data.read_images(source, plain)
    return source, images.astype(np.uint8), labels


def test_it_leaves_everything_it_promises(trained, small_options):
    run_dir, _, progress = trained
    with open(run_dir / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["8", "16"]  # 256 images in eights
    names = {"loss", "nll", "accuracy", "mse", "middle"}
    assert {*names, *(f"val_{name}" for name in names)} < set(rows[0])
    assert float(rows[1]["val_mse"]) < float(rows[0]["val_mse"])
    for epoch in (1, 2):
        with Image.open(run_dir / "samples" / f"epoch_{epoch:04d}.png") as grid:
            # 3 images eightfold and the labels; 4 rows of images and 4 made of them
            assert grid.width > 3 * 66 and grid.height == 8 * 66 - 2
    Image.open(run_dir / "training_curves.png").verify()
    run = runs.read_run(str(run_dir), "autoencoding")
    assert run.config.facts["number of examples"] == 256
    assert run.config.facts["number of labelled examples"] == 40
    notation = small_options("autoencoding")["notation"]
    assert run.config.networks["network"]["args"]["notation"] == notation
    last = progress["history"][-1]
    assert progress["report"].accuracy == pytest.approx(last["val_accuracy"], abs=1e-6)
    assert progress["report"].mse == pytest.approx(last["val_mse"], rel=1e-5)


def test_the_inferencer_is_the_network(trained, held_out):
    run_dir, _, _ = trained
    _, images, _ = held_out
    run = keras_cnns.open_run(str(run_dir))
    autoencoder = run.inferencer()
    assert isinstance(autoencoder, inference.Autoencoder)
    made, logits = run.load("network")(images[:5] / np.float32(255))
    expected = 255 * np.clip(made, 0, 1)
    np.testing.assert_allclose(autoencoder(images[:5]), expected, atol=0.51)
    np.testing.assert_allclose(
        autoencoder.classify(images[:5]), tf.nn.softmax(logits), atol=1e-6
    )
    encoded = autoencoder.encode(images[:5])
    assert {name: x.shape for name, x in encoded.items()} == {
        "code": (5, 2, 2, 6),
        "where2": (5, 4, 4, 4),
        "where4": (5, 2, 2, 6),
    }


def test_the_evaluation_is_that_of_all_images(
    trained, held_out, data_dir, tmp_path, capsys
):
    run_dir, _, _ = trained
    _, images, labels = held_out
    output = tmp_path / "evaluation"
    places = {"run_dir": str(run_dir), "data_dir": data_dir, "dataset": "digits"}
    evaluation = run_command(
        "evaluate-autoencoder", which="best", output_dir=str(output), **places
    )
    network = keras_cnns.open_run(str(run_dir)).load("network", "best")
    values = images / np.float32(255)
    made, logits = (x.numpy() for x in network(values))
    assert evaluation.num_examples == len(images)
    assert evaluation.mse == pytest.approx(((made - values) ** 2).mean(), rel=1e-5)
    errors = ((np.clip(made, 0, 1) - values) ** 2).mean((1, 2, 3))
    assert evaluation.psnr == pytest.approx((-10 * np.log10(errors)).mean(), rel=1e-5)
    accuracy = (logits.argmax(1) == labels).mean()
    assert evaluation.accuracy == pytest.approx(accuracy)
    lower, upper = evaluation.accuracy_interval
    assert lower < accuracy < upper
    stored = json.loads((output / "evaluation.json").read_text())
    assert stored["mse"] == evaluation.mse
    with Image.open(output / "reconstructions.png") as grid:
        assert grid.width > 8 * 66 - 2 and grid.height == 8 * 66 - 2
    assert f"{accuracy:.2%}" in capsys.readouterr().out
    with pytest.raises(ValueError, match="has the classes zero"):
        other = data.open_source("digits", "test", data_dir)
        names = ("zero", *other.class_names[1:])
        inference.evaluate_autoencoder(
            inference.Autoencoder(str(run_dir)),
            dataclasses.replace(other, class_names=names),
        )


def test_the_export_gives_what_the_network_gives(trained, held_out):
    run_dir, version, _ = trained
    _, images, _ = held_out
    autoencoder = keras_cnns.open_run(str(run_dir)).inferencer()
    export.check_graph(str(version))  # else no server loads it
    served = tf.saved_model.load(str(version)).signatures
    assert set(served) == {"reconstruct", "encode", "classify"}
    values = tf.constant(images[:4] / np.float32(255))
    made = served["reconstruct"](images=values)["images"]
    np.testing.assert_allclose(made, autoencoder.network(values)[0], atol=1e-5)
    encoded = served["encode"](images=values)
    for name, expected in autoencoder.encode(images[:4]).items():
        np.testing.assert_allclose(encoded[name], expected, atol=1e-5)
    answers = served["classify"](images=values)
    expected = autoencoder.classify(images[:4])
    np.testing.assert_allclose(answers["probabilities"], expected, atol=1e-5)
    best = expected.argmax(1)
    np.testing.assert_array_equal(answers["class_id"], best)
    names = [autoencoder.class_names[i].encode() for i in best]
    assert answers["label"].numpy().tolist() == names
    labels = (version / "assets" / "labels.txt").read_text()
    assert labels.split() == list(autoencoder.class_names)


def test_a_finished_run_that_is_resumed_stays_as_it_is(trained, small_options):
    run_dir, _, _ = trained
    before = (run_dir / "last.h5").read_bytes()
    options = small_options("autoencoding", run_dir=str(run_dir))
    run_command("train-autoencoder", resume=True, **options)
    assert (run_dir / "last.h5").read_bytes() == before
    with pytest.raises(ValueError, match="num_labels"):
        run_command("train-autoencoder", resume=True, **{**options, "num_labels": 30})


# Of runs without labels, whose options of labels would have no effect.
UNLABELLED = {
    "model": "swwae_small",
    "notation": "(4)3c-2p-(6)3c-2p-10fc",
    "dataset": "digits",
    "train_split": "train[:64]",
    "validation_split": "test[:40]",
    "labels": "none",
    "batch_size": 32,
    "epochs": 1,
    "grid_columns": 3,
}


def test_without_labels_there_is_no_classifier(data_dir, tmp_path, verify_here):
    """And soft places."""
    folder = str(tmp_path / "run")
    progress = run_command(
        "train-autoencoder", run_dir=folder, data_dir=data_dir, unpooling="soft",
        beta=5.0, **UNLABELLED,
    )  # fmt: skip
    assert "val_accuracy" not in progress["history"][0]
    assert progress["report"].accuracy is None
    run = keras_cnns.open_run(folder)
    network = run.load("network", "best")
    assert network.output_shape == (None, 8, 8, 1)
    assert network.get_layer("pool2").beta == 5.0
    autoencoder = run.inferencer()
    images = np.zeros((2, 8, 8, 1), np.uint8)
    assert autoencoder.encode(images)["where2"].shape == (2, 4, 4, 4, 2)
    with pytest.raises(ValueError, match="without labels and classifies nothing"):
        autoencoder.classify(images)
    version, _ = run.export(str(tmp_path / "saved"))
    served = tf.saved_model.load(version).signatures
    assert set(served) == {"reconstruct", "encode"}


def test_a_code_without_places_has_all_images(write_run, tmp_path):
    autoencoder = inference.Autoencoder(
        write_run(tmp_path / "run", "autoencoding", unpooling="upsampling")
    )
    images = np.arange(2 * 64, dtype=np.uint8).reshape(2, 8, 8, 1)
    encoded = autoencoder.encode(images)
    assert set(encoded) == {"code"}
    for one, image in zip(encoded["code"], images):
        alone = autoencoder.encode(image[np.newaxis])["code"][0]
        np.testing.assert_allclose(one, alone, atol=1e-6)
    assert autoencoder(images).shape == images.shape


def test_labelled_examples_are_drawn_class_by_class_by_the_seed(data_dir):
    source = data.open_source("digits", "train", data_dir)
    drawn = []
    for seed in (1, 1, 2):
        few = data.balanced(source, 30, seed)
        pairs = list(few.examples.as_numpy_iterator())
        labels = [label for _, label in pairs]
        assert np.bincount(labels).tolist() == [3] * 10 and few.num_examples == 30
        drawn.append(pairs)
    assert drawn[0] == drawn[1] != drawn[2]
    everything = set(source.examples.as_numpy_iterator())
    assert set(drawn[2]) < everything and len(set(drawn[2])) == 30


@pytest.mark.slow  # a minute
def test_killed_and_resumed_it_ends_as_one_left_alone(
    killed_and_resumed, small_options
):
    """Within an epoch, with dropout, augmentation and averaged weights."""
    options = small_options(
        "autoencoding",
        checkpoint_interval=1,
        deterministic=True,
        ema_decay=0.9,
        augmentation="pad_crop:1",
        epochs=3,
    )
    straight, broken = killed_and_resumed(APP, options, 11)
    check_equal_states(straight, broken, 24)


def _resolve(**given):
    places = {"dataset": "digits", "run_dir": "nowhere"}
    return AutoencodingOptions.resolve(**places, **given)


def test_the_row_fills_in_what_is_left_open():
    found = _resolve(model="swwae_mnist", batch_size=10)
    assert found.batch_size == 10 and found.learning_rate == 1e-4
    # public code: half of the sums, times 1 and 0.2
    assert (found.reconstruction_weight, found.middle_weight) == (0.5, 0.1)
    assert found.reduction == "sum"


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"model": "swwae_imagenet"}, "'swwae_imagenet'.*swwae_mnist"),
        ({"labels": "few"}, "labels.*'some'.*'few'"),
        ({"beta": 5.0}, "--beta=5.0 has no effect with --unpooling=where"),
        ({"labelled_batch_size": 9}, "--labelled_batch_size=9 has no effect with"),
        ({"labels": "none", "dropout_rate": 0.5}, "--dropout_rate=0.5 has no effect"),
        ({"labels": "none", "num_labels": 50}, "--num_labels=50 has no effect with"),
        (
            {"reconstruction_weight": 0.0, "middle_weight": 0.0, "reduction": "mean"},
            "--reduction=mean has no effect",
        ),
    ],
)
def test_bad_options_are_refused_at_once(given, quoted):
    with pytest.raises(ValueError, match=quoted):
        _resolve(**{"model": "swwae_small", **given})


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"notation": "(4)3c-2p-7fc"}, "must end in 10fc.*10 classes"),
        ({"notation": "(4)3c-2p"}, "must end in 10fc"),
        ({"notation": "(4)3c-2q"}, "token 2, '2q'"),
        ({"num_labels": 45}, "45 examples.*a multiple of 10"),
        ({"num_labels": 400}, "examples of [0-9], of which 40 are needed"),
        ({"num_labels": 10}, "labelled_batch_size=16 labelled images.*there are 10"),
        ({"batch_size": 300}, "batch_size=300 examples.*which has 256"),
        (
            {"builder_args": '{"network": {"notation": "(4)3c-10fc"}}'},
            "builder_args of the network cannot set notation",
        ),
        ({"notation": "(4)3c-10fc"}, "middle_weight=1.0 has no effect"),
    ],
    ids=str,
)
def test_what_does_not_suit_the_data_is_refused_before_training(
    small_options, tmp_path, changes, quoted
):
    options = small_options("autoencoding", run_dir=str(tmp_path / "run"), **changes)
    with pytest.raises(ValueError, match=quoted):
        run_command("train-autoencoder", **options)
    assert not (tmp_path / "run" / "run.json").exists()
