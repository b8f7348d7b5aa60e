"""Training of super-resolution networks, enlarging and comparing, what is refused."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from run_states import check_equal_states

import keras_cnns
from keras_cnns import applications, data, export, inference, runs
from keras_cnns.commands import program, run_command
from keras_cnns.tasks.super_resolution import MODELS, SuperResolutionOptions

APP = "apps/train_super_resolution.py"
PLACES = {"dataset": "digits", "run_dir": "nowhere"}


@pytest.fixture(scope="module")
def trained(small_options, tmp_path_factory, verifying_here):
    """Folder of a small run of EDSR x2, its export, and its progress."""
    folder = tmp_path_factory.mktemp("edsr")
    places = {"run_dir": str(folder / "run"), "export_dir": str(folder / "saved")}
    with verifying_here():
        progress = run_command(
            "train-super-resolution", **small_options("super_resolution", **places)
        )
    return folder / "run", folder / "saved" / "edsr_small_x2" / "1", progress


# Of luma, with a border that training loses, several outputs, and several factors.
LUMA = {
    "srcnn915": {
        "builder_args": '{"network": {"filters": [4, 3]}}',
        "image_size": 21,
        "scales": (3, 2),
    },
    "drcn_small": {
        "builder_args": '{"network": {"filters": 4, "recursions": 2}}',
        "supervision_fraction": 0.5,
        "scales": (2,),
    },
    "vdsr_small": {
        "builder_args": '{"network": {"filters": 4, "depth": 3}}',
        "gradient_clip_value": 0.01,
        "scales": (4,),
    },
}


_SLOW = {name: [] if name == "srcnn915" else [pytest.mark.slow] for name in LUMA}


@pytest.fixture(
    scope="module",
    params=[pytest.param(name, marks=marks) for name, marks in _SLOW.items()],
)
def luma_run(request, small_options, tmp_path_factory):
    """(folder, options) of a small run of each of them, of one epoch."""
    folder = tmp_path_factory.mktemp("luma")
    options = small_options(
        "super_resolution",
        **{"model": request.param, "epochs": 1, **LUMA[request.param]},
    )
    run_command("train-super-resolution", run_dir=str(folder / "run"), **options)
    return str(folder / "run"), options


def _picture(height, width, channels=3, seed=0):
    shape = (height, width, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def _psnr(network, folder, scale):
    """Mean PSNR of colours of the test pictures, worked out in NumPy."""
    values = []
    for path in sorted((folder / "test").glob("*.png")):
        truth = np.asarray(Image.open(path)).astype(float)
        height, width = (side - side % scale for side in truth.shape[:2])
        truth = truth[:height, :width]
        small = np.rint(data.resize_bicubic(truth, 1 / scale).numpy().clip(0, 255))
        inputs = small[np.newaxis].astype(np.float32) / 255
        made = np.rint(255 * network(inputs).numpy()[0].clip(0, 1))
        error = (made - truth)[scale:-scale, scale:-scale]
        values.append(10 * np.log10(255**2 / (error**2).mean()))
    return np.mean(values)


def test_it_leaves_everything_it_promises(trained, pictures_dir, tmp_path_factory):
    run_dir, _, progress = trained
    with open(run_dir / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["4", "8"]  # 4 pictures in fours, 4 times
    assert {"loss", "val_psnr"} < set(rows[0])
    for epoch in (1, 2):
        with Image.open(run_dir / "samples" / f"epoch_{epoch:04d}.png") as grid:
            # crops of 38 of two pictures fivefold, three ways
            assert grid.width == 3 * 192 - 2 and 2 * 192 < grid.height < 2 * 192 + 30
    Image.open(run_dir / "training_curves.png").verify()
    run = runs.read_run(str(run_dir), "super_resolution")
    assert run.config.details == {"scales": [2], "enlarged": False}
    network = run.load("network")
    assert network.input_shape == (None, None, None, 3)
    folder = type(run_dir)(pictures_dir)
    last = progress["history"][-1]["val_psnr"]
    assert _psnr(network, folder, 2) == pytest.approx(last, abs=1e-3)


def test_the_inferencer_is_the_network(trained):
    run_dir, _, _ = trained
    run = keras_cnns.open_run(str(run_dir))
    upscale = run.inferencer()
    assert isinstance(upscale, inference.NetworkUpscaler) and upscale.scale == 2
    picture = _picture(9, 13)
    made = run.load("network")(picture[np.newaxis] / np.float32(255))[0]
    levels = 255 * np.clip(made, 0, 1)
    np.testing.assert_allclose(upscale(picture), levels, atol=0.51)
    with pytest.raises(ValueError, match=r"was trained for x2, not for x5"):
        run.inferencer(scale=5)


def test_the_export_gives_what_the_upscaler_gives(trained):
    run_dir, version, _ = trained
    upscale = keras_cnns.open_run(str(run_dir)).inferencer()
    export.check_graph(str(version))  # else no server loads it
    served = tf.saved_model.load(str(version)).signatures
    assert set(served) == {"serving_default", "serve_images"}
    pictures = [_picture(9, 13), _picture(6, 30)]
    made = served["serving_default"](
        images=tf.constant(pictures[0][np.newaxis] / 255.0, tf.float32)
    )
    np.testing.assert_allclose(255 * made["images"][0], upscale(pictures[0]), atol=0.51)
    encoded = [tf.io.encode_png(picture).numpy() for picture in pictures]
    answers = served["serve_images"](image_bytes=tf.constant(encoded))["image_bytes"]
    for answer, picture in zip(answers, pictures):
        large = tf.io.decode_png(answer).numpy().astype(int)
        assert np.abs(large - upscale(picture)).max() <= 1


def test_networks_of_luma(luma_run, tmp_path, verify_here):
    """What was trained is used as published: padded, with one output."""
    run_dir, options = luma_run
    run = keras_cnns.open_run(run_dir)
    scales = list(options["scales"])
    assert run.config.details == {"scales": scales, "enlarged": True}
    network = run.load("network")
    assert network.output_shape == (None, None, None, 1)
    upscale = run.inferencer(scale=scales[-1])
    picture = _picture(12, 11)
    planes = _ycbcr(data.resize_bicubic(picture, scales[-1]).numpy())
    luma = network(planes[np.newaxis, ..., :1].astype(np.float32) / 255)[0]
    planes[..., :1] = 255 * luma
    np.testing.assert_allclose(upscale(picture), _rgb(planes).clip(0, 255), atol=0.55)
    version, _ = run.export(str(tmp_path))
    served = tf.saved_model.load(version).signatures
    suffix = "" if len(scales) == 1 else f"_x{scales[-1]}"
    assert len(served) == 2 * len(scales)
    content = tf.constant([tf.io.encode_png(picture).numpy()])
    answer = served[f"serve_images{suffix}"](image_bytes=content)["image_bytes"]
    large = tf.io.decode_png(answer[0]).numpy().astype(int)
    assert np.abs(large - upscale(picture)).max() <= 1


def _ycbcr(rgb):
    """MATLAB's rgb2ycbcr, as its documentation has it."""
    r, g, b = np.moveaxis(rgb / 255.0, 2, 0)
    y = 16 + 65.481 * r + 128.553 * g + 24.966 * b
    cb = 128 - 37.797 * r - 74.203 * g + 112 * b
    return np.stack([y, cb, 128 + 112 * r - 93.786 * g - 18.214 * b], 2)


