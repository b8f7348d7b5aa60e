"""Custom layers, one per file."""

from keras_cnns.layers.adaptive_average_pooling import AdaptiveAveragePooling2D
from keras_cnns.layers.adaptive_max_pooling import AdaptiveMaxPooling2D
from keras_cnns.layers.anchors import ANCHOR_STYLES, Anchors, base_anchors
from keras_cnns.layers.batch_normalization_from_moments import (
    BatchNormalizationFromMoments,
)
from keras_cnns.layers.bilinear_sampler import BilinearSampler
from keras_cnns.layers.channel_moments import ChannelMoments
from keras_cnns.layers.channel_padding import ChannelPadding
from keras_cnns.layers.channel_shuffle import ChannelShuffle
from keras_cnns.layers.contextual_attention import ContextualAttention
from keras_cnns.layers.depth_to_space import DepthToSpace
from keras_cnns.layers.detections import Detections
from keras_cnns.layers.dual_stream_convolution import DualStreamConv2D
from keras_cnns.layers.fractal_drop_path import FractalDropPath
from keras_cnns.layers.fractal_join import FractalJoin
from keras_cnns.layers.grouped_convolution import GroupedConv2D
from keras_cnns.layers.learnable_mask import LearnableMaskActivation
from keras_cnns.layers.local_response_normalization import LocalResponseNormalization
from keras_cnns.layers.mask_renormalization import MaskRenormalization
from keras_cnns.layers.mask_update import MaskUpdate
from keras_cnns.layers.masked_concatenate import MaskedConcatenate
from keras_cnns.layers.matrix_batch_normalization import MatrixBatchNormalization
from keras_cnns.layers.matrix_convolution import MatrixConv2D, MatrixConv2DTranspose
from keras_cnns.layers.max_unpooling import MaxPoolWithSwitches2D, MaxUnpool2D
from keras_cnns.layers.nearest_upsampling import NearestUpsampling2D
from keras_cnns.layers.partial_conv import PartialConv2D
from keras_cnns.layers.recomputing_convolution import RecomputingConv2D
from keras_cnns.layers.region_proposals import RegionProposals
from keras_cnns.layers.regions import FoldRegions, UnfoldRegions
from keras_cnns.layers.roi_align import RoIAlign
from keras_cnns.layers.roi_pooling import RoIPooling
from keras_cnns.layers.roi_pyramid_pooling import RoIPyramidPooling
from keras_cnns.layers.sampling_grid import TRANSFORMS, SamplingGrid
from keras_cnns.layers.soft_max_pooling import SoftMaxPool2D, SoftUnpool2D
from keras_cnns.layers.valid_pixels import ValidPixels
from keras_cnns.layers.warped_crops import WarpedCrops
from keras_cnns.layers.weighted_sum import WeightedSum

__all__ = [
    "ANCHOR_STYLES",
    "TRANSFORMS",
    "AdaptiveAveragePooling2D",
    "AdaptiveMaxPooling2D",
    "BatchNormalizationFromMoments",
    "BilinearSampler",
    "ChannelMoments",
    "ChannelPadding",
    "ChannelShuffle",
    "ContextualAttention",
    "DepthToSpace",
    "DualStreamConv2D",
    "FractalDropPath",
    "FractalJoin",
    "GroupedConv2D",
    "LocalResponseNormalization",
    "ValidPixels",
    "LearnableMaskActivation",
    "MaskRenormalization",
    "MaskUpdate",
    "MaskedConcatenate",
    "MatrixBatchNormalization",
    "MatrixConv2D",
    "MatrixConv2DTranspose",
    "MaxPoolWithSwitches2D",
    "MaxUnpool2D",
    "NearestUpsampling2D",
    "PartialConv2D",
    "Anchors",
    "Detections",
    "RecomputingConv2D",
    "RegionProposals",
    "FoldRegions",
    "UnfoldRegions",
    "RoIAlign",
    "RoIPooling",
    "RoIPyramidPooling",
    "SamplingGrid",
    "SoftMaxPool2D",
    "SoftUnpool2D",
    "WarpedCrops",
    "WeightedSum",
    "base_anchors",
]
