"""Images that a generator drew, ways between them, and latents moved by hand."""

import dataclasses
from typing import TYPE_CHECKING, Optional

import numpy as np

from keras_cnns import data, inspection

if TYPE_CHECKING:
    from keras_cnns.inference import Sampler


@dataclasses.dataclass(frozen=True)
class Drawing:
    """Images of a generator, two of which are chosen.

    Attributes:
        run: name of the generator's run.
        bounds: values between which its latents are, as ``Latents.bounds``.
        inputs: what the images were made of, as ``Sampler.draw_inputs`` returns it.
        pixels: uint8 ``(count, height, width, channels)``.
        chosen: numbers of the two that were chosen last, the later one at the end; of
            one image alone there is one.
        moved: latents ``(size,)`` of the later one, as they were moved.
    """

    run: str
    bounds: tuple
    inputs: list
    pixels: np.ndarray
    chosen: tuple
    moved: np.ndarray

    @classmethod
    def of_run(
        cls,
        name: str,
        sampler: "Sampler",
        count: int,
        seed: int,
        labels: Optional[list],
    ) -> "Drawing":
        """That of a run; the first two images are chosen.

        Args:
            name: of the run.
            sampler: ``inference.Sampler`` of it.
            count, seed, labels: as the sampler takes them.
        """
        inputs = sampler.draw_inputs(count, seed=seed, labels=labels)
        pixels = _pixels(sampler, inputs)
        chosen = tuple(range(count))[:2]
        moved = inputs[0][chosen[-1]]
        return cls(name, sampler.latents.bounds, inputs, pixels, chosen, moved)

    def choose(self, number: int) -> "Drawing":
        """One in which an image is chosen, and what was moved is forgotten."""
        others = [one for one in self.chosen if one != number]
        chosen = (*others, number)[-2:]
        return dataclasses.replace(self, chosen=chosen, moved=self.inputs[0][number])

    def move(self, dimension: int, value: float) -> "Drawing":
        """One in which one value of the latents has moved.

        Args:
            dimension: from 0.
            value: that it has then.
        """
        moved = self.moved.copy()
        moved[dimension] = value
        return dataclasses.replace(self, moved=moved)

    def moved_pixels(self, sampler: "Sampler") -> np.ndarray:
        """The image of what was moved, uint8 ``(height, width, channels)``."""
        labels = [values[self.chosen[-1]] for values in self.inputs[1:]]
        return _pixels(sampler, [one[np.newaxis] for one in (self.moved, *labels)])[0]

    def walk(self, sampler: "Sampler", between: int, path: str) -> np.ndarray:
        """Images on the way from one chosen image to the other.

        Args:
            sampler: of the run.
            between: how many there are between these two.
            path: of the latents, as ``inspection.interpolate`` takes it; labels of two
                classes are mixed on a straight one.

        Returns:
            uint8 ``(between + 2, height, width, channels)``, those two included.

        Raises:
            ValueError: if there are no two, or as ``inspection.interpolate``.
        """
        if len(self.chosen) < 2:
            raise ValueError("a walk needs two images: draw more than one")
        first, last = self.chosen
        way = [
            inspection.interpolate(values[first], values[last], between + 2, path)[1:-1]
            for values, path in zip(self.inputs, (path, "straight"))
        ]
        ends = self.pixels[[first]], self.pixels[[last]]
        return np.concatenate([ends[0], _pixels(sampler, way), ends[1]])


def _pixels(sampler, inputs):
    return data.to_bytes(sampler.generate(inputs), sampler.value_range)
