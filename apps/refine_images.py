"""Trains a refiner that makes simulated pictures look real, and refines with it.

    python apps/refine_images.py --model=simgan_eye --dataset=rendered_digits \
        --real_dataset=digits --batch_size=32 --buffer_size=3200 --optimizer=adam \
        --learning_rate=5e-4 --refiner_pretraining=104 --discriminator_pretraining=52 \
        --builder_args='{"refiner": {"filters": 24}, "discriminator": {"filters":
        [48, 32, 32, 32], "strides": [1, 2, 1, 1]}}' --output_dir=runs/refined_digits

takes one to two minutes on two cores (10 epochs of 52 steps).

``--model`` takes a row of ``keras_cnns.trainers.refinement_models.MODELS``, networks
and hyper-parameters as the paper has them; explicit flags win. ``--dataset`` is the
simulated set, ``--real_dataset`` the real one, whose labels are not used; both may be
image folders. An epoch shows each simulated picture once; the first steps are those of
``--refiner_pretraining``, then those of ``--discriminator_pretraining``.

The folder then holds ``refined/<split>/<class>/<number>.png``, the refined pictures of
``--split`` (default: the training split): ``refined`` is itself a data set for every
app. Besides ``refiner.h5`` (averaged weights, where ``--ema_decay`` asks for them) and
``discriminator.h5``, ``samples/`` with simulated pictures above refined ones, real ones
beside, after each epoch, ``metrics.csv``, ``training_curves.png``, ``run.json``,
``logs/`` for TensorBoard and ``checkpoints/``, from which ``--resume`` goes on. A
finished run that is resumed refines another ``--split`` or ``--refined_dataset``; what
is in ``refined/<split>`` is never overwritten.
"""

import contextlib
import os
import types

import flag_definitions
import numpy as np
import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns import data, export, inspection, metrics, trainers
from keras_cnns.data import sources
from keras_cnns.trainers import (
    callbacks,
    distribution,
    optimizers,
    refinement_models,
    resumable,
    run_setup,
    runs,
)

_GRID_ROWS = 4  # of simulated and refined pictures each


