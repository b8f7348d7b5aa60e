"""Folders in VOC's and COCO's layout: the boxes that are meant, or one clear line."""

import json
import os
import pathlib

import numpy as np
import pytest
from box_pictures import PICTURES, coco_of, pixels_of, xml_of
from PIL import Image

from keras_cnns import data
from keras_cnns.data import annotations, coco_folders, voc_folders

# Of Debian's package labelme-examples.
EXAMPLES = pathlib.Path(os.environ.get("DEBIAN_ROOT", "/"))
EXAMPLES = EXAMPLES / "usr/share/doc/labelme-examples/examples"
needs_examples = pytest.mark.skipif(
    not EXAMPLES.is_dir(), reason="needs Debian's labelme-examples"
)


def _read(source):
    """[(file's name, boxes in pixels, names of classes, ignored)]"""
    found = []
    for path, (_, target) in zip(source.files, source.examples):
        boxes = data.pixel_boxes(target, *target["size"]).numpy().tolist()
        names = [source.class_names[label] for label in target["labels"]]
        ignored = target["ignored"].numpy().tolist()
        found.append((os.path.basename(path), boxes, names, ignored))
    return found


def _assert_train(source):
    """By hand: xmin 3, ymin 5, xmax 12, ymax 20 are rows 4 to 19, columns 2 to 11."""
    assert source.class_names == ("cat", "dog")
    assert source.image_shape == (None, None, 3) and source.num_examples == 3
    assert _read(source) == [
        ("a.png", [[4, 2, 20, 12], [0, 20, 30, 40]], ["dog", "cat"], [False, True]),
        ("b.png", [], [], []),
        ("d.png", [[6, 10, 18, 30]], ["dog"], [False]),
    ]


def test_voc_as_it_is(voc_folder):
    _assert_train(data.open_detection_source(str(voc_folder), "train"))
    val = data.open_detection_source(str(voc_folder), "val")
    assert _read(val) == [("c.png", [[2, 1, 3, 2]], ["cat"], [False])]
    assert val.class_names == ("cat", "dog")  # the same in each split


def test_coco_as_it_is(coco_folder):
    _assert_train(data.open_detection_source(str(coco_folder), "train"))
    val = data.open_detection_source(str(coco_folder), "val")
    assert _read(val) == [("c.png", [[2, 1, 3, 2]], ["cat"], [False])]


def _beside(folder, names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(pixels_of(name)).save(folder / f"{name}.png")
        (folder / f"{name}.xml").write_text(xml_of(name))


def test_xml_beside_the_images(tmp_path):
    _beside(tmp_path / "sets" / "train", "abd")
    _beside(tmp_path / "sets" / "valid", "c")
    _assert_train(data.open_detection_source(str(tmp_path / "sets"), "train"))
    assert voc_folders.list_splits(str(tmp_path / "sets")) == ["train", "valid"]
    _beside(tmp_path / "one", "abd")
    _assert_train(data.open_detection_source(str(tmp_path / "one"), "train"))


@pytest.mark.parametrize("layout", ["beside", "plain", "single"])
def test_other_layouts_of_coco(tmp_path, layout):
    images = {"beside": "train", "plain": "images", "single": "JPEGImages"}[layout]
    (tmp_path / images).mkdir()
    for name in "abd":
        Image.fromarray(pixels_of(name)).save(tmp_path / images / f"{name}.png")
    stored = coco_of("abd")
    path = {
        "beside": "train/_annotations.coco.json",
        "plain": "annotations/train.json",
        "single": "annotations.json",
    }[layout]
    if layout == "single":
        for fields in stored["images"]:
            fields["file_name"] = f"JPEGImages/{fields['file_name']}"
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).write_text(json.dumps(stored))
    _assert_train(data.open_detection_source(str(tmp_path), "train"))


def test_slices(voc_folder):
    def names(split):
        return [
            n for n, *_ in _read(data.open_detection_source(str(voc_folder), split))
        ]

    assert names("train[:2]") == ["a.png", "b.png"]
    assert names("train[67%:]") == ["d.png"]
    for split in ("train[x]", "train[:50%", "train[0:0]"):
        with pytest.raises(ValueError, match=r"unknown slice 'train|no images in the"):
            names(split)


def test_images_of_other_formats_are_converted_once(voc_folder, tmp_path):
    image = voc_folder / "JPEGImages" / "a.png"
    Image.open(image).save(image.with_suffix(".bmp"))
    image.unlink()
    folder = tmp_path / "prepared"
    source = data.open_detection_source(str(voc_folder), "train", str(folder))
    content = source.read(next(iter(source.examples))[0])
    pixels = data.Preprocessing.plain(1, 1, 3).decode(content)
    np.testing.assert_array_equal(pixels, pixels_of("a"))
    assert source.files[0].endswith("a.bmp")
    assert len(list((folder / "converted_images").iterdir())) == 1


