"""Models from elsewhere: none executes more than computations, all are named."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

from keras_cnns import applications, data, export, inference
from keras_cnns.export import trust, verification

FEED = data.Preprocessing(8, 8, 1, (127.0,), (60.0,))
PNG = tf.io.encode_png(np.zeros((8, 8, 1), np.uint8)).numpy()


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    network = applications.ResNet(
        (1,), "basic", 4, stem="small", input_shape=(8, 8, 1), classes=2
    )
    folder = str(tmp_path_factory.mktemp("exports"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verification, "verify", lambda *_: 0.0)
        path, _ = export.export_saved_model(
            network, folder, "tiny", preprocessing=FEED, class_names=("a", "b"),
            warmup_requests=0,
        )  # fmt: skip
    return path


@pytest.fixture
def copy(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "copy")


def _edit(folder, change):
    """Changes the graph of a model by a function of the library's functions by name."""
    path = folder / "saved_model.pb"
    model = saved_model_pb2.SavedModel.FromString(path.read_bytes())
    change(
        {f.signature.name: f for f in model.meta_graphs[0].graph_def.library.function}
    )
    path.write_bytes(model.SerializeToString())


def _refused(folder, match, load=export.load_saved_model):
    with pytest.raises(ValueError, match=match) as refused:
        load(str(folder))
    message = str(refused.value)
    assert message.startswith(f"{folder} is not a classifier exported by")
    assert "\n" not in message and len(message) < 600


def test_what_was_exported_is_trusted(exported):
    trust.check_graph(exported)
    predictor = inference.load_predictor(saved_model=exported)
    assert predictor.class_names == ("a", "b") and predictor([PNG]).shape == (1, 2)


class _Writer(tf.Module):
    """A classifier that writes a file when it is called."""

    def __init__(self, path):
        super().__init__()

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string, "image_bytes")])
        def serve_images(image_bytes):
            tf.io.write_file(path, image_bytes[0])
            return {"probabilities": tf.ones([tf.size(image_bytes), 2]) / 2}

        self.serve_images = serve_images


def test_a_graph_that_writes_files_needs_trust(tmp_path):
    module, folder = _Writer(str(tmp_path / "written")), tmp_path / "model"
    signatures = {"serve_images": module.serve_images}
    tf.saved_model.save(module, str(folder), signatures=signatures)
    (folder / "assets").mkdir(exist_ok=True)
    (folder / "assets" / "labels.txt").write_text("a\nb\n")

    def predict(folder, **trusted):
        inference.load_predictor(saved_model=folder, **trusted)([PNG])

    _refused(folder, "'WriteFile'.* --trust_graph", predict)
    assert not (tmp_path / "written").exists()
    predict(str(folder), trust_graph=True)
    assert (tmp_path / "written").read_bytes() == PNG


@pytest.mark.parametrize(
    "op",
    [
        "ReadFile", "MatchingFiles", "PyFunc", "PyFuncStateless", "EagerPyFunc",
        "PrintV2", "ImmutableConst", "DebugIdentity", "CacheDataset", "TFRecordDataset",
        "RemoteCall", "XlaLaunch", "NoSuchOperation", "__inference__traced_save_1",
    ],
)  # fmt: skip
def test_operations_that_are_not_for_computing_are_refused(copy, op):
    def add(functions):
        next(reversed(functions.values())).node_def.add(name="added", op=op)

    _edit(copy, add)
    _refused(copy, f"its graph, which executes, has the operation '{op}'")


@pytest.mark.parametrize("way", ["call", "list", "operation", "alias"])
def test_a_model_does_not_call_what_saves_it(copy, way):
    def call(functions):
        served = next(f for n, f in functions.items() if "__inference_serve_" in n)
        saver = next(f for n, f in functions.items() if "traced_save" in n)
        name = saver.signature.name
        node = served.node_def.add(name="added", op="PartitionedCall")
        if way == "call":
            node.attr["f"].func.name = name
        elif way == "list":
            node.attr["f"].list.func.add().name = name
        elif way == "operation":
            node.op = "SaveV2"
        else:
            saver.attr["api_implements"].s = b"anything"

    _edit(copy, call)
    _refused(copy, "calls '__inference_.*', which reads or writes files")


@pytest.mark.parametrize("kept", [0, 1, 0.5, 0.99])
@pytest.mark.parametrize("trusted", [False, True])
def test_a_file_cut_short_is_named(copy, kept, trusted):
    path = copy / "saved_model.pb"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept) or int(kept * len(content))])

    def load(folder):
        export.load_saved_model(folder, trust_graph=trusted)

    _refused(copy, "exported by", load)


def test_variables_cut_short_are_named(copy):
    path = next((copy / "variables").glob("*.data*"))
    path.write_bytes(path.read_bytes()[:-100])
    _refused(copy, "exported by")
    shutil.rmtree(copy / "variables")
    _refused(copy, "exported by")


@pytest.mark.parametrize("labels", ["a\n", "a\nb\nc\n", "", None])
def test_labels_must_be_those_of_the_outputs(copy, labels):
    path = copy / "assets" / "labels.txt"
    os.remove(path)
    if labels is not None:
        path.write_text(labels)
    count = 0 if labels is None else labels.count("\n")
    match = "labels.txt" if labels is None else f"it has {count} labels for 2 outputs"
    _refused(copy, match)


class _Other(tf.Module):
    """Not a classifier of encoded images."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, "x")])
    def doubled(self, x):
        return {"y": 2 * x}


@pytest.mark.parametrize("name", ["serve_images", "serving_default"])
def test_other_signatures_are_refused(tmp_path, name):
    module, folder = _Other(), tmp_path / "model"
    tf.saved_model.save(module, str(folder), signatures={name: module.doubled})
    _refused(folder, "serve_images")


def test_runs_have_no_graph_to_trust(tmp_path):
    with pytest.raises(ValueError, match="trust_graph has no effect with --run_dir"):
        inference.load_predictor(run_dir=str(tmp_path), trust_graph=True)
