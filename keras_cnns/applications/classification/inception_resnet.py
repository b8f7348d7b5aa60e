"""Inception-ResNet v1 and v2: Inception modules whose output is a scaled residual.

Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of
Residual Connections on Learning", arXiv 1602.07261, figures 10 to 20. Residuals are
scaled by 0.1 to 0.2 before they are added; above 1000 filters training dies otherwise.

Deviations, each because every public file has them:

- The figures of v2 have the stem of Inception v4 and residual blocks of 384, 1154 and
  2048 channels; the authors' released code, followed here, has the stem of v3 and 320,
  1088 and 2080. Both versions end in a block whose residual is neither scaled nor
  rectified.
- ``InceptionResNetV2`` is the form of ``keras.applications`` (no gammas, momentum 0.99,
  no dropout, Keras' automatic layer names), ``InceptionResNetV2Torch`` that of timm and
  Cadene (gammas, momentum 0.9, dropout 0.2). What Keras does in one layer of its own,
  ``custom_scale_layer``, is a ``Rescaling`` and an ``Add`` of that name here.
- v1 is D. Sandberg's FaceNet network, with gammas as in facenet-pytorch.
  ``InceptionResNetV1`` puts the paper's classifier on it; its public weights are for
  faces only. ``FaceNetInceptionResNetV1`` has a 512-dimensional embedding (dense
  without bias, batch normalisation) between pooling and classifier, and reads
  facenet-pytorch's files ``20180402-114759-vggface2.pt`` (8631 identities) and
  ``20180408-102900-casia-webface.pt`` (10575) of its release v2.2.9. No checksum is
  published for them, so they are not fetched: give ``weights`` their path.
  ``face_embeddings`` turns the network into one that gives unit vectors, and
  ``InceptionResNetV1(include_top=False)`` reads the same files for its maps.
"""

from tensorflow import keras
from tensorflow.keras import layers

from keras_cnns._checks import (
    check_choice,
    check_count,
    check_counts,
    check_flag,
    check_positive,
    check_within,
)
from keras_cnns.applications.classification import _inception_resnet
from keras_cnns.applications.classification._inception import (
    DEFAULT_SHAPE,
    FORMS,
    INFO,
    MIN_SIZE,
    auxiliary_head,
)
from keras_cnns.applications.frame.builder import (
    Design,
    classification_builder,
    pooled_classifier,
)
from keras_cnns.applications.frame.parts import classifier, dropout, normalised
from keras_cnns.applications.frame.public_files import hub_file, keras_file
from keras_cnns.applications.frame.registry import register

_FACE_SHAPE = (160, 160, 3)
_USUAL_DROPOUT = {"keras": 0.0, "torch": 0.2, "embedding": 0.6}


def _embedding_head(size, dropout_rate):
    """Pooling, dropout, an embedding of ``size`` values, the classifier."""
    check_within("dropout_rate", dropout_rate)

    def head(x, classes, activation):
        x = layers.GlobalAveragePooling2D(name="avg_pool")(x)
        x = dropout(x, dropout_rate, "dropout")
        x = layers.Dense(size, use_bias=False, name="embedding_dense")(x)
        x = normalised(x, "embedding", epsilon=1e-3)
        return classifier(x, classes, activation)

    return head


def face_embeddings(model: keras.Model) -> keras.Model:
    """The network from images to embeddings of length 1, which shares its weights.

    Args:
        model: a ``FaceNetInceptionResNetV1``, or an ``InceptionResNet`` with an
            ``embedding_size``, with its classifier.

    Returns:
        A ``keras.Model`` from images to float32 ``(batch, embedding_size)``; the
        nearer two vectors, the likelier the same face.

    Raises:
        ValueError: if the network has no embedding.
    """
    if "embedding_bn" not in {layer.name for layer in model.layers}:
        raise ValueError(
            f"{model.name} has no embedding; build FaceNetInceptionResNetV1 with its "
            "classifier"
        )
    x = model.get_layer("embedding_bn").output
    x = layers.UnitNormalization(dtype="float32", name="embedding")(x)
    return keras.Model(model.inputs, x, name=f"{model.name}_embeddings")


