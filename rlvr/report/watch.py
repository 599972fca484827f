"""`rlvr watch`: the report of a run as a file that is written anew while rows and metrics arrive."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from rlvr import listing
from rlvr.errors import RewrittenError, UserError
from rlvr.launch.processes import is_locked
from rlvr.report.one_run import build_run
from rlvr.run import Run

REPLICATES = 200
"""Of the bootstrap: the page is drawn often, on the machine that trains. The run's own report has more."""


def watch(folder: Path, output: Path, seconds: float) -> Iterator[str]:
    """Write the page into `output` whenever the run in `folder` has written something, and what it says in a line;
    until the run ends, of which the last page is. Browsers load it anew by themselves.

    Args:
        seconds: between two looks at the run.

    Raises:
        UserError: it is not the folder of a run; or the run is over and has nothing that can be shown.
    """
    run, seen, said = Run(folder), None, ""
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{folder}: not the folder of a run, it has no config.yaml")
    while True:
        running = is_locked(folder)  # before the files are looked at: what it wrote last is seen too
        now = (running, *written(run))
        if now != seen:
            seen = now
            try:
                page = build_run(
                    folder, output=output, replicates=REPLICATES, reload=seconds if running else None
                )
                line = f"{listing.brief(folder)}: {page.html}"
            except RewrittenError:  # the run put rescored rows in the place of those that were just read
                seen = None
                continue
            except UserError as error:  # nothing was sampled yet, or nothing of it was judged
                if not running:
                    raise
                line = f"waiting: {error}"
            if line != said:
                said = line
                yield f"{time.strftime('%H:%M:%S')} {line}"
        if not running:
            return
        time.sleep(seconds)


def written(run: Run) -> list[tuple[str, int]]:
    """How large each file is that the page rests on."""
    files = (run.metrics, run.folder / "run.json", *sorted(run.folder.glob("rollouts/*.jsonl")))
    return [(path.name, path.stat().st_size) for path in files if path.exists()]
