"""The files of ShuffleNet's authors, whose networks are ours with channels reordered.

Their concatenation has the pooled input first, ours the branch; with the channels of
all maps reversed theirs has the branch first, too. They shuffle after the depthwise
convolution, and send channel c to group ``c % groups``; we shuffle before it, and hand
the channels of a group around. Either way, with three groups or with eight at twice the
width, each group of the last convolution gets as many channels of each group of the
first, so that an order of the channels between them makes one the other; their narrower
networks of eight groups are refused. Their images are BGR, which reversing channels
mends too.

Source: github.com/megvii-model/ShuffleNet-Series, ShuffleNetV1.
"""

import functools

import numpy as np


def _channel_order(channels: int, groups: int):
    """Their channels behind the first convolution of a unit, in our order."""
    numbers = np.arange(channels)
    size = channels // groups
    theirs, ours = numbers % groups, _shuffled(numbers, groups) // size
    order = np.empty(channels, int)
    for source in range(groups):
        for target in range(groups):
            given = numbers[(numbers // size == source) & (theirs == target)]
            places = numbers[(numbers // size == source) & (ours == target)]
            if len(given) != len(places):
                raise ValueError(
                    f"no order of {channels} channels makes the shuffle of {groups} "
                    "groups in the authors' code ours"
                )
            order[places] = given
    return order


def _shuffled(numbers, groups):
    """Where our shuffle puts channels."""
    size = len(numbers) // groups
    return numbers % size * groups + numbers // size


def _behind_shuffle(channels, groups):
    """Their channels behind our shuffle."""
    order = np.empty(channels, int)
    order[_shuffled(np.arange(channels), groups)] = _channel_order(channels, groups)
    return order


def _reversed(arrays):
    return [np.ascontiguousarray(_flip(array)) for array in arrays]


def _flip(array):
    """All channels the other way round; those of normalisation are one axis."""
    return array[..., ::-1, ::-1] if array.ndim == 4 else array[::-1]


def _first(arrays, groups):
    order = _channel_order(arrays[0].shape[-1], groups)
    return [array[..., order] for array in _reversed(arrays)]


def _depthwise(arrays, groups):
    order = _behind_shuffle(arrays[0].shape[-1], groups)
    return [array[..., order] for array in _reversed(arrays)]


def _last(arrays, groups):
    (kernel,) = _reversed(arrays)
    inputs, filters = kernel.shape[2:]
    ours = _behind_shuffle(inputs * groups, groups).reshape(groups, inputs)
    # Channel c of theirs is the one of number c // groups in its group.
    parts = np.split(kernel, groups, axis=-1)
    parts = [part[:, :, order // groups] for part, order in zip(parts, ours)]
    return [np.concatenate(parts, axis=-1)]


def _classifier(arrays):
    """Has no bias there."""
    (kernel,) = arrays
    return [kernel[::-1], np.zeros(kernel.shape[-1], kernel.dtype)]


_STEM = (
    (r"first_conv\.0", "conv1_conv", _reversed),
    (r"first_conv\.1", "conv1_bn", _reversed),
    (r"classifier\.0", "predictions", _classifier),
)


def state_dict_names(units, groups: int) -> tuple:
    """Rules of ``frame.state_dicts`` for the authors' modules.

    Args:
        units: number of units in each stage.
        groups: of the 1x1 convolutions.
    """
    first, depthwise, last = (
        functools.partial(reorder, groups=groups)
        for reorder in (_first, _depthwise, _last)
    )
    modules = (
        (r"branch_main_1\.0", "1_conv", first),
        (r"branch_main_1\.1", "1_bn", first),
        (r"branch_main_1\.3", "2_conv", depthwise),
        (r"branch_main_1\.4", "2_bn", depthwise),
        (r"branch_main_2\.0", "3_conv", last),
        (r"branch_main_2\.1", "3_bn", _reversed),
    )
    rules, number = list(_STEM), 0
    for stage, length in enumerate(units, start=2):
        for unit in range(1, length + 1):
            start, layer = rf"features\.{number}\.", f"stage{stage}_unit{unit}_"
            rules += [(start + name, layer + ours, f) for name, ours, f in modules]
            number += 1
    return tuple(rules)
