"""Trainings of every task, killed at random moments, end as those left alone."""

import json

import pytest

from keras_cnns import tasks


@pytest.mark.slow  # a minute or two each; others kill at chosen moments
@pytest.mark.parametrize("task", tasks.TASKS)
def test_killed_at_random_moments_it_ends_as_if_left_alone(
    finish, data_dir, tmp_path, task
):
    """Files, exports and outputs to the bit; nothing is left over."""
    code, output, errors = finish(
        "benchmarks/kill_runs.py",
        f"--task={task}",
        "--kills=3",
        f"--output_dir={tmp_path}",
        f"--data_dir={data_dir}",
    )
    assert code == 0, output[-2000:] + errors[-2000:]
    summary = json.loads(output.splitlines()[-1])
    assert summary["kills"] == 3 and summary["trainings"] >= 1
