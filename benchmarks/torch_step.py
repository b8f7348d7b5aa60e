"""Training steps beside plain PyTorch loops of the same networks.

    python benchmarks/torch_step.py --json_file=steps.json

needs PyTorch (extra ``reference``). For each step of ``_LOOPS``: a trainer of this
package as ``_steps.STEPS`` has it, compiled as a graph; and the same algorithm written
in PyTorch with the same networks, weights included, and PyTorch's own optimizers, with
either order of maps in memory. One process; rounds of all in turn, in either order (A B
C C B A ...), after a pause, as threads spin for a while; medians of the rounds, and how
many times as fast as the faster loop in PyTorch ours is. Before anything is timed, both
sides' networks must give the same outputs.
"""

import functools
import inspect
import time

import _steps  # first: sets how TensorFlow is loaded
import _torch_networks
import numpy as np
import tensorflow as tf
import torch
from absl import app, flags
from torch.nn import functional as F

from keras_cnns import _files

_ROUNDS = flags.DEFINE_integer("rounds", 7, "rounds of each side", lower_bound=3)
_COUNT = flags.DEFINE_integer("count", 2, "steps per round", lower_bound=1)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")
_ORDERS = ("channels_last", "contiguous_format")


def _optimizer(network, like):
    """PyTorch's form of a Keras optimizer, Adam or SGD."""
    rate = float(like.learning_rate)
    if type(like).__name__ == "SGD":
        options = {"momentum": float(like.momentum), "nesterov": like.nesterov}
        return torch.optim.SGD(network.parameters(), rate, **options)
    betas = float(like.beta_1), float(like.beta_2)
    return torch.optim.Adam(network.parameters(), rate, betas, like.epsilon)


class _Loop:
    """What loops in PyTorch share: a trainer's networks and their optimizers.

    ``networks`` has pairs of the trainer's network and the one in PyTorch.
    """

    parts = {"generator": "generator", "critic": "discriminator"}

    def __init__(self, trainer, order):
        self.trainer, self.networks = trainer, []
        for ours, theirs in self.parts.items():
            network = getattr(trainer, theirs)
            made = _torch_networks.TorchNetwork(network, order)
            prefix = "" if theirs == "network" else f"{theirs}_"
            like = getattr(trainer, f"{prefix}optimizer")
            setattr(self, ours, made)
            setattr(self, f"of_{ours}", _optimizer(made, like))
            self.networks.append((network, made))

    @staticmethod
    def update(optimizer, loss):
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    def sample(self, count):
        """Images of new latents; their range makes no difference to the speed."""
        return self.generator(
            torch.randn(count, self.generator.parts[0][0].in_features)
        )


class _ClassifierLoop(_Loop):
    """Cross-entropy of one batch; ours has weight decay besides."""

    parts = {"network": "network"}

    def step(self, images, labels):
        self.update(self.of_network, F.cross_entropy(self.network(images), labels))


class _GANLoop(_Loop):
    """One update of the discriminator, one of the generator, each with own images."""

    def step(self, images):
        with torch.no_grad():
            fakes = self.sample(len(images))
        loss = F.softplus(-self.critic(images)).mean()
        self.update(self.of_critic, loss + F.softplus(self.critic(fakes)).mean())
        fakes = self.sample(len(images))
        loss = F.softplus(-self.critic(fakes)).mean()
        self.update(self.of_generator, loss)


def _penalized_loss(score, real, fakes):
    """A critic's loss with the penalty of its gradient, of weight 10."""
    between = torch.lerp(real, fakes, torch.rand(len(real), 1, 1, 1)).requires_grad_()
    (slope,) = torch.autograd.grad(score(between).sum(), between, create_graph=True)
    penalty = ((slope.flatten(1).norm(dim=1) - 1) ** 2).mean()
    return score(fakes).mean() - score(real).mean() + 10 * penalty


class _WassersteinLoop(_Loop):
    """Updates of the critic with the penalty of its gradient, then of the generator."""

    def step(self, images):
        minibatches = images.chunk(self.trainer.discriminator_steps)
        for real in minibatches:
            with torch.no_grad():
                fakes = self.sample(len(real))
            self.update(self.of_critic, _penalized_loss(self.critic, real, fakes))
        self.update(self.of_generator, -self.critic(self.sample(len(real))).mean())


