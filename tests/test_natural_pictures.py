"""Preprocessing, crops, counting and inspection on photographs of ImageNet.

PyPI's ``foolbox`` carries 20 of them, and 20 each of CIFAR-10, CIFAR-100, MNIST and
Fashion-MNIST, with the class in the file's name. They are read by path where the
package is installed (``pip install --no-deps foolbox`` is enough); it is never
imported. Expected values are PIL's and NumPy's. No accuracy is asserted: published
weights are not part of this project, so that the networks have random ones.
"""

import importlib.util
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_cnns import applications, data, inspection, metrics
from keras_cnns.data import crops, decoding

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of levels of 0 to 1
FEED = data.Preprocessing(224, 224, 3, **data.CONVENTIONS["torch"])


def pictures_of(kind) -> list:
    """Paths of foolbox' pictures of one data set; none where it is not installed."""
    found = importlib.util.find_spec("foolbox")
    if found is None:
        return []
    folder = pathlib.Path(found.submodule_search_locations[0], "data")
    return sorted(folder.glob(f"{kind}_*.*"))


def label_of(path) -> int:
    """The class, after the last underscore: ``imagenet_00_243.jpg``."""
    return int(path.stem.rpartition("_")[2])


PICTURES = pictures_of("imagenet")
pytestmark = pytest.mark.skipif(
    not PICTURES, reason="needs the pictures of PyPI's foolbox"
)


def _pixels(path):
    return np.asarray(Image.open(path).convert("RGB"))


def _resized(pixels, height, width):
    """By PIL, bilinear, in floating point."""
    channels = [
        Image.fromarray(channel.astype(np.float32)).resize(
            (width, height), Image.BILINEAR
        )
        for channel in np.moveaxis(pixels, -1, 0)
    ]
    return np.stack([np.asarray(channel) for channel in channels], -1)


def _at_scale(pixels, scale):
    height, width = pixels.shape[:2]
    factor = scale / min(height, width)
    return _resized(pixels, round(height * factor), round(width * factor))


