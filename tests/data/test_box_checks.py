"""Bad boxes are found by file, by the library and by the command."""

import json

import numpy as np
import pytest
from box_pictures import xml_of

from keras_cnns import commands, data

# Of an image of 30x40; (class, inclusive xmin ymin xmax ymax from 1 on, difficult)
BAD = [
    ("dog", (3, 5, 12, 20), 0),
    ("cat", (3, 5, 12, 20), 0),  # another class
    ("dog", (3, 5, 12, 20), 1),  # twice, though difficult
    ("dog", (9, 9, 4, 20), 0),  # its sides are exchanged
    ("dog", (9, 9, 8, 20), 0),  # no width
    ("dog", (60, 9, 70, 20), 0),  # beside the image
    ("dog", (30, 9, 42, 20), 0),  # two pixels too far
    ("dog", (0, 0, 41, 31), 0),  # one pixel: as numbers from 0 on have it
    ("cat", (40, 30, 40, 30), 0),  # the last pixel
]
KINDS = {
    2: "duplicate", 3: "degenerate", 4: "degenerate", 5: "degenerate", 6: "outside"
}  # fmt: skip


@pytest.fixture
def bad_folder(voc_folder):
    path = voc_folder / "Annotations" / "d.xml"
    path.write_text(xml_of("a", objects=BAD, size=(24, 40)))
    path.write_text(path.read_text().replace("<ymax>30<", "<ymax>24<"))
    return voc_folder


def test_bad_boxes_by_hand(bad_folder):
    source = data.open_detection_source(str(bad_folder), "train")
    report = data.check_boxes(source)
    found = {one.position: one.kind for one in report.problems}
    # 24 rows: the first corner of the last one lies below its second
    assert found == {**KINDS, 7: "outside", 8: "degenerate"}
    assert {one.index for one in report.problems} == {2}
    assert report.counts == {"degenerate": 4, "outside": 2, "duplicate": 1}
    assert report.num_boxes == 2 + 0 + 9 and report.num_examples == 3
    assert report.boxes_by_class == {"cat": 3, "dog": 8}
    assert (report.num_empty, report.most_boxes, report.fullest) == (1, 9, 2)
    outside = next(one for one in report.problems if one.kind == "outside")
    assert str(outside) == (
        f"{bad_folder}/JPEGImages/d.png: object 7, 'dog', is partly outside of the "
        "image: (8, 29, 20, 42) as y1, x1, y2, x2, in 24x40"
    )
    assert [one.position for one in report.dropped] == [2, 3, 4, 5, 8]


def test_values_that_are_no_numbers():
    nan = float("nan")
    boxes = np.array(
        [[nan, 0, 5, 5], [0, 0, 5, 5], [0, 0, float("inf"), 5]], np.float32
    )
    found = list(data.box_checks._problems(boxes, np.zeros(3, int), (8, 8)))
    assert found == [(0, "degenerate"), (2, "degenerate")]


def test_the_command_lists_them_and_fails(bad_folder, capsys, tmp_path):
    path = tmp_path / "bad.json"
    with pytest.raises(ValueError, match="7 bad boxes of 11 .4 degenerate, 2 outs"):
        commands.run_command(
            "check-boxes", dataset=str(bad_folder), split="train", json_file=str(path)
        )
    output = capsys.readouterr().out
    assert output.count("d.png: object ") == 7
    assert "11 boxes in 3 images, at most 9 in one; 1 images without any" in output
    rows = json.loads(path.read_text())
    assert [row["kind"] for row in rows].count("outside") == 2
    assert rows[0]["file"].endswith("d.png") and rows[0]["position"] == 2


def test_the_command_of_good_boxes(coco_folder, capsys):
    report = commands.run_command(
        "check-boxes", dataset=str(coco_folder), split="train"
    )
    assert report.num_boxes == 3 and not report.problems
    assert "3 boxes in 3 images" in capsys.readouterr().out
