r"""Finds objects in images, a few seconds after its start.

    python apps/detect.py --run_dir=runs/scenes --images=image.png,folder \
        --output_dir=found
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("detect")
