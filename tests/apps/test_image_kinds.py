"""The same pictures in other kinds of files give the same answers, by every path."""

import shutil

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cnns import commands, data, export
from keras_cnns.data.folders import list_images


@pytest.fixture(scope="module")
def pictures(classifier_run, data_dir, tmp_path_factory):
    """Digits as RGB images of 32x24, upright, in <split>/<class>."""
    folder = tmp_path_factory.mktemp("pictures")
    digits = folder / "digits"
    commands.run_command(
        "save-images", dataset="digits", split="test", num_images=20,
        data_dir=data_dir, output_dir=str(digits),
    )  # fmt: skip
    upright = folder / "upright"
    for path in list_images(str(digits)):
        target = upright / path[len(str(digits)) + 1 :]
        target.parent.mkdir(parents=True, exist_ok=True)
        image = Image.open(path).resize((24, 32), Image.BICUBIC)
        image.convert("RGB").save(target)
    return upright


def _orientation(path, image):
    """Stored on its side, with a note on how to hold it."""
    exif = Image.Exif()
    exif[0x0112] = 6
    image.transpose(Image.ROTATE_90).save(path, "PNG", exif=exif)


def _palette(path, image):
    image.quantize(256).save(path, "BMP")


def _webp(path, image):
    image.save(path, "WEBP", lossless=True)


def _deep(path, image):
    levels = np.asarray(image.convert("L")).astype(np.uint16) * 257
    Image.fromarray(levels).save(path, "TIFF")


def _alpha(path, image):
    """Black, and transparent where the picture is bright; seen on white."""
    levels = np.asarray(image.convert("L"))
    black = np.zeros((*levels.shape, 4), np.uint8)
    black[..., 3] = 255 - levels
    Image.fromarray(black).save(path, "PNG")


WRITERS = (_orientation, _palette, _webp, _deep, _alpha)


@pytest.fixture(scope="module")
def other_kinds(pictures, tmp_path_factory):
    """The same images of all other kinds: as ``<kind>_<name>`` in one folder."""
    folder = tmp_path_factory.mktemp("kinds")
    for path in list_images(str(pictures)):
        target = folder / path[len(str(pictures)) + 1 :]
        target.parent.mkdir(parents=True, exist_ok=True)
        for write in WRITERS:
            write(target.with_name(f"{write.__name__}{target.name}"), Image.open(path))
    return folder


@pytest.fixture(scope="module", params=["run_dir", "saved_model"])
def network(request, classifier_run):
    """The option of a command that names the network."""
    return {request.param: str(getattr(classifier_run, request.param))}


@pytest.fixture(scope="module")
def probabilities(network, pictures, other_kinds):
    """By file, without the folder that the files are in."""
    found = {}
    for folder in (pictures, other_kinds):
        for row in commands.run_command("predict", images=str(folder), **network):
            name = row["image"][len(str(folder)) + 1 :]
            found[name] = row["predictions"][0]["probability"]
    return found


@pytest.mark.parametrize("write", WRITERS)
def test_all_kinds_are_classified_alike(pictures, probabilities, write):
    for path in list_images(str(pictures)):
        folder, name = path[len(str(pictures)) + 1 :].rsplit("/", 1)
        found = probabilities[f"{folder}/{write.__name__}{name}"]
        assert found == pytest.approx(probabilities[f"{folder}/{name}"], abs=1e-5)


def test_all_kinds_are_evaluated_alike(pictures, other_kinds, network, tmp_path):
    """Each image once more, of every kind."""
    one, all_kinds = (
        commands.run_command(
            "evaluate-classifier", dataset=str(folder), **network,
            data_dir=str(tmp_path),
        )
        for folder in (pictures, other_kinds)
    )  # fmt: skip
    np.testing.assert_array_equal(all_kinds.confusion, 5 * one.confusion)
    assert all_kinds.cross_entropy == pytest.approx(one.cross_entropy, abs=1e-5)


def test_the_export_turns_images_itself(pictures, classifier_run, tmp_path):
    path = list_images(str(pictures))[0]
    _orientation(tmp_path / "x.png", Image.open(path))
    predict, _ = export.load_saved_model(str(classifier_run.saved_model))
    with open(path, "rb") as file:
        upright = file.read()
    np.testing.assert_allclose(
        *predict([upright, (tmp_path / "x.png").read_bytes()]), atol=1e-6
    )
    webp = tmp_path / "x.webp"
    _webp(webp, Image.open(path))
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be JPEG or PNG"):
        predict([webp.read_bytes()])


COMMANDS = {
    "train-classifier": {"model": "resnet", "epochs": 1},
    "train-gan": {"model": "dcgan32", "epochs": 1, "image_size": 16, "batch_size": 2},
    "evaluate-classifier": {"split": "train"},
    "compare-inpainting": {
        "split": "train", "methods": "mean", "image_size": 16, "batch_size": 2,
    },
}  # fmt: skip


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_file_cut_short_is_named_by_every_command(
    verb, pictures, classifier_run, small_options, tmp_path
):
    folder = tmp_path / "set"
    shutil.copytree(pictures / "test", folder / "train")
    bad, *_ = list_images(str(folder))
    with open(bad, "r+b") as file:
        file.truncate(120)
    options = {"dataset": str(folder), **COMMANDS[verb]}
    if verb == "train-classifier":
        options["builder_args"] = small_options("classification")["builder_args"]
        options |= {"validation_split": "", "batch_size": 2}
    if verb == "train-gan":
        options["builder_args"] = small_options("generation")["builder_args"]
    if verb.startswith("train"):
        options["run_dir"] = str(tmp_path / "run")
    elif verb == "evaluate-classifier":
        options["run_dir"] = str(classifier_run.run_dir)
    else:
        options["output_dir"] = str(tmp_path / "out")
    with pytest.raises(ValueError, match=f"image {bad} cannot be read"):
        commands.run_command(verb, **options)


def test_splits_of_different_classes_are_refused(pictures, small_options, tmp_path):
    folder = tmp_path / "set"
    for split in ("train", "test"):
        shutil.copytree(pictures / "test", folder / split)
    shutil.rmtree(folder / "test" / "3")
    options = small_options("classification", dataset=str(folder))
    with pytest.raises(ValueError, match="train and test .* different classes: 3 "):
        commands.run_command("train-classifier", run_dir=str(tmp_path / "r"), **options)
    assert data.open_source(str(folder), "test").num_examples
