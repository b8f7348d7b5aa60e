"""The methods that explain a classifier's decision by a map, under one interface."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from keras_cnns._checks import check_choice
from keras_cnns.inspection import class_activation, gradient_maps, occlusion
from keras_cnns.inspection.inspected import InspectedClassifier

if TYPE_CHECKING:
    from tensorflow import keras


@dataclasses.dataclass(frozen=True)
class Method:
    """One method.

    Attributes:
        make: function of (``Explainer``, images, classes) to values of the images'
            shape, or maps ``(count, rows, columns)``.
        rules: keys of ``RULES`` whose classifiers it uses.
        text: what a map shows, in a few words.
        takes_layer: whether it looks at the maps of a layer that can be chosen.
    """

    make: Callable
    text: str
    rules: tuple = ("gradient",)
    takes_layer: bool = False


def _gradients(rule):
    def make(explainer, images, classes):
        return explainer.classifier(rule).gradients(images, classes)

    return make


def _smooth(squared):
    def make(explainer, images, classes):
        return gradient_maps.smooth_gradients(
            explainer.classifier("gradient"),
            images,
            classes,
            squared=squared,
            seed=explainer.seed,
        )

    return make


def _plain(function):
    def make(explainer, images, classes):
        return function(explainer.classifier("gradient"), images, classes)

    return make


def _grad_cam(explainer, images, classes):
    classifier = explainer.classifier("gradient")
    return class_activation.grad_cam(classifier, images, classes, explainer.layer)


def _guided_grad_cam(explainer, images, classes):
    return class_activation.guided_grad_cam(
        explainer.classifier("gradient"),
        images,
        classes,
        explainer.layer,
        explainer.classifier("guided"),
    )


def _occlusion(explainer, images, classes):
    classifier = explainer.classifier("gradient")
    patch, stride = explainer.patch_of(np.shape(images)[1:3])
    return occlusion.occlusion_maps(
        classifier, images, classes, patch, stride, explainer.fill
    )


def _saliency(explainer, images, classes):
    gradients = explainer.classifier("gradient").gradients(images, classes)
    return gradient_maps.saliency(gradients)


METHODS = {
    "gradient": Method(_gradients("gradient"), "gradient of the logit"),
    "saliency": Method(_saliency, "largest absolute value of it over the channels"),
    "smooth_grad": Method(_smooth(False), "mean gradient of noisy copies"),
    "smooth_grad_squared": Method(_smooth(True), "mean squared gradient of them"),
    "input_times_gradient": Method(
        _plain(gradient_maps.input_times_gradient), "image times gradient"
    ),
    "integrated_gradients": Method(
        _plain(gradient_maps.integrated_gradients), "image times mean gradient to it"
    ),
    "deconvnet": Method(_gradients("deconvnet"), "deconvnet", ("deconvnet",)),
    "guided_backpropagation": Method(_gradients("guided"), "guided", ("guided",)),
    "cam": Method(
        _plain(class_activation.class_activation_maps), "class activation map"
    ),
    "grad_cam": Method(_grad_cam, "Grad-CAM", takes_layer=True),
    "guided_grad_cam": Method(
        _guided_grad_cam, "guided times Grad-CAM", ("gradient", "guided"), True
    ),
    "occlusion": Method(_occlusion, "drop of the probability under a patch"),
}


class Explainer:
    """Maps of one model by any method.

    Args:
        model: classifier, as of ``InspectedClassifier``.
        layer: name of the layer of Grad-CAM; None: the last one that gives maps.
        patch, stride: of occlusion, in pixels; 0: an eighth of the image's shorter side
            (at least 3 pixels), and half the patch.
        fill: value of the occluding patch in the network's input.
        seed: of SmoothGrad's noise.
        batch_size: images at a time.

    Raises:
        ValueError: as of ``InspectedClassifier``, or if there is no such layer.
    """

    def __init__(
        self,
        model: keras.Model | InspectedClassifier,
        layer: str | None = None,
        patch: int = 0,
        stride: int = 0,
        fill: float = 0.0,
        seed: int = 0,
        batch_size: int = 32,
    ) -> None:
        self._model, self._batch_size = model, batch_size
        self._classifiers = {}
        self.patch, self.stride, self.fill, self.seed = patch, stride, fill, seed
        self._layer = layer
        plain = self.classifier("gradient")
        if layer and len(plain.output_at(layer).shape) != 4:
            raise ValueError(f"layer {layer!r} gives no maps")

    @property
    def layer(self) -> str:
        """Name of the layer whose maps Grad-CAM weights."""
        return self._layer or self.classifier("gradient").last_maps()

    def classifier(self, rule: str) -> InspectedClassifier:
        """The classifier under a rule; copied at its first use."""
        if rule not in self._classifiers:
            self._classifiers[rule] = InspectedClassifier(
                self._model, rule, self._batch_size
            )
        return self._classifiers[rule]

    def classifiers(self, method: str) -> list:
        """Those that a method uses."""
        return [self.classifier(rule) for rule in METHODS[method].rules]

    def replaced(self, method: str) -> list:
        """Names of the layers whose activation the method gives another rule."""
        return [name for one in self.classifiers(method) for name in one.copy.replaced]

    def patch_of(self, size: tuple[int, int]) -> tuple:
        """Patch and stride of occlusion for images of (height, width)."""
        patch = self.patch or max(min(3, *size), min(size) // 8)
        return patch, self.stride or max(1, patch // 2)

    def maps(
        self,
        method: str,
        images: np.ndarray,
        classes: int | Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """Signed maps of the images' size.

        Args:
            method: key of ``METHODS``.
            images, classes: as of ``gradient_maps``.

        Returns:
            ``(count, height, width)`` float32: values of several channels are added,
            maps of a layer enlarged.

        Raises:
            ValueError: if there is no such method, or the network does not suit it.
        """
        check_choice("method", method, METHODS)
        plain = self.classifier("gradient")
        classes = plain.classes_of(images, classes)
        images = plain.check_images(images)
        values = METHODS[method].make(self, images, classes)
        if values.ndim == 4:
            return values.sum(axis=-1)
        return class_activation.enlarge(values, images.shape[1:3])
