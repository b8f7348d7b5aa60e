"""Published hyper-parameters, by name: values for the options of classifiers."""

# fmt: off
_CIFAR = {
    "optimizer": "sgd", "momentum": 0.9, "learning_rate": 0.1, "schedule": "step",
    "decay_rate": 0.1, "boundaries": "0.5,0.75", "weight_decay": 1e-4,
    "weight_decay_scope": "all", "augmentation": "pad_crop:4,flip",
}
_IMAGENET = {**_CIFAR, "batch_size": 256, "augmentation": "random_resized_crop,flip"}
# With plain momentum in place of Nesterov's.
_PLAIN_CIFAR, _PLAIN_IMAGENET = (
    {**options, "nesterov": False} for options in (_CIFAR, _IMAGENET)
)

# name: (a model it is for, options, where they come from and what differs)
RECIPES = {
    "all_cnn_cifar": (
        "all_cnn_c", dict(
            _PLAIN_CIFAR, learning_rate=0.05, boundaries="0.5714,0.7143,0.8571",
            weight_decay=1e-3, epochs=350, batch_size=256,
            augmentation="pad_crop:5,flip",
        ),
        "arXiv 1412.6806, section 3.1: rate divided at epochs 200, 250 and 300; the "
        "paper chooses the rate from 0.25, 0.1, 0.05 and 0.01 and does not state the "
        "batch, here 0.05 and 256 of a public Caffe definition, since smaller batches "
        "need 0.01; the paper whitens its images, which is left out",
    ),
    "densenet_cifar": (
        "cifar_densenet40_k12", dict(_CIFAR, epochs=300, batch_size=64),
        "arXiv 1608.06993, section 4.2, CIFAR with augmentation",
    ),
    "densenet_cifar_unaugmented": (
        "cifar_densenet40_k12", dict(
            _CIFAR, epochs=300, batch_size=64, augmentation="",
            builder_args='{"dropout_rate": 0.2}',
        ),
        "arXiv 1608.06993, section 4.2, CIFAR without augmentation",
    ),
    "densenet_svhn": (
        "cifar_densenet40_k12", dict(
            _CIFAR, epochs=40, batch_size=64, augmentation="",
            builder_args='{"dropout_rate": 0.2}',
        ),
        "arXiv 1608.06993, section 4.2, SVHN (unverified)",
    ),
    "densenet_imagenet": (
        "densenet121", dict(_IMAGENET, epochs=90, boundaries="0.3333,0.6667"),
        "arXiv 1608.06993, section 4.2, ImageNet",
    ),
    "fractalnet_cifar": (
        "fractalnet20", dict(
            _PLAIN_CIFAR, learning_rate=0.02, schedule="halving", weight_decay=0.0,
            epochs=400, batch_size=100,
        ),
        "arXiv 1605.07648, section 4.1: rate divided whenever the remaining epochs "
        "halve; the paper states no weight decay (unverified)",
    ),
    "googlenet_imagenet": (
        "googlenet", dict(
            _PLAIN_IMAGENET, builder_args='{"aux_heads": true}', auxiliary_weight=0.3,
            learning_rate=0.01, schedule="cosine", weight_decay=2e-4,
            weight_decay_scope="kernels", epochs=60, batch_size=32,
        ),
        "BVLC's quick solver of GoogLeNet, 2.4 million steps; its rate falls with the "
        "square root of what remains of the run, here with the cosine, its rate for "
        "biases is twice that for kernels, here the same, and it crops 224 of 256 "
        "pixels where random resized crops are used here, as in arXiv 1409.4842, "
        "section 6, whose exponential decay (0.96 every 8 epochs) and weight averages "
        "are not used",
    ),
    "bn_inception_imagenet": (
        "bn_inception", dict(
            _PLAIN_IMAGENET, learning_rate=0.0075, schedule="exponential",
            decay_rate=0.96, decay_epochs=1.3333, weight_decay=4e-5,
            weight_decay_scope="kernels", epochs=60, batch_size=32,
        ),
        "arXiv 1502.03167, section 4.2.1, BN-x5: five times GoogLeNet's rate, decayed "
        "six times faster, a fifth of its L2 penalty (here BVLC's 2e-4), no dropout; "
        "momentum and the number of epochs are not stated there (unverified)",
    ),
    "inception_imagenet": (
        "inception_v3_torch", {
            "optimizer": "rmsprop", "momentum": 0.9, "epsilon": 1.0,
            "initial_mean_square": 1.0,
            "learning_rate": 0.045, "schedule": "exponential", "decay_rate": 0.94,
            "decay_epochs": 2.0, "gradient_clip_norm": 2.0, "ema_decay": 0.9999,
            "label_smoothing": 0.1, "weight_decay": 4e-5,
            "weight_decay_scope": "kernels", "auxiliary_weight": 0.4,
            "builder_args": '{"aux_heads": true, "dropout_rate": 0.2}', "epochs": 100,
            "batch_size": 32, "augmentation": "random_resized_crop,flip",
        },
        "arXiv 1512.00567, section 8, and 1602.07261, section 4: 50 (20) asynchronous "
        "replicas with batches of 32 are one here; momentum, weight decay, weight "
        "average and auxiliary weight are those of the authors' released code (the "
        "decay 0.9999 and the clipping in v4's training unverified); its colour "
        "distortion is left out. Inception v4 and Inception-ResNet v1 have no "
        "auxiliary head: give them --auxiliary_weight=0 --builder_args={}",
    ),
    "nin_cifar": (
        "network_in_network", dict(
            _PLAIN_CIFAR, learning_rate=0.01, weight_decay=1e-3,
            weight_decay_scope="kernels", epochs=200, batch_size=128,
        ),
        "arXiv 1312.4400, section 4.1, and the authors' CIFAR-100 parameters; its rate "
        "for biases is twice that for kernels, here the same, its plateaus are fixed "
        "boundaries of 200 epochs here (unverified), and its whitening is left out",
    ),
    "resnet_cifar": (
        "cifar_resnet20", dict(_PLAIN_CIFAR, epochs=164, batch_size=128),
        "arXiv 1512.03385, section 4.2: 64k steps, rate divided at 32k and 48k; the "
        "paper subtracts the mean of each pixel, here mean and standard deviation of "
        "each channel are used (unverified)",
    ),
    "resnet110_cifar": (
        "cifar_resnet110", dict(
            _PLAIN_CIFAR, epochs=164, batch_size=128, warmup_epochs=1.0,
        ),
        "as resnet_cifar; the paper's start at 0.01 until the training error is below "
        "80 % is a linear warm-up of one epoch here",
    ),
    "resnet_imagenet": (
        "resnet50_v1_5", dict(_PLAIN_IMAGENET, epochs=120, boundaries="0.25,0.5,0.75"),
        "arXiv 1512.03385, section 3.4: up to 60e4 steps; its plateaus are fixed "
        "boundaries here, its scaling of the short side to 256-480 a random resized "
        "crop, and its colour augmentation is left out (unverified)",
    ),
    "stochastic_depth_cifar": (
        "stochastic_depth_resnet110", dict(_CIFAR, epochs=500, batch_size=128),
        "arXiv 1603.09382, section 4, and the authors' code; they train on 45,000 "
        "images and report the epoch that is best on the other 5,000",
    ),
    "rir_cifar": (
        "rir18", dict(
            _PLAIN_CIFAR, boundaries="0.5122,0.7561", epochs=82, batch_size=500,
        ),
        "arXiv 1603.08029: rate divided at epochs 42 and 62 of 82 (unverified)",
    ),
    "highway_cifar": (
        "highway19", dict(
            _CIFAR, learning_rate=0.025, boundaries="0.5,0.75,0.875", weight_decay=1e-3,
            weight_decay_scope="kernels", augmentation="pad_crop:8,flip", epochs=400,
            batch_size=100,
        ),
        "the authors' Caffe solver for arXiv 1507.06228, 200k steps; biases learn at "
        "twice the rate and the last layer decays ten times faster there, and global "
        "contrast normalisation is standardisation of each channel here",
    ),
    "highway_mnist": (
        "highway_mnist32", dict(
            _CIFAR, learning_rate=0.01, boundaries="0.3333,0.6667", weight_decay=1e-3,
            weight_decay_scope="kernels", augmentation="", epochs=300, batch_size=100,
        ),
        "the authors' Caffe solver for arXiv 1507.06228, 180k steps; as highway_cifar, "
        "and images are only divided by 256 there",
    ),
    "dpn_imagenet": (
        "dpn92", dict(
            _PLAIN_IMAGENET, learning_rate=0.3162, batch_size=1280, epochs=120,
            boundaries="0.25,0.5,0.75",
        ),
        "arXiv 1707.01629, section 4: sqrt(0.1) for DPN-92 and 131 (0.4 for DPN-98), "
        "32 images on each of 40 devices (24 for 131); momentum, weight decay, epochs "
        "and boundaries are those of resnet_imagenet (unverified); their MXNet spares "
        "biases and shifts from decay (unverified), and the jitter of hue, saturation "
        "and lightness is left out",
    ),
    "shufflenet_imagenet": (
        "shufflenet_g3", dict(
            _PLAIN_IMAGENET, learning_rate=0.5, schedule="linear", weight_decay=4e-5,
            weight_decay_scope="kernels", label_smoothing=0.1, epochs=240,
            batch_size=1024,
        ),
        "arXiv 1707.01083, section 4, as the authors' released script has it: 3e5 "
        "steps; left out are its colour jitter, a classifier without a bias, the start "
        "of kernels (deviation 0.01 in the first and the last layer, 1 / inputs in "
        "others) and of shifts (1e-4), and moving statistics that are estimated anew "
        "over 1,250 batches in the end",
    ),
}
# fmt: on


def recipe(name: str) -> dict:
    """Options of a recipe.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; there are {', '.join(RECIPES)}")
    return dict(RECIPES[name][1])
