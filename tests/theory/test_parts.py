"""Parts side by side: the same figures as one after the other, in order, and a broken one is shown."""

import json
from pathlib import Path

import pytest
import torch

from rlvr import theory
from rlvr.cli import main
from rlvr.terminal import Terminal
from rlvr.theory.check import Check, Line
from rlvr.theory.parts import Part, made, outcomes


def drawn(folder: Path, quick: bool):
    """A figure that hangs on random numbers and on floating-point sums."""

    def check() -> Check:
        torch.manual_seed(3)
        values = torch.randn(300, 300)
        return Check("Drawn", "claim", [Line.at_least("norm", float((values @ values).norm()), 0.0)])

    yield check


def broken(folder: Path, quick: bool):
    yield from drawn(folder, quick)
    yield lambda: Check("Asked", "claim", [Line.at_most("one", float(bool(folder)), 0.0)])
    raise RuntimeError("the second half is missing")


PARTS = (
    Part("first", "short", drawn, cpu=1, quick=1),
    Part("second", "torn", broken, cpu=9, quick=9),
    Part("third", "short", drawn, cpu=2, quick=2),
)


@pytest.mark.slow
def test_side_by_side_is_one_after_the_other(tmp_path):
    found = list(outcomes(PARTS, False, tmp_path, Terminal(quiet=True), processes=2))
    assert [outcome.part for outcome in found] == list(PARTS)
    alone = [made(part, False, tmp_path) for part in PARTS]
    assert [[check.lines for check in one.checks] for one in found] == [
        [check.lines for check in one.checks] for one in alone
    ]
    assert all(sum(check.cpu for check in outcome.checks) <= outcome.cpu + 1e-9 for outcome in found)
    assert [outcome.passed for outcome in found] == [True, False, True]
    assert "the second half is missing" in found[1].error and len(found[1].checks) == 2


@pytest.mark.slow
def test_what_broke_and_what_missed_its_mark_are_shown_and_the_command_fails(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(theory, "PARTS", PARTS)
    monkeypatch.setattr(theory, "WORLDS", ("first", "second", "third"))
    monkeypatch.setattr("rlvr.theory.page.WORLDS", dict.fromkeys(theory.WORLDS, ("title", "what it is")))
    assert main(["worlds", "--output", str(tmp_path)]) == 1
    shown = capsys.readouterr().out
    assert shown.index("\nfirst") < shown.index("\nsecond") < shown.index("\nthird")
    assert "at most 0: MISSED" in shown and "3 of 4 checks meet their marks; missed: Asked" in shown
    assert "second, torn: stopped by an error after 2 checks" in shown
    document = json.loads((tmp_path / "worlds.json").read_text())
    assert [line["met"] for line in document["checks"]] == [True, True, False, True]
    assert "the second half is missing" in document["errors"][0]["error"]
    assert "the second half is missing" in (tmp_path / "worlds.html").read_text()


def test_every_world_has_words_for_its_page():
    from rlvr.theory.words import WORLDS

    assert tuple(WORLDS) == theory.WORLDS
    assert {part.world for part in theory.PARTS if part.quick} == {
        "strategies",
        "boundary",
        "verifier",
        "coins",
    }