def _centre(pixels, side):
    top, left = ((length - side) // 2 for length in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]


def _cropped_first(pixels):
    """The central square of 0.875 of the shorter side, at 224x224."""
    square = _centre(pixels, round(min(pixels.shape[:2]) * 0.875))
    return _resized(square, 224, 224)


def _standardized(pixels):
    return (np.asarray(pixels) / 255 - MEAN) / STD


def test_all_of_them_are_there():
    assert [label_of(path) for path in PICTURES] == [
        243, 559, 438, 990, 949, 853, 609, 609, 915, 455,
        541, 630, 741, 471, 129, 99, 251, 22, 317, 305,
    ]  # fmt: skip
    shapes = [_pixels(path).shape for path in PICTURES]
    assert sorted(set(shapes)) == [(512, 512, 3), (683, 1024, 3)]
    assert shapes.index((683, 1024, 3)) == 10


@pytest.mark.parametrize(
    "kind", ["imagenet", "cifar10", "cifar100", "mnist", "fashionMNIST"]
)
def test_decoding_is_pil_s(kind):
    """JPEG and PNG, colour and grey, as colour and as grey: to the bit."""
    paths = pictures_of(kind)
    assert len(paths) == 20
    for path in paths:
        content = tf.io.read_file(str(path))
        for mode, channels in (("RGB", 3), ("L", 1)):
            expected = np.asarray(Image.open(path).convert(mode))
            found = decoding.decode_image(content, channels)
            np.testing.assert_array_equal(np.squeeze(found), expected, str(path))


def test_preprocessing_is_the_shorter_side_of_256_and_the_central_224():
    """Of squares, where both orders of cropping and resizing take the same positions.

    Two rows and columns at the border differ: the crop comes first here, so that the
    filter does not see what is outside.
    """
    inner = np.s_[2:-2, 2:-2]
    for path in PICTURES:
        pixels = _pixels(path)
        if pixels.shape[0] != pixels.shape[1]:
            continue
        found = FEED(tf.io.read_file(str(path))).numpy()
        assert found.shape == (224, 224, 3) and found.dtype == np.float32
        expected = _standardized(_centre(_at_scale(pixels, 256), 224))
        np.testing.assert_allclose(found[inner], expected[inner], atol=1e-4)


def test_preprocessing_crops_before_it_resizes():
    """Of 683x1024 the central 598x598; at 256 first, it would be shifted by 0.2."""
    found = FEED(tf.io.read_file(str(PICTURES[10]))).numpy()
    expected = _standardized(_cropped_first(_pixels(PICTURES[10])))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def _five_and_mirrors(square):
    """Corners and centre of 224, each followed by its mirror image."""
    cuts = [
        square[:224, :224], square[:224, -224:], square[-224:, :224],
        square[-224:, -224:], _centre(square, 224),
    ]  # fmt: skip
    return [view for cut in cuts for view in (cut, cut[:, ::-1])]


def test_ten_crops():
    for path in PICTURES[8:12]:  # the oblong one among them
        pixels = _pixels(path)
        found = crops.make_crops(pixels, FEED, crops.Protocol("10_crop"))
        expected = _standardized(_five_and_mirrors(_at_scale(pixels, 256)))
        np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("number", [0, 10])
def test_144_crops(number):
    """Four scales, three squares along the longer side, five crops and the square."""
    pixels = _pixels(PICTURES[number])
    found = crops.make_crops(pixels, FEED, crops.Protocol("144_crop"))
    assert len(found) == 144
    for part, scale in enumerate((256, 288, 320, 352)):
        resized = _at_scale(pixels, scale)
        height, width = resized.shape[:2]
        assert height == scale <= width
        for place, left in enumerate((0, (width - scale) // 2, width - scale)):
            square = resized[:, left : left + scale]
            whole = _resized(square, 224, 224)
            views = [*_five_and_mirrors(square), whole, whole[:, ::-1]]
            start = 36 * part + 12 * place
            np.testing.assert_allclose(
                found[start : start + 12], _standardized(views), atol=2e-4
            )


@pytest.fixture(scope="module")
def network():
    """A ResNet for 64x64 pixels and 1,000 classes, with random weights."""
    tf.keras.utils.set_random_seed(0)
    return applications.create_model(
        "resnet",
        units=[1, 1],
        block="basic",
        filters=16,
        input_shape=(64, 64, 3),
        classes=1000,
    )


@pytest.fixture(scope="module")
def batch():
    """The first four photographs, 64x64."""
    feed = FEED.with_size(64, 64)
    return np.stack([feed(tf.io.read_file(str(path))) for path in PICTURES[:4]])


def test_top_5_is_counted_over_a_folder_of_photographs(tmp_path):
    """Scores are random projections of the mean colours; ranks are counted by hand."""
    classes = sorted({str(label_of(path)) for path in PICTURES})
    for path in PICTURES:
        folder = tmp_path / "test" / str(label_of(path))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / path.name).write_bytes(path.read_bytes())
    weights = np.random.default_rng(0).normal(size=(3, len(classes)))

    def score(images):
        return tf.nn.softmax(tf.reduce_mean(images, (1, 2)) @ weights.astype("float32"))

    right = {1: 0, 5: 0}
    for path in PICTURES:
        colour = _standardized(_cropped_first(_pixels(path))).mean((0, 1))
        scores = colour @ weights
        better = (scores > scores[classes.index(str(label_of(path)))]).sum()
        for limit in right:
            right[limit] += better < limit
    batches = data.load(str(tmp_path), "test", 8, preprocessing=FEED)
    report = metrics.evaluate_classifier(score, batches, classes)
    assert report.num_examples == 20 and report.confusion.sum(1).max() == 2
    assert (report.top_1, report.top_5) == (right[1] / 20, right[5] / 20)
    assert 0 < report.top_5 < 1


def test_attributions_add_up_to_the_change_of_the_logit(network, batch):
    labels = [label_of(path) for path in PICTURES[:4]]
    found = inspection.integrated_gradients(network, batch, labels, num_steps=200)
    error = inspection.completeness_error(network, batch, found, labels)
    assert error.max() < 0.01


def test_grad_cam_is_the_positive_part_of_the_class_activation_map(network, batch):
    labels = [label_of(path) for path in PICTURES[:4]]
    maps = inspection.class_activation_maps(network, batch, labels)
    found = inspection.grad_cam(network, batch, labels)
    assert maps.min() < 0 < maps.max()
    expected = np.maximum(maps, 0) / maps[0].size
    np.testing.assert_allclose(found, expected, atol=1e-5 * expected.max())


def test_gradients_tell_what_a_step_along_them_changes(network, batch):
    """The logit's change over a small step is the gradient's squared length."""
    classifier = inspection.InspectedClassifier(network)
    gradients = inspection.class_gradients(classifier, batch, 0)
    lengths = np.sum(np.square(gradients, dtype=np.float64), axis=(1, 2, 3))
    step = 1e-2 / np.sqrt(lengths)[:, None, None, None] * gradients
    ahead, behind = (classifier.scores(batch + s * step)[:, 0] for s in (1, -1))
    np.testing.assert_allclose((ahead - behind) / 2e-2, np.sqrt(lengths), rtol=0.02)


def test_occlusion_measures_what_a_grey_square_takes_away(network, batch):
    found = inspection.occlusion_maps(network, batch, 7, patch=32, stride=32)
    before = network.predict(batch, verbose=0)[:, 7]
    for rows in (slice(0, 32), slice(32, 64)):
        for columns in (slice(0, 32), slice(32, 64)):
            covered = batch.copy()
            covered[:, rows, columns] = 0
            drops = before - network.predict(covered, verbose=0)[:, 7]
            expected = np.tile(drops[:, None, None], (1, 32, 32))
            np.testing.assert_allclose(found[:, rows, columns], expected, atol=1e-7)
