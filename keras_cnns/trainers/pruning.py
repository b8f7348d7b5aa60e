"""Training of a classifier whose kernels are pruned: ADMM, then under masks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf

from keras_cnns.trainers import distribution
from keras_cnns.trainers.classification import ClassificationTrainer

if TYPE_CHECKING:
    from tensorflow import keras


class PruningTrainer(ClassificationTrainer):
    """Prunes a trained network and trains what is left.

    Masks are fixed once, before the first step that comes after ADMM's, by the weights
    of that moment. From then on they are in force: gradients are those of the network
    with zeros, and whatever an optimizer does to a weight that is gone, it is exactly 0
    after every step. So are its average, its copies in checkpoints and weight files.

    ADMM's steps come before, if there are any. They train all weights W on ``loss +
    rho / 2 * sum ||W - Z + U||^2``, a sum for each set that weights shall be in, with
    a target Z in the set and a dual U. At the start Z is the projection of W, and U is
    0; after each round ``Z = projection(W + U); U += W - Z``. Meanwhile what is
    evaluated and saved are projected weights, which are those that fixing the masks
    would leave, and no epoch counts as best. Such steps report ``residual``, ``||W -
    Z|| / ||W||`` over all sets, and ``changed``, the fraction of kernels that the last
    projection has given another support. Both should fall; where they do not, rho is
    too small.

    Args:
        network: as ``ClassificationTrainer`` takes it, trained.
        rules: what is pruned: objects with ``name``, ``variable`` (a kernel of the
            network), ``mask`` and ``sets``, as ``compression.KernelRule`` has them.
        admm_rounds: rounds of ADMM; 0: none, the masks are fixed at once.
        round_steps: steps of a round.
        admm_rho: weight of the squared distances, which are sums over weights, beside a
            loss that is a mean over examples.
        **options: of ``ClassificationTrainer``.

    Raises:
        ValueError: if an argument is out of range.

    Source: Niu et al., arXiv 2001.00138; the form with scaled duals is Boyd et al.'s,
    "Distributed Optimization and Statistical Learning via ADMM", section 3.1.1.
    """

    def __init__(
        self,
        network: keras.Model,
        *,
        rules: Sequence[Any],
        admm_rounds: int = 0,
        round_steps: int = 1,
        admm_rho: float = 1e-2,
        **options: Any,
    ) -> None:
        if admm_rounds < 0 or round_steps < 1 or not admm_rho > 0:
            raise ValueError(
                "admm_rounds must be at least 0, round_steps at least 1 and admm_rho "
                f"positive, got {admm_rounds!r}, {round_steps!r} and {admm_rho!r}"
            )
        super().__init__(network, **options)
        self._admm_steps, self._round_steps = admm_rounds * round_steps, round_steps
        self._rho = admm_rho
        self._pruned = _Pruned(rules, has_sets=admm_rounds > 0)

    @property
    def masks(self) -> dict:
        """The masks by name of the weight, bool; all True before they are fixed."""
        pruned = self._pruned
        return {r.name: _read(m) for r, m in zip(pruned.rules, pruned.masks)}

    def checkpointed(self) -> dict:
        return {**super().checkpointed(), **self._pruned.checkpointed()}

    def score_epoch(self, row: dict) -> list | None:
        """None of ADMM's epochs, whose masks are not the last."""
        return super().score_epoch(row) if row["step"] > self._admm_steps else None

    def next_step(self) -> Callable[[tuple], dict]:
        """``admm_step`` or ``train_step``; begins rounds and fixes the masks."""
        done = self.steps_done
        if done < self._admm_steps:
            if done % self._round_steps == 0:
                self._pruned.begin_round(is_first=done == 0)
            return self.admm_step
        if done == self._admm_steps:
            self._fix_masks()
        return self.train_step

    def admm_step(self, data: tuple) -> dict:
        """One update towards the sets."""
        self.minimize(
            self.objective, self.network, self.optimizer, *data, adjust=self._pulled
        )
        pruned = self._pruned
        reported = {"residual": pruned.residual(), "changed": pruned.changed}
        return {**self.finish_step(), **reported}

    def train_step(self, data: tuple) -> dict:
        """One update of the weights that are left."""
        self.minimize(
            self.objective, self.network, self.optimizer, *data, adjust=self._masked
        )
        distribution.mask_variables(self._pruned.variables, self._read_masks())
        return self.finish_step()

    @contextlib.contextmanager
    def averaged_weights(self) -> Iterator[None]:
        """Within the block, the network has its averaged weights, pruned."""
        with super().averaged_weights():
            if self.steps_done > self._admm_steps:
                yield
                return
            with self._pruned.projected():
                yield

    def _fix_masks(self):
        """Fixes the masks by the weights, and prunes these and their averages."""
        self._pruned.fix_masks()
        averages = self.average.averages if self.average else []
        known = dict(zip(map(id, self.network.weights), averages))
        for variable, mask in zip(self._pruned.variables, self._pruned.masks):
            for value in (variable, known.get(id(variable))):
                if value is not None:
                    value.assign(np.where(_read(mask), _read(value), 0))

    def _pulled(self, gradients, variables):
        """Gradients with those of the distances from targets.

        They do not depend on the batch: they are added once, not on each device.
        """
        pulls = self._pruned.pulls()
        return [
            gradient + self._rho * pulls[id(variable)]
            if id(variable) in pulls
            else gradient
            for gradient, variable in zip(gradients, variables)
        ]

    def _masked(self, gradients, variables):
        """Gradients of the network with zeros."""
        masks = dict(zip(map(id, self._pruned.variables), self._read_masks()))
        return [
            tf.where(masks[id(variable)], gradient, tf.zeros_like(gradient))
            if id(variable) in masks
            else gradient
            for gradient, variable in zip(gradients, variables)
        ]

    def _read_masks(self):
        return [tf.convert_to_tensor(mask) for mask in self._pruned.masks]


