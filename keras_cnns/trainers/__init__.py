"""Trainers: ``keras.Model`` subclasses that receive networks and train them."""

from keras_cnns.trainers.checkpoints import CheckpointStore, list_steps
from keras_cnns.trainers.classification import ClassificationTrainer
from keras_cnns.trainers.contextual_attention import ContextualAttentionTrainer
from keras_cnns.trainers.distribution import make_strategy
from keras_cnns.trainers.feature_networks import (
    FeatureNetwork,
    run_features,
    vgg16_features,
)
from keras_cnns.trainers.freezing import freeze_up_to
from keras_cnns.trainers.gan import GAN, ConditionalGAN
from keras_cnns.trainers.global_local import GlobalLocalTrainer
from keras_cnns.trainers.inpainting import InpaintingTrainer
from keras_cnns.trainers.lbam import LBAMTrainer
from keras_cnns.trainers.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer
from keras_cnns.trainers.recipes import RECIPES
from keras_cnns.trainers.reconstruction import ReconstructionWeights
from keras_cnns.trainers.runs import load_run
from keras_cnns.trainers.simgan import SimGAN
from keras_cnns.trainers.step_noise import InstanceNoise, Latents
from keras_cnns.trainers.wasserstein_gan import WassersteinGAN
from keras_cnns.trainers.wasserstein_gan_gp import WassersteinGANGP

__all__ = [
    "GAN",
    "OPTIMIZERS",
    "RECIPES",
    "SCHEDULES",
    "CheckpointStore",
    "ClassificationTrainer",
    "ConditionalGAN",
    "ContextualAttentionTrainer",
    "FeatureNetwork",
    "GlobalLocalTrainer",
    "InpaintingTrainer",
    "InstanceNoise",
    "LBAMTrainer",
    "Latents",
    "ReconstructionWeights",
    "SimGAN",
    "WassersteinGAN",
    "WassersteinGANGP",
    "freeze_up_to",
    "list_steps",
    "load_run",
    "make_optimizer",
    "make_strategy",
    "run_features",
    "vgg16_features",
]
