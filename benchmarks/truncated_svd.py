"""What dense layers of lower rank cost a Fast R-CNN, and what they save.

    python benchmarks/truncated_svd.py --run_dir=runs/fast_rcnn \\
        --dataset=scenes/items --layer=fc --ranks=64,32,16

takes the singular values of one dense layer of a run of Fast R-CNN or SPPnet, keeps the
largest ones, and measures the mean average precision of a split and the time that the
network takes for an image with given proposals, which are searched for once. The
networks take turns, image by image; times are medians. Prints a table, and a line of
JSON, which ``--json_file`` gets too.
"""

import json
import time

import numpy as np
from absl import app, flags

import keras_cnns
from keras_cnns import _files, data, inference, metrics
from keras_cnns.compression import truncate_dense

import tensorflow as tf  # isort: skip
from tensorflow import keras  # isort: skip

flags.DEFINE_string("run_dir", None, "folder of the run")
flags.DEFINE_string("dataset", None, "data set")
flags.DEFINE_string("split", "test", "its split")
flags.DEFINE_string("data_dir", None, "folder of prepared data sets")
flags.DEFINE_string("layer", None, "name of a dense layer of the regions")
flags.DEFINE_list("ranks", [], "how many singular values are kept, comma-separated")
flags.DEFINE_integer("num_images", 200, "images of the split, evenly spaced")
flags.DEFINE_string("json_file", "", "file that gets the result as JSON")
flags.mark_flags_as_required(["run_dir", "dataset", "layer"])


def _truncated(network, layer, rank):
    """The detector with a region's dense layer of lower rank."""
    backbone, regions = (network.get_layer(name) for name in ("backbone", "regions"))
    images, rois = network.inputs
    thin = truncate_dense(regions, {layer: rank})
    return keras.Model([images, rois], thin([backbone(images), rois]), name="thin")


def _num_weights(network, layer):
    names = {layer, f"{layer}_u", f"{layer}_v"}
    layers = network.get_layer("regions").layers
    return sum(int(tf.size(x.kernel)) for x in layers if x.name in names)


def main(_):
    given = flags.FLAGS
    run = keras_cnns.open_run(given.run_dir)
    whole = run.load("network", size=(None, None))
    networks = {"whole": whole}
    for rank in map(int, given.ranks):
        networks[f"rank {rank}"] = _truncated(whole, given.layer, rank)
    detectors = {n: inference.Detector(run, network=m) for n, m in networks.items()}
    source = data.open_detection_source(given.dataset, given.split, given.data_dir)
    source = data.spread(source, min(given.num_images, source.num_examples))
    truths, found = [], {name: [] for name in networks}
    times = {name: [] for name in networks}
    for content, target in source.examples:
        image = detectors["whole"].preprocessing.decode(source.read(content)).numpy()
        proposals = detectors["whole"].propose(image)
        truths.append(inference.truth_of(target, image))
        for name, detector in detectors.items():
            start = time.perf_counter()
            found[name].append(detector(image, proposals))
            times[name].append(time.perf_counter() - start)
    rows = {
        name: {
            "weights": _num_weights(network, given.layer),
            "map": metrics.mean_average_precision(
                truths, found[name], len(source.class_names)
            ).value,
            "seconds": float(np.median(times[name][1:])),
        }
        for name, network in networks.items()
    }
    print(f"{'network':10} {'weights':>10} {'mAP':>7} {'ms':>7} {'of whole':>8}")
    for name, row in rows.items():
        ratio = row["seconds"] / rows["whole"]["seconds"]
        print(
            f"{name:10} {row['weights']:10,} {row['map']:7.2%} "
            f"{1000 * row['seconds']:7.2f} {ratio:8.2f}"
        )
    print(json.dumps(rows))
    if given.json_file:
        _files.write_json(given.json_file, rows, indent=1)


if __name__ == "__main__":
    app.run(main)
