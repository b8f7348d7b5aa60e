"""Trains an image classifier.

    python apps/train_classifier.py --model=cifar_densenet_bc40_k12 --dataset=digits \
        --epochs=40 --batch_size=64 --augmentation=pad_crop:1 --output_dir=runs/digits

reaches about 99 % test accuracy on the digits in about a minute on two cores. The
folder then holds ``best.h5`` and ``last.h5`` (weights), ``metrics.csv``,
``learning_curves.png``, ``confusion_matrix.png``, ``run.json``, ``logs/`` for
TensorBoard and ``checkpoints/``, from which ``--resume`` goes on.
"""

import json
import os

import flag_definitions
import tensorflow as tf
from absl import logging
from tensorflow import keras

from keras_cnns import applications, data, export, metrics, trainers
from keras_cnns.data import sources
from keras_cnns.trainers import distribution, optimizers, recipes, resumable, runs

# What may differ when a run is resumed; everything else decides how it goes on.
_FREE_ON_RESUME = {
    "resume",
    "data_dir",
    "output_dir",
    "checkpoint_interval",
    "export_dir",
    "distribution_strategy",
    "enable_xla",
    "recipe",
}


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
    batch_size=64,
    epochs=10,
    optimizer="sgd",
    learning_rate=0.1,
    momentum=0.9,
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
    recipe="",
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
        The run's progress, with ``history`` and, in the chief process, ``report``.
    """
    flags = dict(locals())
    if recipe:
        recipes.recipe(recipe)
    strategy = distribution.make_strategy(distribution_strategy)
    is_chief = distribution.is_chief(strategy)
    _check_output_dir(output_dir, resume)
    _check_numbers(batch_size, epochs, strategy)
    _set_up(seed, deterministic, mixed_precision)

    source = sources.open_source(dataset, train_split, data_dir)
    record = runs.read_record(output_dir) if resume else None
    if record:
        _check_unchanged(flags, record[0])
        description = record[1]
    else:
        description = _describe(
            source,
            model,
            builder_args,
            init_weights,
            preprocessing,
            image_size,
            channels,
        )
    steps_per_epoch = source.num_examples // batch_size
    rate = optimizers.make_schedule(
        schedule,
        learning_rate,
        epochs * steps_per_epoch,
        warmup_steps=round(warmup_epochs * steps_per_epoch),
        boundaries=tuple(float(share) for share in boundaries.split(",")),
        decay_rate=decay_rate,
        decay_steps=round(decay_epochs * steps_per_epoch),
    )
    with strategy.scope():
        network = description.build(
            weights=_weights_path(init_weights), classifier_activation=None
        )
        if freeze:
            trainers.freeze_up_to(network, freeze)
        if sync_batch_norm:
            network = distribution.synchronize_batch_norm(network)
        own_decay = optimizers.decays_weights(optimizer)
        trainer = trainers.ClassificationTrainer(
            network,
            weight_decay=0.0 if own_decay else weight_decay,
            weight_decay_scope=weight_decay_scope,
            gradient_clip_norm=gradient_clip_norm,
            ema_decay=ema_decay,
            enable_xla=enable_xla,
        )
        trainer.compile(
            optimizers.make_optimizer(
                optimizer,
                rate,
                momentum=momentum,
                epsilon=epsilon,
                weight_decay=weight_decay,
            )
        )
    if is_chief and not record:
        runs.write_record(output_dir, flags, description)
    logging.info(
        "%s: %s parameters, %d examples of %s, %d steps per epoch",
        model,
        f"{sum(int(tf.size(w)) for w in network.trainable_weights):,}",
        source.num_examples,
        dataset,
        steps_per_epoch,
    )
    prepared = description.preprocessing
    validation = None
    if validation_split:
        validation = data.load(
            dataset,
            validation_split,
            batch_size,
            preprocessing=prepared,
            data_dir=data_dir,
        )
    with sources.naming_bad_images(dataset):
        progress = resumable.fit_resumable(
            trainer,
            source,
            run_dir=output_dir,
            epochs=epochs,
            batch_size=batch_size,
            preprocessing=prepared,
            augmentation=data.Augmentation(augmentation, mixup_alpha, label_smoothing),
            seed=seed,
            validation_data=validation,
            checkpoint_interval=checkpoint_interval,
            patience=early_stopping,
            is_chief=is_chief,
        )
    keras.mixed_precision.set_global_policy("float32")
    if is_chief:
        progress["report"] = _finish(output_dir, progress, validation)
        if export_dir:
            path = export.export_run(output_dir, export_dir)
            print(f"exported and verified: {path}")
    return progress


def _check_output_dir(output_dir, resume):
    if not resume and runs.read_record(output_dir):
        raise ValueError(
            f"{output_dir} already holds a run; give --resume to go on with it, or "
            "another --output_dir"
        )
    os.makedirs(output_dir, exist_ok=True)


def _check_numbers(batch_size, epochs, strategy):
    replicas = strategy.num_replicas_in_sync
    if batch_size < 1 or batch_size % replicas:
        raise ValueError(
            f"batch_size={batch_size} must be a positive multiple of the number of "
            f"replicas, {replicas}"
        )
    if epochs < 1:
        raise ValueError(f"epochs must be at least 1, got {epochs}")


def _set_up(seed, deterministic, mixed_precision):
    """Process-wide settings: seeds, random generators that resume, precision."""
    keras.utils.set_random_seed(seed)
    keras.backend.experimental.enable_tf_random_generator()
    if deterministic:
        tf.config.experimental.enable_op_determinism()
    if mixed_precision not in ("", "float16", "bfloat16"):
        raise ValueError(
            f"mixed_precision must be float16, bfloat16 or empty, got "
            f"{mixed_precision!r}"
        )
    policy = f"mixed_{mixed_precision}" if mixed_precision else "float32"
    keras.mixed_precision.set_global_policy(policy)


def _check_unchanged(flags, stored):
    changed = [
        f"{name} was {stored.get(name)!r}, is {value!r}"
        for name, value in flags.items()
        if name not in _FREE_ON_RESUME and stored.get(name) != value
    ]
    if changed:
        raise ValueError(
            "a resumed run must go on as it began; " + "; ".join(changed) + ". Leave "
            "these flags out, or start anew in another --output_dir"
        )


def _describe(
    source, model, builder_args, init_weights, preprocessing, image_size, channels
):
    """The network that the flags ask for, and how it is fed."""
    info = applications.model_info(model)
    try:
        arguments = json.loads(builder_args or "{}")
        assert isinstance(arguments, dict)
    except (ValueError, AssertionError):
        raise ValueError(
            f'builder_args must be a JSON object such as {{"dropout_rate": 0.2}}, got '
            f"{builder_args!r}"
        ) from None
    if not preprocessing and os.path.isdir(init_weights):
        start = runs.read_record(init_weights)
        feed = start[1].preprocessing if start else None
    else:
        feed = None
    convention = preprocessing or (
        info.preprocessing if init_weights in info.weights else "dataset"
    )
    height, width, depth = source.image_shape
    default = info.input_shape
    height = image_size or (height or default[0])
    width = image_size or (width or default[1])
    depth = channels or (depth if convention == "dataset" else 3) or 3
    if feed is not None and feed.channels == depth:
        feed = data.Preprocessing(
            height, width, depth, feed.mean, feed.std, feed.reverse_channels
        )
    elif convention == "dataset":
        feed = data.measure_statistics(source, height, width, depth)
    elif convention in data.CONVENTIONS:
        feed = data.Preprocessing(height, width, depth, **data.CONVENTIONS[convention])
    else:
        raise ValueError(
            f"unknown preprocessing {convention!r}; there are dataset, "
            f"{', '.join(data.CONVENTIONS)}"
        )
    return runs.NetworkDescription(model, arguments, source.class_names, feed)


def _weights_path(init_weights):
    if os.path.isdir(init_weights):
        return os.path.join(init_weights, "best.h5")
    return init_weights or None


def _finish(output_dir, progress, validation):
    """Curves, and a report on the validation split with the last weights."""
    metrics.plot_learning_curves(
        progress["history"], os.path.join(output_dir, "learning_curves.png")
    )
    if validation is None:
        return None
    network, description = runs.load_run(output_dir, "last")
    report = metrics.evaluate_classifier(network, validation, description.class_names)
    metrics.plot_confusion_matrix(
        report, os.path.join(output_dir, "confusion_matrix.png")
    )
    print(
        f"last epoch: {report.top_1:.2%} of {report.num_examples} correct; best epoch "
        f"was {progress['best_epoch']}; everything is in {output_dir}"
    )
    return report


def _with_recipe(values, given):
    """Flag values from a recipe or a resumed run, where the command line has none."""
    stored = None
    if values["resume"]:
        stored = runs.read_record(values["output_dir"])
    base = {}
    if stored:
        base = {k: v for k, v in stored[0].items() if k not in _FREE_ON_RESUME}
    elif values["recipe"]:
        base = recipes.recipe(values["recipe"])
    return {**values, **{k: v for k, v in base.items() if k not in given}}


if __name__ == "__main__":
    flag_definitions.start(run, _with_recipe)