def _rgb(planes):
    matrix = [_ycbcr(255.0 * np.eye(3)[np.newaxis])[0, i] for i in range(3)]
    offsets = np.array([16, 128, 128.0])
    return 255 * (planes - offsets) @ np.linalg.inv(np.array(matrix) - offsets)


@pytest.mark.slow  # a training more
def test_a_run_starts_from_anothers_weights(trained, small_options, tmp_path):
    run_dir, _, _ = trained
    options = small_options(
        "super_resolution",
        run_dir=str(tmp_path / "run"),
        init_weights=str(run_dir),
        learning_rate=1e-12,
        epochs=1,
    )
    progress = run_command("train-super-resolution", **options)
    with open(run_dir / "metrics.csv") as file:
        last = float(list(csv.DictReader(file))[-1]["val_psnr"])
    assert progress["history"][0]["val_psnr"] == pytest.approx(last, abs=1e-3)


def test_a_finished_run_that_is_resumed_stays_as_it_is(trained, small_options):
    run_dir, _, _ = trained
    before = (run_dir / "last.h5").read_bytes()
    options = small_options("super_resolution", run_dir=str(run_dir))
    run_command("train-super-resolution", resume=True, **options)
    assert (run_dir / "last.h5").read_bytes() == before
    with pytest.raises(ValueError, match="image_size"):
        options["image_size"] = 18
        run_command("train-super-resolution", resume=True, **options)


