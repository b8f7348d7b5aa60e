"""The studies of the DCGAN paper: each writes images and returns numbers for JSON.

Source: Radford et al., arXiv 1511.06434: duplicates in section 4.1.1, features in 5.1,
walks in 6.1, filters in 6.2, windows in 6.3.1, arithmetic in 6.3.2.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from tensorflow import keras

from keras_cnns import _progress
from keras_cnns._graph import convolution_activations
from keras_cnns.data import VALUE_RANGES
from keras_cnns.figures.grids import around_grey, image_grid
from keras_cnns.inspection import duplicates, latent_walks
from keras_cnns.inspection.backward_rules import guided_copy
from keras_cnns.inspection.batch_norm_statistics import remeasure_batch_norm
from keras_cnns.inspection.discriminator_features import discriminator_features
from keras_cnns.inspection.filter_dropping import drop_filters, object_filters
from keras_cnns.inspection.guided_backpropagation import (
    maximal_responses,
    unit_gradients,
)
from keras_cnns.inspection.linear_svm import C_VALUES, svm_accuracy

_WALK_STEPS = 16
_NUM_FILTERS, _NUM_EXAMPLES = 6, 4
_NUM_GROUPS, _GROUP_SIZE = 10, 8
_LARGEST_THUMBNAIL = 32
_SHOWN_SIZE = 48  # small images are shown at least half this large, in pixels
# Raw pixels are fewer than features and get larger penalties to choose from as well.
_PIXEL_PENALTIES = (*C_VALUES, 2e-2, 5e-2, 1e-1)


@dataclasses.dataclass(frozen=True)
class StudiedNetworks:
    """A trained, unconditional convolutional GAN, and the data of its studies.

    Attributes:
        generator: latents to images.
        discriminator: images to logits.
        untrained: a discriminator of the same layers with fresh weights.
        images: training images ``(count, height, width, channels)``.
        value_range: ``"signed"`` or ``"unit"``, of all images.
        latents: of the numbered samples, ``(num_samples, latent_size)``.
        output_dir: folder for the images.
        seed: of everything random but the auto-encoder's weights.
    """

    generator: keras.Model
    discriminator: keras.Model
    untrained: keras.Model
    images: np.ndarray
    value_range: str
    latents: np.ndarray
    output_dir: str
    seed: int = 0

    def generate(self, latents: np.ndarray) -> np.ndarray:
        """Images of latents, in inference mode."""
        return self.generator.predict(latents, verbose=0)

    def as_unit(self, images: np.ndarray) -> np.ndarray:
        """Images in [0, 1]."""
        low, high = VALUE_RANGES[self.value_range]
        return (images - low) / (high - low)

    def discriminators(self) -> dict:
        """Trained and untrained, normalised by the statistics of ``images``."""
        batches = np.array_split(self.images, -(-len(self.images) // 128))
        found = {"trained": self.discriminator, "untrained": self.untrained}
        if not _has_batch_norm(self.discriminator):
            return found
        return {name: remeasure_batch_norm(net, batches) for name, net in found.items()}

    def show(
        self,
        rows: Sequence[np.ndarray],
        name: str,
        value_range: str | None = None,
        **labels: Any,
    ) -> None:
        """Writes rows of images, padded with white to equal lengths."""
        columns = max(map(len, rows))
        whole = [
            np.concatenate([row, np.ones((columns - len(row), *row.shape[1:]))])
            for row in rows
        ]
        image_grid(
            np.concatenate(whole),
            os.path.join(self.output_dir, name),
            columns=columns,
            value_range=value_range or self.value_range,
            scale=max(1, _SHOWN_SIZE // self.images.shape[1]),
            **labels,
        )


def _has_batch_norm(network):
    kind = keras.layers.BatchNormalization
    return any(isinstance(layer, kind) for layer in network.layers)


def show_samples(study: StudiedNetworks) -> None:
    """``samples.png``: a sample's number is that of its row plus that of its column."""
    images = study.generate(study.latents)
    starts = range(0, len(images), 10)
    columns = min(10, len(images))
    study.show(
        [images[start : start + 10] for start in starts],
        "samples.png",
        row_labels=starts,
        column_labels=[f"+{i}" for i in range(columns)],
    )


