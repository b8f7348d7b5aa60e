"""The page's server: answers, bounds and what it leaves behind; the tabs' functions."""

import http.client
import json
import os
import urllib.error
import urllib.request

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cnns import data, inference, inspection
from keras_cnns.commands import run_command

TOKEN = "a-right-token"


def _picture(path, height=20, width=30, channels=3):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, channels))
    data.write_image(str(path), pixels.astype(np.uint8))
    return str(path)


def _get(address):
    with urllib.request.urlopen(address, timeout=60) as response:
        return response.read().decode()


def _upload(page, content):
    """Status of a file that is sent as a browser does."""
    body = (
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n'
        b"Content-Type: image/png\r\n\r\n" + content + b"\r\n--x--\r\n"
    )
    request = urllib.request.Request(
        f"{page.address}gradio_api/upload",
        body,
        {"Content-Type": "multipart/form-data; boundary=x"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, None


def test_the_page_answers_and_has_its_tabs(studio):
    from keras_cnns.studio.page import TABS

    before = os.environ.get("GRADIO_TEMP_DIR")
    with studio(max_upload=1000) as page:
        config = json.loads(_get(f"{page.address}config"))
        names = [
            part["props"]["label"]
            for part in config["components"]
            if part["type"] == "tabitem"
        ]
        assert names == list(TABS)
        assert "keras_cnns studio" in _get(page.address)
        assert not any(
            host in _get(page.address) for host in ("googleapis", "cdnjs", "jsdelivr")
        )
        status, paths = _upload(page, b"1" * 900)
        assert status == http.client.OK
        assert os.path.exists(paths[0])
        assert _upload(page, b"1" * 1100)[0] == http.client.REQUEST_ENTITY_TOO_LARGE
    assert not os.path.exists(paths[0])
    assert os.environ.get("GRADIO_TEMP_DIR") == before


def test_pictures_of_too_many_pixels_are_refused_while_it_is_open(studio, tmp_path):
    from keras_cnns.studio.pictures import read_picture

    small, large = _picture(tmp_path / "a.png", 10, 10), _picture(
        tmp_path / "b.png", 100, 101
    )  # fmt: skip
    before = Image.MAX_IMAGE_PIXELS
    with studio(max_pixels=10_000):
        assert read_picture(small).shape == (10, 10, 3)
        with pytest.raises(ValueError, match="b.png"):
            read_picture(large)
    assert before == Image.MAX_IMAGE_PIXELS
    assert read_picture(large).shape == (100, 101, 3)


def test_a_visitor_needs_the_token(studio):
    with studio(token=TOKEN) as page:
        assert page.address.endswith(f"?token={TOKEN}")
        with pytest.raises(urllib.error.HTTPError, match="403"):
            _get(page.address.split("?")[0])
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(page.address, timeout=60) as response:
            assert "keras_cnns studio" in response.read().decode()
            assert TOKEN not in response.url


def test_a_taken_port_is_one_error(studio):
    with (
        studio() as page,
        pytest.raises(OSError, match="in use"),
        studio(port=page.port),
    ):
        pass  # fmt: skip


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"runs": "nowhere"}, "nowhere is no folder"),
        ({"runs": ".", "exports": "nowhere"}, "--exports=nowhere is no folder"),
        ({"token": "short"}, "token must be 8 or more"),
        ({"token": "with spaces"}, "token must be 8 or more"),
    ],
)
def test_bad_options_are_refused(gradio, options, reason):
    with pytest.raises(ValueError, match=reason):
        run_command("studio", **options)


def test_errors_are_one_line_and_no_html(gradio):
    from keras_cnns.studio.events import told

    def fail(error):
        raise error

    for error, shown in (
        (ValueError("no <b>run</b>"), "no &lt;b&gt;run&lt;/b&gt;"),
        (OSError(2, "gone", "<a>"), "[Errno 2] gone: &#x27;&lt;a&gt;&#x27;"),
        (KeyError("<i>"), "KeyError: &#x27;&lt;i&gt;&#x27;"),
    ):
        with pytest.raises(gradio.Error) as caught:
            told(fail)(error)
        assert caught.value.message == shown


def test_probabilities_are_those_of_predict(gradio, shelf, runs_by_task, tmp_path):
    from keras_cnns.studio.classify_tab import Inspected, blend, classify

    path, folder = _picture(tmp_path / "a.png"), runs_by_task["classification"]
    inspected = Inspected.of_run(shelf.run("classification"), "last")
    found = classify(inspected, path, "grad_cam", "3")
    (told,) = run_command("predict", run_dir=folder, images=path, top_k=10)
    for row in told["predictions"]:
        probability = found.probabilities[row["label"]]
        assert probability == pytest.approx(row["probability"], abs=1e-5)
    seen = (found.picture, found.colours)
    unit = data.to_bytes(found.picture[None], "unit")[0]
    times = 320 // 8
    assert (blend(seen, 0)[::times, ::times] == unit).all()
    assert blend(seen, 1).shape == (320, 320, 3)
    assert blend(None, 1) is None
    with pytest.raises(ValueError, match="no class 'x'"):
        classify(inspected, path, "saliency", "x")


