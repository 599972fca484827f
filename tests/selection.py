"""Which tests a run takes on, in which order, and what it says about that: a plugin that tests/conftest.py loads.

- A test marked `slow` runs with `--all` and in a part that was chosen (by a path, `-k` or `-m`); else it is skipped.
- A test marked `serial` has the machine to itself: no other test of the same run goes on beside it (it measures time).
- Files that take longest come first, so that the worker processes end together; those with serial tests come last.
- The start says how long the run takes, the end what was left out and what lacks the mark `slow`.
  Both numbers come from tests/durations.json, which `scripts/test --all --save-durations` writes.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

DURATIONS = Path(__file__).with_name("durations.json")
SLOW = "slow: runs with --all, or where its path is given"
LONG = 10.0
"""Seconds after which a test without the mark `slow` may be named at the end, where the five longest are."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("which tests run")
    group.addoption("--all", action="store_true", dest="all_tests", help="the slow tests too")
    group.addoption(
        "--save-durations",
        action="store_true",
        help=f"with --all: write what each file took to {DURATIONS.name}",
    )


def is_whole(config: pytest.Config) -> bool:
    """Whether the run is the suite, not a part that was chosen."""
    chosen = (
        config.args_source == pytest.Config.ArgsSource.ARGS or config.option.keyword or config.option.markexpr
    )
    return not chosen


def pytest_configure(config: pytest.Config) -> None:
    worker: dict[str, Any] | None = getattr(config, "workerinput", None)
    if config.getoption("save_durations") and not (config.getoption("all_tests") and is_whole(config)):
        raise pytest.UsageError("--save-durations: expected with --all and without paths, -k or -m")
    if worker is None:
        config.pluginmanager.register(Report(config))
    else:
        config.pluginmanager.register(Turns(Path(worker["turns"])))


def seconds_of(file: str, everything: bool) -> float:
    """What a file takes, as last measured; infinite where it never was."""
    rest, slow = measured()["files"].get(file, (math.inf, 0.0))
    return rest + slow if everything else rest


def measured() -> dict[str, Any]:
    """`seconds`: the whole run's; `files`: per file, the seconds of its tests without and with the mark `slow`."""
    return json.loads(DURATIONS.read_text())


def minutes(everything: bool) -> int:
    """How long the suite takes. Without the slow tests: their share of the measured run is taken off."""
    found = measured()
    rest, slow = (sum(parts) for parts in zip(*found["files"].values(), strict=True))
    share = 1.0 if everything else rest / (rest + slow)
    return math.ceil(share * found["seconds"] / 60)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    everything = config.getoption("all_tests") or not is_whole(config)
    if not everything:
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason=SLOW))
    if hasattr(config, "workerinput"):  # one process keeps the order in which the tests are written
        last = {file_of(item.nodeid) for item in items if item.get_closest_marker("serial")}
        weights = {file: -seconds_of(file, everything) for file in {file_of(item.nodeid) for item in items}}
        items.sort(key=lambda item: ((file := file_of(item.nodeid)) in last, weights[file], file))


def file_of(nodeid: str) -> str:
    return nodeid.partition("::")[0]


class SkippedFiles:
    """Why whole files were skipped: where worker processes collect, nothing else says so."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self.files[report.nodeid] = reason_of(report)


class Turns(SkippedFiles):
    """In a worker process: a lock that the run's tests share and that a serial test has alone.

    Whoever waits to be alone keeps the gate shut, so that nobody overtakes. Neighbours in the order of a worker, where
    both are serial, keep the lock between them.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.gate, self.room = (os.open(folder / name, os.O_RDWR | os.O_CREAT) for name in ("gate", "room"))
        self.alone = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
        serial = item.get_closest_marker("serial") is not None
        if not self.alone:
            fcntl.flock(self.gate, fcntl.LOCK_EX)
            fcntl.flock(self.room, fcntl.LOCK_EX if serial else fcntl.LOCK_SH)
            fcntl.flock(self.gate, fcntl.LOCK_UN)
        try:
            return (yield)
        finally:
            self.alone = serial and nextitem is not None and nextitem.get_closest_marker("serial") is not None
            if not self.alone:
                fcntl.flock(self.room, fcntl.LOCK_UN)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        session.config.workeroutput["skipped files"] = self.files  # type: ignore[attr-defined]


