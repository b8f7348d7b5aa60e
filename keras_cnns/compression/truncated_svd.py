"""Dense layers as two smaller ones, by truncated singular value decomposition."""

import copy

import numpy as np
from tensorflow import keras

from keras_cnns._checks import check_within
from keras_cnns._graph import check_functional


def truncate_dense(network: keras.Model, ranks: dict) -> keras.Model:
    """A copy of a network in which some dense layers are two thinner ones each.

    The kernel is replaced by the closest one of a lower rank. The first layer,
    ``<name>_v``, has as many units as the rank and neither bias nor activation; the
    second, ``<name>_u``, has the units, the bias and the activation of the old one. At
    full rank the outputs are the same. Regularisers and constraints of the kernel are
    left out.

    Args:
        network: model of the functional API, or a built ``Sequential``; it is not
            changed.
        ranks: rank by name of the dense layer, from 1 to the smaller one of its inputs
            and units; layers of nested models are not found. With u inputs and v units,
            ``u * v`` weights become ``rank * (u + v)``.

    Returns:
        A model of the functional API with weights of its own.

    Raises:
        ValueError: if ``network`` is another kind of model, there is no such layer, it
            is not dense, or a rank is out of its range.

    Source: Girshick, arXiv 1504.08083, section 3.1.
    """
    check_functional(network)
    _check_ranks(network, ranks)
    smaller = keras.Model.from_config(_with_two_layers(network, ranks))
    for layer in network.layers:
        if layer.name in ranks:
            first, second = _factors(layer.kernel.numpy(), ranks[layer.name])
            rest = layer.get_weights()[1:]
            smaller.get_layer(f"{layer.name}_v").set_weights([first])
            smaller.get_layer(f"{layer.name}_u").set_weights([second, *rest])
        else:
            smaller.get_layer(layer.name).set_weights(layer.get_weights())
    return smaller


def _check_ranks(network, ranks):
    if not isinstance(ranks, dict) or not ranks:
        raise ValueError(f"ranks must be a rank by name of a layer, got {ranks!r:.200}")
    layers = {layer.name: layer for layer in network.layers}
    dense = [name for name, each in layers.items() if type(each) is keras.layers.Dense]
    for name, rank in ranks.items():
        if name not in dense:
            known = ", ".join(dense) or "none"
            raise ValueError(f"ranks must name dense layers ({known}), got {name!r}")
        for part in (f"{name}_v", f"{name}_u"):
            if part in layers:
                raise ValueError(f"the network has a layer {part!r} already")
        limit = min(layers[name].kernel.shape)
        check_within(f"the rank of {name!r}", rank, f"[1, {limit}]")
        if int(rank) != rank:
            raise ValueError(f"the rank of {name!r} must be whole, got {rank!r}")


def _factors(kernel, rank):
    """Two kernels, (inputs, rank) and (rank, units), whose product is the closest."""
    kernel = kernel.astype(np.promote_types(kernel.dtype, np.float32))
    left, values, right = np.linalg.svd(kernel, full_matrices=False)
    return left[:, :rank] * values[:rank], right[:rank]


def _with_two_layers(network, ranks):
    """The config of a network, two entries in place of each of the dense layers."""
    if isinstance(network, keras.Sequential):
        network = keras.Model(network.inputs, network.outputs, name=network.name)
    config = copy.deepcopy(network.get_config())
    layers = []
    for entry in config["layers"]:
        if entry["name"] in ranks:
            layers += _split(entry, ranks[entry["name"]])
        else:
            layers.append(entry)
    for entry in layers:
        entry["inbound_nodes"] = _renamed(entry["inbound_nodes"], ranks)
    config["layers"] = layers
    config["output_layers"] = _renamed(config["output_layers"], ranks)
    return config


def _split(entry, rank):
    """The entries of the two layers that replace a dense one."""
    name, old = entry["name"], entry["config"]
    plain = {"kernel_regularizer": None, "kernel_constraint": None}
    second = {**old, **plain, "name": f"{name}_u"}
    first = {
        **second,
        "name": f"{name}_v",
        "units": rank,
        "use_bias": False,
        "activation": "linear",
        "activity_regularizer": None,
    }
    calls = [[[f"{name}_v", i, 0, {}]] for i in range(len(entry["inbound_nodes"]))]
    parts = []
    for config, inbound in ((first, entry["inbound_nodes"]), (second, calls)):
        part = {k: v for k, v in entry.items() if k != "build_config"}
        part.update(name=config["name"], config=config, inbound_nodes=inbound)
        parts.append(part)
    return parts


def _renamed(nodes, ranks):
    """References to replaced layers, ``[name, call, output, ...]``, by new names."""
    if isinstance(nodes, dict):
        return {key: _renamed(value, ranks) for key, value in nodes.items()}
    if not isinstance(nodes, (list, tuple)):
        return nodes
    if len(nodes) >= 3 and isinstance(nodes[0], str) and nodes[0] in ranks:
        nodes = [f"{nodes[0]}_u", *nodes[1:]]
    return [_renamed(value, ranks) for value in nodes]
