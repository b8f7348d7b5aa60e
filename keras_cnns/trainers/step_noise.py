"""Random numbers of a training step that are the same however it is run."""

import dataclasses
from collections.abc import Sequence

import tensorflow as tf

_KINDS = {
    "normal": None,
    "uniform": (-1.0, 1.0),
    "unit_uniform": (0.0, 1.0),
    "standard_uniform": (-(3.0**0.5), 3.0**0.5),
}


@dataclasses.dataclass(frozen=True)
class Latents:
    """The distribution that a generator starts from.

    Attributes:
        size: number of independent values.
        kind: ``"normal"`` (mean 0, variance 1), ``"uniform"`` in [-1, 1),
            ``"unit_uniform"`` in [0, 1) or ``"standard_uniform"`` in +-sqrt(3), whose
            variance is 1.
    """

    size: int
    kind: str = "normal"

    def __post_init__(self):
        if self.kind not in _KINDS:
            known = ", ".join(_KINDS)
            raise ValueError(
                f"kind of latents must be one of {known}, got {self.kind!r}"
            )
        if isinstance(self.size, bool) or not isinstance(self.size, int):
            raise ValueError(f"size of latents must be an integer, got {self.size!r}")
        if self.size < 1:
            raise ValueError(f"size of latents must be positive, got {self.size!r}")

    @property
    def bounds(self) -> tuple:
        """Values between which all are, or of the normal ones all but 0.3 %."""
        return _KINDS[self.kind] or (-3.0, 3.0)

    def draw(self, count: int, seed: tf.Tensor) -> tf.Tensor:
        """Latents ``(count, size)``, float32, a function of a seed of two integers."""
        shape = [count, self.size]
        if self.kind == "normal":
            return tf.random.stateless_normal(shape, seed, alg="philox")
        low, high = _KINDS[self.kind]
        return tf.random.stateless_uniform(shape, seed, low, high, alg="philox")


class StepNoise:
    """The random numbers of one training step, in order.

    Every draw is a function of the run's seed, the step and its place in the step, so
    that a resumed run draws what an uninterrupted one does. Each replica draws the
    numbers of the global batch and takes its own part of them: replicas differ from
    each other, and together draw what a single device draws. Draw outside of what XLA
    compiles, which would draw other numbers.

    Args:
        seed: of the run.
        step: tensor, number of the training step.
    """

    def __init__(self, seed: int, step: tf.Tensor) -> None:
        self._seed = tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)])
        self._draws = 0

    def latents(self, latents: Latents, count: int) -> tf.Tensor:
        """``count`` latents for this replica."""
        return self._own_part(latents.draw, count)

    def normal(self, shape: Sequence[int]) -> tf.Tensor:
        """Standard normal values; the first axis is this replica's batch."""
        return self._values(tf.random.stateless_normal, shape)

    def uniform(self, shape: Sequence[int]) -> tf.Tensor:
        """Uniform values in [0, 1); the first axis is this replica's batch."""
        return self._values(tf.random.stateless_uniform, shape)

    def shared_uniform(self, count: int) -> tf.Tensor:
        """``count`` uniform values in [0, 1), the same on every replica."""
        return tf.random.stateless_uniform([count], self._next_seed(), alg="philox")

    def _next_seed(self):
        self._draws += 1
        return tf.random.experimental.stateless_fold_in(self._seed, self._draws)

    def _values(self, draw, shape):
        return self._own_part(
            lambda count, seed: draw([count, *shape[1:]], seed, alg="philox"), shape[0]
        )

    def _own_part(self, draw, count):
        replica = tf.distribute.get_replica_context()
        values = draw(count * replica.num_replicas_in_sync, self._next_seed())
        first = replica.replica_id_in_sync_group * count
        return values[first : first + count]


@dataclasses.dataclass(frozen=True)
class InstanceNoise:
    """Gaussian noise on a discriminator's inputs, with a falling standard deviation.

    Attributes:
        start: standard deviation at step 0, in the unit of the images.
        end: standard deviation from step ``steps`` on.
        steps: length of the linear descent, in training steps.

    Source: Arjovsky and Bottou, arXiv 1701.04862, section 3; they publish no schedule,
    a linear one is custom (unverified).
    """

    start: float
    end: float = 0.0
    steps: int = 1

    def __post_init__(self):
        if not self.start >= self.end >= 0 or self.start == 0:
            raise ValueError(
                "instance noise must go from a positive start down to end >= 0, got "
                f"{self.start!r} and {self.end!r}"
            )
        if self.steps < 1:
            raise ValueError(
                f"steps of instance noise must be >= 1, got {self.steps!r}"
            )

    def std(self, step: tf.Tensor) -> tf.Tensor:
        """Standard deviation at a step, float32 scalar."""
        fraction = tf.minimum(tf.cast(step, tf.float32) / self.steps, 1.0)
        return self.start + fraction * (self.end - self.start)
