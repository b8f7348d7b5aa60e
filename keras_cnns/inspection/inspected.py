"""A classifier under inspection: its scores, and their gradients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from scipy import special
from tensorflow import keras

from keras_cnns._checks import check_count, is_whole
from keras_cnns.inspection.backward_rules import ruled_copy
from keras_cnns.inspection.flat_copy import flat_copy, is_identity

# What stands between the last maps and the classifier, and is no feature map itself.
_AFTER_MAPS = (
    keras.layers.MaxPooling2D,
    keras.layers.AveragePooling2D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalMaxPooling2D,
    keras.layers.Dropout,
    keras.layers.SpatialDropout2D,
    keras.layers.ZeroPadding2D,
    keras.layers.Cropping2D,
)


class InspectedClassifier:
    """A copy of a classifier that gives logits and gradients.

    The model itself is neither changed nor used again: what it learns later is not in
    the copy. Everything is in inference mode and float32.

    Args:
        model: classifier of one image input, of the functional API or a built
            ``Sequential``; of several outputs the first one counts. A softmax or
            sigmoid at its end is left out: after softmax, the gradient of one class
            mixes all of them, and vanishes where the network is sure.
        rule: key of ``inspection.RULES``, what comes back through ReLUs.
        batch_size: images at a time.

    Attributes:
        copy: the ``RuledCopy``.
        model: its ``keras.Model``, from images to logits ``(batch, classes)``.
        num_classes: of them.

    Raises:
        ValueError: as of ``ruled_copy``; if the model has several inputs, takes no
            float images, or its first output is no vector.
    """

    def __init__(
        self, model: keras.Model, rule: str = "gradient", batch_size: int = 32
    ) -> None:
        check_count("batch_size", batch_size)
        self.copy = ruled_copy(model, rule, logits=True)
        self.model = self.copy.model
        self.batch_size = batch_size
        _check_classifier(self.model)
        self.num_classes = self.model.outputs[0].shape[-1]
        self._parts = {}
        spec = [
            tf.TensorSpec(self.model.inputs[0].shape),
            tf.TensorSpec([None], tf.int32),
        ]
        self._compute_scores = tf.function(self._scores, input_signature=spec[:1])
        self._compute_gradients = tf.function(self._gradients, input_signature=spec)

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Logits ``(count, classes)`` float32 of images ``(count, ...)``."""
        batches = self.batches(images)
        return np.concatenate(
            [self._compute_scores(batch).numpy() for batch in batches]
        )

    def probabilities(self, images: np.ndarray) -> np.ndarray:
        """Softmax of the logits; sigmoid of one class, or where the model has it."""
        logits = self.scores(images).astype(np.float64)
        if self.num_classes == 1 or self.copy.is_sigmoid:
            return special.expit(logits)
        return special.softmax(logits, axis=1)

    def classes_of(
        self,
        images: np.ndarray,
        classes: int | Sequence[int] | np.ndarray | None = None,
    ) -> np.ndarray:
        """The class of each image: as given, one for all, or the one scored best.

        Raises:
            ValueError: if a class does not exist, or there is not one for each image.
        """
        count = len(images)
        if classes is None:
            return self.scores(images).argmax(axis=1).astype(np.int32)
        given = [classes] * count if is_whole(classes) else list(classes)
        if len(given) != count:
            raise ValueError(f"{len(given)} classes are given for {count} images")
        for one in given:
            if not is_whole(one) or not 0 <= one < self.num_classes:
                raise ValueError(
                    f"class {one!r} does not exist: there are {self.num_classes}"
                )
        return np.array(given, np.int32)

    def gradients(self, images: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """Gradients of the classes' logits by the images, of the images' shape."""
        images = self.check_images(images)
        found = []
        for start in range(0, len(images), self.batch_size):
            part = slice(start, start + self.batch_size)
            found.append(self._compute_gradients(images[part], classes[part]).numpy())
        return np.concatenate(found)

    def map_gradients(
        self, images: np.ndarray, classes: np.ndarray, layer: str
    ) -> tuple:
        """Maps of a layer, and the gradients of the classes' logits by them.

        Returns:
            Two arrays ``(count, rows, columns, channels)`` float32.

        Raises:
            ValueError: if there is no such layer, or it gives no maps.
        """
        images = self.check_images(images)
        compute = self._part(layer)
        found = []
        for start in range(0, len(images), self.batch_size):
            part = slice(start, start + self.batch_size)
            pair = compute(images[part], classes[part])
            found.append([one.numpy() for one in pair])
        return tuple(map(np.concatenate, zip(*found)))

    def check_images(self, images: np.ndarray) -> np.ndarray:
        """Images as float32 ``(count, height, width, channels)``.

        Raises:
            ValueError: if their shape is not the network's, or there are none.
        """
        images = np.asarray(images, np.float32)
        wanted = tuple(self.model.inputs[0].shape)
        fits = images.ndim == len(wanted) and len(images)
        if not fits or any(w not in (None, g) for w, g in zip(wanted, images.shape)):
            shown = ("count", *("any" if w is None else w for w in wanted[1:]))
            raise ValueError(
                f"images must be ({', '.join(map(str, shown))}), got {images.shape}"
            )
        return images

    def batches(self, images: np.ndarray) -> Iterator[np.ndarray]:
        """The images, ``batch_size`` at a time."""
        images = self.check_images(images)
        for start in range(0, len(images), self.batch_size):
            yield images[start : start + self.batch_size]

    def last_maps(self) -> str:
        """Name of the layer with the last maps that pooling has not reduced.

        Raises:
            ValueError: if no layer gives maps.
        """
        for name in reversed(self.map_layers()):
            layer = self.model.get_layer(name)
            is_reduced = tuple(layer.get_output_at(0).shape[1:3]) == (1, 1)
            is_after = isinstance(layer, _AFTER_MAPS) or is_identity(layer)
            if not is_reduced and not is_after:
                return name
        raise ValueError(f"{self.model.name} has no layer that gives maps")

    def map_layers(self) -> list:
        """Names of the layers that give maps, in order."""
        return [
            layer.name
            for layer in self.model.layers
            if not isinstance(layer, keras.layers.InputLayer)
            and len(getattr(layer.get_output_at(0), "shape", ())) == 4
        ]

    def output_at(self, layer: str, use: int = -1) -> tf.Tensor:
        """What a layer gives, of a shared one at its last use unless told.

        Args:
            layer: its name; those of nested models are ``model/layer``.
            use: which of its uses.

        Raises:
            ValueError: if there is no such layer or use, or it gives several tensors.
        """
        names = [one.name for one in self.model.layers]
        if layer not in names:
            maps = self.map_layers()
            shown = ", ".join(maps if len(maps) < 9 else [*maps[:2], "…", *maps[-6:]])
            raise ValueError(f"there is no layer {layer!r}; maps have {shown}")
        found = self.model.get_layer(layer)
        uses = len(found.inbound_nodes)
        if not -uses <= use < uses:
            raise ValueError(f"layer {layer!r} is used {uses} times; there is no {use}")
        output = found.get_output_at(use % uses)
        if isinstance(output, (list, tuple)):
            raise ValueError(f"layer {layer!r} gives {len(output)} tensors, not one")
        return output

    def _part(self, layer):
        """Function of images and classes to maps and gradients, one for each layer."""
        if layer not in self._parts:
            output = self.output_at(layer)
            if len(output.shape) != 4:
                raise ValueError(
                    f"layer {layer!r} gives no maps, but {tuple(output.shape)}"
                )
            both = keras.Model(self.model.inputs, [output, self.model.outputs[0]])

            @tf.function(reduce_retracing=True)
            def compute(images, classes):
                with tf.GradientTape() as tape:
                    tape.watch(images)  # so that what is made of them is recorded
                    maps, logits = both(images, training=False)
                    chosen = _chosen(logits, classes)
                gradients = tape.gradient(chosen, maps, unconnected_gradients="zero")
                return tf.cast(maps, tf.float32), tf.cast(gradients, tf.float32)

            self._parts[layer] = lambda images, classes: compute(
                tf.constant(images), tf.constant(classes)
            )
        return self._parts[layer]

    def _scores(self, images):
        return tf.cast(self.model(images, training=False), tf.float32)

    def _gradients(self, images, classes):
        with tf.GradientTape() as tape:
            tape.watch(images)
            chosen = _chosen(self.model(images, training=False), classes)
        return tape.gradient(chosen, images, unconnected_gradients="zero")


def _chosen(logits, classes):
    """The sum of each image's logit of its class.

    In inference mode an image's gradient is not that of the others' logits.
    """
    chosen = tf.gather(tf.cast(logits, tf.float32), classes, batch_dims=1)
    return tf.reduce_sum(chosen)


def as_inspected(
    model: keras.Model | InspectedClassifier, rule: str = "gradient"
) -> InspectedClassifier:
    """The classifier under a rule; one that is inspected already is taken as it is.

    Raises:
        ValueError: as of ``InspectedClassifier``; if it is under another rule.
    """
    if not isinstance(model, InspectedClassifier):
        return InspectedClassifier(model, rule)
    if model.copy.rule != rule:
        raise ValueError(f"the rule must be {rule!r}, got {model.copy.rule!r}")
    return model


def open_part(classifier: InspectedClassifier, layer: str) -> keras.Model:
    """A copy of the network up to a layer that takes images of any size.

    Raises:
        ValueError: if there is no such layer, or what is before it needs one size.
    """
    part = keras.Model(classifier.model.inputs, classifier.output_at(layer))
    try:
        return flat_copy(part, open_size=True)
    except ValueError as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(
            f"what leads to layer {layer!r} takes images of one size only: {reason}"
        ) from error


def _check_classifier(model):
    if len(model.inputs) > 1:
        raise ValueError(f"{model.name} has {len(model.inputs)} inputs, not one")
    (images,), output = model.inputs, model.outputs[0]
    if not images.dtype.is_floating:
        raise ValueError(
            f"{model.name} takes images of {images.dtype.name}, which have "
            "no gradient; build it with an input of float32"
        )
    if len(output.shape) != 2 or output.shape[-1] is None:
        raise ValueError(
            f"{model.name} gives {tuple(output.shape)}; a classifier gives (batch, "
            "classes)"
        )
