"""How an inpainting run begins: from flags to holes, features, optimizers, trainer.

``flags`` are an object with the parameters of ``apps/train_inpainter.py``.
"""

import types

import tensorflow as tf
from absl import logging

from keras_cnns import applications
from keras_cnns.data import MaskRecipe
from keras_cnns.trainers import distribution, inpainting_models, run_setup
from keras_cnns.trainers.feature_networks import run_features, vgg16_features

_FEATURE_USERS = inpainting_models.USED_BY["perceptual_weight"][1]
_BY_TRAINER = {
    **inpainting_models.USED_BY,
    "feature_weights": ("trainer", _FEATURE_USERS),
    "feature_run": ("trainer", _FEATURE_USERS),
    "feature_layers": ("trainer", _FEATURE_USERS),
    "patch_size": ("trainer", ("global_local", "contextual_attention")),
}
# Flags that act with some models only: flag, what decides, and which ones use it.
USED_BY = {
    flag: (
        "model",
        tuple(n for n, row in inpainting_models.MODELS.items() if row.trainer in users),
    )
    for flag, (_, users) in _BY_TRAINER.items()
}


# Flags that do nothing where all of others are 0 or empty.
_WITHOUT = {
    "second_stage_learning_rate": ("second_stage_share",),
    "compare_composite": ("perceptual_weight", "style_weight"),
    "validation_pictures": ("validation_split",),
}


def check_idle(values: dict, given) -> None:
    """Refuses flags that were given for what other flags switch off.

    Args:
        values: of all flags.
        given: names of those on the command line.

    Raises:
        ValueError: naming the flags.
    """
    for flag, needed in _WITHOUT.items():
        if flag in given and not any(values[name] for name in needed):
            off = " and ".join(f"--{name}={values[name]}" for name in needed)
            raise ValueError(
                f"--{flag}={values[flag]} has no effect with {off}; leave it out, or "
                f"set {' or '.join(needed)}"
            )


def source_flags(model: str, given=()) -> dict:
    """Flag values that the source of a model gives, those of its holes among them.

    Args:
        model: key of ``inpainting_models.MODELS``.
        given: names of flags that are set otherwise; holes of another kind leave the
            model's sizes of holes out.

    Raises:
        ValueError: if the model is unknown.
    """
    row = inpainting_models.find_model(model)
    if "mask_kinds" in given:
        return row.flags
    holes = {k: ",".join(map(str, v)) for k, v in row.masks.items() if k != "kinds"}
    return {**row.flags, **holes, "mask_kinds": row.masks["kinds"]}


def mask_recipe(flags) -> MaskRecipe:
    """Where the holes come from.

    Raises:
        ValueError: if a kind is unknown or a range is none.
    """
    ranges = {
        name: _parse_range(name, getattr(flags, name))
        for name in ("hole_ratios", "rectangle_sides")
    }
    return MaskRecipe(flags.mask_kinds, **ranges)


def _parse_range(name, text):
    """(smallest, largest); None of an empty text."""
    if not text:
        return None
    try:
        low, high = map(float, text.split(","))
    except ValueError as error:
        raise ValueError(
            f"{name} must be two numbers such as 0.1,0.3, got {text!r}"
        ) from error
    return low, high


def minibatches_per_step(flags) -> int:
    """Minibatches that a step takes, one for each update of an opponent."""
    users = USED_BY["discriminator_steps"][1]
    return flags.discriminator_steps if flags.model in users else 1


def check_features(flags) -> None:
    """Refuses losses on features without a classifier, and the other way round.

    Raises:
        ValueError: naming the flags.
    """
    given = [
        f"{name}={getattr(flags, name)!r}"
        for name in ("feature_weights", "feature_run")
        if getattr(flags, name)
    ]
    who, needed = flags.model, False
    if flags.model in USED_BY["feature_run"][1]:
        who = (
            f"perceptual_weight={flags.perceptual_weight} and "
            f"style_weight={flags.style_weight}"
        )
        needed = flags.perceptual_weight or flags.style_weight
    if len(given) > 1:
        raise ValueError(f"give {given[0]} or {given[1]}, not both")
    if needed and not given:
        raise ValueError(
            f"{who} need the features of a classifier: give feature_weights "
            "(imagenet, torchvision or a file of VGG16) or feature_run, or set both "
            "weights to 0"
        )
    if given and not needed:
        raise ValueError(f"{given[0]} has no effect with {who}; leave it out")
    if flags.feature_layers and not flags.feature_run:
        raise ValueError(
            f"feature_layers={flags.feature_layers!r} are those of a feature_run, "
            "which is not given"
        )


