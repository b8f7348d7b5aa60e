"""The picture of README.md: a column for each task, of runs of any size."""

import pathlib

import numpy as np
import pytest

from keras_cnns import data

ROOT = pathlib.Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def strip(load_benchmark):
    return load_benchmark("readme_strip")


def test_every_task_has_a_column(strip, runs_by_task, boxes_dir, pictures_dir):
    """Of networks with the weights they start with; what is given stays as it is."""
    explained = f"{pictures_dir}/test/chelsea0.png"
    columns = [
        ("generate", strip._generated(runs_by_task["generation"])),
        ("inpaint", strip._filled("nearest")),
        ("detect", strip._detected(runs_by_task["detection"], boxes_dir, 1)),
        ("detect", strip._parts_of_grid(f"{ROOT}/docs/images/detections.jpg")),
        ("upscale", strip._enlarged(runs_by_task["super_resolution"])),
        ("inspect", strip._explained(runs_by_task["classification"], explained)),
    ]
    images = dict(columns)
    given, filled = images["inpaint"]
    assert 0.05 < np.mean(given != filled) < 0.1  # in the hole alone
    small, large = images["upscale"]
    assert large.shape == tuple(2 * side for side in small.shape[:2]) + (3,)
    assert images["inspect"][0].shape[:2] == data.read_image(explained).shape[:2]
    picture = strip._compose(columns)
    assert picture.size == (6 * 262 - 6, 26 + 2 * 262 - 6)


def test_small_images_are_enlarged_by_whole_pixels_and_centred(strip):
    image = np.arange(12, dtype=np.uint8).reshape(3, 4, 1)
    cell = strip._cell(image)
    assert cell.shape == (256, 256, 3)
    assert (cell[32:96, :64] == 0).all() and (cell[160:224, 192:] == 11).all()
    assert (cell[:32] == 255).all() and (cell[224:] == 255).all()


def test_nine_images_are_three_rows(strip):
    images = np.arange(9, dtype=np.uint8).reshape(9, 1, 1, 1) * np.ones(
        (1, 28, 28, 1), np.uint8
    )
    square = strip._nine(images)
    assert square.shape == (255, 255, 1)
    assert [int(square[y, x, 0]) for y in (0, 90, 200) for x in (0, 90, 200)] == [
        *range(9)
    ]
