"""Public checkpoints: where they are, and how they are checked."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping

from keras_cnns import _downloads

_KERAS_FILES = "https://storage.googleapis.com/tensorflow/keras-applications"
_HUB = "https://huggingface.co/timm/{}/resolve/main/model.safetensors"


@dataclasses.dataclass(frozen=True)
class PublicFile:
    """One public checkpoint.

    Attributes:
        url: address of the file with the classifier.
        checksum: of that file, as ``_downloads.fetch`` takes it.
        licence: under which it is offered.
        headless_url, headless_checksum: a file without the classifier, where one
            exists; else the classifier is left out of the other.
        preprocessing: input convention, where it is not the model's usual one.
    """

    url: str
    checksum: str
    licence: str
    headless_url: str = ""
    headless_checksum: str = ""
    preprocessing: str = ""


def keras_file(folder: str, name: str, md5: str, headless_md5: str) -> PublicFile:
    """The ImageNet checkpoint of a ``keras.applications`` model."""
    stem = f"{_KERAS_FILES}/{folder}/{name}_weights_tf_dim_ordering_tf_kernels"
    return PublicFile(
        f"{stem}.h5",
        f"md5:{md5}",
        "Apache-2.0",
        f"{stem}_notop.h5",
        f"md5:{headless_md5}",
    )


def hub_file(identifier: str, preprocessing: str = "") -> PublicFile:
    """A checkpoint of the timm hub, such as ``"resnet50.tv_in1k"``.

    The hub sends the SHA-256 of its files; none is written down here. Licences are as
    timm's source has them for torchvision's weights, and timm's own for the others
    (unverified).
    """
    return PublicFile(
        _HUB.format(identifier),
        "etag",
        "BSD-3-Clause" if ".tv" in identifier else "Apache-2.0",
        preprocessing=preprocessing,
    )


def torchvision_file(name: str, preprocessing: str = "") -> PublicFile:
    """A checkpoint of torchvision; its name ends in the first digits of its SHA-256."""
    return PublicFile(
        f"https://download.pytorch.org/models/{name}.pth",
        f"sha256:{name.rpartition('-')[2]}",
        "BSD-3-Clause",
        preprocessing=preprocessing,
    )


def check(weights: str | None, public_weights: Mapping) -> None:
    """Refuses a ``weights`` argument that names nothing.

    Raises:
        ValueError: if it is neither None, a public checkpoint's name nor a file.
    """
    if weights is None or (isinstance(weights, str) and weights in public_weights):
        return
    is_path = isinstance(weights, (str, os.PathLike))
    if not is_path or not os.path.isfile(weights):
        public = ", ".join(map(repr, public_weights)) or "none for this model"
        raise ValueError(
            f"weights={weights!r} is neither a file nor a public checkpoint "
            f"(public ones: {public}); weights=None starts from random values"
        )


def resolve(weights: str, public_weights: Mapping, include_top: bool) -> str:
    """The local file behind a ``weights`` argument, downloaded where need be.

    Raises:
        OSError: if the download fails or gives another file; names the address.
    """
    if weights not in public_weights:
        return os.fspath(weights)
    public = public_weights[weights]
    url, checksum = public.url, public.checksum
    if not include_top and public.headless_url:
        url, checksum = public.headless_url, public.headless_checksum
    return _downloads.fetch(url, checksum, os.path.join(_cache(), "models"))


def _cache():
    """Where Keras keeps what it downloads."""
    return os.environ.get("KERAS_HOME", os.path.expanduser("~/.keras"))
