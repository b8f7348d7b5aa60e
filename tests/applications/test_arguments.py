"""Options that make no sense are refused by name, before Keras sees them."""

import inspect
import re

import pytest

from keras_cnns import applications
from keras_cnns.applications.frame import builder

# Of the standard arguments, those that other tests and Keras look after.
OTHERS = set(builder.STANDARD) - {"include_top", "classes"}


def _options():
    """Each option of each family, with a model that has it."""
    found = {}
    for name in applications.list_models("classification"):
        constructor = applications.model_info(name).constructor
        for option in inspect.signature(constructor).parameters:
            if option not in OTHERS:
                found[constructor.__module__.rpartition(".")[2], option] = name
    return sorted((name, option) for (_, option), name in found.items())


@pytest.mark.parametrize(("name", "option"), _options())
@pytest.mark.parametrize("value", ["nonsense", [], True, float("nan")])
def test_nonsense_is_refused_by_name(name, option, value):
    constructor = applications.model_info(name).constructor
    default = inspect.signature(constructor).parameters[option].default
    if isinstance(value, bool) and isinstance(default, bool):
        value = int(value)
    with pytest.raises(ValueError, match=f"{option}.*{re.escape(repr(value))}"):
        applications.create_model(name, **{option: value})


@pytest.mark.parametrize(
    ("name", "option", "value"),
    [
        ("all_cnn_c", "rectified_class_maps", False),
        ("bn_inception", "dropout_rate", 0.3),
        ("dpn", "mean_max_pooling", True),
        ("dpn68", "mean_max_pooling", True),
        ("facenet_inception_resnet_v1", "dropout_rate", 0.3),
        ("googlenet", "aux_heads", True),
        ("googlenet", "dropout_rate", 0.3),
        ("inception_resnet", "embedding_size", 8),
        ("inception_resnet_v2", "aux_heads", True),
        ("inception_resnet_v2", "dropout_rate", 0.3),
        ("inception_v3", "aux_heads", True),
        ("inception_v3_torch", "dropout_rate", 0.3),
        ("inception_v4", "dropout_rate", 0.3),
        ("maxout_network", "units", 8),
        ("network_in_network", "rectified_class_maps", False),
        ("vgg16", "dropout_rate", 0.3),
    ],
)
def test_options_of_the_classifier_want_one(name, option, value):
    message = f"{option}={value} has no effect with include_top=False"
    with pytest.raises(ValueError, match=message):
        applications.create_model(name, include_top=False, **{option: value})


def test_defaults_and_the_architecture_are_not_refused(only_shapes):
    applications.AllCNNC(include_top=False, rectified_class_maps=True)
    faces = applications.FaceNetInceptionResNetV1(
        include_top=False, dropout_rate=None, depth_multiplier=0.1
    )
    assert faces.output_shape[-1] > 0


# Other tasks: the general builders and the named constructors of every family.
FAMILIES = {
    applications.model_info(name).constructor.__module__
    for name in applications.list_models()
    if applications.model_info(name).task != "classification"
}
BUILDERS = sorted(
    name
    for name in vars(applications)
    if hasattr(getattr(applications, name), "__module__")
    and getattr(applications, name).__module__ in FAMILIES
)
OPTIONS = sorted(
    (name, option)
    for name in BUILDERS
    for option, parameter in inspect.signature(
        getattr(applications, name)
    ).parameters.items()
    if option != "name" and parameter.default is not inspect.Parameter.empty
)


@pytest.mark.parametrize(("builder", "option"), OPTIONS)
def test_nonsense_is_refused_by_builders_of_other_tasks(builder, option):
    constructor = getattr(applications, builder)
    default = inspect.signature(constructor).parameters[option].default
    for value in ("nonsense", [], True, float("nan")):
        wrong = 1 if isinstance(default, bool) and value is True else value
        with pytest.raises(ValueError, match=f"{option}.*{re.escape(repr(wrong))}"):
            constructor(**{option: wrong})