@pytest.mark.slow  # a minute
def test_killed_and_resumed_it_ends_as_one_left_alone(
    killed_and_resumed, small_options
):
    """Within an epoch, with turned patches of several pictures and averaged weights."""
    options = small_options(
        "super_resolution",
        checkpoint_interval=1,
        deterministic=True,
        ema_decay=0.9,
        patches_per_picture=2,
        epochs=3,
    )
    straight, broken = killed_and_resumed(APP, options, 11)
    check_equal_states(straight, broken, 24)


@pytest.mark.slow  # half a minute each
@pytest.mark.parametrize(
    "changes",
    [
        {"enable_xla": True},
        {"mixed_precision": "float16"},
        {"mixed_precision": "bfloat16", "model": "drcn_small", "scales": (2,),
         "builder_args": '{"network": {"filters": 4, "recursions": 2}}'},
    ],
    ids=lambda changes: ",".join(changes),
)  # fmt: skip
def test_compiled_and_in_half_precision(small_options, tmp_path, changes):
    options = small_options("super_resolution", epochs=1, **changes)
    progress = run_command(
        "train-super-resolution", run_dir=str(tmp_path / "run"), **options
    )
    assert np.isfinite(progress["history"][0]["val_psnr"])
    assert inference.load_upscaler(str(tmp_path / "run"))(_picture(5, 6)).shape


def _resolve(**given):
    return SuperResolutionOptions.resolve(**PLACES, **given)


def test_published_hyper_parameters():
    edsr = _resolve(model="edsr_x4")
    assert (edsr.loss, edsr.image_size, edsr.batch_size) == ("l1", 4 * 48, 16)
    assert edsr.learning_rate == 1e-4
    # half the sum of squares over 41x41 at 0.1, decay 1e-4
    vdsr = _resolve(model="vdsr")
    assert vdsr.learning_rate == pytest.approx(0.1 * 41 * 41 / 2)
    assert vdsr.learning_rate * vdsr.weight_decay == pytest.approx(0.1 * 1e-4)
    assert vdsr.enlarged_scales() == (2, 3, 4)
    quick = _resolve(model="vdsr", recipe="quick", batch_size=8)
    assert (quick.optimizer, quick.learning_rate, quick.batch_size) == ("adam", 1e-3, 8)
    assert quick.enlarged_scales() == (2, 3, 4) and quick.loss == "l2"


