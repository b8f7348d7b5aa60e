"""Trains a network that fills holes in pictures.

    python apps/train_inpainter.py --model=pconv_unet256 --dataset=photographs \
        --image_size=64 --builder_args='{"network": {"filters": [32, 64, 96, 128]}}' \
        --perceptual_weight=0 --style_weight=0 --batch_size=16 --epochs=10 \
        --output_dir=runs/pconv

``--model`` takes a row of ``keras_cnns.trainers.inpainting_models.MODELS``: network,
what it trains against, holes and hyper-parameters as the source has them; explicit
flags win. The perceptual and the style loss need the features of a classifier:
``--feature_weights=imagenet`` (VGG16), or ``--feature_run``, a run of
``train_classifier.py``. Without either, their weights must be 0.

After each epoch the same pictures of ``--validation_split`` get the same holes; what
fills them is measured (``val_psnr``, in dB, and ``val_mean_absolute_error``, a share of
the range, over whole pictures with their known pixels kept).

The folder then holds ``last.h5`` and ``best.h5``, the epoch of the highest
``val_psnr`` (both averaged, where ``--ema_decay`` asks for that), a weight file for
each opponent, ``samples/`` with a picture of holes, filled ones and the truth after
each epoch, ``metrics.csv``, ``training_curves.png``, ``run.json``, ``logs/`` for
TensorBoard and ``checkpoints/``, from which ``--resume`` goes on. An epoch shows each
picture once.
"""

import dataclasses
import functools
import os
import types

import flag_definitions
from tensorflow import keras

from keras_cnns import data, export, inspection, metrics
from keras_cnns.data import sources
from keras_cnns.trainers import (
    callbacks,
    distribution,
    inpainting_models,
    inpainting_runs,
    inpainting_setup,
    optimizers,
    resumable,
    run_setup,
    runs,
)

_GRID_ROWS = 6  # pictures of the grid


