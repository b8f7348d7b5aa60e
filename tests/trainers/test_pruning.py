"""Pruned training against values by hand: zeros stay, ADMM's steps are Boyd's."""

import dataclasses

import numpy as np
import pytest
import run_states
import tensorflow as tf
import trainer_kinds
from tensorflow import keras

from keras_cnns import applications, compression, runs, trainers
from keras_cnns.trainers.pruning import _Pruned

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.normal(size=(16, 8, 8, 1)).astype(np.float32)
LABELS = np.eye(10, dtype=np.float32)[RANDOM.integers(0, 10, 16)]


def _trainer(optimizer="adam", rate=0.02, *, momentum=0.9, decay=0.0, **options):
    (network,) = trainer_kinds.KINDS["pruning"].networks()
    library = compression.find_library(network, 3)
    rules = compression.plan_pruning(network, library, 2.0, 3.0)
    trainer = trainers.PruningTrainer(network, rules=rules, **options)
    made = {"momentum": momentum, "weight_decay": decay, "nesterov": False}
    trainer.compile(trainers.make_optimizer(optimizer, rate, **made))
    return trainer


def _train(trainer, steps):
    """Without a graph, which is quicker for few steps."""
    for _ in range(steps):
        trainer.next_step()((tf.constant(IMAGES), tf.constant(LABELS)))


def _kernels(trainer):
    """Values by name of the pruned weights."""
    return {r.name: r.variable.numpy() for r in trainer._pruned.rules}


def _check_zeros(trainer, values=None):
    """What is gone is +0, what stays is not; returns how many weights are gone."""
    gone = 0
    for name, value in (values or _kernels(trainer)).items():
        mask = trainer.masks[name]
        assert not value[~mask].view(np.int32).any(), name
        assert np.all(value[mask]), name
        gone += np.count_nonzero(~mask)
    assert gone > 0
    return gone


# Those that add little to what the others show are left to the long run.
ALIKE = ("rmsprop", "adadelta", "lamb", "rectified_adam")


@pytest.mark.parametrize(
    ("name", "rounds"),
    [
        ("adam", 0),
        *(
            pytest.param(name, 1, marks=pytest.mark.slow)
            if name in ALIKE
            else (name, 1)
            for name in trainers.OPTIMIZERS
        ),
    ],
)
def test_what_is_gone_stays_zero(name, rounds, tmp_path):
    """With momentum, moments and decay, after ADMM or at once; in averages, files and
    checkpoints too."""
    trainer = _trainer(
        name, ema_decay=0.9, decay=0.01, weight_decay=0.01, admm_rounds=rounds,
        round_steps=2,
    )  # fmt: skip
    start = _kernels(trainer)
    _train(trainer, 2 * rounds + 3)
    gone = _check_zeros(trainer)
    if not rounds:  # chosen by the weights that were there at the start
        for rule in trainer._pruned.rules:
            np.testing.assert_array_equal(
                trainer.masks[rule.name], rule.mask(start[rule.name])
            )
    assert any(np.any(v != start[name]) for name, v in _kernels(trainer).items())
    with trainer.averaged_weights():
        assert _check_zeros(trainer) == gone
        applications.save_weights(trainer.network, str(tmp_path / "last.h5"))
    (fresh,) = trainer_kinds.KINDS["pruning"].networks()
    applications.load_weights(fresh, str(tmp_path / "last.h5"), adapt=False)
    rules = compression.plan_pruning(fresh, compression.FIXED_PATTERNS, 2.0, 3.0)
    _check_zeros(trainer, {rule.name: rule.variable.numpy() for rule in rules})


@pytest.mark.parametrize(
    ("policy", "compiled"),
    [
        ("mixed_float16", False),
        pytest.param("mixed_bfloat16", True, marks=pytest.mark.slow),
    ],
)
def test_zeros_stay_in_sixteen_bits(policy, compiled):
    keras.mixed_precision.set_global_policy(policy)
    trainer = _trainer(admm_rounds=1, round_steps=2, enable_xla=compiled)
    assert all(t.dtype == tf.float32 for *_, t in trainer._pruned._sets)
    _train(trainer, 4)
    _check_zeros(trainer)


