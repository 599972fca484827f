"""What a model believes while it reads: exact sums of its own log-likelihoods, as a table and a picture."""

from __future__ import annotations

import csv
import json
import math
import re

import pytest
import torch

from rlvr.belief import Asked, Belief, follow, table
from rlvr.cli import main
from rlvr.policy import Policy

QUESTION, RIGHT, WRONG = "37+48=", "7+8=15 carry 10, 10+30+40+5=85", "7+8=15, 30+40+5=75"


def alone(policy: Policy, before: list[int], ids: list[int]) -> float:
    """Nats of `ids` after `before`, by one pass of the model over both."""
    if not ids:
        return 0.0
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([[*before, *ids]])).logits[0].double()
    logp = logits.log_softmax(-1)
    return float(sum(logp[len(before) + n - 1, token] for n, token in enumerate(ids)))


@pytest.mark.parametrize("kind", ["continuations", "tasks"])
def test_it_is_the_difference_of_two_log_likelihoods_of_the_model_itself(tiny, kind):
    texts = (
        {"right": RIGHT, "wrong": WRONG} if kind == "continuations" else {"right": "7+8=", "wrong": "37+48="}
    )
    prompt = QUESTION if kind == "continuations" else RIGHT
    found = follow(tiny, Asked(prompt=prompt, hypotheses=texts, kind=kind))
    ids = tiny.words(prompt)
    first = 0 if kind == "tasks" else 1
    assert len(found.pieces) == len(ids) + 1 - first
    assert "".join(found.pieces) == prompt
    for at in range(len(found.pieces)):
        so_far = ids[: at + first]
        if kind == "tasks":
            nats = [alone(tiny, tiny.encode([text])[0], so_far) for text in texts.values()]
        else:
            nats = [alone(tiny, so_far, tiny.words(text)) for text in texts.values()]
        assert found.nats[at] == pytest.approx(nats, abs=1e-4)
        assert found.log_odds(at, 1) == pytest.approx(nats[1] - nats[0], abs=2e-4)


def test_what_the_pieces_add_sums_to_the_whole_and_shares_are_bayes_rule(tiny):
    weights = {"sum": 0.2, "difference": 0.7, "other": 0.1}
    asked = Asked(
        prompt=RIGHT, kind="tasks", weights=weights,
        hypotheses={"sum": "37+48=", "difference": "90-23=", "other": "11+11="},
    )  # fmt: skip
    found = follow(tiny, asked)
    rows = found.rows()
    for i, name in enumerate(found.names[1:], start=1):
        assert math.fsum(row[name]["added"] for row in rows) == pytest.approx(
            found.log_odds(len(rows) - 1, i), abs=1e-9
        )
    assert [rows[0][name]["share"] for name in weights] == pytest.approx(list(weights.values()))
    likelihoods = [
        alone(tiny, tiny.encode([text])[0], tiny.words(RIGHT)) for text in asked.hypotheses.values()
    ]
    joint = [weight * math.exp(nats) for weight, nats in zip(weights.values(), likelihoods, strict=True)]
    assert [rows[-1][name]["share"] for name in weights] == pytest.approx(
        [j / sum(joint) for j in joint], rel=1e-3
    )


def test_the_policy_believes_the_trace_of_its_own_sum(tiny):
    """The embedded model knows which question a trace answers."""
    asked = Asked(prompt=RIGHT, kind="tasks", hypotheses={"other": "90-23=", "own": QUESTION})
    found = follow(tiny, asked)
    assert found.log_odds(len(found.pieces) - 1, 1) > 5


def test_by_turn_the_pieces_are_the_turns(tiny):
    one = follow(tiny, Asked(prompt="37+48=", hypotheses={"a": RIGHT, "b": WRONG}, by="turn"))
    assert one.pieces == ("37+48=",)
    by_token = follow(tiny, Asked(prompt="37+48=", hypotheses={"a": RIGHT, "b": WRONG}))
    assert one.nats[-1] == pytest.approx(by_token.nats[-1], abs=1e-4)


def test_shares_do_not_underflow():
    found = Belief(("a", "b"), ("x",), ((-4000.0, -4001.0),))
    assert found.shares(0) == pytest.approx([1 / (1 + math.exp(-1)), 1 / (1 + math.e)])


def test_the_verb_writes_a_table_and_a_picture(tmp_path, capsys):
    file = tmp_path / "sum.yaml"
    file.write_text(json.dumps({"prompt": QUESTION, "hypotheses": {"right": RIGHT, "wrong": WRONG}}))
    assert main(["belief", "tiny", "--hypotheses", str(file), "--output", str(tmp_path / "out"), "-q"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^'='.*%.*%", shown, re.MULTILINE) and "wrong nats" in shown
    document = json.loads((tmp_path / "out" / "belief.json").read_text())
    assert [row["piece"] for row in document["pieces"]] == list(QUESTION)
    with (tmp_path / "out" / "belief.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert float(rows[-1]["wrong log_odds"]) == document["pieces"][-1]["wrong"]["log_odds"]
    picture = (tmp_path / "out" / "belief.svg").read_text()
    assert picture.startswith("<?xml") and "log-odds against right" in picture


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"hypotheses": {"a": "x"}}, "two texts or more"),
        ({"hypotheses": {"a": "x", "b": ""}}, "none of them empty"),
        ({"prompt": ""}, "is empty"),
        ({"weights": {"a": 1.0}}, "one number for each hypothesis"),
        ({"weights": {"a": 1.0, "b": 0.0}, "kind": "tasks"}, "above 0"),
        ({"weights": {"a": 1.0, "b": 1.0}}, "belong to tasks"),
        ({"template": "chat", "kind": "tasks"}, "belongs to continuations"),
        ({"hypothesis": {}}, "hypothesis: Extra inputs"),
    ],
)
def test_a_wrong_file_is_refused_by_its_key(tmp_path, capsys, keys, said):
    file = tmp_path / "wrong.yaml"
    file.write_text(json.dumps({"prompt": "1+1=", "hypotheses": {"a": "2", "b": "3"}} | keys))
    assert main(["belief", "tiny", "--hypotheses", str(file), "--output", str(tmp_path / "out")]) == 2
    error = capsys.readouterr().err
    assert said in error and "wrong.yaml" in error
    assert not (tmp_path / "out").exists()


def test_a_prompt_beyond_the_context_is_refused(tmp_path, capsys):
    file = tmp_path / "long.yaml"
    file.write_text(json.dumps({"prompt": "1+1=" * 100, "hypotheses": {"a": "2", "b": "3"}}))
    assert main(["belief", "tiny", "--hypotheses", str(file), "--output", str(tmp_path / "out")]) == 2
    assert "do not fit the model's context of 128" in capsys.readouterr().err


def test_the_table_names_every_hypothesis_and_piece():
    shown = table(Belief(("a", "b", "c"), ("", "x y"), ((0.0, 0.0, 0.0), (-1.0, -2.0, -0.5)))).splitlines()
    assert len(shown) == 3 and "b nats" in shown[0] and "c nats" in shown[0]
    assert "-1.00" in shown[2] and "+0.50" in shown[2]
