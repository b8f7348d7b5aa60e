"""Merging of the most similar neighbours until the whole image is one region.

Similarities of neighbours wait in a heap; those of regions that are gone are skipped
when they come up. A merged region is compared with all of its neighbours at once.
"""

from __future__ import annotations

import heapq
from collections.abc import Collection
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_cnns.exemplar.region_features import Segments

MEASURES = ("colour", "texture", "size", "fill")


class _Regions:
    """Growing tables of all regions, one row each, in the order of their making."""

    def __init__(self, segments, measures):
        count = len(segments.sizes)
        self._num_pixels = segments.num_pixels
        self._measures = measures
        kinds = {"colour": segments.colours, "texture": segments.textures}
        tables = [kinds[name] for name in kinds if name in measures]
        known = np.concatenate(tables, axis=1) if tables else np.zeros((count, 0))
        self._histograms = np.zeros((2 * count - 1, known.shape[1]))
        self._histograms[:count] = known
        self._sizes = np.zeros(2 * count - 1)
        self._sizes[:count] = segments.sizes
        self.boxes = np.zeros((2 * count - 1, 4), int)
        self.boxes[:count] = segments.boxes

    def merge(self, first, second, into):
        """Fills the row ``into`` with the union of two others."""
        sizes, rows = self._sizes, self._histograms
        sizes[into] = sizes[first] + sizes[second]
        part = sizes[first] / sizes[into]
        rows[into] = part * rows[first] + (1 - part) * rows[second]
        boxes = self.boxes
        np.minimum(boxes[first, :2], boxes[second, :2], out=boxes[into, :2])
        np.maximum(boxes[first, 2:], boxes[second, 2:], out=boxes[into, 2:])

    def similarities(self, one, others):
        """Similarity of regions: one or as many, and some; the sum of the measures."""
        total = np.zeros(len(others))
        if self._histograms.shape[1]:
            shared = np.minimum(self._histograms[one], self._histograms[others])
            total += shared.sum(axis=1)
        sizes = self._sizes[one] + self._sizes[others]
        if "size" in self._measures:
            total += 1 - sizes / self._num_pixels
        if "fill" in self._measures:
            mine, theirs = self.boxes[one], self.boxes[others]
            ends = np.maximum(mine[..., 2:], theirs[:, 2:])
            sides = ends - np.minimum(mine[..., :2], theirs[:, :2])
            total += 1 - (sides[:, 0] * sides[:, 1] - sizes) / self._num_pixels
        return total


def merge_segments(segments: Segments, measures: Collection[str] = MEASURES) -> tuple:
    """Merges the most similar neighbours until one region is left.

    The similarity is the sum of the measures: colour and texture are intersections of
    histograms, size is 1 less the part of the image that both cover, fill is 1 less the
    part of the image in their common box that neither covers. Of equally similar pairs
    the one of older regions is first.

    Args:
        segments: ``Segments``, which are connected.
        measures: some of ``MEASURES``.

    Returns:
        (boxes, merges): int ``(2 * segments - 1, 4)``, the segments' boxes, then those
        of the regions in the order of their making; int ``(segments - 1, 2)``, the two
        regions that each was made of, by their rows in ``boxes``.

    Source: Uijlings, van de Sande, Gevers and Smeulders, "Selective search for object
    recognition", IJCV 2013, section 3 and algorithm 1.
    """
    count = len(segments.sizes)
    regions = _Regions(segments, measures)
    neighbours = [set() for _ in range(count)]
    for first, second in segments.pairs.tolist():
        neighbours[first].add(second)
        neighbours[second].add(first)
    similar = regions.similarities(segments.pairs[:, 0], segments.pairs[:, 1])
    heap = list(zip((-similar).tolist(), *segments.pairs.T.tolist()))
    heapq.heapify(heap)
    is_there = [True] * count
    merges = np.zeros((count - 1, 2), int)
    for new in range(count, 2 * count - 1):
        first, second = _pop_pair(heap, is_there)
        regions.merge(first, second, into=new)
        merges[new - count] = first, second
        is_there[first] = is_there[second] = False
        is_there.append(True)
        around = [i for i in neighbours[first] | neighbours[second] if is_there[i]]
        neighbours.append(set(around))
        if around:  # all but the last time
            similar = regions.similarities(new, np.array(around))
            for negative, other in zip((-similar).tolist(), around):
                neighbours[other].add(new)
                heapq.heappush(heap, (negative, other, new))
    return regions.boxes, merges


def _pop_pair(heap, is_there):
    """The most similar pair both of which are still there."""
    while True:
        _, first, second = heapq.heappop(heap)
        if is_there[first] and is_there[second]:
            return first, second
