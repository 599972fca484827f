"""`rlvr evidence`: the table from files, a whole run, and the same command again."""

import csv
import json
import math
from collections import defaultdict

import numpy as np
import pytest
import yaml

from rlvr.cli import main
from rlvr.levers import plan, table
from rlvr.rollouts import Rollout, append, read, write_settings
from rlvr.terminal import Terminal


def rows(file):
    found = defaultdict(list)
    for row in read(file):
        found[row.problem_id].append(row)
    return found


def counts(file):
    """Per problem, samples and solved ones, in the order of the names."""
    held = sorted(rows(file).items())
    return np.array([(len(own), sum(row.score == 1 for row in own)) for _, own in held], dtype=float)


def odds(base, other):
    (n0, c0), (n1, c1) = base.T, other.T
    up, down = np.sum(c1 * (n0 - c0) / (n0 + n1)), np.sum(c0 * (n1 - c1) / (n0 + n1))
    return math.log(up / down)


@pytest.fixture
def written(tmp_path):
    """A plan of two levers whose rollouts were written by hand."""
    problems = tmp_path / "problems.jsonl"
    problems.write_text(
        "".join(json.dumps({"prompt": f"{i}+1=", "reference": str(i + 1)}) + "\n" for i in range(3))
    )
    source = {"file": str(problems), "prompt": "prompt", "reference": "reference"}
    file = tmp_path / "mine.yaml"
    base = {
        "problems": {"heldout": source},
        "sampling": {"samples": 4},
        "analysis": {"search_budget": 2, "replicates": 100},
    }
    levers = {
        "told": {"environment": "feedback"},
        "two": {"pick": "majority", "k": 2},
    }  # fmt: skip
    file.write_text(yaml.safe_dump({"base": base, "levers": levers}, sort_keys=False))
    found = plan.load(file, tmp_path / "out")
    (tmp_path / "out" / "rollouts").mkdir(parents=True)
    for (_, asked), solved in zip(found.cells, ([1, 2, 1], [2, 3, 4]), strict=True):
        several = asked == "told"
        append(
            found.cells["base", asked],
            [
                Rollout(
                    f"p{i}",
                    sample,
                    "base",
                    f"{i}+1=",
                    "x",
                    str(sample if sample >= right else i + 1),
                    True,
                    tokens=10,
                    token_ids=[1] * (25 if several else 10),
                    score=float(sample < right),
                    answer_score=float(sample < right),
                    status="correct" if sample < right else "incorrect",
                    verifier="math",
                )
                for i, right in enumerate(solved)
                for sample in range(4)
            ],
        )
        settings = {"policy": "base", "prompt_tokens": 5.0, "verifier": "math"}
        write_settings(
            found.cells["base", asked], settings | ({"environment": {"name": "feedback"}} if several else {})
        )
    return found


def test_the_table_is_what_the_rows_say(written):
    page = table.build(written, Terminal(quiet=True))
    found = json.loads(page.json.read_text())
    by = {row["name"]: row for row in found["levers"]}
    assert [*by] == ["base", "told", "two"]
    assert by["told"]["pass_at_1"]["value"] == pytest.approx(9 / 12)
    assert by["told"]["nats"]["value"] == pytest.approx(
        odds(*(counts(written.cells["base", name]) for name in ("base", "told")))
    )
    assert by["base"]["tokens"]["value"] == 5 + 10
    assert by["told"]["tokens"]["value"] == 5 + 25  # the environment's words are read, and count
    assert by["two"]["tokens"]["value"] == 5 + 2 * 10
    with (page.json.parent / "evidence.csv").open() as file:
        written_rows = list(csv.DictReader(file))
    assert [row["lever"] for row in written_rows] == [*by]
    assert float(written_rows[1]["nats"]) == pytest.approx(by["told"]["nats"]["value"])
    html = page.html.read_text()
    assert "told" in html and "evidence.json" in html
    assert "told" in page.summary


