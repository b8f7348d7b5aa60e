"""Published hyper-parameters, by name: values for the flags of ``train_classifier``."""

_CIFAR = {
    "optimizer": "sgd",
    "momentum": 0.9,
    "learning_rate": 0.1,
    "schedule": "step",
    "decay_rate": 0.1,
    "boundaries": "0.5,0.75",
    "weight_decay": 1e-4,
    "weight_decay_scope": "all",
    "augmentation": "pad_crop:4,flip",
}
_IMAGENET = {
    **_CIFAR,
    "batch_size": 256,
    "augmentation": "random_resized_crop,flip",
}

# name: (flag values, where they come from and what differs)
RECIPES = {
    "densenet_cifar": (
        {**_CIFAR, "epochs": 300, "batch_size": 64},
        "arXiv 1608.06993, section 4.2, CIFAR with augmentation",
    ),
    "densenet_cifar_unaugmented": (
        {
            **_CIFAR,
            "epochs": 300,
            "batch_size": 64,
            "augmentation": "",
            "builder_args": '{"dropout_rate": 0.2}',
        },
        "arXiv 1608.06993, section 4.2, CIFAR without augmentation",
    ),
    "densenet_svhn": (
        {
            **_CIFAR,
            "epochs": 40,
            "batch_size": 64,
            "augmentation": "",
            "builder_args": '{"dropout_rate": 0.2}',
        },
        "arXiv 1608.06993, section 4.2, SVHN (unverified)",
    ),
    "densenet_imagenet": (
        {**_IMAGENET, "epochs": 90, "boundaries": "0.3333,0.6667"},
        "arXiv 1608.06993, section 4.2, ImageNet",
    ),
    "resnet_cifar": (
        {**_CIFAR, "nesterov": False, "epochs": 164, "batch_size": 128},
        "arXiv 1512.03385, section 4.2: 64k steps, rate divided at 32k and 48k; the "
        "paper subtracts the mean of each pixel, here mean and deviation of each "
        "channel are used (unverified)",
    ),
    "resnet110_cifar": (
        {
            **_CIFAR,
            "nesterov": False,
            "epochs": 164,
            "batch_size": 128,
            "warmup_epochs": 1.0,
        },
        "as resnet_cifar; the paper's start at 0.01 until the training error is below "
        "80 % is a linear warm-up of one epoch here",
    ),
    "resnet_imagenet": (
        {
            **_IMAGENET,
            "nesterov": False,
            "epochs": 120,
            "boundaries": "0.25,0.5,0.75",
        },
        "arXiv 1512.03385, section 3.4: up to 60e4 steps; its plateaus are fixed "
        "boundaries here, its scaling of the short side to 256-480 a random resized "
        "crop, and its colour augmentation is left out (unverified)",
    ),
}


def recipe(name: str) -> dict:
    """Flag values of a recipe.

    Raises:
        ValueError: if the name is unknown.
    """
    if name not in RECIPES:
        raise ValueError(f"unknown recipe {name!r}; there are {', '.join(RECIPES)}")
    return dict(RECIPES[name][0])
