"""Which keys of the rows a report is broken down by."""

import json

import pytest

from rlvr.report import build
from rlvr.rollouts.attributes import attributes
from rlvr.rollouts.evaluations import read
from rlvr.rollouts.rows import append
from rlvr.rollouts.types import Episode, Turn
from verifiers import Problem, Verdict

LEVELS = ("level 2", "level 10", "level 2", "level 10")


def write(folder, policy, samples=2, **more):
    path = folder / f"{policy}.jsonl"
    rows = [
        {"problem_id": f"p{i}", "sample": j, "score": float(j % 2), "level": LEVELS[i]}
        | {"meta": {"hard": i > 1, "note": "x" * 100, "nested": {"deeper": i % 2}}, "own": f"name {i}"}
        | {"draw": j, "same": 1, "rate": 0.5 * (i % 2), "policy_says": policy, **more}
        for i in range(4)
        for j in range(samples)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("samples", [1, 2])
def test_a_column_is_of_the_problem_and_groups_several(tmp_path, samples):
    files = [read(write(tmp_path, name, samples), name)[0] for name in ("base", "tuned")]
    found = attributes(files)
    assert list(found) == ["level", "meta.hard"]
    assert found["level"] == {f"p{i}": level for i, level in enumerate(LEVELS)}
    assert found["meta.hard"] == {"p0": "no", "p1": "no", "p2": "yes", "p3": "yes"}


def test_values_stand_in_their_natural_order_and_some_may_lack_one(tmp_path):
    base, tuned = (write(tmp_path, name) for name in ("base", "tuned"))
    rows = [json.loads(line) for line in base.read_text().splitlines()]
    kept = [{k: v for k, v in row.items() if k != "level" or row["problem_id"] != "p3"} for row in rows]
    for path in (base, tuned):
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    document = build(base, tuned, output=tmp_path / "out", replicates=100).document
    levels = document["breakdown"]["level"]
    assert [(row["stratum"], row["problems"]) for row in levels] == [("", 1), ("level 2", 2), ("level 10", 1)]


def test_a_row_of_ours_carries_what_its_set_says_of_the_problem_in_a_word(tmp_path):
    """So that a run's own report is broken down by level; a long text, a list or a fraction groups nothing."""
    said = {"level": 3, "domain": "algebra", "hard": True, "note": "x" * 100, "tags": ["a"], "rate": 0.5}
    for name in ("base", "tuned"):
        rows = []
        for i in range(4):
            problem = Problem(f"p{i}", "1+1?", "2", said | {"level": i % 2})
            episode = Episode(problem, 0, 1, [1], [Turn("policy", [5], "2")], complete=True)
            rows.append(episode.row(name, "math", Verdict(1.0, "correct", "2")))
        append(tmp_path / f"{name}.jsonl", rows)
        assert rows[0].extra == {"meta": {"level": 0, "domain": "algebra", "hard": True}}
    found = attributes([read(tmp_path / f"{name}.jsonl", name)[0] for name in ("base", "tuned")])
    assert found == {"meta.level": {"p0": "0", "p1": "1", "p2": "0", "p3": "1"}}
