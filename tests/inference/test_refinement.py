"""Refined data sets."""

import numpy as np
import pytest
from PIL import Image

from keras_cnns import data, inference


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
