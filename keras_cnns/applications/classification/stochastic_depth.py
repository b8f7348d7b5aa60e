"""Stochastic depth: residual blocks are left out at random while a network trains.

Huang, Sun, Liu, Sedra, Weinberger, "Deep Networks with Stochastic Depth", arXiv
1603.09382, section 4 and table 1. In training, block l of L is open for a whole
mini-batch with probability p_l = 1 - (l / L) * (1 - p_L), else only its shortcut is;
in inference its branch is multiplied by p_l. Any other ResNet takes the same option:
``ResNet(units=(3, 8, 36, 3), final_survival_rate=0.5)`` is the paper's ImageNet net,
and a ``StochasticDepthResNet`` of depth 1202 its deepest one; Keras, which walks
through networks recursively, needs ``sys.setrecursionlimit(10_000)`` for it.

As in the authors' code, convolutions have biases, and a transition's shortcut is a 2x2
average pool with zero channels appended.

Deviations: a closed block is computed all the same, so that no time is saved, and its
batch normalisation goes on collecting statistics; kernels start from the fan-out
instead of the fan-in He distribution (they differ in the convolutions that widen).
Under a distribution strategy every replica draws its own gates.
"""

from keras_cnns.applications.classification._residual import (
    MIN_SIZE,
    residual_design,
    stage_ends,
)
from keras_cnns.applications.frame.builder import classification_builder
from keras_cnns.applications.frame.parts import SMALL_IMAGES
from keras_cnns.applications.frame.registry import register

# depth, params with 10 classes as counted from the layers of the authors' code,
# multiply-adds of the ResNet of equal depth, the paper's errors.
_VARIANTS = {
    "StochasticDepthResNet110": (
        110,
        1_732_010,
        252.9e6,
        "CIFAR-10 error 5.25 % (constant depth 6.41 %), augmented",
    ),
    "StochasticDepthResNet152": (
        152,
        2_414_090,
        None,
        "SVHN error 1.75 % (constant depth 1.80 %)",
    ),
}


def _units(depth):
    return ((depth - 2) // 6,) * 3


@classification_builder
def _stochastic_depth_resnet(depth=20, *, final_survival_rate=0.5, drop_path="batch"):
    """General builder of the paper's nets for small images.

    Args:
        depth: number of convolutional and dense layers, 6n + 2.
        final_survival_rate: rate at which the last block is open in training, in
            (0, 1]; rates fall linearly to it. 1 gives the net of constant depth.
        drop_path: ``"batch"`` (the paper's: one draw per block and batch, branches
            scaled by their rates in inference) or ``"sample"`` (one draw per block
            and image, scaled by 1 / rate in training).
    """
    whole = isinstance(depth, int) and not isinstance(depth, bool)
    if not whole or depth < 8 or depth % 6 != 2:
        raise ValueError(f"depth must be 6n + 2 with n >= 1, got {depth!r}")
    return residual_design(
        _units(depth),
        "basic",
        16,
        "average_pool",
        "small",
        "biased",
        final_survival_rate,
        drop_path,
    )


def _registered(function_name, name, depth, paper, **info):
    return register(
        _stochastic_depth_resnet,
        function_name,
        name=name,
        paper=f"Stochastic depth, arXiv 1603.09382, {paper}",
        min_size=MIN_SIZE["small"],
        stage_ends=stage_ends(_units(depth)),
        **SMALL_IMAGES,
        **info,
    )


def _variant(function_name):
    depth, params, macs, published = _VARIANTS[function_name]
    return _registered(
        function_name,
        f"stochastic_depth_resnet{depth}",
        depth,
        "table 1",
        architecture={"depth": depth},
        params=params,
        macs=macs,
        published=published,
    )


StochasticDepthResNet110 = _variant("StochasticDepthResNet110")
StochasticDepthResNet152 = _variant("StochasticDepthResNet152")
StochasticDepthResNet = _registered(
    "StochasticDepthResNet",
    "stochastic_depth_resnet",
    20,
    "general builder (default: 20 layers, not from the paper)",
    params=270_410,
    macs=40.6e6,
)

__all__ = ["StochasticDepthResNet", *_VARIANTS]