@classification_builder(head_options=("embedding_size", "aux_heads", "dropout_rate"))
def _inception_resnet_builder(
    version=1,
    blocks=None,
    scales=(0.17, 0.10, 0.20),
    form="torch",
    embedding_size=None,
    *,
    aux_heads=False,
    depth_multiplier=1.0,
    dropout_rate=None,
):
    """General Inception-ResNet builder.

    Args:
        version: 1 or 2, whose stem, modules and widths to take.
        blocks: number of residual blocks at 35x35, 17x17 and 8x8, the last of which
            is neither scaled nor rectified; None takes the version's, 5, 10, 6 or
            10, 20, 10.
        scales: factor of the residuals at each of the three sizes; positive.
        form: ``"keras"`` (no gammas, momentum 0.99) or ``"torch"``.
        embedding_size: length of an embedding before the classifier; None for none.
        aux_heads: whether an auxiliary classifier on the last 17x17 map gives a second
            output, for training with the classifier.
        depth_multiplier: factor of the convolutions' widths, which stay at least 16;
            positive. Not from the paper.
        dropout_rate: after the pooling, in [0, 1); None takes the usual one: 0 in the
            Keras form, 0.2 in the torch form, 0.6 before an embedding.
    """
    check_choice("version", version, _inception_resnet.VERSIONS)
    blocks = _inception_resnet.BLOCKS[version] if blocks is None else blocks
    _check(blocks, scales, form, embedding_size, aux_heads, depth_multiplier)
    usual_rate = _USUAL_DROPOUT["embedding" if embedding_size else form]
    rate = usual_rate if dropout_rate is None else dropout_rate

    def features(x):
        x, side = _inception_resnet.features(
            x, version, blocks, scales, form, depth_multiplier
        )
        return (x, [side]) if aux_heads else x

    if embedding_size:
        head_rules, head = "embedding", _embedding_head(embedding_size, rate)
    else:
        head_rules = "classifier" if version == 2 else "dropped"
        head = pooled_classifier(rate)
    rules = _inception_resnet.state_dict_names(version, blocks[-1], head_rules)
    return Design(
        features,
        default_shape=_FACE_SHAPE if embedding_size else DEFAULT_SHAPE,
        min_size=MIN_SIZE,
        head=head,
        auxiliary_heads=(auxiliary_head(form, depth_multiplier),) if aux_heads else (),
        fixed_size=aux_heads,
        state_dict_names=rules if form == "torch" else (),
        state_dict_hint="those have gammas; build InceptionResNetV2Torch "
        "(form='torch') for them",
    )


def _check(blocks, scales, form, embedding_size, aux_heads, depth_multiplier):
    """Refuses what makes no network."""
    check_choice("form", form, FORMS)
    check_flag("aux_heads", aux_heads)
    check_counts("blocks", blocks)
    for name, values in (("blocks", blocks), ("scales", scales)):
        if not isinstance(values, (tuple, list)) or len(values) != 3:
            raise ValueError(f"{name} must be three, one per map size, got {values!r}")
    for scale in scales:
        check_positive("each of scales", scale)
    if embedding_size is not None:
        check_count("embedding_size", embedding_size)
    check_positive("depth_multiplier", depth_multiplier)


_PAPER = "Inception-ResNet, arXiv 1602.07261, "
_PUBLISHED = "ImageNet error {} %, 1-crop, non-blacklisted images"
_ENDS_V1 = (
    "conv2d_2b_relu",
    "conv2d_4a_relu",
    "block35_5_ac",
    "block17_10_ac",
    "block8_6_add",
)
_ENDS_V2 = ("block35_10_ac", "block17_20_ac")
_V1 = {"version": 1, "aux_heads": False}  # as in every implementation of v1
_V2 = {
    "paper": _PAPER + "figures 16 to 20, widths as released",
    "macs": 13.156e9,
    "published": _PUBLISHED.format("19.9/4.9"),
    **INFO,
}

InceptionResNetV1 = register(
    _inception_resnet_builder,
    "InceptionResNetV1",
    architecture=_V1,
    name="inception_resnet_v1",
    paper=_PAPER + "figures 10 to 15, as FaceNet has it",
    params=24_357_096,
    macs=6.308e9,
    published=_PUBLISHED.format("21.3/5.5"),
    stage_ends=_ENDS_V1,
    **INFO,
)
FaceNetInceptionResNetV1 = register(
    _inception_resnet_builder,
    "FaceNetInceptionResNetV1",
    architecture={**_V1, "embedding_size": 512},
    name="facenet_inception_resnet_v1",
    paper=_PAPER + "as trained by D. Sandberg on VGGFace2",
    params=27_910_327,
    macs=1.42e9,
    published="LFW accuracy 99.65 % of the embedding (facenet-pytorch's README)",
    classes=8631,
    input_shape=_FACE_SHAPE,
    min_size=MIN_SIZE,
    preprocessing="facenet",
    stage_ends=_ENDS_V1,
)
InceptionResNetV2 = register(
    _inception_resnet_builder,
    "InceptionResNetV2",
    architecture={"version": 2, "form": "keras"},
    name="inception_resnet_v2",
    params=55_813_192,
    stage_ends=("activation_2", "activation_4", *_ENDS_V2, "conv_7b_ac"),
    note="no gammas, of which the torch form has 30,272",
    public_weights={
        "imagenet": keras_file(
            "inception_resnet_v2",
            "inception_resnet_v2",
            "e693bd0210a403b3192acc6073ad2e96",
            "d19885ff4a710c122648d3b5c3b684e4",
        )
    },
    **_V2,
)
InceptionResNetV2Torch = register(
    _inception_resnet_builder,
    "InceptionResNetV2Torch",
    architecture={"version": 2},
    name="inception_resnet_v2_torch",
    params=55_843_464,
    stage_ends=("conv2d_2b_relu", "conv2d_4a_relu", *_ENDS_V2, "conv2d_7b_relu"),
    public_weights={
        "imagenet": hub_file("inception_resnet_v2.tf_in1k"),
        "tf_ens_adv_in1k": hub_file("inception_resnet_v2.tf_ens_adv_in1k"),
    },
    **_V2,
)
InceptionResNet = register(
    _inception_resnet_builder,
    "InceptionResNet",
    name="inception_resnet",
    paper=_PAPER + "general builder (default: v1)",
    params=24_357_096,
    stage_ends=_ENDS_V1,
    **INFO,
)

__all__ = [
    "FaceNetInceptionResNetV1",
    "InceptionResNet",
    "InceptionResNetV1",
    "InceptionResNetV2",
    "InceptionResNetV2Torch",
    "face_embeddings",
]
