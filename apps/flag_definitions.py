"""Every flag of every app: one name, one meaning, in one table.

An app is a function ``run`` whose parameters are its flags; ``start(run)`` defines
them with the defaults of the signature, parses the command line and calls it.
"""

import inspect
import sys

from absl import app, flags, logging

import keras_cnns  # noqa: F401  sets TensorFlow's log level before it is loaded

import tensorflow as tf  # isort: skip

from keras_cnns.trainers.callbacks import NonFiniteLossError, TrainingInterrupted

TEXT, NUMBER, COUNT, SWITCH, LIST = "text", "number", "count", "switch", "list"

TABLE = {
    # model and weights
    "model": (TEXT, "registry name of the model; list_models.py shows them"),
    "builder_args": (TEXT, 'further builder arguments as JSON, {"dropout_rate": 0.2}'),
    "init_weights": (
        TEXT,
        "start from a public checkpoint (imagenet), a weight file or a run's folder",
    ),
    "freeze": (TEXT, "keep this layer and all before it as they are, batch norm too"),
    "checkpoint": (
        LIST,
        "folder of a training run; several, comma-separated, are averaged",
    ),
    "run_dir": (TEXT, "folder of a GAN's training run"),
    "which": (TEXT, "weights of the 'best' or the 'last' epoch"),
    "saved_model": (TEXT, "folder of an exported SavedModel version"),
    # data
    "dataset": (
        TEXT,
        "digits, rendered_digits, fashion_mnist, photographs, photographs_128, any "
        "TFDS name, or an image folder",
    ),
    "data_dir": (TEXT, "where prepared data sets (or Fashion-MNIST's files) are"),
    "train_split": (TEXT, "split to train on"),
    "validation_split": (TEXT, "split evaluated after each epoch; empty for none"),
    "split": (TEXT, "split to evaluate on"),
    "image_size": (
        COUNT,
        "height and width of the input; 0 takes the data set's, in train_gan and "
        "train_inpainter the model's",
    ),
    "channels": (COUNT, "1 (grey) or 3; 0 takes the data set's"),
    "preprocessing": (
        TEXT,
        "dataset (its own mean and deviation), torch, caffe, tf, dpn, bn_inception or "
        "facenet; empty: what the public weights or the run that training starts from "
        "want, else dataset",
    ),
    "augmentation": (
        TEXT,
        "random changes in order, such as pad_crop:4,flip,cutout:8 or "
        "random_resized_crop,flip; empty for none",
    ),
    "mixup_alpha": (NUMBER, "parameter of mixup's Beta distribution; 0 for none"),
    "label_smoothing": (NUMBER, "share of each label spread over all classes"),
    "protocol": (
        TEXT,
        "how pictures are shown: 1_crop, 10_crop, 12_crop, 144_crop or "
        "dense_multi_scale",
    ),
    "crop_ratio": (
        NUMBER,
        "the input's share of the picture's shorter side in 1_crop, 10_crop and "
        "12_crop; 0: the run's",
    ),
    "scales": (
        LIST,
        "shorter sides for dense_multi_scale, in pixels; empty for the paper's",
    ),
    "num_images": (COUNT, "how many pictures, from the first on; 0 for all"),
    "images": (LIST, "image files or folders, comma-separated"),
    "batch_size": (COUNT, "examples per step, over all devices"),
    # optimisation
    "epochs": (COUNT, "epochs of the whole run"),
    "optimizer": (
        TEXT,
        "sgd, rmsprop, adadelta, adam, adamw, lamb, rectified_adam or lookahead",
    ),
    "learning_rate": (NUMBER, "learning rate at its highest"),
    "momentum": (NUMBER, "of sgd and rmsprop"),
    "nesterov": (SWITCH, "whether the momentum of sgd is Nesterov's"),
    "rho": (NUMBER, "share of the old mean square of rmsprop, adadelta"),
    "beta_1": (NUMBER, "share of the old mean that adam keeps"),
    "beta_2": (NUMBER, "share of the old mean square that adam keeps"),
    "epsilon": (NUMBER, "added to the optimizer's denominator, but for sgd"),
    "weight_decay": (NUMBER, "L2 coefficient, or the decoupled one of adamw and kin"),
    "weight_decay_scope": (TEXT, "'all' weights or 'kernels' only"),
    "schedule": (TEXT, "constant, step, halving, linear, cosine or exponential"),
    "boundaries": (TEXT, "shares of the run at which the step schedule drops"),
    "decay_rate": (NUMBER, "factor of the step, halving and exponential schedules"),
    "decay_epochs": (NUMBER, "period of the exponential schedule, in epochs"),
    "warmup_epochs": (NUMBER, "linear warm-up, in epochs"),
    "gradient_clip_norm": (NUMBER, "largest global gradient norm; 0 for no limit"),
    "ema_decay": (NUMBER, "of the weight average used in evaluation; 0 for none"),
    "auxiliary_weight": (NUMBER, "loss weight of each auxiliary head; 0 without any"),
    "early_stopping": (COUNT, "epochs without improvement before stopping; 0 never"),
    "recipe": (TEXT, "published hyper-parameters by name; explicit flags win"),
    # adversarial training
    "trainer": (TEXT, "gan, cgan, wgan or wgan_gp; empty takes the model's"),
    "discriminator_steps": (COUNT, "discriminator updates in each step"),
    "discriminator_learning_rate": (NUMBER, "0 takes the generator's"),
    "generator_loss": (TEXT, "non_saturating or minimax"),
    "clip_value": (NUMBER, "bound of the critic's weights in wgan"),
    "critic_warm_up": (SWITCH, "100 critic updates for each early generator update"),
    "penalty_weight": (NUMBER, "of the gradient penalty of Wasserstein critics"),
    "instance_noise": (
        NUMBER,
        "deviation of the noise on the discriminator's pictures at first; 0 for none",
    ),
    "instance_noise_epochs": (NUMBER, "epochs in which instance noise falls to 0"),
    "grid_columns": (
        COUNT,
        "columns of the grids of pictures; 0 where allowed: as many as rows",
    ),
    "classes": (TEXT, "names of the classes to sample, comma-separated; empty: all"),
    "embedding": (
        TEXT,
        "run of a classifier in whose features pictures are compared, imagenet, or a "
        "weight file of Inception v3",
    ),
    "parzen_samples": (COUNT, "samples of the Parzen-window estimate; 0 for none"),
    "parzen_split": (TEXT, "split that chooses the Parzen window, unseen in training"),
    "compare_with": (TEXT, "evaluation.json of another run"),
    # refinement of simulated pictures
    "real_dataset": (TEXT, "data set of real pictures, named as dataset"),
    "real_split": (TEXT, "its split"),
    "refined_dataset": (TEXT, "data set to refine at the end; empty: the simulated"),
    "refiner_steps": (COUNT, "refiner updates in each step"),
    "regularization_weight": (NUMBER, "weight of the change by refining, per picture"),
    "features": (TEXT, "what must not change: identity, channel_mean or derivatives"),
    "buffer_size": (COUNT, "refined pictures kept for the discriminator; 0 for none"),
    "refiner_pretraining": (COUNT, "first steps, in which the refiner trains alone"),
    "discriminator_pretraining": (COUNT, "next steps, with the discriminator alone"),
    # inpainting
    "mask_kinds": (
        TEXT,
        "where holes come from, comma-separated: irregular, rectangle, files:FOLDER "
        "(white pixels are holes)",
    ),
    "hole_ratios": (
        TEXT,
        "least and largest share of hole in irregular masks, such as 0.1,0.3; empty: "
        "0.01,0.6",
    ),
    "rectangle_sides": (
        TEXT,
        "shortest and longest side of rectangles, as shares of the picture's; empty: "
        "0.375,0.5",
    ),
    "patch_size": (
        COUNT,
        "height and width of the patches that local critics and discriminators see; "
        "0: half of the picture's",
    ),
    "validation_pictures": (
        COUNT,
        "how many pictures are filled after each epoch, spread over the split; 0 for "
        "all",
    ),
    "feature_weights": (
        TEXT,
        "VGG16 for the perceptual and the style loss: imagenet, torchvision or a "
        "weight file",
    ),
    "feature_run": (
        TEXT,
        "run of a classifier for them instead, whose stage ends are compared",
    ),
    "feature_layers": (
        TEXT,
        "other layers of that classifier, comma-separated, finest first",
    ),
    "valid_weight": (NUMBER, "loss weight of the differences on known pixels"),
    "hole_weight": (NUMBER, "loss weight of the differences in the hole"),
    "perceptual_weight": (NUMBER, "loss weight of the differences of features"),
    "style_weight": (NUMBER, "loss weight of the differences of their Gram matrices"),
    "total_variation_weight": (
        NUMBER,
        "loss weight of the differences of neighbours in the hole",
    ),
    "compare_composite": (
        SWITCH,
        "whether features are compared with the known pixels pasted in, too",
    ),
    "second_stage_share": (
        NUMBER,
        "share of the steps, the last ones, with a frozen encoder batch norm; 0: none",
    ),
    "second_stage_learning_rate": (NUMBER, "learning rate of those steps"),
    "adversarial_weight": (NUMBER, "loss weight of the discriminator's judgement"),
    "discriminator_beta_1": (NUMBER, "its beta_1; left out: that of the network"),
    "completion_share": (
        NUMBER,
        "share of the steps, the first ones, without the discriminator",
    ),
    "discriminator_alone_share": (
        NUMBER,
        "share of the steps, the next ones, with the discriminator alone",
    ),
    "coarse_weight": (NUMBER, "weight of the coarse picture's differences"),
    "discount": (NUMBER, "factor of a difference's weight per pixel into the hole"),
    "distance": (TEXT, "how that distance is measured: axis or euclidean"),
    "input": (TEXT, "picture to fill, or a folder of them"),
    "mask": (
        TEXT,
        "picture of its holes in white, or a folder of such of the pictures' names",
    ),
    "output": (TEXT, "PNG file to write, or a folder for such files"),
    "method": (
        TEXT,
        "mean, nearest, biharmonic, criminisi, patch_match, or an inpainting run",
    ),
    "methods": (
        LIST,
        "methods to compare, comma-separated: names as --method has them, folders of "
        "runs, or label=folder",
    ),
    "tile_size": (
        COUNT,
        "height and width that a network sees of a large picture at once; 0: 1024, or "
        "twice the training pictures'",
    ),
    # studies of a GAN
    "studies": (LIST, "what to look at, comma-separated; the app's description tells"),
    "num_samples": (COUNT, "how many generated pictures get a number"),
    "positive_samples": (
        TEXT,
        "numbers of the samples whose latents are added, by concept: 3,17,20;5,8,30",
    ),
    "negative_samples": (TEXT, "numbers of those that are subtracted, by concept"),
    "boxes_file": (
        TEXT,
        "JSON of boxes around an object, [[sample, top, left, bottom, right], ...]",
    ),
    "layer": (TEXT, "layer of the generator; empty: its second-highest convolution"),
    "svm_penalties": (
        LIST,
        "values of C to choose from; empty: those of the paper's code",
    ),
    "probe_epochs": (LIST, "epochs of the GAN after which fresh discriminators probe"),
    "probe_steps": (COUNT, "updates of each fresh discriminator"),
    "distances": (LIST, "distances of the parallel lines"),
    "line_steps": (COUNT, "updates of the networks for each pair of lines"),
    # how it runs
    "distribution_strategy": (TEXT, "one_device, mirrored, multi_worker or tpu"),
    "sync_batch_norm": (SWITCH, "batch statistics over all devices"),
    "enable_xla": (SWITCH, "compile forward and backward pass by XLA"),
    "mixed_precision": (TEXT, "float16 or bfloat16; empty for float32"),
    "deterministic": (SWITCH, "bit-equal reruns, at some cost in speed"),
    "seed": (COUNT, "of everything random"),
    # files
    "output_dir": (TEXT, "folder of the run, or of the results"),
    "resume": (SWITCH, "go on from the newest checkpoint in output_dir"),
    "checkpoint_interval": (COUNT, "steps between checkpoints; 0: one per epoch"),
    "export_dir": (TEXT, "folder that gets <model>/<version>; empty: no export"),
    "export_name": (TEXT, "name in the export's path; empty: the model's"),
    "warmup_requests": (COUNT, "warm-up requests stored for TF Serving; 0 for none"),
    # output
    "top_k": (COUNT, "how many classes are shown per image"),
    "json_file": (TEXT, "file that gets the result as JSON; empty for none"),
    "task": (TEXT, "show models of this task only"),
    "pattern": (TEXT, "show models whose name matches, such as '*densenet*'"),
    "markdown_file": (TEXT, "file that gets the models as a Markdown table"),
    "recipes": (SWITCH, "show the recipes instead of the models"),
}