CUT_DOWN = {
    "base": {
        "recipe": "quickstart",
        "verifier": "math",
        "verifier_options": {},
        "problems": {"heldout": {"world": "heldout", "limit": 24}},
        "sampling": {"samples": 8},
        "analysis": {"search_budget": 4, "replicates": 100},
        "train": {"steps": 2, "groups_per_step": 4, "group_size": 4, "eval_every": 0},
    },
    "levers": {
        "hint": {"evidence.hint": {"file": "{base}", "share": 0.5, "position": "answer"}},
        "told": {
            "environment": "feedback",
            "environment_options": {"message": "{prompt}"},
            "evidence.separator": "",
        },
        "best": {"pick": "best", "k": 4},
        "grpo": {"train": {"algorithm": "grpo"}},
        "grpo-told": {"asked": "told", "train": {"algorithm": "grpo"}},
    },
}


@pytest.mark.slow
def test_a_whole_run_and_the_same_command_again(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "cut.yaml"
    file.write_text(yaml.safe_dump(CUT_DOWN, sort_keys=False))
    assert main(["evidence", str(file), "--transfer"]) == 0
    folder = tmp_path / "runs" / "cut"
    files = [
        *folder.glob("rollouts/*.jsonl"),
        *folder.glob("*/rollouts/*.jsonl"),
        *folder.glob("*/metrics.jsonl"),
    ]
    before = {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}
    names = {str(path.relative_to(folder)) for path in files}
    assert {"rollouts/grpo@told.jsonl", "rollouts/grpo-told@base.jsonl", "grpo/rollouts/tuned.jsonl"} <= names
    found = json.loads((folder / "evidence.json").read_text())
    _agrees_with_its_rows(folder, found)

    assert main(["evidence", str(file), "--transfer"]) == 0
    assert {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files} == before
    assert json.loads((folder / "evidence.json").read_text()) == found

    # a lever that says something else is not taken for the one that was sampled
    changed = CUT_DOWN | {"levers": CUT_DOWN["levers"] | {"told": {"environment": "feedback"}}}
    file.write_text(yaml.safe_dump(changed, sort_keys=False))
    assert main(["evidence", str(file), "--transfer"]) == 2


def _agrees_with_its_rows(folder, found):
    by = {row["name"]: row for row in found["levers"]}
    assert [*by] == ["base", *CUT_DOWN["levers"], "exact posterior"]
    base = counts(folder / "rollouts/base.jsonl")
    for name, path in (
        *((name, folder / f"rollouts/{name}.jsonl") for name in ("hint", "told")),
        *((name, folder / name / "rollouts/tuned.jsonl") for name in ("grpo", "grpo-told")),
    ):
        own = counts(path)
        assert by[name]["pass_at_1"]["value"] == pytest.approx(np.mean(own[:, 1] / own[:, 0]))
        assert by[name]["nats"]["value"] == pytest.approx(odds(base, own))
    written = [len(row.token_ids) for own in rows(folder / "rollouts/told.jsonl").values() for row in own]
    assert by["told"]["tokens"]["value"] == pytest.approx(by["told"]["prompt_tokens"] + np.mean(written))
    steps = [
        row
        for path in folder.glob("grpo/rollouts/train-*.jsonl")
        for own in rows(path).values()
        for row in own
    ]
    assert by["grpo"]["sampled_tokens"] == sum(row.tokens for row in steps)
    assert by["grpo"]["trained_tokens"] == sum(row.tokens for row in steps if row.extra["advantage"])
    assert by["exact posterior"]["pass_at_1"]["value"] == 1.0
    lo, hi = by["base"]["pass_at_1"]["lo"], by["base"]["pass_at_1"]["hi"]
    assert lo - 0.05 < found["ceiling"]["base"] < hi + 0.05
    cell = next(c for c in found["transfer"] if (c["trained"], c["asked"]) == ("grpo", "told"))
    told, both = counts(folder / "rollouts/told.jsonl"), counts(folder / "rollouts/grpo@told.jsonl")
    assert cell["nats"]["value"] == pytest.approx(odds(base, both))
    assert cell["gain"]["value"] == pytest.approx(odds(told, both))
    assert {*found["turns"]} == {"told", "grpo-told", "grpo@told"}
