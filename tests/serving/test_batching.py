"""Batches: what is joined, and that each request gets its own rows."""

import concurrent.futures
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from keras_cnns import applications, export
from keras_cnns.serving.batching import Batcher
from keras_cnns.serving.metrics import Metrics
from keras_cnns.serving.servable import Servable


class _Doubling:
    """Stands for a signature: doubles rows, notes their number, may be held up."""

    model = "m"

    def __init__(self, independent=True):
        self.calls, self.go = [], threading.Event()
        self._independent = independent

    def count_rows(self, inputs):
        return len(inputs["x"]) if self._independent else 0

    def __call__(self, inputs):
        assert self.go.wait(10)
        self.calls.append(len(inputs["x"]))
        if np.any(inputs["x"] < 0):
            raise tf.errors.InvalidArgumentError(None, None, "negative")
        return {"y": 2 * inputs["x"]}


@pytest.fixture
def make_batcher():
    made = []

    def make(**options):
        options = {"batch_timeout": 0.0, "batch_threads": 1, **options}
        made.append(Batcher(metrics=Metrics(), **options))
        return made[-1]

    yield make
    for batcher in made:
        batcher.close()


def _submit(batcher, signature, sizes, width=2):
    arrays = [np.full((n, width), i + 1.0) for i, n in enumerate(sizes)]
    return arrays, [batcher.submit(signature, {"x": array}) for array in arrays]


def _check(arrays, futures):
    for array, future in zip(arrays, futures):
        np.testing.assert_array_equal(future.result(10)["y"], 2 * array)


def _hold(batcher, signature):
    """Keeps the one thread busy, so that what follows waits together."""
    future = batcher.submit(signature, {"x": np.zeros((1, 9))})
    while not future.running():
        time.sleep(0.001)
    return future


def test_requests_are_joined_and_get_their_own_rows(make_batcher):
    batcher, signature = make_batcher(max_batch_size=8), _Doubling()
    held = _hold(batcher, signature)
    arrays, futures = _submit(batcher, signature, [1, 3, 2, 2, 5])
    signature.go.set()
    _check(arrays, futures)
    assert held.result(10) and signature.calls == [1, 8, 5]


def test_other_shapes_signatures_and_dependent_rows_are_not_joined(make_batcher):
    batcher, first, second = make_batcher(max_batch_size=8), _Doubling(), _Doubling()
    alone = _Doubling(independent=False)
    _hold(batcher, first)
    submitted = [
        _submit(batcher, *args)
        for args in (
            (first, [1, 1]),
            (first, [1, 1], 5),
            (second, [2]),
            (alone, [1, 1]),
        )
    ]
    for signature in (first, second, alone):
        signature.go.set()
    for arrays, futures in submitted:
        _check(arrays, futures)
    assert sorted(first.calls) == [1, 2, 2]
    assert second.calls == [2] and alone.calls == [1, 1]


def test_a_request_larger_than_a_batch_runs_alone(make_batcher):
    batcher, signature = make_batcher(max_batch_size=4), _Doubling()
    signature.go.set()
    _check(*_submit(batcher, signature, [9]))
    assert signature.calls == [9]


def test_one_waits_for_others_until_the_batch_is_full_or_the_time_is_up(make_batcher):
    batcher, signature = make_batcher(max_batch_size=3, batch_timeout=30), _Doubling()
    signature.go.set()
    _check(*_submit(batcher, signature, [1, 2]))  # full: at once
    assert signature.calls == [3]
    batcher = make_batcher(max_batch_size=3, batch_timeout=0.2)
    started = time.monotonic()
    _check(*_submit(batcher, signature, [1]))
    assert 0.2 <= time.monotonic() - started < 10


def test_only_the_request_at_fault_fails(make_batcher):
    batcher, signature = make_batcher(max_batch_size=8), _Doubling()
    _hold(batcher, signature)
    arrays, futures = _submit(batcher, signature, [2, 1])
    bad = batcher.submit(signature, {"x": np.full((1, 2), -1.0)})
    signature.go.set()
    _check(arrays, futures)
    with pytest.raises(tf.errors.InvalidArgumentError, match="negative"):
        bad.result(10)


def test_what_nobody_waits_for_is_left_out(make_batcher):
    batcher, signature = make_batcher(max_batch_size=8), _Doubling()
    _hold(batcher, signature)
    arrays, futures = _submit(batcher, signature, [1, 2, 1])
    assert futures[1].cancel()
    signature.go.set()
    _check(arrays[::2], futures[::2])
    assert signature.calls == [1, 2]


def test_what_nobody_waits_for_fills_no_batch(make_batcher):
    batcher, signature = make_batcher(max_batch_size=3, batch_timeout=30), _Doubling()
    signature.go.set()
    _, futures = _submit(batcher, signature, [2])
    assert futures[0].cancel()
    arrays, futures = _submit(batcher, signature, [1, 2])  # the second makes it full
    _check(arrays, futures)
    assert signature.calls == [3]


def test_closing_finishes_what_waits():
    batcher = Batcher(8, 30, 2, Metrics())
    signature = _Doubling()
    signature.go.set()
    arrays, futures = _submit(batcher, signature, [1, 1])
    batcher.close()
    _check(arrays, futures)
    assert signature.calls == [2]


def test_calls_of_a_signature_follow_one_another(tmp_path, verify_here):
    """With oneDNN two at a time got wrong pixels from a network that adds, or died."""
    network = applications.create_model("edsr_small_x2")
    path, _ = export.export_upscaler(
        network, str(tmp_path), "edsr", scales=[2], enlarges=True
    )
    signature = Servable("edsr", 1, path, False).signature("")
    random = np.random.default_rng(0)
    images = [random.random((1, 9, 14 + i, 3), np.float32) for i in range(4)]
    expected = [signature({"images": one})["images"] for one in images]

    def differences(i):
        answers = (signature({"images": images[i]})["images"] for _ in range(50))
        return max(np.abs(answer - expected[i]).max() for answer in answers)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        assert max(pool.map(differences, range(4))) < 1e-4
