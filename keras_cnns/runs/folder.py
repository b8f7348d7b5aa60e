"""The folder of a run: claimed by a new run, or resumed with the same options."""

import dataclasses
import os

from absl import logging

from keras_cnns.runs.checkpoints import list_steps
from keras_cnns.runs.record import holds_run


def claim_folder(run_dir: str, resume: bool) -> None:
    """Creates the folder of a run.

    Raises:
        ValueError: if it holds a run that is not to be resumed.
        OSError: if it cannot be created.
    """
    is_used = list_steps(os.path.join(run_dir, "checkpoints")) or holds_run(run_dir)
    if is_used and not resume:
        raise ValueError(
            f"{run_dir} already holds a run; give --resume to continue it, or another "
            "--run_dir"
        )
    if resume and not is_used:
        logging.info("nothing to resume in %s: a new run", run_dir)
    os.makedirs(run_dir, exist_ok=True)


def check_unchanged(run, options, class_names: tuple, facts: dict) -> None:
    """Refuses to resume a run with other options or data.

    Args:
        run: ``Run`` that was started.
        options: ``TrainingOptions`` now.
        class_names: of the data now.
        facts: of the data now, as ``RunConfig`` has them.

    Raises:
        ValueError: naming all that differs.
    """
    now, fields = options.to_json(), dataclasses.fields(options)
    # An option that did not exist then had the effect of its default.
    then = {**options.default_json(), **run.options}
    changed = [
        f"{field.name} was {then[field.name]!r}, is {now[field.name]!r}"
        for field in fields
        if not field.metadata["free"] and then[field.name] != now[field.name]
    ]
    before = {"classes of the data": run.config.class_names, **run.config.facts}
    for what, value in {"classes of the data": class_names, **facts}.items():
        if before.get(what) != value:
            changed.append(f"the {what} was {before.get(what)!r}, is {value!r}")
    if changed:
        raise ValueError(
            f"a resumed run must keep its options and data; {'; '.join(changed)}. Undo "
            "that, or start a new run in another --run_dir"
        )
