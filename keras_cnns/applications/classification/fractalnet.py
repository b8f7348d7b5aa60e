"""FractalNet: columns of different depths, joined by means, and no residuals.

Larsson, Maire, Shakhnarovich, "FractalNet: Ultra-Deep Neural Networks without
Residuals", arXiv 1605.07648, section 4. A block of C columns expands one rule C - 1
times: a net is its copy twice over, beside one convolution. Column c (1 the shallowest)
has 2^(c-1) units in each of the B blocks, so B * 2^(c-1) in all. Where units of several
columns end together they are joined by their mean; drop-path trains every column to
work alone: ``fractal_column`` takes one out, ``fractal_anytime`` gives all answers.

As in the authors' generator, each column is pooled before the block's last join.
Deviations:

- Convolutions have no biases, and normalisation has scale and shift; the authors' units
  have biases, which their normalisation without scale and shift undoes. This is the
  form of the public ports.
- ``widening="unit"``, the default and the generator's wiring, gives 33,724,618
  parameters. The paper's 38.6 million come out (38,647,114) with
  ``widening="pointwise"``: linear 1x1 convolutions before the blocks.
- All columns run in a global mini-batch too, with weight 0 where they are not chosen:
  the statistics of their normalisation go on moving.
"""

import itertools

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import check_choice, check_count, check_counts, check_within
from keras_cnns.applications.frame.builder import Design, classification_builder
from keras_cnns.applications.frame.parts import (
    SMALL_IMAGES,
    STEM_SHAPES,
    dropout,
    norm_relu,
    xavier_initializer,
)
from keras_cnns.applications.frame.registry import register
from keras_cnns.layers import FractalDropPath, FractalJoin

_FILTERS = (64, 128, 256, 512, 512)
_NARROW_FILTERS = (16, 32, 64, 128, 128)
_COLUMNS = 3
_DROP_PATH = {"drop_path_rate": 0.15, "global_path_fraction": 0.5}
# With 10 classes, as public ports count the generator's wiring.
_PARAMS = 33_724_618
# With C columns, a quarter of the filters and 100 classes, by hand: the first
# convolutions of the columns have 244,656 * C weights, the others
# 343,296 * (2^C - 1 - C), normalisation 736 * (2^C - 1) and the classifier 12,900.
_NARROW_PARAMS = {3: 2_125_204, 4: 4_778_820}


def _convolution(x, filters, size, name):
    """No bias."""
    return layers.Conv2D(
        filters,
        size,
        padding="same",
        use_bias=False,
        kernel_initializer=xavier_initializer(),
        name=name,
    )(x)


def _unit(x, filters, dropout_rate, name):
    """Convolution, dropout where there is any, normalisation, ReLU."""
    x = _convolution(x, filters, 3, f"{name}_conv")
    return norm_relu(dropout(x, dropout_rate, f"{name}_dropout"), name)


def _joiner(x, columns, blocks, drop_path_rate, global_path_fraction):
    """Function of (maps, name) that makes one join after the other."""
    weights = FractalDropPath(
        columns, blocks, drop_path_rate, global_path_fraction, name="drop_path"
    )(x)
    rows = itertools.count()

    def join(maps, name):
        return FractalJoin(next(rows), name=name)([*maps, weights])

    return join


def _block(x, filters, dropout_rate, columns, kept, join, name):
    """The kept columns side by side, joined where their units end together."""
    ends = dict.fromkeys(kept, x)
    units = dict.fromkeys(kept, 0)
    depth = 2 ** (columns - 1)
    for step in range(1, depth + 1):
        ending = [c for c in kept if step % 2 ** (columns - c) == 0]
        for c in ending:
            units[c] += 1
            ends[c] = _unit(
                ends[c], filters, dropout_rate, f"{name}_column{c}_unit{units[c]}"
            )
            if step == depth:
                ends[c] = layers.MaxPooling2D(2, name=f"{name}_column{c}_pool")(ends[c])
        if len(ending) > 1:
            joined = join([ends[c] for c in ending], f"{name}_join{step}")
            ends.update(dict.fromkeys(ending, joined))
    return ends[kept[-1]]


