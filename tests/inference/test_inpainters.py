"""One signature for all inpainters, and networks on images of any size."""

import constant_inpainter
import numpy as np
import pytest
import tensorflow as tf
from tensorflow import keras

from keras_cnns import applications, data, exemplar, inference, layers, runs
from keras_cnns._graph import size_divisor
from keras_cnns.inference import tiles

METHODS = [*exemplar.METHODS, "run"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run whose network paints at random."""
    folder = tmp_path_factory.mktemp("random")
    constant_inpainter.write_run(folder)
    return folder


@pytest.fixture(scope="module")
def constant(tmp_path_factory):
    """Paints (51, 102, 153) everywhere: its last bias, of [0, 1]."""
    folder = tmp_path_factory.mktemp("constant")
    constant_inpainter.write_run(folder, (0.2, 0.4, 0.6))
    return inference.open_inpainter(str(folder))


@pytest.fixture(scope="module")
def inpainters(folder):
    methods = {name: name for name in exemplar.METHODS} | {"run": str(folder)}
    return {name: inference.open_inpainter(at) for name, at in methods.items()}


def _scene(height=21, width=30, channels=3):
    """An image and a mask with a hole inside and one at the border."""
    random = np.random.default_rng(0)
    image = random.integers(256, size=(height, width, channels)).astype(np.uint8)
    mask = np.ones((height, width, 1), np.float32)
    mask[6:12, 10:17] = 0
    mask[-3:, :4] = 0
    return image, mask


@pytest.mark.parametrize("method", METHODS)
def test_every_inpainter_keeps_valid_pixels_to_the_bit(inpainters, method):
    image, mask = _scene()
    before = image.copy(), mask.copy()
    fractions = []
    filled = inpainters[method](image, mask, seed=1, progress=fractions.append)
    assert filled.shape == image.shape and filled.dtype == np.uint8
    valid = mask[..., 0] == 1
    np.testing.assert_array_equal(filled[valid], image[valid])
    assert (filled[~valid] != image[~valid]).mean() > 0.5
    for array, copy in zip((image, mask), before):
        np.testing.assert_array_equal(array, copy)
    assert fractions[-1] == 1 and fractions == sorted(fractions)


@pytest.mark.parametrize("method", METHODS)
def test_every_inpainter_at_the_edge(inpainters, method):
    """No hole, all hole, a hole of one pixel, a mask of another size or of greys."""
    image, mask = _scene()
    inpainter = inpainters[method]
    same = inpainter(image, np.ones_like(mask))
    np.testing.assert_array_equal(same, image)
    assert not np.shares_memory(same, image)
    with pytest.raises(ValueError, match="the hole is the whole image"):
        inpainter(image, np.zeros_like(mask))
    one = np.ones_like(mask)
    one[4, 5] = 0
    other = inpainter(image, one) != image
    other[4, 5] = False
    assert not other.any()
    with pytest.raises(ValueError, match=r"height and width \(21, 30\), got \(20, 30"):
        inpainter(image, mask[1:])
    with pytest.raises(ValueError, match="only, got 0.5"):
        inpainter(image, np.where(mask == 1, 0.5, 0))


@pytest.mark.parametrize("method", ["mean", "patch_match", "run"])
def test_batches_are_filled_as_single_images(inpainters, method):
    images, masks = zip(*(_scene(), _scene(), _scene()))
    images, masks = np.stack(images), np.stack(masks)
    images[1], masks[2] = 255 - images[1], 1
    masks[0, 14:16, 20:25] = 0
    filled = inpainters[method].fill_batch(images, masks, seed=2)
    hidden = inpainters[method].fill_batch(images * masks.astype(np.uint8), masks)
    for i, (image, mask) in enumerate(zip(images, masks)):
        expected = inpainters[method](image, mask, seed=2).astype(int)
        # Sums in another order may round to the other side.
        assert np.abs(filled[i] - expected).max() <= (method == "run")
        np.testing.assert_array_equal(
            filled[i][mask[..., 0] == 1], image[mask[..., 0] == 1]
        )
    if method != "patch_match":  # of another seed
        assert np.abs(hidden - filled.astype(int))[masks[..., 0] == 0].max() == 0
    masks[1] = 0
    with pytest.raises(ValueError, match="the hole is the whole image"):
        inpainters[method].fill_batch(images, masks)


@pytest.mark.parametrize(
    ("model", "bias", "level"),
    [
        ("masked_unet", 0.2, 51),  # as it is, in [0, 1]
        ("masked_unet", 1.7, 255),  # clipped
        ("global_local", 0.0, 128),  # sigmoid(0) = 1/2
    ],
)
def test_ranges_of_networks(tmp_path, model, bias, level):
    constant_inpainter.write_run(tmp_path, (bias,), model=model, channels=1)
    image, mask = _scene(channels=1)
    filled = inference.open_inpainter(str(tmp_path))(image, mask)
    assert (filled[mask == 0] == level).all()


def test_channels(constant, tmp_path):
    image, mask = _scene()
    holes = mask[..., 0] == 0
    assert (constant(image, mask)[holes] == (51, 102, 153)).all()
    filled = constant(image[..., :1], mask)
    assert filled.shape == (21, 30, 1) and (filled[holes] == 102).all()
    constant_inpainter.write_run(tmp_path, (0.2,), channels=1)
    grey = inference.open_inpainter(str(tmp_path))
    with pytest.raises(ValueError, match="in colour, but .* grey images"):
        grey(image, mask)


def test_other_sizes_are_mirrored_up_to_the_next_multiple(folder):
    """21x30 becomes 24x32: one row before, two after, one column on either side."""
    run = runs.read_run(str(folder), "inpainting")
    network = inference.load_inpainting_network(run, size=(24, 32))
    image, mask = _scene()
    rows = [0, *range(21), 20, 19]
    columns = [0, *range(30), 29]
    inputs = [x[rows][:, columns][np.newaxis] for x in (image / 255.0, mask)]
    output = network([tf.constant(x, tf.float32) for x in inputs]).numpy()
    expected = np.clip(output[0, 1:22, 1:31] * 255, 0, 255)
    filled = inference.open_inpainter(str(folder))(image, mask)
    holes = mask[..., 0] == 0
    np.testing.assert_allclose(filled[holes], expected[holes], atol=0.51)
    assert run.config.preprocessing.shape == (16, 16, 3)


@pytest.mark.parametrize("shape", [(1, 40, 3), (9, 7, 1), (64, 17, 3)])
def test_sizes_smaller_and_larger_than_trained(constant, shape):
    random = np.random.default_rng(1)
    image = random.integers(256, size=shape).astype(np.uint8)
    mask = np.ones((*shape[:2], 1))
    mask[0, 3] = mask[shape[0] // 2, 1] = 0
    filled = constant(image, mask)
    wanted = (51, 102, 153) if shape[2] == 3 else 102
    np.testing.assert_array_equal(filled, np.where(mask == 1, image, wanted))


@pytest.mark.parametrize(
    ("model", "net", "size", "divisor"),
    [
        ("lbam", {}, 32, 4),
        ("lbam", {"filters": [2, 2, 2]}, 8, 8),
        ("global_local", {}, 32, 2),
    ],
)
def test_tiles_are_multiples_of_what_the_network_halves(
    tmp_path, model, net, size, divisor
):
    constant_inpainter.write_run(tmp_path, model=model, size=size, channels=1, **net)
    image, mask = _scene(height=2 * divisor + 1, channels=1)
    mask[:] = 1
    mask[3, 4] = mask[-1, -1] = 0
    tiled = inference.open_inpainter(str(tmp_path), tile_size=2 * divisor)
    filled = tiled(image, mask)
    np.testing.assert_array_equal(filled[mask == 1], image[mask == 1])
    with pytest.raises(
        ValueError, match=f"multiple of {divisor}, or 0, got {divisor + 1}"
    ):
        inference.open_inpainter(str(tmp_path), tile_size=divisor + 1)


@pytest.mark.parametrize(
    ("model", "net", "divisor"),
    [
        ("masked_unet", {}, 8),  # three halvings
        ("pconv_unet", {"filters": [2, 3, 4, 5]}, 16),
        ("lbam", {}, 4),
        ("lbam", {"mask_learning": "fixed"}, 4),
        ("global_local", {"filters": [2, 3, 4, 5]}, 8),  # none in the first level
        ("contextual_attention", {}, 8),  # a quarter, attention on half of that
        ("contextual_attention", {"attention_rate": 3}, 12),
    ],
)
def test_sizes_that_a_network_takes(model, net, divisor):
    """By the graph of its layers; the builders say the same."""
    arguments = {"channels": 1, "size": 6 * divisor, **net}
    config = constant_inpainter.small(model, **arguments)
    assert size_divisor(config.build("network", (None, None))) == divisor
    config.build("network", (divisor, 3 * divisor))
    for size in range(1, divisor):
        with pytest.raises(ValueError, match=f"multiples of {divisor};"):
            config.build("network", (divisor, size))


@pytest.mark.parametrize(
    "enlarge", [keras.layers.UpSampling2D, layers.NearestUpsampling2D]
)
def test_both_upsamplings_undo_a_halving(enlarge):
    images = keras.Input((None, None, 1))
    x = enlarge()(keras.layers.Conv2D(1, 3, strides=2, padding="same")(images))
    x = keras.layers.Conv2D(1, 3, strides=2, padding="same")(x)
    assert size_divisor(keras.Model(images, x)) == 2


def test_an_image_larger_than_a_tile(tmp_path):
    """Without a choice, attention sees twice the trained size; multiples of 12 here."""
    constant_inpainter.write_run(
        tmp_path, (0.2,) * 3, model="contextual_attention", attention_rate=3, size=24
    )
    inpainter = inference.open_inpainter(str(tmp_path))
    image, mask = _scene(50, 75)
    fractions = []
    filled = inpainter(image, mask, progress=fractions.append)
    # 0.2 of [-1, 1] is 0.6 of [0, 255].
    np.testing.assert_array_equal(filled, np.where(mask == 1, image, 153))
    # Mirrored to 60x84, holes lie in rows 11 to 16 and from 52 on, all of them in the
    # first 21 columns. Tiles of 48 start at 0, 12 and at 0, 36.
    assert fractions == [0.5, 1, 1]
    batch = inpainter.fill_batch(image[np.newaxis], mask[np.newaxis])
    np.testing.assert_array_equal(batch[0], filled)
    mask[5:, 5:] = 0
    with pytest.raises(
        ValueError, match="48x48 at row 12, column 36 .* larger tile_si"
    ):
        inpainter(image, mask)


def test_tiles_fade_into_each_other():
    """Of 12 columns, tiles of 8 start at 0 and 4; weights 1/2, 1, ..., 1, 1/2."""
    seen = []

    def paint(images, masks):
        seen.append(images[0, 0, 0, 0])
        assert images.shape == (1, 8, 8, 1) and masks.shape == (1, 8, 8, 1)
        return np.full_like(images, len(seen) - 1)

    image = np.tile(np.arange(12, dtype=np.float32), (8, 1))[..., np.newaxis]
    mask = np.ones((8, 12, 1), np.float32)
    mask[3, 5] = 0
    fractions = []
    painted = tiles.paint_tiles(paint, image, mask, (8, 8), fractions.append)
    assert seen == [0, 4] and fractions == [0.5, 1]
    row = [0, 0, 0, 0, 1 / 3, 1 / 2, 1 / 2, 2 / 3, 1, 1, 1, 1]
    np.testing.assert_allclose(painted[..., 0], np.tile(row, (8, 1)), rtol=1e-6)


@pytest.mark.parametrize("tile", [(1, 1), (3, 5), (8, 8), (20, 13), (40, 31)])
def test_tiles_cover_every_hole(tile):
    """What paints the image as it is gives every hole's pixel back."""
    random = np.random.default_rng(2)
    image = random.uniform(size=(40, 31, 3)).astype(np.float32)
    mask = (random.uniform(size=(40, 31, 1)) > 0.1).astype(np.float32)
    if tile == (1, 1):
        with pytest.raises(ValueError, match="1x1 at row .* wholly within a hole"):
            tiles.paint_tiles(lambda x, _: x, image, mask, tile, print)
        return
    painted = tiles.paint_tiles(lambda x, _: x, image, mask, tile, lambda _: None)
    holes = mask[..., 0] == 0
    np.testing.assert_allclose(painted[holes], image[holes], rtol=1e-5)


def test_a_network_and_its_file(tmp_path):
    """Without a run; holes are filled with what the network gives."""
    name = "contextual_attention"
    network = applications.create_model(name, image_shape=(16, 16, 3))
    path = str(tmp_path / "network.h5")
    applications.save_weights(network, path)
    image, mask = _scene(16, 16)
    inpaint = inference.open_inpainter(f"{name}:{path}")
    assert inpaint.image_shape == (256, 256, 3)
    masks = mask[np.newaxis].astype(np.float32)
    refined, _ = network([image[np.newaxis] / np.float32(127.5) - 1, masks])
    painted = data.to_bytes(refined.numpy(), "signed")[0]
    filled = inpaint(image, mask).astype(int)
    assert np.abs(filled - np.where(mask == 1, image, painted)).max() <= 1
    for method, quoted in (
        (f"{name}:nowhere.h5", "nowhere.h5"),
        (f"{name}_local_discriminator:{path}", "unknown method"),
        (f"lbmm:{path}", "unknown method.*lbam:lbam.pth"),
    ):
        with pytest.raises((ValueError, OSError), match=quoted):
            inference.open_inpainter(method)


def test_bad_methods(tmp_path, folder):
    with pytest.raises(ValueError, match="'median'.*mean.*patch_match.*folder"):
        inference.open_inpainter("median")
    with pytest.raises(ValueError, match="holds no run"):
        inference.open_inpainter(str(tmp_path))
    with pytest.raises(ValueError, match="no best.h5"):
        inference.open_inpainter(str(folder), "best")
    with pytest.raises(ValueError, match="multiple of 8, or 0, got -8"):
        inference.open_inpainter(str(folder), tile_size=-8)
    with pytest.raises(ValueError, match="one of .*'mean'.*, got 'Mean'"):
        inference.ExemplarInpainter("Mean")
    (tmp_path / "run.json").write_text('{"flags": {}, "network": {"model": "x"}}')
    with pytest.raises(ValueError, match="not the record of a run"):
        inference.open_inpainter(str(tmp_path))
