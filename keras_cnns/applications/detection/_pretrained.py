"""Initial weights of a detector from those of a classifier."""

from absl import logging

from keras_cnns.applications.detection._parts import without_top
from keras_cnns.applications.frame.registry import create_model, model_info
from keras_cnns.applications.frame.weight_files import HEAD_NAME


def load_backbone(network, weights, backbone, backbone_args=None, crop_size=None):
    """Sets the layers that a detector has of a classifier.

    Layers are found by name. Those of another shape in the detector, such as the first
    dense layer after SPPnet's pyramid, keep their own initial values, and so do the new
    ones.

    Args:
        network: detector built here; changed in place.
        weights: name of a public checkpoint of the classifier, or the path of a weight
            file as its builder takes it, with or without the classifier's top.
        backbone, backbone_args, crop_size: the detector's arguments.

    Raises:
        ValueError: if the weights are not those of the backbone.
        OSError: if they cannot be read.
    """
    shape = network.inputs[0].shape[-1:]
    given = {"weights": weights, **(backbone_args or {})}
    size = crop_size or model_info(backbone).input_shape[0]
    try:
        source = create_model(backbone, input_shape=(size, size, *shape), **given)
    except ValueError as error:
        given = {"weights": weights, **without_top(backbone, backbone_args)}
        source = _topless(backbone, shape, given, error)
        logging.info("%s: only the layers before its top are taken", weights)
    layers = {layer.name: layer for layer in _all_layers(network) if layer.weights}
    taken, left = 0, []
    for layer in source.layers:
        target = layers.get(layer.name)
        if target is None or layer.name == HEAD_NAME or not layer.weights:
            continue
        if [w.shape for w in target.weights] != [w.shape for w in layer.weights]:
            left.append(layer.name)
            continue
        target.set_weights(layer.get_weights())
        taken += 1
    logging.info("%d layers start from %s", taken, weights)
    if left:
        logging.info("of another shape, and so left as they are: %s", ", ".join(left))


def _topless(backbone, channels, given, error):
    """The classifier without its top; if that fails too, the first error is raised."""
    shape = (None, None, *channels)
    try:
        return create_model(backbone, include_top=False, input_shape=shape, **given)
    except ValueError:
        raise error from None


def _all_layers(network):
    """Layers of a network and of the networks within it."""
    for layer in network.layers:
        if hasattr(layer, "layers"):
            yield from _all_layers(layer)
        else:
            yield layer