@classification_builder
def _fractalnet(
    filters=_FILTERS,
    columns=_COLUMNS,
    *,
    dropout_rate=0.4,
    drop_path_rate=_DROP_PATH["drop_path_rate"],
    global_path_fraction=_DROP_PATH["global_path_fraction"],
    widening="unit",
    only_column=None,
):
    """General FractalNet builder.

    Args:
        filters: filters of each block; their number is that of the blocks (B).
        columns: columns of each block (C).
        dropout_rate: fraction of values dropped after the convolutions of the last
            block, in [0, 1); it rises to that from 0 in the first, in equal steps.
        drop_path_rate: probability that a join drops one of its inputs, in local
            mini-batches, in [0, 1).
        global_path_fraction: fraction of mini-batches that train one column alone, in
            [0, 1].
        widening: what changes the number of channels: the first ``"unit"`` of each
            column, or a ``"pointwise"`` convolution before the block.
        only_column: number of the one column to build, a plain net without joins, 1
            being the shallowest; None builds all. Its layers have the names that they
            have in the whole, so that ``save_weights(fractal_column(...))`` fits.
    """
    check_counts("filters", filters)
    check_count("columns", columns)
    check_within("dropout_rate", dropout_rate)
    check_within("drop_path_rate", drop_path_rate)
    check_within("global_path_fraction", global_path_fraction, "[0, 1]")
    check_choice("widening", widening, ("unit", "pointwise"))
    kept = list(range(1, columns + 1))
    if only_column is not None:
        _check_column("only_column", only_column, columns)
        kept = [only_column]
    drop_path = {
        "drop_path_rate": drop_path_rate,
        "global_path_fraction": global_path_fraction,
    }
    if len(kept) == 1 and drop_path != _DROP_PATH:
        raise ValueError(f"{drop_path} has no effect on one column; leave it out")

    def features(x):
        blocks = len(filters)
        join = None
        if len(kept) > 1:
            join = _joiner(x, columns, blocks, **drop_path)
        for i, width in enumerate(filters):
            name = f"block{i + 1}"
            if widening == "pointwise" and x.shape[-1] != width:
                x = _convolution(x, width, 1, f"{name}_widen")
            rate = dropout_rate * (i / (blocks - 1) if blocks > 1 else 1)
            x = _block(x, width, rate, columns, kept, join, name)
        return x

    return Design(
        features, default_shape=STEM_SHAPES["small"], min_size=2 ** len(filters)
    )


def fractal_column(model: keras.Model, column: int) -> keras.Model:
    """One column of a FractalNet as a network of its own, which shares its weights.

    Args:
        model: a whole network made by ``FractalNet`` or one of its variants.
        column: number of the column, 1 the shallowest; the deepest one is what the
            paper evaluates beside the whole.

    Returns:
        A ``keras.Model`` with the same input and kind of output. Its layers are those
        of ``model``: training either changes both.

    Raises:
        ValueError: if the model has no such column.
    """
    names = [layer.name for layer in model.layers]
    if "drop_path" not in names:
        raise ValueError(f"{model.name} is no FractalNet of several columns")
    _check_column("column", column, model.get_layer("drop_path").columns)
    x = model.input
    for name in _column_order(names, column):
        x = model.get_layer(name)(x)
    return keras.Model(model.input, x, name=f"{model.name}_column{column}")


def fractal_anytime(model: keras.Model) -> keras.Model:
    """All answers of a FractalNet, from the quickest to the whole network's.

    Args:
        model: as ``fractal_column`` takes it.

    Returns:
        A ``keras.Model`` with a list of outputs: those of the columns alone, the
        shallowest first, then that of ``model``. It shares the weights of ``model``.

    Raises:
        ValueError: if the model has no columns.
    """
    first = fractal_column(model, 1)
    deeper = range(2, model.get_layer("drop_path").columns + 1)
    columns = [first, *(fractal_column(model, column) for column in deeper)]
    outputs = [network.output for network in (*columns, model)]
    return keras.Model(model.input, outputs, name=f"{model.name}_anytime")


def _column_order(names, column):
    """Layers of a column and those that all columns share, from input to output."""
    shared = ("avg_pool", "max_pool", "predictions")
    return [
        name
        for name in names
        if f"_column{column}_" in name or name.endswith("_widen") or name in shared
    ]


def _check_column(name, value, columns):
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole or not 1 <= value <= columns:
        raise ValueError(f"{name} must be a number from 1 to {columns}, got {value!r}")


def _register(function_name, name, paper, architecture=None, **info):
    columns = (architecture or {}).get("columns", _COLUMNS)
    blocks = range(1, len(_FILTERS) + 1)
    return register(
        _fractalnet,
        function_name,
        architecture=architecture,
        name=name,
        paper=f"FractalNet, arXiv 1605.07648, {paper}",
        min_size=2 ** len(_FILTERS),
        stage_ends=tuple(f"block{i}_join{2 ** (columns - 1)}" for i in blocks),
        **{**SMALL_IMAGES, **info},
    )


def _narrow_variant(columns, error):
    depth = len(_NARROW_FILTERS) * 2 ** (columns - 1)
    return _register(
        f"FractalNet{depth}Narrow",
        f"fractalnet{depth}_narrow",
        "table 3, with a quarter of the filters (unverified)",
        {"filters": _NARROW_FILTERS, "columns": columns},
        params=_NARROW_PARAMS[columns],
        classes=100,
        published=f"CIFAR-100 error {error} %, heavily augmented (unverified)",
    )


_FULL = {
    "params": _PARAMS,
    "published": "CIFAR-10 error 7.33 %, augmented 4.60 %",
    "note": "the paper says 38.6 million: widening='pointwise' gives 38,647,114; the "
    "default is the wiring of the authors' generator",
}
FractalNet20 = _register(
    "FractalNet20", "fractalnet20", "table 1, 20 layers", {}, **_FULL
)
FractalNet20Narrow = _narrow_variant(3, 27.69)
FractalNet40Narrow = _narrow_variant(4, 27.38)
FractalNet = _register(
    "FractalNet", "fractalnet", "general builder (default: 20 layers)", **_FULL
)

__all__ = [
    "FractalNet",
    "FractalNet20",
    "FractalNet20Narrow",
    "FractalNet40Narrow",
    "fractal_anytime",
    "fractal_column",
]
