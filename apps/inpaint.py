r"""Fills the holes of images, in seconds each.

    python apps/inpaint.py --input=image.png --mask=mask.png --output=filled.png
    python apps/inpaint.py --input=images --mask=masks --output=filled \
        --method=runs/lbam
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("inpaint")
