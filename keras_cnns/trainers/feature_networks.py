"""Frozen classifiers whose features compare made images with true ones."""

import contextlib
import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications
from keras_cnns.data import CONVENTIONS, VALUE_RANGES, Preprocessing
from keras_cnns.data.preprocessing import check_value_range

# Stages at whose ends features are compared.
NUM_STAGES = 3
# Layers of VGG19 whose features SRGAN compares: fine details, or textures.
VGG22, VGG54 = ("block2_conv2",), ("block5_conv4",)


class FeatureNetwork:
    """A classifier that returns the maps of some of its layers.

    It is never trained, and computes in float32 whatever the policy: features of
    ImageNet classifiers are too large for 16 bits. Gradients pass through it to the
    images. Make it within the strategy's scope.

    Args:
        name: its name in the record of a run.
        network: ``keras.Model`` of images, built in float32.
        preprocessing: how grey levels of 0 to 255 become its inputs; only its
            channels and standardisation matter.
        layers: names of the layers whose outputs are taken, finest first.
        value_range: ``"unit"`` or ``"signed"``, of the images that it is given.
        standardize: whether images become inputs as ``preprocessing`` says; else they
            are handed on in [0, 1], as LBAM's released code does, in whose features
            differences are smaller: its loss weights are for these.

    Attributes:
        name, value_range: as given.
        layers: tuple of the names.
        checksum: SHA-256 of preprocessing, layers and weights, ``"sha256:..."``.

    Raises:
        ValueError: if there is no such layer, one gives no maps, the network computes
            in 16 bits, or the range is unknown.
    """

    def __init__(
        self,
        name: str,
        network: keras.Model,
        preprocessing: Preprocessing,
        layers: Sequence[str],
        value_range: str = "unit",
        standardize: bool = True,
    ) -> None:
        check_value_range(value_range)
        names = [layer.name for layer in network.layers]
        for layer in layers:
            if layer not in names:
                raise ValueError(
                    f"{network.name} has no layer {layer!r}; it has "
                    f"{', '.join(names[:3])} ... {', '.join(names[-3:])}"
                )
        maps = [network.get_layer(layer).output for layer in layers]
        wrong = [x for x in maps if x.shape.rank != 4 or x.dtype != tf.float32]
        if wrong or not maps:
            raise ValueError(
                f"layers must name some that give maps in float32, got {layers!r} of "
                f"{network.name}"
            )
        self.name = name
        self.layers = tuple(layers)
        self.value_range = value_range
        if not standardize:
            count = preprocessing.channels
            plain = {"mean": (0.0,) * count, "std": (255.0,) * count}
            preprocessing = dataclasses.replace(preprocessing, **plain)
        self._preprocessing = preprocessing
        self._model = keras.Model(network.input, maps, name=f"{network.name}_features")
        self._model.trainable = False
        described = [dataclasses.asdict(preprocessing), self.layers]
        self.checksum = weights_checksum(self._model, described)

    def __call__(self, images: tf.Tensor) -> list:
        """Maps of images.

        Args:
            images: ``(batch, height, width, channels)`` in ``value_range``; one channel
                is repeated where the network takes three.

        Returns:
            List of maps ``(batch, height, width, channels)``, float32, a layer each.

        Raises:
            ValueError: if images have another number of channels.
        """
        self.check_channels(images.shape[-1])
        channels = self._preprocessing.channels
        low, high = VALUE_RANGES[self.value_range]
        levels = 255 * (tf.cast(images, tf.float32) - low) / (high - low)
        if images.shape[-1] != channels:
            levels = tf.repeat(levels, channels, axis=-1)
        maps = self._model(self._preprocessing.standardize(levels), training=False)
        return tf.nest.flatten(maps)

    def check_channels(self, channels: int) -> None:
        """Refuses images whose channels are neither one nor the network's.

        Raises:
            ValueError: naming both numbers.
        """
        wanted = self._preprocessing.channels
        if channels not in (1, wanted):
            raise ValueError(
                f"{self.name} takes images of {wanted} channels, got {channels}"
            )

    def record(self) -> dict:
        """Its entry in ``run.json``."""
        layers = list(self.layers)
        return {"name": self.name, "layers": layers, "checksum": self.checksum}


def weights_checksum(network: keras.Model, described: "dict | list") -> str:
    """SHA-256 of a network's weights and what else its outputs depend on.

    Args:
        network: ``keras.Model``.
        described: the rest, except for the architecture, as JSON values.

    Returns:
        ``"sha256:..."``.
    """
    digest = hashlib.sha256()
    digest.update(json.dumps(described).encode())
    for layer in network.layers:
        for value in layer.get_weights():
            digest.update(f"{layer.name} {value.dtype.str} {value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
    return f"sha256:{digest.hexdigest()}"


def vgg16_features(
    weights: str = "imagenet", *, value_range: str = "unit", standardize: bool = True
) -> FeatureNetwork:
    """VGG16 of ImageNet, at the ends of its first three stages.

    The papers' weights of perceptual and style losses belong to torchvision's file.
    Keras' file is another training, on inputs some 58 times as large, with features as
    much larger: use smaller loss weights with it.

    Args:
        weights: ``"imagenet"`` (Keras' file) or ``"torchvision"``, which may be
            downloaded, or the path of such a file, with or without the classifier:
            ``.h5`` as Keras names its layers, or a state dict as torchvision names
            them. Each has its own preprocessing.
        value_range, standardize: as of ``FeatureNetwork``.

    Raises:
        ValueError: if ``weights`` is neither, or the file is of another network.
        OSError: if the download fails.
    """
    stages = applications.stage_ends_of("vgg16")[:NUM_STAGES]
    return _vgg("vgg16", weights, stages, value_range, standardize)


def vgg19_features(
    weights: str = "imagenet",
    *,
    layers: Sequence[str] = VGG54,
    value_range: str = "unit",
) -> FeatureNetwork:
    """VGG19 of ImageNet, as SRGAN's content loss takes it.

    That loss' scale of features belongs to Keras' file, whose inputs are grey levels of
    up to 255 (unverified).

    Args:
        weights: as ``vgg16_features`` takes them.
        layers: names of layers, finest first: ``VGG54``, the last convolution before
            the fifth pooling, or ``VGG22``, the second before the second one, both
            after their ReLU.
        value_range: ``"unit"`` or ``"signed"``.

    Raises:
        ValueError, OSError: as ``vgg16_features``, and if there is no such layer.

    Source: Ledig et al., arXiv 1609.04802, section 2.2.1 and 3.2.
    """
    return _vgg("vgg19", weights, layers, value_range)


def _vgg(model, weights, layers, value_range, standardize=True):
    if weights is None:
        raise ValueError(
            "weights=None would compare features of random weights; give 'imagenet', "
            "'torchvision' or a path"
        )
    with in_float32():
        network = applications.create_model(model, include_top=False, weights=weights)
        convention = applications.model_info(model).preprocessing_of(weights)
        preprocessing = Preprocessing(224, 224, 3, **CONVENTIONS[convention])
        name = f"{model.upper()} of ImageNet, {convention} preprocessing"
        return FeatureNetwork(
            name, network, preprocessing, layers, value_range, standardize
        )


@contextlib.contextmanager
def in_float32() -> Iterator[None]:
    """Within the block, layers are built in float32."""
    policy = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy("float32")
    try:
        yield
    finally:
        keras.mixed_precision.set_global_policy(policy)
