r"""Trains a what-where auto-encoder, with labels, without, or with a few.

    python apps/train_autoencoder.py --model=swwae_small --dataset=fashion_mnist \
        --labels=some --num_labels=100 --epochs=1 --run_dir=runs/swwae

docs/autoencoders.md tells of layers and losses. ``--help`` tells what the folder holds
then, and all flags.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("train-autoencoder")
