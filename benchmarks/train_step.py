"""Training speed of variants of a step, side by side: XLA, 16 bits, devices.

    python benchmarks/train_step.py --json_file=steps.json
    python benchmarks/train_step.py --steps=densenet121 \\
        --variants='[{}, {"mixed_precision": "bfloat16"}]'
    python benchmarks/train_step.py --device=gpu --json_file=gpu.json

One process, the same kept batch, rounds of all variants in turn, in either order (A B B
A ...), medians of the rounds after a warm-up. A variant is changes of the training's
options; ratios are to the first. The last command measures every kind of trainer on a
GPU: plain graphs and XLA, in 32 and in 16 bits. Speeds count the examples that a step
takes. A variant that the device cannot compute, for want of memory or otherwise, has
the error instead; the file is written after each step.
"""

import functools
import os

import _steps
import psutil
import tensorflow as tf
from absl import app, flags

from keras_cnns import _files

_XLA, _HALF = {"enable_xla": True}, {"mixed_precision": "float16"}
_VARIANTS = {
    "cpu": [{}, _XLA, {"mixed_precision": "bfloat16"}],
    "gpu": [{}, _XLA, _HALF, {**_XLA, **_HALF}],
}

_STEPS = flags.DEFINE_list("steps", list(_steps.STEPS), "which ones")
_CHANGES = flags.DEFINE_string(
    "variants", "", "a JSON list of changes of options; empty: the device's"
)
_DEVICE = flags.DEFINE_enum("device", "cpu", ["cpu", "gpu"], "what it must run on")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "where prepared data sets are")
_ROUNDS = flags.DEFINE_integer("rounds", 5, "rounds of each variant", lower_bound=5)
_COUNT = flags.DEFINE_integer("count", 4, "steps per round", lower_bound=1)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")


def measure(name, variants, rounds, count, data_dir=None) -> dict:
    """Examples per second by variant, medians of the rounds; or why there are none."""
    runs, sizes, found = {}, {}, {}
    for changes in variants:
        label = ", ".join(f"{k}={v}" for k, v in changes.items()) or "as it is"
        try:
            trainer, load, size = _steps.prepare(name, data_dir=data_dir, **changes)
            batches = iter(load(0).take(1).cache().repeat())
            step = functools.partial(_steps.step_function(trainer), batches)
            _steps.seconds(step, 2)
        except tf.errors.OpError as error:
            found[label] = f"{type(error).__name__}: {error}"
            continue
        found[label], sizes[label] = None, size
        runs[label] = functools.partial(_steps.seconds, step, count)
    medians = _steps.medians_in_turn(runs, rounds)
    return found | {label: count * sizes[label] / medians[label] for label in runs}


def main(_):
    unknown = set(_STEPS.value) - set(_steps.STEPS)
    if unknown:
        raise app.UsageError(f"unknown {sorted(unknown)}; there are {[*_steps.STEPS]}")
    if _DEVICE.value == "gpu" and not tf.config.list_physical_devices("GPU"):
        raise app.UsageError("--device=gpu, but TensorFlow sees none")
    if _DEVICE.value == "cpu":
        tf.config.set_visible_devices([], "GPU")
    variants = _VARIANTS[_DEVICE.value]
    if _CHANGES.value:
        variants = _steps.parse_json(_CHANGES.value, list)
    results = {
        "tensorflow": tf.__version__,
        "device": _DEVICE.value,
        "gpus": [
            tf.config.experimental.get_device_details(gpu)
            for gpu in tf.config.list_physical_devices("GPU")
        ],
        "cpus": os.cpu_count(),
        "cpu_percent_before": psutil.cpu_percent(interval=2),
    }
    for name in _STEPS.value:
        results[name] = measured = measure(
            name, variants, _ROUNDS.value, _COUNT.value, _DATA_DIR.value
        )
        speeds = [found for found in measured.values() if not isinstance(found, str)]
        for label, found in measured.items():
            shown = f"{found}".split(":")[0]
            if found in speeds:
                shown = f"{found:8.2f} examples/s {found / speeds[0]:6.2f}"
            print(f"{name:18} {label:44} {shown}", flush=True)
        tf.keras.backend.clear_session()
        if _JSON.value:
            _files.write_json(_JSON.value, results, indent=2)


if __name__ == "__main__":
    app.run(main)
