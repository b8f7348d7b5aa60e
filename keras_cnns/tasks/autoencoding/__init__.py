"""Training of what-where auto-encoders, with labels, without, or with a few.

    train-autoencoder --model=swwae_small --dataset=fashion_mnist --labels=some \\
        --num_labels=100 --epochs=5 --run_dir=runs/swwae

``--model`` selects a network and its hyper-parameters, ``--notation`` other layers in
the paper's notation, ``--unpooling`` what the decoder is told of places. Classifier and
decoder learn together, from the cross-entropy of the labelled images and the errors of
all reconstructions. With ``--labels=all`` a batch has labelled images only, of which
there are ``--num_labels``, as many of each class; with ``some`` it has ``--batch_size``
images of the whole split without labels and ``--labelled_batch_size`` with; with
``none`` there is no classifier. An epoch shows each of the ``--batch_size`` images'
source once.

The folder then holds ``last.h5`` and ``best.h5``, the epoch of the highest
``val_accuracy`` or without a classifier the lowest ``val_loss`` (both averaged, if
``--ema_decay`` is set), ``samples/`` with images above their reconstructions after each
epoch, ``metrics.csv``, ``training_curves.png``, ``run.json``, ``logs/`` for TensorBoard
and ``checkpoints/``, from which ``--resume`` continues. ``mse`` is the mean squared
error of a value in [0, 1].
"""

from keras_cnns.tasks.autoencoding.models import MODELS
from keras_cnns.tasks.autoencoding.options import AutoencodingOptions
from keras_cnns.tasks.autoencoding.task import AutoencodingTask

__all__ = ["MODELS", "AutoencodingOptions", "AutoencodingTask"]
