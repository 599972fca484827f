"""tests/selection.py and scripts/test, on small suites of their own."""

import json
import os
import re
import shutil
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import pytest

from tests import selection
from tests.conftest import REPO

SETTINGS = """
[pytest]
testpaths = tests
addopts = -q --strict-markers -p no:cacheprovider -p xdist
markers =
  slow
  serial
"""


def suite(folder: Path, **files: str) -> Path:
    """A project whose tests are `files` and whose durations nobody has measured but one file's."""
    (folder / "tests").mkdir()
    (folder / "pytest.ini").write_text(SETTINGS)
    (folder / "tests" / "conftest.py").write_text(
        "pytest_plugins = ['tests_of_rlvr.selection']\n"
        "def pytest_configure():\n"
        "    import tests_of_rlvr.selection as selection\n"
        "    selection.LONG = 0.3\n"
    )
    for name, text in files.items():
        (folder / "tests" / f"test_{name}.py").write_text("import pytest, time\n" + text)
    copy = folder / "tests_of_rlvr"  # under another name: `tests` is the small suite's own
    copy.mkdir()
    shutil.copy(selection.__file__, copy)
    durations = {"machine": "2 cores", "seconds": 600, "files": {"tests/test_a.py": [30.0, 70.0]}}
    (copy / "durations.json").write_text(json.dumps(durations))
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"  # it starts faster
    command = [sys.executable, "-m", "pytest", *words]
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


MIXED = """
def test_quick(): pass
@pytest.mark.slow
def test_slow(): pass
@pytest.mark.slow
@pytest.mark.parametrize("i", range(3))
def test_slow_too(i): pass
@pytest.mark.skip(reason="no browser")
def test_elsewhere(): pass
"""


@pytest.mark.parametrize("workers", [[], ["-n", "2", "--dist", "loadfile"]], ids=["alone", "workers"])
def test_a_plain_run_leaves_the_slow_ones_out_and_says_so(tmp_path, workers):
    absent = "pytest.importorskip('absent', reason='no such package')\n"
    folder = suite(tmp_path, a=MIXED, b="def test_long(): time.sleep(0.4)\n", c=absent)
    done = run(folder, *workers)
    said = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "About 3 minutes on 2 cores (--all: about 10)." in said
    assert "Left out: 4 slow tests, which scripts/test --all runs:" in said
    assert "     4  tests/test_a.py" in said
    assert "Skipped: 1 (no browser)" in said
    assert "Skipped: tests/test_c.py (no such package)" in said
    assert "Not marked slow, and took 0 s: tests/test_b.py::test_long" in said
    assert re.fullmatch(r"2 passed, [56] skipped in .*", said[-1])


@pytest.mark.parametrize("words", [["--all"], ["tests/test_a.py"], ["-k", "slow"], ["-m", "slow"]])
def test_slow_ones_run_where_everything_or_a_part_is_asked_for(tmp_path, words):
    folder = suite(tmp_path, a=MIXED)
    said = run(folder, *words).stdout
    assert "Left out" not in said
    assert re.search(r"^[45] passed", said, re.MULTILINE), said
    assert ("About 10 minutes" in said) == (words == ["--all"])


LOG = """
LOG = open({log!r}, "a")
def note(name):
    began = time.monotonic()
    time.sleep(0.15)
    LOG.write(f"{{began}} {{time.monotonic()}} {{name}}\\n"); LOG.flush()
"""
TOGETHER = (
    LOG
    + """
@pytest.mark.parametrize("i", range(4))
def test_together(i): note("together")
"""
)
ALONE = (
    TOGETHER
    + """
@pytest.mark.serial
@pytest.mark.parametrize("i", range(2))
def test_alone(i): note("alone")
@pytest.mark.parametrize("i", range(2))
def test_after(i): note("together")
@pytest.mark.serial
def test_once_more(): note("alone")
"""
)


