"""Measures a trained classifier on a split of a data set, in seconds for the digits.

python apps/evaluate_classifier.py --run_dir=runs/digits --dataset=digits
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("evaluate-classifier")