def test_every_network_of_pictures_can_be_trained():
    names = applications.list_models("super_resolution")
    trained = {row.networks["network"] for row in MODELS.values()}
    assert trained == {name for name in names if not name.endswith("discriminator")}


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"model": "edsr_x5"}, "'edsr_x5'.*edsr_x4"),
        ({"model": "edsr_x4", "scales": "3"}, "--scales=3 has no effect with --model"),
        ({"model": "vdsr", "upsampling": "icnr"}, "--upsampling=icnr has no effect"),
        ({"model": "vdsr", "supervision_fraction": 0.5}, "no effect.*drcn"),
        ({"model": "vdsr", "scales": "1,2"}, "from 2 to 8, got '1,2'"),
        ({"model": "vdsr", "scales": "2,2"}, "different whole numbers.*'2,2'"),
        ({"model": "vdsr", "scales": "2.5"}, "scales must be whole numbers"),
        ({"model": "vdsr", "patches_per_picture": 3}, "batch_size=64.*picture=3"),
        ({"model": "vdsr", "augmentation": "flip"}, "augmentation.*'turns'"),
        ({"model": "vdsr", "recipe": "fast"}, "recipe.*'quick'.*'fast'"),
    ],
)
def test_bad_options_are_refused_at_once(given, quoted):
    with pytest.raises(ValueError, match=quoted):
        _resolve(**given)


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"image_size": 15}, "patch_size=15 must be a multiple of the scale 2"),
        ({"batch_size": 64}, "of 64 pictures.*has 16; raise patches_per_picture"),
        ({"builder_args": '{"network": {"scale": 5}}'}, "scale 5"),
        ({"init_weights": "nowhere.h5"}, "nowhere.h5"),
        ({"model": "fsrcnn_s_x2", "builder_args": "", "upsampling": "nearest"},
         "upsampling must be.*'nearest'"),
    ],
    ids=str,
)  # fmt: skip
def test_what_does_not_suit_is_refused_before_training(
    small_options, tmp_path, changes, quoted
):
    options = small_options(
        "super_resolution", run_dir=str(tmp_path / "run"), **changes
    )
    with pytest.raises((ValueError, OSError), match=quoted):
        run_command("train-super-resolution", **options)
    assert not (tmp_path / "run" / "metrics.csv").exists()


@pytest.mark.parametrize(
    "split", ["test", pytest.param("train", marks=pytest.mark.slow)]
)
def test_pictures_that_are_too_small_are_named(small_options, tmp_path, split):
    for name in ("train", "test"):
        (tmp_path / "data" / name).mkdir(parents=True)
        size = (1, 1) if name == split else (40, 40)
        path = tmp_path / "data" / name / "0.png"
        data.write_image(str(path), _picture(*size))
    options = small_options(
        "super_resolution",
        dataset=str(tmp_path / "data"),
        run_dir=str(tmp_path / "run"),
    )
    with pytest.raises(tf.errors.InvalidArgumentError) as refused:
        run_command("train-super-resolution", **options)
    told = program.what_happened(refused.value.message)
    assert "a picture is smaller than the least side" in told and "\n" not in told


@pytest.mark.slow  # a process
def test_errors_from_a_shell_are_one_line(finish, small_options, tmp_path):
    options = small_options(
        "super_resolution", optimizer="sgd", learning_rate=1e30, epochs=1
    )
    flags = [f"--{name}={value}" for name, value in options.items()]
    code, _, errors = finish(APP, *flags, f"--run_dir={tmp_path / 'run'}")
    *_, last = errors.strip().splitlines()
    assert code == 1 and last.startswith("error: the loss became "), errors
    assert "Traceback" not in errors


# Enlarging files.


def _upscale(folder, name="", **options):
    places = {"input": str(folder / "in" / name), "output": str(folder / "out")}
    return run_command("upscale", **{**places, **options})


def _write(folder, name, pixels):
    (folder / "in").mkdir(exist_ok=True)
    Image.fromarray(pixels).save(folder / "in" / name)


def test_one_picture(trained, tmp_path, capsys):
    run_dir, _, _ = trained
    picture = _picture(21, 34)
    _write(tmp_path, "a.png", picture)
    output = str(tmp_path / "new" / "large.png")
    (path,) = _upscale(tmp_path, "a.png", method=str(run_dir), output=output)
    expected = inference.load_upscaler(str(run_dir))(picture)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), expected)
    assert path == output and "1 enlarged pictures in" in capsys.readouterr().out
    (path,) = _upscale(tmp_path, "a.png", method=str(run_dir), tile_size=8)
    tiled = np.asarray(Image.open(path)).astype(int)
    assert np.abs(tiled - expected).max() <= 1
    (path,) = _upscale(tmp_path, "a.png", method=str(run_dir), self_ensemble=True)
    ensemble = inference.load_upscaler(str(run_dir), ensemble=True)(picture)
    np.testing.assert_array_equal(np.asarray(Image.open(path)), ensemble)
    assert (ensemble != expected).any()


