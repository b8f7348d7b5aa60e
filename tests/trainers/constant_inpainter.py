"""Folders of inpainting runs whose networks paint one colour, or at random."""

import json

import numpy as np

from keras_cnns import applications
from keras_cnns.runs import record
from keras_cnns.tasks.inpainting import config

_ARGUMENTS = {
    "masked_unet": {"filters": [2, 3, 4]},
    "pconv_unet": {"filters": [2, 3, 4]},
    "lbam": {"filters": [2, 3]},
    "global_local": {"filters": [2, 3], "dilation_rates": [2]},
    "contextual_attention": {"filters": [2, 3, 4], "dilation_rates": [2]},
}


class _Source:
    name, split = "digits", "train"
    class_names, image_shape, num_examples = ("a", "b"), (8, 8, 1), 10


def describe(model, *, size, channels, **net):
    """The description of such a run; the arguments are those of ``write_run``."""
    return config.describe(
        model,
        _Source(),
        builder_args=json.dumps({"network": {**_ARGUMENTS[model], **net}}),
        image_size=size,
        channels=channels,
    )


def write_run(folder, colour=None, *, model="masked_unet", size=16, channels=3, **net):
    """Makes the folder of a run with ``last.h5``.

    Args:
        folder: path.
        colour: what the network paints, a number for each channel, before its last
            activation; None: at random, and not the same everywhere.
        model: key of ``inpainting_models.MODELS``.
        size: height and width of the images that it says it was trained with.
        channels: 1 or 3.
        **net: further builder arguments of the network.

    Returns:
        The description of the run.
    """
    description = describe(model, size=size, channels=channels, **net)
    network = description.build_network()
    if colour is not None:
        painted = network.outputs[0].node.layer  # maybe the last activation
        while not painted.weights:
            painted = painted.inbound_nodes[0].inbound_layers
        network.set_weights([np.zeros_like(w) for w in network.get_weights()])
        painted.bias.assign(np.array(colour, np.float32))
    record.write_record(str(folder), {}, description)
    applications.save_weights(network, str(folder / "last.h5"))
    return description
