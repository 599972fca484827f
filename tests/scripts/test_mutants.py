"""scripts/study/mutants.py on a small package, and whether every listed bug can still be planted."""

import subprocess
import sys

import pytest

from tests.conftest import REPO

sys.path.insert(0, str(REPO / "scripts" / "study"))  # tests/verifiers has a `mutants` too

import generated  # pyright: ignore[reportMissingImports]
import mutants  # pyright: ignore[reportMissingImports]
from planted import BUGS, ROOMS, Bug, read_bugs  # pyright: ignore[reportMissingImports]

LISTED = read_bugs(sorted(BUGS.glob("*.yaml")))
SOURCE = """\
LIMIT = 3


def countdown(start):
    left = []
    while start > 0:
        left.append(min(start, LIMIT))
        start -= 1
    return left


def unseen(value):
    return value + 1


def part(value):
    return value * 2
"""
TESTS = """\
from functools import cache

from rlvr.run import countdown


@cache
def built():
    return countdown(4)


def test_length():
    assert len(built()) == 4


def test_values():
    assert built() == [3, 3, 2, 1]


def test_part(shared):
    assert shared
"""
SHARED = """\
import pytest

from rlvr.run import part


@pytest.fixture(scope="session")
def shared():
    return part(3)
"""
LOOKS = """\
def test_what_another_file_had_built_first(shared):
    assert shared == 6
"""


@pytest.mark.parametrize("bug", LISTED, ids=lambda bug: f"{bug.set}: {bug.bug}")
def test_every_listed_bug_can_be_planted_in_todays_source(bug):
    assert bug.planted(REPO) != (REPO / bug.file).read_text(encoding="utf-8")


def test_every_test_answers_for_a_room():
    """Else a bug that it notices is said to be noticed by nobody."""
    answering = set().union(*(mutants.files_of(room, REPO) for room in ROOMS))
    every = {str(file.relative_to(REPO)) for file in (REPO / "tests").rglob("test_*.py")}
    assert {file for file in every - answering if not file.startswith("tests/scripts/")} == set()


@pytest.mark.parametrize(
    "find, replace, words",
    [
        ("start", "begin", "occurs 4 times"),
        ("stop", "begin", "occurs 0 times"),
        ("return left", "return (", "never closed"),
        ("LIMIT = 3", "LIMIT = 3  # more", "changes nothing"),
    ],
)
def test_a_bug_that_cannot_be_planted_is_named(tmp_path, find, replace, words):
    (tmp_path / "run.py").write_text(SOURCE)
    with pytest.raises(ValueError, match=rf"made up: run\.py: counts wrongly: .*{words}"):
        Bug("made up", "run.py", "counts wrongly", find, replace).planted(tmp_path)


RULES = [
    ("f(a) < 3", ["f(a) <= 3", "f(a) < 4"]),
    ("a not in b", ["a in b"]),
    ("a and b", ["((a) or (b))", "(a)", "(b)"]),
    ("not a", ["bool(a)"]),
    ("a / b", ["(a * b)"]),
    ("a + 'text'", []),
    ("a if b else c", ["(c if b else a)"]),
    ("[x for x in a if x]", ["[x for x in a if True]"]),
    ("x = min(a)", ["x = max(a)"]),
    ("f(a, b)", ["pass", "f(b, b)"]),
    ("f(x=True)", ["pass", "f(x=False)"]),
    ("if a: b", ["if not (a): b"]),
    ("total -= a", ["pass"]),
    ("for x in a:\n    continue", ["for x in a:\n    break"]),
    ("raise ValueError(1)", []),
    ("terminal.say(f'{1}')", []),
    ("x: Literal[1]", []),
]


@pytest.mark.parametrize("source, expected", RULES)
def test_what_a_rule_makes_of_a_line(tmp_path, source, expected):
    (tmp_path / "rlvr").mkdir()
    (tmp_path / "rlvr" / "run.py").write_text(source)
    made = generated.draw(tmp_path, ["rlvr/"], 9)
    assert sorted(bug.planted(tmp_path) for bug in made) == sorted(expected)


def test_changes_are_drawn_in_the_rooms_that_are_asked_for_and_the_same_ones_each_time():
    drawn = generated.draw(REPO, ["rlvr/analysis/"], 40)
    assert len({(bug.file, bug.find, bug.replace) for bug in drawn}) == 40
    assert {bug.room for bug in drawn} == {"rlvr/analysis"}
    assert (
        drawn
        == generated.draw(REPO, ["rlvr/analysis/"], 40)
        != generated.draw(REPO, ["rlvr/analysis/"], 40, 1)
    )
    for bug in drawn:
        line = int(bug.bug.split()[1].rstrip(":"))
        assert line in bug.lines(REPO)


@pytest.mark.slow
def test_who_notices_what(tmp_path, monkeypatch):
    for name, text in (("rlvr/run.py", SOURCE), ("rlvr/__init__.py", ""), ("tests/test_run.py", TESTS),
                       ("tests/conftest.py", SHARED), ("tests/test_run_more.py", LOOKS)):  # fmt: skip
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    monkeypatch.setattr(mutants, "MARGIN", 60.0)  # seconds to wait for the bug that never ends

    def bug(find, replace):
        return Bug("made up", "rlvr/run.py", f"{find} is {replace}", find, replace)

    found = dict(
        mutants.attempts(
            [
                short := bug("start > 0", "start > 1"),
                # `test_length` runs the line and passes; `test_values` looks at what it built
                wrong := bug("min(start, LIMIT)", "max(start, LIMIT)"),
                at_import := bug("LIMIT = 3", "LIMIT = 2"),
                endless := bug("start -= 1", "start -= 0"),
                unseen := bug("value + 1", "value - 1"),
                fixture := bug("value * 2", "value * 5"),
            ],
            jobs=1,
            repo=tmp_path,
        )
    )
    assert found == {
        short: "tests/test_run.py::test_length",
        wrong: "tests/test_run.py::test_values",
        at_import: "tests/test_run.py::test_values",
        endless: "hangs",
        unseen: None,
        fixture: "tests/test_run_more.py::test_what_another_file_had_built_first",
    }
    assert (tmp_path / "rlvr" / "run.py").read_text() == SOURCE
    summary = mutants.summary(found)
    assert "| rlvr/run.py | 6 | 5 |" in summary
    assert "| rlvr/run.py | value + 1 is value - 1 | made up |" in summary
