r"""Evaluates an auto-encoder.

python apps/evaluate_autoencoder.py --run_dir=runs/swwae --dataset=fashion_mnist
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("evaluate-autoencoder")
