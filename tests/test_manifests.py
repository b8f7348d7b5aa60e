"""The manifests of docs/manifests: fields of the API, flags of the program.

``FIELDS`` holds what is used of Kubernetes' API reference (core/v1, batch/v1) and of
the TFJob that Kubeflow's training operator defines (kubeflow.org/v1). The whole schemas
take 108 MB: where ``kubernetes-validate`` is installed, they are used too.
"""

import json
import pathlib
import shlex
import subprocess

import pytest
from absl import flags

from keras_cnns import commands
from keras_cnns.commands import program
from keras_cnns.trainers import clusters

yaml = pytest.importorskip("yaml", reason="needs PyYAML, which pre-commit brings")
MANIFESTS = pathlib.Path(__file__).resolve().parent.parent / "docs" / "manifests"

# A dict is an object of these fields, "!" marks what must be there, [x] is a list of x,
# a set the values that are allowed, {"*": x} an object with any names.
_TEXTS = {"*": str}
_CONTAINER = {
    "name!": str,
    "image": str,
    "command": [str],
    "args": [str],
    "env": [
        {
            "name!": str,
            "value": str,
            "valueFrom": {"fieldRef": {"fieldPath!": str}},
        }
    ],
    "ports": [{"containerPort!": int}],
    "resources": {"requests": _TEXTS, "limits": _TEXTS},
    "volumeMounts": [{"name!": str, "mountPath!": str}],
}
_POD = {
    "metadata": {"annotations": _TEXTS, "labels": _TEXTS},
    "spec!": {
        "containers!": [_CONTAINER],
        "restartPolicy": {"Always", "OnFailure", "Never"},
        "subdomain": str,
        "terminationGracePeriodSeconds": int,
        "volumes": [{"name!": str, "persistentVolumeClaim": {"claimName!": str}}],
    },
}
_RULE = {
    "action!": {"Count", "FailIndex", "FailJob", "Ignore"},
    "onExitCodes": {
        "containerName": str,
        "operator!": {"In", "NotIn"},
        "values!": [int],
    },
    "onPodConditions": [{"type!": str, "status": {"True", "False", "Unknown"}}],
}
_METADATA = {"name!": str}
FIELDS = {
    ("v1", "Service"): {
        "metadata!": _METADATA,
        "spec!": {
            "clusterIP": str,
            "publishNotReadyAddresses": bool,
            "selector": _TEXTS,
            "ports!": [{"name": str, "port!": int}],
        },
    },
    ("batch/v1", "Job"): {
        "metadata!": _METADATA,
        "spec!": {
            "completionMode": {"NonIndexed", "Indexed"},
            "completions": int,
            "parallelism": int,
            "backoffLimit": int,
            "podFailurePolicy": {"rules!": [_RULE]},
            "template!": _POD,
        },
    },
    ("kubeflow.org/v1", "TFJob"): {
        "metadata!": _METADATA,
        "spec!": {
            "successPolicy": {"", "AllWorkers"},
            "runPolicy": {
                "backoffLimit": int,
                "cleanPodPolicy": {"All", "Running", "None"},
            },
            "tfReplicaSpecs!": {
                "Worker": {
                    "replicas": int,
                    "restartPolicy": {"Always", "OnFailure", "Never", "ExitCode"},
                    "template!": _POD,
                }
            },
        },
    },
}


def _check(value, wanted, place):
    """Fails where a value is not of the fields."""
    if isinstance(wanted, type):
        assert type(value) is wanted, f"{place}: {value!r}"
    elif isinstance(wanted, set):
        assert value in wanted, f"{place}: {value!r}"
    elif isinstance(wanted, list):
        assert type(value) is list and value, f"{place}: {value!r}"
        for index, item in enumerate(value):
            _check(item, wanted[0], f"{place}[{index}]")
    else:
        assert type(value) is dict, f"{place}: {value!r}"
        known = {name.rstrip("!"): kind for name, kind in wanted.items()}
        missing = {n[:-1] for n in wanted if n.endswith("!")} - set(value)
        assert not missing, f"{place}: {missing}"
        for name, item in value.items():
            assert name in known or "*" in known, f"{place}: {name}"
            _check(item, known.get(name, known.get("*")), f"{place}.{name}")


