"""Would the tests notice? Plants known bugs, one at a time, and says which test fails.

python scripts/study/mutants.py ROOM [ROOM …] [--bugs FILE …] [--only TEXT] [--sample N] [--jobs N] [--json FILE]
python scripts/study/mutants.py ROOM [ROOM …] --generate N [--seed N] …

ROOM is a folder of the source (`analysis`, `rlvr/report`, `verifiers/math`) or what lies in it (`verifiers`). The bugs
are those of planted_bugs/*.yaml; each entry names a file, the bug as a user would see it, a text that occurs once in
the file, and what to put in its place. With --generate they are N small changes of the source by rule (`generated.py`).
All work is done on copies of the tree in a temporary folder.

The quick tests of the rooms run once without a bug, under coverage, so that it is known which test runs which line.
Then each bug is planted, and the tests that run a changed line go first, the quickest file before the others; where
nothing notices, the other tests of those files follow (they may look at what a shared fixture built). All tests of the
room follow where the line runs outside any single test (at import, in a fixture, in a child process) or is not seen to
run at all.
With --json each result is written as it comes, and a bug whose result is there is not tried again. The exit code is 1
if a bug survives.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, fields
from pathlib import Path

import coverage
import generated
from planted import BUGS, ROOMS, Bug, read_bugs

REPO = Path(__file__).resolve().parents[2]
QUICK = "not slow and not serial"  # a test that measures time fails for other reasons than a bug
PATIENCE = 5.0  # a run may take so many times what the tests took without a bug, and MARGIN seconds
MARGIN = 120.0


def copy_of(repo: Path, folder: Path) -> Path:
    """What git knows or does not ignore, as it is now; the exams lie beside it, where there are any."""
    listing = ["git", "-C", str(repo), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    tree = folder / "tree"
    for name in subprocess.run(listing, check=True, capture_output=True, text=True).stdout.split("\0"):
        if name and (repo / name).is_file():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(repo / name, tree / name)
    if (repo.parent / "shared").is_dir():
        (folder / "shared").symlink_to((repo.parent / "shared").resolve())
    return tree


def run_tests(
    tree: Path, tests: Iterable[str], options: str, limit: float | None = None
) -> tuple[int | None, str]:
    """The exit code (none: it did not end within the limit) and what was printed."""
    chosen = tree.parent / "chosen"
    chosen.write_text("\n".join(tests), encoding="utf-8")
    ours = {
        "PYTHONPATH": str(tree),
        "PYTHONDONTWRITEBYTECODE": "1",
        "OMP_NUM_THREADS": "1",
        "COLUMNS": "1000",
    }
    command = f"-m pytest -p no:cacheprovider -rfE {options} @{chosen} -m".split()
    process = subprocess.Popen(
        [sys.executable, *command, QUICK], cwd=tree, env=os.environ | ours, start_new_session=True, text=True,
        errors="replace", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        output, _ = process.communicate(timeout=limit)
        return process.returncode, output
    except subprocess.TimeoutExpired:
        return None, ""
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()


class Clean:
    """The tests of some rooms as they run without a bug: how long each takes and which lines it runs."""

    def __init__(self, rooms: Iterable[str], tree: Path, jobs: int) -> None:
        self.tree = tree
        self.files = {room: files_of(room, tree) for room in rooms}
        code, output = run_tests(
            tree,
            sorted(set().union(*self.files.values())),
            f"-vvv --durations=0 --cov=rlvr --cov=verifiers --cov-context=test --cov-report= -n{jobs} --dist=loadfile",
        )
        if code not in (0, 1):
            raise SystemExit(f"the tests do not run without a bug:\n{output[-6000:]}")
        self.seconds = defaultdict[str, float](float)
        for seconds, test in re.findall(r"^([\d.]+)s (?:call|setup|teardown) +(.+?)$", output, re.MULTILINE):
            self.seconds[test] += float(seconds)
        for test in set(re.findall(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)):
            # one that bounds its own time, under coverage or on a busy machine
            print(f"left out, since it fails without a bug: {test}", flush=True)
            self.seconds.pop(test, None)
        self.data = coverage.CoverageData(str(tree / ".coverage"))
        self.data.read()

    def stages(self, bug: Bug) -> Iterator[list[str]]:
        """Tests to run one after the other until one notices: those that run the line, their files, the room."""
        contexts = self.data.contexts_by_lineno(str(self.tree / bug.file))
        names = {name for line in bug.lines(self.tree) for name in contexts.get(line, [])}
        running = {name.rpartition("|")[0] for name in names}
        room = {test for test in self.seconds if file_of(test) in self.files[bug.room]}
        direct = self._sorted(running & room)
        files = {file_of(test) for test in direct}
        near = self._sorted(test for test in room - running if file_of(test) in files)
        shared = any(name.endswith("|setup") for name in names)  # a fixture, which other files may look at
        everywhere = not direct or "" in running or shared
        far = self._sorted(room - set(direct) - set(near)) if everywhere else []
        return (stage for stage in (direct, near, far) if stage)

    def _sorted(self, tests: Iterable[str]) -> list[str]:
        """The quickest file first, whole, for the sake of what its tests share; in it the quickest test."""
        total = defaultdict[str, float](float)
        for test in (tests := set(tests)):
            total[file_of(test)] += self.seconds[test]
        return sorted(tests, key=lambda test: (total[file_of(test)], file_of(test), self.seconds[test]))

    def noticed_by(self, bug: Bug, tree: Path) -> str | None:
        """The first test that fails with the bug in `tree`, or what else happens; none if all pass."""
        clean = (self.tree / bug.file).read_text(encoding="utf-8")
        (tree / bug.file).write_text(bug.planted(self.tree), encoding="utf-8")
        try:
            for tests in self.stages(bug):
                limit = MARGIN + PATIENCE * sum(self.seconds[test] for test in tests)
                code, output = run_tests(tree, tests, "-x -n0", limit)
                if code is None:
                    return "hangs"
                if code != 0:
                    failed = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)
                    return failed[1] if failed else f"pytest ended with {code}: {output[-300:]}"
        finally:
            (tree / bug.file).write_text(clean, encoding="utf-8")
        return None


def file_of(test: str) -> str:
    return test.partition("::")[0]


def files_of(room: str, tree: Path) -> set[str]:
    """The test files that answer for a room."""
    globs = (tree.glob(f"tests/{glob}") for glob in ROOMS[room].split())
    found = [file for files in globs for file in files]
    inside = [each for file in found if file.is_dir() for each in file.rglob("test_*.py")]
    return {str(file.relative_to(tree)) for file in [*found, *inside] if file.is_file()}


def attempts(bugs: Sequence[Bug], jobs: int, repo: Path = REPO) -> Iterator[tuple[Bug, str | None]]:
    """Each bug with the test that notices it, as they are found; printed too."""
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(jobs) as threads:
        tree = copy_of(repo, Path(folder, "clean"))
        rooms = sorted({bug.room for bug in bugs})
        print(f"{', '.join(rooms)}: their tests once without a bug, under coverage", flush=True)
        clean = Clean(rooms, tree, jobs)
        print(f"{len(clean.seconds)} tests pass without a bug", flush=True)
        trees: queue.SimpleQueue[Path] = queue.SimpleQueue()
        for job in range(jobs):
            shutil.copytree(tree.parent, Path(folder, str(job)), symlinks=True)
            trees.put(Path(folder, str(job), tree.name))

        def attempt(bug: Bug) -> tuple[Bug, str | None]:
            free, began = trees.get(), time.monotonic()
            found = clean.noticed_by(bug, free)
            trees.put(free)
            print(f"{time.monotonic() - began:6.0f} s  {bug.file}: {bug.bug}", flush=True)
            print(f"{'':10}{found or 'NOBODY'}", flush=True)
            return bug, found

        for done in as_completed([threads.submit(attempt, bug) for bug in bugs]):
            yield done.result()


def summary(found: dict[Bug, str | None]) -> str:
    """Markdown: how many were noticed by room, and each that was not."""
    rows = ["| room | planted | noticed |", "|---|---|---|"]
    for room in sorted({bug.room for bug in found}):
        here = [by is not None for bug, by in found.items() if bug.room == room]
        rows.append(f"| {room} | {len(here)} | {sum(here)} |")
    survivors = [f"| {bug.file} | {bug.bug} | {bug.set} |" for bug, by in found.items() if by is None]
    if survivors:
        rows += ["", "| file | noticed by nobody | list |", "|---|---|---|", *survivors]
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("rooms", nargs="+", metavar="ROOM", help="a folder or a file of the source")
    parser.add_argument("--bugs", nargs="+", type=Path, default=sorted(BUGS.glob("*.yaml")), metavar="FILE")
    parser.add_argument("--only", default="", metavar="TEXT", help="bugs whose file or words contain it")
    parser.add_argument("--sample", type=int, metavar="N", help="so many of them, drawn by chance")
    parser.add_argument(
        "--generate", type=int, metavar="N", help="so many changes by rule, in place of a list"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of what is drawn by chance")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="bugs at a time")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there; goes on from it")
    args = parser.parse_args()
    names = tuple(f"{start}{room.rstrip('/')}/" for room in args.rooms for start in ("", "rlvr/"))
    bugs = (
        read_bugs(args.bugs)
        if args.generate is None
        else generated.draw(REPO, names, args.generate, args.seed)
    )
    bugs = [bug for bug in bugs if f"{bug.file}/".startswith(names)]
    bugs = [bug for bug in bugs if args.only in f"{bug.file}: {bug.bug}"]
    if not bugs:
        parser.error(f"no bug of {', '.join(args.rooms)} is listed")
    for bug in bugs:
        bug.planted(REPO)
    bugs = random.Random(args.seed).sample(bugs, min(args.sample or len(bugs), len(bugs)))
    known = json.loads(args.json.read_text(encoding="utf-8")) if args.json and args.json.exists() else []
    found = {Bug(**{f.name: row[f.name] for f in fields(Bug)}): row["noticed_by"] for row in known}
    left = [bug for bug in bugs if bug not in found]
    for bug, by in attempts(left, args.jobs) if left else ():
        found[bug] = by
        if args.json:
            rows = [asdict(bug) | {"noticed_by": by} for bug, by in found.items()]
            args.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print("\n" + summary(found))
    return int(None in found.values())


if __name__ == "__main__":
    sys.exit(main())
