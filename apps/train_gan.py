"""Trains a generative adversarial network on pictures.

    python apps/train_gan.py --model=dcgan32 --image_size=28 --dataset=fashion_mnist \
        --epochs=5 --output_dir=runs/dcgan

``--model`` takes a row of ``keras_cnns.trainers.generative_models.MODELS``, networks
and hyper-parameters as its paper has them; explicit flags win. ``--trainer`` trains the
networks by another algorithm, with the hyper-parameters of that one's paper. The
pictures' size may differ from the paper's; only conditional models need labels.

The folder then holds ``generator.h5`` (averaged weights, where ``--ema_decay`` asks for
them) and ``discriminator.h5``, ``samples/`` with a grid after each epoch, always of the
same latents, ``metrics.csv``, ``training_curves.png``, ``run.json``, ``logs/`` for
TensorBoard and ``checkpoints/``, from which ``--resume`` goes on. An epoch shows each
picture once to the discriminator.
"""

import functools
import os
import types

import flag_definitions
import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns import data, export, inspection, metrics
from keras_cnns.data import sources
from keras_cnns.trainers import (
    callbacks,
    distribution,
    generative_models,
    generative_runs,
    optimizers,
    resumable,
    run_setup,
    runs,
)


def run(
    model,
    dataset,
    output_dir,
    trainer="",
    builder_args="",
    data_dir=None,
    train_split="train",
    image_size=0,
    channels=0,
    augmentation="",
    discriminator_steps=1,
    generator_loss="non_saturating",
    clip_value=0.01,
    critic_warm_up=False,
    penalty_weight=10.0,
    instance_noise=0.0,
    instance_noise_epochs=0.0,
    batch_size=64,
    epochs=10,
    optimizer="adam",
    learning_rate=2e-4,
    discriminator_learning_rate=0.0,
    momentum=0.5,
    nesterov=False,
    rho=0.9,
    beta_1=0.5,
    beta_2=0.999,
    epsilon=1e-7,
    schedule="constant",
    decay_rate=0.1,
    decay_epochs=1.0,
    ema_decay=0.0,
    grid_columns=8,
    distribution_strategy="one_device",
    sync_batch_norm=False,
    enable_xla=False,
    mixed_precision="",
    deterministic=False,
    seed=0,
    resume=False,
    checkpoint_interval=0,
    export_dir="",
):
    """Trains; the parameters are the flags.

    Returns:
        The run's progress, with ``history``.
    """
    flags = types.SimpleNamespace(**locals())
    if deterministic:
        run_setup.make_deterministic()
    strategy = distribution.make_strategy(distribution_strategy)
    _check(flags, strategy)
    run_setup.set_up_process(seed, mixed_precision)
    is_chief = distribution.is_chief(strategy)
    source = data.open_source(dataset, train_split, data_dir, labelled=False)
    batch = batch_size * discriminator_steps
    if source.num_examples < batch:
        raise ValueError(
            f"batch_size={batch_size} times discriminator_steps={discriminator_steps} "
            f"is more than the {source.num_examples} pictures of {dataset} "
            f"{train_split}"
        )
    run_setup.claim_folder(output_dir, resume)
    with sources.naming_bad_images(dataset):
        kind = generative_runs.GenerativeDescription
        record = runs.read_record(output_dir, kind) if resume else None
        description = _description(flags, source, record)
        with strategy.scope():
            adversary = _trainer(flags, description)
        if is_chief and not record:
            runs.write_record(output_dir, vars(flags), description)
        progress = resumable.fit_resumable(
            adversary,
            functools.partial(
                data.load_training,
                source,
                batch,
                preprocessing=description.preprocessing,
                augmentation=data.Augmentation(augmentation),
                seed=seed,
            ),
            run_dir=output_dir,
            epochs=epochs,
            steps_per_epoch=source.num_examples // batch,
            checkpoint_interval=checkpoint_interval,
            is_chief=is_chief,
            further_callbacks=[_sample_grids(flags, adversary, description, is_chief)],
        )
    keras.mixed_precision.set_global_policy("float32")
    if is_chief:
        _finish(flags, progress)
    return progress


