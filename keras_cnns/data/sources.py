"""Sources of examples: any TFDS name, our own builders, or an image folder."""

import contextlib
import dataclasses
import functools
import io
import logging as py_logging
import os
import re
import types
import weakref
from collections.abc import Callable, Iterator
from typing import Optional

import tensorflow as tf
import tensorflow_datasets as tfds
from absl import logging
from tensorflow_datasets.core.utils import tqdm_utils

from keras_cnns import _progress
from keras_cnns.data import builders, folders
from keras_cnns.data.builders import fashion_mnist_idx, scenes

_SHUFFLE_BYTES = 2**30
# What errors say that come from reading or decoding an image in a graph.
_OF_IMAGES = re.compile(
    "Decode(Jpeg|Png)|JpegShape|ReadFile|an image must|No such file"
)
_OUR_BUILDERS = {
    "digits": builders.Digits,
    "photographs": builders.Photographs,
    "photographs_128": functools.partial(builders.Photographs, config="128"),
    "rendered_digits": builders.RenderedDigits,
    **{
        f"scenes/{config.name}": functools.partial(builders.Scenes, config=config.name)
        for config in builders.Scenes.BUILDER_CONFIGS
    },
    **{
        f"distorted_digits/{config.name}": functools.partial(
            builders.DistortedDigits, config=config.name
        )
        for config in builders.DistortedDigits.BUILDER_CONFIGS
    },
    **{
        config.name: functools.partial(builders.BenchmarkPictures, config=config.name)
        for config in builders.BenchmarkPictures.BUILDER_CONFIGS
    },
}
# What the image of an example without labels is called; DIV2K's large picture is "hr".
_IMAGE_NAMES = ("image", "hr")


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where the image and the target of a TFDS example are.

    Attributes:
        image: name of the feature with the image.
        target: function of an example, a dict of features, to its target: tensors in
            any nested structure.
        class_names: tuple of names of classes.
        encoded: names of further image features, which stay encoded bytes: decoded,
            those that wait to be shuffled would fill the memory.
    """

    image: str
    target: Callable
    class_names: tuple
    encoded: tuple = ()


@dataclasses.dataclass(frozen=True)
class Source:
    """One split of a data set, in a fixed order.

    Attributes:
        name: data set name or folder, as given.
        split: split name.
        num_examples: number of examples.
        class_names: tuple of names, by label.
        image_shape: ``(height, width, channels)``; None where images differ.
        examples: ``tf.data.Dataset`` of (``read``'s input, target): the int64 label, or
            the target of a ``Layout``.
        read: maps an example's first component to encoded image bytes.
        shuffle_buffer: number of unread examples that fit into a gibibyte.
        files: paths of its image files, in order; empty if it is no image folder.
    """

    name: str
    split: str
    num_examples: int
    class_names: tuple
    image_shape: tuple
    examples: tf.data.Dataset
    read: Callable
    shuffle_buffer: int
    files: tuple = ()


# Weak references to the sources of image folders, in the order of opening.
_OPENED = []


def open_source(
    name: str,
    split: str,
    data_dir: Optional[str] = None,
    *,
    labelled: bool = True,
    layout: Optional[Callable] = None,
) -> Source:
    """Opens a data set, and prepares it first if needed.

    Args:
        name: ``digits``, ``rendered_digits``, ``fashion_mnist``,
            ``distorted_digits/r`` (or ``rts``, ``p``, ``e``, ``tc``, ``addition``),
            ``photographs`` (64x64, without labels) or ``photographs_128``,
            ``scenes/items`` or ``scenes/cutouts`` (with boxes), ``set5``, ``set14``,
            ``bsd100`` or ``bsds500`` (whole pictures, without labels), any other TFDS
            name of labelled images (``cifar10``, ``imagenet2012``), or the path of a
            folder laid out as ``<folder>/<split>/<class>/<image>``.
        split: split name; TFDS slices such as ``"train[:90%]"`` work for TFDS names.
        data_dir: where TFDS keeps prepared data, default ``~/tensorflow_datasets``;
            for ``fashion_mnist`` it may also hold the IDX files.
        labelled: whether labels are needed. If not, unlabelled sets are accepted too:
            TFDS names with one image feature, or one called ``image``, ``div2k``,
            whose large pictures are taken, and folders ``<folder>/<split>/<image>``;
            their images have the class ``UNLABELLED``.
        layout: for targets other than labels, of TFDS names: function of a builder's
            ``info`` to its ``Layout``; raises ValueError where there are none.

    Raises:
        ValueError: if the name, the split or the kind of data is not usable.
        OSError: if the data can neither be found nor downloaded.
    """
    is_ours = name in _OUR_BUILDERS or name == "fashion_mnist"
    data_dir = data_dir or None  # TFDS takes an empty one for the working directory
    if os.path.isdir(name) and not is_ours:
        if layout:
            raise ValueError(f"the image folder {name!r} has no targets but labels")
        return _folder_source(name, split, labelled, data_dir)
    if os.sep in name and not is_ours and not _is_tfds_name(name):
        raise ValueError(f"the folder {name!r} does not exist")
    layout = layout or functools.partial(_label_layout, name, labelled)
    with _quiet():
        if name == "fashion_mnist":
            return _fashion_mnist(split, data_dir, layout)
        make_builder = _OUR_BUILDERS.get(name) or functools.partial(_tfds_builder, name)
        make_builder = functools.partial(make_builder, data_dir=data_dir)
        if name.startswith("scenes/"):
            return _scenes(name, split, make_builder, layout, data_dir)
        return _tfds_source(name, split, make_builder, layout)


def _is_tfds_name(name):
    """Whether a name with slashes is one of TFDS: ``voc/2007``."""
    if name.startswith("huggingface:"):
        return True
    known, _, config = name.partition("/")
    return bool(known and config) and known in tfds.list_builders()


def _scenes(name, split, make_builder, layout, data_dir):
    builder = make_builder()
    folder = None
    if not builder.is_prepared():
        folder = scenes.find_folder(builder.builder_config.objects, data_dir)
    return _tfds_source(name, split, make_builder, layout, folder)


@contextlib.contextmanager
def _quiet():
    """Silences the messages of TFDS and of its downloads."""
    network, verbosity = py_logging.getLogger("urllib3"), logging.get_verbosity()
    before = network.level
    network.setLevel(py_logging.ERROR)
    logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        network.setLevel(before)
        logging.set_verbosity(verbosity)


def _fashion_mnist(split, data_dir, layout):
    """Prepared official data, else local IDX files, else the official download."""

    def official():
        return _tfds_builder("fashion_mnist", data_dir)

    def local():
        return builders.FashionMnistIdx(data_dir=data_dir)

    if not official().is_prepared():
        for folder in (data_dir, fashion_mnist_idx.DEBIAN_FOLDER):
            is_there = folder and fashion_mnist_idx.find_idx_files(folder)
            if local().is_prepared() or is_there:
                return _tfds_source("fashion_mnist", split, local, layout, folder)
    return _tfds_source(
        "fashion_mnist",
        split,
        official,
        layout,
        hint="; or put its four IDX files into data_dir, or install Debian's package "
        f"dataset-fashion-mnist (looked in {data_dir} and "
        f"{fashion_mnist_idx.DEBIAN_FOLDER})",
    )


def _tfds_builder(name, data_dir):
    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        raise ValueError(
            f"unknown data set {name!r}: not a folder, not one of "
            f"{', '.join([*_OUR_BUILDERS, 'fashion_mnist'])}, not a name that "
            "tensorflow-datasets knows"
        ) from error
    except ValueError as error:
        known, _, config = name.partition("/")
        if "BuilderConfig" not in str(error):
            raise
        configs = tfds.builder_cls(known).builder_configs
        raise ValueError(
            f"unknown data set {name!r}: {known} has no {config!r}, but "
            f"{', '.join(configs)}"
        ) from error


def _tfds_source(name, split, make_builder, layout, manual_dir=None, hint=""):
    """A source from a TFDS builder of images."""
    builder = make_builder()
    found = layout(builder.info)
    if not builder.is_prepared():
        try:
            _prepare(name, builder, manual_dir, hint)
        except OSError:
            builder = make_builder()  # another process may have been faster
            if not builder.is_prepared():
                raise
    try:
        info = builder.info.splits[split]
    except (KeyError, ValueError) as error:
        raise ValueError(
            f"{name} has no split {split!r}; it has {', '.join(builder.info.splits)}"
        ) from error
    if not info.num_examples:
        raise ValueError(f"{name} has no examples in the split {split!r}")
    # Files are read in order, so the order of examples is the same in every run.
    examples = builder.as_dataset(
        split=split,
        decoders={
            name: tfds.decode.SkipDecoding() for name in (found.image, *found.encoded)
        },
        read_config=tfds.ReadConfig(try_autocache=False),
    ).map(lambda example: (example[found.image], found.target(example)))
    whole = builder.info.splits[split.split("[")[0].split("+")[0]]
    mean_bytes = max(1, whole.num_bytes // max(1, whole.num_examples))
    return Source(
        name=name,
        split=split,
        num_examples=info.num_examples,
        class_names=found.class_names,
        image_shape=tuple(builder.info.features[found.image].shape),
        examples=examples,
        read=tf.identity,
        shuffle_buffer=min(info.num_examples, max(1024, _SHUFFLE_BYTES // mean_bytes)),
    )


def _label_layout(name, labelled, info):
    """Image and label, or the image alone where labels are not needed."""
    features, keys = info.features, info.supervised_keys
    if (
        keys is not None
        and len(keys) == 2
        and isinstance(features[keys[0]], tfds.features.Image)
        and isinstance(features[keys[1]], tfds.features.ClassLabel)
    ):
        names = tuple(features[keys[1]].names)
        return Layout(keys[0], lambda example: example[keys[1]], names)
    if labelled:
        raise ValueError(
            f"data set {name!r} is not one of labelled images: its supervised keys "
            f"are {keys!r}"
        )
    images = [k for k, v in features.items() if isinstance(v, tfds.features.Image)]
    chosen = images if len(images) == 1 else [n for n in _IMAGE_NAMES if n in images]
    if not chosen:
        raise ValueError(
            f"data set {name!r} has no image feature, or none that is the one: "
            f"{images!r} of {list(features)!r}"
        )
    if chosen[0] == "hr" and "bicubic" not in (info.config_name or ""):
        raise ValueError(
            f"data set {name!r} has small pictures of its own, which are not read: "
            "small pictures are made of the large ones, by bicubic interpolation; take "
            f"{info.name}/bicubic_x2"
        )
    return Layout(
        chosen[0],
        lambda example: tf.constant(0, tf.int64),
        (folders.UNLABELLED,),
        encoded=tuple(image for image in images if image != chosen[0]),
    )


def _prepare(name, builder, manual_dir, hint):
    # Shown in spite of _quiet(): preparing a large set takes time.
    _progress.announce(f"preparing data set {name} in {builder.data_dir}")
    config = tfds.download.DownloadConfig(manual_dir=manual_dir)
    try:
        with contextlib.redirect_stdout(io.StringIO()), _bars_of_tfds():
            builder.download_and_prepare(download_config=config)
    except ValueError:
        raise
    except Exception as error:  # every protocol and file error that TFDS lets through
        raise OSError(
            f"could not prepare data set {name!r} in {builder.data_dir}: "
            f"{type(error).__name__}: {error}. Prepare it where there is a network and "
            f"pass that folder as data_dir{hint}"
        ) from error


@contextlib.contextmanager
def _bars_of_tfds():
    """Within the block, TFDS shows its progress as everything here does."""
    before = tqdm_utils.tqdm_lib
    make_bar = functools.partial(_progress.bar, always=True)
    tqdm_utils.tqdm_lib = types.SimpleNamespace(tqdm=make_bar)
    tfds.enable_progress_bar()
    try:
        yield
    finally:
        tqdm_utils.tqdm_lib = before


def _folder_source(name, split, labelled, data_dir):
    found = folders.open_folder(name, split, labelled, data_dir)
    # As bytes: names of files need not be UTF-8.
    encoded = [os.fsencode(path) for path in found.encoded]
    source = Source(
        name=name,
        split=split,
        num_examples=len(encoded),
        class_names=found.class_names,
        image_shape=(None, None, found.channels),
        examples=tf.data.Dataset.from_tensor_slices(
            (encoded, tf.constant(found.labels, tf.int64))
        ),
        read=tf.io.read_file,
        shuffle_buffer=len(encoded),
        files=tuple(found.paths),
    )
    return remembered(source)


def remembered(source: Source) -> Source:
    """A source of image files, which ``naming_bad_images`` then looks through."""
    _OPENED.append(weakref.ref(source))
    return source


def folder_name(class_name: str) -> str:
    """A class name as the name of a folder; of two names never the same.

    The empty name becomes ``%``; a dot at the start, which would hide it or lead out of
    its folder, ``/``, ``%`` and control characters become their numbers, as ``%2F``.
    """
    characters = [
        f"%{ord(c):02X}" if c in "/%" or c < " " or (c == "." and not i) else c
        for i, c in enumerate(class_name)
    ]
    return "".join(characters) or "%"


@contextlib.contextmanager
def naming_bad_images() -> Iterator[None]:
    """Within the block, an error of decoding names the file.

    The image folders that are open are searched for it, the one opened last first.

    Raises:
        ValueError: naming the image that cannot be decoded.
        OSError: naming the one that cannot be read any more.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if _OF_IMAGES.search(error.message):
            opened = (reference() for reference in reversed(_OPENED))
            for source in filter(None, opened):
                folders.check_images(source.files)
        raise
