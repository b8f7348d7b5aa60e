"""Batches of ``(images, masks)``.

As elsewhere, the stream of training batches is a pure function of the seed and the
step. The masks of an evaluation depend on the seed and the image's index alone, so that
all methods see the same holes.
"""

import atexit
import dataclasses
import gc
from typing import Callable, Optional

import numpy as np
import tensorflow as tf
from tensorflow.python.data.ops import iterator_ops, multi_device_iterator_ops

from keras_cnns.data import masks as mask_functions
from keras_cnns.data.folders import list_images
from keras_cnns.data.hole_sizes import is_range
from keras_cnns.data.irregular_masks import ALL_RATIOS, irregular_mask
from keras_cnns.data.pipeline import Augmentation, load_training
from keras_cnns.data.preprocessing import Preprocessing
from keras_cnns.data.sources import Source
from keras_cnns.data.stream import WHOLE, Share, endless, evaluation_stream

# Fractions of an image's side: holes of 96 to 128 pixels in images of 256, of Iizuka et
# al., "Globally and Locally Consistent Image Completion", 2017.
_RECTANGLE_SIDES = (0.375, 0.5)
_FILES = "files:"
# Masks of training and of evaluation differ under one seed.
_TRAINING, _EVALUATION = 0, 1
_NO_AUGMENTATION = Augmentation()


@dataclasses.dataclass(frozen=True)
class MaskRecipe:
    """How the masks of a set of images are made.

    Attributes:
        kinds: comma-separated: ``irregular``, ``rectangle``, ``files:FOLDER`` (images
            whose white pixels are holes, resized to the images). Of several, one
            is drawn for each mask, with equal probability.
        hole_ratios: (low, high]: fraction of hole of irregular masks; None: from 0.01
            to 0.6.
        rectangle_sides: (smallest, largest): sides of rectangles, as fractions of the
            image's; None: from 0.375 to 0.5.
        border: pixels along each side that stay valid; not for files.

    Raises:
        ValueError: if a kind is unknown, or a range is bad or of a kind that is not
            named.
    """

    kinds: str = "irregular"
    hole_ratios: Optional[tuple] = None
    rectangle_sides: Optional[tuple] = None
    border: int = 0

    def __post_init__(self):
        names = self.kind_list
        for name in names:
            is_folder = name.startswith(_FILES) and len(name) > len(_FILES)
            if name not in ("irregular", "rectangle") and not is_folder:
                raise ValueError(
                    f"unknown kind of mask {name!r}; there are irregular, rectangle "
                    "and files:FOLDER"
                )
        for field, kind in (
            ("hole_ratios", "irregular"),
            ("rectangle_sides", "rectangle"),
        ):
            value = getattr(self, field)
            if value is None:
                continue
            if kind not in names:
                raise ValueError(
                    f"{field}={value!r} is for {kind} masks, but kinds={self.kinds!r}"
                )
            if not is_range(value, 0, 1) or not value[1]:
                raise ValueError(
                    f"{field} must be (low, high) within 0 and 1, got {value!r}"
                )
        if self.border and any(name.startswith(_FILES) for name in names):
            raise ValueError(
                f"border={self.border!r} cannot be kept by masks from files"
            )

    @property
    def kind_list(self) -> list:
        """The kinds as a list."""
        return [name.strip() for name in self.kinds.split(",")]

    @property
    def num_files(self) -> int:
        """Number of masks in the folders."""
        folders = (
            name[len(_FILES) :] for name in self.kind_list if name.startswith(_FILES)
        )
        return sum(len(list_images(folder)) for folder in folders)

    def drawer(self, height: int, width: int) -> Callable:
        """The function that draws masks of one size; files are read now.

        Args:
            height, width: size of the masks, in pixels.

        Returns:
            Function of a seed (whole number >= 0, or several) that returns a mask,
            float32 ``(height, width, 1)``.

        Raises:
            ValueError: if the ranges do not suit the size, or a file is bad.
        """
        drawers = [self._drawer_of(name, height, width) for name in self.kind_list]

        def draw(seed):
            # Its own generator keeps the kind independent of the shapes.
            seed = np.atleast_1d(seed).tolist()
            kind = np.random.default_rng([*seed, len(drawers)]).integers(len(drawers))
            return drawers[kind](seed)

        for one in drawers:
            one([0])  # raises now rather than during training
        return draw

    def _drawer_of(self, name, height, width):
        if name.startswith(_FILES):
            return _file_drawer(name[len(_FILES) :], height, width)
        if name == "rectangle":
            sides = self.rectangle_sides or _RECTANGLE_SIDES
            heights, widths = (
                tuple(max(1, round(fraction * length)) for fraction in sides)
                for length in (height, width)
            )
            return lambda seed: mask_functions.rectangle_mask(
                height, width, seed, heights=heights, widths=widths, border=self.border
            )
        ratios = self.hole_ratios or ALL_RATIOS
        return lambda seed: irregular_mask(
            height, width, seed, hole_ratios=ratios, border=self.border
        )


def _file_drawer(folder, height, width):
    """Draws one of a folder's masks, all held in memory, eight pixels per byte."""
    shape = (height, width)
    packed = np.stack(
        [
            np.packbits(mask.astype(bool))
            for mask in mask_functions.read_mask_files(folder, shape)
        ]
    )

    def draw(seed):
        bits = packed[np.random.default_rng(seed).integers(len(packed))]
        mask = np.unpackbits(bits, count=height * width)
        return mask.reshape(height, width, 1).astype(np.float32)

    return draw