def run(
    model,
    dataset,
    real_dataset,
    output_dir,
    builder_args="",
    data_dir=None,
    train_split="train",
    real_split="train",
    image_size=0,
    channels=0,
    augmentation="",
    refiner_steps=2,
    discriminator_steps=1,
    regularization_weight=0.5,
    features="identity",
    buffer_size=12_800,
    refiner_pretraining=1000,
    discriminator_pretraining=200,
    instance_noise=0.0,
    instance_noise_epochs=0.0,
    batch_size=512,
    epochs=10,
    optimizer="sgd",
    learning_rate=1e-3,
    discriminator_learning_rate=0.0,
    momentum=0.0,
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
    enable_xla=False,
    mixed_precision="",
    deterministic=False,
    seed=0,
    resume=False,
    checkpoint_interval=0,
    split="",
    refined_dataset="",
    export_dir="",
):
    """Trains and refines; the parameters are the flags.

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
    pair = (
        data.open_source(dataset, train_split, data_dir, labelled=False),
        data.open_source(real_dataset, real_split, data_dir, labelled=False),
    )
    refined_source = data.open_source(
        refined_dataset or dataset, split or train_split, data_dir, labelled=False
    )
    steps_per_epoch = _steps_per_epoch(flags, pair)
    folder = _refined_folder(flags, refined_source)
    run_setup.claim_folder(output_dir, resume)
    with contextlib.ExitStack() as stack:
        for source in (*pair, refined_source):
            stack.enter_context(sources.naming_bad_images(source.name))
        kind = refinement_models.RefinementDescription
        record = runs.read_record(output_dir, kind) if resume else None
        description = _description(flags, pair, record)
        with strategy.scope():
            trainer = _trainer(flags, description, steps_per_epoch)
        if is_chief and not record:
            runs.write_record(output_dir, vars(flags), description)
        progress = resumable.fit_resumable(
            trainer,
            lambda step: _batches(flags, pair, description.preprocessing, step),
            run_dir=output_dir,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            checkpoint_interval=checkpoint_interval,
            is_chief=is_chief,
            further_callbacks=[
                _sample_grids(flags, trainer, pair, description, is_chief)
            ],
        )
        keras.mixed_precision.set_global_policy("float32")
        if is_chief:
            _finish(flags, progress, refined_source, folder)
    return progress


def _check(flags, strategy):
    """Refuses what would only show after some work."""
    run_setup.check_batch_size(flags.batch_size, strategy)
    for name in ("epochs", "grid_columns", "refiner_steps", "discriminator_steps"):
        if getattr(flags, name) < 1:
            raise ValueError(f"{name} must be at least 1, got {getattr(flags, name)}")
    replicas = strategy.num_replicas_in_sync
    new = replicas * -(-flags.batch_size // replicas // 2)
    if flags.buffer_size % new:
        raise ValueError(
            f"buffer_size={flags.buffer_size} must be a multiple of {new}, the refined "
            "pictures that it takes in at a time, half a batch"
        )
    run_setup.check_instance_noise(flags)
    data.Augmentation(flags.augmentation)


def _minibatches(flags):
    """Minibatches of simulated and of real pictures in a step."""
    real = flags.discriminator_steps
    return flags.refiner_steps + real, real


def _steps_per_epoch(flags, pair):
    """Steps in which each simulated picture is taken once."""
    minibatches = _minibatches(flags)
    for source, count in zip(pair, minibatches):
        if source.num_examples < count * flags.batch_size:
            raise ValueError(
                f"a step takes {count} times batch_size={flags.batch_size} pictures of "
                f"{source.name} {source.split}, which has {source.num_examples}"
            )
    steps = pair[0].num_examples // (minibatches[0] * flags.batch_size)
    alone = flags.refiner_pretraining + flags.discriminator_pretraining
    if flags.epochs * steps <= alone:
        raise ValueError(
            f"epochs={flags.epochs} of {steps} steps end within the pretraining of "
            f"{alone} steps; give more epochs, or less of refiner_pretraining and "
            "discriminator_pretraining"
        )
    return steps


def _refined_folder(flags, source):
    """Where the refined pictures go; those of an earlier run are left alone.

    Raises:
        ValueError: if such are there, and others are asked for.
    """
    folder = os.path.join(flags.output_dir, "refined", source.split.partition("[")[0])
    if os.path.exists(folder) and (flags.split or flags.refined_dataset):
        raise ValueError(
            f"{folder} holds pictures already; move it away to refine "
            f"{source.name} {source.split}"
        )
    return folder


def _description(flags, pair, record):
    """The networks and how they are fed: from the record, else from the flags."""
    if record is None:
        return refinement_models.describe(
            flags.model,
            *pair,
            builder_args=flags.builder_args,
            image_size=flags.image_size,
            channels=flags.channels,
        )
    stored, description = record
    simulated, real = pair
    facts = [
        ("classes of the data", description.class_names, simulated.class_names),
        ("number of examples", description.num_examples, simulated.num_examples),
        ("number of real ones", description.num_real_examples, real.num_examples),
    ]
    run_setup.check_unchanged(stored, vars(flags), facts)
    return description


def _trainer(flags, description, steps_per_epoch):
    """Networks, optimizers and trainer; within the strategy's scope."""
    networks = description.build()
    trainer = trainers.SimGAN(
        *networks,
        regularization_weight=flags.regularization_weight,
        features=flags.features,
        refiner_steps=flags.refiner_steps,
        discriminator_steps=flags.discriminator_steps,
        buffer_size=flags.buffer_size,
        refiner_pretraining=flags.refiner_pretraining,
        discriminator_pretraining=flags.discriminator_pretraining,
        instance_noise=run_setup.make_instance_noise(flags, steps_per_epoch),
        ema_decay=flags.ema_decay,
        enable_xla=flags.enable_xla,
        seed=flags.seed,
    )
    steps = flags.epochs * steps_per_epoch

    def optimizer(learning_rate, updates_per_step, steps_without):
        return run_setup.make_optimizer(
            flags,
            learning_rate,
            updates=(steps - steps_without) * updates_per_step,
            updates_per_epoch=steps_per_epoch * updates_per_step,
        )

    trainer.compile(
        optimizer(
            flags.learning_rate, flags.refiner_steps, flags.discriminator_pretraining
        ),
        optimizer(
            flags.discriminator_learning_rate or flags.learning_rate,
            flags.discriminator_steps,
            flags.refiner_pretraining,
        ),
    )
    for network in networks:
        count = sum(int(tf.size(w)) for w in network.trainable_weights)
        logging.info("%s: %s parameters", network.name, f"{count:,}")
    return trainer