@pytest.mark.parametrize(
    ("builder", "arguments", "quoted"),
    [
        ("GANGenerator", {"units": ()}, r"\(\)"),
        ("GANGenerator", {"activations": ("relu",)}, r"units=.*activations="),
        ("GANGenerator", {"activations": ("relu", "gelu")}, "gelu"),
        ("GANGenerator", {"image_shape": (28, 28)}, r"\(28, 28\)"),
        ("GANGenerator", {"output_activation": "relu"}, "'relu'"),
        ("GANGenerator", {"latent_size": 0}, "0"),
        ("GANGenerator", {"largest_norm": -1.0}, "-1.0"),
        ("GANGenerator", {"pixel_means": [0.5]}, r"\(1,\)"),
        ("GANDiscriminator", {"pieces": 2.5}, "2.5"),
        ("GANDiscriminator", {"dropout_rate": 1.0}, "1.0"),
        ("GANConvGenerator", {"units": (8, 10)}, r"\(8, 10\)"),
        ("GANConvDiscriminator", {"image_shape": (9, 32, 3)}, r"\(9, 32, 3\)"),
        ("CGANGenerator", {"classes": 0}, "classes.*0"),
        ("CGANDiscriminator", {"label_units": "ten"}, "label_units.*ten"),
        ("CGANWordGenerator", {"word_size": -3}, "word_size.*-3"),
        ("CGANWordDiscriminator", {"dropout_rate": "half"}, "half"),
        ("DCGANGenerator", {"filters": 64}, "64"),
        ("DCGANGenerator", {"strides": (2, 2)}, r"strides=\(2, 2\)"),
        ("DCGANGenerator", {"classes": True}, "True"),
        ("DCGANGenerator", {"image_shape": (None, 64, 3)}, "None"),
        ("DCGANGenerator", {"batch_norm": 0}, "0"),
        ("DCGANGenerator", {"batch_norm_momentum": 1.0}, "1.0"),
        (
            "DCGANDiscriminator",
            {"batch_norm": False, "batch_norm_affine": False},
            "batch_norm_affine=False has no effect",
        ),
        ("DCGANDiscriminator", {"kernel_size": (5, 5)}, r"\(5, 5\)"),
        ("WGANGenerator", {"filters": (64, 0)}, r"\(64, 0\)"),
        ("WGANCritic", {"image_shape": "64"}, "64"),
        ("WGANMLPGenerator", {"units": (512, None)}, "None"),
        ("WGANMLPCritic", {"image_shape": (64, 64, 0)}, r"\(64, 64, 0\)"),
        ("WGANGPGenerator", {"batch_norm": "layer"}, "'layer'"),
        ("WGANGPCritic", {"weight_stddev": 0}, "weight_stddev.*0"),
        ("WGANGPPointGenerator", {"point_size": 0}, "point_size.*0"),
        ("WGANGPResNetGenerator", {"image_shape": (60, 64, 3)}, r"\(60, 64, 3\).*16"),
        ("WGANGPPooledResNetCritic", {"filters": (128,)}, r"\(128,\)"),
        ("SimGANRefiner", {"blocks": 0}, "blocks.*0"),
        ("SimGANDiscriminator", {"strides": (2, 2)}, r"strides=\(2, 2\)"),
        ("DCGAN64Generator", {"batch_norm_momentum": -0.1}, "-0.1"),
        ("UNet", {"image_shape": (570, 572, 1)}, r"\(570, 572, 1\).*188.*16"),
        ("UNet", {"image_shape": (172, 172, 1)}, r"\(172, 172, 1\).*188.*16"),
        ("UNetSame", {"dropout_rate": 1.0}, "1.0"),
        (
            "UNet",
            {"image_shape": (100, 96, 1), "padding": "same"},
            r"\(100, 96, 1\).*multiples of 16",
        ),
        ("PartialConvUNet", {"image_shape": (28, 28, 1)}, r"\(28, 28, 1\).*256"),
        ("PartialConvUNet", {"kernel_sizes": (7, 5)}, r"kernel_sizes=\(7, 5\)"),
        ("PartialConvUNet", {"filters": (64, 0)}, r"\(64, 0\)"),
        ("PartialConvUNet", {"convolution": "gated"}, "convolution.*'gated'"),
        ("LearnableAttentionUNet", {"image_shape": (64, 192, 3)}, "64, 192.*128"),
        ("LearnableAttentionUNet", {"filters": (64,)}, r"two levels.*\(64,\)"),
        ("LearnableAttentionUNet", {"mask_learning": "none"}, "'none'"),
        ("LearnableAttentionUNet", {"attention": "reverse"}, "'reverse'"),
        ("LearnableAttentionUNet", {"activation": "tanh"}, "'tanh'"),
        (
            "LearnableAttentionUNet",
            {"mask_learning": "fixed", "activation": "relu"},
            "activation='relu' has no effect",
        ),
        ("TwoColumnDiscriminator", {"image_shape": (None, 256, 3)}, "None"),
        ("TwoColumnDiscriminator", {"image_shape": (96, 96, 3)}, "96, 96.*64"),
        ("CompletionNetwork", {"image_shape": (30, 32, 3)}, r"\(30, 32, 3\).* 4"),
        ("CompletionNetwork", {"filters": (64,)}, r"two levels.*\(64,\)"),
        ("CompletionNetwork", {"dilation_rates": (2, 0)}, r"\(2, 0\)"),
        ("CompletionNetwork", {"fill_value": -0.5}, "fill_value.*-0.5"),
        ("CompletionNetwork", {"fill_value": [0.5, 0.5]}, r"3 channels.*\[0.5, 0.5\]"),
        ("ContextDiscriminator", {"image_shape": (None, 64, 3)}, "None"),
        ("ContextDiscriminator", {"local_shape": (512, 64, 3)}, r"\(512, 64, 3\)"),
        ("ContextDiscriminator", {"local_shape": (64, 64, 1)}, r"\(64, 64, 1\).*chann"),
        ("ContextDiscriminator", {"global_filters": ()}, r"global_filters.*\(\)"),
        ("ContextDiscriminator", {"units": 0}, "units.*0"),
        ("CoarseToFineNetwork", {"image_shape": (60, 64, 3)}, r"\(60, 64, 3\).* 8;"),
        ("CoarseToFineNetwork", {"filters": (32, 64)}, r"three levels.*\(32, 64\)"),
        ("CoarseToFineNetwork", {"dilation_rates": 2}, "dilation_rates.*2"),
        ("CoarseToFineNetwork", {"attention_rate": 0}, "attention_rate.*0"),
        ("CoarseToFineNetwork", {"masked_scores": "one"}, "masked_scores.*'one'"),
        ("CoarseToFineNetwork", {"mask_sampling": None}, "mask_sampling.*None"),
        ("StridedCritic", {"image_shape": (None, 64, 3)}, "None"),
        ("StridedCritic", {"filters": 64}, "filters.*64"),
    ],
)
def test_bad_arguments_are_quoted(builder, arguments, quoted):
    with pytest.raises(ValueError, match=quoted):
        getattr(applications, builder)(**arguments)


@pytest.mark.parametrize(
    ("builder", "arguments"),
    [
        ("GANGenerator", {"sigmoid_bias": -2.0}),
        ("DCGANGenerator", {"batch_norm": False, "batch_norm_momentum": 0.5}),
        ("WGANCritic", {"batch_norm": False, "batch_norm_momentum": 0.5}),
        ("WGANGPGenerator", {"batch_norm": None, "batch_norm_momentum": 0.5}),
    ],
)
def test_nothing_is_silently_ignored(builder, arguments):
    with pytest.raises(ValueError, match="has no effect"):
        getattr(applications, builder)(**arguments)
