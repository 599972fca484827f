"""What a person at the terminal sees: one line per phase, a bar with the time left; the log file has the same."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from rlvr.files import append_to
from verifiers.visible import visible

log = logging.getLogger("rlvr")

LINE_SECONDS = 60.0
"""Between two lines of progress, where there is no terminal to draw a bar on."""


class _OwnLog(logging.FileHandler):
    """A log file that is never found through a link."""

    def _open(self) -> Any:
        return append_to(Path(self.baseFilename))


class Terminal:
    """Reports progress on standard error and in a log file. With `quiet`, only the log file and the summary."""

    def __init__(self, quiet: bool = False, main: bool = True) -> None:
        """`main` is True in one process of a distributed run; the others print nothing."""
        # without emoji: `my_graders:B:` is a name, not a picture
        self.console = Console(stderr=True, highlight=False, emoji=False, quiet=quiet or not main)
        self.result = Console(highlight=False, emoji=False, quiet=not main)
        self.main = main

    def log_to(self, file: Path) -> None:
        """Append everything printed from now on to `file`, with the time."""
        if not self.main:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        handler = _OwnLog(file)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        for old in list(log.handlers):
            log.removeHandler(old)
            old.close()
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        log.propagate = False

    def say(self, text: str) -> None:
        """One line."""
        text = visible(text)  # names and details come from data sets and models
        log.info("%s", text)
        self.console.print(
            escape(text), soft_wrap=not self.console.is_terminal
        )  # in a file a path stays whole

    def show(self, text: str, style: str = "") -> None:
        """A result, on standard output, even when quiet. `style` (rich's) is for terminals alone."""
        text = visible(text)
        log.info("%s", text)
        self.result.print(escape(text), soft_wrap=True, style=style or None)

    @contextmanager
    def progress(self, label: str, total: int, start: int = 0) -> Iterator[Callable[..., None]]:
        """A bar for `total` units of work, `start` of them done; yields `advance(n=1, note="", now=False)`.

        If standard error is not a terminal, a line is printed instead once a minute, at the end, and with `now`.
        """
        if self.console.is_terminal and not self.console.quiet:
            yield from self._bar(label, total, start)
        else:
            yield from self._lines(label, total, start)

    def _bar(self, label: str, total: int, start: int) -> Iterator[Callable[..., None]]:
        columns = (
            TextColumn("  {task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
        )
        with Progress(*columns, console=self.console, transient=True) as bar:
            task = bar.add_task(label, total=total, completed=start, note="")

            def advance(n: int = 1, note: str = "", now: bool = False) -> None:
                bar.update(task, advance=n, note=escape(note)) if note else bar.update(task, advance=n)

            yield advance

    def _lines(self, label: str, total: int, start: int) -> Iterator[Callable[..., None]]:
        done, began = start, time.monotonic()
        said = began

        def advance(n: int = 1, note: str = "", now: bool = False) -> None:
            nonlocal done, said
            done += n
            time_now = time.monotonic()
            if now or (n and done == total) or time_now - said >= LINE_SECONDS:
                said, left = time_now, (time_now - began) / max(done - start, 1) * (total - done)
                self.say(f"  {label}: {done}/{total}, about {duration(left)} left  {note}".rstrip())

        yield advance


def duration(seconds: float) -> str:
    """45 s, 12 min, 3.5 h, 6.0 days."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    if seconds < 6000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 360_000 else f"{seconds / 86_400:.1f} days"


def quiet_libraries() -> None:
    """Keep other libraries' progress bars and advice off the screen; their warnings go to the log."""
    import warnings

    import transformers.utils.logging as transformers_logging
    from datasets.utils.logging import disable_progress_bar, set_verbosity_error

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    disable_progress_bar()
    set_verbosity_error()
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", category=FutureWarning)
        logging.captureWarnings(True)