class Report(SkippedFiles):
    """In the process that prints: what the run will take, and at its end what was left out."""

    def __init__(self, config: pytest.Config) -> None:
        super().__init__()
        self.config = config
        self.whole = is_whole(config)
        self.everything = bool(config.getoption("all_tests"))
        self.began = time.monotonic()
        self.turns = tempfile.TemporaryDirectory(prefix="tests-turns-")

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: Any) -> None:
        node.workerinput["turns"] = self.turns.name

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        self.files |= getattr(node, "workeroutput", {}).get(
            "skipped files", {}
        )  # a killed worker has no output

    def pytest_unconfigure(self) -> None:
        self.turns.cleanup()

    def pytest_sessionstart(self) -> None:
        if self.whole and not self.config.getoption("collectonly"):
            more = "" if self.everything else f" (--all: about {minutes(True)})"
            self._say(f"About {minutes(self.everything)} minutes on {measured()['machine']}{more}.")

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        stats: dict[str, list[Any]] = terminalreporter.stats
        reports = [
            report for kind in stats.values() for report in kind if isinstance(report, pytest.TestReport)
        ]
        took: dict[str, float] = {}
        for report in reports:
            took[report.nodeid] = took.get(report.nodeid, 0.0) + report.duration
        slow = {report.nodeid for report in reports if "slow" in report.keywords}
        self._left_out(
            [report for report in stats.get("skipped", []) if isinstance(report, pytest.TestReport)]
        )
        self._longest({nodeid: seconds for nodeid, seconds in took.items() if nodeid not in slow})
        if self.config.getoption("save_durations"):
            self._save(took, slow)

    def _left_out(self, skipped: list[pytest.TestReport]) -> None:
        reasons = Counter(reason_of(report) for report in skipped)
        slow = Counter(file_of(report.nodeid) for report in skipped if reason_of(report) == SLOW)
        if slow:
            self._say(f"Left out: {reasons.pop(SLOW)} slow tests, which scripts/test --all runs:")
            for file, count in sorted(slow.items()):
                self._say(f"  {count:4d}  {file}")
        for reason, count in reasons.most_common():
            self._say(f"Skipped: {count} ({reason})")
        for file, reason in self.files.items():
            self._say(f"Skipped: {file} ({reason})")

    def _longest(self, took: dict[str, float]) -> None:
        longest = [entry for entry in took.items() if entry[1] > LONG]
        for nodeid, seconds in sorted(longest, key=lambda entry: -entry[1])[:5]:
            self._say(f"Not marked slow, and took {seconds:.0f} s: {nodeid}")

    def _save(self, took: dict[str, float], slow: set[str]) -> None:
        files: dict[str, list[float]] = {}
        for nodeid, seconds in took.items():
            files.setdefault(file_of(nodeid), [0.0, 0.0])[nodeid in slow] += seconds
        found = {
            "machine": f"{os.cpu_count()} cores ({platform.machine()})",
            "seconds": round(time.monotonic() - self.began),
            "files": {file: [round(part, 1) for part in files[file]] for file in sorted(files)},
        }
        DURATIONS.write_text(json.dumps(found, indent=1) + "\n")
        self._say(f"Written: {DURATIONS}")

    def _say(self, line: str) -> None:
        reporter: Any = self.config.pluginmanager.getplugin("terminalreporter")
        if reporter is not None:
            reporter.write_line(line)


def reason_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    """Why a test or a file was skipped."""
    where = report.longrepr
    return where[2].removeprefix("Skipped: ") if isinstance(where, (tuple, list)) else str(where)
