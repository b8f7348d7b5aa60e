"""Embeddings: networks in whose features generators are scored.

An ``Embedding`` treats real and generated images alike: integer grey levels of 0 to
255, the same resizing, standardisation and network. Its name and checksum keep scores
of different embeddings from being compared.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow import keras

from keras_cnns import _progress, applications
from keras_cnns.data import CONVENTIONS, Preprocessing
from keras_cnns.inference.classifiers import describe_classifier, load_classifier
from keras_cnns.metrics import GenerativeReport, Protocol, evaluate_features
from keras_cnns.trainers.feature_networks import weights_checksum

_HEAD_NAME = "predictions"
_INCEPTION_NAME = (
    "keras InceptionV3, not the 2015 TF graph: numbers are not comparable with "
    "published FIDs"
)


class Embedding:
    """A frozen classifier that returns its penultimate features and probabilities.

    Args:
        name: its name in protocols.
        network: ``keras.Model`` from inputs to probabilities ``(batch, classes)``, with
            a layer named ``"predictions"``.
        preprocessing: how images become its inputs.
        layer: name of the layer whose output is taken, the mean over height and width
            where it gives maps; None: what goes into ``"predictions"``.

    Attributes:
        name: as given, and the layer.
        checksum: SHA-256 of preprocessing and weights, ``"sha256:..."``.
        resize: how images are resized.
        dimension: number of features.

    Raises:
        ValueError: if the network has no such layer.
    """

    def __init__(
        self,
        name: str,
        network: keras.Model,
        preprocessing: Preprocessing,
        layer: str | None = None,
    ) -> None:
        self._preprocessing = preprocessing
        features = _features_of(network, layer)
        model = keras.Model(network.inputs, [features, network.outputs[0]])
        self.name = f"{name} ({layer or f'input of {_HEAD_NAME}'})"
        self.checksum = weights_checksum(network, dataclasses.asdict(preprocessing))
        self.resize = _resize_text(preprocessing)
        self.dimension = int(features.shape[-1])

        @tf.function(input_signature=[tf.TensorSpec([None] * 4, tf.uint8)])
        def embed(images):
            spec = tf.TensorSpec(preprocessing.shape)
            images = tf.map_fn(preprocessing.resize, images, fn_output_signature=spec)
            return model(preprocessing.standardize(images), training=False)

        self._embed = embed

    def __call__(self, images: np.ndarray, batch_size: int = 128) -> tuple:
        """Features and probabilities of images.

        Args:
            images: ``(count, height, width, channels)``, of any size, uint8, or float
                of 0 to 255, which is rounded to uint8 first. One channel is repeated
                where the network takes three.
            batch_size: images per step.

        Returns:
            (features ``(count, dimension)``, probabilities ``(count, classes)``), NumPy
            float32.

        Raises:
            ValueError: if the shape, the number of channels or the range of the images
                is wrong.
        """
        images = quantize(images)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, got {batch_size!r}")
        channels = self._preprocessing.channels
        if images.shape[-1] not in (1, channels):
            raise ValueError(
                f"{self.name} takes images of {channels} channels, got "
                f"{images.shape[-1]}"
            )
        parts = []
        starts = range(0, len(images), batch_size)
        for start in _progress.track(starts, "features"):
            batch = images[start : start + batch_size]
            if batch.shape[-1] != channels:
                batch = np.repeat(batch, channels, axis=-1)
            parts.append([part.numpy() for part in self._embed(tf.constant(batch))])
        features, probabilities = map(np.concatenate, zip(*parts))
        return features, probabilities


def quantize(images: np.ndarray) -> np.ndarray:
    """Images as files hold them: integer grey levels, uint8.

    Args:
        images: ``(count, height, width, channels)``, uint8 or float of 0 to 255, at
            least one.

    Raises:
        ValueError: if they have another shape, are not finite, or their range is not
            that of grey levels; also if floats are at most 1, as in [0, 1].
    """
    images = np.asarray(images)
    if images.ndim != 4 or not images.size:
        raise ValueError(
            "images must have the shape (count, height, width, channels), got "
            f"{images.shape}"
        )
    if images.dtype == np.uint8:
        return images
    lowest, highest = float(images.min()), float(images.max())
    if not (lowest >= -0.5 and 1 < highest <= 255.5):
        raise ValueError(
            "images must be uint8 or floats of 0 to 255, got "
            f"{images.dtype} from {lowest:.4g} to {highest:.4g}"
        )
    return np.clip(np.rint(images), 0, 255).astype(np.uint8)


def _features_of(network, layer):
    """The tensor of the features ``(batch, dimension)``, float32."""
    names = [item.name for item in network.layers]
    wanted = _HEAD_NAME if layer is None else layer
    if wanted not in names:
        raise ValueError(
            f"{network.name} has no layer {wanted!r}; its last ones are "
            f"{', '.join(names[-5:])}"
        )
    found = network.get_layer(wanted)
    features = found.input if layer is None else found.output
    if len(features.shape) == 4:
        features = keras.layers.GlobalAveragePooling2D(name="embedding_pool")(features)
    if len(features.shape) != 2 or features.shape[-1] is None:
        raise ValueError(
            f"layer {wanted!r} of {network.name} gives neither vectors nor maps, but "
            f"{tuple(features.shape)}"
        )
    return features


def _resize_text(preprocessing):
    size = f"{preprocessing.height}x{preprocessing.width}"
    text = f"tf.image.resize, bilinear with antialias, to {size}, in float32"
    if preprocessing.crop_ratio is not None:
        text = f"central square of {preprocessing.crop_ratio:g}, {text}"
    return text


def run_embedding(
    run_dir: str, layer: str | None = None, which: str = "best"
) -> Embedding:
    """The classifier of a training run as an embedding.

    Train it on real images of the kind to be generated. Images get the run's own
    preprocessing. The embedding's name includes the training data.

    Args:
        run_dir: folder of a run of ``classification``.
        layer: as ``Embedding`` takes it.
        which: ``"best"`` or ``"last"`` epoch.

    Raises:
        ValueError: if the folder holds no such run, or the network has no such layer.
    """
    network, run = load_classifier(run_dir, which)
    name = describe_classifier(run, which)
    return Embedding(name, network, run.config.preprocessing, layer)


def inception_embedding(weights: str = "imagenet") -> Embedding:
    """Inception v3 of Keras: 2048 features, probabilities of ImageNet's 1000 classes.

    Published scores use the graph of 2015, with other weights, and are not comparable.
    The whole image is resized to 299x299, without a central crop, as usual for the FID.

    Args:
        weights: ``"imagenet"``, which may be downloaded, or the path of such a file.

    Raises:
        ValueError: if ``weights`` is neither.
        OSError: if the download fails.
    """
    if weights is None:
        raise ValueError(
            "weights=None would embed by random values; give 'imagenet' or a path"
        )
    network = applications.create_model("inception_v3", weights=weights)
    convention = {**CONVENTIONS["tf"], "crop_ratio": None}
    preprocessing = Preprocessing(*network.input_shape[1:], **convention)
    return Embedding(_INCEPTION_NAME, network, preprocessing, "avg_pool")


def evaluate_images(
    embedding: Embedding,
    real: np.ndarray,
    other_real: np.ndarray,
    generated: np.ndarray,
    *,
    real_data: str,
    batch_size: int = 128,
    **settings: Any,
) -> GenerativeReport:
    """All scores of generated images under an embedding, and the floor.

    Args:
        embedding: preferably trained on none of these images.
        real: images as ``Embedding`` takes them.
        other_real: further real images, none of them among ``real``; as many as
            generated.
        generated: images of the same height and width as the real ones.
        real_data: what the real images are, such as ``"fashion_mnist/test"``.
        batch_size: images per step.
        **settings: further fields of ``keras_cnns.metrics.Protocol``. The subsets of
            the kernel distance have 1000 examples, or half of the smaller set.

    Raises:
        ValueError: if images are bad, sizes differ, or a setting is bad.
    """
    sizes = {np.shape(images)[1:3] for images in (real, other_real, generated)}
    if len(sizes) > 1:
        raise ValueError(
            "real and generated images must have one height and width, or resizing "
            f"tells them apart; got {sorted(sizes)}"
        )
    smaller = min(len(real), len(generated))
    settings.setdefault("kid_subset_size", max(2, min(1000, smaller // 2)))
    protocol = Protocol(
        embedding=embedding.name,
        embedding_checksum=embedding.checksum,
        resize=embedding.resize,
        image_shape="x".join(map(str, np.shape(real)[1:])),
        real_data=real_data,
        num_real=len(real),
        num_generated=len(generated),
        **settings,
    )
    real_features, _ = embedding(real, batch_size)
    other_features, other_probabilities = embedding(other_real, batch_size)
    features, probabilities = embedding(generated, batch_size)
    return evaluate_features(
        real_features,
        other_features,
        features,
        protocol,
        other_real_probabilities=other_probabilities,
        generated_probabilities=probabilities,
    )