def _documents(name):
    return list(yaml.safe_load_all((MANIFESTS / name).read_text()))


def _pod(document):
    spec = document["spec"]
    spec = spec.get("tfReplicaSpecs", {"Worker": spec})["Worker"]
    return spec["template"]["spec"]


@pytest.mark.parametrize("name", ["job.yaml", "tfjob.yaml"])
def test_manifests_have_fields_of_the_api(name):
    for document in _documents(name):
        kind = document.pop("apiVersion"), document.pop("kind")
        _check(document, FIELDS[kind], kind[1])


def test_the_check_finds_what_is_wrong():
    service, job = _documents("job.yaml")
    for document, wrong in (
        (service, {"spec": {**service["spec"], "ports": [{"port": "12345"}]}}),
        (service, {"spec": {**service["spec"], "selectors": {}}}),
        (job, {"spec": {**job["spec"], "completionMode": "indexed"}}),
        (job, {"spec": {"completions": 2}}),
    ):
        kind = document["apiVersion"], document["kind"]
        changed = {"metadata": document["metadata"], **wrong}
        with pytest.raises(AssertionError):
            _check(changed, FIELDS[kind], kind[1])


def test_kubernetes_own_schemas_accept_them():
    validate = pytest.importorskip(
        "kubernetes_validate", reason="its 108 MB are not worth it in every checkout"
    )
    for document in _documents("job.yaml"):
        validate.validate(document, "1.30", strict=True)


def test_names_of_pods_are_those_of_the_cluster(monkeypatch):
    """Pods are <job>-<index>.<subdomain>; the service of that name selects them."""
    service, job = _documents("job.yaml")
    name, pod = job["metadata"]["name"], _pod(job)
    assert pod["subdomain"] == service["metadata"]["name"]
    assert service["spec"]["selector"] == {"batch.kubernetes.io/job-name": name}
    assert job["spec"]["completions"] == job["spec"]["parallelism"] == 2
    assert (
        job["spec"]["podFailurePolicy"]["rules"][0]["onExitCodes"]["containerName"]
        == (pod["containers"][0]["name"])
    )
    port = service["spec"]["ports"][0]["port"]
    (text,) = (e["value"] for e in pod["containers"][0]["env"] if "value" in e)
    for index in range(2):
        monkeypatch.setenv("TF_CONFIG", text.replace("$(WORKER)", str(index)))
        cluster = clusters.find_cluster()
        assert cluster.task_id == index
        assert cluster.cluster_spec().as_dict() == {
            "worker": [f"{name}-{i}.{pod['subdomain']}:{port}" for i in range(2)]
        }


def _script():
    """The command that the script of sbatch starts."""
    text = (MANIFESTS / "train.sbatch").read_text().replace("\\\n", " ")
    (line,) = (line for line in text.splitlines() if line.startswith("srun "))
    words = shlex.split(line)
    return words[words.index("keras-cnns") :]


def _container(name):
    (container,) = _pod(_documents(name)[-1])["containers"]
    return [*container["command"], *container["args"]]


@pytest.mark.parametrize(
    "words",
    [_script(), _container("job.yaml"), _container("tfjob.yaml")],
    ids=["sbatch", "job", "tfjob"],
)
def test_their_commands_are_accepted(words):
    assert words[0] == "keras-cnns" and {"--resume", "--restarts=20"} < set(words)
    _, options, _ = commands.find_command(words[1])
    parser = flags.FlagValues()
    program.define_flags(options, parser)
    assert parser(["program", *words[2:]]) == ["program"]
    options.resolve(
        **{
            name: parser[name].value
            for name in options.kinds()
            if parser[name].present and not name.endswith("_dir")
        },
        run_dir="runs/cifar10",
    )


def test_the_script_of_sbatch_is_one():
    subprocess.run(["bash", "-n", MANIFESTS / "train.sbatch"], check=True)
    lines = (MANIFESTS / "train.sbatch").read_text().splitlines()
    given = [line.split()[1] for line in lines if line.startswith("#SBATCH")]
    assert lines[0] == "#!/bin/bash"
    assert all(option.startswith("--") for option in given)
    assert json.dumps(given).count("--signal=TERM@300") == 1
