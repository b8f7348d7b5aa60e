"""Exported models: what they hold, how they are verified, none half-written."""

import functools
import importlib.util
import os
import subprocess

import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _files, applications, data, export
from keras_cnns.export import saved_model, upscaler, verification

NAMES = ("one", "two", "drei mit Umlaut ä")
FEED = data.Preprocessing(12, 10, 3, **data.CONVENTIONS["caffe"])


@pytest.fixture(scope="module")
def network():
    return applications.ResNet(
        (1, 1), "basic", 4, stem="small", input_shape=(12, 10, 3), classes=3
    )


# What TensorFlow and the process that verifies import first.
HOSTILE = ("csv", "uuid", "numpy", "tensorflow", "tensorflow_serving", "keras_cnns")


@pytest.fixture(scope="module")
def exported(network, tmp_path_factory):
    """In a folder of a difficult name, out of one with modules that are not ours."""
    folder = tmp_path_factory.mktemp("exports") / "a [b]*? 'c' é"
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name in HOSTILE:
        text = f"open({str(elsewhere / 'executed')!r}, 'a').write({name!r})"
        (elsewhere / f"{name}.py").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(elsewhere)
        path, difference = export.export_saved_model(
            network, str(folder), "tiny", preprocessing=FEED, class_names=NAMES,
            warmup_requests=2,
        )  # fmt: skip
    assert 0 <= difference < 1e-5
    assert not (elsewhere / "executed").exists()
    return folder, path


def _signatures(path):
    with _files.plain_path(path) as plain:
        return tf.saved_model.load(plain).signatures


def test_signatures_give_the_networks_answers(network, exported):
    _, path = exported
    signatures = _signatures(path)
    images = tf.random.stateless_normal([4, 12, 10, 3], seed=[1, 2])
    served = signatures["serving_default"](images=images)["probabilities"]
    np.testing.assert_allclose(served, network(images), atol=1e-6)
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), np.uint8)
    jpeg, png = tf.io.encode_jpeg(pixels), tf.io.encode_png(pixels)
    answer = signatures["serve_images"](image_bytes=tf.stack([jpeg, png]))
    expected = network(tf.stack([FEED(jpeg), FEED(png)])).numpy()
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    np.testing.assert_array_equal(answer["class_id"], expected.argmax(1))
    labels = [label.decode() for label in answer["label"].numpy()]
    assert labels == [NAMES[i] for i in expected.argmax(1)]


def test_folder_holds_labels_and_warmup_requests(exported):
    folder, path = exported
    assert path == str(folder / "tiny" / "1")
    with open(os.path.join(path, "assets", "labels.txt"), encoding="utf-8") as file:
        assert tuple(file.read().splitlines()) == NAMES
    from tensorflow_serving.apis import prediction_log_pb2

    file = os.path.join(path, "assets.extra", "tf_serving_warmup_requests")
    records = tf.data.TFRecordDataset(file)
    signatures = _signatures(path)
    sizes = []
    for record in records:
        request = prediction_log_pb2.PredictionLog.FromString(
            record.numpy()
        ).predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {k: tf.constant(tf.make_ndarray(v)) for k, v in request.inputs.items()}
        answer = signatures[request.model_spec.signature_name](**inputs)
        sizes.append(len(answer["probabilities"]))
    assert sizes == [1, 1, 2, 2]


def test_versions_count_up_and_the_newest_is_found(network, exported, verify_here):
    folder, first = exported
    second, _ = export.export_saved_model(
        network, str(folder), "tiny", preprocessing=FEED, class_names=NAMES,
        warmup_requests=0,
    )  # fmt: skip
    assert second == str(folder / "tiny" / "2")
    assert os.listdir(os.path.join(second, "assets.extra")) == ["model.json"]
    assert export.find_saved_model(str(folder / "tiny")) == second
    assert export.find_saved_model(first) == first


def test_exports_at_the_same_time_get_a_version_each(
    network, tmp_path, monkeypatch, verify_here
):
    """The second one begins and ends while the first is verified."""
    verify, versions, verified = verification.verify, [], []

    def begin():
        return export.export_saved_model(
            network, str(tmp_path), "tiny", preprocessing=FEED, class_names=NAMES,
            warmup_requests=0,
        )  # fmt: skip

    def verify_during_another(path, cases, _):
        verified.append(path)
        if len(verified) == 1:
            versions.append(begin()[0])
        return verify(path, cases)

    monkeypatch.setattr(verification, "verify", verify_during_another)
    versions.append(begin()[0])
    assert versions == [str(tmp_path / "tiny" / number) for number in "12"]
    assert sorted(os.listdir(tmp_path / "tiny")) == ["1", "2"]
    assert len(set(verified)) == 2


