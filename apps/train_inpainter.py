r"""Trains a network that fills holes in images.

    python apps/train_inpainter.py --model=pconv_unet256 --dataset=photographs \
        --image_size=64 --builder_args='{"network": {"filters": [32, 64, 96, 128]}}' \
        --perceptual_weight=0 --style_weight=0 --batch_size=16 --epochs=10 \
        --run_dir=runs/pconv

fills the holes of other photographs better than their mean colour does
(docs/results.md). ``--help`` tells what the folder holds then, and all flags.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("train-inpainter")
