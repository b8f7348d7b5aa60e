"""Shows what a classifier looks at in images.

    inspect-classifier --run_dir=runs/digits --images=image.png,folder \\
        --methods=saliency,guided_backpropagation,grad_cam --output_dir=inspected

writes ``inspected/<name>.png``, a row for each method with image, map, the map over the
image, and the map by random weights, and ``inspection.json`` with scores, layers and
replaced activations. Beside each map stands how much of it stays when the classifier's
weights are random (rank correlation of absolute values, 1: all of it): a map that stays
tells of the image, not of the classifier. Methods that make images of their own:
``class_model``, an image that the class responds to most, and ``deep_dream``, the
image with more of what a layer sees. ``--model=resnet50 --weights=imagenet`` takes a
model of the registry in place of a run.
"""

import dataclasses
import os
from typing import Optional

import numpy as np
import tqdm

from keras_cnns import _files, applications, data, figures, inference, inspection
from keras_cnns.commands.groups import (
    Epoch,
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
_LARGEST_DREAM = 512
_RANDOM = {"logits": "of the logits alone", "all": "of all layers"}


@dataclasses.dataclass(frozen=True)
class OPTIONS(Epoch, Seeded, Written):
    """What ``inspect-classifier`` takes."""

    images: tuple = required("image files or folders, comma-separated")
    run_dir: Optional[str] = changed(
        RunOptions, "run_dir", None, writes="", required=False
    )
    methods: tuple = option(
        ("saliency", "guided_backpropagation", "grad_cam"),
        f"methods, comma-separated: {', '.join(_ALL)}",
    )
    model: str = changed(TrainingOptions, "model", "", required=False)
    weights: str = option(
        "", "public checkpoint or weight file of the model", needs=any_of("model")
    )
    preprocessing: str = changed(
        ClassificationOptions, "preprocessing", "", needs=any_of("model")
    )
    image_size: int = changed(DataOptions, "image_size", 0, needs=any_of("model"))
    class_name: str = option(
        "", "class that is explained; empty: of each image the one scored best"
    )
    layer: str = option(
        "", "layer of Grad-CAM, the class model and the dream; empty: the last maps'"
    )
    patch: int = option(
        0, "side of occlusion's patch; 0: an eighth of the image's", within="[0, inf)"
    )
    patch_stride: int = option(
        0, "pixels between its places; 0: half of its side", within="[0, inf)"
    )
    regularization: str = option(
        "smooth",
        "what keeps the class model like an image",
        choices=tuple(inspection.REGULARIZATIONS),
    )
    num_steps: int = option(200, "steps to the class model", within="[1, inf)")
    dream: str = option(
        "caffe", "recipe of the dream", choices=tuple(inspection.DREAMS)
    )
    batch_size: int = changed(DataOptions, "batch_size", 16, help="images per step")


def run(options) -> dict:
    """Returns what ``inspection.json`` holds."""
    _check_methods(options)
    subject = _Subject(options)
    paths = named_images(options.images)
    targets = picture_files(paths, options.output_dir)
    methods = [name for name in options.methods if name in inspection.METHODS]
    results = []
    for start in tqdm.trange(0, len(paths), options.batch_size, disable=None):
        part = slice(start, start + options.batch_size)
        results += _explain(subject, methods, paths[part], targets[part])
    record = {
        "network": subject.name,
        "removed": subject.plain.copy.removed,
        "methods": {name: _facts(subject, name) for name in methods},
        "images": results,
    }
    if "class_model" in options.methods:
        record["class_models"] = _class_models(subject, options, results)
    if "deep_dream" in options.methods:
        record["dreams"] = _dreams(subject, options, paths, targets)
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


class _Subject:
    """The classifier with its preprocessing, names and explainer."""

    def __init__(self, options):
        load = _load_run if options.run_dir else _load_model
        model, self.preprocessing, self.class_names, self.name = load(options)
        self.explainer = inspection.Explainer(
            model,
            options.layer or None,
            options.patch,
            options.patch_stride,
            seed=options.seed,
            batch_size=options.batch_size,
        )
        self.plain = self.explainer.classifier("gradient")
        self.chosen = _class_number(options.class_name, self.class_names)
        greys = np.zeros((2, self.channels)) + [[0.0], [255.0]]
        black, white = self.preprocessing.standardize(greys).numpy()
        self.limits = (np.minimum(black, white), np.maximum(black, white))

    @property
    def channels(self):
        return self.preprocessing.channels

    def read(self, path):
        """One image as the network takes it, at its own size."""
        return data.read_image(path, channels=self.channels)

    def inputs(self, paths):
        """Images ``(count, height, width, channels)`` as the network takes them."""
        prepare = self.preprocessing
        return np.stack(
            [prepare.standardize(prepare.resize(self.read(path))) for path in paths]
        )

    def as_unit(self, inputs):
        """Inputs as images in [0, 1]."""
        pixels = self.preprocessing.unstandardize(inputs).numpy()
        return np.clip(pixels / 255, 0, 1)


def _load_run(options):
    network, run = inference.load_classifier(options.run_dir, options.which)
    names = run.config.class_names
    return (
        network,
        run.config.preprocessing,
        names,
        f"{options.run_dir} ({options.which})",
    )


def _load_model(options):
    info = applications.model_info(options.model)
    if info.task != "classification":
        raise ValueError(f"{options.model} is no classifier but for {info.task}")
    convention = options.preprocessing or info.preprocessing_of(options.weights)
    if convention not in data.CONVENTIONS:
        raise ValueError(
            f"how images were standardised for {options.weights} is unknown; give "
            f"--preprocessing: {', '.join(data.CONVENTIONS)}"
        )
    height, width, channels = info.input_shape
    if options.image_size:
        height = width = options.image_size
    model = applications.create_model(
        options.model, weights=options.weights, input_shape=(height, width, channels)
    )
    preprocessing = data.Preprocessing(
        height, width, channels, **data.CONVENTIONS[convention]
    )
    names = tuple(str(number) for number in range(info.classes))
    return model, preprocessing, names, f"{options.model} ({options.weights})"


def _class_number(name, class_names):
    """The number of a class by its name, or None."""
    if not name:
        return None
    if name not in class_names:
        shown = ", ".join(class_names[:10]) + (", …" if len(class_names) > 10 else "")
        raise ValueError(f"there is no class {name!r}; there are {shown}")
    return class_names.index(name)


def _facts(subject, method):
    """What of a method is the same for all images."""
    explainer, row = subject.explainer, inspection.METHODS[method]
    facts = {"shows": row.text, "replaced": explainer.replaced(method)}
    if row.takes_layer:
        facts["layer"] = explainer.layer
    if method == "occlusion":
        size = subject.preprocessing.shape[:2]
        facts["patch"], facts["stride"] = explainer.patch_of(size)
    return facts


def _explain(subject, methods, paths, targets):
    """Pictures of some images, and their records."""
    inputs = subject.inputs(paths)
    classes = subject.plain.classes_of(inputs, subject.chosen)
    scores = subject.plain.scores(inputs)
    probabilities = subject.plain.probabilities(inputs)
    records = [
        _scored(subject, *row) for row in zip(paths, classes, scores, probabilities)
    ]
    rows = [[] for _ in paths]
    for method in methods:
        maps, random = _with_random(subject, method, inputs, classes)
        for number, record in enumerate(records):
            measured = _measured(subject, inputs, classes, maps, random, number)
            stays = measured["stays"]["all"]["absolute"]
            text = "-" if stays is None else f"{stays:.2f}"
            label = f"{method}: {text} stays"
            rows[number].append((label, maps[number], random["all"][number]))
            record["methods"][method] = measured
    if methods:
        shown = subject.as_unit(inputs)
        for target, image, found in zip(targets, shown, rows):
            figures.explanation_grid(target, image, found, random_maps=True)
        for record, target in zip(records, targets):
            record["picture"] = target
    return records


def _scored(subject, path, number, scores, probabilities):
    best = np.argsort(-probabilities, kind="stable")[:_TOP]
    return {
        "image": path,
        "class": subject.class_names[number],
        "logit": float(scores[number]),
        "probability": float(probabilities[number]) if len(probabilities) > 1 else None,
        "best": [
            {"class": subject.class_names[i], "probability": float(probabilities[i])}
            for i in best
        ],
        "methods": {},
    }


def _with_random(subject, method, inputs, classes):
    """Maps by the trained weights, and by random ones of the logits and of all."""
    explainer = subject.explainer
    classifiers = explainer.classifiers(method)
    maps, random = explainer.maps(method, inputs, classes), {}
    for name in _RANDOM:
        layers = [inspection.logit_layer(subject.plain)] if name == "logits" else None
        with inspection.randomized(classifiers, layers, explainer.seed):
            random[name] = explainer.maps(method, inputs, classes)
    return maps, random


def _measured(subject, inputs, classes, maps, random, number):
    """What is told of one map."""
    one = slice(number, number + 1)
    stays = {}
    for name, others in random.items():
        found = inspection.map_similarity(maps[one], others[one])
        constant = found.num_constant > 0
        stays[name] = {
            "signed": None if constant else found.signed,
            "absolute": None if constant else found.absolute,
        }
    deletion = inspection.deletion_score(
        subject.plain, inputs[one], maps[one], classes[one], seed=subject.explainer.seed
    )
    return {
        "stays": stays,
        "deletion": deletion._asdict(),
        "box": inspection.map_box(maps[number]),
    }


def _class_models(subject, options, results):
    """An image of each class that was explained; their records."""
    names = sorted(
        {result["class"] for result in results}, key=subject.class_names.index
    )
    units = [subject.class_names.index(name) for name in names]
    images, responses = inspection.maximize(
        subject.plain,
        units,
        subject.preprocessing.shape,
        regularization=options.regularization,
        num_steps=options.num_steps,
        step_size=0.1,
        normalized=True,
        limits=subject.limits,
        seed=options.seed,
    )
    path = os.path.join(options.output_dir, "class_models.png")
    side = min(subject.preprocessing.shape[:2])
    figures.image_grid(
        subject.as_unit(images),
        path,
        columns=min(5, len(names)),
        value_range="unit",
        scale=max(1, round(128 / side)),
    )
    probabilities = subject.plain.probabilities(images)
    return {
        "picture": path,
        "classes": [
            {
                "class": name,
                "logit": float(response),
                "probability": float(row[unit]) if len(row) > 1 else None,
            }
            for name, unit, response, row in zip(names, units, responses, probabilities)
        ],
    }


def _dreams(subject, options, paths, targets):
    """A dream of each image; their records."""
    recipe = inspection.DREAMS[options.dream]
    scale = float(np.mean(subject.preprocessing.std))
    recipe = dataclasses.replace(
        recipe, step_size=recipe.step_size * recipe.input_std / scale
    )
    layers = {subject.explainer.layer: 1.0}
    if not options.layer and set(recipe.layers) <= set(subject.plain.map_layers()):
        layers = recipe.layers
    records = []
    for path, target in zip(paths, targets):
        pixels = subject.read(path)
        factor = min(1.0, _LARGEST_DREAM / max(pixels.shape[:2]))
        height, width = (max(1, round(side * factor)) for side in pixels.shape[:2])
        prepare = dataclasses.replace(
            subject.preprocessing.with_size(height, width), crop_ratio=None
        )
        image = prepare.standardize(prepare.resize(pixels)).numpy()
        dreamt, losses = inspection.deep_dream(
            subject.plain, image, subject.limits, recipe, layers, options.seed
        )
        place = f"{os.path.splitext(target)[0]}_dream.png"
        data.write_image(place, data.to_bytes(subject.as_unit(dreamt[None]), "unit")[0])
        records.append(
            {
                "image": path,
                "picture": place,
                "layers": layers,
                "objective": [losses[0], losses[-1]],
            }
        )
    return records


def _show(record, folder):
    for result in record["images"]:
        probability = result["probability"]
        shown = "" if probability is None else f" {probability:.4f}"
        print(f"{result['image']}   {result['class']}{shown}")
        for name, found in result["methods"].items():
            stays = [found["stays"][stage]["absolute"] for stage in _RANDOM]
            shown = ["undefined" if one is None else f"{one:.2f}" for one in stays]
            texts = [f"{one} {text}" for one, text in zip(shown, _RANDOM.values())]
            print(f"  {name:22} stays with random weights: {', '.join(texts)}")
    print(f"{len(record['images'])} images; {folder} has what was found")
