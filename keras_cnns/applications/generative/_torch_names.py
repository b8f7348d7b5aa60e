"""Module names of PyTorch's DCGAN example and of WGAN's code, by our layer names.

- The example (github.com/pytorch/examples, ``dcgan/main.py``, and the tutorial made of
  it) counts the layers: ``main.0``, ``main.1``, ``main.3``. Copies of it have further
  layers without weights, such as dropout, so that the order tells a layer, not the
  number.
- WGAN's code (github.com/martinarjovsky/WassersteinGAN) names stages and channels:
  ``main.initial:100-512:convt``, ``main.pyramid:256:batchnorm``, in later copies with
  dots. Its dense networks count layers, as those of the usual port of WGAN-GP do.

In both, all kernels are 4x4 of stride 2, the first and the last ones as large as the
map, where ours are dense layers.
"""

import functools
import re

import numpy as np
from tensorflow.keras import layers

_STAGES = ("initial", "pyramid", "final")
_MOST = 100  # modules that are looked at; no network has as many
_NUMBERED = r"main\.(\d+)"
_STAGED = rf"main\.({'|'.join(_STAGES)})[.:](?:\d+-)?(\d+)[.:](convt?|batchnorm)"


def generator_names(network):
    """Names of a convolutional generator's modules; none if its layers are others."""
    if not _has_their_layers(network, layers.Conv2DTranspose):
        return ()
    return functools.partial(_in_order, narrowing=True, name_of=_generator_layer)


def discriminator_names(network):
    """Names of a convolutional critic's modules; none if its layers are others."""
    if not _has_their_layers(network, layers.Conv2D):
        return ()
    return functools.partial(_in_order, narrowing=False, name_of=_discriminator_layer)


def dense_names(network):
    """Names of a dense network's modules; images are channel by channel there."""
    *hidden, last = (x.name for x in network.layers if isinstance(x, layers.Dense))
    rules = {2 * place: (name,) for place, name in enumerate((*hidden, last))}
    if len(network.input_shape) == 4:
        rules[0] += (network.input_shape[3],)
    elif len(network.output_shape) == 4:
        reordered = functools.partial(from_channels, channels=network.output_shape[3])
        rules[2 * len(hidden)] += (reordered,)
    return [(rf"main\.{number}", *rule) for number, rule in rules.items()]


def _has_their_layers(network, kind):
    convolutions = [x for x in network.layers if isinstance(x, kind)]
    dense = [x for x in network.layers if isinstance(x, layers.Dense)]
    forms = {(x.kernel_size, x.strides) for x in convolutions}
    return forms == {((4, 4), (2, 2))} and len(dense) == 1 and len(network.inputs) == 1


def _in_order(modules, narrowing, name_of):
    """A rule for each module: kernels in their order, normalisation after its kernel.

    Args:
        modules: the file's tensors by module and name.
        narrowing: whether the number of channels falls from stage to stage.
        name_of: function of a kernel's place and their number to its layer's name, and
            what reorders it.
    """
    places = {module: _place(module, narrowing) for module in modules}
    known = sorted((m for m in modules if places[m]), key=places.get)[:_MOST]
    kernels = [m for m in known if np.ndim(modules[m].get("weight")) == 4]
    rules, layer = [], None
    for module in known:
        if module in kernels:
            layer, *order = name_of(kernels.index(module), len(kernels))
            rules.append((re.escape(module), layer, *order))
        elif layer:
            rules.append((re.escape(module), f"{layer}_bn"))
    return rules


def _place(module, narrowing):
    """What modules are sorted by; None of another layout."""
    if found := re.fullmatch(_NUMBERED, module):
        return (int(found[1]),)
    if found := re.fullmatch(_STAGED, module):
        channels = -int(found[2]) if narrowing else int(found[2])
        return _STAGES.index(found[1]), channels, found[3] == "batchnorm"
    return None


def _generator_layer(place, count):
    return (f"deconv{place}",) if place else ("maps", _first_as_dense)


def _discriminator_layer(place, count):
    return (f"conv{place + 1}",) if place < count - 1 else ("logits", _last_as_dense)


def _first_as_dense(arrays):
    """A kernel (height, width, channels, latents) that makes a map of single values."""
    kernel, *others = arrays
    return [kernel.reshape(-1, kernel.shape[3]).T, *others]


def _last_as_dense(arrays):
    """A kernel (height, width, channels, 1) as large as the map."""
    kernel, *others = arrays
    return [kernel.reshape(-1, kernel.shape[3]), *others]


def from_channels(arrays, channels):
    """A layer's arrays, units from channel by channel to position by position.

    Of another network may be what has no axis, or no multiple of the channels; it stays
    as it is, and its shape will be told.
    """
    reordered = []
    for array in arrays:
        if array.ndim and array.shape[-1] % channels == 0:
            order = np.arange(array.shape[-1]).reshape(channels, -1).T.ravel()
            array = array[..., order]
        reordered.append(array)
    return reordered
