"""Shows finished runs on a page in the browser, to be used with the mouse.

    studio --runs=runs

prints the page's address, ``http://127.0.0.1:7860/``. Runs below ``--runs``, and
SavedModels there and below ``--exports``, are found by themselves; the tabs show their
curves, classify pictures and show what the network looks at, draw images and walk
between them, fill holes that are painted with the mouse by all methods side by side,
find objects, enlarge pictures, and start trainings. Ctrl-C ends it, deletes the
pictures that were dropped, and stops trainings, which can be resumed.

It is for one's own machine. With ``--host`` others reach it, unencrypted, by the
address with the token that is printed. ``docs/studio.md`` has pictures of it.
"""

import dataclasses
import os
import signal
import threading
import webbrowser

from absl import logging

from keras_cnns import commands, studio, tasks
from keras_cnns.commands.groups import Exported
from keras_cnns.commands.serve import OPTIONS as ServeOptions
from keras_cnns.commands.serve import is_loopback
from keras_cnns.runs import Options, changed, option

_MEGABYTE = 2**20
_SHORTEST_TOKEN = 8


@dataclasses.dataclass(frozen=True)
class OPTIONS(Options):
    """What ``studio`` takes."""

    runs: str = option("runs", "folder below which runs and exports are looked for")
    exports: str = option(
        "savedmodels", "another folder of exports; the default may be missing"
    )
    host: str = changed(ServeOptions, "host", "127.0.0.1")
    port: int = option(7860, "port of the page; 0: any free one", within="[0, 65535]")
    token: str = option(
        "",
        "what the page's address must have once; empty: none on this machine alone, a "
        "random one with --host",
    )
    open_browser: bool = option(False, "whether the page is opened in a browser")
    max_upload_megabytes: int = option(
        32, "size of the largest picture's file", within="[1, 1024]"
    )
    max_megapixels: int = option(
        25, "millions of pixels of the largest picture", within="[1, 178]"
    )
    max_networks: int = option(
        4, "trained networks that are kept loaded", within="[1, 100]"
    )
    trust_graph: bool = changed(Exported, "trust_graph", False, needs=())

    def check(self) -> None:
        """Refuses what is no token of an address."""
        is_plain = all(c.isascii() and (c.isalnum() or c in "-_") for c in self.token)
        if self.token and (not is_plain or len(self.token) < _SHORTEST_TOKEN):
            raise ValueError(
                f"token must be {_SHORTEST_TOKEN} or more letters, digits, - and _, "
                f"got {len(self.token)} characters"
            )


def run(options: OPTIONS) -> None:
    """Shows the page until SIGINT or SIGTERM."""
    studio.check_available()
    _check_folders(options)
    from keras_cnns.studio.guard import new_token
    from keras_cnns.studio.server import Studio
    from keras_cnns.studio.shelf import Shelf

    is_alone = is_loopback(options.host)
    asked_to_end = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: asked_to_end.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    with Studio(
        Shelf(
            options.runs,
            options.max_networks,
            exports=options.exports,
            trust_graph=options.trust_graph,
        ),
        {name: commands.verb_of(task) for name, task in tasks.TASKS.items()},
        host=options.host,
        port=options.port,
        token=options.token or ("" if is_alone else new_token()),
        max_upload=options.max_upload_megabytes * _MEGABYTE,
        max_pixels=options.max_megapixels * 1_000_000,
    ) as page:
        print(f"the studio is at {page.address}; Ctrl-C ends it", flush=True)
        if not is_alone:
            logging.warning(
                "who has the token may use it, unencrypted: put a proxy before it"
            )
        if options.open_browser:
            webbrowser.open(page.address)
        asked_to_end.wait()
        for number, handler in before.items():  # asked again, it ends at once
            signal.signal(number, handler)


def _check_folders(options):
    if not os.path.isdir(options.runs):
        raise ValueError(
            f"--runs={options.runs} is no folder; train-classifier and its like make "
            "runs, as --run_dir=runs/digits"
        )
    if options.exports != OPTIONS.exports and not os.path.isdir(options.exports):
        raise ValueError(
            f"--exports={options.exports} is no folder; export-model makes exports, as "
            "--export_dir=savedmodels"
        )
