"""Writes images of a data set as files, in the layout of an image folder.

    save-images --dataset=digits --split=test --output_dir=digits_files

writes ``digits_files/test/<class>/<number>.png``, in a second for the digits; such a
folder is itself a data set for every command. Images without labels, those of
``photographs`` for one, are written to ``<split>/<number>.png``.
"""

import dataclasses
import os

from keras_cnns import _files, _progress, data
from keras_cnns.commands.groups import Counted, Quiet, Split, Written
from keras_cnns.data.sources import folder_name


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Split, Counted, Written):
    """What ``save-images`` takes."""


def run(options: OPTIONS) -> list:
    """Writes and returns the paths of the files."""
    source = data.open_source(
        options.dataset, options.split, options.data_dir, labelled=False
    )
    is_labelled = source.class_names != (data.UNLABELLED,)
    paths = []
    count = min(options.num_images or source.num_examples, source.num_examples)
    examples = source.examples.take(count)
    for content, label in _progress.track(examples, "images", count):
        encoded = source.read(content).numpy()
        extension = "png" if encoded.startswith(b"\x89PNG") else "jpg"
        folder = options.split.partition("[")[0]
        if is_labelled:
            name = folder_name(source.class_names[int(label)])
            folder = os.path.join(folder, name)
        path = os.path.join(options.output_dir, folder, f"{len(paths):06d}.{extension}")
        with _files.atomic_file(path) as file:
            file.write(encoded)
        paths.append(path)
    print(f"{len(paths)} images in {options.output_dir}")
    return paths
