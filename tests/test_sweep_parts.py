"""A sweep around its runs, which are not run: whose base is taken, what is skipped, how it ends; a table of beliefs."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr import belief, sweep
from rlvr.belief import Belief
from rlvr.config import Config, ConfigError
from rlvr.errors import RunError, UserError
from rlvr.run import SWEEP, Run
from rlvr.sweep import Part


class Said:
    """A terminal."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.shown: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def show(self, text: str) -> None:
        self.shown.append(text)

    def log_to(self, file: Path) -> None:
        pass


def config(**keys: Any) -> Config:
    return Config.model_validate(
        {"problems": {"heldout": {"world": "heldout"}, "train": {"world": "train"}}} | keys
    )


def part(folder: Path, name: str, **keys: Any) -> Part:
    cell: Any = SimpleNamespace(name=name)
    return Part(cell, config(**keys), Run(folder / name))


def finish(of: Part) -> None:
    of.run.folder.mkdir(parents=True, exist_ok=True)
    of.run.report.parent.mkdir(parents=True, exist_ok=True)
    of.run.report.write_text("{}")
    (of.run.folder / "config.yaml").write_text(json.dumps(of.config.model_dump(mode="json")))


def test_how_far_a_cell_is(tmp_path):
    cell = part(tmp_path, "a")
    assert cell.state == "new"
    cell.run.rollouts("base").parent.mkdir(parents=True)
    cell.run.rollouts("base").touch()
    assert cell.state == "begun"
    finish(cell)
    assert cell.state == "finished"
    trained = part(tmp_path, "b")
    trained.run.folder.mkdir()
    trained.run.metrics.touch()
    assert trained.state == "begun"


@pytest.mark.parametrize(
    ("keys", "same"),
    [
        ({"train": {"steps": 7}}, True),
        ({"analysis": {"replicates": 500}}, True),
        ({"problems": {"heldout": {"world": "heldout"}, "train": {"world": "train", "weight": 2.0}}}, True),
        ({"seed": 1}, False),
        ({"sampling": {"temperature": 0.5}}, False),
        ({"problems": {"heldout": {"world": "heldout", "limit": 3}, "train": {"world": "train"}}}, False),
    ],
)
def test_a_cell_takes_the_base_of_a_finished_one_that_samples_alike(tmp_path, keys, same):
    first, second = part(tmp_path, "a"), part(tmp_path, "b", **keys)
    assert sweep._sibling(second, [first, second]) is None  # not finished
    finish(first)
    assert sweep._sibling(second, [first, second]) == (first.run if same else None)


def swept(
    monkeypatch: pytest.MonkeyPatch, folder: Path, errors: dict[str, Exception], done: tuple[str, ...] = ()
) -> Any:
    """The code of a sweep of three cells, what was said, and the runs that were tried."""
    parts = [part(folder, name, seed=n) for n, name in enumerate(("a", "b", "c"))]
    for each in parts:
        if each.cell.name in done:
            finish(each)
    tried: list[str] = []

    def run(config: Config, into: Path, *others: Any) -> None:
        tried.append(into.name)
        if into.name in errors:
            raise errors[into.name]
        finish(next(each for each in parts if each.run.folder == into))

    monkeypatch.setattr(sweep, "plan", lambda *_: parts)
    monkeypatch.setattr(sweep.pipeline, "run", run)
    monkeypatch.setattr(sweep, "report", lambda *_: SimpleNamespace(summary="THE SUMMARY", html="r.html"))
    terminal = Said()
    code = sweep.run([], Path("x.yaml"), folder, terminal, folder)  # type: ignore[arg-type]
    return code, terminal, tried


def test_every_cell_runs_once_and_its_report_is_shown(monkeypatch, tmp_path):
    code, terminal, tried = swept(monkeypatch, tmp_path / "s", {}, done=("b",))
    assert code == 0 and tried == ["a", "c"]  # b is finished
    assert json.loads((tmp_path / "s" / SWEEP).read_text()) == {"cells": ["a", "b", "c"]}
    assert terminal.lines[1:4] == ["  a (new)", "  b (finished)", "  c (new)"]
    assert terminal.shown == ["THE SUMMARY", "Report: r.html"]


