"""Loads ``serve`` on this machine: times, versions replaced, clients killed, memory.

    python benchmarks/serve_load.py --json_file=serve_load.json \\
        --picture_file=serving.png

Two versions of a small ResNet with other weights each are exported. A server in its own
process serves the first; clients are threads of this one, so that both share the
machine.

1. Times: each protocol, number of images in a request, and number of clients that ask
   all the time, for ``--seconds`` in each of ``--rounds``, after one that warms up.
   Images a second are the median of the rounds, times are those of all requests. gRPC
   sends float tensors to ``serving_default``, REST PNG files to ``serve_images``.
2. Memory: ``--requests`` requests, and what the server holds after each tenth of them.
3. Changes: while eight clients ask, the second version is put beside the first and
   taken away again, ``--changes`` times, and a client is killed in the middle of
   its requests each time.

Every answer is compared with that of the network of the version that gave it: what is
wrong or refused counts as failed. Bounded in count and time; on the loopback only.
"""

import base64
import collections
import contextlib
import http.client
import itertools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time

import grpc
import numpy as np
import tensorflow as tf
from absl import app, flags
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from tensorflow_serving.apis import predict_pb2, prediction_service_pb2_grpc

from keras_cnns import _files, applications, data, export

_SIZES = flags.DEFINE_list("batch_sizes", ["1", "8", "32"], "images in a request")
_CLIENTS = flags.DEFINE_list("clients", ["1", "8", "32"], "clients at the same time")
_SECONDS = flags.DEFINE_float("seconds", 1.0, "of a row in a round", 0.1, 60.0)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "of all rows", 1, 100)
_REQUESTS = flags.DEFINE_integer("requests", 10_000, "of the second part", 10, 10**6)
_CHANGES = flags.DEFINE_integer("changes", 5, "of the third part", 1, 100)
_JSON = flags.DEFINE_string("json_file", "", "file that gets the numbers; empty: none")
_PICTURE = flags.DEFINE_string(
    "picture_file", "", "PNG file of images a second by clients; empty: none"
)

SIDE, CLASSES, NAME = 32, 10, "net"
FEED = data.Preprocessing(SIDE, SIDE, 3, (127.5,) * 3, (64.0,) * 3)
APP = pathlib.Path(__file__).resolve().parent.parent / "apps" / "serve.py"
_LONGEST_WAIT = 300  # seconds for a server that starts, or a version that takes over
# A client that is killed: it asks for many images over and over.
_VICTIM = """
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]))
body = sys.stdin.read()
print("asking", flush=True)
while True:
    connection.request("POST", sys.argv[2], body)
    connection.getresponse().read()
"""


class Inputs:
    """Images, and what each version should answer to them."""

    def __init__(self, networks, count):
        random = np.random.default_rng(0)
        pixels = random.integers(0, 256, (count, SIDE, SIDE, 3), np.uint8)
        encoded = [tf.io.encode_png(image).numpy() for image in pixels]
        self.images = np.stack([FEED(content).numpy() for content in encoded])
        self.expected = [network(self.images).numpy() for network in networks]
        self._texts = [base64.b64encode(content).decode() for content in encoded]
        self._count = count

    def cut(self, start, size):
        """Places of ``size`` images from one on, round and round."""
        return [(start + i) % self._count for i in range(size)]

    def request(self, places):
        """The message of some images."""
        request = predict_pb2.PredictRequest()
        request.model_spec.name = NAME
        tensor = tf.make_tensor_proto(self.images[places])
        request.inputs["images"].CopyFrom(tensor)
        return request

    def body(self, places) -> str:
        """The JSON of some images."""
        instances = [{"b64": self._texts[place]} for place in places]
        return json.dumps({"signature_name": "serve_images", "instances": instances})


class RpcClient:
    """A client over gRPC."""

    def __init__(self, server, inputs, places):
        self._channel = grpc.insecure_channel(f"127.0.0.1:{server.grpc_port}")
        stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._predict, self._request = stub.Predict, inputs.request(places)
        self._expected = [answers[places] for answers in inputs.expected]

    def ask(self):
        """Number of the version that answered, rightly."""
        response = self._predict(self._request, timeout=60)
        given = tf.make_ndarray(response.outputs["probabilities"])
        version = response.model_spec.version.value
        np.testing.assert_allclose(given, self._expected[version - 1], atol=1e-4)
        return version

    def close(self):
        self._channel.close()


