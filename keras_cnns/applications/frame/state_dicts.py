"""PyTorch state dicts as arrays by layer, in the form of our own weight files.

``.safetensors`` need the package safetensors, not PyTorch. Files that PyTorch pickled
are read by ``torch.load(weights_only=True)`` of PyTorch 2.6 or newer; before, that
could be made to execute code (CVE-2025-32434).

A family's rules are pairs of a regular expression over the whole module name and the
layer name it becomes, where ``\\1`` is the first group and ``{\\1+1}`` its number plus
one; a rule that gives None drops the module. A dense layer behind flattened maps has a
third entry, their number of channels: PyTorch flattens channel by channel, Keras
position by position.
"""

import re

import numpy as np

SUFFIXES = (".safetensors", ".pth", ".pt", ".bin")
# A module's tensors, in the order of a Keras layer's weights.
_TENSORS = ("weight", "bias", "running_mean", "running_var")
_SUM = re.compile(r"\{(\d+)\+(\d+)\}")


def is_state_dict(path: str) -> bool:
    """Whether a file is, by its name, a PyTorch state dict."""
    return path.endswith(SUFFIXES)


def read(path: str, names: tuple) -> tuple:
    """Arrays of a state dict under layer names, kernels in Keras' order of axes.

    Args:
        path: ``.safetensors``, ``.pth``, ``.pt`` or ``.bin`` file.
        names: rules from module names to layer names.

    Returns:
        Lists of arrays by layer name, in the order of ``layer.weights``: kernel, bias;
        or gamma, beta, mean, variance. And the file's module by layer name.

    Raises:
        ValueError: if the file cannot be read, or no rule fits one of its modules.
        ImportError: if the package that reads it is not installed.
    """
    modules = {}
    for key, array in _tensors(path).items():
        module, _, tensor = key.rpartition(".")
        if tensor in _TENSORS:
            modules.setdefault(module, {})[tensor] = array
        elif tensor != "num_batches_tracked":
            raise ValueError(f"{path}: unknown tensor {key!r}")
    layers, origins, strangers = {}, {}, []
    for module, tensors in modules.items():
        fitting = [rule for rule in names if re.fullmatch(rule[0], module)]
        if not fitting:
            strangers.append(module)
        elif fitting[0][1] is not None:
            pattern, template, *channels = fitting[0]
            name = _layer_name(module, pattern, template)
            if name in layers:
                raise ValueError(
                    f"{path}: {origins[name]} and {module} both stand for the layer "
                    f"{name}"
                )
            origins[name] = module
            layers[name] = [tensors[t] for t in _TENSORS if t in tensors]
            layers[name][0] = _kernel(layers[name][0], *channels)
            if "running_mean" in tensors:  # some old files hold them as (1, channels)
                layers[name] = [array.reshape(-1) for array in layers[name]]
    if strangers:
        more = f" and {len(strangers) - 5} more" if len(strangers) > 5 else ""
        raise ValueError(
            f"{path} is of another architecture, it has the modules "
            f"{', '.join(strangers[:5])}{more}, which the network does not know"
        )
    return layers, origins


def _layer_name(module, pattern, template):
    name = re.sub(pattern, template, module)
    return _SUM.sub(lambda match: str(int(match[1]) + int(match[2])), name)


def _kernel(array, channels=1):
    """(out, in, height, width) to (height, width, in, out); (out, in) to (in, out).

    With channels, ``in`` of the latter goes from channel by channel to position by
    position; one that is no multiple of them is of another network.
    """
    if array.ndim == 4:
        return array.transpose(2, 3, 1, 0)
    if array.ndim != 2:
        return array
    size = array.shape[1]
    if size % channels == 0:
        maps = array.reshape(len(array), channels, size // channels)
        array = maps.transpose(0, 2, 1).reshape(len(array), size)
    return array.T


def _tensors(path):
    """All tensors of a file by name; those of floating point as float32."""
    tensors = _safetensors(path) if path.endswith(".safetensors") else _pickled(path)
    if all(key.startswith("module.") for key in tensors):  # of torch's DataParallel
        tensors = {key.removeprefix("module."): v for key, v in tensors.items()}
    return tensors


def _pickled(path):
    try:
        import torch
    except ImportError as error:
        raise ImportError(
            f"{path} was pickled by PyTorch and needs it to be read safely: pip "
            "install 'torch>=2.6', or take the .safetensors file"
        ) from error
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        raise ImportError(
            f"PyTorch {torch.__version__} does not read pickled files safely; {path} "
            "needs 2.6 or newer, or take the .safetensors file"
        )
    try:
        stored = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch.load raises whatever its readers raise
        first_line = (str(error).strip() or repr(error)).splitlines()[0]
        raise ValueError(
            f"{path} cannot be read as a PyTorch state dict: {first_line}"
        ) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(stored, dict) and isinstance(stored.get(key), dict):
            stored = stored[key]
    if not isinstance(stored, dict) or not all(
        isinstance(key, str) and isinstance(value, torch.Tensor)
        for key, value in stored.items()
    ):
        found = list(stored)[:5] if isinstance(stored, dict) else type(stored).__name__
        raise ValueError(
            f"{path} cannot be read as a PyTorch state dict: it holds {found}, not "
            "tensors by name"
        )
    return {
        key: (value.float() if value.is_floating_point() else value).detach().numpy()
        for key, value in stored.items()
    }


def _safetensors(path):
    try:
        import safetensors
        import safetensors.numpy
    except ImportError as error:
        raise ImportError(
            f"{path} needs the package safetensors: pip install 'keras-cnns[weights]'"
        ) from error
    try:
        stored = safetensors.numpy.load_file(path)
    except (
        safetensors.SafetensorError,
        OSError,
        ValueError,
        AttributeError,  # these three: a number format that NumPy does not have
        KeyError,
        TypeError,
    ) as error:
        raise ValueError(f"{path} cannot be read as safetensors: {error}") from error
    return {
        key: array if array.dtype.kind in "iub" else array.astype(np.float32)
        for key, array in stored.items()
    }
