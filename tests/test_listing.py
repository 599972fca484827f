"""`rlvr list`: the state of each run, from what runs write and from who holds their folder."""

import fcntl
import json
import os

import pytest

from rlvr import pipeline, rollouts
from rlvr.cli import main
from rlvr.errors import RunError, UserError
from rlvr.launch import processes
from rlvr.launch.processes import is_locked, locked
from rlvr.listing import Entry, State, _cells, brief, entries, table
from rlvr.rollouts import Rollout
from rlvr.run import SWEEP, Run, open_run
from rlvr.terminal import Terminal
from tests.conftest import quickstart_config


def begun(folder) -> Run:
    return open_run(quickstart_config(), folder)


def one(run: Run):
    (entry,) = entries(run.folder)
    return entry


def log(run: Run, *lines: dict) -> None:
    run.metrics.write_text("".join(json.dumps(line) + "\n" for line in lines))


def evaluated(file, *scores: float) -> None:
    rows = [
        Rollout(f"p{i}", 0, "base", "?", "t", "2", True, 1, score=s, status="") for i, s in enumerate(scores)
    ]
    rollouts.rewrite(file, rows)


def test_states(tmp_path):
    run = begun(tmp_path / "run")
    assert one(run).state == "stopped" and one(run).step == 0
    with locked(run.folder):
        assert one(run).state == "running"
    assert one(run).state == "stopped"
    run.model.mkdir()
    assert one(run).state == "trained"
    run.report.write_text("")
    assert one(run).state == "finished"


def test_what_stops_a_run_is_listed_until_it_goes_on(tmp_path):
    config, terminal = quickstart_config(), Terminal(quiet=True)
    with pytest.raises(RunError), pipeline.begin(config, tmp_path / "run", terminal) as run:
        evaluated(run.rollouts("base"), 1.0)
        raise RunError("the verifier judges nothing")
    assert (one(run).state, one(run).error) == ("failed", "the verifier judges nothing")
    with pytest.raises(KeyboardInterrupt), pipeline.begin(config, run.folder, terminal):
        assert one(run).state == "running" and one(run).error is None
        raise KeyboardInterrupt
    assert one(run).state == "stopped"


def test_figures_before_there_is_a_report_and_from_it(tmp_path):
    run = begun(tmp_path / "run")
    evaluated(run.rollouts("base"), 1.0, 0.0)
    rollouts.write_settings(run.rollouts("base"), {"n_problems": 4, "samples": 1})
    log(
        run,
        {"step": 1, "eval/pass@1": 0.5, "alarms": {"length": "…"}},
        {"step": 2, "eval/pass@1": 0.75, "alarms": {"entropy": "…", "truncation": "…"}},
        {"step": 3},
    )
    assert one(run).base_pass_at_1 is None  # half of the evaluation is no figure
    evaluated(run.rollouts("base"), 1.0, 0.0, 0.0, 0.0)
    entry = one(run)
    assert (entry.base_pass_at_1, entry.tuned_pass_at_1, entry.tuned_step) == (0.25, 0.75, 2)
    assert (entry.step, entry.steps, entry.model, entry.verifier) == (3, 60, "tiny", "math+reasoning")
    assert (entry.alarms, entry.alarm_step) == (("entropy", "truncation"), 2)
    line = list(table([entry]))[1][0]
    assert "3 of 60" in line and "25.0 → 75.0 (step 2)" in line and "entropy, truncation (step 2)" in line
    rate = {name: {"pass_at_k": {"1": {"value": v}}} for name, v in (("base", 0.25), ("best", 0.5))}
    run.report.write_text("")
    run.report.with_suffix(".json").write_text(json.dumps({"main": "best", "policies": rate}))
    assert (one(run).base_pass_at_1, one(run).tuned_pass_at_1, one(run).tuned_step) == (0.25, 0.5, None)


def test_newest_first_and_cells_below_their_sweep(tmp_path, capsys):
    (tmp_path / "grid").mkdir()
    (tmp_path / "grid" / SWEEP).write_text(json.dumps({"cells": ["seed=2", "seed=1"]}))
    begun(tmp_path / "grid" / "seed=2").report.write_text("")
    (tmp_path / "thesis").mkdir()
    old = begun(tmp_path / "old").folder
    for path in (old, *old.rglob("*")):
        os.utime(path, (1, 1))
    assert main(["list", str(tmp_path)]) == 0
    named = [line[:10].rstrip() for line in capsys.readouterr().out.splitlines()]
    assert named == ["run", "grid", "  seed=2", "  seed=1", "old"]
    assert main(["list", str(tmp_path), "--json"]) == 0
    grid, last = json.loads(capsys.readouterr().out)
    assert [(cell["state"], cell["steps"]) for cell in grid["cells"]] == [
        ("finished", 60),
        ("not begun", None),
    ]
    assert grid["state"] == "stopped" and last["changed"] == 1


def test_a_run_that_cannot_be_read_does_not_hide_the_others(tmp_path):
    begun(tmp_path / "good")
    begun(tmp_path / "bad").metrics.write_text("\0\0\n")
    bad, good = sorted(entries(tmp_path), key=lambda entry: entry.folder)
    assert good.error is None and bad.state == "stopped" and "cannot be read" in (bad.error or "")


