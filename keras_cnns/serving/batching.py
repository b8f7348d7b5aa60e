"""Requests that are alike, run together.

Those of one signature of one version whose inputs have the same shapes but for the
rows are joined until there are ``max_batch_size`` rows, or the first of them has waited
for ``batch_timeout``; each gets its own rows of the outputs. Where a joined batch
fails, as by one damaged image, each request is run by itself, so that only that one
fails. Requests whose rows are not independent, such as a count and a seed, are never
joined.

Source of the scheme: TensorFlow Serving, "Batching Guide".
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from keras_cnns.serving.metrics import Metrics
    from keras_cnns.serving.servable import Signature


@dataclasses.dataclass
class _Task:
    """A request: its inputs, and when it need not wait any longer."""

    signature: object
    inputs: dict
    rows: int  # 0: runs alone
    due: float
    future: concurrent.futures.Future


class Batcher:
    """Threads that run what is submitted."""

    def __init__(
        self,
        max_batch_size: int,
        batch_timeout: float,
        batch_threads: int,
        metrics: Metrics,
    ) -> None:
        """Starts the threads.

        Args:
            max_batch_size: most rows of requests that are joined; one of more rows is
                run alone.
            batch_timeout: seconds that a request waits for others.
            batch_threads: number of batches that run at the same time.
            metrics: ``Metrics``, which get the batches' rows and times.
        """
        self._most, self._timeout = max_batch_size, batch_timeout
        self._metrics = metrics
        self._queues = {}  # key: deque of tasks
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batches-{i}", daemon=True)
            for i in range(batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, signature: Signature, inputs: dict) -> concurrent.futures.Future:
        """The future outputs of checked inputs.

        Args:
            signature: ``Signature``.
            inputs: arrays by name.
        """
        rows = signature.count_rows(inputs)
        wait = self._timeout if rows else 0.0
        shapes = tuple(sorted((k, v.shape[1:]) for k, v in inputs.items()))
        key = (signature, shapes if rows else object())
        future = concurrent.futures.Future()
        task = _Task(signature, inputs, rows, time.monotonic() + wait, future)
        with self._changed:
            self._queues.setdefault(key, collections.deque()).append(task)
            self._changed.notify()
        return future

    def close(self) -> None:
        """Runs what waits, and ends the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self):
        while True:
            tasks = self._take()
            if tasks is None:
                return
            self._run(tasks)
            del tasks  # what they hold goes before the next ones come

    def _take(self):
        """The tasks of the next batch, once there is one; None when all is closed."""
        with self._changed:
            while True:
                now = time.monotonic()
                ready = [
                    (queue[0].due, i, key)
                    for i, (key, queue) in enumerate(self._queues.items())
                    if queue[0].due <= now or self._closed or self._is_full(queue)
                ]
                if ready:
                    key = min(ready)[2]
                    if self._drops_cancelled(key):
                        continue  # without them it may not be ready
                    tasks = self._pop(key)
                    self._changed.notify()  # another batch may be ready
                    return tasks
                if self._closed:
                    return None
                dues = [queue[0].due for queue in self._queues.values()]
                self._changed.wait(min(dues) - now if dues else None)

    def _is_full(self, queue):
        return sum(task.rows for task in queue) >= self._most

    def _drops_cancelled(self, key):
        """Takes out those that nobody waits for any longer; whether some were."""
        queue = self._queues.pop(key)
        waiting = [task for task in queue if not task.future.cancelled()]
        if waiting:
            self._queues[key] = collections.deque(waiting)
        return len(waiting) < len(queue)

    def _pop(self, key):
        queue = self._queues[key]
        tasks = [queue.popleft()]
        rows = tasks[0].rows
        while queue and rows + queue[0].rows <= self._most:
            tasks.append(queue.popleft())
            rows += tasks[-1].rows
        if not queue:
            del self._queues[key]
        return tasks

    def _run(self, tasks):
        # One may have been cancelled since it was taken.
        tasks = [t for t in tasks if t.future.set_running_or_notify_cancel()]
        if len(tasks) > 1:
            try:
                results = self._run_joined(tasks)
            except Exception:  # one of them may be at fault: each by itself tells which
                results = None
            if results is not None:
                for task, result in zip(tasks, results):
                    task.future.set_result(result)
                return
        for task in tasks:
            try:
                result = self._call(task.signature, task.inputs, task.rows or 1)
            except Exception as error:
                task.future.set_exception(error)
            else:
                task.future.set_result(result)

    def _run_joined(self, tasks):
        """The outputs of each task; None where outputs have other rows than inputs."""
        ends = np.cumsum([task.rows for task in tasks])
        joined = {
            name: np.concatenate([task.inputs[name] for task in tasks])
            for name in tasks[0].inputs
        }
        outputs = self._call(tasks[0].signature, joined, int(ends[-1]))
        if any(len(array) != ends[-1] for array in outputs.values()):
            return None
        parts = {name: np.split(a, ends[:-1]) for name, a in outputs.items()}
        return [
            {name: part[i] for name, part in parts.items()} for i in range(len(tasks))
        ]

    def _call(self, signature, inputs, rows):
        started = time.perf_counter()
        outputs = signature(inputs)
        spent = 1e6 * (time.perf_counter() - started)
        self._metrics.batch_rows.observe(rows, signature.model)
        self._metrics.runtime_latency.observe(spent, signature.model, "Predict", "TF2")
        return outputs