def make_feature_network(flags):
    """The classifier of the losses, within the strategy's scope.

    Returns:
        ``FeatureNetwork``; None without any.

    Raises:
        ValueError: if the weights or the run cannot be used.
        OSError: if weights can neither be found nor downloaded.
    """
    row = inpainting_models.find_model(flags.model)
    info = applications.model_info(row.network)
    if flags.feature_weights:
        return vgg16_features(flags.feature_weights, value_range=info.preprocessing)
    if flags.feature_run:
        size = (flags.image_size,) * 2 if flags.image_size else info.input_shape[:2]
        names = [name.strip() for name in flags.feature_layers.split(",")]
        return run_features(
            flags.feature_run,
            size=size,
            layers=[name for name in names if name],
            value_range=info.preprocessing,
        )
    return None


def make_trainer(flags, description, features, steps_per_epoch):
    """Networks, optimizers and the compiled trainer, within the strategy's scope.

    Args:
        flags: as everywhere here.
        description: ``InpaintingDescription``.
        features: ``FeatureNetwork`` or None.
        steps_per_epoch: of the run.

    Raises:
        ValueError: if a flag is bad.
    """
    kind = inpainting_models.find_model(description.model).trainer
    networks = description.build()
    if features is not None:
        features.check_channels(description.preprocessing.channels)
    if flags.sync_batch_norm:
        networks = tuple(map(distribution.synchronize_batch_norm, networks))
    options = inpainting_models.trainer_options(
        kind, vars(flags), flags.epochs * steps_per_epoch
    )
    optimizers = [_network_optimizer(flags, kind, options, steps_per_epoch)]
    if len(networks) > 1:
        optimizers.append(_opponent_optimizer(flags, options, steps_per_epoch))
    if kind in _FEATURE_USERS:
        options["feature_network"] = features
    trainer = inpainting_models.TRAINERS[kind](
        *networks,
        value_range=description.value_range,
        ema_decay=flags.ema_decay,
        enable_xla=flags.enable_xla,
        seed=flags.seed,
        **options,
    )
    trainer.compile(*optimizers)
    for network in networks:
        count = sum(int(tf.size(w)) for w in network.trainable_weights)
        logging.info("%s: %s parameters", network.name, f"{count:,}")
    return trainer


def _network_optimizer(flags, kind, options, steps_per_epoch):
    """It rests while the opponent trains alone."""
    rate = flags.learning_rate
    if kind == "reconstruction" and flags.second_stage_share:
        if flags.schedule != "constant":
            raise ValueError(
                f"schedule={flags.schedule!r} cannot be combined with "
                f"second_stage_share={flags.second_stage_share}, which sets the rate; "
                "take constant, or a share of 0"
            )
        rate = inpainting_models.two_stage_rate(
            rate, flags.second_stage_learning_rate, options["second_stage_start"]
        )
    steps = flags.epochs * steps_per_epoch - options.get("discriminator_alone_steps", 0)
    return run_setup.make_optimizer(flags, rate, max(1, steps), steps_per_epoch)


def _opponent_optimizer(flags, options, steps_per_epoch):
    """It rests while the network trains alone."""
    own = types.SimpleNamespace(**vars(flags))
    if flags.discriminator_beta_1 is not None:
        own.beta_1 = flags.discriminator_beta_1
    rate = flags.discriminator_learning_rate or flags.learning_rate
    each = options.get("discriminator_steps", 1)
    steps = flags.epochs * steps_per_epoch - options.get("completion_steps", 0)
    return run_setup.make_optimizer(
        own, rate, max(1, steps * each), steps_per_epoch * each
    )
