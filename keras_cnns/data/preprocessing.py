"""How images become inputs, the same in training, inference and serving."""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from keras_cnns._checks import check_each_count
from keras_cnns.data.decoding import decode_image

if TYPE_CHECKING:
    from keras_cnns.data.sources import Source

# Lowest and highest value of a network's images, by the registry's name of the range.
VALUE_RANGES = {"unit": (0.0, 1.0), "signed": (-1.0, 1.0)}


def check_value_range(value_range: str) -> None:
    """Refuses anything but a key of ``VALUE_RANGES``."""
    if value_range not in VALUE_RANGES:
        raise ValueError(
            f"value_range must be one of {', '.join(VALUE_RANGES)}, got {value_range!r}"
        )


@dataclasses.dataclass(frozen=True)
class Preprocessing:
    """Decoding, resizing and standardisation of images for one network.

    Attributes:
        height, width: size of the input, in pixels.
        channels: 1 (grey) or 3.
        mean, std: per channel, on grey levels of 0 to 255, in the order of the
            network's channels; the input is ``(pixels - mean) / std``.
        reverse_channels: whether the network expects blue, green, red.
        crop_ratio: fraction of the shorter side that the central square keeps before it
            is resized; None resizes the whole image without keeping its aspect.
    """

    height: int
    width: int
    channels: int
    mean: tuple
    std: tuple
    reverse_channels: bool = False
    crop_ratio: float | None = None

    def __post_init__(self):
        check_each_count(height=self.height, width=self.width)
        if self.channels not in (1, 3):
            raise ValueError(f"channels must be 1 or 3, got {self.channels!r}")
        if not len(self.mean) == len(self.std) == self.channels:
            raise ValueError(
                f"mean {self.mean!r} and std {self.std!r} must have "
                f"{self.channels} values"
            )
        if not all(math.isfinite(mean) for mean in self.mean):
            raise ValueError(f"mean must be finite, got {self.mean!r}")
        if not all(0 < std < math.inf for std in self.std):
            raise ValueError(f"std must be positive and finite, got {self.std!r}")
        if self.crop_ratio is not None and not 0 < self.crop_ratio <= 1:
            raise ValueError(f"crop_ratio must be in (0, 1], got {self.crop_ratio!r}")

    @classmethod
    def for_range(
        cls, height: int, width: int, channels: int, value_range: str
    ) -> Preprocessing:
        """Scales grey levels of 0 to 255 to a range of ``VALUE_RANGES``."""
        check_value_range(value_range)
        low, high = VALUE_RANGES[value_range]
        std = 255 / (high - low)
        return cls(
            height, width, channels, ((0 - low) * std,) * channels, (std,) * channels
        )

    @property
    def value_range(self) -> str:
        """The key of ``VALUE_RANGES`` that inputs are scaled to.

        Raises:
            ValueError: if there is none.
        """
        for name in VALUE_RANGES:
            same = Preprocessing.for_range(*self.shape, name)
            if np.allclose([same.mean, same.std], [self.mean, self.std]):
                return name
        raise ValueError(
            f"inputs by mean {self.mean!r} and std {self.std!r} have none of the "
            f"ranges {', '.join(VALUE_RANGES)}"
        )

    @property
    def shape(self) -> tuple:
        """(height, width, channels) of the input."""
        return (self.height, self.width, self.channels)

    def with_size(self, height: int, width: int) -> Preprocessing:
        """The same for inputs of another size."""
        return dataclasses.replace(self, height=height, width=width)

    @classmethod
    def plain(cls, height: int, width: int, channels: int) -> Preprocessing:
        """Keeps grey levels of 0 to 255 unchanged."""
        return cls(height, width, channels, (0.0,) * channels, (1.0,) * channels)

    @classmethod
    def from_json(cls, fields: dict) -> Preprocessing:
        """The value whose ``dataclasses.asdict`` was stored as JSON."""
        return cls(
            **{k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
        )

    def decode(self, content: tf.Tensor) -> tf.Tensor:
        """Encoded bytes to pixels, uint8 ``(height, width, channels)``, any size."""
        return decode_image(content, self.channels)

    def resize(self, image: tf.Tensor) -> tf.Tensor:
        """Central crop, if any, then bilinear resizing to the input size.

        Args:
            image: pixels ``(height, width, channels)``, 0 to 255.

        Returns:
            float32 pixels of the input size, 0 to 255.
        """
        image = tf.cast(image, tf.float32)
        shape = tf.shape(image)
        if self.crop_ratio is not None:
            shorter = tf.cast(tf.minimum(shape[0], shape[1]), tf.float32)
            side = tf.cast(tf.round(shorter * self.crop_ratio), tf.int32)
            side = tf.maximum(side, 1)
            image = tf.image.resize_with_crop_or_pad(image, side, side)
            shape = tf.shape(image)
        fits = tf.logical_and(shape[0] == self.height, shape[1] == self.width)
        size = (self.height, self.width)
        image = tf.cond(
            fits, lambda: image, lambda: tf.image.resize(image, size, antialias=True)
        )
        image.set_shape([self.height, self.width, self.channels])
        return image

    def standardize(self, image: tf.Tensor) -> tf.Tensor:
        """Pixels of 0 to 255, ``(..., channels)``, to the network's float32 input."""
        image = tf.cast(image, tf.float32)
        if self.reverse_channels:
            image = tf.reverse(image, axis=[-1])
        return (image - tf.constant(self.mean)) / tf.constant(self.std)

    def unstandardize(self, inputs: tf.Tensor) -> tf.Tensor:
        """Undoes ``standardize``."""
        image = inputs * tf.constant(self.std) + tf.constant(self.mean)
        return tf.reverse(image, axis=[-1]) if self.reverse_channels else image

    def __call__(self, content: tf.Tensor) -> tf.Tensor:
        """Encoded bytes to one input ``(height, width, channels)``, float32."""
        return self.standardize(self.resize(self.decode(content)))


# Input conventions of public weights: statistics on 0 to 255 and channel order.
CONVENTIONS = {
    "torch": {
        "mean": (123.675, 116.28, 103.53),
        "std": (58.395, 57.12, 57.375),
        "crop_ratio": 0.875,
    },
    "caffe": {
        "mean": (103.939, 116.779, 123.68),
        "std": (1.0, 1.0, 1.0),
        "reverse_channels": True,
        "crop_ratio": 0.875,
    },
    "bn_inception": {
        "mean": (104.0, 117.0, 128.0),
        "std": (1.0, 1.0, 1.0),
        "reverse_channels": True,
        "crop_ratio": 0.875,
    },
    "dpn": {
        "mean": (124.0, 117.0, 104.0),
        "std": (1 / 0.0167,) * 3,
        "crop_ratio": 0.875,
    },
    "tf": {
        "mean": (127.5, 127.5, 127.5),
        "std": (127.5, 127.5, 127.5),
        "crop_ratio": 0.875,
    },
    "pixels": {"mean": (0.0,) * 3, "std": (1.0,) * 3, "crop_ratio": 0.875},
    "facenet": {  # for cropped faces
        "mean": (127.5, 127.5, 127.5),
        "std": (128.0, 128.0, 128.0),
    },
}


def measure_statistics(
    source: Source, height: int, width: int, channels: int, limit: int = 20_000
) -> Preprocessing:
    """Standardisation by a data set's own mean and standard deviation, per channel.

    Args:
        source: ``Source`` of the training split.
        height, width, channels: the network's input.
        limit: largest number of examples that are read.

    Raises:
        ValueError: if a channel is constant over all images.
    """
    plain = Preprocessing.plain(height, width, channels)
    examples = source.examples
    if source.num_examples > limit:  # their order need not be random
        examples = examples.shuffle(source.shuffle_buffer, seed=1).take(limit)
    pixels = examples.map(
        lambda content, label: plain(source.read(content)),
        num_parallel_calls=tf.data.AUTOTUNE,
    )

    def add(sums, image):
        image = tf.reshape(tf.cast(image, tf.float64), [-1, channels])
        moments = [tf.reduce_sum(image, 0), tf.reduce_sum(image**2, 0)]
        return sums + tf.stack([*moments, tf.ones_like(moments[0]) * len(image)])

    total, squares, count = pixels.reduce(
        tf.zeros([3, channels], tf.float64), add
    ).numpy()
    mean = total / count
    std = (squares / count - mean**2) ** 0.5
    if not (std > 0).all():
        raise ValueError(
            f"the images of {source.name!r} do not vary (std {std}); they cannot be "
            "standardised"
        )
    return Preprocessing(
        height,
        width,
        channels,
        tuple(float(m) for m in mean),
        tuple(float(s) for s in std),
    )
