"""Inpainting trainers against NumPy's updates, phase by phase, and resumed."""

import numpy as np
import pytest
import tensorflow as tf
import trainer_kinds
from tensorflow import keras
from trainer_kinds import INPAINTING, SIDE, images_with_holes

from keras_cnns import losses, runs, trainers
from keras_cnns.trainers import local_patches
from keras_cnns.trainers.step_noise import StepNoise

RATE = 0.1
slow = pytest.mark.slow


def _constant(value):
    return keras.initializers.Constant(value)


def _scaling(w=0.8, b=0.3, side=3, outputs=1):
    """w x + b of valid pixels, b in the hole; of each output with its own weights."""
    images, masks = keras.Input((side, side, 1)), keras.Input((side, side, 1))
    known = keras.layers.Multiply()([images, masks])
    made = [
        keras.layers.Conv2D(
            1, 1, kernel_initializer=_constant(w), bias_initializer=_constant(b)
        )(known)
        for _ in range(outputs)
    ]
    return keras.Model([images, masks], made if outputs > 1 else made[0])


def _linear_critic(shapes, scale=0.2):
    """The sum of all values times a weight of their own, from ``scale * cos``."""
    inputs = [keras.Input(shape) for shape in shapes]
    flat = [keras.layers.Flatten()(x) for x in inputs]
    x = keras.layers.Concatenate()(flat) if len(flat) > 1 else flat[0]
    start = scale * np.cos(np.arange(x.shape[-1]))[:, None]
    score = keras.layers.Dense(1, use_bias=False, kernel_initializer=_constant(start))
    return keras.Model(inputs if len(inputs) > 1 else inputs[0], score(x))


def _two_column_critic(side=3):
    """As LBAM's: valid pixels and filled ones have weights of their own."""
    shape = (side, side, 1)
    images, masks = keras.Input(shape), keras.Input(shape)
    known = keras.layers.Multiply()([images, masks])
    filled = keras.layers.Subtract()([images, known])
    columns = _linear_critic([shape, shape])
    return keras.Model([images, masks], columns([known, filled]))


def _compiled(trainer):
    count = 1 if isinstance(trainer, trainers.ReconstructionTrainer) else 2
    trainer.compile(
        *(keras.optimizers.SGD(RATE, jit_compile=False) for _ in range(count))
    )
    return trainer


def _batch(count=4, side=3, seed=0):
    random = np.random.default_rng(seed)
    images = random.uniform(size=(count, side, side, 1)).astype(np.float32)
    masks = np.ones_like(images)
    for i in range(count):
        masks[i, i % side, (i + 1) % side] = masks[i, 1, 1] = 0
    return images, masks


def _tensors(*arrays):
    return tuple(tf.constant(array) for array in arrays)


def _scaled_gradients(images, masks, slope):
    """Mean over the batch of the derivatives by w and b of summed outputs * slope."""
    return (
        (slope * images * masks).sum((1, 2, 3)).mean(),
        slope.sum((1, 2, 3)).mean(),
    )


def test_a_step_of_reconstruction_is_numpys():
    weights = trainers.ReconstructionWeights(1.0, 6.0, 0.0, 0.0, 0.0)
    trainer = _compiled(
        trainers.ReconstructionTrainer(_scaling(), loss_weights=weights)
    )
    images, masks = _batch()
    history = trainer.fit(
        tf.data.Dataset.from_tensors((images, masks)), verbose=0
    ).history
    difference = 0.8 * images * masks + 0.3 - images
    per_value = masks + 6 * (1 - masks)
    slope = per_value * np.sign(difference) / 9
    by_w, by_b = _scaled_gradients(images, masks, slope)
    w, b = trainer.network.get_weights()
    np.testing.assert_allclose(w.ravel(), 0.8 - RATE * by_w, rtol=1e-5)
    np.testing.assert_allclose(b, 0.3 - RATE * by_b, rtol=1e-5)
    loss = (per_value * np.abs(difference)).mean()
    np.testing.assert_allclose(history["loss"], [loss], rtol=1e-5)


