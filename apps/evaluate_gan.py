r"""Scores a trained generator: FID, KID, precision and recall, Inception Score, Parzen.

    python apps/evaluate_gan.py --run_dir=runs/dcgan --embedding=runs/embedding \
        --dataset=fashion_mnist --num_images=5000 --output_dir=runs/dcgan/evaluation
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("evaluate-gan")
