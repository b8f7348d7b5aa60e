"""Shows what a classifier looks at in images.

    inspect-classifier --run_dir=runs/digits --images=image.png,folder \\
        --methods=saliency,guided_backpropagation,grad_cam --output_dir=inspected

writes ``inspected/<name>.png``, a row for each method with image, map, the map over the
image, and the map by random weights, and ``inspection.json`` with scores, layers,
replaced activations and means over the images. Beside each map stands how much of it
stays when the classifier's weights are random (rank correlation of absolute values, 1:
all of it): a map that stays tells of the image, not of the classifier. Methods that
make images of their own: ``class_model``, an image that the class responds to most, and
``deep_dream``, the image with more of what a layer sees. ``--model=resnet50
--weights=imagenet`` takes a model of the registry in place of a run.
"""

import dataclasses
import os
from typing import Optional

import numpy as np

from keras_cnns import _files, _progress, data, figures, inspection
from keras_cnns.commands.groups import (
    Epoch,
    Quiet,
    Seeded,
    Written,
    named_images,
    picture_files,
)
from keras_cnns.runs import (
    DataOptions,
    RunOptions,
    TrainingOptions,
    any_of,
    changed,
    option,
    required,
)
from keras_cnns.tasks.classification import ClassificationOptions

_OWN_IMAGES = ("class_model", "deep_dream")
_ALL = (*inspection.METHODS, *_OWN_IMAGES)
_TOP = 5
_OF_OCCLUSION = any_of("occludes", shown="methods", hint="occlusion")
_OF_CLASS_MODELS = any_of("has_class_models", shown="methods", hint="class_model")


@dataclasses.dataclass(frozen=True)
class OPTIONS(Quiet, Seeded, Written):
    """What ``inspect-classifier`` takes."""

    images: tuple = required("image files or folders, comma-separated")
    run_dir: Optional[str] = changed(
        RunOptions, "run_dir", None, writes="", required=False
    )
    which: str = changed(Epoch, "which", "last", needs=any_of("run_dir"))
    methods: tuple = option(
        ("saliency", "guided_backpropagation", "grad_cam"),
        f"methods, comma-separated: {', '.join(_ALL)}",
    )
    model: str = changed(TrainingOptions, "model", "", required=False)
    weights: str = option(
        "", "public checkpoint or weight file of the model", needs=any_of("model")
    )
    preprocessing: str = changed(
        ClassificationOptions,
        "preprocessing",
        "",
        needs=any_of("model"),
        help=f"how images are standardised: {', '.join(data.CONVENTIONS)}; empty: as "
        "the weights' source has it",
    )
    image_size: int = changed(
        DataOptions,
        "image_size",
        0,
        needs=any_of("model"),
        help="height and width of the images; 0: the model's",
    )
    class_name: str = option(
        "", "class that is explained; empty: of each image the one scored best"
    )
    layer: str = option(
        "",
        "layer of Grad-CAM and of the dream; empty: the last that gives maps, of the "
        "dream those of its recipe where the network has them",
        needs=any_of(
            "uses_layer",
            shown="methods",
            hint="grad_cam, guided_grad_cam or deep_dream",
        ),
    )
    patch: int = option(
        0,
        "side of occlusion's patch; 0: an eighth of the image's",
        within="[0, inf)",
        needs=_OF_OCCLUSION,
    )
    patch_stride: int = option(
        0,
        "pixels between its places; 0: half of its side",
        within="[0, inf)",
        needs=_OF_OCCLUSION,
    )
    regularization: str = option(
        "smooth",
        "regularisation that keeps the class model natural",
        choices=tuple(inspection.REGULARIZATIONS),
        needs=_OF_CLASS_MODELS,
    )
    num_steps: int = option(
        200, "steps to the class model", within="[1, inf)", needs=_OF_CLASS_MODELS
    )
    dream: str = option(
        "caffe",
        "recipe of the dream",
        choices=tuple(inspection.DREAMS),
        needs=any_of("dreams", shown="methods", hint="deep_dream"),
    )
    batch_size: int = changed(DataOptions, "batch_size", 16, help="images per step")

    @classmethod
    def derive(cls, values: dict) -> dict:
        given = set(values["methods"])
        with_layers = {n for n, row in inspection.METHODS.items() if row.takes_layer}
        return {
            "uses_layer": bool(given & {*with_layers, "deep_dream"}),
            "occludes": "occlusion" in given,
            "has_class_models": "class_model" in given,
            "dreams": "deep_dream" in given,
        }


