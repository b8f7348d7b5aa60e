"""Learning rates that differ between the weights of a network."""

from __future__ import annotations

import contextlib
import fnmatch
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import tensorflow as tf

from keras_cnns import _addons
from keras_cnns._checks import check_positive
from keras_cnns.trainers import distribution

if TYPE_CHECKING:
    from tensorflow import keras

    from keras_cnns._types import Optimizer


class RateFactors:
    """Multiplies by how much updates change some weights of a network.

    An update is proportional to the learning rate, whatever moments the optimizer
    keeps: weights whose changes are multiplied have a learning rate of their own, decay
    included. With Lookahead that is not so.

    Args:
        network: ``keras.Model``; its trainable weights are named ``<layer>/<weight>``.
        factors: positive numbers by pattern of such names: ``{"conv3/*": 0.1}`` is for
            a layer, ``{"*/bias": 2.0}`` for all biases, ``*`` stands for any
            characters. Factors of several patterns that fit are multiplied.

    Raises:
        ValueError: if a factor is not positive, or a pattern fits no weight.
    """

    def __init__(self, network: keras.Model, factors: dict) -> None:
        variables = network.trainable_variables
        names = [variable.name.partition(":")[0] for variable in variables]
        self._factors = {}
        for pattern, factor in factors.items():
            check_positive(f"the rate factor of {pattern!r}", factor)
            if not fnmatch.filter(names, pattern):
                raise ValueError(
                    f"{network.name} has no weights {pattern!r} to train; it has "
                    f"{', '.join(names[:3])} ... {', '.join(names[-3:])}"
                )
            for name, variable in zip(names, variables):
                if fnmatch.fnmatchcase(name, pattern):
                    known = self._factors.get(id(variable), 1.0)
                    self._factors[id(variable)] = known * factor

    def check_optimizer(self, optimizer: Optimizer) -> None:
        """Refuses an optimizer whose updates are not proportional to its rate.

        Raises:
            ValueError: if it is Lookahead, and there are factors.
        """
        if self._factors and isinstance(optimizer, _addons.Lookahead):
            raise ValueError(
                "rate factors cannot be combined with Lookahead, which has no rate of "
                "its own for each weight; take another optimizer"
            )

    @contextlib.contextmanager
    def scaled(self, variables: Sequence[tf.Variable]) -> Iterator[None]:
        """Within the block, one update is made; call in replica context.

        Args:
            variables: those that it changes, of any network.
        """
        chosen = [v for v in variables if id(v) in self._factors]
        before = [tf.identity(variable) for variable in chosen]
        yield
        if chosen:
            factors = [self._factors[id(variable)] for variable in chosen]
            distribution.scale_changes(chosen, before, factors)
