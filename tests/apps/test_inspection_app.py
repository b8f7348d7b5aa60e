"""inspect-classifier from code and from a shell: pictures, JSON, errors."""

import json

import numpy as np
import pytest
from PIL import Image

from keras_cnns import inspection
from keras_cnns.commands import run_command

_QUICK = ["saliency", "guided_backpropagation", "cam", "grad_cam"]


@pytest.fixture
def images(tmp_path):
    """Two images of other sizes than the network's, one in a folder."""
    random = np.random.default_rng(0)
    (tmp_path / "more").mkdir()
    paths = [tmp_path / "one.png", tmp_path / "more" / "one.png"]
    for path, size in zip(paths, ((20, 31), (8, 8))):
        Image.fromarray(random.integers(0, 256, size, np.uint8)).save(path)
    return [str(paths[0]), str(paths[1].parent)]


def test_it_writes_pictures_and_tells(classifier_run, images, tmp_path, capsys):
    folder = tmp_path / "found"
    record = run_command(
        "inspect-classifier", run_dir=str(classifier_run.run_dir), images=images,
        methods=[*_QUICK, "class_model"], num_steps=3, output_dir=str(folder),
    )  # fmt: skip
    assert json.loads((folder / "inspection.json").read_text()) == json.loads(
        json.dumps(record)
    )
    names = {path.name for path in folder.iterdir()}
    assert names == {"one.png", "one_2.png", "class_models.png", "inspection.json"}
    assert record["removed"] == "predictions"
    methods = record["methods"]
    assert methods["saliency"]["replaced"] == []
    assert "conv1_relu" in methods["guided_backpropagation"]["replaced"]
    assert methods["grad_cam"]["layer"].endswith("_out")
    for image in record["images"]:
        best = image["best"][0]
        assert image["class"] == best["class"]
        assert image["probability"] == pytest.approx(best["probability"])
        assert set(image["methods"]) == set(_QUICK)
        for found in image["methods"].values():
            assert set(found["stays"]) == {"logits", "all"}
            assert set(found["deletion"]) == {"before", "after", "random"}
            assert found["deletion"]["before"] == pytest.approx(best["probability"])
    output = capsys.readouterr().out
    assert output.count("stays with random weights") == 3 * len(_QUICK)
    for name in _QUICK:
        rows = [image["methods"][name] for image in record["images"]]
        after = np.mean([row["deletion"]["after"] for row in rows])
        assert record["means"][name]["deletion"]["after"] == pytest.approx(after)
        stays = [row["stays"]["all"]["absolute"] for row in rows]
        stays = [one for one in stays if one is not None]
        assert record["means"][name]["stays"]["all"] == pytest.approx(np.mean(stays))
    width, height = Image.open(folder / "one.png").size
    assert width > 4 * 160 - 10 and height > 4 * 160 - 10


@pytest.mark.slow  # a minute
def test_every_method_is_reached_from_a_shell(finish, classifier_run, images, tmp_path):
    methods = [*inspection.METHODS, "class_model", "deep_dream"]
    code, output, errors = finish(
        "apps/inspect_classifier.py", f"--run_dir={classifier_run.run_dir}",
        f"--images={images[0]}", f"--methods={','.join(methods)}", "--class_name=3",
        "--patch=3", "--patch_stride=2", "--num_steps=5", "--regularization=simonyan",
        f"--output_dir={tmp_path}/found",
    )  # fmt: skip
    assert code == 0, errors[-2000:]
    record = json.loads((tmp_path / "found" / "inspection.json").read_text())
    (image,) = record["images"]
    assert image["class"] == "3" and set(image["methods"]) == set(inspection.METHODS)
    assert record["methods"]["occlusion"]["patch"] == 3
    (dream,) = record["dreams"]
    assert Image.open(dream["picture"]).size == (31, 20)
    assert dream["objective"][1] > dream["objective"][0]
    assert record["class_models"]["classes"][0]["class"] == "3"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"methods": ["lrp"]}, "unknown method 'lrp'; there are gradient, saliency"),
        ({"methods": []}, "--methods names none"),
        ({"class_name": "ten"}, "there is no class 'ten'; there are 0, 1"),
        ({"layer": "conv9"}, "there is no layer 'conv9'; maps have"),
        ({"patch": 9, "methods": ["occlusion"]}, "patch .9, 9. is larger than images"),
        ({"images": ["nothing.png"]}, "'nothing.png' is neither a file nor a folder"),
        ({"model": "resnet18"}, "give either --run_dir or --model"),
        ({"weights": "imagenet"}, "--weights=imagenet has no effect"),
        (
            {"run_dir": None, "model": "resnet18"},
            "--model=resnet18 needs --weights",
        ),
        (
            {"run_dir": None, "model": "cifar_resnet20", "weights": "x.h5"},
            "how images were standardised for x.h5 is unknown; give --preprocessing",
        ),
        (
            {
                "run_dir": None,
                "model": "cifar_resnet20",
                "weights": "x.h5",
                "preprocessing": "dataset",
            },
            "preprocessing must be 'torch' or .*got 'dataset'",
        ),
        (
            {"run_dir": None, "model": "dcgan32_generator", "weights": "x.h5"},
            "dcgan32_generator is no classifier",
        ),
    ],
)
def test_errors_are_one_line(classifier_run, images, tmp_path, options, message):
    given = {
        "run_dir": str(classifier_run.run_dir), "images": images,
        "output_dir": str(tmp_path / "found"), **options,
    }  # fmt: skip
    given = {name: value for name, value in given.items() if value is not None}
    with pytest.raises(ValueError, match=message) as refused:
        run_command("inspect-classifier", **given)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "found" / "inspection.json").exists()


def test_a_model_of_the_registry_with_its_weights(images, tmp_path):
    """Without a run: weights from a file, classes by number."""
    from keras_cnns import applications

    model = applications.create_model("cifar_resnet20", input_shape=(16, 16, 3))
    path = str(tmp_path / "weights.h5")
    applications.save_weights(model, path)
    record = run_command(
        "inspect-classifier", model="cifar_resnet20", weights=path, image_size=16,
        preprocessing="tf", images=images[:1], methods=["grad_cam"], class_name="7",
        output_dir=str(tmp_path / "found"),
    )  # fmt: skip
    assert record["images"][0]["class"] == "7"
    assert record["methods"]["grad_cam"]["layer"] == "conv4_block3_out"
