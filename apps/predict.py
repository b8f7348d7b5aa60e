"""Says what is on images, a few seconds after its start.

python apps/predict.py --run_dir=runs/digits --images=image.png,folder
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("predict")
