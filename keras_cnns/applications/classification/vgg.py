"""The first three stages of VGG16 with ImageNet weights, for losses of features."""

import os

from tensorflow import keras

from keras_cnns.applications.frame import state_dicts, weight_files

STAGE_ENDS = ("block1_pool", "block2_pool", "block3_pool")
PUBLIC_WEIGHTS = {
    "imagenet": weight_files.keras_file(
        "vgg16",
        "vgg16",
        "64373286793e3c8b2b4e3219cbf3544b",
        "6d6bbae143d832006294945121d1f1fc",
    ),
    "torchvision": weight_files.torchvision_file("vgg16-397923af"),
}
_TORCH_NAMES = (
    (r"features\.0", "block1_conv1"),
    (r"features\.2", "block1_conv2"),
    (r"features\.5", "block2_conv1"),
    (r"features\.7", "block2_conv2"),
    (r"features\.10", "block3_conv1"),
    (r"features\.12", "block3_conv2"),
    (r"features\.14", "block3_conv3"),
    (r"features\.\d+|classifier\.\d+", None),
)


def vgg16_stages(weights="imagenet"):
    """VGG16 up to the end of its third stage.

    Args:
        weights: ``"imagenet"`` (the file of ``keras.applications``) or
            ``"torchvision"``, which may be downloaded; or the path of such a file,
            with or without the classifier: ``.h5`` as Keras names its layers, or a
            state dict as torchvision names them.

    Returns:
        (``keras.Model`` of images ``(batch, height, width, 3)``; name of their
        preprocessing in ``keras_cnns.data.CONVENTIONS``: ``"caffe"`` for Keras' file,
        ``"torch"`` for torchvision's).

    Raises:
        ValueError: if ``weights`` is neither, or the file is of another network.
        OSError: if the download fails.
    """
    if weights is None:
        raise ValueError(
            "weights=None would compare features of random weights; give 'imagenet', "
            "'torchvision' or a path"
        )
    weight_files.check(weights, PUBLIC_WEIGHTS)
    path = weight_files.resolve(weights, PUBLIC_WEIGHTS, include_top=False)
    is_state_dict = state_dicts.is_state_dict(path)
    if is_state_dict:
        stored, _ = state_dicts.read(path, _TORCH_NAMES)
    else:
        stored = weight_files.read(path)
    whole = keras.applications.VGG16(include_top=False, weights=None)
    network = keras.Model(
        whole.input, whole.get_layer(STAGE_ENDS[-1]).output, name="vgg16_stages"
    )
    for layer in network.layers:
        shapes = [weight.shape for weight in layer.weights]
        if shapes and [array.shape for array in stored.get(layer.name, [])] != shapes:
            raise ValueError(
                f"{os.fspath(path)} is no weight file of VGG16: it has no layer "
                f"{layer.name} of the shapes {[tuple(s) for s in shapes]}"
            )
        layer.set_weights(stored.get(layer.name, []))
    return network, "torch" if is_state_dict else "caffe"
