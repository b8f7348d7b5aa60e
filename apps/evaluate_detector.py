r"""Evaluates a detector.

python apps/evaluate_detector.py --run_dir=runs/scenes --dataset=scenes/items
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("evaluate-detector")
