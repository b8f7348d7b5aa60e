"""Grids of refined images, and refined data sets."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import data, figures, inference


def _levels(first, count):
    """Images of 3x3 pixels with one grey level each, of [0, 255]."""
    levels = np.arange(first, first + count, dtype=np.float32)
    return np.tile(levels[:, None, None, None], (1, 3, 3, 1))


def test_simulated_stand_above_refined_and_real_beside(tmp_path):
    path = str(tmp_path / "grid.png")
    images = [_levels(*place) / 127.5 - 1 for place in ((0, 4), (50, 4), (100, 8))]
    figures.refinement_grid(*images, path, columns=2)
    with Image.open(path) as grid:
        pixels = np.asarray(grid)
    # Fourfold pixels of 3x3 images, 2 white ones between them, labels at left, above.
    cells = pixels[-(4 * 14 - 2) :, -(5 * 14 - 2) :][6::14, 6::14]
    np.testing.assert_array_equal(
        cells,
        [[0, 1, 255, 100, 101], [50, 51, 255, 102, 103],
         [2, 3, 255, 104, 105], [52, 53, 255, 106, 107]],
    )  # fmt: skip
    with pytest.raises(ValueError, match="4 simulated, 4 refined and 4 real"):
        figures.refinement_grid(images[0], *images[:2], path, columns=2)


def test_a_refined_set_keeps_classes_and_is_written_once(tmp_path):
    for name, level in (("cat/black", 40), ("dog", 80)):
        folder = tmp_path / "in" / "train" / name.replace("/", "_")
        folder.mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (4, 5), (level, level + 10 * i, 0)).save(
                folder / f"{i}.png"
            )
    source = data.open_source(str(tmp_path / "in"), "train")
    preprocessing = data.Preprocessing(5, 4, 3, (127.5,) * 3, (127.5,) * 3)
    folder = str(tmp_path / "out" / "test")

    def negative(images, training):
        assert not training
        return -images

    assert inference.refine_source(negative, preprocessing, source, folder) == 6
    after = data.open_source(str(tmp_path / "out"), "test")
    assert after.class_names == source.class_names == ("cat_black", "dog")
    images = [preprocessing.decode(after.read(c)) for c, _ in after.examples]
    levels = [tuple(np.asarray(image)[2, 2]) for image in images]
    wanted = [(255 - a, 255 - a - 10 * i, 255) for a in (40, 80) for i in range(3)]
    assert levels == wanted
    with pytest.raises(FileExistsError):
        inference.refine_source(negative, preprocessing, source, folder)
