"""Inspection of trained networks, and of images by their features."""

from keras_cnns._graph import convolution_activations
from keras_cnns.inspection.backward_rules import (
    RULES,
    RuledCopy,
    guided_copy,
    ruled_copy,
)
from keras_cnns.inspection.batch_norm_statistics import remeasure_batch_norm
from keras_cnns.inspection.discriminator_features import discriminator_features
from keras_cnns.inspection.discriminator_probe import (
    GradientStatistics,
    ProbeRecord,
    dense_discriminator,
    generator_gradient,
    gradient_statistics,
    probe_discriminator,
    ratio_spreads,
)
from keras_cnns.inspection.duplicates import (
    Duplicates,
    central_thumbnails,
    collision_rates,
    find_duplicates,
    group_equal,
    hash_bits,
    train_deduplicator,
)
from keras_cnns.inspection.filter_dropping import (
    ObjectFilters,
    drop_filters,
    object_filters,
)
from keras_cnns.inspection.guided_backpropagation import (
    guided_backpropagation,
    maximal_responses,
    unit_gradients,
)
from keras_cnns.inspection.inspected import InspectedClassifier
from keras_cnns.inspection.latent_walks import (
    ArithmeticStudy,
    average_latents,
    combine,
    interpolate,
    interpolation_jumps,
    neighbours,
    shift,
    vector_arithmetic,
    walk,
)
from keras_cnns.inspection.linear_svm import (
    FewLabelResult,
    SvmResult,
    few_label_accuracy,
    svm_accuracy,
)
from keras_cnns.inspection.parallel_lines import (
    LineEstimates,
    ParallelLines,
    estimate_distances,
    exact_distances,
)

__all__ = [
    "RULES",
    "ArithmeticStudy",
    "Duplicates",
    "FewLabelResult",
    "GradientStatistics",
    "InspectedClassifier",
    "LineEstimates",
    "ObjectFilters",
    "ParallelLines",
    "ProbeRecord",
    "RuledCopy",
    "SvmResult",
    "average_latents",
    "central_thumbnails",
    "collision_rates",
    "combine",
    "convolution_activations",
    "dense_discriminator",
    "discriminator_features",
    "drop_filters",
    "estimate_distances",
    "exact_distances",
    "few_label_accuracy",
    "find_duplicates",
    "generator_gradient",
    "gradient_statistics",
    "group_equal",
    "guided_backpropagation",
    "guided_copy",
    "hash_bits",
    "interpolate",
    "interpolation_jumps",
    "maximal_responses",
    "neighbours",
    "object_filters",
    "probe_discriminator",
    "ratio_spreads",
    "remeasure_batch_norm",
    "ruled_copy",
    "shift",
    "svm_accuracy",
    "train_deduplicator",
    "unit_gradients",
    "vector_arithmetic",
    "walk",
]