def test_a_folder_of_all_kinds(trained, tmp_path, capsys):
    """Alpha on white, 16 bits rounded, grey stays grey, one pixel; bad ones named."""
    run_dir, _, _ = trained
    colour = _picture(6, 7)
    alpha = np.concatenate([colour, np.full((6, 7, 1), 255, np.uint8)], 2)
    alpha[:3, ..., 3] = 0
    _write(tmp_path, "alpha.png", alpha)
    _write(tmp_path, "grey.png", colour[..., 0])
    _write(tmp_path, "deep.png", colour[..., 0].astype(np.uint16) * 257)
    _write(tmp_path, "pixel.png", colour[:1, :1])
    (tmp_path / "in" / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    with pytest.raises(ValueError, match="1 of 5 pictures could not be enlarged"):
        _upscale(tmp_path, method=str(run_dir))
    errors = capsys.readouterr().err.strip().splitlines()
    assert len(errors) == 1 and "broken.jpg cannot be read" in errors[0]
    upscale = inference.load_upscaler(str(run_dir))
    white = np.where(alpha[..., 3:] > 0, colour, np.uint8(255))
    for name, picture in (
        ("alpha", white),
        ("grey", colour[..., :1]),
        ("deep", colour[..., :1]),
        ("pixel", colour[:1, :1]),
    ):
        with Image.open(tmp_path / "out" / f"{name}.png") as made:
            assert made.mode == ("L" if picture.shape[2] == 1 else "RGB")
            np.testing.assert_array_equal(
                np.asarray(made).reshape(2 * picture.shape[0], -1),
                upscale(picture).reshape(2 * picture.shape[0], -1),
            )


def test_other_peoples_weights(tmp_path):
    """Of a network that the file names."""
    network = applications.create_model("fsrcnn_s_x3")
    path = str(tmp_path / "fsrcnn.h5")
    applications.save_weights(network, path)
    picture = _picture(8, 9, 1)
    _write(tmp_path, "a.png", picture[..., 0])
    (made,) = _upscale(tmp_path, "a.png", method=f"fsrcnn_s_x3:{path}")
    expected = inference.NetworkUpscaler(network)(picture)[..., 0]
    np.testing.assert_array_equal(np.asarray(Image.open(made)), expected)


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"method": "bicubic"}, "takes any scale; give one"),
        ({"method": "lanczos"}, "unknown method 'lanczos': neither bicubic nor"),
        ({"method": "fsrcnn_s_x3:none.h5"}, "none.h5"),
        ({"method": "bicubic", "scale": 9}, "scale must be in"),
        ({"method": "bicubic", "scale": 1}, "scale must be.*got 1"),
        ({"method": "bicubic", "scale": 2, "self_ensemble": True}, "no effect"),
        ({"method": "bicubic", "scale": 2, "which": "best"}, "folder of a run"),
        ({"input": "nowhere.png"}, "--input=nowhere.png is neither"),
        ({"output": "large.jpg"}, "must end in .png"),
        ({"scale": 3}, "was trained for x2, not for x3"),
    ],
    ids=str,
)
def test_what_cannot_be_enlarged_is_refused(trained, tmp_path, changes, quoted):
    run_dir, _, _ = trained
    _write(tmp_path, "a.png", _picture(6, 7))
    with pytest.raises((ValueError, OSError), match=quoted) as refused:
        _upscale(tmp_path, "a.png", **{"method": str(run_dir), **changes})
    assert "\n" not in str(refused.value)


# Comparing.


@pytest.fixture
def compare(trained, pictures_dir, tmp_path):
    """Compares a run with bicubic interpolation: (result, JSON)."""
    run_dir, _, _ = trained

    def run(name="out", **options):
        folder = tmp_path / name
        places = {"dataset": pictures_dir, "output_dir": str(folder)}
        given = {"methods": (f"EDSR={run_dir}",), **places, **options}
        result = run_command("compare-super-resolution", **given)
        return result, json.loads((folder / "comparison.json").read_text())

    return run