def load_inpainting_training(
    source: Source,
    batch_size: int,
    start_step: int = 0,
    *,
    preprocessing: Preprocessing,
    masks: MaskRecipe = MaskRecipe(),
    augmentation: Augmentation = _NO_AUGMENTATION,
    seed: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """The endless stream of training batches, from any step on.

    Args:
        source: the training split; labels are ignored.
        batch_size: images per batch, over all replicas.
        start_step: batches to leave out at the beginning of the stream.
        preprocessing: how images become inputs.
        masks: how masks are made; every image gets a new one every time.
        augmentation: random changes of the images; no mixup or smoothed labels.
        seed: of everything random, >= 0.
        share: which rows of every batch are read.

    Returns:
        Dataset of (images ``(batch, height, width, channels)`` float32, complete;
        masks ``(batch, height, width, 1)`` float32, 1 = valid).

    Raises:
        ValueError: if there are fewer examples than one batch, or an argument is bad.
    """
    if augmentation.mixup_alpha or augmentation.label_smoothing:
        raise ValueError(
            "mixup and smoothed labels are for classifiers, got "
            f"mixup_alpha={augmentation.mixup_alpha!r} and "
            f"label_smoothing={augmentation.label_smoothing!r}"
        )
    _check_seed(seed)
    images = load_training(
        source,
        batch_size,
        start_step,
        preprocessing=preprocessing,
        augmentation=augmentation,
        seed=seed,
        share=share,
    )
    draw_masks = _batch_drawer(masks, preprocessing, seed, _TRAINING)
    rows = share.rows_of(batch_size)
    own = share.index * rows + np.arange(rows)

    def add_masks(step, batch):
        return batch[0], draw_masks(step * batch_size + own)

    return endless(
        images.enumerate(start_step).map(
            add_masks, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
        )
    ).prefetch(tf.data.AUTOTUNE)


def load_inpainting_evaluation(
    source: Source,
    batch_size: int,
    *,
    preprocessing: Preprocessing,
    masks: MaskRecipe = MaskRecipe(),
    num_examples: Optional[int] = None,
    seed: int = 0,
    share: Share = WHOLE,
) -> tf.data.Dataset:
    """Every image once, in order, each with its own mask that never changes.

    For one bin of hole ratios, the recipe is
    ``MaskRecipe(hole_ratios=masks.HOLE_RATIO_BINS[i])``.

    Args:
        source: the split; labels are ignored.
        batch_size: images per batch, the last one may have fewer; masks do not depend
            on it.
        preprocessing: how images become inputs.
        masks: how masks are made.
        num_examples: number of images, from the first on; None for all.
        seed: of the masks, >= 0.
        share: which rows of every batch are read.

    Returns:
        Dataset as ``load_inpainting_training`` gives, of finite length.

    Raises:
        ValueError: if an argument is bad.
    """
    _check_seed(seed)
    if num_examples is not None and not 1 <= num_examples <= source.num_examples:
        raise ValueError(
            f"num_examples must be from 1 to the {source.num_examples} of "
            f"{source.name} {source.split}, got {num_examples!r}"
        )
    draw_masks = _batch_drawer(masks, preprocessing, seed, _EVALUATION)
    count = num_examples or source.num_examples
    numbered = tf.data.Dataset.zip(
        (source.examples.take(count), tf.data.Dataset.range(count))
    )
    chosen = dataclasses.replace(
        source,
        num_examples=count,
        examples=numbered.map(lambda example, position: (example[0], position)),
    )
    batches = evaluation_stream(
        chosen,
        batch_size,
        lambda content, position: (preprocessing(source.read(content)), position),
        share,
    )
    return batches.map(
        lambda images, positions: (images, draw_masks(positions)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(tf.data.AUTOTUNE)


def _batch_drawer(recipe, preprocessing, seed, purpose):
    """Function of the numbers ``(batch,)`` of a batch's images that draws its masks."""
    height, width = preprocessing.height, preprocessing.width
    draw = recipe.drawer(height, width)

    def draw_many(numbers):
        return np.stack([draw((seed, purpose, int(number))) for number in numbers])

    def masks_of(numbers):
        # Stateless: the same masks whenever and wherever it is called.
        masks = tf.numpy_function(draw_many, [numbers], tf.float32, stateful=False)
        masks.set_shape([numbers.shape[0], height, width, 1])
        return masks

    return masks_of


# Masks are drawn in Python. Once the interpreter ends, such functions wait for it for
# ever, and iterators that are still held for their functions.
@atexit.register
def _close_iterators():
    kinds = (
        iterator_ops.OwnedIterator,
        multi_device_iterator_ops.OwnedMultiDeviceIterator,
    )
    for one in [one for one in gc.get_objects() if type(one) in kinds]:
        for name in ("_iterator_resource", "_multi_device_iterator_resource"):
            if hasattr(one, name):
                setattr(one, name, None)


def _check_seed(seed):
    if not isinstance(seed, (int, np.integer)) or seed < 0:
        raise ValueError(f"seed must be a whole number >= 0, got {seed!r}")
