"""Scores of enlarged pictures: hand-computed values, protocols, refusals."""

import dataclasses
import json

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from keras_cnns import metrics

Y = metrics.UpscalingProtocol("two pictures", 2, 3, shave=3)
RGB = dataclasses.replace(Y, channels="rgb")


def pictures(size=(24, 21, 3)):
    random = np.random.default_rng(0)
    truth = random.integers(40, 200, size).astype(float)
    return truth, truth + random.normal(0, 5, size)


def test_psnr_of_a_constant_error_by_hand():
    """Grey off by 10: Y by 10 * 219 / 255, RGB by 10."""
    truth = np.full((24, 24, 3), 100.0)
    by_y = metrics.score_upscaled("a", truth, truth + 10, Y).psnr
    by_rgb = metrics.score_upscaled("a", truth, truth + 10, RGB).psnr
    assert by_y == pytest.approx(20 * np.log10(255 / (10 * 219 / 255)))
    assert by_rgb == pytest.approx(20 * np.log10(25.5))


def test_border_does_not_count_and_values_are_bytes():
    truth = np.full((24, 24, 3), 100.0)
    changed = truth.copy()
    changed[:3] = changed[-3:] = changed[:, :3] = changed[:, -3:] = 0
    changed[3:-3, 3:-3] += 0.4
    score = metrics.score_upscaled("a", truth, changed, Y)
    assert score.psnr is None and score.ssim == pytest.approx(1)
    not_rounded = dataclasses.replace(Y, rounded=False)
    score = metrics.score_upscaled("a", truth, changed, not_rounded)
    assert score.psnr == pytest.approx(20 * np.log10(255 / (0.4 * 219 / 255)))
    truth[:], changed[:] = 250, 400
    score = metrics.score_upscaled("a", truth, changed, RGB)
    assert score.psnr == pytest.approx(20 * np.log10(255 / 5))


def test_ssim_is_of_luma_within_the_border():
    truth, enlarged = pictures()
    weights = np.array([65.481, 128.553, 24.966]) / 255
    pair = (16 + x @ weights for x in (truth, np.rint(enlarged)))
    expected = structural_similarity(
        *(x[3:-3, 3:-3] for x in pair),
        data_range=255,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
    )
    actual = metrics.score_upscaled("a", truth, enlarged, Y).ssim
    assert actual == pytest.approx(expected, abs=1e-12)


def report(protocol=Y, shift=0.0, names=("a", "b"), method="bicubic"):
    truth, enlarged = pictures()
    scores = [
        metrics.score_upscaled(name, truth, enlarged * factor + shift, protocol)
        for name, factor in zip(names, (1, 1.1))
    ]
    return metrics.UpscalingReport(method, protocol, tuple(scores))


def test_means_are_over_pictures():
    made = report()
    assert made.psnr == pytest.approx(np.mean([p.psnr for p in made.pictures]))
    assert made.ssim == pytest.approx(np.mean([p.ssim for p in made.pictures]))
    again = metrics.UpscalingReport.from_json(json.loads(json.dumps(made.to_json())))
    assert again == made


def test_gains_by_picture():
    gains = metrics.compare_upscaling(report(shift=20), report())
    assert gains["psnr"] > 0 and set(gains["by_picture"]) == {"a", "b"}
    assert gains["psnr"] == pytest.approx(np.mean(list(gains["by_picture"].values())))


def test_a_picture_without_error_is_left_out_of_the_mean_gain():
    """Of both methods: the gain is of the same pictures."""

    def scored(*decibels):
        pictures = [
            metrics.UpscaledPicture(name, value, 0.9)
            for name, value in zip("ab", decibels)
        ]
        return metrics.UpscalingReport("m", Y, tuple(pictures))

    gains = metrics.compare_upscaling(scored(None, 30.0), scored(60.0, 29.0))
    assert gains["psnr"] == -1 and gains["by_picture"] == {"a": None, "b": -1}
    nothing = metrics.compare_upscaling(scored(None, None), scored(None, 30.0))
    assert nothing["psnr"] is None


@pytest.mark.parametrize(
    ("field", "value", "quoted"),
    [
        ("channels", "rgb", r"channels \('y', 'rgb'\)"),
        ("shave", 4, r"shave \(3, 4\)"),
        ("data", "set5 test", "data .*set5"),
        ("rounded", False, "rounded"),
        ("degradation", "bicubic of Pillow", "degradation .*Pillow"),
    ],
)
def test_unequal_protocols_do_not_compare(field, value, quoted):
    other = report(dataclasses.replace(Y, **{field: value}))
    with pytest.raises(ValueError, match=f"different protocols.*{quoted}"):
        metrics.compare_upscaling(report(), other)


def test_other_pictures_do_not_compare():
    with pytest.raises(ValueError, match="different pictures.*'c'"):
        metrics.compare_upscaling(report(), report(names=("a", "c")))


@pytest.mark.parametrize(
    ("field", "value"),
    [("scale", 1), ("shave", -1), ("channels", "luma"), ("num_images", 0)],
)
def test_bad_protocols_are_refused(field, value):
    with pytest.raises(ValueError, match=f"{field} must be.*{value}"):
        dataclasses.replace(Y, **{field: value})


def test_bad_pictures_are_refused():
    truth, enlarged = pictures()
    with pytest.raises(ValueError, match="one: truth and.*24, 20"):
        metrics.score_upscaled("one", truth, enlarged[:, :20], Y)
    with pytest.raises(ValueError, match="one: sides of 23x21.*crop"):
        metrics.score_upscaled("one", truth[:23], enlarged[:23], Y)
    with pytest.raises(ValueError, match="one: without 3.*11x11"):
        metrics.score_upscaled("one", truth[:15], enlarged[:15], Y)
    with pytest.raises(ValueError, match="says 2 pictures, got scores of 1"):
        metrics.UpscalingReport("bicubic", Y, (report().pictures[0],))
    with pytest.raises(ValueError, match="UpscalingProtocol has the fields"):
        metrics.UpscalingReport.from_json({**report().to_json(), "protocol": {}})
