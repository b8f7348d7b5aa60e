"""What-where auto-encoders, with the hyper-parameters that are known."""

from keras_cnns.runs import PaperModel

# Half sums of squares, weighted by 1 and 0.2.
_PUBLIC_CODE = {
    "optimizer": "adam",
    "epsilon": 1e-8,
    "learning_rate": 1e-4,
    "batch_size": 128,
    "reconstruction_weight": 0.5,
    "middle_weight": 0.1,
    "reduction": "sum",
}
_MEANS = {
    "optimizer": "adam",
    "learning_rate": 1e-3,
    "batch_size": 64,
    "reconstruction_weight": 10.0,
    "middle_weight": 1.0,
    "reduction": "mean",
    "dropout_rate": 0.5,
}
_SOURCE = (
    "arXiv 1506.02351, whose weights of losses are validated for each data set and not "
    "known to us; hyper-parameters are those of public code for MNIST"
)


def _row(name, source=_SOURCE, options=_PUBLIC_CODE, **changes):
    return PaperModel({"network": name}, {**options, **changes}, source)


MODELS = {
    "swwae_mnist": _row("swwae_mnist", dropout_rate=0.5),
    "swwae_probe": _row("swwae_probe", labels="none", middle_weight=0.0),
    "swwae_small": _row("swwae_small", "not from the paper", _MEANS),
    "swwae_stl10": _row("swwae_stl10", dropout_rate=0.5),
}
