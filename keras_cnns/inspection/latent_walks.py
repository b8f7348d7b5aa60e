"""Interpolation and arithmetic in a generator's latent space."""

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from keras_cnns._checks import check_choice, check_count, check_positive

PATHS = ("straight", "spherical")


def interpolate(
    first: np.ndarray, second: np.ndarray, num_points: int, path: str = "straight"
) -> np.ndarray:
    """Points from one latent to another, both included, at equal steps.

    Args:
        first, second: arrays of one shape, such as ``(latent_size,)``.
        num_points: number of points, at least 2.
        path: ``"straight"``, as in the paper, or ``"spherical"``: on the great circle
            between the directions (White, arXiv 1609.04468), which keeps the norm of
            latents of equal norm and so stays where a normal distribution has its mass.

    Returns:
        ``(num_points, *shape)`` float32.

    Raises:
        ValueError: if shapes differ, an argument is bad, or a great circle is not
            determined (a latent of 0, or opposite ones).

    Source: Radford et al., arXiv 1511.06434, figure 4.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"shapes differ: {first.shape} and {second.shape}")
    check_count("num_points", num_points)
    if num_points < 2:
        raise ValueError(f"num_points must be at least 2, got {num_points!r}")
    check_choice("path", path, PATHS)
    fraction = np.linspace(0, 1, num_points).reshape(-1, *[1] * first.ndim)
    weights = (1 - fraction, fraction)
    if path == "spherical":
        weights = _spherical_weights(first.ravel(), second.ravel(), fraction)
    return (weights[0] * first + weights[1] * second).astype(np.float32)


def _spherical_weights(first, second, fraction):
    lengths = np.linalg.norm(first) * np.linalg.norm(second)
    if lengths == 0:
        raise ValueError("a spherical path needs latents other than 0")
    angle = np.arccos(np.clip(first @ second / lengths, -1, 1))
    if np.pi - angle < 1e-6:
        raise ValueError("a spherical path between opposite latents is not determined")
    if angle < 1e-6:
        return 1 - fraction, fraction
    return np.sin((1 - fraction) * angle) / np.sin(angle), (
        np.sin(fraction * angle) / np.sin(angle)
    )


def walk(points: np.ndarray, num_steps: int, path: str = "straight") -> np.ndarray:
    """Points from each latent to the next, passing each once.

    Args:
        points: latents ``(count, *shape)``, 2 at least; the paper has 9.
        num_steps: steps from each to the next, a positive integer.
        path: as of ``interpolate``.

    Returns:
        ``((count - 1) * num_steps + 1, *shape)`` float32.

    Raises:
        ValueError: as ``interpolate``, or if there are fewer than 2 latents.
    """
    points = np.asarray(points)
    check_count("num_steps", num_steps)
    if points.ndim < 2 or len(points) < 2:
        raise ValueError(f"a walk needs 2 latents at least, got shape {points.shape}")
    legs = [
        interpolate(start, end, num_steps + 1, path)[:-1]
        for start, end in zip(points[:-1], points[1:])
    ]
    return np.concatenate([*legs, points[-1:]]).astype(np.float32)


def average_latents(latents: np.ndarray) -> np.ndarray:
    """The mean of the latents of one concept.

    Args:
        latents: ``(count, *shape)``; the paper averages 3, since single ones are
            unstable.

    Raises:
        ValueError: if there are none.
    """
    latents = np.asarray(latents, np.float32)
    if latents.ndim < 2 or not len(latents):
        raise ValueError(f"latents must be (count, *shape), got {latents.shape}")
    return latents.mean(axis=0)


def combine(
    positive: Sequence[np.ndarray], negative: Sequence[np.ndarray] = ()
) -> np.ndarray:
    """Sum of concepts minus a sum of others.

    Args:
        positive: concepts that are added, arrays of one shape; one at least.
        negative: those that are subtracted, of the same shape.

    Raises:
        ValueError: if there are no positive ones, or shapes differ.

    Source: Radford et al., arXiv 1511.06434, section 6.3.2. The turn vector there is
    ``combine([mean of left-looking faces], [mean of right-looking ones])``.
    """
    shapes = {np.shape(concept) for concept in (*positive, *negative)}
    if not len(positive) or len(shapes) != 1:
        raise ValueError(
            f"concepts of one shape are needed, one positive at least; got "
            f"{len(positive)} positive, {len(negative)} negative, of shapes {shapes}"
        )
    result = np.sum(np.asarray(positive, np.float32), axis=0)
    for concept in negative:
        result = result - np.asarray(concept, np.float32)
    return result


def shift(
    latents: np.ndarray, direction: np.ndarray, amounts: Sequence[float]
) -> np.ndarray:
    """Latents moved in a direction, such as the turn vector.

    Args:
        latents: ``(count, *shape)``.
        direction: ``shape``.
        amounts: how far, as multiples of ``direction``.

    Returns:
        ``(count, len(amounts), *shape)`` float32.

    Raises:
        ValueError: if shapes do not fit.
    """
    latents, direction = np.asarray(latents), np.asarray(direction)
    if latents.shape[1:] != direction.shape:
        raise ValueError(
            f"direction of shape {direction.shape} does not fit latents of shape "
            f"{latents.shape}"
        )
    amounts = np.reshape(amounts, (1, -1, *[1] * direction.ndim))
    return (latents[:, np.newaxis] + amounts * direction).astype(np.float32)


def neighbours(
    latent: np.ndarray, num_neighbours: int = 8, radius: float = 0.25, seed: int = 0
) -> np.ndarray:
    """Latents near another: uniform noise is added to every number.

    Args:
        latent: array of any shape.
        num_neighbours: number of neighbours.
        radius: largest noise, positive; the paper's is 0.25.
        seed: of the noise.

    Returns:
        ``(num_neighbours, *shape)`` float32.

    Raises:
        ValueError: if an argument is bad.
    """
    check_count("num_neighbours", num_neighbours)
    check_positive("radius", radius)
    latent = np.asarray(latent)
    noise = np.random.default_rng(seed).uniform(
        -radius, radius, (num_neighbours, *latent.shape)
    )
    return (latent + noise).astype(np.float32)


@dataclasses.dataclass(frozen=True)
class ArithmeticStudy:
    """Images of vector arithmetic.

    Attributes:
        samples: images of each concept's latents, those added first.
        concepts: images of the averaged latents, ``(concepts, height, width,
            channels)``.
        result: image of their combination ``(height, width, channels)``.
        neighbours: images around it ``(num_neighbours, height, width, channels)``.
        pixel_control: the same arithmetic on pixels, with each concept's images
            averaged, clipped to the range of the images.
        latent: the combination itself.
    """

    samples: tuple
    concepts: np.ndarray
    result: np.ndarray
    neighbours: np.ndarray
    pixel_control: np.ndarray
    latent: np.ndarray


def vector_arithmetic(
    generate: Callable[[np.ndarray], np.ndarray],
    positive: Sequence[np.ndarray],
    negative: Sequence[np.ndarray],
    num_neighbours: int = 8,
    radius: float = 0.25,
    value_range: tuple = (-1, 1),
    seed: int = 0,
) -> ArithmeticStudy:
    """Smiling woman - neutral woman + neutral man: in latents, and in pixels.

    Args:
        generate: function of latents ``(count, latent_size)`` that gives images, such
            as a generator's ``predict``.
        positive, negative: for each concept that is added or subtracted, latents
            ``(count, latent_size)`` of images that show it; 3 in the paper.
        num_neighbours, radius, seed: of the latents around the result, see
            ``neighbours``.
        value_range: smallest and largest value of the images.

    Raises:
        ValueError: as ``average_latents``, ``combine`` and ``neighbours``.

    Source: Radford et al., arXiv 1511.06434, section 6.3.2, figure 7.
    """
    means = [average_latents(latents) for latents in (*positive, *negative)]
    latent = combine(means[: len(positive)], means[len(positive) :])
    around = neighbours(latent, num_neighbours, radius, seed)
    samples = [np.asarray(generate(latents)) for latents in (*positive, *negative)]
    pixels = [average_latents(images) for images in samples]
    control = combine(pixels[: len(positive)], pixels[len(positive) :])
    return ArithmeticStudy(
        samples=tuple(samples),
        concepts=np.asarray(generate(np.stack(means))),
        result=np.asarray(generate(latent[np.newaxis]))[0],
        neighbours=np.asarray(generate(around)),
        pixel_control=np.clip(control, *value_range),
        latent=latent,
    )


def interpolation_jumps(images: np.ndarray) -> float:
    """The largest step of an interpolation, as a fraction of the distance of its ends.

    A straight line at even speed over ``n`` images gives ``1 / (n - 1)``, a single jump
    1; more than 1 is possible on a path with detours.

    Args:
        images: ``(num_points, height, width, channels)``, in order.

    Raises:
        ValueError: if there are fewer than 2, or the ends are equal.
    """
    images = np.asarray(images, np.float64)
    if len(images) < 2:
        raise ValueError(f"2 images at least are needed, got {len(images)}")
    flat = images.reshape(len(images), -1)
    end_to_end = np.linalg.norm(flat[-1] - flat[0])
    if end_to_end == 0:
        raise ValueError("the first image and the last are equal")
    return float(np.linalg.norm(np.diff(flat, axis=0), axis=1).max() / end_to_end)
