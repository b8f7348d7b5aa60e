"""One way to ask trained classifiers, wherever they are kept and however often."""

import numpy as np
import tensorflow as tf

from keras_cnns.data import crops
from keras_cnns.export.saved_model import load_saved_model
from keras_cnns.trainers import load_run


def load_predictor(
    checkpoint="",
    saved_model: str = "",
    which: str = "last",
    protocol: crops.Protocol = crops.Protocol(),  # noqa: B008  it is immutable
    batch_size: int = 64,
):
    """A function from encoded images to probabilities, and the class names.

    Args:
        checkpoint: folder of a training run, or a list of them, whose probabilities
            are averaged; or empty.
        saved_model: folder of an exported model, or empty; exactly one is given.
        which: of a run, the ``"best"`` or the ``"last"`` epoch.
        protocol: how each picture is shown to the network; an exported model, which
            has its own preprocessing, knows plain ``1_crop`` only.
        batch_size: inputs of the run's size per step, where a protocol shows several
            per picture; of larger ones fewer are taken. ``1_crop`` takes all pictures
            of a call in one step.

    Returns:
        (function of a list of encoded images that gives ``(batch, classes)`` NumPy
        probabilities, tuple of class names, those of the first run).

    Raises:
        ValueError: if not exactly one is given, it holds no classifier, runs know
            different classes, a network does not suit the protocol, or an argument
            has no effect on an exported model.
    """
    folders = [checkpoint] if isinstance(checkpoint, str) else list(checkpoint)
    folders = [folder for folder in folders if folder]
    if bool(folders) == bool(saved_model):
        raise ValueError("give either --checkpoint or --saved_model")
    if saved_model:
        _check_saved_model(which, protocol)
        return load_saved_model(saved_model)
    members = [_load_member(folder, which, protocol, batch_size) for folder in folders]
    (first, class_names), *others = members
    if not others:
        return first, class_names
    columns = [
        _match_classes(folders[0], class_names, folder, names)
        for folder, (_, names) in zip(folders, members)
    ]

    def mean(contents):
        total = np.zeros((len(contents), len(class_names)))
        for (predict, _), order in zip(members, columns):
            total += predict(contents)[:, order]
        return (total / len(members)).astype(np.float32)

    return mean, class_names


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
            f"with {what}; give the run by --checkpoint"
        )


def _match_classes(first, class_names, folder, names):
    """Where the first run's classes are among another run's outputs."""
    if sorted(class_names) != sorted(names):
        odd = sorted(set(class_names) ^ set(names))
        raise ValueError(
            f"{first} and {folder} cannot be averaged: they know different classes, "
            f"{', '.join(odd[:3])} ({len(odd)}) only one of them"
        )
    return [names.index(name) for name in class_names]


def _load_member(folder, which, protocol, batch_size):
    """(function from encoded images to probabilities, class names) of one run."""
    if protocol.is_dense:
        network, description = _load_for_any_size(folder, which, protocol)
    else:
        network, description = load_run(folder, which)
    feed = protocol.adapt(description.preprocessing)
    if protocol.name == "1_crop":
        return _single_view(network, feed), description.class_names
    protocol.list_scales(feed)  # refuses what does not fit, before the data are read
    predict = _several_views(
        network, feed, protocol, batch_size, len(description.class_names)
    )
    return predict, description.class_names


def _load_for_any_size(folder, which, protocol):
    """A run's network with height and width open, if it takes the protocol's scales."""
    try:
        network, description = load_run(folder, which, size=(None, None))
        smallest = min(protocol.list_scales(description.preprocessing))
        if smallest < description.preprocessing.height:
            description.build(size=(smallest, smallest))  # refuses what is too small
    except ValueError as error:
        raise ValueError(f"{protocol.name} is not possible: {error}") from error
    return network, description


def _single_view(network, feed):
    """Pictures as in training, all of a call in one step."""
    size = (feed.height, feed.width, feed.channels)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def answer(contents):
        images = tf.map_fn(feed, contents, fn_output_signature=tf.TensorSpec(size))
        return network(images, training=False)

    return lambda contents: np.asarray(answer(contents))


def _several_views(network, feed, protocol, batch_size, num_classes):
    """The mean over a protocol's views, ``batch_size`` inputs at a time."""
    size = (None, None) if protocol.is_dense else (feed.height, feed.width)
    area = feed.height * feed.width
    views_of = _scaled_pictures if protocol.is_dense else _crops

    @tf.function(input_signature=[tf.TensorSpec([None, *size, feed.channels])])
    def answer(images):
        return network(images, training=False)

    def limit(image):
        return max(1, batch_size * area // (image.shape[0] * image.shape[1]))

    def predict(contents):
        total = np.zeros((len(contents), num_classes))
        for batch in _batches(views_of(contents, feed, protocol), limit):
            positions, images = zip(*batch)
            np.add.at(total, list(positions), answer(np.stack(images)).numpy())
        return (total / protocol.num_crops).astype(np.float32)

    return predict


def _crops(contents, feed, protocol):
    """(position of the picture, one crop of it), picture after picture."""
    for position, content in enumerate(contents):
        image = feed.decode(content)
        windows = crops.windows_of(image, feed, protocol)
        for crop in crops.iterate_crops(image, feed, windows):
            yield position, crop


def _scaled_pictures(contents, feed, protocol):
    """(position, whole picture), scale after scale, so that shapes change seldom."""
    for scale in protocol.list_scales(feed):
        for position, content in enumerate(contents):
            image = crops.resize_to_scale(feed.decode(content), scale)
            yield position, feed.standardize(image).numpy()


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
