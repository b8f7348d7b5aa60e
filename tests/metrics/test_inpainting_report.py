"""Hole ratios by hand; scores of composites; means, CSV, JSON and Markdown."""

import csv
import json

import numpy as np
import pytest

from keras_cnns import metrics


def _mask(num_holes, side=20):
    mask = np.ones(side * side, np.float32)
    mask[:num_holes] = 0
    return mask.reshape(side, side, 1)


@pytest.mark.parametrize(
    ("num_holes", "expected"),
    [
        (0, None),
        (4, None),  # 0.01, which is not in the first bin
        (5, (0.01, 0.1)),
        (40, (0.01, 0.1)),  # 0.1, which still is
        (41, (0.1, 0.2)),
        (120, (0.2, 0.3)),
        (121, (0.3, 0.4)),
        (200, (0.4, 0.5)),
        (240, (0.5, 0.6)),
        (241, None),
        (400, None),
    ],
)
def test_hole_ratio_bins(num_holes, expected):
    mask = _mask(num_holes)
    assert metrics.hole_ratio(mask) == num_holes / 400
    assert metrics.hole_ratio_bin(mask) == expected
    assert metrics.hole_ratio_bin(mask[..., 0].astype(bool)) == expected


def test_no_masks():
    with pytest.raises(ValueError, match=r"\(20, 20, 3\)"):
        metrics.hole_ratio(np.ones((20, 20, 3)))
    with pytest.raises(ValueError, match="255"):
        metrics.hole_ratio_bin(np.full((20, 20), 255))


def _measure(method, offset, num_holes=(60, 100, 60)):
    """Flat images; a method is wrong by ``offset`` in the holes, by 90 elsewhere."""
    truth = np.full((len(num_holes), 20, 20, 3), 100, np.uint8)
    masks = np.stack([_mask(n) for n in num_holes])
    outputs = np.where(masks == 1, 190, 100 + np.reshape(offset, (-1, 1, 1, 1)))
    outputs = np.broadcast_to(outputs, truth.shape).astype(np.uint8)
    return metrics.measure_inpainting(
        method, truth, outputs, masks, value_range=(0, 255)
    )


def test_the_composite_is_scored():
    first, second, _ = _measure("ours", 51)
    assert (first.method, first.hole_ratio) == ("ours", 0.15)
    assert (first.hole_ratio_bin, second.hole_ratio_bin) == ("10%-20%", "20%-30%")
    # 51 of 255 in 60 of 400 pixels: l1 0.2 * 0.15, squared error 0.04 * 0.15.
    assert first.mean_absolute_error == pytest.approx(0.03)
    assert first.psnr == pytest.approx(-10 * np.log10(0.006))
    assert second.mean_absolute_error == pytest.approx(0.05)
    assert second.psnr == pytest.approx(20)
    assert second.ssim < first.ssim < 1


def test_rows():
    rows = metrics.summarize_inpainting(
        _measure("worse", 102) + _measure("ours", 51, (100, 300, 0))
    )
    assert [(r.method, r.hole_ratio_bin, r.count) for r in rows] == [
        ("worse", "10%-20%", 2),
        ("worse", "20%-30%", 1),
        ("ours", "20%-30%", 1),
        ("ours", "other", 2),
    ]
    assert rows[0].psnr == pytest.approx(-10 * np.log10(0.16 * 0.15))
    assert rows[2].psnr == pytest.approx(20)
    # No hole: equal to the truth, and no part of the mean of the other's PSNR.
    assert (rows[2].num_identical, rows[3].num_identical) == (0, 1)
    assert rows[3].psnr == pytest.approx(-10 * np.log10(0.04 * 0.75))
    assert rows[3].mean_absolute_error == pytest.approx((0.2 * 0.75 + 0) / 2)


def test_means_are_of_decibels():
    row = metrics.summarize_inpainting(_measure("ours", [51, 102], (100, 100)))[0]
    assert row.psnr == pytest.approx((20 - 10 * np.log10(0.04)) / 2)


def test_only_identical_images():
    rows = metrics.summarize_inpainting(_measure("exact", 0))
    assert [(r.psnr, r.num_identical, r.count) for r in rows] == [
        (None, 2, 2),
        (None, 1, 1),
    ]
    assert all(r.ssim == pytest.approx(1) and r.mean_absolute_error == 0 for r in rows)


@pytest.fixture
def rows():
    return metrics.summarize_inpainting(
        _measure("mean | colour", 102)
        + _measure("ours", 51)
        + _measure("exact", 0, (60,))
    )


def test_files(tmp_path, rows):
    paths = [str(tmp_path / "tables" / name) for name in ("rows.csv", "rows.json")]
    metrics.write_quality_csv(paths[0], rows)
    metrics.write_quality_json(paths[1], rows, data_set="flat", seed=3)
    with open(paths[1], encoding="utf-8") as file:
        content = json.load(file)
    assert (content["data_set"], content["seed"]) == ("flat", 3)
    assert [metrics.QualityRow(**row) for row in content["rows"]] == rows
    with open(paths[0], encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    assert [line["method"] for line in lines] == [row.method for row in rows]
    for line, row in zip(lines, rows):
        assert line["psnr"] == ("" if row.psnr is None else str(row.psnr))
        assert int(line["count"]) == row.count
        assert float(line["ssim"]) == row.ssim
    assert sorted(p.name for p in (tmp_path / "tables").iterdir()) == [
        "rows.csv",
        "rows.json",
    ]


def test_markdown(rows):
    lines = metrics.quality_markdown(rows).splitlines()
    table = [line.strip("| ").split(" | ") for line in lines]
    assert table[0] == ["PSNR / SSIM / l1", "10%-20%", "20%-30%"]
    assert table[1] == ["---"] * 3
    assert table[2][0] == r"mean \| colour"  # else the row would have a cell more
    assert [row[0] for row in table[3:]] == ["ours", "exact", "images"]
    assert table[3][2].startswith("**20.00** / **0.") and table[3][2].endswith(
        "**5.00%**"
    )
    assert table[3][1].startswith("22.22 / 0.") and table[3][1].endswith(" / 3.00%")
    assert table[4][1:] == ["**inf** / **1.0000** / **0.00%**", "-"]
    assert table[5][1:] == ["1, 2", "1"]
    assert all(line.replace("\\|", "").count("|") == 4 for line in lines)


def test_bad_input():
    truth = np.zeros((1, 20, 20, 1))
    masks = _mask(30)[np.newaxis]
    measure = metrics.measure_inpainting
    with pytest.raises(ValueError, match=r"\(1, 20, 20, 1\), got \(1, 20, 20, 3\)"):
        measure("ours", truth, np.zeros((1, 20, 20, 3)), masks, value_range=(0, 1))
    with pytest.raises(ValueError, match="masks must have the shape"):
        measure("ours", truth, truth, masks[0], value_range=(0, 1))
    with pytest.raises(ValueError, match="1 .valid. and 0 .hole. only, got 0.25"):
        measure("ours", truth, truth, masks * 0.25, value_range=(0, 1))
    with pytest.raises(ValueError, match="nan"):
        measure("ours", truth, truth * np.nan, masks, value_range=(0, 1))
    with pytest.raises(ValueError, match="no measurements"):
        metrics.summarize_inpainting([])
