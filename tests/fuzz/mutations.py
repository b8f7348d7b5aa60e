"""Changes at random: of bytes, JSON, pickles, images, HDF5 files, arrays and graphs.

Each function draws from a ``random.Random``, so that a seed gives the same change. Some
plant code that would make a file ``CANARY`` in the working folder.
"""

import io
import json
import pickletools
import re
import zipfile
import zlib

import h5py
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import saved_model_pb2

CANARY = "canary"
_SHELL = f"touch {CANARY}"
_NUMBERS = (0, 1, 2, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1)
ODD_VALUES = (
    None, True, False, 0, 1, -1, 7, 2**31, 2**63, -(2**64), 10**400, 0.5, -0.0, 1e-320,
    1e308, float("nan"), float("inf"), "", "x", "0", "nan", "\0", "\ud800", "a\nb",
    "../..", "x" * 5000, "é" * 300, f"$({_SHELL})", f"`{_SHELL}`", [], {}, [[]], [None],
    [1, 2], ["a", "a"], {"a": 1}, {"__class__": "os.system"},
)  # fmt: skip


def mutated(content, draw):
    """Bytes changed, cut out, doubled or cut off; more often near the start."""
    content = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at = int(len(content) * draw.random() ** draw.choice((1, 3)))
        kind = draw.randrange(7)
        if kind < 2:
            content[at : at + 1] = bytes([draw.randrange(256)])
        elif kind == 2:
            content[at : at + 8] = draw.choice((b"\xff", b"\0", b"\x7f")) * 8
        elif kind == 3:
            content[at : at + draw.randrange(64)] = content[: draw.randrange(64)]
        elif kind == 4:
            del content[at + draw.randrange(1, 1000) :]
        elif kind == 5 and at < len(content):
            content[at] ^= 1 << draw.randrange(8)
        else:
            number, order = draw.choice(_NUMBERS), draw.choice(("big", "little"))
            length = draw.choice((2, 4)) if number < 2**16 else 4
            content[at : at + length] = number.to_bytes(length, order)
    return bytes(content)


def mutated_json(value, draw):
    """A JSON value of which one to three parts are replaced, left out, doubled."""
    value = json.loads(json.dumps(value))
    for _ in range(draw.choice((1, 1, 2, 3))):
        places = list(_places(value))
        if not places or draw.random() < 0.03:
            return draw.choice(ODD_VALUES)
        parent, key = draw.choice(places)
        kind = draw.randrange(5)
        if kind == 0:
            del parent[key]
        elif kind == 1 and isinstance(parent, list):
            parent.insert(key, draw.choice((parent[key], *ODD_VALUES)))
        elif kind == 1:
            parent[draw.choice(("x", "", "name", key.upper()))] = parent[key]
        elif kind == 2:  # of the same kind
            parent[key] = _near(parent[key], draw)
        else:
            parent[key] = draw.choice(ODD_VALUES)
    return value


def _places(value):
    items = value.items() if isinstance(value, dict) else ()
    items = enumerate(value) if isinstance(value, list) else items
    for key, item in items:
        yield value, key
        yield from _places(item)


def _near(value, draw):
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return draw.choice((-value, value + 1, value * 10**9, 0, float(value), 1e308))
    if isinstance(value, str):
        return draw.choice((value + "x", value[1:], value.upper(), value * 2))
    if isinstance(value, list):
        return draw.choice((value[::-1], value * 2, value[1:], [value]))
    return value


def mutated_json_text(text, draw):
    """A JSON text with another value, changed bytes, a name twice, or deep lists."""
    kind = draw.randrange(10)
    if kind == 0:
        return mutated(text, draw)
    if kind == 1:
        return b"[" * 10**5 if draw.random() < 0.5 else text.replace(b"{", b'{"a":', 1)
    if kind == 2:
        return text.replace(b": 1", b": 1" + b"0" * 5000, 1)
    return json.dumps(mutated_json(json.loads(text), draw)).encode()


_LAUGHS = b"""<!DOCTYPE annotation [<!ENTITY a "%s"><!ENTITY b "%s">
<!ENTITY c SYSTEM "file:///etc/passwd">]>""" % (b"ha" * 500, b"&a;" * 500)


