"""Exports the network of a training run for TF Serving.

    python apps/export_model.py --checkpoint=runs/digits --export_dir=savedmodels

writes ``savedmodels/<model>/<version>/``, verifies it in a fresh process and prints the
path; half a minute for a small network. ``savedmodels/README.md`` says what is in it.
"""

import flag_definitions

from keras_cnns import export


def run(checkpoint, export_dir, which="last", export_name="", warmup_requests=1):
    """Exports; the parameters are the flags.

    Returns:
        The version's folder.
    """
    folders = [checkpoint] if isinstance(checkpoint, str) else checkpoint
    if len(folders) != 1:
        raise ValueError(f"one run is exported at a time, got {len(folders)}")
    path, difference = export.export_run(
        folders[0],
        export_dir,
        which=which,
        name=export_name,
        warmup_requests=warmup_requests,
    )
    print(f"exported and verified: {path} (largest difference {difference:.1g})")
    return path


if __name__ == "__main__":
    flag_definitions.start(run)
