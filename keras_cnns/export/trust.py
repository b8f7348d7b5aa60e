"""What a SavedModel may do when it is loaded and called.

Its graph is a program: operations read and write files, or call Python. So that a
folder from elsewhere can be used, all of them must be among those that exports consist
of, and others that only compute.
"""

import os

from google.protobuf.message import DecodeError
from tensorflow.core.protobuf import saved_model_pb2

_COMPUTING = """
    Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh Ceil ClipByValue Cos Cosh
    Cumprod Cumsum Div DivNoNan Elu Erf Erfc Exp Expm1 Floor FloorDiv FloorMod Inv
    IsFinite IsInf IsNan LeakyRelu Log Log1p LogSoftmax Maximum Minimum Mod Mul MulNoNan
    Neg Pow RealDiv Reciprocal Relu Relu6 Rint Round Rsqrt Selu Sigmoid Sign Sin Sinh
    Softmax Softplus Softsign Sqrt Square SquaredDifference Sub Tan Tanh TruncateDiv
    BitwiseOr LeftShift
    All Any Equal Greater GreaterEqual Less LessEqual LogicalAnd LogicalNot LogicalOr
    NotEqual Select SelectV2 Where ArgMax ArgMin EuclideanNorm Max Mean Min Prod Sum
    TopKV2 BatchMatMul BatchMatMulV2 Einsum MatMul MatrixDiagPartV3 MatrixDiagV3
    BatchToSpaceND Bitcast BroadcastArgs BroadcastTo Cast ConcatOffset ConcatV2 Const
    DepthToSpace EnsureShape ExpandDims ExtractImagePatches Fill GatherNd GatherV2
    Identity IdentityN InvertPermutation LinSpace MirrorPad NoOp OneHot OnesLike Pack
    Pad PadV2 Placeholder PlaceholderWithDefault PreventGradient Range Rank Reshape
    ReverseV2 Roll
    ScatterNd Shape ShapeN Size Slice Snapshot SpaceToBatchND SpaceToDepth
    Split SplitV Squeeze StopGradient StridedSlice TensorScatterUpdate Tile Transpose
    Unpack ZerosLike
    AvgPool BiasAdd Conv2D Conv2DBackpropInput DepthwiseConv2dNative FusedBatchNorm
    FusedBatchNormV2 FusedBatchNormV3 L2Loss LRN MaxPool MaxPoolV2 MaxPoolWithArgmax
    NonMaxSuppressionV4 UnsortedSegmentSum
    CropAndResize DecodeBmp DecodeGif DecodeImage DecodeJpeg DecodePng EncodeJpeg
    EncodePng RGBToHSV HSVToRGB ResizeArea ResizeBicubic ResizeBilinear
    ResizeNearestNeighbor ScaleAndTranslate
    AsString DecodeBase64 DecodeRaw EncodeBase64 StaticRegexFullMatch
    StaticRegexReplace StringJoin StringLength StringSplitV2 Substr
    Assert If PartitionedCall StatefulPartitionedCall StatelessIf StatelessWhile While
    EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor
    TensorListGetItem TensorListLength TensorListPushBack TensorListReserve
    TensorListSetItem TensorListStack
    AssignVariableOp DisableCopyOnRead ReadVariableOp ResourceGather
    VarHandleOp VarIsInitializedOp
    RandomStandardNormal RandomUniform RandomUniformInt StatelessRandomGetAlg
    StatelessRandomGetKeyCounter StatelessRandomGetKeyCounterAlg StatelessRandomNormal
    StatelessRandomNormalV2 StatelessRandomUniform StatelessRandomUniformInt
    StatelessRandomUniformFullIntV2 StatelessRandomUniformIntV2
    StatelessRandomUniformV2 StatelessTruncatedNormal
    StatelessTruncatedNormalV2
"""
ALLOWED = frozenset(_COMPUTING.split())
# Of the two functions that save and restore the variables, which loading never calls.
_SAVING = frozenset(("MergeV2Checkpoints", "RestoreV2", "SaveV2", "ShardedFilename"))
_ALIAS = "api_implements"  # attribute by which functions stand in for one another


def check_graph(folder: str) -> None:
    """Refuses a SavedModel whose graph could do more than compute.

    What it may not is to write or read files, to call Python, or to print; it may
    still take as much time and memory as it likes.

    Args:
        folder: of the version.

    Raises:
        ValueError: if its file cannot be read, holds no model of one graph, or has an
            operation that is not allowed, which is named.
        OSError: if there is no such file.
    """
    graph, objects = _read(os.path.join(folder, "saved_model.pb"))
    functions = graph.library.function
    nodes = [*graph.node, *(node for f in functions for node in f.node_def)]
    for node in nodes:
        if node.op not in ALLOWED | _SAVING:
            raise _refused(f"has the operation {node.op!r:.80}")
    called = {name for f in functions for name in _called(f.node_def)}
    known = objects.SerializeToString()
    for function in functions:
        if any(node.op in _SAVING for node in function.node_def):
            name = function.signature.name
            # By another function, a signature, or in place of another one.
            if name in called or name.encode() in known or _ALIAS in function.attr:
                raise _refused(f"calls {name!r:.80}, which reads or writes files")


def _read(path):
    """(graph, description of its objects) of a file ``saved_model.pb``."""
    model = saved_model_pb2.SavedModel()
    try:
        with open(path, "rb") as file:
            model.ParseFromString(file.read())
    except DecodeError as error:
        raise ValueError("saved_model.pb is truncated or damaged") from error
    graphs = model.meta_graphs
    if len(graphs) != 1 or not graphs[0].HasField("object_graph_def"):
        raise ValueError("saved_model.pb is not one graph of TensorFlow 2")
    return graphs[0].graph_def, graphs[0].object_graph_def


def _called(nodes) -> list:
    """Names of the functions that nodes call."""
    values = [value for node in nodes for value in node.attr.values()]
    functions = [v.func for v in values] + [f for v in values for f in v.list.func]
    return [function.name for function in functions if function.name]


def _refused(why):
    return ValueError(
        f"its graph, which executes, {why}, which no export of keras_cnns needs; if "
        "you trust where it comes from, give --trust_graph"
    )
