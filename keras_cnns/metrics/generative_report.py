"""Scores of a generator, kept together with the protocol that they depend on."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from absl import logging

from keras_cnns._checks import check_count
from keras_cnns.metrics._protocols import check_equal_protocols, from_fields
from keras_cnns.metrics._vectors import check_pair
from keras_cnns.metrics.discrepancy import kernel_distance, median_distance, mmd_rbf
from keras_cnns.metrics.generative import (
    frechet_distance,
    inception_score,
    precision_recall,
)

if TYPE_CHECKING:
    from keras_cnns._types import Array


@dataclasses.dataclass(frozen=True)
class Protocol:
    """How scores were computed; only those of equal protocols are comparable.

    Attributes:
        embedding: network and layer of the features.
        embedding_checksum: of its weights and preprocessing.
        resize: how images are resized for the network.
        image_shape: of real and generated images before that, such as ``"28x28x1"``.
        real_data: data set, split and part that the real examples are from.
        num_real, num_generated: numbers of examples.
        kid_subset_size, kid_num_subsets: as ``kernel_distance`` takes them.
        inception_splits: as ``inception_score`` takes them.
        num_neighbours: as ``precision_recall`` takes it.
        seed: of the subsets that are drawn.
    """

    embedding: str
    embedding_checksum: str
    resize: str
    image_shape: str
    real_data: str
    num_real: int
    num_generated: int
    kid_subset_size: int = 1000
    kid_num_subsets: int = 100
    inception_splits: int = 1
    num_neighbours: int = 3
    seed: int = 0

    def __post_init__(self):
        for name in ("num_real", "num_generated", "kid_subset_size"):
            check_count(name, getattr(self, name), 2)
        for name in ("kid_num_subsets", "inception_splits", "num_neighbours"):
            check_count(name, getattr(self, name))
        check_count("seed", self.seed, 0)

    def to_json(self) -> dict:
        """The protocol as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: dict) -> Protocol:
        """The protocol that ``to_json`` gave.

        Raises:
            ValueError: if a field is missing, unknown or bad.
        """
        return from_fields(cls, fields)


@dataclasses.dataclass(frozen=True)
class Scores:
    """Scores of one set against the real one; see the functions of these names.

    Attributes:
        fid: Frechet distance.
        kid, kid_error: kernel distance and its standard error, None where a subset
            takes a whole set.
        mmd: squared MMD with a radial kernel as wide as the median distance of the
            real examples.
        precision, recall: of equally many examples of both sets.
        inception_score, inception_std: of the set alone; None without probabilities,
            ``inception_std`` also for one split.
    """

    fid: float
    kid: float
    kid_error: float | None
    mmd: float
    precision: float
    recall: float
    inception_score: float | None = None
    inception_std: float | None = None


@dataclasses.dataclass(frozen=True)
class GenerativeReport:
    """Scores of generated examples, and of other real ones in their place.

    Attributes:
        protocol: how they were computed.
        scores: of the generated examples.
        floor: of as many real examples that are not among the first ones: what a
            perfect generator would get with as many examples.
    """

    protocol: Protocol
    scores: Scores
    floor: Scores

    def to_json(self) -> dict:
        """The report as JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, fields: dict) -> GenerativeReport:
        """The report that ``to_json`` gave.

        Raises:
            ValueError: if a field is missing, unknown or bad.
        """
        parts = from_fields(cls, fields)
        return cls(
            Protocol.from_json(parts.protocol),
            from_fields(Scores, parts.scores),
            from_fields(Scores, parts.floor),
        )


def compare(first: GenerativeReport, second: GenerativeReport) -> dict:
    """Differences of the scores of two generators.

    Args:
        first, second: reports of equal protocol.

    Returns:
        Second less first by the name of the score, None where one has none.

    Raises:
        ValueError: if their protocols differ; names the fields and both values.
    """
    check_equal_protocols(first.protocol, second.protocol)
    one, other = map(dataclasses.asdict, (first.scores, second.scores))
    return {
        name: None if None in (one[name], other[name]) else other[name] - one[name]
        for name in one
        if name not in ("kid_error", "inception_std")
    }


def evaluate_features(
    real: Array,
    other_real: Array,
    generated: Array,
    protocol: Protocol,
    *,
    other_real_probabilities: Array | None = None,
    generated_probabilities: Array | None = None,
) -> GenerativeReport:
    """All scores of generated examples, and the floor, under one protocol.

    Args:
        real: features of real examples ``(num_real, dimension)``.
        other_real: features of further real examples, none of them among ``real``,
            ``(num_generated, dimension)``: as many as generated, because scores depend
            on the count.
        generated: features of generated examples ``(num_generated, dimension)``.
        protocol: embedding, counts and settings.
        other_real_probabilities, generated_probabilities: the embedding's
            outputs ``(num_generated, classes)``, for the Inception Score; both or none.

    Raises:
        ValueError: if an array is bad or its count is not the protocol's, or
            probabilities are given of one set only.
    """
    check_pair("real", real, "generated", generated)
    check_pair("real", real, "other_real", other_real)
    _check_counts(real, other_real, generated, protocol)
    if (other_real_probabilities is None) != (generated_probabilities is None):
        raise ValueError(
            "give probabilities of both other_real and generated, or of none"
        )
    dimension = np.shape(real)[1]
    if min(protocol.num_real, protocol.num_generated) <= dimension:
        logging.warning(
            "%d real and %d generated examples are few for %d features: the Frechet "
            "distance is biased, compare it with the floor",
            protocol.num_real, protocol.num_generated, dimension,
        )  # fmt: skip
    scale = median_distance(real)
    return GenerativeReport(
        protocol,
        scores=_scores(real, generated, generated_probabilities, scale, protocol),
        floor=_scores(real, other_real, other_real_probabilities, scale, protocol),
    )


def _check_counts(real, other_real, generated, protocol):
    for name, values, wanted in (
        ("real", real, protocol.num_real),
        ("other_real", other_real, protocol.num_generated),
        ("generated", generated, protocol.num_generated),
    ):
        if len(values) != wanted:
            raise ValueError(
                f"{name} holds {len(values)} vectors, but the protocol says {wanted}"
            )


def _scores(real, candidates, probabilities, scale, protocol):
    real, candidates = np.asarray(real), np.asarray(candidates)
    subsets = (protocol.kid_subset_size, protocol.kid_num_subsets, protocol.seed)
    distance = kernel_distance(real, candidates, *subsets)
    score = std = None
    if probabilities is not None:
        if len(probabilities) != len(candidates):
            raise ValueError(
                f"{len(probabilities)} probabilities do not belong to "
                f"{len(candidates)} examples"
            )
        score, std = inception_score(probabilities, protocol.inception_splits)
    pair = _equally_many(real, candidates, protocol.seed)
    precision, recall = precision_recall(*pair, protocol.num_neighbours)
    return Scores(
        fid=frechet_distance(real, candidates),
        kid=distance.mean,
        kid_error=distance.standard_error,
        mmd=mmd_rbf(real, candidates, scale),
        precision=precision,
        recall=recall,
        inception_score=score,
        inception_std=std,
    )


def _equally_many(first, second, seed):
    """Both sets, the larger one subsampled at random to the count of the smaller."""
    random = np.random.default_rng(seed)
    count = min(len(first), len(second))

    def drawn(x):
        return x[np.sort(random.choice(len(x), count, replace=False))]

    return [x if len(x) == count else drawn(x) for x in (first, second)]
