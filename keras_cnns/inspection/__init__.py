"""Looking into trained networks, and at pictures through them."""

from keras_cnns.inspection._graph import convolution_activations
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
from keras_cnns.inspection.embeddings import (
    Embedding,
    evaluate_pictures,
    inception_embedding,
    quantize,
    run_embedding,
)
from keras_cnns.inspection.figures import (
    around_grey,
    picture_grid,
    signed_heat,
    to_bytes,
)
from keras_cnns.inspection.filter_dropping import (
    ObjectFilters,
    drop_filters,
    object_filters,
)
from keras_cnns.inspection.guided_backpropagation import (
    guided_backpropagation,
    guided_copy,
    maximal_responses,
    unit_gradients,
)
from keras_cnns.inspection.inpainters import (
    ExemplarInpainter,
    NetworkInpainter,
    open_inpainter,
)
from keras_cnns.inspection.inpainting import inpainting_grid
from keras_cnns.inspection.inpainting_comparison import (
    Comparison,
    compare_inpainters,
)
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
from keras_cnns.inspection.refinement import refine_source, refinement_grid

__all__ = [
    "ArithmeticStudy",
    "Comparison",
    "Duplicates",
    "Embedding",
    "ExemplarInpainter",
    "FewLabelResult",
    "GradientStatistics",
    "LineEstimates",
    "ObjectFilters",
    "NetworkInpainter",
    "ParallelLines",
    "ProbeRecord",
    "SvmResult",
    "around_grey",
    "average_latents",
    "central_thumbnails",
    "collision_rates",
    "combine",
    "compare_inpainters",
    "convolution_activations",
    "dense_discriminator",
    "discriminator_features",
    "drop_filters",
    "estimate_distances",
    "evaluate_pictures",
    "exact_distances",
    "few_label_accuracy",
    "find_duplicates",
    "generator_gradient",
    "gradient_statistics",
    "group_equal",
    "guided_backpropagation",
    "guided_copy",
    "hash_bits",
    "inception_embedding",
    "inpainting_grid",
    "interpolate",
    "interpolation_jumps",
    "maximal_responses",
    "neighbours",
    "object_filters",
    "open_inpainter",
    "picture_grid",
    "probe_discriminator",
    "quantize",
    "ratio_spreads",
    "refine_source",
    "refinement_grid",
    "remeasure_batch_norm",
    "run_embedding",
    "shift",
    "signed_heat",
    "svm_accuracy",
    "to_bytes",
    "train_deduplicator",
    "unit_gradients",
    "vector_arithmetic",
    "walk",
]