def test_images_turned_by_exif(voc_folder):
    """Boxes are those of the image as it is seen; other annotations are refused."""
    path = voc_folder / "JPEGImages" / "a.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored turned to the left
    Image.fromarray(np.rot90(pixels_of("a"))).save(path, exif=exif)
    _assert_train(data.open_detection_source(str(voc_folder), "train"))
    (voc_folder / "Annotations" / "a.xml").write_text(xml_of("a", size=(40, 30)))
    with pytest.raises(
        ValueError, match=r"a.xml is for an image of 40x30 .*a.png has 30x40 .as EXIF"
    ):
        data.open_detection_source(str(voc_folder), "train")


def test_sizes_that_are_not_told_are_not_missed(voc_folder):
    (voc_folder / "Annotations" / "a.xml").write_text(xml_of("a", size=(0, 0)))
    _assert_train(data.open_detection_source(str(voc_folder), "train"))


# What is refused; the messages are in docs/files.md


def _refused(folder, split="train"):
    with pytest.raises(ValueError) as error:
        data.open_detection_source(str(folder), split)
    assert "\n" not in str(error.value) and len(str(error.value)) < 1000
    return str(error.value)


def test_folders_without_boxes_are_told_what_is_missing(tmp_path, voc_folder):
    (tmp_path / "empty").mkdir()
    assert "has no boxes: there are neither XML files" in _refused(tmp_path / "empty")
    assert "has no split 'test'; it has train, val" in _refused(voc_folder, "test")
    for path in (voc_folder / "Annotations").iterdir():
        path.write_text(xml_of("b"))
    (voc_folder / "Annotations" / "b.xml").write_text("<annotation/>")
    for name in PICTURES:  # sizes no longer matter
        (voc_folder / "Annotations" / f"{name}.xml").write_text("<annotation/>")
    assert "has no objects, so no classes" in _refused(voc_folder)
    with pytest.raises(ValueError, match="the folder '/nowhere' does not exist"):
        data.open_detection_source("/nowhere", "train")


def test_images_and_annotations_belong_together(voc_folder, tmp_path):
    image = voc_folder / "JPEGImages" / "d.png"
    content = image.read_bytes()
    image.unlink()
    assert "d.xml has no image d.*" in _refused(voc_folder)
    image.write_bytes(content)
    (voc_folder / "Annotations" / "d.xml").unlink()
    assert "d.xml (1 such) of" in _refused(voc_folder)
    _beside(tmp_path / "loose", "ab")
    (tmp_path / "loose" / "b.xml").unlink()
    assert "b.png (1 such) has no annotation" in _refused(tmp_path / "loose")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("<annotation><object>", "no element found"),
        ("not xml", "syntax error"),
        ("<html/>", "its root must be annotation, got 'html'"),
        ("<annotation><object/></annotation>", "the name of object 1 must be a name"),
        (
            "<annotation><object><name>x</name></object></annotation>",
            "object 1 has no bndbox",
        ),
        (xml_of("a").replace("<xmin>3<", "<xmin>nan<"), "four finite numbers"),
        (xml_of("a").replace("<xmin>3<", "<xmin>one<"), "could not convert"),
        (xml_of("a").replace("xmax", "xMax"), "object 1 has no xmax in its bndbox"),
        ("<annotation>" * 40, "it is nested more than 32 deep"),
    ],
)
def test_xml_that_is_no_annotation(voc_folder, text, message):
    path = voc_folder / "Annotations" / "a.xml"
    path.write_text(text)
    error = _refused(voc_folder)
    assert f"{path} cannot be read as annotations of VOC: " in error
    assert message in error


def test_entities_are_not_expanded(voc_folder):
    """A billion laughs, and a file of the machine."""
    laughs = "".join(
        f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefgh", "bcdefghi")
    )
    for declared in (laughs, '<!ENTITY i SYSTEM "file:///etc/passwd">'):
        text = f"<!DOCTYPE annotation [<!ENTITY a 'ha'>{declared}]>"
        text += xml_of("a").replace(">dog<", ">&i;<")
        (voc_folder / "Annotations" / "a.xml").write_text(text)
        assert "a.xml cannot be read" in _refused(voc_folder)
        assert "it declares a document type" in _refused(voc_folder)