def run(
    model,
    dataset,
    output_dir,
    builder_args="",
    data_dir=None,
    train_split="train",
    validation_split="test",
    validation_pictures=200,
    image_size=0,
    patch_size=0,
    channels=0,
    augmentation="",
    mask_kinds="irregular",
    hole_ratios="",
    rectangle_sides="",
    feature_weights="",
    feature_run="",
    feature_layers="",
    valid_weight=1.0,
    hole_weight=6.0,
    perceptual_weight=0.05,
    style_weight=120.0,
    total_variation_weight=0.1,
    compare_composite=True,
    second_stage_share=1 / 3,
    second_stage_learning_rate=5e-5,
    adversarial_weight=0.1,
    penalty_weight=10.0,
    completion_share=0.18,
    discriminator_alone_share=0.02,
    coarse_weight=1.2,
    discount=0.9,
    distance="axis",
    discriminator_steps=1,
    batch_size=16,
    epochs=10,
    optimizer="adam",
    learning_rate=2e-4,
    discriminator_learning_rate=0.0,
    discriminator_beta_1=None,
    momentum=0.0,
    nesterov=False,
    rho=0.95,
    beta_1=0.9,
    beta_2=0.999,
    epsilon=1e-7,
    schedule="constant",
    decay_rate=0.1,
    decay_epochs=1.0,
    ema_decay=0.0,
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
    recipe = inpainting_setup.mask_recipe(flags)
    run_setup.set_up_process(seed, mixed_precision)
    is_chief = distribution.is_chief(strategy)
    source = data.open_source(dataset, train_split, data_dir, labelled=False)
    held_out = None
    if validation_split:
        held_out = data.open_source(dataset, validation_split, data_dir, labelled=False)
    steps_per_epoch = _steps_per_epoch(flags, source)
    run_setup.claim_folder(output_dir, resume)
    with sources.naming_bad_images(dataset):
        kind = inpainting_runs.InpaintingDescription
        record = runs.read_record(output_dir, kind) if resume else None
        with strategy.scope():
            features = inpainting_setup.make_feature_network(flags)
            description = _description(flags, source, recipe, features, record)
            trainer = inpainting_setup.make_trainer(
                flags, description, features, steps_per_epoch
            )
        feed = {
            "preprocessing": description.preprocessing,
            "masks": recipe,
            "seed": seed,
        }
        validation = held_out and _evaluation(
            held_out, batch_size, validation_pictures, feed
        )
        grids = _sample_grids(flags, trainer, held_out or source, feed, is_chief)
        if is_chief and not record:
            runs.write_record(output_dir, vars(flags), description)
        progress = resumable.fit_resumable(
            trainer,
            functools.partial(
                data.load_inpainting_training,
                source,
                batch_size * inpainting_setup.minibatches_per_step(flags),
                augmentation=data.Augmentation(augmentation),
                **feed,
            ),
            run_dir=output_dir,
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            validation_data=validation,
            checkpoint_interval=checkpoint_interval,
            is_chief=is_chief,
            further_callbacks=[grids],
        )
    keras.mixed_precision.set_global_policy("float32")
    if is_chief:
        _finish(flags, progress)
    return progress


def _check(flags, strategy):
    """Refuses what would only show after some work."""
    inpainting_models.find_model(flags.model)
    run_setup.check_batch_size(flags.batch_size, strategy)
    least = {"epochs": 1, "discriminator_steps": 1, "validation_pictures": 0}
    for name, count in least.items():
        if getattr(flags, name) < count:
            raise ValueError(
                f"{name} must be at least {count}, got {getattr(flags, name)}"
            )
    data.Augmentation(flags.augmentation)
    inpainting_setup.check_features(flags)


def _steps_per_epoch(flags, source):
    """Steps in which each picture is taken once."""
    minibatches = inpainting_setup.minibatches_per_step(flags)
    steps = source.num_examples // (flags.batch_size * minibatches)
    if not steps:
        raise ValueError(
            f"a step takes {minibatches} times batch_size={flags.batch_size} pictures, "
            f"more than the {source.num_examples} of {flags.dataset} "
            f"{flags.train_split}"
        )
    return steps


def _description(flags, source, recipe, features, record):
    """The networks and how they are fed: from the record, else from the flags."""
    if record is None:
        return inpainting_runs.describe(
            flags.model,
            source,
            builder_args=flags.builder_args,
            image_size=flags.image_size,
            patch_size=flags.patch_size,
            channels=flags.channels,
            feature_network=features,
            num_mask_files=recipe.num_files,
        )
    stored, description = record
    facts = [
        ("classes of the data", description.class_names, source.class_names),
        ("number of examples", description.num_examples, source.num_examples),
        ("number of mask files", description.num_mask_files, recipe.num_files),
        (
            "feature network",
            description.feature_network,
            features and features.record(),
        ),
    ]
    run_setup.check_unchanged(stored, vars(flags), facts)
    return description


def _spread(source, count):
    """So many of a split's examples, at even distances: folders are sorted by class."""
    total = source.num_examples
    examples = (
        source.examples.enumerate()
        .filter(lambda i, example: (i + 1) * count // total > i * count // total)
        .map(lambda i, example: example)
    )
    return dataclasses.replace(source, examples=examples, num_examples=count)


def _evaluation(source, batch_size, count, feed):
    """Batches of so many pictures with their holes, always the same; 0 for all."""
    count = min(count or source.num_examples, source.num_examples)
    return data.load_inpainting_evaluation(
        _spread(source, count), batch_size, num_examples=count, **feed
    )


def _sample_grids(flags, trainer, source, feed, is_chief):
    """After each epoch: pictures with holes, what fills them, and the truth."""
    batches = _evaluation(source, _GRID_ROWS, _GRID_ROWS, feed)
    images, masks = (values.numpy() for values in next(iter(batches)))

    def write(filled, path):
        inspection.inpainting_grid(
            images, masks, {flags.model: filled}, path, trainer.value_range
        )

    return callbacks.EpochSamples(
        lambda: trainer.inpaint(images, masks),
        write,
        os.path.join(flags.output_dir, "samples"),
        is_chief=is_chief,
    )


def _finish(flags, progress):
    """Curves, and the export."""
    metrics.plot_training_curves(
        progress["history"], os.path.join(flags.output_dir, "training_curves.png")
    )
    if flags.validation_split:
        best = progress["best_epoch"]
        ratios = [row["val_psnr"] for row in progress["history"]]
        print(
            f"last epoch: PSNR {ratios[-1]:.2f} dB; best epoch: {best}, "
            f"{ratios[best - 1]:.2f} dB"
        )
    print(f"everything is in {flags.output_dir}")
    if flags.export_dir:
        path, difference = export.export_inpainter_run(
            flags.output_dir, flags.export_dir
        )
        print(f"exported and verified: {path} (largest difference {difference:.1g})")


def _with_defaults(values, given):
    """Flag values from a resumed run or the model's source, where none were given."""
    values = run_setup.with_defaults(
        values,
        given,
        inpainting_runs.InpaintingDescription,
        lambda values: inpainting_setup.source_flags(values["model"], given),
    )
    known = {
        *optimizers.OPTIMIZERS,
        *optimizers.SCHEDULES,
        *inpainting_models.MODELS,
    }
    by_optimizer = {
        **optimizers.USED_BY,
        "discriminator_beta_1": optimizers.USED_BY["beta_1"],
    }
    for used_by in (by_optimizer, inpainting_setup.USED_BY):
        flag_definitions.check_used(values, given, used_by, known)
    inpainting_setup.check_idle(values, given)
    return values


def main():
    """Turns the command line into a call of ``run``."""
    flag_definitions.start(run, _with_defaults)


if __name__ == "__main__":
    main()
