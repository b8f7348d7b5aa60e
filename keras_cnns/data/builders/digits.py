"""TFDS builder ``digits``: the real handwritten digits that scikit-learn ships."""

import numpy as np
import tensorflow_datasets as tfds
from sklearn import datasets, model_selection

_TEST_FRACTION = 0.2
_SPLIT_SEED = 0


class Digits(tfds.core.GeneratorBasedBuilder):
    """1797 grey 8x8 digits, 1437 to train and 360 to test.

    The split is stratified and fixed. Grey levels 0 to 16 are spread over 0 to 255.
    """

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            description="Handwritten digits of 43 writers, 8x8 pixels, ten classes.",
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), dtype=np.uint8),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://doi.org/10.24432/C50P49",
            citation="Alpaydin and Kaynak, Optical Recognition of Handwritten Digits",
        )

    def _split_generators(self, dl_manager):
        del dl_manager  # nothing is downloaded
        digits = datasets.load_digits()
        images = np.round(digits.images * (255 / 16)).astype(np.uint8)[..., np.newaxis]
        train, test = model_selection.train_test_split(
            np.arange(len(images)),
            test_size=_TEST_FRACTION,
            random_state=_SPLIT_SEED,
            stratify=digits.target,
        )
        return {
            "train": self._generate_examples(images, digits.target, train),
            "test": self._generate_examples(images, digits.target, test),
        }

    def _generate_examples(self, images, labels, indices):
        for i in indices:
            yield int(i), {"image": images[i], "label": int(labels[i])}