class _Pruned:
    """The pruned kernels: their masks, and ADMM's sets with targets and duals."""

    def __init__(self, rules, has_sets):
        self.rules = rules
        self.variables = [rule.variable for rule in rules]
        self.masks = [_state(tf.ones(v.shape, tf.bool)) for v in self.variables]
        self.changed = _state(0.0)
        self._sets = [
            (
                rule.variable,
                find,
                _zeros_like(rule.variable),
                _zeros_like(rule.variable),
            )
            for rule in rules
            for find in rule.sets()
            if has_sets
        ]

    def checkpointed(self):
        return {
            "masks": self.masks,
            "targets": [target for _, _, target, _ in self._sets],
            "duals": [dual for _, _, _, dual in self._sets],
            "changed": self.changed,
        }

    def begin_round(self, is_first):
        """New targets and duals, by the weights that the last round has led to."""
        changed = kernels = 0
        for variable, find, target, dual in self._sets:
            weights, old = _read(variable), _read(target)
            moved = weights + _read(dual)
            new = np.where(find(moved), moved, 0)
            target.assign(new)
            dual.assign(np.zeros_like(new) if is_first else moved - new)
            differs = np.any((new != 0) != (old != 0), axis=(0, 1))
            changed, kernels = changed + differs.sum(), kernels + differs.size
        self.changed.assign(0.0 if is_first else changed / kernels)

    def fix_masks(self):
        for rule, mask in zip(self.rules, self.masks):
            mask.assign(rule.mask(_read(rule.variable)))

    @contextlib.contextmanager
    def projected(self):
        """Within the block, the network is pruned by the weights that it has."""
        kept = list(map(_read, self.variables))
        try:
            for rule, values in zip(self.rules, kept):
                rule.variable.assign(np.where(rule.mask(values), values, 0))
            yield
        finally:
            for variable, values in zip(self.variables, kept):
                variable.assign(values)

    def pulls(self):
        """Sum over its sets of ``W - Z + U`` by id of the kernel."""
        pulls = {}
        for variable, _, target, dual in self._sets:
            pull = variable - target + dual
            pulls[id(variable)] = pull + pulls.get(id(variable), 0.0)
        return pulls

    def residual(self):
        """``||W - Z|| / ||W||`` over all sets together."""
        away = tf.add_n([tf.nn.l2_loss(v - z) for v, _, z, _ in self._sets])
        whole = tf.add_n([tf.nn.l2_loss(v + 0.0) for v, _, _, _ in self._sets])
        return tf.cast(tf.sqrt(tf.math.divide_no_nan(away, whole)), tf.float32)


def _zeros_like(variable):
    return _state(tf.zeros(variable.shape, variable.dtype))


def _state(value):
    """A variable that is the same on all devices."""
    return tf.Variable(
        value,
        trainable=False,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )


def _read(variable):
    return tf.convert_to_tensor(variable).numpy()
