"""Writes pictures of a data set as files, in the layout of an image folder.

    python apps/save_images.py --dataset=digits --split=test --output_dir=digits_files

writes ``digits_files/test/<class>/<number>.png``, in a second for the digits; such a
folder is itself a data set for every app. Pictures without labels, those of
``photographs`` for one, are written to ``<split>/<number>.png``.
"""

import os

import flag_definitions

from keras_cnns import _files, data
from keras_cnns.data import sources

_FIRST_BYTES = {b"\x89PNG": "png", b"\xff\xd8\xff": "jpg", b"GIF": "gif", b"BM": "bmp"}


def run(dataset, output_dir, split="test", data_dir=None, num_images=0):
    """Writes; the parameters are the flags.

    Returns:
        Paths of the files.
    """
    source = data.open_source(dataset, split, data_dir, labelled=False)
    is_labelled = source.class_names != (sources.UNLABELLED,)
    paths = []
    for content, label in source.examples.take(num_images or -1):
        encoded = source.read(content).numpy()
        ending = next(
            e for start, e in _FIRST_BYTES.items() if encoded.startswith(start)
        )
        folder = split.partition("[")[0]
        if is_labelled:
            name = sources.folder_name(source.class_names[int(label)])
            folder = os.path.join(folder, name)
        path = os.path.join(output_dir, folder, f"{len(paths):06d}.{ending}")
        with _files.whole_file(path) as partial, open(partial, "wb") as file:
            file.write(encoded)
        paths.append(path)
    print(f"{len(paths)} pictures in {output_dir}")
    return paths


if __name__ == "__main__":
    flag_definitions.start(run)
