r"""Trains a refiner that makes simulated images look real, and refines with it.

    python apps/refine_images.py --model=simgan_eye --dataset=rendered_digits \
        --real_dataset=digits --batch_size=32 --buffer_size=3200 --optimizer=adam \
        --learning_rate=5e-4 --refiner_pretraining=104 --discriminator_pretraining=52 \
        --builder_args='{"refiner": {"filters": 24}, "discriminator": {"filters":
        [48, 32, 32, 32], "strides": [1, 2, 1, 1]}}' --run_dir=runs/refined_digits

takes one to two minutes on two cores (10 epochs of 52 steps). ``--help`` tells what the
folder holds then, and all flags.
"""

from keras_cnns import commands

if __name__ == "__main__":
    commands.main("refine-images")
