"""Grids and samplers of spatial transformers against PyTorch's values, NumPy, SciPy,
tensorflow-addons and finite differences."""

import numpy as np
import pytest
import tensorflow as tf
from scipy import interpolate
from tensorflow import keras

from keras_cnns import layers

IMAGE = np.arange(1.0, 17.0, dtype=np.float32).reshape(1, 4, 4, 1)
TURN = [0, -1, 0, 1, 0, 0]


def warp(parameters, transform="affine", size=4, image=IMAGE, **convention):
    """An image sampled by the grid of some parameters, ``(rows, columns)``."""
    aligned = {k: v for k, v in convention.items() if k == "align_corners"}
    grid = layers.SamplingGrid(transform, size, **aligned)(
        tf.constant([parameters], tf.float32)
    )
    return layers.BilinearSampler(**convention)([image, grid])[0, ..., 0].numpy()


# Of torch's affine_grid and grid_sample, with align_corners=True and False.
@pytest.mark.parametrize(
    ("parameters", "size", "rows", "aligned", "unaligned"),
    [
        ([1, 0, 0, 0, 1, 0], 2, slice(2), [[1, 4], [13, 16]],
         [[3.5, 5.5], [11.5, 13.5]]),
        ([1, 0, 0.5, 0, 1, 0], 4, 0, [1.75, 2.75, 3.75, 1.0], [2, 3, 4, 0]),
        ([0.5, 0, 0, 0, 0.5, 0], 4, 0, [4.75, 5.25, 5.75, 6.25],
         [4.75, 5.25, 5.75, 6.25]),
        (TURN, 4, slice(4), np.rot90(IMAGE[0, ..., 0]), np.rot90(IMAGE[0, ..., 0])),
        ([2, 0, 0, 0, 2, 0], 4, 1, [0, 3.5, 5.5, 0], [0, 3.5, 5.5, 0]),
        ([2, 0, 0, 0, 2, 0], 4, [0, 3], np.zeros((2, 4)), np.zeros((2, 4))),
    ],
)  # fmt: skip
def test_affine_warps_are_those_of_torch(parameters, size, rows, aligned, unaligned):
    for expected, align_corners in ((aligned, True), (unaligned, False)):
        image = warp(parameters, size=size, align_corners=align_corners)
        np.testing.assert_allclose(image[rows], expected, atol=1e-5)


def test_a_turned_grid_turns_the_picture_the_other_way():
    expected = [[4, 8, 12, 16], [3, 7, 11, 15], [2, 6, 10, 14], [1, 5, 9, 13]]
    np.testing.assert_allclose(warp(TURN), expected, atol=1e-5)


def test_border_padding_is_that_of_torch():
    moved = warp([1, 0, 0.5, 0, 1, 0], padding="border")
    np.testing.assert_allclose(moved[0], [1.75, 2.75, 3.75, 4], atol=1e-5)
    shrunk = warp([2, 0, 0, 0, 2, 0], padding="border")
    np.testing.assert_allclose(shrunk[0], [1, 1.5, 3.5, 4], atol=1e-5)


@pytest.mark.parametrize("align_corners", [True, False])
@pytest.mark.parametrize("padding", ["zeros", "border"])
@pytest.mark.parametrize("transform", layers.TRANSFORMS)
def test_identity_returns_the_image(transform, padding, align_corners):
    image = np.random.default_rng(0).normal(size=(1, 7, 5, 1)).astype(np.float32)
    scale = {"scale": 1.0} if transform == "translation" else {}
    grid = layers.SamplingGrid(transform, align_corners=align_corners, **scale)
    places = grid([tf.constant([grid.identity()]), image])
    sampler = layers.BilinearSampler(padding, align_corners)
    np.testing.assert_allclose(sampler([image, places]), image, atol=1e-5)


def test_fixed_scale_of_a_translation_is_one_half():
    grid = layers.SamplingGrid("translation", 2)(tf.constant([[0.1, -0.2]]))
    expected = [[[-0.4, -0.7], [0.6, -0.7]], [[-0.4, 0.3], [0.6, 0.3]]]
    np.testing.assert_allclose(grid[0], expected, atol=1e-6)


def test_projective_grid_against_its_formula():
    a, b, c, d, e, f, g, h = parameters = [0.9, 0.1, 0.2, -0.1, 1.1, 0.3, 0.2, -0.4]
    grid = layers.SamplingGrid("projective", (3, 5))(tf.constant([parameters]))
    y, x = np.meshgrid(np.linspace(-1, 1, 3), np.linspace(-1, 1, 5), indexing="ij")
    divisor = g * x + h * y + 1
    expected = [(a * x + b * y + c) / divisor, (d * x + e * y + f) / divisor]
    np.testing.assert_allclose(grid[0], np.stack(expected, -1), rtol=1e-5)


def test_projective_divisor_is_kept_away_from_0():
    parameters = tf.constant([[1.0, 0, 0, 0, 1, 0, 1, 0]])  # it is 0 at x = -1
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        grid = layers.SamplingGrid("projective", 3)(parameters)
        image = layers.BilinearSampler()([IMAGE, grid])
    assert np.isfinite(grid).all() and np.isfinite(image).all()
    assert np.isfinite(tape.gradient(image, parameters)).all()


