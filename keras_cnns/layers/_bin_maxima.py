"""Maxima over rectangles of a map, many at a time, as RoI poolings take them."""

import tensorflow as tf

# Windows of these sizes, powers of 2, are made once for the whole map; some of them
# cover a longer bin.
_SIZES = (1, 2, 4, 16)


def bin_edges(starts, lengths, count):
    """First cells of ``count`` bins of a region and those after their last.

    Of n cells, bin i takes those from ``floor(i * n / count)`` up to, without it,
    ``ceil((i + 1) * n / count)``.

    Args:
        starts, lengths: int32 ``(...)``, of the regions, in cells.
        count: an int.

    Returns:
        Two int32 tensors ``(..., count)``.
    """
    bins, lengths = tf.range(count), lengths[..., None]
    first = bins * lengths // count
    end = ((bins + 1) * lengths + count - 1) // count
    return starts[..., None] + first, starts[..., None] + end


def bin_grid(rows, columns):
    """The bins that edges along rows and edges along columns make.

    Args:
        rows: as ``bin_edges`` returns them, ``(batch, R, m)``.
        columns: the same, ``(batch, R, n)``.

    Returns:
        int32 ``(batch, R, m * n, 4)``: first row, first column, the row after the last,
        the column after the last; columns vary fastest.
    """
    shape, (m, n) = tf.shape(rows[0]), (rows[0].shape[-1], columns[0].shape[-1])
    rows = [tf.repeat(edges, n, axis=-1) for edges in rows]
    columns = [tf.tile(edges, [1, 1, m]) for edges in columns]
    edges = [rows[0], columns[0], rows[1], columns[1]]
    return tf.reshape(tf.stack(edges, -1), [shape[0], shape[1], m * n, 4])


def bin_maxima(features, bins):
    """Maxima over the cells of bins; the gradient goes to one cell of each.

    Args:
        features: ``(batch, height, width, channels)``.
        bins: int32 ``(batch, R, count, 4)``, as of ``bin_grid``; they are cut at the
            edges of the map.

    Returns:
        ``(batch, R, count, channels)``, the dtype of ``features``. A bin without cells
        is 0 and has no gradient; of equal maxima the first by rows has it.
    """
    shape = tf.shape(features)
    limits = tf.stack([shape[1], shape[2]] * 2)
    bins = tf.clip_by_value(bins, 0, limits)

    @tf.custom_gradient
    def maxima(x):
        def gradient(upstream):
            # Which cells have the maxima takes longer to find than the maxima.
            cells = tf.range(shape[1] * shape[2])
            cells = tf.reshape(cells, [1, shape[1], shape[2], 1])
            _, cells = _best((x, tf.broadcast_to(cells, shape)), bins)
            return _scattered(upstream, cells, shape)

        return _best((x,), bins)[0], gradient

    return maxima(features)


def _best(maps, bins):
    """The best cell of each bin.

    Args:
        maps: the values, ``(batch, height, width, channels)``; and, unless only values
            are asked for, the numbers of their cells, of the same shape.
        bins: as ``bin_maxima`` takes them, inside of the map.

    Returns:
        As many tensors ``(batch, R, count, channels)``: maxima, 0 for empty bins, and
        the numbers of their cells, -1 for empty bins.
    """
    shape, dtype = tf.shape(maps[0]), maps[0].dtype
    height, width, channels = shape[1], shape[2], maps[0].shape[-1]
    windows = _windows(maps)
    lengths = bins[..., 2:] - bins[..., :2]
    levels = sum(tf.cast(lengths >= size, tf.int32) for size in _SIZES[1:])
    steps = tf.gather(list(_SIZES), levels)
    trips = tf.reduce_max((lengths + steps - 1) // steps, [0, 1, 2])
    level = levels[..., 0] * len(_SIZES) + levels[..., 1]
    last = tf.maximum(bins[..., 2:] - steps, 0)
    flat = tf.stack([shape[0], tf.shape(bins)[1] * tf.shape(bins)[2]])

    def visit(trip, best):
        offset = tf.stack([trip // trips[1], trip % trips[1]]) * steps
        place = tf.minimum(bins[..., :2] + offset, last)
        place = (level * height + place[..., 0]) * width + place[..., 1]
        place = tf.reshape(place, flat)
        better = _better(best, [tf.gather(x, place, batch_dims=1) for x in windows])
        # TensorFlow does not know the rank of what it selects.
        known = zip(better, best)
        return trip + 1, tuple(tf.ensure_shape(new, old.shape) for new, old in known)

    start = tf.concat([flat, [channels]], 0)
    nothing = tf.constant(-float("inf"), dtype), -1
    start = tuple(tf.fill(start, each) for each, _ in zip(nothing, maps))
    _, best = tf.while_loop(
        lambda trip, _: trip < trips[0] * trips[1], visit, (0, start)
    )
    shape = tf.concat([tf.shape(bins)[:3], [channels]], 0)
    is_empty = tf.reduce_any(lengths <= 0, -1)[..., None]
    return [
        tf.where(is_empty, empty, tf.reshape(each, shape))
        for empty, each in zip((tf.zeros([], dtype), -1), best)
    ]


def _windows(maps):
    """The best cells of windows that begin at each cell.

    Windows have each of the sizes along rows and along columns. They wrap around at the
    edges; such windows are not used.

    Returns:
        A tensor ``(batch, sizes * sizes * height * width, channels)`` of each map.
    """
    made = []
    for down in _widened(maps, axis=1):
        made += _widened(down, axis=2)
    shape = tf.shape(maps[0])
    merged = [shape[0], len(made) * shape[1] * shape[2], maps[0].shape[-1]]
    return [tf.reshape(tf.stack(each, 1), merged) for each in zip(*made)]


def _widened(maps, axis):
    """The best cells of windows of each of the sizes along an axis."""
    best, made, width = maps, [maps], 1
    for size in _SIZES[1:]:
        while width < size:  # twice as wide each time
            best = _better(best, [tf.roll(x, -width, axis) for x in best])
            width *= 2
        made.append(best)
    return made


def _better(best, other):
    """The larger value of two, with its cell; of equal ones the cell that is first."""
    if len(best) == 1:
        return (tf.maximum(best[0], other[0]),)
    (values, cells), (other_values, other_cells) = best, other
    is_first = (other_cells < cells) | (cells < 0)
    is_other = (other_values > values) | ((other_values == values) & is_first)
    return (
        tf.where(is_other, other_values, values),
        tf.where(is_other, other_cells, cells),
    )


def _scattered(upstream, cells, shape):
    """Gradients of the maxima summed into the cells that have them."""
    dtype = tf.float32 if upstream.dtype.size < 4 else upstream.dtype
    flat_shape = tf.stack([shape[0], -1])
    values = tf.reshape(tf.cast(upstream, dtype), flat_shape)
    channels = tf.range(upstream.shape[-1])
    examples = tf.range(shape[0])[:, None] * shape[1] * shape[2] * shape[3]
    places = tf.maximum(cells, 0) * shape[3] + channels
    places = tf.reshape(places, flat_shape) + examples
    values = tf.where(tf.reshape(cells, flat_shape) < 0, tf.zeros([], dtype), values)
    sums = tf.math.unsorted_segment_sum(
        tf.reshape(values, [-1]), tf.reshape(places, [-1]), tf.reduce_prod(shape)
    )
    return tf.cast(tf.reshape(sums, shape), upstream.dtype)
