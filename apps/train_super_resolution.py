r"""Trains a network that enlarges pictures.

    python apps/train_super_resolution.py --model=edsr_small_x3 \
        --dataset=photographs --epochs=10 --run_dir=runs/edsr

docs/super_resolution.md tells of networks and recipes. ``--help`` tells what the folder
holds then, and all flags.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("train-super-resolution")
