"""What Prometheus reads; names, labels and buckets of TF Serving where it has them."""

import bisect
import threading
from collections.abc import Sequence

_MICROSECONDS = [10 * 1.8**i for i in range(33)]
_ROWS = [2**i for i in range(11)]
_ESCAPED = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


class _Family:
    """Values of one name by the values of its labels."""

    kind = ""

    def __init__(self, name, labels):
        self._name, self._labels = name, labels
        self._values = {}
        self._lock = threading.Lock()

    def lines(self):
        """The family in Prometheus' text format."""
        yield f"# TYPE {self._name} {self.kind}"
        with self._lock:
            for given, value in sorted(self._values.items()):
                pairs = zip(self._labels, map(str, given))
                told = [f'{k}="{v.translate(_ESCAPED)}"' for k, v in pairs]
                yield from self._samples(told, value)


class Counter(_Family):
    """A number that only grows."""

    kind = "counter"

    def add(self, *labels: str) -> None:
        """Adds one."""
        with self._lock:
            self._values[labels] = self._values.get(labels, 0) + 1

    def _samples(self, told, value):
        yield f"{self._name}{{{','.join(told)}}} {value}"


class Histogram(_Family):
    """How often values were up to each of some bounds, their sum and number."""

    kind = "histogram"

    def __init__(
        self, name: str, labels: Sequence[str], bounds: Sequence[float]
    ) -> None:
        super().__init__(name, labels)
        self._bounds = bounds

    def observe(self, value: float, *labels: str) -> None:
        """Counts a value."""
        with self._lock:
            if labels not in self._values:
                self._values[labels] = [[0] * (len(self._bounds) + 1), 0.0]
            entry = self._values[labels]
            entry[0][bisect.bisect_left(self._bounds, value)] += 1
            entry[1] += value

    def _samples(self, told, value):
        counts, total = value
        below = 0
        for bound, count in zip([*self._bounds, "+Inf"], counts):
            below += count
            shown = bound if bound == "+Inf" else f"{bound:g}"
            inner = ",".join([*told, f'le="{shown}"'])
            yield f"{self._name}_bucket{{{inner}}} {below}"
        yield f"{self._name}_sum{{{','.join(told)}}} {total:g}"
        yield f"{self._name}_count{{{','.join(told)}}} {below}"


class Metrics:
    """All that is counted.

    Attributes:
        requests: by model and status.
        request_latency: microseconds of whole requests, by model, method and protocol.
        runtime_latency: microseconds of TensorFlow, by model.
        batch_rows: rows of what TensorFlow was given at once, by model.
    """

    def __init__(self) -> None:
        self.requests = Counter(
            ":tensorflow:serving:request_count", ("model_name", "status")
        )
        self.request_latency = Histogram(
            ":tensorflow:serving:request_latency",
            ("model_name", "API", "entrypoint"),
            _MICROSECONDS,
        )
        self.runtime_latency = Histogram(
            ":tensorflow:serving:runtime_latency",
            ("model_name", "API", "runtime"),
            _MICROSECONDS,
        )
        self.batch_rows = Histogram(
            "keras_cnns_serving_batch_rows", ("model_name",), _ROWS
        )

    def page(self) -> str:
        """The page that Prometheus reads."""
        families = vars(self).values()
        return "".join(f"{line}\n" for family in families for line in family.lines())
