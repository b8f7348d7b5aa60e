"""Trains an image classifier.

    python apps/train_classifier.py --model=cifar_densenet_bc40_k12 --dataset=digits \
        --epochs=15 --batch_size=64 --augmentation=pad_crop:1 --output_dir=runs/digits

reaches about 99 % test accuracy on the digits in about a minute on two cores. The
folder then holds ``best.h5`` and ``last.h5`` (weights), ``metrics.csv``,
``learning_curves.png``, ``confusion_matrix.png``, ``run.json``, ``logs/`` for
TensorBoard and ``checkpoints/``, from which ``--resume`` goes on.
"""

import dataclasses
import functools
import os
import types

import flag_definitions
import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns import applications, data, export, metrics, trainers
from keras_cnns.data import sources
from keras_cnns.trainers import (
    distribution,
    optimizers,
    recipes,
    resumable,
    run_setup,
    runs,
)


def run(
    model,
    dataset,
    output_dir,
    builder_args="",
    init_weights="",
    freeze="",
    data_dir=None,
    train_split="train",
    validation_split="test",
    image_size=0,
    channels=0,
    preprocessing="",
    augmentation="",
    mixup_alpha=0.0,
    label_smoothing=0.0,
    auxiliary_weight=0.0,
    batch_size=64,
    epochs=10,
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
    nesterov=True,
    epsilon=1e-7,
    weight_decay=1e-4,
    weight_decay_scope="all",
    schedule="cosine",
    boundaries="0.5,0.75",
    decay_rate=0.1,
    decay_epochs=1.0,
    warmup_epochs=0.0,
    gradient_clip_norm=0.0,
    ema_decay=0.0,
    early_stopping=0,
    distribution_strategy="one_device",
    sync_batch_norm=False,
    enable_xla=False,
    mixed_precision="",
    deterministic=False,
    seed=0,
    resume=False,
    checkpoint_interval=0,
    export_dir="",
    warmup_requests=1,
):
    """Trains; the parameters are the flags.

    Returns:
        The run's progress, with ``history`` and, in the chief process, ``report``.
    """
    flags = types.SimpleNamespace(**locals())
    if deterministic:
        run_setup.make_deterministic()
    strategy = distribution.make_strategy(distribution_strategy)
    _check(flags, strategy)
    run_setup.set_up_process(seed, mixed_precision)
    is_chief = distribution.is_chief(strategy)
    source = data.open_source(dataset, train_split, data_dir)
    if source.num_examples < batch_size:
        raise ValueError(
            f"batch_size={batch_size} is larger than the {source.num_examples} "
            f"examples of {dataset} {train_split}"
        )
    with sources.naming_bad_images(dataset):
        record = runs.read_record(output_dir) if resume else None
        description = _description(flags, source, record)
        validation = None
        if validation_split:
            validation = data.load(
                dataset,
                validation_split,
                batch_size,
                preprocessing=description.preprocessing,
                data_dir=data_dir,
            )
        with strategy.scope():
            trainer = _trainer(flags, description, is_new=record is None)
        if is_chief and not record:
            runs.write_record(output_dir, vars(flags), description)
        progress = resumable.fit_resumable(
            trainer,
            functools.partial(
                data.load_training,
                source,
                batch_size,
                preprocessing=description.preprocessing,
                augmentation=data.Augmentation(
                    augmentation, mixup_alpha, label_smoothing
                ),
                seed=seed,
            ),
            run_dir=output_dir,
            epochs=epochs,
            steps_per_epoch=source.num_examples // batch_size,
            validation_data=validation,
            checkpoint_interval=checkpoint_interval,
            patience=early_stopping,
            is_chief=is_chief,
        )
    keras.mixed_precision.set_global_policy("float32")
    if is_chief:
        progress["report"] = _finish(flags, progress, validation)
    return progress


def _check(flags, strategy):
    """Refuses what would only show after some work."""
    run_setup.check_batch_size(flags.batch_size, strategy)
    if flags.epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {flags.epochs}")
    decays_itself = optimizers.decays_weights(flags.optimizer)
    if decays_itself and flags.weight_decay_scope != "all":
        raise ValueError(
            f"weight_decay_scope={flags.weight_decay_scope!r} has no effect with "
            f"{flags.optimizer}, which decays all weights itself"
        )
    data.Augmentation(flags.augmentation, flags.mixup_alpha, flags.label_smoothing)
    if flags.export_dir and flags.warmup_requests:
        export.check_warmup_available()
    run_setup.claim_folder(flags.output_dir, flags.resume)


def _description(flags, source, record):
    """The network and how it is fed: from the record, else from the flags."""
    if record is None:
        applications.model_info(flags.model)
        return runs.NetworkDescription(
            flags.model,
            runs.parse_builder_args(flags.builder_args),
            source.class_names,
            _preprocessing(flags, source),
            source.num_examples,
        )
    stored, description = record
    facts = [
        ("classes of the data", description.class_names, source.class_names),
        ("number of examples", description.num_examples, source.num_examples),
    ]
    run_setup.check_unchanged(stored, vars(flags), facts)
    return description