def run(options: OPTIONS) -> dict:
    """Returns what ``inspection.json`` holds."""
    _check_methods(options)
    inspected = _Inspection(options)
    paths = named_images(options.images)
    dream = None
    if "deep_dream" in options.methods:
        dream = _open_dream(inspected, options, paths)
    targets = picture_files(paths, options.output_dir)
    methods = [name for name in options.methods if name in inspection.METHODS]
    results = []
    starts = range(0, len(paths), options.batch_size)
    for start in _progress.track(starts, "batches of images"):
        part = slice(start, start + options.batch_size)
        results += _explain(inspected, methods, paths[part], targets[part])
    record = {
        "network": inspected.subject.name,
        "removed": inspected.plain.copy.removed,
        "methods": {name: _facts(inspected, name) for name in methods},
        "images": results,
        "means": {name: _means(results, name) for name in methods},
    }
    if "class_model" in options.methods:
        record["class_models"] = _class_models(inspected, options, results)
    if dream:
        record["dreams"] = [
            inspection.draw_dream(
                inspected.subject,
                dream,
                path,
                f"{os.path.splitext(target)[0]}_dream.png",
                options.seed,
            )
            for path, target in zip(_progress.track(paths, "dreams"), targets)
        ]
    path = os.path.join(options.output_dir, "inspection.json")
    _files.write_json(path, record, indent=1)
    _show(record, options.output_dir)
    return record


def _check_methods(options):
    for name in options.methods:
        if name not in _ALL:
            raise ValueError(f"unknown method {name!r}; there are {', '.join(_ALL)}")
    if not options.methods:
        raise ValueError(f"--methods names none; there are {', '.join(_ALL)}")
    if bool(options.run_dir) == bool(options.model):
        raise ValueError("give either --run_dir or --model with --weights")
    if options.model and not options.weights:
        raise ValueError(
            f"--model={options.model} needs --weights: random ones tell nothing"
        )


class _Inspection:
    """The classifier under inspection, and how it is explained."""

    def __init__(self, options):
        if options.run_dir:
            subject = inspection.Subject.of_run(options.run_dir, options.which)
        else:
            subject = inspection.Subject.of_model(
                options.model,
                options.weights,
                options.preprocessing,
                options.image_size,
            )
        name = options.class_name
        self.chosen = subject.class_number(name) if name else None
        self.subject, self.class_names = subject, subject.class_names
        self.explainer = inspection.Explainer(
            subject.model,
            options.layer or None,
            options.patch,
            options.patch_stride,
            seed=options.seed,
            batch_size=options.batch_size,
        )
        self.plain = self.explainer.classifier("gradient")


def _facts(inspected, method):
    """What of a method is the same for all images."""
    explainer, row = inspected.explainer, inspection.METHODS[method]
    facts = {"shows": row.text, "replaced": explainer.replaced(method)}
    if row.takes_layer:
        facts["layer"] = explainer.layer
    if method == "occlusion":
        size = inspected.subject.preprocessing.shape[:2]
        facts["patch"], facts["stride"] = explainer.patch_of(size)
    return facts


