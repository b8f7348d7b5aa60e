r"""Trains an object detector.

    python apps/train_detector.py --model=faster_rcnn_small --dataset=scenes/items \
        --run_dir=runs/scenes

docs/results.md tells what such trainings reached, and how long they took. ``--help``
tells what the folder holds then, and all flags.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("train-detector")