def test_clipped_gradients_are_those_of_the_network_with_zeros():
    """Plain descent under masks: W - rate g m / max(1, ||g m||), by a tape."""
    trainer = _trainer("sgd", 0.1, momentum=0.0, gradient_clip_norm=0.01)
    trainer.next_step()
    network, before = trainer.network, trainer.network.get_weights()
    masks = {id(r.variable): trainer.masks[r.name] for r in trainer._pruned.rules}
    with tf.GradientTape() as tape:
        loss, _ = trainer.objective(IMAGES, LABELS)
    variables = network.trainable_variables
    gradients = [
        g.numpy() * masks.get(id(v), 1.0)
        for g, v in zip(tape.gradient(loss, variables), variables)
    ]
    norm = np.sqrt(sum(np.square(g, dtype=float).sum() for g in gradients))
    assert norm > 0.01
    trainer.train_step((IMAGES, LABELS))
    for old, gradient, new in zip(before, gradients, network.get_weights()):
        expected = old - 0.1 * gradient * 0.01 / norm
        np.testing.assert_allclose(new, expected, rtol=1e-4, atol=1e-6)


def test_admm_is_boyds():
    """Two rounds of two steps of plain descent, and the masks, in NumPy."""
    rho, rate = 0.3, 0.1
    trainer = _trainer(
        "sgd", rate, momentum=0.0, admm_rounds=2, round_steps=2, admm_rho=rho
    )
    (network,) = trainer_kinds.KINDS["pruning"].networks()
    network.set_weights(trainer.network.get_weights())
    variables = network.trainable_variables
    pruned = {rule.variable.name: rule for rule in trainer._pruned.rules}
    sets = [(v, find) for v in variables if v.name in pruned
            for find in pruned[v.name].sets()]  # fmt: skip
    duals = [np.zeros(v.shape) for v, _ in sets]
    for step in range(4):
        if step % 2 == 0:
            moved = [v.numpy() + u for (v, _), u in zip(sets, duals)]
            targets = [np.where(f(m), m, 0) for (_, f), m in zip(sets, moved)]
            if step:
                duals = [m - z for m, z in zip(moved, targets)]
        with tf.GradientTape() as tape:
            logits = network(IMAGES)
            losses = tf.nn.softmax_cross_entropy_with_logits(LABELS, logits)
            loss = tf.reduce_mean(losses)
        descent = {
            v.name: g.numpy() for v, g in zip(variables, tape.gradient(loss, variables))
        }
        for (v, _), z, u in zip(sets, targets, duals):
            descent[v.name] = descent[v.name] + rho * (v.numpy() - z + u)
        for v in variables:
            v.assign_sub(rate * descent[v.name])
        logs = trainer.next_step()((IMAGES, LABELS))
        for v, found in zip(variables, trainer.network.trainable_variables):
            np.testing.assert_allclose(found, v, rtol=1e-4, atol=1e-6)
        away = sum(np.square(v - z).sum() for (v, _), z in zip(sets, targets))
        whole = sum(np.square(v).sum() for v, _ in sets)
        assert float(logs["residual"]) == pytest.approx(np.sqrt(away / whole), rel=1e-3)
    trainer.next_step()
    for v in variables:
        if v.name in pruned:
            mask = pruned[v.name].mask(v.numpy())
            np.testing.assert_array_equal(trainer.masks[pruned[v.name].name], mask)


@dataclasses.dataclass
class _KeepLargest:
    """One entry of a vector stays."""

    variable: tf.Variable
    name = "vector"

    def mask(self, values):
        return np.abs(values) == np.abs(values).max()

    def sets(self):
        return [self.mask]


def _rounds(rho, count):
    """(weights, targets, changed) after each exact minimisation of the quadratic loss
    1/2 ||W - W0||^2 with ADMM's distance."""
    start = np.array([1.0, -0.6, 0.2]).reshape(1, 1, 3, 1)
    pruned = _Pruned([_KeepLargest(tf.Variable(start))], has_sets=True)
    ((variable, _, target, dual),) = pruned._sets
    for i in range(count):
        pruned.begin_round(is_first=i == 0)
        z, u = target.numpy(), dual.numpy()
        variable.assign((start + rho * (z - u)) / (1 + rho))
        yield variable.numpy().ravel(), z.ravel(), float(pruned.changed)


