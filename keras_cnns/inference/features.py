"""The features of a trained classifier, for perceptual and style losses."""

from collections.abc import Sequence

from keras_cnns import applications
from keras_cnns.inference.classifiers import describe_classifier, load_classifier
from keras_cnns.trainers import FeatureNetwork
from keras_cnns.trainers.feature_networks import NUM_STAGES, in_float32


def run_features(
    run_dir: str,
    *,
    size: tuple = (None, None),
    layers: Sequence[str] = (),
    which: str = "best",
    value_range: str = "unit",
    standardize: bool = True,
) -> FeatureNetwork:
    """The classifier of a training run, at the ends of its first three stages.

    Its features have their own scale, so that the papers' weights of perceptual and
    style losses do not carry over.

    Args:
        run_dir: folder of a run of ``classification``.
        size: (height, width) of the images; None: any, if the network can.
        layers: names of other layers, finest first; empty: the registry's, which
            networks of general builders do not have.
        which: ``"best"`` or ``"last"`` epoch.
        value_range, standardize: as of ``FeatureNetwork``.

    Raises:
        ValueError: if the folder holds no such run, or the network does not take that
            size, has no such layers, or none are given and the registry has none.
    """
    with in_float32():
        network, run = load_classifier(run_dir, which, size)
        model = run.config.networks["network"]["model"]
        layers = layers or applications.stage_ends_of(model)[:NUM_STAGES]
        return FeatureNetwork(
            describe_classifier(run, which),
            network,
            run.config.preprocessing,
            layers,
            value_range,
            standardize,
        )
