"""Weight files of a tiny network in all formats, written byte by byte."""

import pickle
import struct
import zipfile

import numpy as np
from tensorflow import keras

NAMES = ((r"conv", "conv"), (r"fc", "predictions"))
SHAPES = {
    "conv.weight": (4, 3, 3, 3),
    "conv.bias": (4,),
    "fc.weight": (5, 4),
    "fc.bias": (5,),
}


def tiny_network():
    image = keras.Input((8, 8, 3))
    x = keras.layers.Conv2D(4, 3, name="conv")(image)
    x = keras.layers.GlobalAveragePooling2D()(x)
    return keras.Model(image, keras.layers.Dense(5, name="predictions")(x))


def draw_tensors():
    draw = np.random.RandomState(0)
    return {k: draw.randn(*s).astype(np.float32) for k, s in SHAPES.items()}


def instructions_of(value):
    """What pushes a value onto a pickle's stack."""
    return pickle.dumps(value, 2)[2:-1]


def pickled_tensor(name, shape, **changes):
    """The instructions that PyTorch writes for a tensor whose storage has its name."""
    strides = [int(np.prod(shape[i + 1 :])) for i in range(len(shape))]
    given = {
        "kind": "torch\nFloatStorage",
        "size": int(np.prod(shape)),
        "offset": 0,
        "strides": tuple(strides),
        "call": "torch._utils\n_rebuild_tensor_v2",
        **changes,
    }
    storage = instructions_of("storage") + f"c{given['kind']}\n".encode()
    storage += b"".join(map(instructions_of, (name, "cpu", given["size"])))
    numbers = b"".join(
        map(instructions_of, (given["offset"], shape, given["strides"], False))
    )
    hooks = b"ccollections\nOrderedDict\n)R"
    return f"c{given['call']}\n((".encode() + storage + b"tQ" + numbers + hooks + b"tR"


def pickled_dict(items):
    """The pickle of an OrderedDict of values that are instructions already."""
    content = b"".join(instructions_of(name) + item for name, item in items.items())
    return b"\x80\x02ccollections\nOrderedDict\n)R(" + content + b"u."


def write_archive(path, instructions, storages, **options):
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("model/data.pkl", instructions)
        archive.writestr("model/byteorder", b"little")
        for name, values in storages.items():
            archive.writestr(f"model/data/{name}", values)
    return path


def write_one_by_one(path, instructions, storages):
    """As PyTorch wrote files before archives."""
    first = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    content = b"".join(pickle.dumps(value, 2) for value in first)
    content += instructions + pickle.dumps(list(storages), 2)
    for values in storages.values():
        content += struct.pack("<q", len(values) // 4) + values
    path.write_bytes(content)
    return path


def write_state(path, write=write_archive, item=None, **changes):
    """A file whose first kernel is changed, or something else."""
    tensors = draw_tensors()
    items = {name: pickled_tensor(name, value.shape) for name, value in tensors.items()}
    first = next(iter(tensors))
    items[first] = item or pickled_tensor(first, **{"shape": SHAPES[first], **changes})
    storages = {name: value.tobytes() for name, value in tensors.items()}
    return write(path, pickled_dict(items), storages)
