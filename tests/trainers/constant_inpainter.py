"""Folders of inpainting runs whose networks paint one colour, or at random."""

import json

import numpy as np

from keras_cnns import applications, runs
from keras_cnns.tasks.inpainting import InpaintingOptions, InpaintingTask

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


def configure(model, **options):
    """The ``RunConfig`` of such options, without opening any data."""
    options = {"perceptual_weight": 0.0, "style_weight": 0.0, **options}
    task = InpaintingTask(InpaintingOptions(model=model, **options))
    task.sources = [(_Source(), 1)]
    return task.configure()


def small(model, *, size=16, channels=3, **net):
    """The ``RunConfig`` of a small network, by the arguments of ``write_run``."""
    changes = {"network": {**_ARGUMENTS[model], **net}}
    return configure(
        model, builder_args=json.dumps(changes), image_size=size, channels=channels
    )


def write_run(folder, colour=None, *, model="masked_unet", **options):
    """Makes the folder of a run with ``last.h5``.

    Args:
        folder: path.
        colour: what the network paints, a number for each channel, before its last
            activation; None: at random, and not the same everywhere.
        model: key of ``tasks.inpainting.MODELS``.
        **options: ``size``, height and width of the images that it says it was trained
            with; ``channels``, 1 or 3; further builder arguments of the network.

    Returns:
        The ``Run``.
    """
    run = runs.Run(str(folder), "inpainting", {"model": model}, small(model, **options))
    network = run.config.build("network")
    if colour is not None:
        painted = network.outputs[0].node.layer  # maybe the last activation
        while not painted.weights:
            painted = painted.inbound_nodes[0].inbound_layers
        network.set_weights([np.zeros_like(w) for w in network.get_weights()])
        painted.bias.assign(np.array(colour, np.float32))
    runs.write_record(run)
    applications.save_weights(network, str(folder / "last.h5"))
    return run
