"""Every kind of trainer on one device, two devices, two workers, by XLA, in 16 bits."""

import collections
import json
import subprocess
import sys

import numpy as np
import pytest
import trainer_kinds
from trainer_kinds import INPAINTING, KINDS

ONE, TWO, WORKERS = {}, {"devices": 2}, {"strategy": "multi_worker"}
XLA, HALF = {"enable_xla": True}, {"enable_xla": True, "policy": "mixed_float16"}
SETTINGS = {
    "one_device": ONE,
    "two_devices": TWO,
    "two_workers": WORKERS,
    "xla_on_two_devices": {**TWO, **XLA},
    "xla_on_two_workers": {**WORKERS, **XLA},
    "sixteen_bits_on_two_devices": {**TWO, **HALF},
    "sixteen_bits_on_two_workers": {**WORKERS, **HALF},
}
# Half precision has 11 bits: 5e-4 of a weight near 1, over a few updates.
ROUNDING, HALF_ROUNDING = 1e-5, 5e-3
DROPOUT = "gan_dropout"  # its masks differ between devices
ALIKE = [kind for kind in KINDS if kind not in ("classification_unsynced", DROPOUT)]
SMALLEST = "wgan_gp"


def _kinds(kinds, short):
    """Kinds of which the short run has some only."""
    slow = pytest.mark.slow
    return [kind if kind in short else pytest.param(kind, marks=slow) for kind in kinds]


class _Trainings:
    """Results by setting and kind; those that tests want of one process come from it.

    A process starts for longer than a training takes.
    """

    def __init__(self, wanted, data_dir, cluster):
        self._wanted, self._data_dir, self._cluster = wanted, data_dir, cluster
        self._results = {}

    def __call__(self, setting, kind):
        if (setting, kind) not in self._results:
            has_workers = SETTINGS[setting].get("strategy") == "multi_worker"
            keys = [
                key
                for key in self._wanted
                if (SETTINGS[key[0]].get("strategy") == "multi_worker") == has_workers
            ]
            found = self._run(keys, has_workers)
            self._results.update(zip(keys, found))
        return self._results[setting, kind]

    def _run(self, keys, has_workers):
        trainings = [{"kind": kind, **SETTINGS[setting]} for setting, kind in keys]
        for training in trainings:
            training.pop("strategy", None)
        arguments = {"trainings": trainings, "data_dir": self._data_dir}
        environments = [{}]
        if has_workers:
            arguments["strategy"] = "multi_worker"
            environments = [{"TF_CONFIG": config} for config in self._cluster()]
        first, *others = self._outputs(arguments, environments)
        for other in others:
            assert [r["steps"] for r in other] == [r["steps"] for r in first]
        return first
