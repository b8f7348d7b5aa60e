"""Boxes on images, read back pixel by pixel; the plot of curves."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import figures, metrics

GREY = np.full((60, 80, 3), 120, np.uint8)


def _changed(image, original=GREY):
    return (image != original).any(axis=2)


def _outline(top, left, bottom, right, width=2, shape=GREY.shape[:2]):
    expected = np.zeros(shape, bool)
    expected[top:bottom, left:right] = True
    expected[top + width : bottom - width, left + width : right - width] = False
    return expected


def test_a_box_is_drawn_on_its_own_pixels():
    image = figures.draw_boxes(GREY, [[10, 20, 30, 50]])
    np.testing.assert_array_equal(_changed(image), _outline(10, 20, 30, 50))
    assert (GREY == 120).all()
    rounded = figures.draw_boxes(GREY, [[10.4, 20.7, 29.2, 49.5]])
    np.testing.assert_array_equal(rounded, image)


def test_enlarged_image_and_box():
    image = figures.draw_boxes(GREY[:20, :30, 0], [[5, 5, 15, 20]], scale=3)
    assert image.shape == (60, 90, 3)
    big = np.full((60, 90, 3), 120)
    expected = _outline(15, 15, 45, 60, shape=(60, 90))
    np.testing.assert_array_equal(_changed(image, big), expected)


@pytest.mark.parametrize(
    ("box", "corners"),
    [
        ([-20, -1e12, 30, 50], (0, 0, 30, 50)),
        ([10, 20, 1e12, 500], (10, 20, 60, 80)),
        ([10, 20, 10, 20], (10, 20, 11, 21)),
        ([100, 100, 120, 120], (0, 0, 0, 0)),
        ([10, 20, 11, 50], (10, 20, 11, 50)),
    ],
)
def test_boxes_outside_and_without_area(box, corners):
    image = figures.draw_boxes(GREY, [box])
    np.testing.assert_array_equal(_changed(image), _outline(*corners))


def test_the_best_box_is_on_top_and_low_ones_and_padding_are_not_there():
    boxes = [[10, 10, 40, 40]] * 3 + [[45, 60, 55, 75]] * 2
    arguments = {"labels": [2, 0, 1, 3, -1], "scores": [0.6, 0.9, 0.7, 0.1, 0.95]}
    image = figures.draw_boxes(GREY, boxes, min_score=0.5, **arguments)
    alone = figures.draw_boxes(GREY, boxes[:1], labels=[0], scores=[0.9])
    assert tuple(image[39, 39]) == tuple(alone[39, 39]) != (120, 120, 120)
    assert not _changed(image)[41:].any()


def test_names_and_scores_stand_above_or_within():
    low, high = ([[top, 10, 55, 70]] for top in (30, 2))
    for boxes, rows in ((low, np.s_[:30]), (high, np.s_[4:20])):
        bare = figures.draw_boxes(GREY, boxes, labels=None)
        named = figures.draw_boxes(GREY, boxes, [1], [0.5], ["cat", "Köter"])
        assert (named != bare)[rows].any()
        assert tuple(named[54, 40]) == tuple(
            figures.draw_boxes(GREY, boxes, [1])[54, 40]
        )
    other = figures.draw_boxes(GREY, low, [1], [0.5], ["cat", "Kater"])
    assert (other != figures.draw_boxes(GREY, low, [1], [0.5], ["cat", "Köter"])).any()
    unknown = figures.draw_boxes(GREY, low, [7], [0.5], ["cat"])
    assert (unknown[:30] != figures.draw_boxes(GREY, low, [8], [0.5])[:30]).any()


def test_true_boxes_are_white_between_black():
    image = figures.draw_boxes(GREY, [], truth=[[10, 20, 30, 50]])
    np.testing.assert_array_equal(_changed(image), _outline(10, 20, 30, 50, width=3))
    assert image[10:13, 35].tolist() == [[0] * 3, [255] * 3, [0] * 3]
    image = figures.draw_boxes(GREY, [], truth=[[10, 10, 10, 10], [0, 0, 2, 1]])
    assert _changed(image)[:13, :13].any() and _changed(image).sum() < 9


def test_grid_of_images_of_different_sizes(tmp_path):
    path = tmp_path / "folder" / "grid.png"
    images = [
        np.full(s, 120, np.uint8) for s in ((256, 300, 3), (100, 100), (300, 40, 1))
    ]
    found = {"boxes": [[10, 10, 30, 30]], "scores": [0.4], "classes": [0]}
    nothing = {"boxes": [], "scores": [], "classes": []}
    figures.detection_grid(images, [found, nothing, found], path, ["a"], columns=2)
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (300 + 4 + 300, 300 + 4 + 300, 3)
    assert (pixels[:256, :300] == 120).all()  # 0.4 is too low to be shown
    assert (pixels[:200, 304:504] == 120).all() and (pixels[:, 504:] == 255).all()
    assert (pixels[304:, :40] == 120).all() and (pixels[304:, 40:] == 255).all()
    figures.detection_grid(
        images[:1], [found], path, ["a"], min_score=0.3, truths=[[[50, 50, 90, 90]]]
    )
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == images[0].shape and (pixels == 255).any()


@pytest.mark.parametrize(
    ("change", "quoted"),
    [
        ({"image": GREY / 255}, "got float64"),
        ({"image": np.zeros((3, 3, 4), np.uint8)}, r"\(3, 3, 4\)"),
        ({"boxes": [1, 2, 3, 4]}, r"\(n, 4\), got \(4,\)"),
        ({"boxes": [[1, 2, np.nan, 4]]}, "finite, got .*nan"),
        ({"truth": [[1, 2, 3]]}, r"truth .*\(1, 3\)"),
        ({"labels": [1, 2]}, r"labels must be 1, .*\(2,\)"),
        ({"scores": []}, r"scores must be 1, .*\(0,\)"),
        ({"scale": 0}, "scale .* got 0"),
    ],
)
def test_what_cannot_be_drawn(change, quoted):
    with pytest.raises(ValueError, match=quoted):
        figures.draw_boxes(**{"image": GREY, "boxes": [[1, 2, 3, 4]], **change})


def test_grids_that_cannot_be_drawn(tmp_path):
    nothing = {"boxes": [], "scores": [], "classes": []}
    for images, found, options, quoted in (
        ([], [], {}, "got 0, 0 and 0"),
        ([GREY], [], {}, "got 1, 0 and 1"),
        ([GREY], [nothing], {"truths": [[], []]}, "got 1, 1 and 2"),
        ([GREY], [nothing], {"min_score": 2}, "min_score .* got 2"),
        ([GREY], [nothing], {"columns": 0}, "columns .* got 0"),
    ):
        with pytest.raises(ValueError, match=quoted):
            figures.detection_grid(images, found, tmp_path / "grid.png", **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("num_classes", [0, 2, 45])
def test_precision_recall_plot(tmp_path, num_classes):
    """All classes but the first have a detection; names may hold a $."""
    box = np.array([[0.0, 0, 9, 9]])
    truth = [{"boxes": box, "labels": np.array([i])} for i in range(num_classes)]
    found = [
        {"boxes": box, "scores": np.array([0.5]), "classes": np.array([max(i, 1)])}
        for i in range(num_classes)
    ]
    names = [f"$class {i}$" for i in range(num_classes + 1)]
    report = metrics.report_detections(
        truth, found, names, coco=False, num_resamples=10
    )
    path = tmp_path / "curves.png"
    figures.plot_precision_recall(report, path)
    with Image.open(path) as image:
        assert image.format == "PNG" and min(image.size) > 300
