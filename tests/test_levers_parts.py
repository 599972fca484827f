"""A table of levers: what an episode read and wrote, what a training drew and read, how much more of one kind of
evidence; and what stands beside scored rows."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rlvr import api, rollouts
from rlvr.config import Config, ConfigError
from rlvr.levers import table
from rlvr.rollouts import Rollout
from rlvr.run import Run


def row(problem: str, sample: int, tokens: int, score: float | None = 1.0, **extra: Any) -> Rollout:
    return Rollout(
        problem, sample, "p", "?", "x", None, True, tokens, score=score, status="correct",
        token_ids=[1] * (tokens + 2), extra=extra,
    )  # fmt: skip


def test_what_an_episode_holds_is_the_mean_over_judged_samples(tmp_path):
    file = tmp_path / "rows.jsonl"
    rollouts.append(file, [row("a", 0, 4), row("b", 0, 9), row("a", 1, 6, 0.0), row("a", 2, 99, None)])
    rollouts.append(file, [row("c", 0, 5, None)])
    evaluation: Any = SimpleNamespace(path=file, samples=SimpleNamespace(problem_ids=["b", "a", "c"]))
    np.testing.assert_array_equal(table._said(evaluation), [11, 7, np.nan])


def test_tokens_of_a_training_are_those_it_drew_and_those_it_read(tmp_path):
    """Step 2 trains on the batch of step 1 once more; what has no advantage is not read."""
    run = Run(tmp_path)
    run.metrics.write_text("".join(json.dumps({"step": step}) + "\n" for step in (1, 2, 3)))
    for step, advantages in ((1, (0.5, -0.5, 0.0)), (3, (0.0, 1.0, 0.0))):
        file = run.rollouts(f"train-{step:06d}")
        file.parent.mkdir(exist_ok=True)
        rows = [row("a", n, 10**n, advantage=nats) for n, nats in enumerate(advantages)]
        rollouts.append(file, rows)
    assert table.training_tokens(run) == (111 + 111, 11 + 11 + 10)


SHOTS = {"shots": 4}


@pytest.mark.parametrize(
    ("base", "asked", "found"),
    [
        ({}, {"evidence": SHOTS}, {"shots": 4.0}),
        ({}, {"evidence": SHOTS | {"shots_choice": "nearest", "shots_seed": 3}}, {"nearest shots": 4.0}),
        ({"evidence": {"shots": 2}}, {"evidence": SHOTS}, {}),  # the base has some itself
        ({}, {"evidence": SHOTS | {"separator": "; "}}, {}),
        ({}, {"evidence": SHOTS, "sampling": {"temperature": 0.5}}, {}),
        ({"sampling": {"samples": 32}}, {"evidence": SHOTS, "sampling": {"samples": 16}}, {"shots": 4.0}),
        ({}, {"evidence": {"hint": {"column": "solution", "share": 0.25}}}, {"hint (question)": 0.25}),
        (
            {"evidence": {"hint": {"column": "solution", "share": 0.5}}},
            {"evidence": {"hint": {"column": "solution", "share": 0.25}}},
            {},
        ),
        ({}, {"evidence": {"attempts": {"file": "a.jsonl", "number": 3}}}, {"wrong attempts": 3.0}),
        ({}, {"evidence": {"attempts": {"file": "a.jsonl", "which": "any"}}}, {"any attempts": 1.0}),
        ({}, {}, {}),
    ],
)
def test_how_much_more_of_one_kind_of_evidence(base, asked, found):
    def config(keys: dict[str, Any]) -> Config:
        return Config.model_validate({"problems": {"heldout": {"world": "heldout"}}} | keys)

    assert table.amounts(config(base), config(asked)) == found


# ------------------------------------------------------------------ beside scored rows


def scored(folder: Path, labels: list[Any], **keys: Any) -> Path:
    rows = [
        {"response": rf"\boxed{{{n}}}", "reference": "4", "right": label}
        for n, label in zip((4, 5, 4, 5), labels, strict=False)
    ]
    given, out = folder / "rows.jsonl", folder / "out.jsonl"
    given.write_text("".join(json.dumps(each) + "\n" for each in rows))
    given.with_suffix(".settings.json").write_text('{"temperature": 0.5, "verifier": "who drew them"}')
    api.score(given, "math", output=out, labels="right", **keys)
    return out


def test_beside_scored_rows_stand_who_judged_them_how_they_were_drawn_and_the_audit(tmp_path):
    out = scored(tmp_path, [True, True, False, False], option={"percent": "free"})
    held = rollouts.read_settings(out)
    assert held == {
        "temperature": 0.5, "verifier": "math", "verifier_options": {"percent": "free"}, "pass_mark": held["pass_mark"],
    }  # fmt: skip
    audit = json.loads(out.with_suffix(".audit.json").read_text())
    assert audit == {"wrong": 2, "false_positives": 1, "right": 2, "false_negatives": 1}


def test_labels_of_one_kind_alone_are_no_audit(tmp_path):
    out = scored(tmp_path, [True, True])
    assert rollouts.read_settings(out)["verifier"] == "math" and not out.with_suffix(".audit.json").exists()


@pytest.mark.parametrize(
    ("paths", "keys", "said"),
    [
        (("folder",), {"seeds": True}, "--seeds: for files"),
        (("folder",), {"name": {"base": "x"}}, "--name: for files"),
        (("a.csv", "b.csv"), {"seeds": True}, "expected the base's file and two or more seeds"),
        (("a.csv", "b.csv"), {"name": {"c": "x"}}, "--name c=…: expected one of base, tuned"),
    ],
)
def test_what_a_report_cannot_be_made_of(tmp_path, paths, keys, said):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "config.yaml").touch()  # of a run
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("problem_id,n,c\np,4,2\nq,4,1\n")
    with pytest.raises(ConfigError, match=said):
        api.report(*(tmp_path / path for path in paths), output=tmp_path / "out", **keys)


def test_what_policies_of_a_report_are_called():
    further = [Path("x/third.jsonl"), Path("fourth.jsonl")]
    assert api._named(further, {"tuned": "RL", "fourth": "4"}, pair=True) == ["base", "RL", "third", "4"]
    assert api._named([], {"base": "B"}, pair=False) == ["B"]


def test_where_the_folder_of_a_run_or_sweep_is(tmp_path):
    config = Config.model_validate({"problems": {"heldout": {"world": "heldout"}}})
    found = api.Source(tmp_path / "c.yaml", tmp_path, Path("runs/c"))
    named = config.model_copy(update={"name": "n"})
    assert api.folder_of(config, found, None) == Path("runs/c")
    assert api.folder_of(named, found, None) == Path("runs/n")
    assert api.folder_of(named, found, None, sweep=True) == Path("runs/n-sweep")
    assert api.folder_of(named, found, tmp_path, sweep=True) == tmp_path
