"""Parts of the worlds, side by side: as many processes as there are cores; what comes out keeps the parts' order."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import active_children, get_context
from pathlib import Path

from rlvr import failures
from rlvr.launch.start import cores
from rlvr.launch.workers import follow_parent
from rlvr.terminal import Terminal, quiet_libraries
from rlvr.theory.check import Check

Checks = Iterator[Callable[[], Check]]


@dataclass(frozen=True)
class Part:
    """Checks that share a network, or nothing. A part knows nothing of the others."""

    world: str
    name: str
    checks: Callable[[Path, bool], Checks]
    """(folder that fitted networks are kept in, whether `--quick`); they are called one after the other."""
    cpu: float
    """Seconds, about: the longest part begins first."""
    quick: float = 0.0
    """Of `--quick`; 0: it has no part in that."""


@dataclass
class Outcome:
    """What was found, up to the check that failed."""

    part: Part
    checks: list[Check] = field(default_factory=list)
    error: str = ""
    """Of a check that raised: its traceback, or what the user can mend, in words."""
    cpu: float = 0.0

    @property
    def passed(self) -> bool:
        return not self.error and all(check.passed for check in self.checks)


def outcomes(
    parts: Sequence[Part], quick: bool, folder: Path, terminal: Terminal, processes: int | None = None
) -> Iterator[Outcome]:
    """Each part's, in their order, as soon as those before it are there.

    Every process computes with one thread and its own seeds: what is found depends neither on how many there are nor on
    which part runs in which.

    Args:
        processes: unset: one a core.
    """
    length = (lambda part: part.quick) if quick else (lambda part: part.cpu)
    number = min(len(parts), processes or cores())
    with ProcessPoolExecutor(number, get_context("spawn"), initializer=_begin) as pool:
        try:
            begun = {
                part: pool.submit(made, part, quick, folder / part.world)
                for part in sorted(parts, key=length, reverse=True)
            }
            for part, future in begun.items():
                future.add_done_callback(partial(_said, part, terminal))
            for part in parts:
                yield begun[part].result()
        except BaseException:  # Ctrl-C above all: what was begun is not waited for
            pool.shutdown(wait=False, cancel_futures=True)
            for process in active_children():
                process.terminate()
            raise


def _begin() -> None:
    import torch

    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # a terminal sends it to all; the one that began them ends them
    follow_parent()
    quiet_libraries()
    torch.set_num_threads(1)


def _said(part: Part, terminal: Terminal, future: Future[Outcome]) -> None:
    if not future.cancelled() and not future.exception():
        terminal.say(f"{part.world}, {part.name}: done, {future.result().cpu:.0f} s of CPU")


def made(part: Part, quick: bool, folder: Path) -> Outcome:
    """The part's checks, one after the other, in this process."""
    outcome, began = Outcome(part), cpu_seconds()
    try:
        for make in part.checks(folder, quick):
            before = began + outcome.cpu
            check = make()
            outcome.checks.append(check)
            outcome.cpu = cpu_seconds() - began
            check.cpu = began + outcome.cpu - before  # with what was prepared for it
    except Exception as error:  # shown with the checks of the others, and the command fails
        outcome.error = failures.in_words(error) if failures.expected(error) else traceback.format_exc()
    outcome.cpu = cpu_seconds() - began
    return outcome


def cpu_seconds() -> float:
    """Of this process, and of those that it started and that have ended."""
    return sum(os.times()[:4])
