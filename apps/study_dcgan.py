"""Looks into the networks of a GAN of convolutions, as the paper of DCGAN does.

    python apps/study_dcgan.py --run_dir=runs/dcgan --output_dir=runs/dcgan/study

takes a minute for digits of 16x16 pixels.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("study-dcgan")