class RestClient:
    """A client over HTTP, of one connection."""

    def __init__(self, server, inputs, places):
        self._connection = http.client.HTTPConnection("127.0.0.1", server.rest_port)
        self._body = inputs.body(places)
        self._expected = [answers[places] for answers in inputs.expected]

    def ask(self):
        """Number of the version that answered, rightly."""
        self._connection.request("POST", f"/v1/models/{NAME}:predict", self._body)
        response = self._connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"HTTP {response.status}: {text[:200]!r}")
        rows = json.loads(text)["predictions"]
        given = np.array([row["probabilities"] for row in rows])
        for version, expected in enumerate(self._expected, 1):
            if np.allclose(given, expected, atol=1e-4):
                return version
        raise RuntimeError("the answer is no version's")

    def close(self):
        self._connection.close()


CLIENTS = {"gRPC": RpcClient, "REST": RestClient}


class Load:
    """Clients in threads that ask until they are stopped, or for so many requests."""

    def __init__(self, kinds, server, inputs, size, clients, requests=None):
        self.seconds, self.failures = [], []  # of each answer; texts
        self.versions = collections.Counter()
        self._stop = threading.Event()
        self._numbers = itertools.count()
        self._requests = requests
        made = [
            kind(server, inputs, inputs.cut(7 * i, size))
            for i, kind in zip(range(clients), itertools.cycle(kinds))
        ]
        self._threads = [threading.Thread(target=self._ask, args=(c,)) for c in made]
        for thread in self._threads:
            thread.start()

    def _ask(self, client):
        with contextlib.closing(client):
            while not self._stop.is_set():
                if self._requests and next(self._numbers) >= self._requests:
                    return
                started = time.perf_counter()
                try:
                    self.versions[client.ask()] += 1
                except Exception as error:  # whatever it is, it is a failed request
                    self.failures.append(repr(error)[:300])
                self.seconds.append(time.perf_counter() - started)

    def wait(self):
        """Waits until as many requests as were asked for are done."""
        for thread in self._threads:
            thread.join()

    def stop(self):
        """Ends the clients after their present request."""
        self._stop.set()
        self.wait()


class Server:
    """``serve`` in its own process."""

    def __init__(self, base):
        command = [sys.executable, APP, f"--model_base={base}", "--poll_interval=0.2"]
        command += ["--rest_port=0", "--grpc_port=0"]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        for line in self._process.stdout:
            if "REST at" in line:
                ports = map(int, re.findall(r"127\.0\.0\.1:(\d+)", line))
                self.rest_port, self.grpc_port = ports
                return
        raise RuntimeError("the server did not start")

    def megabytes(self) -> float:
        """Memory that it holds."""
        status = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def stop(self):
        """Asks it to end; its exit code."""
        self._process.terminate()
        return self._process.wait(60)


def export_versions(folder) -> list:
    """Exports two versions of the network; returns the networks."""
    networks = []
    for seed in (1, 2):
        tf.keras.utils.set_random_seed(seed)
        networks.append(
            applications.ResNet(
                (1, 1, 1),
                "basic",
                16,
                stem="small",
                input_shape=FEED.shape,
                classes=CLASSES,
            )
        )
        export.export_saved_model(
            networks[-1],
            folder,
            NAME,
            preprocessing=FEED,
            class_names=[str(i) for i in range(CLASSES)],
        )
    return networks


def measure_times(server, inputs) -> list:
    """One row for each protocol, batch size and number of clients."""
    sizes, clients = map(int, _SIZES.value), map(int, _CLIENTS.value)
    keys = list(itertools.product(CLIENTS, sizes, clients))
    seconds, speeds, failures = ({key: [] for key in keys} for _ in range(3))
    for round_number, key in itertools.product(range(_ROUNDS.value + 1), keys):
        protocol, size, count = key
        load = Load([CLIENTS[protocol]], server, inputs, size, count)
        started = time.perf_counter()
        time.sleep(_SECONDS.value)
        load.stop()
        spent = time.perf_counter() - started
        failures[key] += load.failures
        if round_number:  # the first one warms up
            seconds[key] += load.seconds
            speeds[key].append(size * len(load.seconds) / spent)
    rows = []
    for key in keys:
        p50, p95, p99 = (1e3 * np.percentile(seconds[key], [50, 95, 99])).round(1)
        rows.append(
            {
                **dict(zip(("protocol", "batch_size", "clients"), key)),
                "images_per_second": float(round(np.median(speeds[key]), 1)),
                "p50_ms": float(p50),
                "p95_ms": float(p95),
                "p99_ms": float(p99),
                "requests": len(seconds[key]),
                "failed": len(failures[key]),
                "failures": failures[key][:3],
            }
        )
        print(" ".join(f"{name} {value}" for name, value in rows[-1].items()))
    return rows


