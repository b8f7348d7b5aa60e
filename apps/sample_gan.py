"""Draws images from a trained generator, in seconds.

python apps/sample_gan.py --run_dir=runs/dcgan --num_images=64 --output_dir=samples
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("sample-gan")
