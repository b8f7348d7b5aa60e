"""Training of networks that enlarge pictures.

    train-super-resolution --model=edsr_small_x3 --dataset=photographs --epochs=10 \\
        --run_dir=runs/edsr
    train-super-resolution --model=vdsr --recipe=quick --scales=2,3,4 \\
        --dataset=photographs --run_dir=runs/vdsr

``--model`` selects a network and its hyper-parameters as published; explicit flags win.
``--recipe=quick`` takes Adam for some minutes on a few pictures instead, as the small
networks do. Networks whose names end in a factor enlarge by it; srcnn, vdsr and drcn
improve pictures that bicubic interpolation has enlarged, by any of ``--scales``.

A step takes ``--batch_size`` patches of ``--image_size``, ``--patches_per_picture`` of
each picture that it reads; small ones are made of them by MATLAB's bicubic. An epoch
reads each picture ``--passes_per_epoch`` times: more where there are few large ones.
Networks of one channel are trained on luma.

After each epoch whole pictures of ``--validation_split`` are enlarged: ``val_psnr``, in
dB, is a mean over pictures, without as many pixels of each border as the factor; that
of bicubic interpolation is told at the start.

srgan is trained on pixels first, for ``--pixel_fraction`` of the steps, then against a
discriminator and on the features of ``--feature_weights`` or ``--feature_run``; its
best epoch is that of the lowest ``val_content_loss``.

The folder then holds ``last.h5`` and ``best.h5``, the epoch of the highest ``val_psnr``
(both averaged, if ``--ema_decay`` is set), ``samples/`` with crops by bicubic
interpolation, by the network, and of the truth after each epoch, ``metrics.csv``,
``training_curves.png``, ``run.json``, ``logs/`` for TensorBoard and ``checkpoints/``,
from which ``--resume`` continues.
"""

from keras_cnns.tasks.super_resolution.models import MODELS
from keras_cnns.tasks.super_resolution.options import SuperResolutionOptions
from keras_cnns.tasks.super_resolution.task import SuperResolutionTask

__all__ = ["MODELS", "SuperResolutionOptions", "SuperResolutionTask"]