def spline(points, moved, places):
    """Where a spline takes places, by SamplingGrid, whose cells contain them."""
    grid = layers.SamplingGrid("thin_plate_spline", 5, control_points=points)
    found = grid(tf.constant([np.ravel(moved)], tf.float32))[0].numpy()
    rows, columns = (np.round((np.array(places)[:, i] + 1) * 2) for i in (1, 0))
    return found[rows.astype(int), columns.astype(int)]


PLACES = [(0, 0), (-0.5, -0.5), (0, -1), (-1, 0), (1, 1)]


def test_spline_of_four_corners():
    corners = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)], float)
    corners[0] = -0.8, -1
    expected = [(0.05, 0), (-0.383406, -0.5), (0.1, -1), (-0.9, 0), (1, 1)]
    found = spline((2, 2), corners, PLACES)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_spline_of_sixteen_points():
    y, x = np.meshgrid(*[np.linspace(-1, 1, 4)] * 2, indexing="ij")
    points = np.stack([x, y], -1).reshape(16, 2)
    points[5] += 0.2, -0.1
    expected = [(0.065907, -0.032953), (-0.349547, -0.575227), (0.004772, -1.002386)]
    found = spline((4, 4), points, PLACES[:3])
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_spline_against_scipy():
    random = np.random.default_rng(1)
    layer = layers.SamplingGrid("thin_plate_spline", (6, 9), control_points=(3, 4))
    points = np.reshape(layer.identity(), [12, 2])
    moved = points + random.normal(0, 0.2, points.shape)
    y, x = np.meshgrid(np.linspace(-1, 1, 6), np.linspace(-1, 1, 9), indexing="ij")
    plate = interpolate.RBFInterpolator(points, moved, kernel="thin_plate_spline")
    expected = plate(np.stack([x, y], -1).reshape(-1, 2)).reshape(6, 9, 2)
    grid = layer(tf.constant([moved.ravel()], tf.float32))
    np.testing.assert_allclose(grid[0], expected, atol=1e-5)


def test_sampler_against_addons():
    addons = pytest.importorskip("tensorflow_addons")

    random = np.random.default_rng(2)
    maps = random.normal(size=(2, 6, 5, 3)).astype(np.float32)
    grid = random.uniform(-1.6, 1.6, (2, 4, 7, 2)).astype(np.float32)
    pixels = (grid + 1) * [2, 2.5]
    with tf.GradientTape() as tape:
        places = tf.constant(grid)
        tape.watch(places)
        ours = layers.BilinearSampler()([maps, places])
    gradient = tape.gradient(ours, places)
    with tf.GradientTape() as tape:
        pixels = tf.constant(pixels, tf.float32)
        tape.watch(pixels)
        theirs = addons.image.resampler(maps, pixels)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    expected = tape.gradient(theirs, pixels) * [2, 2.5]  # pixels per unit
    np.testing.assert_allclose(gradient, expected, atol=1e-4)


def row_gradient(places, padding="zeros"):
    """d value / d pixel along the row (0, 10, 30)."""
    row = tf.constant([0.0, 10, 30], shape=[1, 1, 3, 1])
    x = tf.constant(places, tf.float32) - 1  # a pixel is a unit
    with tf.GradientTape() as tape:
        tape.watch(x)
        grid = tf.stack([x, tf.zeros_like(x)], -1)[None, None]
        values = layers.BilinearSampler(padding)([row, grid])
    return tape.gradient(values, x).numpy()


def test_gradient_at_whole_pixels_is_the_difference_to_the_next():
    np.testing.assert_allclose(row_gradient([0, 1, 1.5, 2]), [10, 20, 20, -30])
    assert row_gradient([2, 2.5, -0.5], "border").tolist() == [0, 0, 0]


@pytest.mark.parametrize("transform", layers.TRANSFORMS)
@pytest.mark.parametrize("size", [28, 33])
def test_an_identity_start_moves(transform, size):
    """Every parameter that changes the grid has a gradient, at exact identity."""
    image = tf.random.stateless_uniform([1, size, size, 1], [0, 1])
    layer = layers.SamplingGrid(transform)
    parameters = tf.constant([layer.identity()])
    target = tf.random.stateless_uniform(image.shape, [2, 3])
    with tf.GradientTape() as tape:
        tape.watch(parameters)
        output = layers.BilinearSampler()([image, layer([parameters, image])])
        loss = tf.reduce_sum((output - target) ** 2)
    assert (np.abs(tape.gradient(loss, parameters)) > 0.01).all()


