"""Trains an object detector, a few minutes for a small one.

python apps/train_detector.py --model=faster_rcnn_small --dataset=scenes/items \\
    --run_dir=runs/scenes
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("train-detector")
