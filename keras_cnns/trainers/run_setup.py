"""How a training run begins: checks, settings, and what a resumed one must keep."""

import os

import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns.trainers import optimizers, runs
from keras_cnns.trainers.checkpoints import list_steps
from keras_cnns.trainers.step_noise import InstanceNoise

# What may differ when a run is resumed; everything else decides how it goes on.
FREE_ON_RESUME = {
    "resume",
    "data_dir",
    "output_dir",
    "checkpoint_interval",
    "export_dir",
    "refined_dataset",
    "split",
    "warmup_requests",
    "distribution_strategy",
    "enable_xla",
}

# The others would want a weight decay, which is no part of these trainings.
ADVERSARIAL_OPTIMIZERS = ("adadelta", "sgd", "rmsprop", "adam")


def check_batch_size(batch_size: int, strategy) -> None:
    """Refuses a batch that replicas cannot share equally."""
    replicas = strategy.num_replicas_in_sync
    if batch_size < 1 or batch_size % replicas:
        raise ValueError(
            f"batch_size={batch_size} must be a positive multiple of the number of "
            f"replicas, {replicas}"
        )


def claim_folder(run_dir: str, resume: bool) -> None:
    """Makes the folder of a run.

    Raises:
        ValueError: if it holds a run that is not to be resumed.
        OSError: if it cannot be made.
    """
    is_used = list_steps(os.path.join(run_dir, "checkpoints")) or os.path.isfile(
        os.path.join(run_dir, runs.RECORD)
    )
    if is_used and not resume:
        raise ValueError(
            f"{run_dir} already holds a run; give --resume to go on with it, or "
            "another --output_dir"
        )
    if resume and not is_used:
        logging.info("nothing to resume in %s: a new run", run_dir)
    os.makedirs(run_dir, exist_ok=True)


def make_deterministic() -> None:
    """Makes operations give the same bits in every run; call before anything else.

    One operation at a time: oneDNN sums over as many threads as are free, so that two
    that overlap (both passes of a critic, for example) round differently from run to
    run, in spite of TensorFlow's own switch.
    """
    tf.config.experimental.enable_op_determinism()
    try:
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        logging.warning(
            "TensorFlow runs already, so that operations may overlap: results may "
            "differ in the last bits"
        )


def set_up_process(seed: int, mixed_precision: str = "") -> None:
    """Process-wide settings: seeds, random generators that resume, precision.

    Raises:
        ValueError: if the precision is unknown.
    """
    if mixed_precision not in ("", "float16", "bfloat16"):
        raise ValueError(
            f"mixed_precision must be float16, bfloat16 or empty, got "
            f"{mixed_precision!r}"
        )
    keras.utils.set_random_seed(seed)
    keras.backend.experimental.enable_tf_random_generator()
    keras.mixed_precision.set_global_policy(
        f"mixed_{mixed_precision}" if mixed_precision else "float32"
    )


def with_defaults(values: dict, given, kind, find_defaults) -> dict:
    """Flag values, where none were given those of the resumed run or of the model.

    Args:
        values: of all flags, ``model``, ``output_dir`` and ``resume`` among them.
        given: names of the flags on the command line.
        kind: class of the run's description, as ``runs.read_record`` takes it.
        find_defaults: function of the values to those of the model's paper.
    """
    stored = None
    if values["resume"] and values["output_dir"]:
        stored = runs.read_record(values["output_dir"], kind)
    if stored:
        base = {k: v for k, v in stored[0].items() if k not in FREE_ON_RESUME}
    else:
        base = find_defaults(values) if values["model"] else {}
    return {**values, **{k: v for k, v in base.items() if k not in given}}


def check_instance_noise(flags) -> None:
    """Refuses a deviation without epochs, epochs without one, and negative ones."""
    given = (flags.instance_noise, flags.instance_noise_epochs)
    if min(given) < 0 or (given[0] > 0) != (given[1] > 0):
        raise ValueError(
            "instance_noise and instance_noise_epochs must both be positive or both be "
            f"0, got {given[0]} and {given[1]}"
        )


def make_instance_noise(flags, steps_per_epoch: int):
    """The ``InstanceNoise`` that the flags ask for; None if they do not."""
    if not flags.instance_noise:
        return None
    steps = max(1, round(flags.instance_noise_epochs * steps_per_epoch))
    return InstanceNoise(flags.instance_noise, 0.0, steps)


def make_optimizer(flags, learning_rate, updates: int, updates_per_epoch: float):
    """The optimizer of an adversarial or an inpainting network, as the flags say.

    Args:
        flags: object with the optimizer's and the schedule's flags.
        learning_rate: at its highest; or a schedule, instead of that of the flags.
        updates: of this network in the whole run.
        updates_per_epoch: of it in an epoch.

    Raises:
        ValueError: if the flags name no such optimizer or schedule.
    """
    if flags.optimizer not in ADVERSARIAL_OPTIMIZERS:
        raise ValueError(
            f"optimizer must be one of {', '.join(ADVERSARIAL_OPTIMIZERS)} in "
            f"adversarial training and inpainting, got {flags.optimizer!r}"
        )
    rate = learning_rate
    if not isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
        rate = optimizers.make_schedule(
            flags.schedule,
            learning_rate,
            updates,
            decay_rate=flags.decay_rate,
            decay_steps=round(flags.decay_epochs * updates_per_epoch),
        )
    return optimizers.make_optimizer(
        flags.optimizer,
        rate,
        momentum=flags.momentum,
        nesterov=flags.nesterov,
        rho=flags.rho,
        beta_1=flags.beta_1,
        beta_2=flags.beta_2,
        epsilon=flags.epsilon,
    )


def check_unchanged(stored: dict, flags: dict, facts=()) -> None:
    """Refuses to resume a run with what would make it another one.

    Args:
        stored: flags that the run was started with.
        flags: flags now.
        facts: (what, value then, value now) of the data.

    Raises:
        ValueError: naming all that differs.
    """
    changed = [
        f"{name} was {stored.get(name)!r}, is {value!r}"
        for name, value in flags.items()
        if name not in FREE_ON_RESUME and stored.get(name) != value
    ]
    changed += [
        f"the {what} was {was!r}, is {now!r}" for what, was, now in facts if was != now
    ]
    if changed:
        raise ValueError(
            "a resumed run must go on as it began; " + "; ".join(changed) + ". Undo "
            "that, or start anew in another --output_dir"
        )