def study_features(
    study: StudiedNetworks,
    labels: np.ndarray,
    test_images: np.ndarray,
    test_labels: np.ndarray,
    penalties: Sequence[float] = (),
) -> dict:
    """Accuracy of linear SVMs on activations, trained and untrained, and on pixels.

    Args:
        study: ``StudiedNetworks``.
        labels: class numbers of its images.
        test_images, test_labels: the test data.
        penalties: values of C to choose from; empty: those of the paper's code, and
            larger ones for pixels.

    Returns:
        Dict with ``pixels``, ``trained`` and ``untrained``, each with ``dimension``,
        ``accuracy``, ``penalty`` and ``validation_accuracies``.

    Raises:
        ValueError: as ``svm_accuracy`` and ``discriminator_features``.
    """
    models = {"pixels": keras.Sequential([keras.layers.Flatten()])}
    for name, network in study.discriminators().items():
        models[name] = discriminator_features(network)
    results = {"num_train": len(study.images), "num_test": len(test_images)}
    for name, model in _progress.track(models.items(), "features"):
        train, test = (
            model.predict(images, batch_size=128, verbose=0)
            for images in (study.images, test_images)
        )
        values = penalties or (_PIXEL_PENALTIES if name == "pixels" else C_VALUES)
        found = svm_accuracy(
            train, labels, test, test_labels, c_values=values, seed=study.seed
        )
        results[name] = {
            "dimension": train.shape[1],
            "accuracy": found.accuracy,
            "penalty": found.c,
            "validation_accuracies": dict(found.validation_accuracies),
        }
    return results


def study_walks(study: StudiedNetworks, points: np.ndarray) -> dict:
    """``walks.png``: a row is a straight line between two latents, ends included.

    Args:
        study: ``StudiedNetworks``.
        points: latents ``(count, latent_size)``; the paper has 9.

    Returns:
        Dict with ``jumps``, the largest step of each line as a fraction of the way, and
        ``even_step``, that of even steps.
    """
    images = study.generate(latent_walks.walk(points, _WALK_STEPS))
    starts = range(0, len(images) - 1, _WALK_STEPS)
    lines = [images[start : start + _WALK_STEPS + 1] for start in starts]
    study.show(lines, "walks.png")
    jumps = [latent_walks.interpolation_jumps(line) for line in lines]
    return {"jumps": jumps, "even_step": 1 / _WALK_STEPS}


def study_filters(study: StudiedNetworks) -> dict:
    """``filters_trained.png`` and ``filters_untrained.png``: images that excite maps.

    A row is one of the first 6 maps of the last convolution: the training images that
    excite it most, each with its guided gradient to the right.

    Returns:
        Dict with ``layer``, and by network numbers of the images and responses.
    """
    layer = convolution_activations(study.discriminator)[-1]
    num_maps = study.discriminator.get_layer(layer).output.shape[-1]
    units = range(min(_NUM_FILTERS, num_maps))
    count = min(_NUM_EXAMPLES, len(study.images))
    results = {"layer": layer}
    networks = study.discriminators().items()
    for name, network in _progress.track(networks, "networks"):
        order, responses = maximal_responses(network, study.images, layer, units, count)
        guided = guided_copy(network)
        rows = []
        for unit, chosen in zip(units, order):
            shown = study.images[chosen]
            (gradients,) = unit_gradients(guided, shown, layer, [unit])
            pairs = np.stack([study.as_unit(shown), around_grey(gradients)], axis=1)
            rows.append(pairs.reshape(-1, *shown.shape[1:]))
        study.show(rows, f"filters_{name}.png", "unit", row_labels=units)
        results[name] = {"images": order.tolist(), "responses": responses.tolist()}
    return results


