"""Writes images of a data set as files, in a second for the digits.

python apps/save_images.py --dataset=digits --split=test --output_dir=digits_files
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("save-images")
