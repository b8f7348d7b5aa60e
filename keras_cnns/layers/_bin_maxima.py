"""Maxima over rectangles of a map, many at a time, as RoI poolings take them."""

import tensorflow as tf

# Windows of these sizes are made once for the whole map; some cover a longer bin. Each
# is four times as wide as the one before.
_SIZES = (1, 4, 16)


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
        values, cells = _maxima_and_cells(x, bins)

        def gradient(upstream):
            return _scattered(upstream, cells, shape)

        return values, gradient

    return maxima(features)


def _maxima_and_cells(x, bins):
    """Maxima, 0 for empty bins, and the cells that have them, -1 for empty bins."""
    shape = tf.shape(x)
    height, width, channels = shape[1], shape[2], x.shape[-1]
    values, cells = _window_maxima(x)
    lengths = bins[..., 2:] - bins[..., :2]
    levels = sum(tf.cast(lengths >= size, tf.int32) for size in _SIZES[1:])
    steps = tf.gather(list(_SIZES), levels)
    trips = tf.reduce_max((lengths + steps - 1) // steps, [0, 1, 2])
    level = levels[..., 0] * len(_SIZES) + levels[..., 1]
    last = tf.maximum(bins[..., 2:] - steps, 0)
    flat = tf.reshape(tf.shape(bins)[1] * tf.shape(bins)[2], [1])
    flat = tf.concat([shape[:1], flat], 0)

    def visit(trip, best):
        offset = tf.stack([trip // trips[1], trip % trips[1]]) * steps
        place = tf.minimum(bins[..., :2] + offset, last)
        place = (level * height + place[..., 0]) * width + place[..., 1]
        place = tf.reshape(place, flat)
        found = (tf.gather(each, place, batch_dims=1) for each in (values, cells))
        better = _better(*best, *found)
        # TensorFlow does not know the rank of what it selects.
        known = zip(better, best)
        return trip + 1, tuple(tf.ensure_shape(new, old.shape) for new, old in known)

    start = tf.concat([flat, [channels]], 0)
    start = tf.fill(start, tf.constant(-float("inf"), x.dtype)), tf.fill(start, -1)
    _, (best, best_cells) = tf.while_loop(
        lambda trip, _: trip < trips[0] * trips[1], visit, (0, start)
    )
    shape = tf.concat([tf.shape(bins)[:3], [channels]], 0)
    best, best_cells = tf.reshape(best, shape), tf.reshape(best_cells, shape)
    is_empty = tf.reduce_any(lengths <= 0, -1)[..., None]
    return tf.where(is_empty, tf.zeros([], x.dtype), best), tf.where(
        is_empty, -1, best_cells
    )


def _window_maxima(x):
    """Maxima of windows that begin at each cell, and the cells that have them.

    Windows have each of the sizes along rows and along columns. They wrap around at the
    edges; such windows are not used.

    Returns:
        Two tensors ``(batch, sizes * sizes * height * width, channels)``.
    """
    shape = tf.shape(x)
    cells = tf.reshape(tf.range(shape[1] * shape[2]), [1, shape[1], shape[2], 1])
    cells = tf.broadcast_to(cells, shape)
    by_rows = []
    for down in _widened(x, cells, axis=1):
        by_rows += _widened(*down, axis=2)
    values, cells = zip(*by_rows)
    merged = [shape[0], len(by_rows) * shape[1] * shape[2], x.shape[-1]]
    return tf.reshape(tf.stack(values, 1), merged), tf.reshape(
        tf.stack(cells, 1), merged
    )


def _widened(values, cells, axis):
    """Maxima and cells of windows of each of the sizes along an axis."""
    made = [(values, cells)]
    for size in _SIZES[:-1]:
        values, cells = made[-1]
        for shift in (size, 2 * size):  # twice as wide each time
            later = tf.roll(values, -shift, axis), tf.roll(cells, -shift, axis)
            values, cells = _better(values, cells, *later)
        made.append((values, cells))
    return made


def _better(values, cells, other_values, other_cells):
    """The larger value of two and its cell; of equal ones the one that comes first."""
    is_other = (other_values > values) | (
        (other_values == values) & ((other_cells < cells) | (cells < 0))
    )
    return tf.where(is_other, other_values, values), tf.where(
        is_other, other_cells, cells
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
