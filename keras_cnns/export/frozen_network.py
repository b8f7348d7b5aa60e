"""Networks for inference alone: weights are constants, normalisation is folded.

Constant kernels are laid out once for the processor instead of in each call, and a
batch normalisation behind a convolution becomes its kernel and bias, by the moving
statistics. Dropout is gone, and so are outputs that nobody asks for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python.util import run_graph_optimizations
from tensorflow.python.framework.convert_to_constants import (
    convert_variables_to_constants_v2,
)

if TYPE_CHECKING:
    from tensorflow import keras

# The axis of a kernel's outputs, or where each group of inputs has its own, the axes.
_OUTPUTS = {
    "Conv2D": (3,),
    "Conv2DBackpropInput": (2,),
    "DepthwiseConv2dNative": (2, 3),
}
_KERNEL, _BIAS = 1, 1  # which of a node's inputs they are


class FrozenNetwork:
    """A network as a graph of constants, called as the network is.

    Attributes:
        name, layers, inputs, outputs, output, input_names, input_shape, output_shape:
            the network's.
        variables: none.
        folded: number of batch normalisations that are part of a convolution.
    """

    variables = ()

    def __init__(self, network: keras.Model) -> None:
        """Traces the network.

        Args:
            network: ``keras.Model``; later changes of its weights have no effect.
        """
        self.name, self.layers = network.name, network.layers
        self.inputs, self.outputs = network.inputs, network.outputs
        self.input_names = network.input_names
        self.input_shape, self.output_shape = network.input_shape, network.output_shape
        self.output = network.output
        specs = [tf.TensorSpec(x.shape, x.dtype) for x in network.inputs]

        @tf.function(input_signature=specs)
        def infer(*inputs):
            given = tf.nest.pack_sequence_as(network.input, inputs)
            return tf.nest.flatten(network(given, training=False))

        frozen = convert_variables_to_constants_v2(infer.get_concrete_function())
        graph = _constants_folded(frozen)
        self.folded = fold_batch_norms(graph)
        inputs, outputs = ([x.name for x in y] for y in (frozen.inputs, frozen.outputs))

        def imported(*values):
            return tf.graph_util.import_graph_def(
                graph, dict(zip(inputs, values)), outputs
            )

        self._infer = tf.compat.v1.wrap_function(imported, specs)

    def __call__(self, inputs: Any, training: bool = False) -> Any:
        """The network's outputs of its inputs, in inference."""
        if training:
            raise ValueError(f"{self.name} is frozen and cannot be trained")
        outputs = self._infer(*tf.nest.flatten(inputs))
        return tf.nest.pack_sequence_as(self.output, outputs)


def _constants_folded(function):
    """The graph of a frozen function, with what only constants decide computed."""
    config = tf.compat.v1.ConfigProto()
    rewriting = config.graph_options.rewrite_options
    rewriting.optimizers.append("constfold")
    rewriting.meta_optimizer_iterations = 1
    rewriting.min_graph_nodes = -1
    graph = function.graph.as_graph_def()
    for node in (*graph.node, *(n for f in graph.library.function for n in f.node_def)):
        node.attr.pop("_gradient_op_type", None)  # there are no gradients
    return run_graph_optimizations(
        graph, function.inputs, function.outputs, config, function.graph
    )


def fold_batch_norms(graph: tf.compat.v1.GraphDef) -> int:
    """Makes batch normalisations the kernels and biases of convolutions, in place.

    Those are folded whose input is a convolution, with or without a bias, that nothing
    else uses, if all their weights are constants.

    Args:
        graph: ``GraphDef`` of inference.

    Returns:
        How many were folded.
    """
    nodes = {node.name: node for node in graph.node}
    uses = {}
    for node in graph.node:
        for name in node.input:
            uses[_node_name(name)] = uses.get(_node_name(name), 0) + 1
    found = [node for node in graph.node if node.op == "FusedBatchNormV3"]
    return sum(_fold(graph, nodes, uses, node) for node in found)


def _fold(graph, nodes, uses, norm) -> bool:
    source, bias = _passed_on(nodes, uses, norm.input[0]), 0.0
    if source.op == "BiasAdd" and uses[source.name] == 1:
        bias = _constant(nodes, source.input[_BIAS])
        source = _passed_on(nodes, uses, source.input[0])
    convolutions = [source]
    if source.op == "ConcatV2" and uses[source.name] == 1:  # of a convolution's groups
        convolutions = [nodes[_node_name(name)] for name in source.input[:-1]]
    if any(node.op not in _OUTPUTS or uses[node.name] > 1 for node in convolutions):
        return False
    kernels = [_constant(nodes, node.input[_KERNEL]) for node in convolutions]
    weights = [_constant(nodes, name) for name in norm.input[1:]]
    if norm.attr["is_training"].b or any(x is None for x in (bias, *kernels, *weights)):
        return False
    gamma, beta, mean, variance = (x.astype(np.float64) for x in weights)
    scale = gamma / np.sqrt(variance + norm.attr["epsilon"].f)
    start = 0
    for node, kernel in zip(convolutions, kernels):
        axes = _OUTPUTS[node.op]
        shape = [size if i in axes else 1 for i, size in enumerate(kernel.shape)]
        part = scale[start : start + np.prod(shape)].reshape(shape)
        node.input[_KERNEL] = _add_constant(graph, node, "folded_kernel", kernel * part)
        start += part.size
    shift = _add_constant(graph, norm, "folded_bias", beta - scale * (mean - bias))
    layout = convolutions[0].attr["data_format"]
    _become_bias(norm, source.name, shift, layout)
    return True


def _add_constant(graph, node, name, values):
    """Adds a constant of a node's type, and returns its name."""
    kind = node.attr["T"].type
    added = graph.node.add(name=f"{node.name}/{name}", op="Const")
    added.attr["dtype"].type = kind
    values = values.astype(tf.as_dtype(kind).as_numpy_dtype)
    added.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values))
    return added.name


def _become_bias(norm, source, bias, layout):
    kind = norm.attr["T"].type
    norm.ClearField("attr")
    norm.op, norm.input[:] = "BiasAdd", [source, bias]
    norm.attr["T"].type = kind
    norm.attr["data_format"].CopyFrom(layout)


def _passed_on(nodes, uses, name):
    """The node whose output it is, behind what passes it on to nothing else."""
    node = nodes[_node_name(name)]
    while node.op == "Identity" and uses[node.name] == 1:
        node = nodes[_node_name(node.input[0])]
    return node


def _constant(nodes, name):
    """The values of a constant, behind what passes it on; None if it is none."""
    node = nodes[_node_name(name)]
    while node.op == "Identity":
        node = nodes[_node_name(node.input[0])]
    return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None


def _node_name(name):
    return name.lstrip("^").split(":")[0]
