"""Trainers: ``keras.Model`` subclasses that receive networks and train them."""

from keras_cnns.trainers.alternating import AlternatingFasterRCNNTrainer
from keras_cnns.trainers.classification import ClassificationTrainer
from keras_cnns.trainers.clusters import LostWorkerError
from keras_cnns.trainers.contextual_attention import ContextualAttentionTrainer
from keras_cnns.trainers.distribution import make_strategy
from keras_cnns.trainers.fast_rcnn import FastRCNNTrainer
from keras_cnns.trainers.faster_rcnn import FasterRCNNTrainer, RPNTrainer, propose
from keras_cnns.trainers.feature_networks import (
    FeatureNetwork,
    vgg16_features,
    vgg19_features,
)
from keras_cnns.trainers.freezing import freeze_up_to
from keras_cnns.trainers.gan import GAN, ConditionalGAN
from keras_cnns.trainers.global_local import GlobalLocalTrainer
from keras_cnns.trainers.inpainting import InpaintingTrainer
from keras_cnns.trainers.lbam import LBAMTrainer
from keras_cnns.trainers.optimizers import OPTIMIZERS, SCHEDULES, make_optimizer
from keras_cnns.trainers.pruning import PruningTrainer
from keras_cnns.trainers.reconstruction import ReconstructionTrainer, two_stage_rate
from keras_cnns.trainers.reconstruction_loss import ReconstructionWeights
from keras_cnns.trainers.region_classifiers import (
    RegionClassifiers,
    fit_region_classifiers,
)
from keras_cnns.trainers.sampling import draw_inputs, generate, sample_generator
from keras_cnns.trainers.simgan import SimGAN
from keras_cnns.trainers.srgan import SRGANTrainer
from keras_cnns.trainers.step_noise import InstanceNoise, Latents
from keras_cnns.trainers.stepwise import StepwiseTrainer
from keras_cnns.trainers.super_resolution import LOSSES as SUPER_RESOLUTION_LOSSES
from keras_cnns.trainers.super_resolution import SuperResolutionTrainer
from keras_cnns.trainers.wasserstein_gan import WassersteinGAN
from keras_cnns.trainers.wasserstein_gan_gp import WassersteinGANGP
from keras_cnns.trainers.what_where import REDUCTIONS, WhatWhereTrainer

__all__ = [
    "GAN",
    "OPTIMIZERS",
    "REDUCTIONS",
    "SCHEDULES",
    "SRGANTrainer",
    "SUPER_RESOLUTION_LOSSES",
    "AlternatingFasterRCNNTrainer",
    "ClassificationTrainer",
    "ConditionalGAN",
    "ContextualAttentionTrainer",
    "FastRCNNTrainer",
    "FasterRCNNTrainer",
    "FeatureNetwork",
    "GlobalLocalTrainer",
    "InpaintingTrainer",
    "InstanceNoise",
    "LBAMTrainer",
    "PruningTrainer",
    "RPNTrainer",
    "Latents",
    "ReconstructionTrainer",
    "ReconstructionWeights",
    "RegionClassifiers",
    "SimGAN",
    "StepwiseTrainer",
    "SuperResolutionTrainer",
    "WassersteinGAN",
    "WassersteinGANGP",
    "WhatWhereTrainer",
    "fit_region_classifiers",
    "freeze_up_to",
    "make_optimizer",
    "LostWorkerError",
    "make_strategy",
    "propose",
    "draw_inputs",
    "generate",
    "sample_generator",
    "two_stage_rate",
    "vgg16_features",
    "vgg19_features",
]
