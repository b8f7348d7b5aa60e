"""Training of object detectors: R-CNN, SPPnet, Fast R-CNN, RPN and Faster R-CNN.

    train-detector --model=faster_rcnn_small --dataset=scenes --run_dir=runs/scenes

``--model`` selects network, algorithm and the hyper-parameters of the paper; explicit
flags win. ``--dataset`` is ``scenes`` or ``scenes/cutouts``, which need no network,
``voc/2007``, ``voc/2012``, ``coco/2017``, or a folder of images with boxes as Pascal
VOC (XML) or COCO (JSON) have them. Papers start from a classifier trained before:
``--backbone_weights`` takes a public checkpoint, a weight file or a run's folder.

R-CNN, SPPnet and Fast R-CNN classify regions that selective search proposes; these are
computed first, once, and kept in ``--proposals_dir``. At the end R-CNN and SPPnet fit
support vector machines and box regressors to their features, ``classifiers.npz``.
``--training=alternating`` trains the two parts of Faster R-CNN by turns.

The folder then holds ``last.h5`` and ``best.h5`` (lowest validation loss), ``samples/``
with detections after each epoch, ``detection_report.json`` and
``precision_recall.png`` of the validation split, ``metrics.csv``,
``training_curves.png``, ``run.json``, ``logs/`` for TensorBoard and ``checkpoints/``,
from which ``--resume`` continues.
"""

from keras_cnns.tasks.detection.models import MODELS
from keras_cnns.tasks.detection.options import DetectionOptions
from keras_cnns.tasks.detection.task import DetectionTask

__all__ = ["MODELS", "DetectionOptions", "DetectionTask"]
