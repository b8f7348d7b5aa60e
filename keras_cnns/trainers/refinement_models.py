"""Which refiner plays against which discriminator, and how the paper trains them."""

import dataclasses

from keras_cnns import applications
from keras_cnns.data import Preprocessing
from keras_cnns.trainers import runs


@dataclasses.dataclass(frozen=True)
class RefinementModel:
    """A refiner and its opponent.

    Attributes:
        refiner, discriminator: registry names.
        flags: flag values of ``apps/refine_images.py`` that the source gives.
        source: paper, and what it leaves open.
    """

    refiner: str
    discriminator: str
    flags: dict
    source: str


_EYE = {
    "optimizer": "sgd",
    "momentum": 0.0,
    "nesterov": False,
    "schedule": "constant",
    "learning_rate": 1e-3,
    "batch_size": 512,
    "refiner_steps": 2,
    "discriminator_steps": 1,
    "refiner_pretraining": 1000,
    "discriminator_pretraining": 200,
    "regularization_weight": 0.5,
    "buffer_size": 12_800,
}
_SOURCE = (
    "arXiv 1612.07828, implementation details; weight of the regularization and size "
    "of the buffer are not given there, these are of public ports"
)
MODELS = {
    "simgan_eye": RefinementModel(
        "simgan_eye_refiner", "simgan_eye_discriminator", _EYE, _SOURCE
    ),
    "simgan_hand": RefinementModel(
        "simgan_hand_refiner",
        "simgan_hand_discriminator",
        {**_EYE, "refiner_pretraining": 500},
        _SOURCE,
    ),
}


def find_model(name: str) -> RefinementModel:
    """The row of a name.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]


@dataclasses.dataclass(frozen=True)
class RefinementDescription(runs.Description):
    """What it takes to build a run's networks again and to feed them.

    Attributes:
        model: key of ``MODELS``.
        builder_args: ``{"refiner": {…}, "discriminator": {…}}``, changes of their
            architectures.
        class_names: tuple of names of the simulated pictures' classes, by label.
        preprocessing: how pictures of both kinds become inputs, in [-1, 1].
        num_examples: size of the simulated split, which sets the steps of an epoch.
        num_real_examples: size of the real one.
    """

    model: str
    builder_args: dict
    class_names: tuple
    preprocessing: Preprocessing
    num_examples: int
    num_real_examples: int

    def build(self) -> tuple:
        """Refiner and discriminator.

        Raises:
            ValueError: if a builder argument is bad.
        """
        model = find_model(self.model)
        feed = self.preprocessing
        return tuple(
            applications.create_variant(
                getattr(model, role),
                image_shape=(feed.height, feed.width, feed.channels),
                **self.builder_args.get(role, {}),
            )
            for role in ("refiner", "discriminator")
        )


def describe(
    model: str, source, real_source, *, builder_args="", image_size=0, channels=0
) -> RefinementDescription:
    """The description of a new run.

    Args:
        model: key of ``MODELS``.
        source, real_source: ``Source`` of the simulated and of the real pictures.
        builder_args: JSON object of changes for ``refiner`` and ``discriminator``.
        image_size: height and width of the pictures; 0 takes the simulated pictures',
            where they are known and alike, else the model's.
        channels: 1 or 3; 0 takes the simulated pictures'.

    Raises:
        ValueError: if an argument is bad.
    """
    row = find_model(model)
    size = source.image_shape[:2]
    if image_size:
        size = (image_size, image_size)
    elif None in size:
        size = applications.model_info(row.refiner).input_shape[:2]
    channels = channels or source.image_shape[2] or 3
    example = {"refiner": {"filters": 32}, "discriminator": {}}
    return RefinementDescription(
        model=model,
        builder_args=runs.parse_builder_args_by_role(builder_args, example),
        class_names=source.class_names,
        preprocessing=Preprocessing.for_range(*size, channels, "signed"),
        num_examples=source.num_examples,
        num_real_examples=real_source.num_examples,
    )


def load_refiner(run_dir: str):
    """The trained refiner of a run, with its averaged weights.

    Args:
        run_dir: folder that ``apps/refine_images.py`` wrote.

    Returns:
        (refiner, ``RefinementDescription``).

    Raises:
        ValueError: if the folder holds no such run, or its weights cannot be read.
    """
    description = runs.describe_run(run_dir, RefinementDescription)
    refiner, _ = description.build()
    runs.load_trained(refiner, run_dir, "refiner")
    return refiner, description