def _check(flags, strategy):
    """Refuses what would only show after some work."""
    run_setup.check_batch_size(flags.batch_size, strategy)
    for name in ("epochs", "discriminator_steps", "grid_columns"):
        if getattr(flags, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(flags, name)}")
    run_setup.check_instance_noise(flags)
    data.Augmentation(flags.augmentation)


def _description(flags, source, record):
    """The networks and how they are fed: from the record, else from the flags."""
    if record is None:
        return generative_runs.describe(
            flags.model,
            source,
            trainer=flags.trainer,
            builder_args=flags.builder_args,
            image_size=flags.image_size,
            channels=flags.channels,
        )
    stored, description = record
    facts = [
        ("classes of the data", description.class_names, source.class_names),
        ("number of examples", description.num_examples, source.num_examples),
    ]
    run_setup.check_unchanged(stored, vars(flags), facts)
    return description


def _trainer(flags, description):
    """Networks, optimizers and trainer; within the strategy's scope."""
    generator, discriminator, latents = description.build()
    steps_per_epoch = description.num_examples // (
        flags.batch_size * flags.discriminator_steps
    )
    if flags.sync_batch_norm:
        generator, discriminator = map(
            distribution.synchronize_batch_norm, (generator, discriminator)
        )
    own = {
        name: getattr(flags, name)
        for name, (_, users) in generative_models.USED_BY.items()
        if description.trainer in users
    }
    kind = generative_models.TRAINERS[description.trainer]
    trainer = kind(
        generator,
        discriminator,
        latents=latents,
        discriminator_steps=flags.discriminator_steps,
        instance_noise=run_setup.make_instance_noise(flags, steps_per_epoch),
        ema_decay=flags.ema_decay,
        enable_xla=flags.enable_xla,
        seed=flags.seed,
        **own,
    )
    steps = (flags.epochs * steps_per_epoch, flags.discriminator_steps)
    warm_up = {k: v for k, v in own.items() if k == "critic_warm_up"}
    rates = (
        flags.learning_rate,
        flags.discriminator_learning_rate or flags.learning_rate,
    )
    trainer.compile(
        *(
            run_setup.make_optimizer(flags, rate, updates, updates / flags.epochs)
            for rate, updates in zip(rates, kind.count_updates(*steps, **warm_up))
        )
    )
    for network in (generator, discriminator):
        logging.info(
            "%s: %s parameters",
            network.name,
            f"{sum(int(tf.size(w)) for w in network.trainable_weights):,}",
        )
    return trainer


def _sample_grids(flags, trainer, description, is_chief):
    """A grid of samples after each epoch; of a conditional one, a class per column."""
    columns = flags.grid_columns
    labels = None
    if trainer.is_conditional:
        labels = [i % columns % len(description.class_names) for i in range(columns**2)]

    def write(pictures, path):
        inspection.picture_grid(
            pictures, path, columns, value_range=description.value_range
        )

    return callbacks.EpochSamples(
        lambda: trainer.sample(columns**2, seed=flags.seed, labels=labels),
        write,
        os.path.join(flags.output_dir, "samples"),
        is_chief=is_chief,
    )


def _finish(flags, progress):
    """Curves, and the export."""
    metrics.plot_training_curves(
        progress["history"], os.path.join(flags.output_dir, "training_curves.png")
    )
    print(f"everything is in {flags.output_dir}")
    if flags.export_dir:
        path, difference = export.export_generator_run(
            flags.output_dir, flags.export_dir
        )
        print(f"exported and verified: {path} (largest difference {difference:.1g})")


def _with_defaults(values, given):
    """Flag values from a resumed run or the model's paper, where none were given."""
    values = run_setup.with_defaults(
        values,
        given,
        generative_runs.GenerativeDescription,
        lambda values: generative_models.paper_flags(
            values["model"], values["trainer"]
        ),
    )
    deciders = dict(values)
    if values["model"] and not values["trainer"]:
        deciders["trainer"] = generative_models.find_model(values["model"]).trainer
    known = {
        *optimizers.OPTIMIZERS,
        *optimizers.SCHEDULES,
        *generative_models.TRAINERS,
    }
    used_by = {**optimizers.USED_BY, **generative_models.USED_BY}
    flag_definitions.check_used(deciders, given, used_by, known)
    return values


def main():
    """Turns the command line into a call of ``run``."""
    flag_definitions.start(run, _with_defaults)


if __name__ == "__main__":
    main()
