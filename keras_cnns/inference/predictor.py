"""One interface to trained classifiers: runs, ensembles and exported models."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_cnns.data import crops
from keras_cnns.export import load_saved_model
from keras_cnns.inference.classifiers import load_classifier


class Predictor(NamedTuple):
    """Classifies images.

    Attributes:
        predict: function of a list of encoded images that returns ``(batch, classes)``
            NumPy probabilities.
        class_names: tuple of names, by output.
    """

    predict: Callable
    class_names: tuple

    def __call__(self, contents: Sequence[bytes]) -> np.ndarray:
        """``predict``."""
        return self.predict(contents)


def load_predictor(
    run_dir: str | Sequence[str] = (),
    saved_model: str = "",
    which: str = "last",
    protocol: crops.Protocol = crops.Protocol(),  # noqa: B008  it is immutable
    batch_size: int = 64,
    trust_graph: bool = False,
) -> Predictor:
    """A classifier that is ready for use.

    Args:
        run_dir: folder of a training run, or a list of them, whose probabilities are
            averaged; or empty.
        saved_model: folder of an exported model, or empty; exactly one is given.
        which: of a run, the ``"best"`` or the ``"last"`` epoch.
        protocol: which crops of each image are averaged; an exported model, which has
            its own preprocessing, takes plain ``1_crop`` only.
        batch_size: inputs of the run's size per step, for protocols of several crops;
            fewer of larger inputs. ``1_crop`` takes all images of a call in one step.
        trust_graph: as ``export.load_saved_model`` takes it.

    Returns:
        ``Predictor``; its classes are those of the first run.

    Raises:
        ValueError: if not exactly one is given, it holds no classifier, runs have
            different classes, a network does not suit the protocol, or an argument
            has no effect on what is given; in use, if a probability is NaN or
            infinite.
    """
    folders = [run_dir] if isinstance(run_dir, str) else list(run_dir)
    folders = [folder for folder in folders if folder]
    if bool(folders) == bool(saved_model):
        raise ValueError("give either --run_dir or --saved_model")
    if saved_model:
        _check_saved_model(which, protocol)
        predict, class_names = load_saved_model(saved_model, trust_graph)
        return Predictor(_checked(predict, saved_model), class_names)
    if trust_graph:
        raise ValueError("trust_graph has no effect with --run_dir, which has no graph")
    members = [_load_member(folder, which, protocol, batch_size) for folder in folders]
    first, *others = members
    if not others:
        return first
    columns = [
        _match_classes(folders[0], first.class_names, folder, member.class_names)
        for folder, member in zip(folders, members)
    ]

    def mean(contents):
        total = np.zeros((len(contents), len(first.class_names)))
        for member, order in zip(members, columns):
            total += member(contents)[:, order]
        return (total / len(members)).astype(np.float32)

    return Predictor(mean, first.class_names)


def _check_saved_model(which, protocol):
    if which != "last":
        raise ValueError(
            f"which={which!r} has no effect with --saved_model, which holds one epoch"
        )
    if protocol != crops.Protocol():
        what = protocol.name
        if what == "1_crop":
            what = f"crop_ratio={protocol.crop_ratio}"
        raise ValueError(
            f"an exported model has its preprocessing built in and cannot be evaluated "
            f"with {what}; give the run by --run_dir"
        )


def _match_classes(first, class_names, folder, names):
    """Indices of the first run's classes in another run's outputs."""
    if sorted(class_names) != sorted(names):
        odd = sorted(set(class_names) ^ set(names))
        raise ValueError(
            f"{first} and {folder} cannot be averaged: they know different classes, "
            f"{', '.join(odd[:3])} ({len(odd)}) only one of them"
        )
    return [names.index(name) for name in class_names]


def _load_member(folder, which, protocol, batch_size):
    """The ``Predictor`` of one run."""
    network, config = _load_for(folder, which, protocol)
    preprocessing = protocol.adapt(config.preprocessing)
    name = f"{folder} ({which} epoch)"
    if protocol.name == "1_crop":
        predict = _single_view(network, preprocessing)
        return Predictor(_checked(predict, name), config.class_names)
    protocol.list_scales(preprocessing)  # refuses what does not fit, before any data
    names = config.class_names
    predict = _several_views(network, preprocessing, protocol, batch_size, len(names))
    return Predictor(_checked(predict, name), names)


def _checked(predict, name):
    """The function, which refuses what is no probability."""

    def predict_finite(contents):
        probabilities = predict(contents)
        if not np.isfinite(probabilities).all():
            raise ValueError(
                f"the network of {name} gives probabilities that are NaN or infinite; "
                "its weights may be"
            )
        return probabilities

    return predict_finite


def _load_for(folder, which, protocol):
    """Network and config of a run; height and width are open for dense protocols."""
    if not protocol.is_dense:
        network, run = load_classifier(folder, which)
        return network, run.config
    try:
        network, run = load_classifier(folder, which, size=(None, None))
        smallest = min(protocol.list_scales(run.config.preprocessing))
        if smallest < run.config.preprocessing.height:
            run.config.build("network", (smallest, smallest))  # refuses too small ones
    except ValueError as error:
        raise ValueError(f"{protocol.name} is not possible: {error}") from error
    return network, run.config


def _single_view(network, preprocessing):
    """Images as in training, all of a call in one step."""
    spec = tf.TensorSpec(preprocessing.shape)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def predict_batch(contents):
        images = tf.map_fn(preprocessing, contents, fn_output_signature=spec)
        return network(images, training=False)

    return lambda contents: np.asarray(predict_batch(contents))


def _several_views(network, preprocessing, protocol, batch_size, num_classes):
    """The mean over a protocol's views, ``batch_size`` inputs at a time."""
    size = (None, None) if protocol.is_dense else preprocessing.shape[:2]
    area = preprocessing.height * preprocessing.width
    views_of = _scaled_images if protocol.is_dense else _crops

    @tf.function(input_signature=[tf.TensorSpec([None, *size, preprocessing.channels])])
    def predict_batch(images):
        return network(images, training=False)

    def limit(image):
        return max(1, batch_size * area // (image.shape[0] * image.shape[1]))

    def predict(contents):
        total = np.zeros((len(contents), num_classes))
        for batch in _batches(views_of(contents, preprocessing, protocol), limit):
            positions, images = zip(*batch)
            np.add.at(total, list(positions), predict_batch(np.stack(images)).numpy())
        return (total / protocol.num_crops).astype(np.float32)

    return predict


def _crops(contents, preprocessing, protocol):
    """(position of the image, one crop of it), image after image."""
    for position, content in enumerate(contents):
        image = preprocessing.decode(content)
        windows = crops.windows_of(image, preprocessing, protocol)
        for crop in crops.iterate_crops(image, preprocessing, windows):
            yield position, crop


def _scaled_images(contents, preprocessing, protocol):
    """(position, whole image), scale after scale, so that shapes rarely change."""
    for scale in protocol.list_scales(preprocessing):
        for position, content in enumerate(contents):
            image = crops.resize_to_scale(preprocessing.decode(content), scale)
            yield position, preprocessing.standardize(image).numpy()


def _batches(views, limit):
    """Lists of neighbours of the same shape, as many as ``limit(view)`` allows."""
    batch = []
    for position, view in views:
        if batch:
            shape = batch[0][1].shape
            if shape != view.shape or len(batch) >= limit(view):
                yield batch
                batch = []
        batch.append((position, view))
    if batch:
        yield batch