def _pictures(flags, source, batch_size, preprocessing, seed, start_step=0):
    """Batches of pictures without their labels."""
    return data.load_training(
        source,
        batch_size,
        start_step,
        preprocessing=preprocessing,
        augmentation=data.Augmentation(flags.augmentation),
        seed=seed,
    ).map(lambda images, labels: images)


def _batches(flags, pair, preprocessing, start_step):
    """Endless stream of (simulated pictures, real ones), from a step on."""
    streams = [
        _pictures(
            flags,
            source,
            count * flags.batch_size,
            preprocessing,
            flags.seed + number,
            start_step,
        )
        for number, (source, count) in enumerate(zip(pair, _minibatches(flags)))
    ]
    return tf.data.Dataset.zip(tuple(streams))


def _sample_grids(flags, trainer, pair, description, is_chief):
    """Rows of simulated pictures above refined ones, and real ones beside both."""
    columns = flags.grid_columns
    simulated, real = (
        _fixed_pictures(flags, source, rows * columns, description.preprocessing)
        for source, rows in zip(pair, (_GRID_ROWS, 2 * _GRID_ROWS))
    )

    def write(refined, path):
        inspection.refinement_grid(simulated, refined, real, path, columns)

    return callbacks.EpochSamples(
        lambda: trainer.refine(simulated),
        write,
        os.path.join(flags.output_dir, "samples"),
        is_chief=is_chief,
    )


def _fixed_pictures(flags, source, count, preprocessing):
    """Pictures of all classes, the same in every run; repeated where there are few."""
    available = min(count, source.num_examples)
    batches = _pictures(flags, source, available, preprocessing, flags.seed)
    return next(iter(batches)).numpy()[np.arange(count) % available]


def _finish(flags, progress, source, folder):
    """Curves, refined pictures, and the export."""
    metrics.plot_training_curves(
        progress["history"], os.path.join(flags.output_dir, "training_curves.png")
    )
    if os.path.exists(folder):
        print(f"{folder} is there already and stays as it is")
    else:
        refiner, description = refinement_models.load_refiner(flags.output_dir)
        count = inspection.refine_source(
            refiner, description.preprocessing, source, folder
        )
        print(f"{count} refined pictures are in {folder}")
    print(f"everything is in {flags.output_dir}")
    if flags.export_dir:
        path, difference = export.export_refiner_run(flags.output_dir, flags.export_dir)
        print(f"exported and verified: {path} (largest difference {difference:.1g})")


def _with_defaults(values, given):
    """Flag values from a resumed run or the model's paper, where none were given."""
    values = run_setup.with_defaults(
        values,
        given,
        refinement_models.RefinementDescription,
        lambda values: refinement_models.find_model(values["model"]).flags,
    )
    known = {*optimizers.OPTIMIZERS, *optimizers.SCHEDULES}
    flag_definitions.check_used(values, given, optimizers.USED_BY, known)
    return values


def main():
    """Turns the command line into a call of ``run``."""
    flag_definitions.start(run, _with_defaults)


if __name__ == "__main__":
    main()