def test_loaded_model_outlives_its_loading(network, exported):
    predict, names = export.load_saved_model(exported[1])
    assert names == NAMES
    png = tf.io.encode_png(np.zeros((12, 10, 3), np.uint8)).numpy()
    expected = network(tf.stack([FEED(png)]))
    np.testing.assert_allclose(predict([png]), expected, atol=1e-6)


def test_a_difference_is_found_and_nothing_is_left(
    network, tmp_path, monkeypatch, verify_here
):
    """The verification is asked to compare with another network."""
    keras.utils.set_random_seed(1)
    other = applications.ResNet(
        (1, 1), "basic", 4, stem="small", input_shape=(12, 10, 3), classes=3
    )
    verify, cases = verification.verify, saved_model._verification_cases(other, FEED)
    monkeypatch.setattr(verification, "verify", lambda path, *_: verify(path, cases))
    with pytest.raises(ValueError, match="differs from the network"):
        export.export_saved_model(
            network, str(tmp_path), "tiny", preprocessing=FEED, class_names=NAMES
        )
    assert os.listdir(tmp_path / "tiny") == []


def test_an_output_that_is_no_number_is_found(network, tmp_path, monkeypatch):
    answer = "[0.0, NaN]"
    done = subprocess.CompletedProcess([], 0, stdout=answer, stderr="")
    monkeypatch.setattr(verification.subprocess, "run", lambda *a, **k: done)
    with pytest.raises(ValueError, match="nan"):
        verification.verify(
            str(tmp_path), saved_model._verification_cases(network, FEED)
        )


def test_warmup_requests_without_the_extra_are_refused_at_once(
    network, tmp_path, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    given = {"preprocessing": FEED, "class_names": NAMES}
    with pytest.raises(ImportError, match=r"keras-cnns\[serving\]"):
        export.export_saved_model(
            network, str(tmp_path), "tiny", **given, warmup_requests=1
        )
    assert os.listdir(tmp_path) == []


def test_without_the_extra_there_are_none_unless_asked_for(
    network, tmp_path, monkeypatch
):
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "tensorflow_serving" else find(name),
    )
    path, _ = export.export_saved_model(
        network, str(tmp_path), "tiny", preprocessing=FEED, class_names=NAMES
    )
    assert os.listdir(os.path.join(path, "assets.extra")) == ["model.json"]


def test_errors(network, tmp_path):
    with pytest.raises(ValueError, match="2 class names for 3 outputs"):
        export.export_saved_model(
            network, str(tmp_path), "tiny", preprocessing=FEED, class_names=("a", "b")
        )
    for name in ("..", "a/b", ""):
        with pytest.raises(ValueError, match=f"name of a model.*got '{name}'"):
            export.export_saved_model(
                network, str(tmp_path), name, preprocessing=FEED, class_names=NAMES
            )
    with pytest.raises(ValueError, match="holds no exported model"):
        export.load_saved_model(str(tmp_path))
    (tmp_path / "saved_model.pb").write_bytes(b"rubbish")
    with pytest.raises(ValueError, match="not a classifier exported"):
        export.load_saved_model(str(tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["cifar_densenet_bc40_k12", "cifar_resnet20", "densenet121", "resnet50"]
)
def test_registered_models_round_trip(tmp_path, name):
    info = applications.model_info(name)
    height, width, channels = info.input_shape
    convention = data.CONVENTIONS.get(info.preprocessing, data.CONVENTIONS["torch"])
    path, difference = export.export_saved_model(
        applications.create_model(name),
        str(tmp_path),
        name,
        preprocessing=data.Preprocessing(height, width, channels, **convention),
        class_names=tuple(f"class {i}" for i in range(info.classes)),
    )
    assert difference < 1e-5
    assert export.find_saved_model(str(tmp_path / name)) == path


def test_images_of_a_batch_do_not_run_a_network_at_the_same_time():
    """With oneDNN two threads got wrong pixels from a network that adds, or died."""
    network = applications.create_model("edsr_small_x2")
    served = upscaler._ServedUpscaler(network, [2], True)
    graph = served.serve_images.get_concrete_function().graph.as_graph_def()
    loops = [node for node in graph.node if "While" in node.op]
    assert [node.attr["parallel_iterations"].i for node in loops] == [1]
    cases = upscaler._cases(
        functools.partial(upscaler._enlarged, network, 2, True), "", (16, 11)
    )
    for _ in range(100):  # with ten at a time this was wrong within 40 calls
        answer = served.serve_images(tf.constant(cases[1].inputs["image_bytes"]))
        images = [tf.io.decode_png(one) for one in answer["image_bytes"].numpy()]
        differences = np.stack(images).astype(int) - cases[1].expected
        assert np.abs(differences).max() <= 1
