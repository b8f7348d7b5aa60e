r"""Looks for bad boxes in a data set, in seconds.

python apps/check_boxes.py --dataset=my_pictures --split=train
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("check-boxes")