_DEFINE = {
    TEXT: flags.DEFINE_string,
    NUMBER: flags.DEFINE_float,
    COUNT: flags.DEFINE_integer,
    SWITCH: flags.DEFINE_boolean,
    LIST: flags.DEFINE_list,
}


def start(run, prepare=None, extra_flags=None):
    """Turns the command line into a call of ``run``.

    Args:
        run: function; each parameter is a flag of the table, those without a default
            are required.
        prepare: optional function of (values, names given on the command line) that
            returns the values to call ``run`` with.
        extra_flags: defaults of further flags, which ``prepare`` uses up.

    A bad run ends with one line on the terminal and exit code 1, an interrupted one
    with 130.
    """
    parameters = inspect.signature(run).parameters
    required = [n for n, p in parameters.items() if p.default is p.empty]
    defaults = {
        **{n: None if n in required else p.default for n, p in parameters.items()},
        **(extra_flags or {}),
    }
    for name, default in defaults.items():
        kind, text = TABLE[name]
        default = list(default) if isinstance(default, tuple) else default
        _DEFINE[kind](name, default, text)

    def main(argv):
        if len(argv) > 1:
            raise app.UsageError(
                f"unexpected argument {argv[1]!r}; flags start with --"
            )
        values = {name: flags.FLAGS[name].value for name in defaults}
        given = {name for name in defaults if flags.FLAGS[name].present}
        try:
            values = prepare(values, given) if prepare else values
            for name in required:
                if values[name] is None:
                    raise ValueError(f"--{name} is missing: {TABLE[name][1]}")
            run(**values)
        except KeyboardInterrupt:
            _end("interrupted", 130)
        except TrainingInterrupted as stop:
            _end(str(stop), 130)
        except tf.errors.OpError as error:
            _end(f"error: {error.message.splitlines()[0]}", 1)
        except (ValueError, OSError, ImportError, NonFiniteLossError) as error:
            _end(f"error: {error}", 1)

    tf.get_logger().setLevel("ERROR")
    logging.set_verbosity(logging.INFO)
    logging.use_absl_handler()
    app.run(main)


def check_used(values, given, used_by, known):
    """Refuses flags of the command line that another flag's value makes idle.

    Args:
        values: values of all flags.
        given: names of those on the command line.
        used_by: by flag, the deciding flag and the values of it that use the flag.
        known: values of deciding flags that exist; of others the app tells.
    """
    for flag, (decider, users) in used_by.items():
        if flag in given and values[decider] in known.difference(users):
            raise ValueError(
                f"--{flag}={values[flag]} has no effect with "
                f"--{decider}={values[decider]}; leave it out, or take one of "
                f"{', '.join(users)}"
            )


def _end(message, code):
    logging.debug("where it happened", exc_info=True)
    print(message, file=sys.stderr)
    sys.exit(code)