def test_a_cell_that_fails_stops_no_other_and_the_first_ones_code_is_the_sweeps(monkeypatch, tmp_path):
    errors = {"a": RunError("no room"), "b": UserError("no file")}
    code, terminal, tried = swept(monkeypatch, tmp_path, errors)
    assert code == 3 and tried == ["a", "b", "c"]
    assert "Cell a failed: no room" in terminal.lines
    assert terminal.shown == [
        "Failed: a: no room", "Failed: b: no file", "The same command runs only these again.",
        "No report on the sweep: fewer than two of its runs are finished.",
    ]  # fmt: skip


def test_a_fault_has_its_traceback_and_a_full_disk_ends_the_sweep(monkeypatch, tmp_path):
    code, terminal, _ = swept(monkeypatch, tmp_path, {"b": KeyError("x")})
    assert code == 1 and any("Traceback" in line for line in terminal.lines)
    assert terminal.shown[0] == "Failed: b: KeyError('x')" and terminal.shown[-1] == "Report: r.html"
    with pytest.raises(OSError, match="full"):
        swept(monkeypatch, tmp_path / "2", {"a": OSError(28, "full")})


def test_the_report_of_a_sweep_has_the_budget_that_its_cells_agree_on(monkeypatch, tmp_path):
    given: dict[str, Any] = {}
    monkeypatch.setattr("rlvr.report.build_runs", lambda files, **keys: given.update(keys) or "made")
    monkeypatch.setattr("rlvr.report.RunFiles.of_folders", lambda folders: given.update(folders=folders))
    (tmp_path / SWEEP).write_text(json.dumps({"cells": ["a", "b", "c"]}))
    with pytest.raises(UserError, match="none of the 3 runs of this sweep is finished"):
        sweep.report(tmp_path, tmp_path)
    for name, replicates in (("a", 500), ("c", 500)):
        finish(part(tmp_path, name, analysis={"replicates": replicates, "search_budget": 8}))
    sweep.report(tmp_path, tmp_path)
    assert given["folders"] == [tmp_path / "a", tmp_path / "c"]
    assert (given["search_budget"], given["replicates"], given["title"]) == (8, 500, tmp_path.name)
    assert given["notes"] == ["Not finished, so not in this report: b"]
    sweep.report(tmp_path, tmp_path, search_budget=2, replicates=9, title="T")
    assert (given["search_budget"], given["replicates"], given["title"]) == (2, 9, "T")
    finish(part(tmp_path, "b", analysis={"replicates": 600, "search_budget": 4}))
    sweep.report(tmp_path, tmp_path)
    assert (given["search_budget"], given["replicates"], given["notes"]) == (None, 2000, [])


def test_a_sweep_never_takes_the_folder_of_something_else(tmp_path):
    for name, said in (("config.yaml", "holds a single run"), ("notes.txt", "holds something else")):
        folder = tmp_path / name.partition(".")[0]
        folder.mkdir()
        (folder / name).touch()
        with pytest.raises(ConfigError, match=said):
            sweep.plan([], tmp_path / "x.yaml", folder)
    with pytest.raises(ConfigError, match="holds something else"):
        sweep.plan([], tmp_path / "x.yaml", folder / name)


# ------------------------------------------------------------------ beliefs


def test_what_a_piece_adds_and_the_shares_of_all_by_hand():
    """Odds 1 : 3 : 4 after the second piece, from 1 : 1 : 2."""
    nats = [[0.0, 0.0, 0.6931471805599453], [-5.0, -5.0 + 1.0986122886681098, -5.0 + 1.3862943611198906]]
    found = Belief(("g", "h", "i"), ("", " x"), tuple(map(tuple, nats)))
    assert found.shares(0) == pytest.approx([0.25, 0.25, 0.5])
    assert found.shares(1) == pytest.approx([1 / 8, 3 / 8, 1 / 2])
    first, second = found.rows()
    assert first["h"]["added"] == 0 and first["i"]["added"] == pytest.approx(0.6931, abs=1e-4)
    assert second["piece"] == " x" and second["i"]["added"] == pytest.approx(0.6931, abs=1e-4)
    assert second["h"]["log_odds"] == pytest.approx(1.0986, abs=1e-4) and second["h"]["nats"] == nats[1][1]
    head, _, last = belief.table(found).splitlines()
    assert head.split() == ["piece", "g", "h", "i", "h", "nats", "added", "i", "nats", "added"]
    assert last.split() == ["'", "x'", "12.5%", "37.5%", "50.0%", "+1.10", "+1.10", "+1.39", "+0.69"]
