"""Every kind of trainer on one device, two devices, two workers, by XLA, in 16 bits."""

import json

import numpy as np
import pytest
import trainer_kinds
from trainer_kinds import INPAINTING, KINDS

slow = pytest.mark.slow
TWO, XLA = {"devices": 2}, {"enable_xla": True}
HALF = {**XLA, "policy": "mixed_float16"}
SETTINGS = {
    "one device": {},
    "two devices": TWO,
    "two devices, XLA": {**TWO, **XLA},
    "two devices, XLA, 16 bits": {**TWO, **HALF},
    "two workers": {},
    "two workers, XLA": XLA,
    "two workers, XLA, 16 bits": HALF,
}
UNSYNCED, DROPOUT = "classification_unsynced", "gan_dropout"
RECOMPUTING = "recomputing_unsynced"
# Kinds that all devices together train as one does.
ALIKE = [kind for kind in KINDS if kind not in (UNSYNCED, RECOMPUTING, DROPOUT)]
# Labels and common batch statistics, latents, a buffer, masks, weights that are gone.
SHORT = ["classification", "wgan_gp", "simgan", "reconstruction", "pruning"]
ROUNDING = 1e-5
LONGEST = 16  # trainings of one process


def comparison(*settings, kinds, short=()):
    """Has a test get ``results``, one of each setting, for each kind.

    Args:
        *settings: keys of ``SETTINGS``.
        kinds: keys of ``KINDS``.
        short: those of the short run, the smallest where they take long.
    """

    def mark(test):
        test.settings = settings
        kind = [k if k in short else pytest.param(k, marks=slow) for k in kinds]
        return pytest.mark.parametrize("kind", kind)(test)

    return mark


@pytest.fixture(scope="module")
def known():
    """Results so far, by setting and kind."""
    return {}


@pytest.fixture
def results(request, kind, known, start, cluster, data_dir):
    """What became of a kind in each of the test's settings.

    What other tests want is trained along: a process starts for longer than a training
    takes.
    """
    keys = [(setting, kind) for setting in request.function.settings]
    for key in keys:
        if key not in known:
            has_workers = "workers" in key[0]
            others = [
                other
                for other in _wanted(request.session.items)
                if other not in known and ("workers" in other[0]) == has_workers
            ]
            chosen = list(dict.fromkeys([key, *others]))[:LONGEST]
            arguments = {
                "trainings": [{"kind": k, **SETTINGS[name]} for name, k in chosen],
                "data_dir": data_dir,
                "strategy": "multi_worker" if has_workers else "",
            }
            environments = [{}]
            if has_workers:
                environments = [{"TF_CONFIG": config} for config in cluster()]
            known.update(zip(chosen, _train(start, arguments, environments)))
    return [known[key] for key in keys]


def _wanted(items):
    """(setting, kind) of all tests of this file that will run."""
    return [
        (setting, item.callspec.params["kind"])
        for item in items
        if item.module.__name__ == __name__ and hasattr(item.function, "settings")
        for setting in item.function.settings
    ]


def _train(start, arguments, environments):
    """Results of the first process; all report the same."""
    script = trainer_kinds.__file__, json.dumps(arguments)
    processes = [start(*script, **environment) for environment in environments]
    first, *others = [_read(process) for process in processes]
    for other in others:
        assert [r["steps"] for r in other] == [r["steps"] for r in first]
    return first


def _read(process):
    output, errors = process.communicate(timeout=550)
    assert process.returncode == 0, errors[-3000:]
    return json.loads(output.strip().splitlines()[-1])


def _assert_same(kind, first, second, tolerance=ROUNDING):
    """The same updates; in float64 rounding has no room to grow in 20 steps."""
    limits, step_limits = {"atol": tolerance}, {"atol": tolerance, "rtol": 0}
    if kind in INPAINTING:
        step_limits["atol"] *= 10
    if KINDS[kind].policy == "float64":
        limits = step_limits = {"rtol": 1e-6, "atol": 1e-9}
    assert set(first["weights"]) == set(second["weights"]) > {"averages"}
    for name, weights in first["weights"].items():
        for a, b in zip(weights, second["weights"][name]):
            np.testing.assert_allclose(a, b, **limits, err_msg=name)
    assert len(first["steps"]) == len(second["steps"]) == KINDS[kind].steps
    for a, b in zip(first["steps"], second["steps"]):
        assert set(a) == set(b)
        for name, value in a.items():
            np.testing.assert_allclose(b[name], value, **step_limits, err_msg=name)
    assert first["evaluation"].keys() == second["evaluation"].keys()
    for name, value in first["evaluation"].items():
        found = second["evaluation"][name]
        np.testing.assert_allclose(found, value, **step_limits, err_msg=name)


def _learns(result):
    losses = [step["loss"] for step in result["steps"]]
    return np.isfinite(losses).all() and np.mean(losses[-5:]) < np.mean(losses[:5])


@comparison("one device", "two devices", kinds=ALIKE, short=SHORT)
def test_two_devices_train_as_one(kind, results):
    """The same global batches and noise; batch statistics are common."""
    one, two = results
    assert (one["replicas"], two["replicas"]) == (1, 2)
    _assert_same(kind, one, two)
    if kind == "classification":
        assert _learns(one)


@comparison("one device", "two workers", kinds=ALIKE, short=["wgan_gp"])
def test_two_workers_train_as_one(kind, results):
    one, two = results
    assert (one["replicas"], two["replicas"]) == (1, 2)
    _assert_same(kind, one, two)


@comparison(
    "one device",
    "two devices, XLA",
    kinds=[kind for kind in ALIKE if not KINDS[kind].has_synced_norms],
    short=["wgan_gp"],
)
def test_two_devices_with_xla_train_as_one_without(kind, results):
    _assert_same(kind, *results)


@comparison("two devices", "two devices, XLA", kinds=[UNSYNCED, RECOMPUTING])
def test_xla_trains_the_same_on_two_devices(kind, results):
    """Without common batch statistics, two devices differ from one."""
    _assert_same(kind, *results)


@comparison(
    "one device",
    "two devices, XLA, 16 bits",
    kinds=["gan", "cgan", "wgan", "wgan_gp", "what_where", "srgan", *INPAINTING],
    short=["wgan_gp"],
)
def test_sixteen_bits_train_like_thirty_two(kind, results):
    """Half precision has 11 bits: 5e-4 of a weight near 1, over a few updates."""
    _assert_same(kind, *results, 5e-3)


@comparison("two devices, XLA, 16 bits", "two workers, XLA, 16 bits", kinds=[UNSYNCED])
def test_sixteen_bits_and_xla_learn(kind, results):
    for result in results:
        assert result["replicas"] == 2 and _learns(result)


@comparison("two devices, XLA", "two workers, XLA", kinds=[DROPOUT])
def test_dropout_trains_on_all_devices(kind, results):
    """Masks differ between devices, so only that it goes well can be told."""
    for result in results:
        assert np.isfinite([list(step.values()) for step in result["steps"]]).all()