def measure_memory(server, inputs) -> dict:
    """What the server holds after each tenth of the requests, by both protocols."""
    held, failures, started = [], [], time.perf_counter()
    kinds = list(CLIENTS.values())
    for _ in range(10):
        load = Load(kinds, server, inputs, 1, 8, requests=_REQUESTS.value // 10)
        load.wait()
        failures += load.failures
        held.append(round(server.megabytes(), 1))
        print(f"{len(held)}/10 of {_REQUESTS.value}: {held[-1]} MB", flush=True)
    return {
        "requests": _REQUESTS.value,
        "failed": len(failures),
        "failures": failures[:3],
        "megabytes": held,
        "seconds": round(time.perf_counter() - started, 1),
    }


def measure_changes(server, inputs, base, staged) -> dict:
    """Requests while versions come and go and clients are killed."""
    place = os.path.join(base, NAME, "2")
    load = Load(list(CLIENTS.values()), server, inputs, 1, 8)
    held = [round(server.megabytes(), 1)]
    for change in range(_CHANGES.value):
        kill_client(server, inputs)
        os.rename(staged, place)
        wait_for_version(server, inputs, 2)
        os.rename(place, staged)
        wait_for_version(server, inputs, 1)
        time.sleep(1)  # the version that was left is let go
        held.append(round(server.megabytes(), 1))
        print(f"change {change + 1}: {held[-1]} MB", flush=True)
    load.stop()
    return {
        "changes": _CHANGES.value,
        "requests": len(load.seconds),
        "answers_by_version": dict(sorted(load.versions.items())),
        "failed": len(load.failures),
        "failures": load.failures[:3],
        "longest_ms": round(1e3 * max(load.seconds), 1),
        "p99_ms": round(1e3 * np.percentile(load.seconds, 99), 1),
        "megabytes": held,
    }


def kill_client(server, inputs) -> None:
    """Starts a client that asks for 32 images at once, and kills it meanwhile."""
    command = [sys.executable, "-c", _VICTIM, str(server.rest_port)]
    victim = subprocess.Popen(
        [*command, f"/v1/models/{NAME}:predict"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    victim.stdin.write(inputs.body(inputs.cut(0, 32)))
    victim.stdin.close()
    victim.stdout.readline()
    time.sleep(0.2)
    victim.kill()
    victim.wait()
    victim.stdout.close()


def wait_for_version(server, inputs, version) -> None:
    """Waits until a version answers those who name none."""
    until = time.monotonic() + _LONGEST_WAIT
    with contextlib.closing(RpcClient(server, inputs, [0])) as client:
        while client.ask() != version:
            if time.monotonic() > until:
                raise TimeoutError(f"version {version} did not take over")
            time.sleep(0.05)


def plot_times(rows, path) -> None:
    """Images a second by number of clients, a line for each size of requests."""
    figure = Figure(figsize=(7, 3.2))
    panels = figure.subplots(1, len(CLIENTS), sharey=True)
    for protocol, axes in zip(CLIENTS, panels):
        for size in sorted({row["batch_size"] for row in rows}, reverse=True):
            part = [
                row
                for row in rows
                if (row["protocol"], row["batch_size"]) == (protocol, size)
            ]
            clients = [row["clients"] for row in part]
            speeds = [row["images_per_second"] for row in part]
            axes.plot(clients, speeds, marker="o", label=f"{size}")
        axes.set_xscale("log", base=2)
        axes.set_xticks(clients, [str(count) for count in clients])
        axes.set(title=protocol, xlabel="clients", ylim=(0, None))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("images per second")
    panels[-1].legend(
        title="images in\na request", loc="center left", bbox_to_anchor=(1, 0.5)
    )
    FigureCanvasAgg(figure)
    with _files.atomic_file(path) as file:
        figure.savefig(file, format="png", dpi=110, bbox_inches="tight")


def main(_):
    with tempfile.TemporaryDirectory() as folder:
        base = os.path.join(folder, "models")
        networks = export_versions(base)
        staged = os.path.join(folder, "2")
        os.rename(os.path.join(base, NAME, "2"), staged)
        inputs = Inputs(networks, 64)
        server = Server(base)
        try:
            report = {
                "times": measure_times(server, inputs),
                "memory": measure_memory(server, inputs),
                "changes": measure_changes(server, inputs, base, staged),
            }
        finally:
            code = server.stop()
    report["exit_code"] = code
    for part in ("memory", "changes"):
        print(part, json.dumps(report[part]))
    print(f"the server ended with {code}")
    if _JSON.value:
        _files.write_json(_JSON.value, report, indent=1)
    if _PICTURE.value:
        plot_times(report["times"], _PICTURE.value)


if __name__ == "__main__":
    app.run(main)
