"""Training of networks that fill holes in images.

    train-inpainter --model=pconv_unet256 --dataset=photographs --image_size=64 \\
        --builder_args='{"network": {"filters": [32, 64, 96, 128]}}' \\
        --perceptual_weight=0 --style_weight=0 --epochs=10 --run_dir=runs/pconv

``--model`` selects a network, its discriminators, holes and hyper-parameters as
published; explicit flags win. The perceptual and the style loss need the features
of a classifier: ``--feature_weights=imagenet`` (VGG16), or ``--feature_run``, a run of
``train-classifier``. Without either, their weights must be 0.

After each epoch the same images of ``--validation_split`` with the same holes are
filled, and the composites scored (``val_psnr``, in dB, and ``val_mean_absolute_error``,
a fraction of the range, over whole images).

The folder then holds ``last.h5`` and ``best.h5``, the epoch of the highest ``val_psnr``
(both averaged, if ``--ema_decay`` is set), a weight file for each discriminator,
``samples/`` with a grid of inputs, filled images and the truth after each epoch,
``metrics.csv``, ``training_curves.png``, ``run.json``, ``logs/`` for TensorBoard and
``checkpoints/``, from which ``--resume`` continues. An epoch shows each image once.
"""

from keras_cnns.tasks.inpainting.models import MODELS, TRAINERS
from keras_cnns.tasks.inpainting.options import InpaintingOptions
from keras_cnns.tasks.inpainting.task import InpaintingTask

__all__ = ["MODELS", "TRAINERS", "InpaintingOptions", "InpaintingTask"]
