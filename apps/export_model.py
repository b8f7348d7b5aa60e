"""Exports a run of any task for TF Serving, in half a minute for a small network.

python apps/export_model.py --run_dir=runs/digits --export_dir=savedmodels
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("export-model")
