"""Progress where there is no terminal: a line a minute, at what must be heard of, and at the end."""

import pytest

from rlvr import terminal
from rlvr.terminal import Terminal, duration


@pytest.fixture
def said(monkeypatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(Terminal, "say", lambda self, text: lines.append(text))
    return lines


def test_a_line_a_minute_and_not_by_tenths(said, monkeypatch):
    clock = iter([0.0, 30.0, 61.0, 62.0, 70.0, 70.0])
    monkeypatch.setattr(terminal.time, "monotonic", lambda: next(clock))
    with Terminal(quiet=True).progress("training", total=200, start=100) as advance:
        advance(10, note="reward 1")
        advance(40, note="reward 2")
        advance(10, note="reward 3, held-out 4", now=True)
        advance(40, note="reward 5")
        advance(0)
    assert said == [
        "  training: 150/200, about 61 s left  reward 2",
        "  training: 160/200, about 41 s left  reward 3, held-out 4",
        "  training: 200/200, about 0 s left  reward 5",
    ]


def test_a_path_stays_whole_where_there_is_no_terminal(capsys):
    Terminal().say(f"Rollouts: {'evals/a-long-name' * 12}.jsonl")
    assert capsys.readouterr().err == f"Rollouts: {'evals/a-long-name' * 12}.jsonl\n"


def test_durations_in_the_unit_of_a_person():
    assert [duration(seconds) for seconds in (45, 720, 12_600, 518_400)] == [
        "45 s", "12 min", "3.5 h", "6.0 days",
    ]  # fmt: skip
