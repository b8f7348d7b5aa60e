"""Making trained networks smaller: fewer weights, or zeros among them."""

from keras_cnns.compression.patterns import (
    FIXED_PATTERNS,
    best_patterns,
    natural_patterns,
    pattern_library,
)
from keras_cnns.compression.pruning import (
    KernelRule,
    find_library,
    plan_pruning,
    prune,
    report_pruning,
)
from keras_cnns.compression.truncated_svd import truncate_dense

__all__ = [
    "FIXED_PATTERNS",
    "KernelRule",
    "best_patterns",
    "find_library",
    "natural_patterns",
    "pattern_library",
    "plan_pruning",
    "prune",
    "report_pruning",
    "truncate_dense",
]
