"""Functional-API builders: ``keras_cnns.applications.DenseNet121()`` and its kin."""

from keras_cnns.applications.autoencoding.swwae import *
from keras_cnns.applications.classification.all_cnn import *
from keras_cnns.applications.classification.bn_inception import *
from keras_cnns.applications.classification.densenet import *
from keras_cnns.applications.classification.dpn import *
from keras_cnns.applications.classification.fractalnet import *
from keras_cnns.applications.classification.googlenet import *
from keras_cnns.applications.classification.highway import *
from keras_cnns.applications.classification.highway_fc import *
from keras_cnns.applications.classification.inception_resnet import *
from keras_cnns.applications.classification.inception_v3 import *
from keras_cnns.applications.classification.inception_v4 import *
from keras_cnns.applications.classification.maxout import *
from keras_cnns.applications.classification.network_in_network import *
from keras_cnns.applications.classification.resnet import *
from keras_cnns.applications.classification.resnet_in_resnet import *
from keras_cnns.applications.classification.shufflenet import *
from keras_cnns.applications.classification.small_convnet import *
from keras_cnns.applications.classification.spatial_transformer import *
from keras_cnns.applications.classification.stochastic_depth import *
from keras_cnns.applications.classification.vgg import *
from keras_cnns.applications.classification.zf import *
from keras_cnns.applications.detection._detections import (
    DELTA_STDDEVS,
    DetectionFunction,
    region_features,
    run_regions,
)
from keras_cnns.applications.detection._parts import without_top
from keras_cnns.applications.detection._pretrained import load_backbone
from keras_cnns.applications.detection.fast_rcnn import *
from keras_cnns.applications.detection.faster_rcnn import *
from keras_cnns.applications.detection.rcnn import *
from keras_cnns.applications.detection.sppnet import *
from keras_cnns.applications.frame.costs import count_macs
from keras_cnns.applications.frame.features import extract_features, stage_ends_of
from keras_cnns.applications.frame.keras_files import save as save_weights
from keras_cnns.applications.frame.registry import (
    ModelInfo,
    create_model,
    create_with_weights,
    list_models,
    model_info,
)
from keras_cnns.applications.frame.spatial_transformer import spatial_transformer
from keras_cnns.applications.frame.weight_files import load as load_weights
from keras_cnns.applications.generative.cgan import *
from keras_cnns.applications.generative.cgan_tag import *
from keras_cnns.applications.generative.dcgan import *
from keras_cnns.applications.generative.deduplication import *
from keras_cnns.applications.generative.gan_conv import *
from keras_cnns.applications.generative.gan_mlp import *
from keras_cnns.applications.generative.simgan import *
from keras_cnns.applications.generative.wgan import *
from keras_cnns.applications.generative.wgan_gp import *
from keras_cnns.applications.generative.wgan_gp_resnet import *
from keras_cnns.applications.generative.wgan_gp_torch import *
from keras_cnns.applications.generative.wgan_gp_toy import *
from keras_cnns.applications.inpainting.contextual_attention import *
from keras_cnns.applications.inpainting.contextual_attention_critics import *
from keras_cnns.applications.inpainting.global_local import *
from keras_cnns.applications.inpainting.global_local_discriminator import *
from keras_cnns.applications.inpainting.lbam import *
from keras_cnns.applications.inpainting.lbam_discriminator import *
from keras_cnns.applications.inpainting.partial_convolution import *
from keras_cnns.applications.inpainting.unet import *
from keras_cnns.applications.localisation.spatial_transformer_colocalisation import *
from keras_cnns.applications.sequence_classification.spatial_transformer_svhn import *
from keras_cnns.applications.super_resolution._parts import UPSAMPLINGS
from keras_cnns.applications.super_resolution.drcn import *
from keras_cnns.applications.super_resolution.edsr import *
from keras_cnns.applications.super_resolution.espcn import *
from keras_cnns.applications.super_resolution.fsrcnn import *
from keras_cnns.applications.super_resolution.msrresnet import *
from keras_cnns.applications.super_resolution.rdn import *
from keras_cnns.applications.super_resolution.srcnn import *
from keras_cnns.applications.super_resolution.srdensenet import *
from keras_cnns.applications.super_resolution.srgan import *
from keras_cnns.applications.super_resolution.srresnet import *
from keras_cnns.applications.super_resolution.vdsr import *