@pytest.mark.parametrize("transform", layers.TRANSFORMS)
def test_gradient_of_parameters_against_finite_differences(transform):
    random = np.random.default_rng(3)
    maps = tf.constant(random.normal(size=(1, 6, 5, 2)))
    grid = layers.SamplingGrid(transform, (4, 3), dtype="float64")
    sampler = layers.BilinearSampler(dtype="float64")
    start = np.array([grid.identity((0.0123, -0.0377))])
    start += random.uniform(-0.05, 0.05, start.shape)
    weights = random.normal(size=(4, 3, 2))

    def loss(parameters):
        return tf.reduce_sum(weights * sampler([maps, grid(parameters)]))

    exact, numerical = tf.test.compute_gradient(loss, [start], delta=1e-5)
    np.testing.assert_allclose(exact[0], numerical[0], rtol=1e-3, atol=1e-6)


def test_coordinates_keep_32_bits_in_half_precision():
    """Places of 1/500 of a pixel, which 16 bits cannot tell apart."""
    image = tf.reshape(tf.range(2001.0), [1, 1, 2001, 1]) / 2000
    parameters = tf.constant([[1.0, 0, 2e-6, 0, 1, 0]])
    grid = layers.SamplingGrid("affine", dtype="mixed_float16")([parameters, image])
    assert grid.dtype == tf.float32
    np.testing.assert_allclose(grid[0, 0, :, 0], np.linspace(-1, 1, 2001) + 2e-6,
                               atol=3e-7)  # fmt: skip
    sampler = layers.BilinearSampler("border", dtype="mixed_float16")
    output = sampler([tf.cast(image, tf.float16), grid])
    assert output.dtype == tf.float16
    np.testing.assert_allclose(output, image, atol=1e-3)


def test_unknown_sizes_and_xla_with_gradients():
    parameters, maps = keras.Input([6]), keras.Input([None, None, 2])
    grid = layers.SamplingGrid()([parameters, maps])
    assert grid.shape.as_list() == [None, None, None, 2]
    model = keras.Model([parameters, maps], layers.BilinearSampler()([maps, grid]))

    def gradients(parameters, maps):
        with tf.GradientTape() as tape:
            tape.watch([parameters, maps])
            output = model([parameters, maps])
        return [output, *tape.gradient(output, [parameters, maps])]

    drawn = [
        tf.random.stateless_normal([3, 6], [0, 1]) / 3,
        tf.random.stateless_normal([3, 5, 7, 2], [2, 3]),
    ]
    compiled = tf.function(gradients, jit_compile=True)(*drawn)
    for fast, plain in zip(compiled, gradients(*drawn)):
        np.testing.assert_allclose(fast, plain, atol=1e-4)


def test_places_far_away_or_unknown_do_no_harm():
    grid = tf.constant([1e30, -1e30, np.inf, np.nan])
    grid = tf.stack([grid, tf.zeros_like(grid)], -1)[None, None]
    values = layers.BilinearSampler()([IMAGE, grid])[0, 0, :, 0].numpy()
    np.testing.assert_array_equal(values[:2], [0, 0])
    assert np.isnan(values[3])


@pytest.mark.parametrize(
    ("kind", "arguments", "quoted"),
    [
        ("SamplingGrid", {"transform": "shear"}, "transform.*got 'shear'"),
        ("SamplingGrid", {"size": 0}, "size.*got 0"),
        ("SamplingGrid", {"scale": 0.3}, "scale=0.3 has no effect.*'translation'"),
        ("SamplingGrid", {"transform": "translation", "scale": -1.0}, "scale.*-1.0"),
        ("SamplingGrid", {"control_points": 4}, "control_points=4 has no effect"),
        (
            "SamplingGrid",
            {"transform": "thin_plate_spline", "control_points": 0},
            "control_points.*0",
        ),
        (
            "SamplingGrid",
            {"transform": "thin_plate_spline", "control_points": (1, 4)},
            r"control_points must be at least 2.*\(1, 4\)",
        ),
        ("SamplingGrid", {"align_corners": 1}, "align_corners.*got 1"),
        ("BilinearSampler", {"padding": "reflect"}, "padding.*got 'reflect'"),
        ("BilinearSampler", {"align_corners": None}, "align_corners.*got None"),
    ],
)
def test_bad_arguments_are_quoted(kind, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        getattr(layers, kind)(**arguments)


def test_inputs_may_be_a_tuple():
    identity = tf.constant([[1.0, 0.0, 0.0, 0.0, 1.0, 0.0]])
    grid = layers.SamplingGrid()((identity, IMAGE))
    sampled = layers.BilinearSampler()((IMAGE, grid))
    np.testing.assert_allclose(sampled, IMAGE, atol=1e-5)


def test_bad_shapes_are_quoted():
    with pytest.raises(ValueError, match=r"takes parameters.*\(batch, 6\).*\(2, 5\)"):
        layers.SamplingGrid(size=3)(tf.ones([2, 5]))
    with pytest.raises(ValueError, match=r"takes a list.*got one tensor \(2, 6\)"):
        layers.SamplingGrid()(tf.ones([2, 6]))
    with pytest.raises(ValueError, match=r"BilinearSampler takes maps.*and \(\)"):
        layers.BilinearSampler()(IMAGE)
    with pytest.raises(ValueError, match=r"BilinearSampler takes.*\(1, 3, 3, 3\)"):
        layers.BilinearSampler()([IMAGE, tf.ones([1, 3, 3, 3])])
