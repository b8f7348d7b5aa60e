"""TFDS builder ``rendered_digits``: digits drawn by a program, the simulated
counterpart of ``digits``."""

import numpy as np
import tensorflow_datasets as tfds

_SIDE = 8
_SUBSAMPLES = 4  # per pixel and axis, as scikit-learn's digits were reduced
_PER_CLASS = {"train": 500, "test": 100}
_SEED = 0
_TURN = np.deg2rad(8)
_SLANT = 0.15
_HEIGHTS, _WIDTHS = (5.6, 6.8), (3.4, 4.8)  # of the line's middle, in pixels
_SHIFT = 0.5
_THICKNESSES = (0.8, 1.3)


def _ring(middle_y, radius_x, radius_y):
    angles = np.linspace(0, 2 * np.pi, 17)
    return [
        (0.5 + radius_x * np.sin(a), middle_y - radius_y * np.cos(a)) for a in angles
    ]


_SIX = [
    (0.8, 0.02), (0.4, 0.15), (0.12, 0.45), (0.05, 0.75), (0.25, 0.97), (0.6, 1),
    (0.9, 0.85), (0.92, 0.65), (0.7, 0.5), (0.35, 0.52), (0.08, 0.7),
]  # fmt: skip
# By digit, lines of points (x to the right, y down) in the unit square.
STROKES = (
    [_ring(0.5, 0.5, 0.5)],
    [[(0.25, 0.25), (0.55, 0), (0.55, 1)]],
    [[(0.05, 0.25), (0.2, 0.05), (0.5, 0), (0.8, 0.05), (0.95, 0.27), (0.8, 0.5),
      (0.4, 0.75), (0.05, 1), (1, 1)]],
    [[(0.05, 0.1), (0.4, 0), (0.8, 0.05), (0.95, 0.25), (0.8, 0.43), (0.45, 0.48),
      (0.85, 0.55), (1, 0.75), (0.8, 0.95), (0.4, 1), (0, 0.9)]],
    [[(0.7, 1), (0.7, 0), (0, 0.7), (1, 0.7)]],
    [[(0.9, 0), (0.15, 0), (0.1, 0.45), (0.5, 0.38), (0.85, 0.5), (0.95, 0.72),
      (0.8, 0.93), (0.45, 1), (0.05, 0.92)]],
    [_SIX],
    [[(0, 0), (1, 0), (0.35, 1)]],
    [_ring(0.24, 0.36, 0.24), _ring(0.74, 0.46, 0.26)],
    [[(1 - x, 1 - y) for x, y in _SIX]],
)  # fmt: skip


class RenderedDigits(tfds.core.GeneratorBasedBuilder):
    """6000 drawn grey 8x8 digits, 5000 to train and 1000 to test.

    Thin even lines in full white on black, each a little turned, slanted, scaled and
    shifted at random; always the same images.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Digits drawn by a program, 8x8 pixels, ten classes.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(
                        shape=(_SIDE, _SIDE, 1), dtype=np.uint8
                    ),
                    "label": tfds.features.ClassLabel(num_classes=len(STROKES)),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing is downloaded
        return {
            split: self._generate_examples(number, count)
            for number, (split, count) in enumerate(_PER_CLASS.items())
        }

    def _generate_examples(self, split_number, per_class):
        for i in range(per_class * len(STROKES)):
            random = np.random.default_rng([_SEED, split_number, i])
            label = i % len(STROKES)
            yield i, {"image": render_digit(label, random), "label": label}


def render_digit(label: int, random: np.random.Generator) -> np.ndarray:
    """One image of a digit.

    Args:
        label: the digit.
        random: ``numpy.random.Generator``, for turn, slant, size, position, thickness.

    Returns:
        ``(8, 8, 1)`` uint8, white lines on black, antialiased.
    """
    turn = random.uniform(-_TURN, _TURN)
    slant = random.uniform(-_SLANT, _SLANT)
    size = [random.uniform(*_WIDTHS), random.uniform(*_HEIGHTS)]
    middle = _SIDE / 2 + random.uniform(-_SHIFT, _SHIFT, 2)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = rotation @ np.array([[1, -slant], [0, 1]]) @ np.diag(size)
    lines = [(np.array(line) - 0.5) @ matrix.T + middle for line in STROKES[label]]
    starts = np.concatenate([line[:-1] for line in lines])
    ends = np.concatenate([line[1:] for line in lines])
    fractions = _covered(starts, ends, random.uniform(*_THICKNESSES) / 2)
    return np.round(255 * fractions).astype(np.uint8)[..., np.newaxis]


def _covered(starts, ends, radius):
    """The fraction of each pixel that is nearer to a line than ``radius``."""
    places = (np.arange(_SIDE * _SUBSAMPLES) + 0.5) / _SUBSAMPLES
    x = places[:, np.newaxis] - starts[:, 0]  # (column, line)
    y = places[:, np.newaxis, np.newaxis] - starts[:, 1]  # (row, 1, line)
    along_x, along_y = (ends - starts).T
    fraction = np.clip((x * along_x + y * along_y) / (along_x**2 + along_y**2), 0, 1)
    squares = (x - fraction * along_x) ** 2 + (y - fraction * along_y) ** 2
    blocks = (squares.min(-1) < radius**2).reshape(
        _SIDE, _SUBSAMPLES, _SIDE, _SUBSAMPLES
    )
    return blocks.mean((1, 3))