def _two_columns(images, masks):
    flat = [values.reshape(len(images), -1) for values in (masks, 1 - masks)]
    return np.concatenate([mask * images.reshape(len(images), -1) for mask in flat], 1)


def test_a_step_of_lbam_is_numpys_with_the_signs_of_wasserstein():
    """D is linear: its gradient by an image is its weight of each pixel's column."""
    trainer = _compiled(
        trainers.LBAMTrainer(
            _scaling(),
            _two_column_critic(),
            loss_weights=trainers.ReconstructionWeights(1, 1, 0, 0, 0),
            adversarial_weight=0.5,
            penalty_weight=3.0,
        )
    )
    images, masks = _batch()
    (a,) = trainer.discriminator.get_weights()
    history = trainer.fit(
        tf.data.Dataset.from_tensors((images, masks)), verbose=0
    ).history
    a = a.ravel()
    output = 0.8 * images * masks + 0.3
    columns = _two_columns(np.ones_like(images), masks)
    real, fake = _two_columns(images, masks), _two_columns(output, masks)
    norm = np.sqrt((columns * a**2).sum(1, keepdims=True))
    penalty_slope = 2 * (norm - 1) * columns * a / norm
    np.testing.assert_allclose(
        history["gradient_penalty"], [((norm - 1) ** 2).mean()], rtol=1e-4
    )
    np.testing.assert_allclose(
        history["wasserstein_estimate"], [((real - fake) @ a).mean()], rtol=1e-4
    )
    a = a - RATE * ((fake - real) + 3 * penalty_slope).mean(0)
    (moved,) = trainer.discriminator.get_weights()
    np.testing.assert_allclose(moved.ravel(), a, rtol=1e-4, atol=1e-6)
    slope = np.sign(output - images) / 9
    known, filled = a[:9].reshape(3, 3, 1), a[9:].reshape(3, 3, 1)
    slope = slope - 0.5 * (masks * known + (1 - masks) * filled)
    by_w, by_b = _scaled_gradients(images, masks, slope)
    w, b = trainer.network.get_weights()
    np.testing.assert_allclose(w.ravel(), 0.8 - RATE * by_w, rtol=1e-5)
    np.testing.assert_allclose(b, 0.3 - RATE * by_b, rtol=1e-5)