class _AttentionMapsLoop(_Loop):
    """LBAM: an update of the critic, then of the network; without features."""

    parts = {"generator": "network", "critic": "discriminator"}

    def step(self, images, masks):
        with torch.no_grad():
            fakes = self.generator(images, masks)
        loss = _penalized_loss(lambda x: self.critic(x, masks), images, fakes)
        self.update(self.of_critic, loss)
        output = self.generator(images, masks)
        error = (output - images).abs()
        loss = (masks * error).mean() + ((1 - masks) * error).mean()
        loss -= 0.1 * self.critic(output, masks).mean()
        self.update(self.of_generator, loss)
        for part in self.generator.parts:
            if hasattr(part, "clip"):
                part.clip()


class _RefinerLoop(_Loop):
    """SimGAN's algorithm 1, with half of the discriminator's images from the past."""

    def __init__(self, trainer, order):
        super().__init__(trainer, order)
        self.past = None

    def step(self, simulated, real):
        *minibatches, last = simulated.chunk(self.trainer.generator_steps + 1)
        for images in minibatches:
            refined = self.generator(images)
            kept = (refined - images).abs().sum((1, 2, 3)).mean()
            loss = self._loss(refined, 1) + 0.5 * kept
            self.update(self.of_generator, loss)
        with torch.no_grad():
            refined = self.generator(last)
        new, others = refined[::2], refined[1::2]
        if self.past is None:
            self.past = others.repeat(100, 1, 1, 1)
        places = torch.randint(len(self.past), (len(others),))
        seen = torch.cat([new, self.past[places]])
        self.past[places] = others
        self.update(self.of_critic, self._loss(seen, 0) + self._loss(real, 1))

    def _loss(self, images, label):
        logits = self.critic(images)
        labels = torch.full_like(logits[:, 0], label, dtype=torch.long)
        each = F.cross_entropy(logits, labels, reduction="none")
        return each.sum((1, 2)).mean()


_LOOPS = {
    "densenet121": _ClassifierLoop,
    "densenet_bc40_28": _ClassifierLoop,
    "resnet50": _ClassifierLoop,
    "dcgan64": _GANLoop,
    "wgan_gp_cifar10": _WassersteinLoop,
    "simgan": _RefinerLoop,
    "lbam": _AttentionMapsLoop,
}


def check_networks(loop):
    """Raises ``AssertionError`` unless both sides compute the same."""
    for ours, theirs in loop.networks:
        rng = np.random.default_rng(0)
        shapes = [(2, *x.shape[1:]) for x in ours.inputs]
        given = [rng.uniform(-1, 1, shape).astype(np.float32) for shape in shapes]
        found = theirs.eval()(*map(_torch_networks.to_torch, given))
        theirs.train()
        found = _torch_networks.from_torch(found)
        expected = ours(given, training=False).numpy()
        np.testing.assert_allclose(found, expected, atol=1e-4 * abs(expected).max())


def measure(name) -> dict:
    """Examples per second by side: medians of the rounds."""
    trainer, load, size = _steps.prepare(name)
    batches = iter(load(0).take(1).cache().repeat())
    step = _steps.step_function(trainer)
    batch = [x.numpy() for x in tf.nest.flatten(next(batches))]
    takes = inspect.signature(_LOOPS[name].step).parameters
    tensors = list(map(_torch_networks.to_torch, batch))[: len(takes) - 1]
    sides = {"keras_cnns": lambda: _steps.seconds(lambda: step(batches), _COUNT.value)}
    for order in _ORDERS:
        loop = _LOOPS[name](trainer, order)
        check_networks(loop)
        sides[f"PyTorch, {order}"] = functools.partial(_seconds, loop, tensors)
    medians = _steps.medians_in_turn(sides, _ROUNDS.value)
    return {side: _COUNT.value * size / median for side, median in medians.items()}


def _seconds(loop, tensors) -> float:
    """Seconds of some steps in PyTorch."""
    started = time.perf_counter()
    for _ in range(_COUNT.value):
        loop.step(*tensors)
    return time.perf_counter() - started


_STEPS = flags.DEFINE_list("steps", list(_LOOPS), "which ones")


def main(_):
    results = {"tensorflow": tf.__version__, "torch": torch.__version__}
    for name in _STEPS.value:
        results[name] = speeds = measure(name)
        ours, *theirs = speeds.values()
        shown = ", ".join(f"{side} {speed:.2f}" for side, speed in speeds.items())
        print(f"{name}: {shown} examples/s; {ours / max(theirs):.2f}", flush=True)
        tf.keras.backend.clear_session()
    if _JSON.value:
        _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