def test_an_export_classifies_as_predict_does_without_maps(
    gradio, shelf, exports_by_task, tmp_path
):
    from keras_cnns.studio.classify_tab import Inspected, check_map, classify

    path, folder = _picture(tmp_path / "a.png"), exports_by_task["classification"]
    opened = shelf.use(
        "export classification/1", "classification", "last", Inspected.of_run
    )
    found = classify(opened, path, "none", "the most probable")
    (told,) = run_command("predict", saved_model=folder, images=path, top_k=10)
    assert len(told["predictions"]) == 10
    for row in told["predictions"]:
        probability = found.probabilities[row["label"]]
        assert probability == pytest.approx(row["probability"], abs=1e-6)
    assert found.colours is None
    picture = data.read_image(path)
    assert (data.to_bytes(found.picture[None], "unit")[0] == picture).all()
    for work in (classify, check_map):
        with pytest.raises(ValueError, match="an export holds no layers"):
            work(opened, path, "saliency", "3")


def test_the_check_of_a_map_is_that_of_inspection(
    gradio, shelf, runs_by_task, tmp_path
):
    """As the command has it, and as the paper's procedure step by step."""
    from keras_cnns.studio.classify_tab import Inspected, check_map

    path, folder = _picture(tmp_path / "a.png"), runs_by_task["classification"]
    inspected = Inspected.of_run(shelf.run("classification"), "last")
    before = inspected.probabilities(inspected.subject.inputs([path]))
    picture, rows = check_map(inspected, path, "guided_backpropagation", "3")
    told = run_command(
        "inspect-classifier", run_dir=folder, images=path, class_name="3",
        methods=["guided_backpropagation"], output_dir=str(tmp_path / "found"),
    )  # fmt: skip
    (image,) = told["images"]
    assert (picture == data.read_image(image["picture"], channels=3)).all()
    stays = image["methods"]["guided_backpropagation"]["stays"].values()
    shown = [[f"{one['absolute']:.2f}", f"{one['signed']:.2f}"] for one in stays]
    assert [values for _, *values in rows] == shown
    explainer, inputs = inspected.explainer, inspected.subject.inputs([path])
    plain = explainer.classifier("gradient")
    found = inspection.randomization_check(
        lambda: explainer.maps("guided_backpropagation", inputs, 3),
        explainer.classifiers("guided_backpropagation"),
        {"logits": [inspection.logit_layer(plain)], "all": None},
    )
    for (_, absolute, signed), one in zip(rows, found.values()):
        assert (absolute, signed) == (f"{one.absolute:.2f}", f"{one.signed:.2f}")
    assert [text for text, *_ in rows] == ["of the logits alone", "of all layers"]
    assert (inspected.probabilities(inputs) == before).all()  # the weights are back


def test_maps_that_cannot_be_checked_are_refused(gradio, shelf, tmp_path):
    from keras_cnns.studio.classify_tab import Inspected, check_map

    path = _picture(tmp_path / "a.png")
    inspected = Inspected.of_run(shelf.run("classification"), "last")
    for method, wanted, reason in (
        ("none", "3", "no map to check: choose one of gradient, saliency"),
        ("saliency", "x", "no class 'x'"),
        ("lrp", "3", "method must be .*got 'lrp'"),
    ):
        with pytest.raises(ValueError, match=reason):
            check_map(inspected, path, method, wanted)


def _drawing(shelf):
    from keras_cnns.studio.drawing import Drawing

    sampler = inference.Sampler(shelf.run("generation"))
    return sampler, Drawing.of_run("generation", sampler, 6, 3, None)


def test_a_walk_begins_and_ends_with_the_chosen_images(gradio, shelf):
    sampler, drawing = _drawing(shelf)
    drawn = data.to_bytes(sampler(6, seed=3), sampler.value_range)
    latents = sampler.latents.draw(6, tf.constant([3, -1], tf.int64)).numpy()
    assert drawing.chosen == (0, 1)
    drawing = drawing.choose(4).choose(2)
    assert drawing.chosen == (4, 2)
    assert drawing.choose(4).chosen == (2, 4)
    for path in ("straight", "spherical"):
        images = drawing.walk(sampler, 3, path)
        assert (images[[0, -1]] == drawn[[4, 2]]).all()
        # The middle of a great circle is the mean over the cosine of half the angle.
        middle = latents[[4, 2]].mean(0)
        if path == "spherical":
            first, last = np.linalg.norm(latents[[4, 2]], axis=1)
            cosine = latents[4] @ latents[2] / (first * last)
            middle /= np.sqrt((1 + cosine) / 2)
        expected = data.to_bytes(
            sampler.generator(middle[None]).numpy(), sampler.value_range
        )
        assert len(images) == 5 and images[2:3] == pytest.approx(expected, abs=1)