def _corner(mask, size):
    """By the bounding box: as near to its middle as the image lets the square be."""
    holes = np.argwhere(mask[..., 0] == 0)
    if not len(holes):
        holes = np.argwhere(mask[..., 0] == 1)
    return [
        min(max((first + last + 1 - size) // 2, 0), whole - size)
        for first, last, whole in zip(holes.min(0), holes.max(0), mask.shape)
    ]


def test_patches_lie_around_the_hole_within_the_image():
    random = np.random.default_rng(0)
    images = random.uniform(size=(40, 11, 14, 2)).astype(np.float32)
    masks = np.ones((40, 11, 14, 1), np.float32)
    for i in range(1, 40):  # the first has no hole
        top, left = random.integers(0, 11), random.integers(0, 14)
        masks[i, top : top + random.integers(1, 7), left : left + 5] = 0
    corners = local_patches.hole_corners(tf.constant(masks), 5).numpy()
    assert corners.tolist() == [_corner(mask, 5) for mask in masks]
    patches = local_patches.cut(tf.constant(images), tf.constant(corners), 5)
    for image, patch, (top, left) in zip(images, patches, corners):
        np.testing.assert_array_equal(patch, image[top : top + 5, left : left + 5])


def test_random_patches_begin_anywhere():
    uniform = StepNoise(1, tf.constant(2)).uniform([5000, 2])
    corners = local_patches.random_corners(uniform, tf.ones([1, 6, 5, 1]), 4).numpy()
    counts = np.bincount(corners[:, 0] * 2 + corners[:, 1], minlength=6)
    # 99.9 % point of the chi-squared distribution of 5 degrees of freedom
    assert ((counts - 5000 / 6) ** 2 / (5000 / 6)).sum() < 20.5
    last = local_patches.random_corners(tf.ones([1, 2]), tf.ones([1, 6, 5, 1]), 4)
    assert last.numpy().tolist() == [[2, 1]]


def _softplus(values):
    return np.log1p(np.exp(values))


def test_losses_of_global_and_local_are_numpys():
    network, critic = _scaling(side=5), _linear_critic([(5, 5, 1), (2, 2, 1)])
    trainer = trainers.GlobalLocalTrainer(network, critic, adversarial_weight=0.3)
    images, masks = _batch(side=5)
    (a,) = critic.get_weights()
    output = 0.8 * images * masks + 0.3
    filled = masks * images + (1 - masks) * output
    places = np.array([[0.0, 0.3], [0.99, 0.5], [0.5, 0.0], [0.2, 0.8]], np.float32)

    def score(images, corners):
        patches = [p[t : t + 2, s : s + 2] for p, (t, s) in zip(images, corners)]
        flat = [np.reshape(values, (4, -1)) for values in (images, patches)]
        return np.concatenate(flat, 1) @ a

    on_filled = score(filled, [_corner(mask, 2) for mask in masks])
    on_real = score(images, np.floor(places * 4).astype(int))
    loss, _ = trainer.discriminator_objective(*_tensors(images, masks, places))
    expected = np.mean(_softplus(-on_real) + _softplus(on_filled))
    assert float(loss) == pytest.approx(expected, 1e-5)
    error = ((1 - masks) * (output - images) ** 2).mean()
    loss, _ = trainer.completion_objective(*_tensors(images, masks))
    assert float(loss) == pytest.approx(error, 1e-5)
    loss, report = trainer.joint_objective(*_tensors(images, masks))
    adversarial = np.mean(_softplus(-on_filled))
    assert float(loss) == pytest.approx(error + 0.3 * adversarial, 1e-5)
    assert float(report["adversarial_loss"]) == pytest.approx(adversarial, 1e-5)


def test_losses_of_contextual_attention_are_numpys():
    """Linear critics: the penalty takes the norm of their weights in the hole."""
    network = _scaling(side=5, outputs=2)
    critics = [_linear_critic([(size, size, 1)], 0.3) for size in (5, 2)]
    trainer = _compiled(
        trainers.ContextualAttentionTrainer(
            network, *critics, adversarial_weight=0.2, discount=0.5, penalty_weight=2.0
        )
    )
    network.layers[-1].set_weights([np.full((1, 1, 1, 1), -0.4), np.array([0.1])])
    images, masks = _batch(side=5)
    refined = 0.8 * images * masks + 0.3
    coarse = -0.4 * images * masks + 0.1
    filled = masks * images + (1 - masks) * refined
    corners = [_corner(mask, 2) for mask in masks]

    def views(images):
        patches = [p[t : t + 2, s : s + 2] for p, (t, s) in zip(images, corners)]
        return [np.reshape(values, (4, -1)) for values in (images, patches)]

    weights = [critic.get_weights()[0].ravel() for critic in critics]
    difference = penalty = adversarial = 0
    for real, fake, hole, a in zip(*map(views, (images, filled, 1 - masks)), weights):
        difference += ((fake - real) @ a).mean()
        adversarial -= (fake @ a).mean()
        norm = np.sqrt((hole * a**2).sum(1))
        penalty += ((norm - 1) ** 2).mean()
    fractions = np.full((4, 1, 1, 1), 0.4, np.float32)
    loss, report = trainer.critic_objective(
        *_tensors(images, masks, fractions, fractions)
    )
    assert float(loss) == pytest.approx(difference + 2 * penalty, 1e-4)
    assert float(report["gradient_penalty"]) == pytest.approx(penalty, 1e-4)
    loss, _ = trainer.generator_objective(*_tensors(images, masks))
    terms = {"hole": 0, "valid": 0}
    for fraction, output in ((1, refined), (1.2, coarse)):
        distance = np.abs(output - images)
        # Holes are so small that all their pixels lie next to known ones.
        discounted = 0.5 * (1 - masks) * distance
        holes = (1 - masks).sum((1, 2, 3))
        terms["hole"] += fraction * (discounted.sum((1, 2, 3)) / holes).mean()
        known = (masks * distance).sum((1, 2, 3)) / masks.sum((1, 2, 3))
        terms["valid"] += fraction * known.mean()
    expected = 0.2 * adversarial + 1.2 * (terms["hole"] + terms["valid"])
    assert float(loss) == pytest.approx(expected, 1e-4)


def test_features_are_compared_for_output_and_composite():
    features = trainer_kinds.make_features()
    images, masks = map(tf.constant, _batch(side=SIDE))
    network = trainer_kinds.make_inpainting_network()
    output = network([images, masks])
    made = losses.composite(output, images, masks)
    for of_composite in (True, False):
        weights = trainers.ReconstructionWeights(0, 0, 0.05, 120, 0, of_composite)
        trainer = trainers.ReconstructionTrainer(
            network, loss_weights=weights, feature_network=features
        )
        loss, _ = trainer.objective(images, masks)
        expected = 0
        for compared in [output, made] if of_composite else [output]:
            pair = (features(compared), features(images))
            expected += 0.05 * losses.perceptual(*pair) + 120 * losses.style(*pair)
        assert float(loss) == pytest.approx(float(tf.reduce_mean(expected)), 1e-4)


def _all_weights(trainer):
    return {name: n.get_weights() for name, n in trainer.networks.items()}


def _moved(before, after):
    """Names of the networks of which a weight changed."""
    return {
        name
        for name in before
        if any((a != b).any() for a, b in zip(before[name], after[name]))
    }


def _stream(count=None):
    stream = tf.data.Dataset.from_tensor_slices(images_with_holes(8))
    return stream.repeat() if count is None else stream.take(count)


class _Watch(keras.callbacks.Callback):
    """What is moved by each step, and what is reported."""

    def __init__(self):
        super().__init__()
        self.moved, self.logs = [], []

    def on_train_batch_begin(self, batch, logs=None):
        self._before = self._state()

    def on_train_batch_end(self, batch, logs=None):
        self.moved.append(_moved(self._before, self._state()))
        self.logs.append(set(logs))

    def _state(self):
        """Trained weights of the networks, batch statistics and averages apart."""
        trained = {
            name: [weight.numpy() for weight in network.trainable_weights]
            for name, network in self.model.networks.items()
        }
        statistics = self.model.network.non_trainable_weights
        return {
            **trained,
            "statistics": [value.numpy() for value in statistics],
            "average": [value.numpy() for value in self.model.average.averages],
        }


def test_phases_of_global_and_local():
    """The average rests while the network does, though its batch statistics move."""
    trainer = trainer_kinds.make_trainer(
        "global_local",
        net={"batch_norm": True},
        completion_steps=2,
        discriminator_alone_steps=2,
    )
    watch = _Watch()
    trainer.fit(_stream(6), callbacks=[watch], verbose=0)
    network, both = {"last", "average"}, {"last", "average", "discriminator"}
    moved = [network] * 2 + [{"discriminator"}] * 2 + [both] * 2
    assert watch.moved == [names | {"statistics"} for names in moved]
    alone = [{"generator_loss", "hole"}, {"discriminator_loss"}]
    every = {"generator_loss", "hole", "adversarial_loss", "discriminator_loss"}
    assert watch.logs == [alone[0]] * 2 + [alone[1]] * 2 + [every] * 2


@pytest.mark.parametrize("kind", ["lbam", "contextual_attention"])
def test_each_update_of_a_critic_has_a_minibatch_of_its_own(kind, monkeypatch):
    """The network then gets the last one."""
    trainer = trainer_kinds.make_trainer(kind, discriminator_steps=2)
    minimize, calls = trainer.minimize, []

    def watch(loss, network, optimizer, *inputs):
        calls.append((network, [values.numpy() for values in inputs]))
        minimize(loss, network, optimizer, *inputs)

    monkeypatch.setattr(trainer, "minimize", watch)
    images, masks = (values[0] for values in images_with_holes(4))
    trainer.train_step(_tensors(images, masks))
    networks = [network for network, _ in calls]
    assert networks == [trainer.discriminator] * 2 + [trainer.network]
    halves = [slice(0, 2), slice(2, 4), slice(2, 4)]
    for half, (_, inputs) in zip(halves, calls):
        np.testing.assert_array_equal(inputs[0], images[half])
        np.testing.assert_array_equal(inputs[1], masks[half])
    fractions = np.ravel([inputs[2:] for _, inputs in calls[:2]])
    assert len(fractions) == len(set(fractions)) == (4 if kind == "lbam" else 8)


def test_what_lies_under_the_hole_never_gets_to_the_network():
    """Not even to one that does not look at masks."""
    shape = (3, 3, 1)
    images, masks = keras.Input(shape), keras.Input(shape)
    made = keras.layers.Conv2D(1, 3, padding="same", bias_initializer="ones")(images)
    trainer = _compiled(
        trainers.ReconstructionTrainer(
            keras.Model([images, masks], made),
            loss_weights=trainers.ReconstructionWeights(1, 1, 0, 0, 0),
        )
    )
    images, masks = _batch()
    wanted = trainer.network([images * masks, masks]).numpy()
    for hidden in (images, -images, np.nan):
        given = np.where(masks == 1, images, hidden).astype(np.float32)
        painted = trainer.paint(*_tensors(given, masks))[0]
        np.testing.assert_array_equal(painted, wanted)
        filled = trainer.inpaint(given, masks)
        holes = masks == 0
        np.testing.assert_array_equal(filled[holes], wanted.clip(0, 1)[holes])


@pytest.mark.parametrize("kind", ["lbam", "contextual_attention"])
@pytest.mark.parametrize("moving", [0, 1])
def test_the_other_network_stays_to_the_bit(kind, moving):
    trainer = trainer_kinds.make_trainer(kind)
    rates = [RATE * (i == moving) for i in range(2)]
    trainer.compile(*(keras.optimizers.SGD(rate, jit_compile=False) for rate in rates))
    before = _all_weights(trainer)
    trainer.train_step(_tensors(*(values[0] for values in images_with_holes(4))))
    moved = _moved(before, _all_weights(trainer))
    assert moved == (set(before) - {"last"} if moving else {"last"})


@pytest.mark.parametrize("xla", [False, pytest.param(True, marks=slow)])
def test_the_second_stage_freezes_the_encoders_norms_alone(xla):
    trainer = trainer_kinds.make_trainer(
        "reconstruction",
        net={"batch_norm": True},
        second_stage_start=2,
        enable_xla=xla,
    )
    seen = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            layers = self.model.network.layers
            seen.append({layer.name: layer.get_weights() for layer in layers})

    trainer.fit(_stream(5), callbacks=[Watch()], verbose=0)
    for before, after, frozen in zip(seen, seen[1:], [False, True, True, True]):
        for name in ("encoder1_bn", "decoder1_bn"):
            same = [np.array_equal(*pair) for pair in zip(before[name], after[name])]
            is_frozen = frozen and name == "encoder1_bn"
            assert same == [is_frozen] * 4, (name, same)
        kernels = [weights["encoder1_conv"][0] for weights in (before, after)]
        assert (kernels[0] != kernels[1]).any()


def test_the_rate_drops_with_the_second_stages_first_step():
    rate = trainers.two_stage_rate(2e-4, 5e-5, 7)
    rates = [float(rate(step)) for step in range(9)]
    np.testing.assert_allclose(rates, [2e-4] * 7 + [5e-5] * 2, rtol=1e-6)


@pytest.mark.parametrize(
    "kind",
    [
        "global_local",
        *(pytest.param(k, marks=slow) for k in INPAINTING if k != "global_local"),
    ],
)
def test_a_restored_trainer_goes_on_as_the_saved_one(tmp_path, kind):
    """Through a change of phase, with averages, moments and batch statistics."""
    own = {
        "reconstruction": {"second_stage_start": 4},
        "global_local": {"completion_steps": 2, "discriminator_alone_steps": 2},
    }

    def make():
        options = own.get(kind, {})
        return trainer_kinds.make_trainer(kind, net={"batch_norm": True}, **options)

    first = make()
    first.fit(_stream(3), verbose=0)
    runs.CheckpointStore(str(tmp_path), first).save({"stopped_early": True})
    second = make()
    assert runs.CheckpointStore(str(tmp_path), second).restore()["stopped_early"]
    for trainer in (first, second):
        trainer.fit(_stream(8).skip(3), verbose=0)
    assert first.steps_done == second.steps_done == 8
    states = [
        [
            *sum((n.get_weights() for n in trainer.networks.values()), []),
            *(average.numpy() for average in trainer.average.averages),
        ]
        for trainer in (first, second)
    ]
    for a, b in zip(*states):
        np.testing.assert_array_equal(a, b)
    images, masks = (values[0] for values in images_with_holes(4))
    np.testing.assert_array_equal(
        first.inpaint(images, masks), second.inpaint(images, masks)
    )


def test_the_best_epoch_is_that_of_the_highest_ratio(tmp_path):
    trainer = trainer_kinds.make_trainer("reconstruction")
    held_out = tf.data.Dataset.from_tensor_slices(images_with_holes(1, seed=6))
    progress = runs.fit_resumable(
        trainer,
        lambda step: _stream().skip(step),
        run_dir=str(tmp_path),
        epochs=3,
        steps_per_epoch=2,
        validation_data=held_out,
    )
    ratios = [row["val_psnr"] for row in progress["history"]]
    assert progress["best_epoch"] == 1 + int(np.argmax(ratios))
    assert {path.name for path in tmp_path.glob("*.h5")} == {"best.h5", "last.h5"}


@pytest.mark.parametrize("value_range", ["unit", "signed"])
def test_quality_is_that_of_the_clipped_composite(value_range):
    low, high = (0.0, 1.0) if value_range == "unit" else (-1.0, 1.0)
    trainer = _compiled(
        trainers.ReconstructionTrainer(
            _scaling(w=1.0, b=5.0),
            loss_weights=trainers.ReconstructionWeights(1, 1, 0, 0, 0),
            value_range=value_range,
        )
    )
    images, masks = _batch(7)
    masks[3] = 1  # nothing to fill: 100 dB
    found = trainer.evaluate(
        tf.data.Dataset.from_tensor_slices((images, masks)).batch(3),
        return_dict=True,
        verbose=0,
    )
    error = np.where(masks == 1, 0, high - images) / (high - low)
    squares = np.maximum((error**2).mean((1, 2, 3)), 1e-10)
    assert found["psnr"] == pytest.approx((-10 * np.log10(squares)).mean(), 1e-5)
    assert found["mean_absolute_error"] == pytest.approx(np.abs(error).mean(), 1e-5)
    made = trainer.inpaint(images, masks, batch_size=3)
    known = masks == 1
    np.testing.assert_array_equal(made[known], images[known])
    assert (made[~known] == high).all()


@pytest.mark.parametrize(
    "kind",
    ["lbam", *(pytest.param(k, marks=slow) for k in INPAINTING if k != "lbam")],
)
def test_sixteen_bits_are_finite_whatever_the_hole(kind):
    keras.mixed_precision.set_global_policy("mixed_float16")
    options = {"features": True} if kind in ("reconstruction", "lbam") else {}
    trainer = trainer_kinds.make_trainer(kind, **options)
    images, masks = images_with_holes(4)
    masks[:, 0], masks[:, 1] = 0, 1  # all hole, no hole
    stream = tf.data.Dataset.from_tensor_slices((images, masks))
    history = trainer.fit(stream, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    for weights in _all_weights(trainer).values():
        assert all(np.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize(
    ("kind", "options", "quoted"),
    [
        ("reconstruction", {"second_stage_start": -1}, "second_stage_start .* -1"),
        ("reconstruction", {"second_stage_start": 3}, "'encoder'"),
        ("reconstruction", {"value_range": "byte"}, "unit, signed, got 'byte'"),
        ("lbam", {"adversarial_weight": -1}, "adversarial_weight .* -1"),
        ("lbam", {"penalty_weight": 0}, "penalty_weight .* 0"),
        ("lbam", {"discriminator_steps": 0}, "discriminator_steps .* 0"),
        ("global_local", {"completion_steps": -2}, "completion_steps .* -2"),
        ("contextual_attention", {"discount": 2}, "discount .* 2"),
        ("contextual_attention", {"coarse_weight": -1}, "coarse_weight .* -1"),
    ],
)
def test_bad_arguments(kind, options, quoted):
    with pytest.raises(ValueError, match=quoted):
        trainer_kinds.make_trainer(kind, **options)


def test_networks_and_features_that_do_not_fit():
    plain = trainers.ReconstructionWeights(1, 1, 0, 0, 0)
    network, two = _scaling(), _scaling(outputs=2)
    with pytest.raises(ValueError, match="must give 1 images"):
        trainers.ReconstructionTrainer(two, loss_weights=plain)
    image = keras.Input((3, 3, 1))
    one_input = keras.Model(image, keras.layers.Conv2D(1, 1)(image))
    with pytest.raises(ValueError, match="masks of one channel"):
        trainers.ReconstructionTrainer(one_input, loss_weights=plain)
    with pytest.raises(ValueError, match="need a feature_network"):
        trainers.ReconstructionTrainer(network)
    features = trainer_kinds.make_features()
    with pytest.raises(ValueError, match="no effect"):
        trainers.ReconstructionTrainer(
            network, loss_weights=plain, feature_network=features
        )
    with pytest.raises(ValueError, match="'unit', those to be filled are in 'signed'"):
        trainers.ReconstructionTrainer(
            network, feature_network=features, value_range="signed"
        )
    with pytest.raises(ValueError, match="the weight hole must be >= 0, got -1"):
        trainers.ReconstructionWeights(hole=-1)
    with pytest.raises(ValueError, match="2 inputs and give 1"):
        trainers.LBAMTrainer(network, _linear_critic([(3, 3, 1)]), loss_weights=plain)
    with pytest.raises(ValueError, match="square patches of a known size"):
        critic = _linear_critic([(3, 3, 1), (2, 3, 1)])
        trainers.GlobalLocalTrainer(network, critic)


def test_masks_that_do_not_fit():
    trainer = trainer_kinds.make_trainer("reconstruction")
    images, masks = (values[0] for values in images_with_holes(4))
    with pytest.raises(ValueError, match="only, got 0.5"):
        trainer.inpaint(images, masks - 0.5 * (masks == 0) + (masks == 0))
    with pytest.raises(ValueError, match=r"\(4, 8, 8, 1\), got \(4, 4, 8, 1\)"):
        trainer.inpaint(images, masks[:, :4])
    with pytest.raises(ValueError, match=r"\(count, height, .*got \(0, 8, 8, 1\)"):
        trainer.inpaint(images[:0], masks[:0])
    with pytest.raises(ValueError, match=r"\(count, height, .*got \(8, 8, 1\)"):
        trainer.inpaint(images[0], masks[0])
