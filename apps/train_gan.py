r"""Trains a generative adversarial network on images.

    python apps/train_gan.py --model=dcgan32 --image_size=28 --dataset=fashion_mnist \
        --epochs=4 --run_dir=runs/dcgan

draws whole garments after 44 minutes on two cores (docs/results.md). ``--help`` tells
what the folder holds then, and all flags.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("train-gan")
