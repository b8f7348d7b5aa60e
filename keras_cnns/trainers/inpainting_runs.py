"""The networks of an inpainting run: described, built and read again."""

import dataclasses

from keras_cnns import applications
from keras_cnns.data import Preprocessing
from keras_cnns.trainers import inpainting_models, runs


@dataclasses.dataclass(frozen=True)
class InpaintingDescription(runs.Description):
    """What it takes to build a run's networks again and to feed them.

    Attributes:
        model: key of ``inpainting_models.MODELS``.
        builder_args: ``{"network": {…}, "discriminator": {…}}``, changes of their
            architectures, by role.
        patch_size: height and width of the patches that opponents see.
        feature_network: what ``FeatureNetwork.record`` tells; None where the losses
            use no features.
        class_names: tuple of names of the pictures' classes.
        preprocessing: how pictures become inputs.
        value_range: ``"signed"`` or ``"unit"``, of the pictures.
        num_examples: size of the training split, which sets the steps of an epoch.
        num_mask_files: masks that holes are taken from; 0 where they are drawn.
    """

    model: str
    builder_args: dict
    patch_size: int
    feature_network: dict
    class_names: tuple
    preprocessing: Preprocessing
    value_range: str
    num_examples: int
    num_mask_files: int = 0

    @property
    def image_shape(self) -> tuple:
        feed = self.preprocessing
        return (feed.height, feed.width, feed.channels)

    def build_network(self, size=None):
        """The network alone.

        Args:
            size: (height, width) other than the run's; (None, None) leaves them open,
                where the network can.

        Raises:
            ValueError: if a builder argument is bad, or the size is none it takes.
        """
        size = self.image_shape[:2] if size is None else tuple(size)
        return applications.create_variant(
            inpainting_models.find_model(self.model).network,
            image_shape=(*size, self.preprocessing.channels),
            **self.builder_args.get("network", {}),
        )

    def build(self) -> tuple:
        """The network and what it trains against, in the order of the trainer.

        Raises:
            ValueError: if a builder argument is bad.
        """
        opponents = inpainting_models.find_model(self.model).opponents
        patches = (self.patch_size, self.patch_size, self.preprocessing.channels)
        built = [self.build_network()]
        for role, name in opponents.items():
            shapes = {"image_shape": self.image_shape}
            if role == "local_critic":
                shapes = {"image_shape": patches}
            if "local_shape" in applications.model_info(name).architecture:
                shapes["local_shape"] = patches
            changes = self.builder_args.get(role, {})
            built.append(applications.create_variant(name, **shapes, **changes))
        return tuple(built)


def describe(
    model: str,
    source,
    *,
    builder_args="",
    image_size=0,
    patch_size=0,
    channels=0,
    feature_network=None,
    num_mask_files=0,
) -> InpaintingDescription:
    """The description of a new run.

    Args:
        model: key of ``inpainting_models.MODELS``.
        source: ``Source`` of the training split.
        builder_args: JSON object of changes for ``network`` and its opponents by role.
        image_size: height and width of the pictures; 0 takes the model's.
        patch_size: of the patches that opponents see; 0: half of the picture's.
        channels: 1 or 3; 0 takes the data's.
        feature_network: ``FeatureNetwork`` of the losses; None: none.
        num_mask_files: of the masks' recipe.

    Raises:
        ValueError: if an argument is bad.
    """
    row = inpainting_models.find_model(model)
    info = applications.model_info(row.network)
    height, width = (image_size, image_size) if image_size else info.input_shape[:2]
    patch_size = patch_size or min(height, width) // 2
    if not 1 <= patch_size <= min(height, width):
        raise ValueError(
            f"patch_size must be from 1 to the pictures' {min(height, width)}, got "
            f"{patch_size!r}"
        )
    channels = channels or source.image_shape[2] or 3
    example = {
        "network": {"filters": [32, 64]},
        **{role: {} for role in row.opponents},
    }
    arguments = runs.parse_builder_args_by_role(builder_args, example)
    own = [role for role in arguments if "local_shape" in arguments[role]]
    if own:
        raise ValueError(
            f"builder_args of the {own[0]} cannot set local_shape: patch_size decides "
            "that"
        )
    return InpaintingDescription(
        model=model,
        builder_args=arguments,
        patch_size=patch_size,
        feature_network=feature_network and feature_network.record(),
        class_names=source.class_names,
        preprocessing=Preprocessing.for_range(
            height, width, channels, info.preprocessing
        ),
        value_range=info.preprocessing,
        num_examples=source.num_examples,
        num_mask_files=num_mask_files,
    )


def load_network(run_dir: str, which: str = "last", size=None):
    """The trained network of a run, with its averaged weights.

    Args:
        run_dir: folder that ``apps/train_inpainter.py`` wrote.
        which: ``"best"``, of the validation's PSNR, or ``"last"`` epoch.
        size: (height, width) of the pictures, as ``build_network`` takes it.

    Returns:
        (network, ``InpaintingDescription``).

    Raises:
        ValueError: if ``which`` is neither, the folder holds no such run, or its
            weights cannot be read.
    """
    if which not in ("best", "last"):
        raise ValueError(f"which must be 'best' or 'last', got {which!r}")
    description = runs.describe_run(run_dir, InpaintingDescription)
    network = description.build_network(size)
    runs.load_trained(network, run_dir, which)
    return network, description
