"""Comparison of inpainting methods: what it measures, writes and refuses."""

import csv
import json

import constant_inpainter
import numpy as np
import pytest
from PIL import Image
from skimage import metrics as skimage_metrics

from keras_cnns import data
from keras_cnns.commands import find_command, run_command

BINS = ["1%-10%", "10%-20%", "20%-30%", "30%-40%", "40%-50%", "50%-60%"]
SMALL = {"dataset": "digits", "num_images": 5, "batch_size": 2, "seed": 4}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Runs that paint grey levels 51 and 204; one of them trained at another size."""
    folder = tmp_path_factory.mktemp("runs")
    for name, level, size in (
        ("dark", 0.2, 16),
        ("light", 0.8, 16),
        ("large", 0.2, 24),
    ):
        (folder / name).mkdir()
        constant_inpainter.write_run(
            folder / name, (level,), model="masked_unet", size=size, channels=1
        )
    return folder


@pytest.fixture(scope="module")
def compared(folders, data_dir, tmp_path_factory):
    output_dir = tmp_path_factory.mktemp("comparison")
    methods = ["mean", "nearest", str(folders / "dark"), f"bright={folders / 'light'}"]
    result = _compare(methods, data_dir, output_dir, **SMALL)
    return output_dir, result


def _compare(methods, data_dir, output_dir, **options):
    return run_command(
        "compare-inpainting",
        methods=methods,
        data_dir=data_dir,
        output_dir=str(output_dir),
        **options,
    )


@pytest.fixture(scope="module")
def pairs(data_dir):
    """Truth and masks, one image after the other, of each bin."""
    source = data.open_source("digits", "test[:5]", data_dir)
    by_bin = []
    for ratios in data.HOLE_RATIO_BINS:
        batches = data.load_inpainting_evaluation(
            source,
            5,
            preprocessing=data.Preprocessing(16, 16, 1, (0.0,), (1.0,)),
            masks=data.MaskRecipe(hole_ratios=ratios),
            seed=4,
        )
        (batch,) = batches.as_numpy_iterator()
        by_bin.append(list(zip(np.rint(batch[0]).astype(np.float64), batch[1])))
    return by_bin


def _expected(method, truth, mask):
    """(PSNR, SSIM, mean absolute error) of one image, in scikit-image and NumPy."""
    level = {"dark": 51, "bright": 204, "mean": np.rint(truth[mask == 1].mean())}
    filled = np.where(mask == 1, truth, level[method])
    return (
        skimage_metrics.peak_signal_noise_ratio(truth, filled, data_range=255),
        skimage_metrics.structural_similarity(
            truth[..., 0],
            filled[..., 0],
            data_range=255,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        ),
        np.abs(truth - filled).mean() / 255,
    )


@pytest.mark.parametrize("method", ["mean", "dark", "bright"])
def test_all_methods_get_the_same_images_and_holes(compared, pairs, method):
    with open(compared[0] / "comparison.csv") as file:
        rows = {(r["method"], r["hole_ratio_bin"]): r for r in csv.DictReader(file)}
    assert len(rows) == 4 * len(BINS)
    for name, of_bin in zip(BINS, pairs):
        scores = [_expected(method, *pair) for pair in of_bin]
        row = rows[method, name]
        found = [float(row[k]) for k in ("psnr", "ssim", "mean_absolute_error")]
        np.testing.assert_allclose(found, np.mean(scores, 0), rtol=1e-9)
        assert (row["count"], row["num_identical"]) == ("5", "0")


def test_table_json_and_grid(compared, folders, capsys):
    output_dir, result = compared
    lines = (output_dir / "comparison.md").read_text().splitlines()
    assert lines[0] == "| PSNR / SSIM / l1 | " + " | ".join(BINS) + " |"
    names = [line.split(" | ")[0][2:] for line in lines[2:]]
    assert names == ["mean", "nearest", "dark", "bright", "images"]
    with open(output_dir / "comparison.json") as file:
        stored = json.load(file)
    assert stored["dataset"] == "digits" and stored["image_shape"] == [16, 16, 1]
    assert stored["num_images"] == 5 and "seed 4" in stored["masks"]
    dark = {"run": str(folders / "dark"), "which": "last", "model": "masked_unet"}
    assert stored["methods"]["dark"] == dark
    assert stored["methods"]["mean"] == {"exemplar": "mean"}
    seconds = stored["seconds_per_image"]
    assert "this machine" in seconds["measured"]
    assert set(seconds["by_method"]) == {"mean", "nearest", "dark", "bright"}
    for by_bin in seconds["by_method"].values():
        assert list(by_bin) == BINS and all(0 < s < 60 for s in by_bin.values())
    for i, mask in enumerate(result.masks):
        holes = mask == 0
        low, high = data.HOLE_RATIO_BINS[i]
        assert low < holes.mean() <= high
        assert (result.filled["dark"][i][holes] == 51).all()
        for filled in result.filled.values():
            np.testing.assert_array_equal(filled[i][~holes], result.truth[i][~holes])
    with Image.open(output_dir / "comparison.png") as grid:
        # input, four methods and truth of 16 pixels eightfold, 2 between them; labels
        assert grid.width > 6 * 130 - 2 and grid.height > 6 * 130 - 2
        pixels = np.asarray(grid)[-(6 * 130 - 2) :, -(6 * 130 - 2) :]
    last = pixels[5 * 130 :, 3 * 130 : 3 * 130 + 128][::8, ::8]
    np.testing.assert_array_equal(last, result.filled["dark"][5][..., 0])
    assert len(np.unique(result.truth, axis=0)) == 5  # as many images as there are


def test_what_it_prints(data_dir, tmp_path, capsys):
    options = {**SMALL, "image_size": 12, "num_images": 2}
    _compare("nearest,a=mean", data_dir, tmp_path, **options)
    output = capsys.readouterr().out
    assert "| a | " in output and f"everything is in {tmp_path}" in output
    assert len(list(tmp_path.glob("comparison.*"))) == 4


def test_runs_of_different_sizes(folders, data_dir, tmp_path):
    methods = [str(folders / "dark"), str(folders / "large")]
    message = r"dark with 16x16, large with 24x24\); give --image_size"
    with pytest.raises(ValueError, match=message):
        _compare(methods, data_dir, tmp_path, **SMALL)
    options = {**SMALL, "num_images": 1, "image_size": 20}
    result = _compare(methods, data_dir, tmp_path, **options)
    assert result.truth.shape == (6, 20, 20, 1)
    np.testing.assert_array_equal(result.filled["dark"], result.filled["large"])


def _resolve(**given):
    places = {"dataset": "digits", "output_dir": "nowhere"}
    return find_command("compare-inpainting")[1].resolve(**places, **given)


def test_the_epoch_of_no_run_is_refused(folders):
    methods = ["mean", "a=nearest"]
    message = "--which=best has no effect with --methods=mean,a=nearest; leave it out"
    with pytest.raises(ValueError, match=message):
        _resolve(methods=methods, which="best")
    assert _resolve(methods=methods).which == "last"
    methods.append(str(folders / "dark"))
    assert _resolve(methods=methods, which="best").which == "best"


@pytest.mark.parametrize(
    ("given", "quoted"),
    [
        ({"methods": []}, "--methods is missing: methods to compare"),
        ({"methods": ["=mean"]}, "label=folder, got '=mean'"),
        ({"methods": ["mean", "mean=nearest"]}, "two methods are labelled 'mean'"),
        ({"num_images": -1}, "num_images must be at least 0, got -1"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"channels": 2}, "channels must be 0 or 1 or 3, got 2"),
    ],
)
def test_bad_options_are_refused_at_once(given, quoted):
    with pytest.raises(ValueError, match=quoted):
        _resolve(**{"methods": ["mean"], **given})


@pytest.mark.parametrize(
    ("changes", "quoted"),
    [
        ({"methods": ["median"]}, "unknown method 'median'"),
        ({"split": "middle"}, "middle"),
        ({"image_size": 10}, "at least 11x11"),
        ({"num_images": 361}, "1 to the 360 .* 361"),
    ],
)
def test_what_does_not_suit_the_data(data_dir, tmp_path, changes, quoted):
    options = {"methods": ["mean"], **SMALL, **changes}
    with pytest.raises(ValueError, match=quoted):
        _compare(data_dir=data_dir, output_dir=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()