def mutated_xml(text, draw):
    """An XML text with changed bytes, texts or tags, entities, or deep nesting."""
    kind = draw.randrange(6)
    if kind < 2:
        return mutated(text, draw)
    if kind == 2:
        return _LAUGHS + text.replace(b"<name>", b"<name>&b;&c;", 1)
    parts = re.split(rb"(<[^>]*>)", text)
    at = draw.randrange(len(parts))
    if kind == 3:
        parts[at] = str(draw.choice(ODD_VALUES)).encode(errors="replace")
    elif kind == 4:
        del parts[at]
    else:
        parts[at] = parts[at] * draw.choice((2, 10**5))
    return b"".join(parts)


def mutated_safetensors(content, draw):
    """Changed bytes, or a header with other values and its right length."""
    if draw.random() < 0.5:
        return mutated(content, draw)
    length = int.from_bytes(content[:8], "little")
    header = mutated_json_text(content[8 : 8 + length], draw)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def mutated_pickle(content, draw):
    """Instructions left out, doubled, moved or put in, some of which call a shell."""
    places = [at for _, _, at in pickletools.genops(content)] + [len(content)]
    parts = [content[a:b] for a, b in zip(places, places[1:])]
    shell = f"X{chr(len(_SHELL))}\0\0\0{_SHELL}".encode()
    for _ in range(draw.choice((1, 1, 2, 4))):
        at, kind = draw.randrange(len(parts)), draw.randrange(5)
        if kind == 0:
            del parts[at]
        elif kind == 1:
            parts.insert(at, parts[at])
        elif kind == 2:
            parts.insert(at, draw.choice(parts))
        elif kind == 3:
            parts[at] = mutated(parts[at], draw)
        else:
            call = draw.choice(
                (
                    b"cposix\nsystem\n(" + shell + b"tR",
                    b"(" + shell + b"iposix\nsystem\n",
                    b"(cposix\nsystem\n" + shell + b"o",
                    b"cbuiltins\neval\n(" + shell + b"tR",
                    b"ctorch.nn.modules\nConv2d\n)\x81",
                    b"0", b"2", b"(", b"t", b"1", b"N", b"e", b"K\x05", b"]", b"}",
                )
            )  # fmt: skip
            parts.insert(at, call)
        if not parts:
            break
    return b"".join(parts)


def mutated_png(content, draw):
    """Changed bytes; or chunks changed, moved, doubled or put in, their sums right."""
    if draw.random() < 0.5:
        return mutated(content, draw)
    chunks, at = [], 8
    while at < len(content):
        length = int.from_bytes(content[at : at + 4], "big")
        chunks.append(
            (content[at + 4 : at + 8], content[at + 8 : at + 8 + length]),
        )
        at += 12 + length
    for _ in range(draw.choice((1, 1, 2))):
        at, kind = draw.randrange(len(chunks)), draw.randrange(6)
        name, inner = chunks[at]
        if kind == 0 and len(chunks) > 1:
            del chunks[at]
        elif kind == 1:
            chunks.insert(draw.randrange(len(chunks)), chunks[at])
        elif kind == 2:
            chunks[at] = (name, mutated(inner, draw))
        elif kind == 3:  # the size, the depth and the kind of colours
            first = bytearray(chunks[0][1].ljust(13, b"\0"))
            if draw.random() < 0.5:
                first[8:10] = draw.choice((1, 2, 4, 8, 16, 3)), draw.randrange(8)
            else:
                size = draw.choice((0, 1, 5, 7, 10**4, 10**5, 2**31 - 1, 2**32 - 1))
                side = draw.choice((0, 4))
                first[side : side + 4] = size.to_bytes(4, "big")
            chunks[0] = (chunks[0][0], bytes(first))
        else:
            name = draw.choice(
                (b"acTL", b"fcTL", b"tRNS", b"eXIf", b"iCCP", b"zTXt", b"PLTE", b"abCD")
            )
            values = zlib.compress(bytes(10**6)) if name in (b"iCCP", b"zTXt") else b""
            inner = draw.choice(
                (bytes(8), b"a\0\0" + values, b"II*\0" + bytes(40), draw.randbytes(30))
            )
            chunks.insert(at, (name, inner))
    return content[:8] + b"".join(_chunk(*chunk) for chunk in chunks)


