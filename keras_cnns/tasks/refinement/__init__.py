"""Training of refiners that make simulated images look real, and refining images.

    refine-images --model=simgan_eye --dataset=rendered_digits --real_dataset=digits \\
        --batch_size=32 --buffer_size=3200 --run_dir=runs/refined_digits

``--model`` selects networks and the hyper-parameters of the paper; explicit flags
win. ``--dataset`` is the simulated set, ``--real_dataset`` the real one, whose labels
are not used; both may be image folders. An epoch shows each simulated image once; the
first steps are those of ``--refiner_pretraining``, then those of
``--discriminator_pretraining``.

The folder then holds ``refined/<split>/<class>/<number>.png``, the refined images of
``--refined_split`` (default: the training split): ``refined`` is itself a data set for
every command. It also holds ``refiner.h5`` (averaged weights, if ``--ema_decay`` is
set) and ``discriminator.h5``, ``samples/`` with simulated images above refined ones,
real ones beside, after each epoch, ``metrics.csv``, ``training_curves.png``,
``run.json``, ``logs/`` for TensorBoard and ``checkpoints/``, from which ``--resume``
continues. A finished run that is resumed refines another ``--refined_split`` or
``--refined_dataset``; what is in ``refined/<split>`` is never overwritten.
"""

from keras_cnns.tasks.refinement.models import MODELS
from keras_cnns.tasks.refinement.options import RefinementOptions
from keras_cnns.tasks.refinement.task import RefinementTask

__all__ = ["MODELS", "RefinementOptions", "RefinementTask"]