def study_duplicates(study: StudiedNetworks, epochs: int = 40) -> dict:
    """``duplicates.png``: groups of training images of one hash, a group in a row.

    Args:
        study: ``StudiedNetworks``.
        epochs: of the auto-encoder that hashes.

    Returns:
        Dict with ``num_images``, ``removed`` and ``groups``, numbers of images, and
        ``agreeing_copies`` and ``agreeing_pairs``, of ``collision_rates``. Without
        groups no file is written.
    """
    images = study.as_unit(study.images)
    size = min(_LARGEST_THUMBNAIL, *images.shape[1:3])
    thumbnails = duplicates.central_thumbnails(images, size)
    autoencoder = duplicates.train_deduplicator(thumbnails, epochs)
    found = duplicates.find_duplicates(autoencoder, thumbnails)
    copies, pairs = duplicates.collision_rates(autoencoder, thumbnails, seed=study.seed)
    rows = [images[list(group[:_GROUP_SIZE])] for group in found.groups]
    if rows:
        study.show(rows[:_NUM_GROUPS], "duplicates.png", "unit")
    return {
        "num_images": len(images),
        "removed": found.removed.tolist(),
        "groups": [list(group) for group in found.groups],
        "agreeing_copies": copies,
        "agreeing_pairs": pairs,
    }


def study_arithmetic(
    study: StudiedNetworks,
    positive: Sequence[Sequence[int]],
    negative: Sequence[Sequence[int]] = (),
) -> dict:
    """``arithmetic.png``: sums of concepts, in latents and in pixels.

    A row for each concept, its samples and the image of their mean; then the sum and
    8 neighbours; then the same sum of pixels.

    Args:
        study: ``StudiedNetworks``.
        positive, negative: for each concept that is added or subtracted, numbers of
            samples that show it; 3 in the paper.

    Returns:
        Dict with ``latent``, the sum.

    Raises:
        ValueError: if a sample does not exist, or there are no positive concepts.
    """
    for number in sum(map(list, (*positive, *negative)), []):
        if not 0 <= number < len(study.latents):
            raise ValueError(
                f"sample {number} does not exist; there are 0 to "
                f"{len(study.latents) - 1}"
            )
    found = latent_walks.vector_arithmetic(
        study.generate,
        [study.latents[list(numbers)] for numbers in positive],
        [study.latents[list(numbers)] for numbers in negative],
        value_range=VALUE_RANGES[study.value_range],
        seed=study.seed,
    )
    rows = [
        np.concatenate([samples, mean[np.newaxis]])
        for samples, mean in zip(found.samples, found.concepts)
    ]
    rows.append(np.concatenate([found.result[np.newaxis], found.neighbours]))
    rows.append(found.pixel_control[np.newaxis])
    signs = ["+"] * len(positive) + ["-"] * len(negative)
    study.show(rows, "arithmetic.png", row_labels=[*signs, "latents", "pixels"])
    return {"latent": found.latent.tolist()}


def study_windows(
    study: StudiedNetworks, boxes: Sequence[Sequence[int]], layer_name: str = ""
) -> dict:
    """``windows.png``: samples with all maps, below without those of an object.

    Args:
        study: ``StudiedNetworks``.
        boxes: of the object in samples ``(sample, top, left, bottom, right)``, as of
            ``object_filters``.
        layer_name: layer of the generator; empty: the second-highest convolution below
            the images, or the only one.

    Returns:
        Dict with ``layer``, ``filters`` (dropped), ``num_filters`` (of all),
        ``accuracy``, ``num_positives`` and ``num_negatives``.

    Raises:
        ValueError: as ``object_filters``, or if the generator has no convolution.
    """
    generator = study.generator
    layer_name = layer_name or _second_highest(generator)
    found = object_filters(generator, study.latents, boxes, layer_name, seed=study.seed)
    dropped = drop_filters(generator, layer_name, found.filters)
    numbers = list(dict.fromkeys(box[0] for box in boxes))[:10]
    shown = study.latents[numbers]
    rows = [network.predict(shown, verbose=0) for network in (generator, dropped)]
    study.show(rows, "windows.png", row_labels=["all", "without"])
    return {
        "layer": layer_name,
        "filters": found.filters,
        "num_filters": len(found.weights),
        "accuracy": found.accuracy,
        "num_positives": found.num_positives,
        "num_negatives": found.num_negatives,
    }


def _second_highest(generator):
    (output,) = generator.output_names
    names = convolution_activations(generator)
    names = [name for name in names if name != output]
    if not names:
        raise ValueError(
            f"{generator.name} has no convolution with an activation; name a layer"
        )
    return names[-2] if len(names) > 1 else names[-1]