def test_a_walk_between_two_classes_mixes_their_labels(gradio):
    from keras_cnns.applications.generative.cgan import CGANGenerator
    from keras_cnns.studio.drawing import Drawing

    generator = CGANGenerator(
        latent_units=5, label_units=5, joint_units=9, image_shape=(4, 4, 1), classes=3
    )
    for weight in generator.weights:
        weight.assign(weight * 20)  # with smaller ones all images are grey
    sampler = inference.GeneratorSampler(generator, "unit_uniform", "abc", "unit")
    drawing = Drawing.of_run("run", sampler, 3, 0, [0, 1, 2]).choose(0).choose(2)
    assert drawing.bounds == (0, 1)
    images = drawing.walk(sampler, 1, "straight")
    latents = sampler.latents.draw(3, tf.constant([0, -1], tf.int64)).numpy()
    labels = np.eye(3, dtype=np.float32)
    for image, one, label in (
        (images[0], latents[0], labels[0]),
        (images[1], (latents[0] + latents[2]) / 2, (labels[0] + labels[2]) / 2),
        (images[2], latents[2], labels[2]),
        (drawing.moved_pixels(sampler), latents[2], labels[2]),
    ):
        expected = generator([one[None], label[None]]).numpy()[0] * 255
        assert image == pytest.approx(expected, abs=1)
    assert (images[0] != images[1]).any() and (images[1] != images[2]).any()


def test_a_slider_moves_its_latent_alone(gradio, shelf):
    sampler, drawing = _drawing(shelf)
    drawing = drawing.choose(5)
    latents = sampler.latents.draw(6, tf.constant([3, -1], tf.int64)).numpy()
    assert (drawing.moved_pixels(sampler) == drawing.pixels[5]).all()
    moved = drawing.move(1, 2.5).move(0, -0.5)
    expected = latents[5].copy()
    expected[:2] = -0.5, 2.5
    assert (moved.moved == expected).all()
    image = sampler.generator(expected[None]).numpy()
    unlike = data.to_bytes(image, sampler.value_range)[0]
    assert (unlike != drawing.pixels[5]).any()
    assert moved.moved_pixels(sampler) == pytest.approx(unlike, abs=1)
    assert (moved.choose(5).moved == latents[5]).all()
    assert (drawing.moved == latents[5]).all()


def _painted(alpha, size=(4, 6)):
    """What an editor gives: a half transparent grey picture, and a layer."""
    background = np.full((*size, 4), 100, np.uint8)
    background[..., 3] = 255
    background[0, 0, 3] = 0
    layer = np.zeros((*size, 4), np.uint8)
    layer[..., 3] = alpha
    return {"background": background, "layers": [layer], "composite": None}


def test_what_is_painted_is_the_hole(gradio):
    from keras_cnns.studio.inpaint_tab import read_painted

    alpha = np.zeros((4, 6), np.uint8)
    alpha[1:3, 2:4], alpha[3, 5] = 255, 100
    image, mask = read_painted(_painted(alpha), 100)
    expected = np.ones((4, 6, 1), np.uint8)
    expected[1:3, 2:4] = 0  # less than half of the other pixel was painted
    assert (mask == expected).all()
    assert (image[0, 0] == 255).all() and (image[1:] == 100).all()
    image, mask = read_painted(_painted(alpha), 3, grey=True)
    assert image.shape == (2, 3, 1) and mask.shape == (2, 3, 1)
    assert image[0, 0] == round((255 + 3 * 100) / 4)
    # Each pixel of the half size had two of four painted.
    assert (mask[..., 0] == [[1, 0, 1], [1, 0, 1]]).all()


@pytest.mark.parametrize(
    ("painted", "reason"),
    [
        (None, "no picture"),
        ({"background": None, "layers": []}, "no picture"),
        (_painted(0), "no hole"),
        (_painted(255), "all of the picture"),
        ({**_painted(0), "layers": [np.zeros((2, 2, 4), np.uint8)]}, "2x2"),
    ],
)
def test_what_cannot_be_filled_is_refused(gradio, painted, reason):
    from keras_cnns.studio.inpaint_tab import read_painted

    with pytest.raises(ValueError, match=reason):
        read_painted(painted, 100)


