r"""Prunes a trained classifier by patterns and connectivity, and trains what is left.

    python apps/prune_classifier.py --run_dir=runs/digits --output_dir=runs/pruned \
        --epochs=5

leaves one of eight weights of the convolutions; about as long as as many epochs of
training. docs/pruning.md tells more.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("prune-classifier")