def _explain(inspected, methods, paths, targets):
    """Pictures of some images, and their records."""
    inputs = inspected.subject.inputs(paths)
    classes = inspected.plain.classes_of(inputs, inspected.chosen)
    scores = inspected.plain.scores(inputs)
    probabilities = inspected.plain.probabilities(inputs)
    records = [
        _scored(inspected, *row) for row in zip(paths, classes, scores, probabilities)
    ]
    rows = [[] for _ in paths]
    maps = inspection.maps_by_weights(inspected.explainer, methods, inputs, classes)
    trained = {name: one.trained for name, one in maps.items()}
    deletions = inspection.deletion_scores(
        inspected.plain, inputs, trained, classes, seed=inspected.explainer.seed
    )
    for method in methods:
        measured = _measured(maps[method], deletions[method])
        for number, (record, found) in enumerate(zip(records, measured)):
            rows[number].append(maps[method].row(number))
            record["methods"][method] = found
    if methods:
        shown = inspected.subject.as_unit(inputs)
        for target, image, found in zip(targets, shown, rows):
            figures.explanation_grid(target, image, found, random_maps=True)
        for record, target in zip(records, targets):
            record["picture"] = target
    return records


def _scored(inspected, path, number, scores, probabilities):
    best = np.argsort(-probabilities, kind="stable")[:_TOP]
    return {
        "image": path,
        "class": inspected.class_names[number],
        "logit": float(scores[number]),
        "probability": float(probabilities[number]),
        "best": [
            {"class": inspected.class_names[i], "probability": float(probabilities[i])}
            for i in best
        ],
        "methods": {},
    }


def _measured(maps, deletion):
    """What is told of a method's map of each image."""
    return [
        {
            "stays": maps.stays(i),
            "deletion": {
                name: float(left[i]) for name, left in deletion._asdict().items()
            },
            "box": inspection.map_box(one),
        }
        for i, one in enumerate(maps.trained)
    ]


def _means(results, method):
    """Means over the images, without those of constant maps."""
    found = [result["methods"][method] for result in results]
    stays, deletion = {}, {}
    for name in inspection.RANDOMIZED:
        values = [one["stays"][name]["absolute"] for one in found]
        values = [one for one in values if one is not None]
        stays[name] = float(np.mean(values)) if values else None
    for name in inspection.Deletion._fields:
        deletion[name] = float(np.mean([one["deletion"][name] for one in found]))
    return {"stays": stays, "deletion": deletion}


def _class_models(inspected, options, results):
    """An image of each class that was explained."""
    explained = {result["class"] for result in results}
    return inspection.draw_class_models(
        inspected.subject,
        inspected.plain,
        [name for name in inspected.class_names if name in explained],
        os.path.join(options.output_dir, "class_models.png"),
        options.regularization,
        options.num_steps,
        options.seed,
    )


def _open_dream(inspected, options, paths):
    """The dream of the recipe's layers where the network has them, images checked."""
    layers, known = None, set(inspected.plain.map_layers())
    if options.layer or not set(inspection.DREAMS[options.dream].layers) <= known:
        layers = {inspected.explainer.layer: 1.0}
    dream = inspection.open_dream(
        inspected.subject, inspected.plain, options.dream, layers
    )
    for path in paths:
        image = inspection.dream_input(inspected.subject, path)
        try:
            dream.check_shape(image.shape)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    return dream


def _show(record, folder):
    for result in record["images"]:
        print(f"{result['image']}   {result['class']} {result['probability']:.4f}")
        for name, found in result["methods"].items():
            stays = [stage["absolute"] for stage in found["stays"].values()]
            print(f"  {name:22} {_told(stays)}")
    print(f"means of {len(record['images'])} images")
    for name, found in record["means"].items():
        left = found["deletion"]
        print(
            f"  {name:22} {_told(found['stays'].values())}; without a tenth of the "
            f"pixels {left['after']:.2f} of {left['before']:.2f}, at random "
            f"{left['random']:.2f}"
        )
    print(f"{folder} has what was found")


def _told(stays):
    told = zip(map(inspection.told_similarity, stays), inspection.RANDOMIZED.values())
    shown = ", ".join(f"{value} {text}" for value, text in told)
    return f"stays with random weights: {shown}"
