"""Training of generative adversarial networks.

    train-gan --model=dcgan32 --image_size=28 --dataset=fashion_mnist --epochs=5 \\
        --run_dir=runs/dcgan

``--model`` selects networks and the hyper-parameters of their paper; explicit flags
win. ``--trainer`` trains the networks by another algorithm, with the hyper-parameters
of that paper. The images' size may differ from the paper's; only conditional
models need labels.

The folder then holds ``generator.h5`` (averaged weights, if ``--ema_decay`` is set)
and ``discriminator.h5``, ``samples/`` with a grid after each epoch, always of the
same latents, ``metrics.csv``, ``training_curves.png``, ``run.json``, ``logs/`` for
TensorBoard and ``checkpoints/``, from which ``--resume`` continues. An epoch shows each
image once to the discriminator.
"""

from keras_cnns.tasks.generation.models import MODELS, TRAINERS
from keras_cnns.tasks.generation.options import GenerationOptions
from keras_cnns.tasks.generation.task import GenerationTask

__all__ = ["MODELS", "TRAINERS", "GenerationOptions", "GenerationTask"]