def _preprocessing(flags, source):
    """What the flags ask for, else what the initial weights want, else the data's."""
    info = applications.model_info(flags.model)
    convention = flags.preprocessing
    start = None if convention else _start_of(flags.init_weights)
    if not convention:
        convention = "dataset"
        if flags.init_weights in info.weights:
            public = info.weights[flags.init_weights]
            convention = public.preprocessing or info.preprocessing
    height, width, depth = source.image_shape
    height = flags.image_size or height or info.input_shape[0]
    width = flags.image_size or width or info.input_shape[1]
    depth = flags.channels or (depth if convention == "dataset" else 3)
    if start and start.channels == depth:
        return dataclasses.replace(start, height=height, width=width)
    if convention == "dataset":
        if flags.init_weights:
            logging.info(
                "inputs are standardised by the mean and deviation of the data"
            )
        return data.measure_statistics(source, height, width, depth)
    if convention not in data.CONVENTIONS:
        raise ValueError(
            f"unknown preprocessing {convention!r}; there are dataset, "
            f"{', '.join(data.CONVENTIONS)}"
        )
    return data.Preprocessing(height, width, depth, **data.CONVENTIONS[convention])


def _start_of(init_weights):
    """Preprocessing of the run whose folder or weight file training starts from."""
    folder = init_weights if os.path.isdir(init_weights) else ""
    if os.path.isfile(init_weights):
        folder = os.path.dirname(init_weights)
    record = runs.read_record(folder) if folder else None
    return record[1].preprocessing if record else None


def _trainer(flags, description, is_new):
    """Network, optimizer and trainer; within the strategy's scope."""
    weights = flags.init_weights if is_new else ""
    if os.path.isdir(weights):
        weights = os.path.join(weights, "best.h5")
    network = description.build(weights=weights or None, classifier_activation=None)
    if flags.freeze:
        trainers.freeze_up_to(network, flags.freeze)
    if flags.sync_batch_norm:
        network = distribution.synchronize_batch_norm(network)
    decays_itself = optimizers.decays_weights(flags.optimizer)
    trainer = trainers.ClassificationTrainer(
        network,
        auxiliary_weight=flags.auxiliary_weight,
        weight_decay=0.0 if decays_itself else flags.weight_decay,
        weight_decay_scope=flags.weight_decay_scope,
        gradient_clip_norm=flags.gradient_clip_norm,
        ema_decay=flags.ema_decay,
        enable_xla=flags.enable_xla,
    )
    steps_per_epoch = description.num_examples // flags.batch_size
    rate = optimizers.make_schedule(
        flags.schedule,
        flags.learning_rate,
        flags.epochs * steps_per_epoch,
        warmup_steps=round(flags.warmup_epochs * steps_per_epoch),
        boundaries=tuple(float(share) for share in flags.boundaries.split(",")),
        decay_rate=flags.decay_rate,
        decay_steps=round(flags.decay_epochs * steps_per_epoch),
    )
    trainer.compile(
        optimizers.make_optimizer(
            flags.optimizer,
            rate,
            momentum=flags.momentum,
            nesterov=flags.nesterov,
            epsilon=flags.epsilon,
            weight_decay=flags.weight_decay,
        )
    )
    logging.info(
        "%s: %s parameters, %d examples of %s, %d steps per epoch",
        flags.model,
        f"{sum(int(tf.size(w)) for w in network.trainable_weights):,}",
        description.num_examples,
        flags.dataset,
        steps_per_epoch,
    )
    return trainer


def _finish(flags, progress, validation):
    """Curves, a report on the validation split with the last weights, the export."""
    folder = flags.output_dir
    metrics.plot_learning_curves(
        progress["history"], os.path.join(folder, "learning_curves.png")
    )
    report = None
    if validation is not None:
        network, description = runs.load_run(folder, "last")
        report = metrics.evaluate_classifier(
            network, validation, description.class_names
        )
        metrics.plot_confusion_matrix(
            report, os.path.join(folder, "confusion_matrix.png")
        )
        print(
            f"last epoch: {report.top_1:.2%} of {report.num_examples} correct; best "
            f"epoch was {progress['best_epoch']}; everything is in {folder}"
        )
    if flags.export_dir:
        path, difference = export.export_run(
            folder, flags.export_dir, warmup_requests=flags.warmup_requests
        )
        print(f"exported and verified: {path} (largest difference {difference:.1g})")
    return report


def _with_recipe(values, given):
    """Flag values from a resumed run or a recipe, where the command line has none."""
    name = values.pop("recipe")
    stored = runs.read_record(values["output_dir"] or "") if values["resume"] else None
    base = stored[0] if stored else {}
    base = {k: v for k, v in base.items() if k not in run_setup.FREE_ON_RESUME}
    if name:  # a resumed run refuses what differs from its own values
        base.update(recipes.recipe(name))
    values = {**values, **{k: v for k, v in base.items() if k not in given}}
    known = {*optimizers.OPTIMIZERS, *optimizers.SCHEDULES}
    flag_definitions.check_used(values, given, optimizers.USED_BY, known)
    return values


def main():
    """Turns the command line into a call of ``run``."""
    flag_definitions.start(run, _with_recipe, extra_flags={"recipe": ""})


if __name__ == "__main__":
    main()
