"""What tells the better epoch, for every kind of trainer."""

import numpy as np
import pytest
import tensorflow as tf
import trainer_kinds
from tensorflow import keras

from keras_cnns import applications, runs, trainers


@pytest.mark.parametrize(
    ("kind", "row", "score"),
    [
        (trainers.ClassificationTrainer, {"loss": 2, "val_loss": 3}, [-2]),
        (
            trainers.ClassificationTrainer,
            {"loss": 2, "val_loss": 3, "val_accuracy": 0.5},
            [0.5, -3],
        ),
        (trainers.ReconstructionTrainer, {"loss": 2, "val_psnr": 20}, [20]),
        (trainers.ReconstructionTrainer, {"loss": 2}, [-2]),
        (trainers.LBAMTrainer, {"generator_loss": 2, "val_psnr": 20}, [20]),
        (trainers.LBAMTrainer, {"generator_loss": 2}, None),
        (trainers.GAN, {"generator_loss": 2, "discriminator_loss": 1}, None),
    ],
)
def test_what_epochs_are_compared_by(kind, row, score):
    """Where nothing tells, there is no best epoch."""
    assert kind.score_epoch(kind, row) == score


def test_ties_are_told_by_what_comes_next():
    score = trainers.ClassificationTrainer.score_epoch
    rows = [(0.5, 1.0), (0.6, 3.0), (0.6, 2.0), (0.6, 2.5)]
    scores = [
        score(trainers.ClassificationTrainer, {"val_accuracy": a, "val_loss": b})
        for a, b in rows
    ]
    assert scores.index(max(scores)) == 2


class _Monitored(trainers.GAN):
    monitors = ([("val_quality", "max")], [("generator_loss", "min")])


@pytest.mark.parametrize("patience", [0, 2])
def test_a_gan_with_monitors_keeps_its_best_epoch(tmp_path, monkeypatch, patience):
    """The averaged weights of the lowest loss; and it stops when that is long ago."""
    row = trainer_kinds.KINDS["gan"]
    trainer = _Monitored(*row.networks(), ema_decay=0.9, **row.options)
    trainer.compile(*(keras.optimizers.SGD(0.1, jit_compile=False) for _ in range(2)))
    stream = tf.data.Dataset.from_tensor_slices(row.batches(5)).repeat()
    averages = []

    class Watch(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            averages.append([a.numpy() for a in self.model.average.averages])

    progress = runs.fit_resumable(
        trainer,
        lambda step: stream.skip(step),
        run_dir=str(tmp_path),
        epochs=6,
        steps_per_epoch=1,
        patience=patience,
        further_callbacks=[Watch()],
    )
    losses = [epoch["generator_loss"] for epoch in progress["history"]]
    best = int(np.argmin(losses))
    assert progress["best_epoch"] == best + 1
    assert progress["stopped_early"] == (bool(patience) and len(losses) == best + 3)
    assert {path.stem for path in tmp_path.glob("*.h5")} == {
        "best",
        "generator",
        "discriminator",
    }
    kept = row.networks()[0]
    applications.load_weights(kept, str(tmp_path / "best.h5"), adapt=False)
    for weight, average in zip(kept.get_weights(), averages[best]):
        np.testing.assert_array_equal(weight, average)