def test_a_comparison(compare, trained, pictures_dir, tmp_path, capsys):
    run_dir, _, _ = trained
    result, stored = compare(self_ensemble=True)
    source = data.open_source(pictures_dir, "test", labelled=False)
    alone = inference.evaluate_upscaler(inference.BicubicUpscaler(2), source)
    assert list(result.reports) == ["bicubic", "EDSR", "EDSR+"]
    assert [one.name for one in alone.pictures] == ["chelsea0", "china1"]
    assert result.reports["bicubic"] == alone
    upscaler = inference.load_upscaler(str(run_dir))
    report = inference.evaluate_upscaler(upscaler, source)
    assert result.reports["EDSR"].pictures == report.pictures
    assert stored["reports"]["EDSR"]["psnr"] == report.psnr
    assert stored["reports"]["EDSR"]["protocol"]["shave"] == 2
    assert set(stored["seconds_per_picture"]["by_method"]) == set(result.reports)
    with open(tmp_path / "out" / "comparison.csv") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3 * 2 and float(rows[0]["psnr"]) == alone.pictures[0].psnr
    printed = capsys.readouterr().out
    gain = report.psnr - alone.psnr
    line = f"| EDSR | {report.psnr:.2f} | {gain:+.2f} | {report.ssim:.4f} |"
    assert line in printed
    assert (tmp_path / "out" / "comparison.md").read_text() in printed
    with Image.open(tmp_path / "out" / "comparison.png") as grid:
        assert grid.width > 4 * 190 and grid.height > 2 * 190


def test_crops_are_where_bicubic_errs_most(tmp_path):
    (tmp_path / "data" / "test").mkdir(parents=True)
    picture = np.full((120, 130, 3), 128, np.uint8)
    picture[60:70, 90:100] = _picture(10, 10)
    data.write_image(str(tmp_path / "data" / "test" / "a.png"), picture)
    source = data.open_source(str(tmp_path / "data"), "test", labelled=False)
    upscalers = {"bicubic": inference.BicubicUpscaler(2)}
    (crop,) = inference.compare_upscalers(upscalers, source).crops["truth"]
    assert crop.shape == (48, 48, 3)
    assert (crop != 128).any(2).sum() == (picture != 128).any(2).sum()


class _Never:
    scale = 2

    def __call__(self, picture):
        raise AssertionError("nothing may be enlarged")


def test_other_protocols_are_refused_before_anything_is_enlarged(tmp_path):
    (tmp_path / "data" / "test").mkdir(parents=True)
    data.write_image(str(tmp_path / "data" / "test" / "a.png"), _picture(40, 40))
    source = data.open_source(str(tmp_path / "data"), "test", labelled=False)
    bicubic = {"bicubic": inference.BicubicUpscaler(2)}
    others = inference.compare_upscalers(bicubic, source).reports.values()
    with pytest.raises(ValueError, match=r"differ in shave \(4, 2\)"):
        inference.compare_upscalers({"a": _Never()}, source, shave=4, others=others)


def test_other_comparisons_are_added_if_of_one_protocol(compare, tmp_path, capsys):
    compare("first")
    other = str(tmp_path / "first" / "comparison.json")
    _, stored = compare("second", compare_with=other)
    assert list(stored["reports"]) == ["bicubic", "EDSR", "EDSR (other)"]
    for changes, quoted in (
        ({"scored": "rgb"}, r"differ in channels \('rgb', 'y'\)"),
        ({"shave": 4}, r"differ in shave \(4, 2\)"),
        ({"num_images": 1}, r"differ in num_images \(1, 2\)"),
    ):
        with pytest.raises(ValueError, match=quoted):
            compare("third", compare_with=other, **changes)
    (tmp_path / "bad.json").write_text("[3]")
    with pytest.raises(ValueError, match="bad.json cannot be read as a compar"):
        compare("third", compare_with=str(tmp_path / "bad.json"))


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"methods": ("bicubic",)}, "bicubic has a row in any case"),
        ({"methods": ("a=x", "a=y")}, "two methods are labelled 'a'"),
        ({"methods": ("nowhere",)}, "unknown method 'nowhere'"),
        ({"scale": 3}, "was trained for x2, not for x3"),
        ({"shave": 30}, "chelsea0: without 30 pixels.*less than 11x11"),
    ],
    ids=str,
)
def test_what_does_not_compare_is_refused(compare, changes, quoted):
    with pytest.raises(ValueError, match=quoted):
        compare(**changes)