def _chunk(name, inner):
    total = zlib.crc32(name + inner).to_bytes(4, "big")
    return len(inner).to_bytes(4, "big") + name + inner + total


def mutated_jpeg(content, draw):
    """Changed bytes; or segments changed, moved, doubled or left out."""
    if draw.random() < 0.5:
        return mutated(content, draw)
    segments, at = [], 2
    while content[at + 1] != 0xDA:  # then come the pixels
        length = 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        segments.append(content[at : at + length])
        at += length
    for _ in range(draw.choice((1, 1, 2))):
        place, kind = draw.randrange(len(segments)), draw.randrange(4)
        segment = segments[place]
        if kind == 0 and len(segments) > 1:
            del segments[place]
        elif kind == 1:
            segments.insert(draw.randrange(len(segments)), segment)
        else:
            inner = mutated(segment[4:], draw)[:65533]
            length = (len(inner) + 2).to_bytes(2, "big")
            segments[place] = segment[:2] + length + inner
    return content[:2] + b"".join(segments) + content[at:]


def mutate_hdf5(path, draw):
    """Changed bytes, or other attributes, links and data sets."""
    if draw.random() < 0.6:
        path.write_bytes(mutated(path.read_bytes(), draw))
        return
    with h5py.File(path, "r+") as file:
        names = []
        file.visit(names.append)
        for _ in range(draw.choice((1, 1, 2))):
            name, kind = draw.choice(names), draw.randrange(5)
            if kind == 0:
                holder = draw.choice((file, file[name]))
                key = draw.choice(("layer_names", "weight_names", "layer_names0"))
                value = draw.choice(([b"conv"], "conv", 3.5, [1, 2], [b"\xff"], [b""]))
                holder.attrs[key] = value
                continue
            del file[name]
            names = [other for other in names if not other.startswith(name)]
            if kind == 1:
                file[name] = h5py.ExternalLink(CANARY, draw.choice(("/", name)))
            elif kind == 2:
                file[name] = h5py.SoftLink(draw.choice(("/", "/conv", name)))
            elif kind == 3:
                shape = draw.choice(
                    ((), (0,), (4,), (4, 5), (3, 3, 3, 4), (10**5,) * 3)
                )
                types = ("f4", "f8", "f2", "i4", "c8", "S3", "?", ">f4")
                file.create_dataset(name, shape, draw.choice(types))
            if not names:
                break


def mutated_npz(content, draw):
    """Changed bytes; or members changed, left out or put in, their sums right."""
    if draw.random() < 0.4:
        return mutated(content, draw)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for _ in range(draw.choice((1, 1, 2))):
        name, kind = draw.choice(sorted(members)), draw.randrange(6)
        header, places = members[name][:128], (b"shape': (", b"descr': '", b"order': ")
        if kind == 0:
            del members[name]
        elif kind == 1:
            members[draw.choice(("x.npy", "x", "../x.npy", "é" * 99))] = members[name]
        elif kind == 2:
            members[name] = mutated(members[name], draw)
        elif kind == 3:
            members[name] = draw.choice(sorted(members.items()))[1]
        else:
            first, place, rest = header.partition(draw.choice(places))
            put = draw.choice(
                (b"9" * 12 + b",", b"-", b"(" * 50, b"|O", b"|V", b">f", b"M8", b"not ")
            )
            header = (first + place + put + rest)[:127] + b"\n"
            members[name] = header + members[name][128:]
        if not members:
            break
    file, kind = io.BytesIO(), draw.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    with zipfile.ZipFile(file, "w", kind if draw.random() < 0.2 else 0) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


