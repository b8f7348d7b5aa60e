"""Inspection of trained networks, and of images by their features."""

from keras_cnns._graph import convolution_activations
from keras_cnns.inspection.activation_maximization import (
    REGULARIZATIONS,
    Regularization,
    maximize,
)
from keras_cnns.inspection.backward_rules import (
    RULES,
    RuledCopy,
    guided_copy,
    ruled_copy,
)
from keras_cnns.inspection.batch_norm_statistics import remeasure_batch_norm
from keras_cnns.inspection.class_activation import (
    class_activation_maps,
    enlarge,
    grad_cam,
    guided_grad_cam,
    has_class_activation_maps,
    map_box,
    normalize_map,
)
from keras_cnns.inspection.deep_dream import (
    DREAMS,
    DeepDream,
    DreamRecipe,
    deep_dream,
    octave_sizes,
)
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
from keras_cnns.inspection.faithfulness import (
    Deletion,
    Similarity,
    cascading_stages,
    deletion_score,
    deletion_scores,
    independent_stages,
    logit_layer,
    map_similarity,
    randomization_check,
    randomized,
    rank_correlation,
    weighted_layers,
)
from keras_cnns.inspection.filter_dropping import (
    ObjectFilters,
    drop_filters,
    object_filters,
)
from keras_cnns.inspection.gradient_maps import (
    class_gradients,
    completeness_error,
    input_times_gradient,
    integrated_gradients,
    saliency,
    smooth_gradients,
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
from keras_cnns.inspection.made_images import (
    draw_class_models,
    draw_dream,
    dream_input,
    open_dream,
)
from keras_cnns.inspection.methods import METHODS, Explainer, Method
from keras_cnns.inspection.occlusion import occlusion_maps
from keras_cnns.inspection.parallel_lines import (
    LineEstimates,
    ParallelLines,
    estimate_distances,
    exact_distances,
)
from keras_cnns.inspection.pointing import Pointing, pointing_game
from keras_cnns.inspection.random_weights import (
    RANDOMIZED,
    MapsByWeights,
    maps_by_weights,
    told_similarity,
)
from keras_cnns.inspection.spatial_warps import (
    Warp,
    spatial_transformers,
    spatial_warps,
)
from keras_cnns.inspection.subjects import Subject

__all__ = [
    "DREAMS",
    "METHODS",
    "RANDOMIZED",
    "REGULARIZATIONS",
    "RULES",
    "ArithmeticStudy",
    "DeepDream",
    "Deletion",
    "DreamRecipe",
    "Duplicates",
    "Explainer",
    "FewLabelResult",
    "GradientStatistics",
    "InspectedClassifier",
    "LineEstimates",
    "MapsByWeights",
    "Method",
    "ObjectFilters",
    "ParallelLines",
    "Pointing",
    "ProbeRecord",
    "Regularization",
    "RuledCopy",
    "Similarity",
    "Subject",
    "SvmResult",
    "Warp",
    "average_latents",
    "cascading_stages",
    "central_thumbnails",
    "class_activation_maps",
    "class_gradients",
    "collision_rates",
    "combine",
    "completeness_error",
    "convolution_activations",
    "deep_dream",
    "deletion_score",
    "deletion_scores",
    "dense_discriminator",
    "discriminator_features",
    "draw_class_models",
    "draw_dream",
    "dream_input",
    "drop_filters",
    "enlarge",
    "estimate_distances",
    "exact_distances",
    "few_label_accuracy",
    "find_duplicates",
    "generator_gradient",
    "grad_cam",
    "gradient_statistics",
    "group_equal",
    "guided_backpropagation",
    "guided_copy",
    "guided_grad_cam",
    "has_class_activation_maps",
    "hash_bits",
    "independent_stages",
    "input_times_gradient",
    "integrated_gradients",
    "interpolate",
    "interpolation_jumps",
    "logit_layer",
    "map_box",
    "map_similarity",
    "maps_by_weights",
    "maximal_responses",
    "maximize",
    "neighbours",
    "normalize_map",
    "object_filters",
    "occlusion_maps",
    "octave_sizes",
    "open_dream",
    "pointing_game",
    "probe_discriminator",
    "randomization_check",
    "randomized",
    "rank_correlation",
    "ratio_spreads",
    "remeasure_batch_norm",
    "ruled_copy",
    "saliency",
    "shift",
    "smooth_gradients",
    "spatial_transformers",
    "spatial_warps",
    "svm_accuracy",
    "told_similarity",
    "train_deduplicator",
    "unit_gradients",
    "vector_arithmetic",
    "walk",
    "weighted_layers",
]
