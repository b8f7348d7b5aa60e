"""A trained classifier with what its images go through: a run's or the registry's."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from tensorflow import keras

from keras_cnns import applications, data, inference
from keras_cnns._checks import check_choice

if TYPE_CHECKING:
    from keras_cnns.runs import Run


@dataclasses.dataclass(frozen=True)
class Subject:
    """A classifier to look into.

    Attributes:
        name: of it, for people.
        model: ``keras.Model`` that ends in probabilities.
        preprocessing: how images become its inputs.
        class_names: tuple of names, by output.
    """

    name: str
    model: keras.Model
    preprocessing: data.Preprocessing
    class_names: tuple

    @classmethod
    def of_run(cls, run_dir: "str | Run", which: str = "last") -> "Subject":
        """The classifier of a training run.

        Args:
            run_dir: folder of a run of ``classification``.
            which: ``"best"`` or ``"last"`` epoch.

        Raises:
            ValueError: if the folder holds no such run.
        """
        model, run = inference.load_classifier(run_dir, which)
        config, name = run.config, f"{run_dir} ({which} epoch)"
        return cls(name, model, config.preprocessing, config.class_names)

    @classmethod
    def of_model(
        cls, name: str, weights: str, preprocessing: str = "", size: int = 0
    ) -> "Subject":
        """A classifier of the registry; its classes are named by number.

        Args:
            name: of the registry.
            weights: public checkpoint or weight file, of as many classes as the paper.
            preprocessing: key of ``data.CONVENTIONS``; empty: that of the weights.
            size: height and width of the images; 0: the model's.

        Raises:
            ValueError: if it is no classifier, or the preprocessing is unknown.
        """
        info = applications.model_info(name)
        if info.task != "classification":
            raise ValueError(f"{name} is no classifier but for {info.task}")
        if preprocessing:
            check_choice("preprocessing", preprocessing, data.CONVENTIONS)
        convention = preprocessing or info.preprocessing_of(weights)
        if convention not in data.CONVENTIONS:
            raise ValueError(
                f"how images were standardised for {weights} is unknown; give "
                f"--preprocessing: {', '.join(data.CONVENTIONS)}"
            )
        height, width, channels = info.input_shape
        shape = (size or height, size or width, channels)
        model = applications.create_model(name, weights=weights, input_shape=shape)
        prepare = data.Preprocessing(*shape, **data.CONVENTIONS[convention])
        return cls(f"{name} ({weights})", model, prepare, _numbers(info.classes))

    @property
    def limits(self) -> tuple:
        """Inputs of black and of white, each with a value per channel."""
        greys = np.zeros((2, self.preprocessing.channels)) + [[0.0], [255.0]]
        return tuple(self.preprocessing.standardize(greys).numpy())

    def class_number(self, name: str) -> int:
        """The output of a class.

        Raises:
            ValueError: if there is no such class.
        """
        if name not in self.class_names:
            more = ", …" if len(self.class_names) > 10 else ""
            shown = ", ".join(self.class_names[:10])
            raise ValueError(f"there is no class {name!r}; there are {shown}{more}")
        return self.class_names.index(name)

    def inputs(self, paths: Sequence[str]) -> np.ndarray:
        """Image files as inputs ``(count, height, width, channels)``."""
        prepare = self.preprocessing
        images = [prepare.resize(self._read(path)) for path in paths]
        return prepare.standardize(np.stack(images)).numpy()

    def whole_input(self, path: str, longest: int) -> np.ndarray:
        """One image in its own aspect and size, its longer side at most ``longest``."""
        pixels = self._read(path)
        factor = min(1.0, longest / max(pixels.shape[:2]))
        size = [max(1, round(side * factor)) for side in pixels.shape[:2]]
        whole = dataclasses.replace(
            self.preprocessing.with_size(*size), crop_ratio=None
        )
        return whole.standardize(whole.resize(pixels)).numpy()

    def _read(self, path):
        return data.read_image(path, channels=self.preprocessing.channels)

    def as_unit(self, inputs: np.ndarray) -> np.ndarray:
        """Inputs as images in [0, 1]."""
        pixels = self.preprocessing.unstandardize(inputs).numpy()
        return np.clip(pixels / 255, 0, 1)


def _numbers(count):
    return tuple(str(number) for number in range(count))
