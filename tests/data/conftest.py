"""Folders of pictures with boxes, in the layouts of VOC and of COCO."""

import json

import pytest
from box_pictures import PICTURES, SPLITS, coco_of, pixels_of, xml_of
from PIL import Image


@pytest.fixture
def voc_folder(tmp_path):
    """JPEGImages (of PNG files), Annotations, ImageSets/Main."""
    folder = tmp_path / "voc"
    for place in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (folder / place).mkdir(parents=True)
    for name in PICTURES:
        Image.fromarray(pixels_of(name)).save(folder / "JPEGImages" / f"{name}.png")
        (folder / "Annotations" / f"{name}.xml").write_text(xml_of(name))
    for split, names in SPLITS.items():
        path = folder / "ImageSets" / "Main" / f"{split}.txt"
        path.write_text("".join(f"{name}\n" for name in names))
    path = folder / "ImageSets" / "Main" / "cat_train.txt"
    path.write_text("a  1\nb -1\nd -1\n")
    return folder


@pytest.fixture
def coco_folder(tmp_path):
    """annotations/instances_<split>.json, images/<split>."""
    folder = tmp_path / "coco"
    (folder / "annotations").mkdir(parents=True)
    for split, names in SPLITS.items():
        (folder / "images" / split).mkdir(parents=True)
        for name in names:
            path = folder / "images" / split / f"{name}.png"
            Image.fromarray(pixels_of(name)).save(path)
        path = folder / "annotations" / f"instances_{split}.json"
        path.write_text(json.dumps(coco_of(names)))
    (folder / "annotations" / "captions_train.json").write_text("{}")
    return folder