def test_a_large_rho_settles():
    """Weights halve towards the target, whose support stays; worked out by hand."""
    expected = [(1, -0.3, 0.1), (1, -0.15, 0.05), (1, -0.075, 0.025)]
    for (w, z, changed), wanted in zip(_rounds(1.0, 3), expected):
        np.testing.assert_allclose(w, wanted, atol=1e-12)
        np.testing.assert_array_equal(z, (1, 0, 0))
        assert changed == 0


def test_a_small_rho_never_settles():
    """The dual of what is gone grows until it wins, and loses again; by hand:
    W2 = (0.4959, 0.1653) after (0.5455, 0.1818), whose sum with U is 1.0413 > 1."""
    found = list(_rounds(0.1, 40))
    supports = [int(np.flatnonzero(z)[0]) for _, z, _ in found]
    assert supports[:4] == [0, 0, 1, 0]
    assert all(a != b for a, b in zip(supports[1:], supports[2:]))
    np.testing.assert_allclose(found[2][1], (0, -1.0413, 0), atol=5e-5)
    np.testing.assert_allclose(found[3][1], (1.8182, 0, 0), atol=5e-5)
    assert found[-1][2] == pytest.approx(2 / 3)  # two of three entries each time


def test_admm_epochs_evaluate_and_save_pruned_weights(tmp_path):
    """None of them is best; after the last one, what was saved is what is left."""
    trainer = _trainer(admm_rounds=2, round_steps=3, ema_decay=0.5)
    before = _kernels(trainer)
    held_out = tf.data.Dataset.from_tensors((IMAGES, LABELS))

    def train(epochs):
        return runs.fit_resumable(
            trainer, lambda step: held_out.map(lambda *x: x).repeat(),
            run_dir=str(tmp_path), epochs=epochs, steps_per_epoch=3,
            validation_data=held_out,
        )  # fmt: skip

    progress = train(2)
    assert progress["best_epoch"] == 0 and not (tmp_path / "best.h5").exists()
    assert all(0 < row["residual"] < 2 for row in progress["history"])
    (saved,) = trainer_kinds.KINDS["pruning"].networks()
    applications.load_weights(saved, str(tmp_path / "last.h5"), adapt=False)
    rules = compression.plan_pruning(saved, compression.FIXED_PATTERNS, 2.0, 3.0)
    for rule in rules:
        density = np.count_nonzero(rule.variable) / before[rule.name].size
        assert density == pytest.approx(rule.mask(before[rule.name]).mean())
    assert all(np.all(value) for value in _kernels(trainer).values())
    loss = np.mean(
        tf.nn.softmax_cross_entropy_with_logits(LABELS, saved(IMAGES, training=False))
    )
    assert progress["history"][-1]["val_loss"] == pytest.approx(loss, rel=1e-5)
    progress = train(4)
    assert progress["best_epoch"] >= 3 and "residual" not in progress["history"][-1]
    _check_zeros(trainer)


@pytest.mark.parametrize(
    "steps", [4, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 5))]
)
def test_stopped_anywhere_goes_on_bit_by_bit(steps, tmp_path):
    """In a round, between rounds, where the masks are fixed, and later."""
    data = np.random.default_rng(1).normal(size=(8, 4, 8, 8, 1)).astype(np.float32)
    stream = tf.data.Dataset.from_tensor_slices((data, np.stack([LABELS[:4]] * 8)))

    def train(folder, epochs):
        keras.utils.set_random_seed(3)
        trainer = _trainer(admm_rounds=2, round_steps=2, ema_decay=0.9)
        runs.fit_resumable(
            trainer, stream.skip, run_dir=str(tmp_path / folder), epochs=epochs,
            steps_per_epoch=1,
        )  # fmt: skip
        return trainer

    train("straight", 7)
    train("parts", steps)
    # A run that is resumed starts from a network of other weights.
    masks = train("parts", 7).masks
    names = run_states.check_equal_states(tmp_path / "straight", tmp_path / "parts", 7)
    for kind in ("masks", "targets", "duals", "changed", "average"):
        assert any(name.startswith(kind) for name in names), kind
    assert not all(mask.all() for mask in masks.values())


def test_bad_arguments_are_quoted():
    with pytest.raises(ValueError, match="admm_rho positive, got 1, 1 and 0"):
        _trainer(admm_rounds=1, admm_rho=0)
