"""Faster R-CNN's training in four steps, by turns of its two parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from tensorflow import keras

from keras_cnns.trainers import distribution, optimizers
from keras_cnns.trainers.faster_rcnn import FasterRCNNTrainer, part, propose
from keras_cnns.trainers.stepwise import loss_scaled

if TYPE_CHECKING:
    import tensorflow as tf

    from keras_cnns._types import Optimizer


class AlternatingFasterRCNNTrainer(FasterRCNNTrainer):
    """Trains proposals and detection by turns, until they share their maps.

    1. A network of its own, the ``proposer``, learns to propose.
    2. Backbone and regions of the detector learn from its proposals.
    3. The detector's proposing part learns, on these maps, which stay.
    4. Its regions learn from its own proposals, on the same maps.

    Each step reports its own losses.

    Args:
        network: as ``FasterRCNNTrainer`` takes it.
        proposer: ``applications.RegionProposalNetwork`` of the same anchors.
        phase_ends: numbers of training steps at which the first three steps end.
        **options: of ``FasterRCNNTrainer``.

    Raises:
        ValueError: if the ends do not rise, or another argument is out of range.

    Source: arXiv 1506.01497, section 3.2.
    """

    monitors = ([("val_loss", "min")],)

    def __init__(
        self,
        network: keras.Model,
        proposer: keras.Model,
        *,
        phase_ends: Sequence[int],
        **options: Any,
    ) -> None:
        first, second, third = phase_ends
        if not 0 < first < second < third:
            raise ValueError(
                f"phase_ends must rise from above 0, got {tuple(phase_ends)!r}"
            )
        super().__init__(network, **options)
        if self._enable_xla:
            distribution.check_compilable(proposer)
        self.proposer = proposer
        self._phase_ends = tuple(phase_ends)

    def compile(self, *phase_optimizers: Optimizer) -> None:
        """Sets the optimizers of the four steps, one for each.

        Raises:
            ValueError: if there are not four of them.
        """
        if len({id(optimizer) for optimizer in phase_optimizers}) != 4:
            raise ValueError(f"four optimizers are needed, got {len(phase_optimizers)}")
        self._optimizers = [loss_scaled(optimizer) for optimizer in phase_optimizers]
        keras.Model.compile(self, optimizer=self._optimizers[-1], jit_compile=False)
        self._compiled = {}
        for optimizer, trained in zip(self._optimizers, self._trained()):
            optimizers.build_slots(optimizer, trained.trainable_variables)

    def _trained(self):
        """What each of the four steps trains."""
        backbone, rpn, regions = (
            part(self.network, name) for name in ("backbone", "rpn", "regions")
        )
        return [
            self.proposer,
            _Parts(backbone, regions),
            _Parts(rpn),
            _Parts(regions),
        ]

    def checkpointed(self) -> dict:
        named = {f"optimizer_{i}": o for i, o in enumerate(self._optimizers, start=1)}
        return {
            "network": self.network,
            "proposer": self.proposer,
            **named,
            **self.counted(),
        }

    def next_step(self) -> Callable[[tuple], dict]:
        """The step of the four that it is the turn of."""
        phase = sum(self.steps_done >= end for end in self._phase_ends)
        return (
            self.proposer_step,
            self.detector_step,
            self.shared_proposals_step,
            self.shared_regions_step,
        )[phase]

    def proposer_step(self, data: tuple) -> dict:
        """Trains the proposer."""
        return self._proposal_step(data, 0, self.proposer_objective)

    def shared_proposals_step(self, data: tuple) -> dict:
        """Trains the detector's proposing part alone."""
        return self._proposal_step(data, 2, self.rpn_objective)

    def detector_step(self, data: tuple) -> dict:
        """Trains backbone and regions on the proposer's proposals."""
        images, targets = data
        maps = part(self.proposer, "backbone")(images, training=False)
        outputs = part(self.proposer, "rpn")(maps, training=False)
        rois = propose(self.proposer, maps, *outputs, targets, training=True)
        return self._region_step(data, 1, self.detector_objective, rois, images)

    def shared_regions_step(self, data: tuple) -> dict:
        """Trains regions alone, on the detector's own proposals."""
        images, targets = data
        maps = part(self.network, "backbone")(images, training=False)
        outputs = part(self.network, "rpn")(maps, training=False)
        rois = propose(self.network, maps, *outputs, targets, training=True)
        return self._region_step(data, 3, self.regions_objective, rois, maps)

    def _proposal_step(self, data, index, loss):
        images, targets = data
        anchors = self.sample_anchors(images, targets, self.step_noise().uniform)
        self._update(index, loss, images, *anchors)
        names = ["loss", "rpn_class_loss", "rpn_box_loss"]
        return self.finish_step(names, network_moved=index > 0)

    def _region_step(self, data, index, loss, rois, inputs):
        _, targets = data
        noise = self.step_noise().uniform
        uniform = self.uniform_for(noise, targets, rois.shape[1])
        self._update(index, loss, inputs, *self.sample(rois, targets, uniform))
        return self.finish_step(["loss", "class_loss", "box_loss", "region_accuracy"])

    def _update(self, index, loss, *inputs):
        trained, optimizer = self._trained()[index], self._optimizers[index]
        self.minimize(loss, trained, optimizer, *inputs)

    def proposer_objective(
        self, images: tf.Tensor, labels: tf.Tensor, deltas: tf.Tensor
    ) -> tuple:
        """The losses of the proposer."""
        return self._rpn_objective(self.proposer, images, labels, deltas, True)

    def rpn_objective(
        self, images: tf.Tensor, labels: tf.Tensor, deltas: tf.Tensor
    ) -> tuple:
        """The losses of the detector's proposing part."""
        return self._rpn_objective(self.network, images, labels, deltas, False)

    def _rpn_objective(self, network, images, labels, deltas, moves_maps):
        maps = part(network, "backbone")(images, training=moves_maps)
        outputs = part(network, "rpn")(maps, training=True)
        return self.totalled(self.rpn_report(*outputs, labels, deltas))

    def detector_objective(
        self, images: tf.Tensor, rois: tf.Tensor, classes: tf.Tensor, deltas: tf.Tensor
    ) -> tuple:
        """The losses of regions of images."""
        maps = part(self.network, "backbone")(images, training=True)
        return self.regions_objective(maps, rois, classes, deltas)

    def regions_objective(
        self, maps: tf.Tensor, rois: tf.Tensor, classes: tf.Tensor, deltas: tf.Tensor
    ) -> tuple:
        """The losses of regions of maps."""
        outputs = part(self.network, "regions")([maps, rois], training=True)
        return self.totalled(self.region_report(outputs, classes, deltas))


class _Parts:
    """Several networks that one update trains."""

    def __init__(self, *networks):
        self._networks = networks

    @property
    def trainable_variables(self):
        return [v for network in self._networks for v in network.trainable_variables]

    @property
    def losses(self):
        return [loss for network in self._networks for loss in network.losses]
