"""Draws why GANs are hard to train, on our data: the figures of two papers.

    python apps/study_gan_training.py --output_dir=runs/gan_training

takes 5 minutes on 2 idle cores.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("study-gan-training")