def test_differences_are_around_grey(gradio):
    from keras_cnns.studio.inpaint_tab import difference

    values = [(0, 0, 128), (255, 0, 255), (0, 255, 0), (10, 4, 131)]
    pixels, image, shown = np.array(values, np.uint8).T
    assert (difference(pixels, image) == shown).all()


def test_only_objects_of_the_score_are_listed(gradio):
    from keras_cnns.studio.detect_tab import count_shown, show_detections

    found = {
        "boxes": np.array([[1, 2, 5, 6], [0, 0, 3, 3]], np.float32),
        "scores": np.array([0.9, 0.4], np.float32),
        "classes": np.array([1, 0]),
    }
    seen = (np.zeros((10, 20, 3), np.uint8), found, ("cat", "dog"))
    drawn, rows = show_detections(seen, 0.5)
    assert rows == [["dog", "0.900", "1.0", "2.0", "5.0", "6.0"]]
    assert drawn.shape == (240, 480, 3)
    assert len(show_detections(seen, 0.4 - 1e-6)[1]) == 2
    assert show_detections(None, 0.5) == (None, [])
    assert count_shown(None, 0) == "objects"
    assert count_shown(seen, 1) == "objects: 1 of 2 shown"
    told = "objects: 0 of 2 shown; the highest score is 0.90"
    assert count_shown(seen, 0) == told
    empty = (seen[0], {"scores": np.zeros(0)}, seen[2])
    assert count_shown(empty, 0) == "objects: none found"


def test_before_and_after_have_one_size(gradio):
    from keras_cnns.studio.upscale_tab import compare_with

    image = np.arange(6, dtype=np.uint8).reshape(2, 3, 1)
    large = inference.BicubicUpscaler(2)(image)
    before, after = compare_with("pixels", image, large, 2)
    assert (before[::2, ::2] == image).all() and (before[1::2, 1::2] == image).all()
    assert (after == large).all() and after.shape == before.shape == (4, 6, 3)
    assert (compare_with("bicubic", image, large, 2)[0] == large).all()


def test_scores_are_those_of_the_last_epoch(gradio, tmp_path):
    from keras_cnns.studio.runs_tab import read_history, score_of

    assert read_history(str(tmp_path)) == []
    rows = "epoch,loss,accuracy,val_accuracy\n1,2.0,0.1,0.5\n2,1.0,0.2,\n"
    (tmp_path / "metrics.csv").write_text(rows)
    history = read_history(str(tmp_path))
    assert score_of(history) == "accuracy 0.2"
    assert score_of(history[:1]) == "val accuracy 0.5"
    assert score_of([]) == ""


def test_large_pictures_are_averaged(gradio):
    from keras_cnns.studio.pictures import smaller

    image = np.array([[0, 100], [50, 250]], np.uint8)[..., None]
    assert smaller(image, 2) is image
    assert smaller(image.repeat(3, 2), 1).tolist() == [[[100, 100, 100]]]


def test_places_for_pictures_refuse_too_large_ones_in_one_line(
    gradio, studio, tmp_path
):
    from gradio.components.image_editor import EditorData
    from gradio.data_classes import FileData, ImageData

    from keras_cnns.studio.inpaint_tab import make_editor
    from keras_cnns.studio.pictures import picture_input

    large = _picture(tmp_path / "b.png", 100, 101)
    drawn = EditorData(background=FileData(path=large), layers=[], composite=None)
    for place, payload in (
        (picture_input("picture"), ImageData(path=large)),
        (make_editor(), drawn),
    ):
        assert place.preprocess(payload) is not None
        with studio(max_pixels=10_000), pytest.raises(gradio.Error) as caught:
            place.preprocess(payload)
        assert "10100 pixels" in caught.value.message


@pytest.mark.parametrize(
    "content", [b"", b"some text\n", b"\x89PNG\r\n\x1a\n" + bytes(100), None]
)
def test_uploads_that_are_no_pictures_are_refused_by_name(gradio, tmp_path, content):
    """An empty file, a text, a signature alone, and half of a picture."""
    from gradio.data_classes import ImageData

    from keras_cnns.studio.pictures import picture_input

    path = _picture(tmp_path / "a.png")
    if content is None:
        with open(path, "rb") as file:
            whole = file.read()
        content = whole[: len(whole) // 2]
    with open(path, "wb") as file:
        file.write(content)
    place = picture_input("picture")
    with pytest.raises(gradio.Error) as caught:
        place.preprocess(ImageData(path=path))
    assert caught.value.message.startswith("picture a.png cannot be read: ")
    assert str(tmp_path) not in caught.value.message
    assert "\n" not in caught.value.message
    assert place.preprocess(None) is None


def test_without_the_extra_the_command_says_so(monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs gradio, .*keras-cnns\[studio\]"):
        run_command("studio")
