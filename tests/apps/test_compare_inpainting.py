"""The app that compares inpainting methods."""

import csv
import json

import compare_inpainting
import constant_inpainter
import numpy as np
import pytest
from PIL import Image
from skimage import metrics as skimage_metrics

from keras_cnns import data

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
    result = compare_inpainting.run(
        methods, data_dir=data_dir, output_dir=str(output_dir), **SMALL
    )
    return output_dir, result


def _pairs(data_dir, ratios):
    """Truth and masks, one image after the other."""
    source = data.open_source("digits", "test", data_dir)
    batches = data.load_inpainting_evaluation(
        source,
        5,
        preprocessing=data.Preprocessing(16, 16, 1, (0.0,), (1.0,)),
        masks=data.MaskRecipe(hole_ratios=ratios),
        num_examples=5,
        seed=4,
    )
    (batch,) = batches.as_numpy_iterator()
    return zip(np.rint(batch[0]).astype(np.float64), batch[1])


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
def test_all_methods_get_the_same_images_and_holes(compared, data_dir, method):
    with open(compared[0] / "comparison.csv") as file:
        rows = {(r["method"], r["hole_ratio_bin"]): r for r in csv.DictReader(file)}
    assert len(rows) == 4 * len(BINS)
    for name, ratios in zip(BINS, data.HOLE_RATIO_BINS):
        scores = [_expected(method, *pair) for pair in _pairs(data_dir, ratios)]
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


def test_from_a_shell(finish, data_dir, tmp_path):
    flags = {**SMALL, "methods": "nearest,a=mean", "image_size": 12, "num_images": 2}
    flags |= {"data_dir": data_dir, "output_dir": tmp_path}
    code, output, errors = finish(
        "apps/compare_inpainting.py", *(f"--{k}={v}" for k, v in flags.items())
    )
    assert code == 0, errors
    assert "| a | " in output and f"everything is in {tmp_path}" in output
    assert len(list(tmp_path.glob("comparison.*"))) == 4


def test_runs_of_different_sizes(folders, data_dir, tmp_path):
    flags = {"methods": [str(folders / "dark"), str(folders / "large")]}
    flags |= {"data_dir": data_dir, "output_dir": str(tmp_path), **SMALL}
    message = r"dark with 16x16, large with 24x24\); give --image_size"
    with pytest.raises(ValueError, match=message):
        compare_inpainting.run(**flags)
    result = compare_inpainting.run(image_size=20, **{**flags, "num_images": 1})
    assert result.truth.shape == (6, 20, 20, 1)
    np.testing.assert_array_equal(result.filled["dark"], result.filled["large"])


def test_the_epoch_of_no_run_is_refused(folders):
    values = {"methods": ["mean", "a=nearest"], "which": "best"}
    message = "--which=best has no effect with --methods=mean,a=nearest; leave it out"
    with pytest.raises(ValueError, match=message):
        compare_inpainting._checked(values, {"methods", "which"})
    assert compare_inpainting._checked(values, {"methods"}) is values
    values["methods"].append(str(folders / "dark"))
    assert compare_inpainting._checked(values, {"methods", "which"}) is values


@pytest.mark.parametrize(
    ("flags", "quoted"),
    [
        ({"methods": []}, "names no method"),
        ({"methods": ["median"]}, "unknown method 'median'"),
        ({"methods": ["=mean"]}, "label=folder, got '=mean'"),
        ({"methods": ["mean", "mean=nearest"]}, "two methods are labelled 'mean'"),
        ({"split": "middle"}, "middle"),
        ({"image_size": 10}, "at least 11x11"),
        ({"num_images": 361}, "1 to the 360 .* 361"),
        ({"num_images": -1}, "num_images=-1"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"image_size": 16, "channels": 2}, "channels must be 1 or 3, got 2"),
    ],
)
def test_bad_flags(data_dir, tmp_path, flags, quoted):
    places = {"data_dir": data_dir, "output_dir": str(tmp_path / "out")}
    with pytest.raises(ValueError, match=quoted):
        compare_inpainting.run(**{"methods": ["mean"], **SMALL, **places, **flags})
    assert not (tmp_path / "out").exists()