_OPERATIONS = (
    "WriteFile", "ReadFile", "MatchingFiles", "PyFunc", "EagerPyFunc", "SaveV2",
    "RestoreV2", "PrintV2", "NoOp", "Identity", "Const", "Placeholder", "If", "While",
    "PartitionedCall", "VarHandleOp", "ReadVariableOp", "DecodePng", "Reshape", "Cast",
    "TensorListFromTensor", "NoSuchOperation", "",
)  # fmt: skip


def mutated_model(content, draw):
    """Changed bytes of ``saved_model.pb``, or another graph, signature or object."""
    if draw.random() < 0.3:
        return mutated(content, draw)
    model = saved_model_pb2.SavedModel.FromString(content)
    (graph,) = model.meta_graphs
    for _ in range(draw.choice((1, 1, 2))):
        kind = draw.randrange(6)
        if kind < 4:
            functions = graph.graph_def.library.function
            nodes = draw.choice([f.node_def for f in functions])
            _change_node(nodes, draw.randrange(len(nodes)), draw)
        elif kind == 4:
            objects = graph.object_graph_def.nodes
            _change_object(draw.choice(objects), len(objects), draw)
        else:
            _change_signature(graph, draw)
    return model.SerializeToString()


def _change_node(nodes, at, draw):
    node, kind = nodes[at], draw.randrange(6)
    if kind == 0:
        node.op = draw.choice(_OPERATIONS)
    elif kind == 1:
        del nodes[at]
    elif kind == 2 and node.input:
        node.input[draw.randrange(len(node.input))] = draw.choice(
            (draw.choice(nodes).name, "", "x:0", "^x", f"{node.name}:output:0")
        )
    elif kind == 3:
        nodes.add(name=CANARY, op="WriteFile", input=[f"{node.name}:0"] * 2)
    elif node.attr:
        _change_attribute(node.attr[draw.choice(sorted(node.attr))], draw)


def _change_attribute(value, draw):
    kind = value.WhichOneof("value")
    if kind == "type":
        value.type = draw.choice(types_pb2.DataType.values())
    elif kind == "i":
        value.i = draw.choice((-1, 0, 3, 10**9, 2**62))
    elif kind == "shape":
        size = draw.choice((-2, -1, 0, 1, 10**6, 2**40, 2**62))
        value.shape.dim.add(size=size)
    elif kind == "tensor" and draw.random() < 0.5:
        value.tensor.tensor_content = mutated(value.tensor.tensor_content, draw)
    elif kind == "tensor":
        value.tensor.tensor_shape.dim.add(size=draw.choice((-1, 0, 7, 2**40)))
    elif kind == "func":
        value.func.name = draw.choice(("", "x", value.func.name[:-1], "WriteFile"))
    elif kind == "list":
        value.list.i.append(draw.choice((-1, 0, 2**40)))
    else:
        value.s = draw.randbytes(5)


def _change_object(node, count, draw):
    kind = draw.randrange(5)
    if kind == 0 and node.children:
        child = draw.choice(node.children)
        child.node_id = draw.choice((0, 1, count, -1, draw.randrange(count)))
    elif kind == 1 and node.children:
        draw.choice(node.children).local_name = draw.choice(("", "x", "__init__"))
    elif kind == 2 and node.HasField("variable"):
        node.variable.shape.dim.add(size=draw.choice((-1, 0, 2, 2**40)))
    elif kind == 3 and node.HasField("variable"):
        node.variable.dtype = draw.choice(types_pb2.DataType.values())
    elif kind == 4:
        node.asset.asset_file_def_index = draw.choice((-1, 0, 5))
    else:
        node.user_object.identifier = draw.choice(("", "tensor", "_tf_keras_model"))


def _change_signature(graph, draw):
    names = sorted(graph.signature_def)
    signature = graph.signature_def[draw.choice(names)]
    kind = draw.randrange(4)
    if kind == 0:
        del graph.signature_def[draw.choice(names)]
    elif kind == 1:
        signature.inputs["image_bytes"].dtype = draw.choice(range(1, 24))
    elif kind == 2:
        signature.outputs["x"].name = "x:0"
    elif graph.asset_file_def:
        graph.asset_file_def[0].filename = draw.choice(("../../x", "", CANARY))