def test_no_folder_is_an_error_and_an_empty_one_is_not(tmp_path, capsys):
    with pytest.raises(UserError, match="no such folder"):
        entries(tmp_path / "runs")
    assert main(["list", str(tmp_path)]) == 0
    captured = capsys.readouterr()
    assert "No runs in" in captured.err and not captured.out


def test_a_look_at_the_lock_keeps_no_run_out(tmp_path, monkeypatch):
    with locked(tmp_path):
        assert is_locked(tmp_path)
    looking = (tmp_path / ".lock").open("rb")
    fcntl.flock(looking, fcntl.LOCK_SH)  # what `is_locked` holds for a moment
    monkeypatch.setattr(processes.time, "sleep", lambda seconds: looking.close())
    with locked(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)


def entry(folder="runs/one", state: State = "finished", **more) -> Entry:
    return Entry(folder, state, 0.0, **more)


def test_each_cell_of_the_list():
    """Of a run that was never written to there is no age."""
    whole = entry(
        step=30, steps=60, model="tiny", verifier="math", base_pass_at_1=0.25, tuned_pass_at_1=0.5, tuned_step=20,
        alarms=("entropy", "length"), alarm_step=12,
    )  # fmt: skip
    assert _cells(whole) == (
        *(
            "one",
            "finished",
            "30 of 60",
            "tiny",
            "math",
            "25.0 → 50.0 (step 20)",
            "entropy, length (step 12)",
            "",
        ),
    )
    assert _cells(entry(state="stopped", step=3, base_pass_at_1=0.25), "  ") == (
        *("  one", "stopped", "3 of –", "", "", "25.0 → –", "", ""),
    )
    assert _cells(entry(state="not begun")) == ("one", "not begun", "", "", "", "", "", "")
    assert _cells(entry(state="failed", tuned_pass_at_1=0.5, error="disk\nfull"))[5:7] == (
        "– → 50.0",
        "disk full",
    )
    assert _cells(entry(alarms=("a",), alarm_step=1, error="e"))[6] == "a (step 1) e"
    sweep = entry("runs/grid", "running", cells=(entry(), entry(state="failed"), entry()))
    assert _cells(sweep) == ("grid", "running", "2 of 3 runs", "", "", "", "", "")


def test_the_list_is_a_table_with_a_colour_for_what_needs_a_look():
    sweep = entry("runs/grid", "failed", cells=(entry("runs/grid/seed=1", "failed", step=1, steps=2),))
    held = [entry("runs/a", "running", step=10, steps=20), sweep, entry("runs/b", "stopped"), entry("runs/c")]
    lines = list(table(held))
    assert [style for _, style in lines] == ["bold", "green", "red", "red", "yellow", ""]
    heads = ["run", "state", "step", "model", "verifier", "pass@1", "alarm", "age"]
    assert lines[0][0].split() == heads
    at = lines[0][0].index("state")
    assert {text[at - 2 : at] for text, _ in lines} == {"  "}, "columns are aligned"
    states = ["state", "running", "failed", "failed", "stopped", "finished"]
    assert [text[at:].split()[0] for text, _ in lines] == states
    assert lines[3][0].startswith("  seed=1  ") and "1 of 2" in lines[3][0]


def test_the_state_of_a_sweep_is_that_of_its_runs(tmp_path):
    (tmp_path / SWEEP).write_text(json.dumps({"cells": ["a", "b"]}))
    one_run, other = begun(tmp_path / "a"), begun(tmp_path / "b")

    def state():
        (found,) = entries(tmp_path)
        return found.state, [cell.state for cell in found.cells or ()]

    assert state() == ("stopped", ["stopped", "stopped"])
    one_run.report.write_text("")
    assert state() == ("stopped", ["finished", "stopped"])
    other.write_down(failed="no disk")
    assert state() == ("failed", ["finished", "failed"])
    with locked(tmp_path):
        assert state()[0] == "running"
    other.write_down(failed=None)
    other.report.write_text("")
    assert state() == ("finished", ["finished", "finished"])


def test_verifiers_and_models_are_those_of_the_config(tmp_path):
    run = begun(tmp_path / "run")
    assert (one(run).model, one(run).verifier, one(run).steps) == ("tiny", "math+reasoning", 60)
    sources = [{"verifier": "math"}, {"verifier": None}, {"verifier": "code"}, {"verifier": "math"}]
    said = {"model": "m", "verifier": "exact", "train": {"steps": 7}, "problems": {"heldout": sources}}
    (run.folder / "config.yaml").write_text(json.dumps(said))
    assert (one(run).model, one(run).verifier, one(run).steps) == ("m", "math, exact, code", 7)
    assert brief(run.folder) == "stopped, step 0 of 7"
    log(run, {"step": 3, "eval/pass@1": 0.25, "alarms": {"entropy": "…"}})
    assert brief(run.folder) == "stopped, step 3 of 7, pass@1 – → 25.0 (step 3), alarm entropy (step 3)"