def test_nothing_goes_on_beside_a_serial_test(tmp_path):
    log = tmp_path / "log"
    texts = [text.format(log=str(log)) for text in (TOGETHER, TOGETHER, ALONE, ALONE)]
    done = run(suite(tmp_path, **dict(zip("abcd", texts, strict=True))), "-n", "3", "--dist", "loadfile")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in log.read_text().splitlines()]
    spans = [(float(began), float(ended), name) for began, ended, name in lines]
    assert len(spans) == 4 * 4 + 2 * 5
    beside = [{one[2], other[2]} for one, other in combinations(sorted(spans), 2) if other[0] < one[1]]
    assert {"together"} in beside and not any("alone" in names for names in beside)


def test_a_failure_in_a_worker_fails_the_run(tmp_path):
    folder = suite(tmp_path, a="def test_a(): pass\n", b="@pytest.mark.serial\ndef test_b(): assert 0\n")
    done = run(folder, "-n", "2", "--dist", "loadfile")
    assert done.returncode == 1
    assert re.fullmatch(r"1 failed, 1 passed in .*", done.stdout.splitlines()[-1])


def test_the_longest_files_begin_and_the_serial_ones_end(tmp_path):
    order = "ORDER = open('order', 'a')\ndef test_it(): ORDER.write(__name__ + ' '); ORDER.flush()\n"
    serial = order.replace("def", "@pytest.mark.serial\ndef")
    folder = suite(tmp_path, a=order, b=order, c=serial, d=order)
    durations = {
        "machine": "",
        "seconds": 1,
        "files": {f"tests/test_{k}.py": [v, 0] for k, v in [("a", 1), ("b", 2), ("c", 9)]},
    }
    (folder / "tests_of_rlvr" / "durations.json").write_text(json.dumps(durations))
    assert run(folder, "-n", "1", "--dist", "loadfile", "--no-loadscope-reorder").returncode == 0
    # test_d was never measured
    assert (folder / "order").read_text().split() == ["test_d", "test_b", "test_a", "test_c"]


def test_durations_are_saved_by_a_whole_run_only(tmp_path):
    folder = suite(tmp_path, a=MIXED, b="def test_long(): time.sleep(0.4)\n")
    assert run(folder, "--save-durations").returncode == 4
    assert run(folder, "--all", "--save-durations", "tests").returncode == 4
    assert run(folder, "--all", "--save-durations").returncode == 0
    found = json.loads((folder / "tests_of_rlvr" / "durations.json").read_text())
    assert found["files"].keys() == {"tests/test_a.py", "tests/test_b.py"}
    rest, slow = found["files"]["tests/test_b.py"]
    assert 0.4 <= rest < 5 and slow == 0
    assert found["seconds"] >= 0 and "cores" in found["machine"]


def test_what_was_measured_is_this_suite():
    """A file may come and go without a new measurement, not a tenth of the suite."""
    files = {file: sum(parts) for file, parts in selection.measured()["files"].items()}
    there = sum(seconds for file, seconds in files.items() if (REPO / file).exists())
    assert there > 0.9 * sum(files.values())
    assert 0 < selection.minutes(everything=False) <= 10 < selection.minutes(everything=True) <= 30


def test_the_script_hands_its_words_to_pytest(tmp_path):
    """With an installation and a Python that only say what they were given."""
    for name in ("scripts/test", "scripts/install", ".venv/bin/python"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(REPO / "scripts" / "test", tmp_path / "scripts" / "test")
    (tmp_path / "scripts" / "install").write_text('#!/bin/sh\necho "install $*"\n')
    (tmp_path / ".venv" / "bin" / "python").write_text(
        '#!/bin/sh\necho "python $* in $PWD, $OMP_NUM_THREADS threads"\nexit 7\n'
    )
    for name in ("scripts/install", ".venv/bin/python"):
        (tmp_path / name).chmod(0o755)
    words = [str(tmp_path / "scripts" / "test"), "--all", "tests/a b.py"]
    environment = {name: value for name, value in os.environ.items() if name != "RLVR_EXTRAS"}  # CI sets it
    done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
    install, python = done.stdout.splitlines()
    assert install == "install --extras test"
    assert python.startswith("python -m pytest -n auto ") and python.endswith(
        f"--all tests/a b.py in {tmp_path}, 1 threads"
    )
    assert done.returncode == 7