def test_files_that_are_none_or_too_large(voc_folder, monkeypatch):
    path = voc_folder / "Annotations" / "a.xml"
    monkeypatch.setattr(annotations, "_LARGEST_XML", 100)
    assert "it has more than 100 bytes" in _refused(voc_folder)
    monkeypatch.undo()
    path.unlink()
    os.mkfifo(path)
    assert f"{path} cannot be read as annotations of VOC: it is not" in _refused(
        voc_folder
    )


def _change(**changes):
    def change(stored):
        for place, value in changes.items():
            kind, name = place.split("__")
            stored[kind][0][name] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("images"), "images must be a list of objects, got None"),
        (lambda s: s["annotations"].append(3), "annotations must be a list of objects"),
        (_change(categories__name=" "), "category 1 must be a name, got ' '"),
        (_change(categories__name="cat"), "categories have a name twice"),
        (_change(categories__id=10), "the id of category 2 must be a new number"),
        (_change(images__id="7"), "the id of image 1 must be a new number, got '7'"),
        (_change(images__file_name="../a.png"), "leads out of"),
        (_change(images__file_name="/a.png"), "leads out of"),
        (_change(images__file_name="b.png"), "images have a file_name twice"),
        (_change(images__file_name="z.png"), "the image 'z.png' is not in"),
        (_change(images__height=-1), "the height and width of image 1 must be"),
        (_change(annotations__bbox=[1, 2, 3]), "must have four finite numbers"),
        (_change(annotations__bbox=[1, 2, 3, "4"]), "annotation 1 must be numbers"),
        (_change(annotations__bbox=[1, 2, 3, 10**400]), "int too large"),
        (_change(annotations__category_id=3), "of annotation 1 is unknown: 3"),
        (_change(annotations__image_id=3), "annotation 1 is of the image 3, unknown"),
        (_change(annotations__image_id=[]), "of annotation 1 must be a number"),
        (_change(annotations__iscrowd=2), "iscrowd of annotation 1 must be 0 or 1"),
    ],
)  # fmt: skip
def test_json_that_is_no_annotations(coco_folder, change, message):
    path = coco_folder / "annotations" / "instances_train.json"
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))
    error = _refused(coco_folder)
    assert f"{path} cannot be read as annotations of COCO: " in error
    assert message in error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[1, 2", "Expecting"),
        ("[" * 10**5, "recursion"),
        ('{"images": NaN}', "NaN is no number of JSON"),
        ("3", "it must be an object, got 3"),
        ("\xff", "Expecting value"),
    ],
)
def test_text_that_is_no_json(coco_folder, text, message):
    path = coco_folder / "annotations" / "instances_train.json"
    path.write_text(text)
    error = _refused(coco_folder)
    assert f"{path} cannot be read as annotations of COCO: " in error
    assert message in error


def test_lists_that_are_none(voc_folder):
    path = voc_folder / "ImageSets" / "Main" / "train.txt"
    path.write_text("../a\n")
    assert "cannot be read as a list of images: the name '../a' leads" in _refused(
        voc_folder
    )
    path.write_bytes(b"\xff\xfe\n")
    assert "cannot be read as a list of images" in _refused(voc_folder)
    path.write_text("\n")
    assert "must be a name, got ''" in _refused(voc_folder)


@needs_examples
def test_real_pictures_in_the_layout_of_voc():
    folder = str(EXAMPLES / "bbox_detection" / "data_dataset_voc")
    source = data.open_detection_source(folder, "train")
    assert source.class_names == ("bus", "car", "person")
    found = {name: boxes for name, boxes, *_ in _read(source)}
    assert found["2011_000006.jpg"][0] == [106, 90, 330, 240]  # 91 107 240 330
    assert not data.check_boxes(source).problems
    pixels = data.Preprocessing.plain(1, 1, 3)
    for images, targets in data.load_detection_evaluation(
        source, 3, preprocessing=pixels
    ):
        assert images.shape == (3, 1000, 1000, 3)
        np.testing.assert_allclose(targets["sizes"][1], [600, 800])
        np.testing.assert_allclose(
            targets["boxes"][1, 0], np.array([106, 90, 330, 240]) * 1.6, rtol=1e-6
        )


@needs_examples
def test_real_pictures_in_the_layout_of_coco():
    folder = str(EXAMPLES / "instance_segmentation" / "data_dataset_coco")
    source = data.open_detection_source(folder, "train")
    assert source.num_examples == 3 and "person" in source.class_names
    found = coco_folders.read_annotations(os.path.join(folder, "annotations.json"))
    assert data.check_boxes(source).num_boxes == sum(
        len(one.boxes) for one in found.images
    )
