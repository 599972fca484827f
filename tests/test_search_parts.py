"""Parts of the search over prompts, by hand: the pool, what the model is asked, the table and what is written."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from rlvr.api import _named
from rlvr.config import ConfigError, EvidenceConfig
from rlvr.errors import UserError
from rlvr.evidence import Evidence
from rlvr.prompt_search import Search, Tried, asked, begin, pool_of
from rlvr.prompt_search.candidates import Candidate, Proposal, requests
from rlvr.prompt_search.result import as_json, gain_over, overrides, reward_of, table, write
from tests.conftest import quickstart_config
from verifiers import Problem

TRAIN = [Problem(f"t{n}", f"{n} + 1", str(n + 1)) for n in range(40)]
OWN = EvidenceConfig(instruction="Add.")


def one(number: int, scores: list[float | None], tokens: int, rounds: int, **keys: Any) -> Tried:
    made = (
        Candidate.of(f"entry {number}", keys, OWN, "c.yaml") if keys else Candidate("as configured", {}, OWN)
    )
    return Tried(made, Evidence(made.evidence), number, scores, tokens, rounds)


def test_the_pool_is_drawn_with_the_seed_and_nobody_has_seen_it_solved():
    shots = Evidence(EvidenceConfig(shots=3), TRAIN)
    shown = {"t0", "t7"}
    found = pool_of(TRAIN, [Evidence(OWN), shots], shown, seed=1)
    ids = [p.id for p in found]
    spent = shown | {p.id for p in shots.examples.pool}
    assert set(ids) == {p.id for p in TRAIN} - spent and ids != sorted(ids, key=lambda name: int(name[1:]))
    assert [p.id for p in pool_of(TRAIN, [shots], shown, seed=1)] == ids
    assert [p.id for p in pool_of(TRAIN, [shots], shown, seed=2)] != ids
    with pytest.raises(UserError, match="no problem is left to ask"):
        pool_of(TRAIN[:2], [], {"t0", "t1"}, 0)


def test_the_pool_has_so_many_problems_at_most(monkeypatch):
    monkeypatch.setattr("rlvr.prompt_search.POOL", 5)
    shown = {p.id for p in TRAIN[:10]}
    for seed in range(5):
        found = pool_of(TRAIN, [], shown, seed)
        assert len(found) == 5 and not shown & {p.id for p in found}


def test_the_model_reads_four_solved_problems_of_sixteen_and_writes_one_instruction():
    found = requests(6, TRAIN, Evidence(EvidenceConfig(answer=" so {reference}")), seed=0)
    assert [p.id for p in found] == [f"instruction-{n}" for n in range(6)]
    pools = {tuple(p.meta["shown"]) for p in found}
    assert len(pools) == 1 and len(pools.pop()) == 16
    by_id = {p.id: p for p in TRAIN}
    for problem in found:
        shown = [
            by_id[name]
            for name in problem.meta["shown"]
            if f"Question: {by_id[name].prompt}\n" in problem.prompt
        ]
        assert len(shown) == 4 and problem.prompt.count("Question: ") == 4
        for p in shown:
            assert f"Question: {p.prompt}\nAnswer: so {p.reference}\n" in problem.prompt
        assert problem.prompt.endswith("\nInstruction:")
    assert len({p.prompt for p in found}) == 6
    assert [p.prompt for p in requests(6, TRAIN, Evidence(OWN), 1)] != [
        p.prompt for p in requests(6, TRAIN, Evidence(OWN), 2)
    ]
    requests(1, TRAIN[:17], Evidence(OWN), 0)
    with pytest.raises(UserError, match=r"16 solved problems are shown .*; it has only 16"):
        requests(1, TRAIN[:16], Evidence(OWN), 0)


@pytest.mark.parametrize(
    ("response", "found"),
    [
        ("Add the numbers.", "Add the numbers."),
        ("<think>Subtract?</think>\nAdd.", "Add."),
        ("<think>Subtract it", None),
        ("42", None),
        (None, None),
    ],
)
def test_an_instruction_is_written_after_the_thought(response, found):
    verdict = Proposal().verify(Problem("p", "", ""), "", response)
    assert (verdict.score, verdict.answer) == (float(found is not None), found)
    assert verdict.status == ("correct" if found else "no_answer")


def test_what_is_other_in_a_candidate():
    words = {
        "as configured": one(0, [], 0, 0).candidate.words,
        "instruction": one(1, [], 0, 0, instruction="Sum.").candidate.words,
        "more": one(2, [], 0, 0, instruction="Sum.", separator="|").candidate.words,
    }
    assert words == {
        "as configured": "(as configured)", "instruction": "Sum.", "more": '{"instruction": "Sum.", "separator": "|"}',
    }  # fmt: skip


RANKED = [
    one(2, [1.0, 1.0, None, 0.0], 80, 2, instruction="Sum."),
    one(0, [1.0, 0.0, 1.0, 0.0], 60, 2),
    one(1, [0.0, 0.0], 30, 1, separator="|"),
]
SEARCH: Any = SimpleNamespace(budget=500, used=170, folder=Path())


def test_the_result_says_rewards_rounds_and_the_gain_over_the_config_as_it_is():
    found = as_json(SEARCH, RANKED)
    assert (found["budget"], found["tokens"]) == (500, 170)
    rows = found["candidates"]
    assert [(r["rank"], r["name"], r["rounds"], r["problems"], r["tokens_a_problem"]) for r in rows] == [
        (1, "entry 2", 2, 4, 20.0), (2, "as configured", 2, 4, 15.0), (3, "entry 1", 1, 2, 15.0),
    ]  # fmt: skip
    assert [r["reward"]["value"] for r in rows] == pytest.approx([2 / 3, 0.5, 0.0])
    gain = found["gain_over_configured"]
    assert gain["value"] == pytest.approx((0 + 1 + 0) / 3) and gain["used"] == 3  # where both were judged
    assert gain_over(RANKED[1], RANKED[0]).value == pytest.approx(-1 / 3)
    assert as_json(SEARCH, RANKED[1:])["gain_over_configured"] is None
    assert reward_of(RANKED[0]).value == pytest.approx(2 / 3)
    lines = table(RANKED)
    assert len(lines) == 4 and [line.split()[0] for line in lines] == ["rank", "1", "2", "3"]
    assert "66.7" in lines[1] and "20.0" in lines[1] and "Sum." in lines[1] and "(as configured)" in lines[2]


def test_the_winner_is_written_as_a_section_and_as_overrides(tmp_path):
    SEARCH.folder = tmp_path
    said = "\n".join(write(SEARCH, RANKED, ["rlvr", "run", "q"]))
    assert overrides(RANKED[0]) == ['evidence.instruction="Sum."']
    text = (tmp_path / "evidence.yaml").read_text()
    assert yaml.safe_load(text) == {"evidence": {"instruction": "Sum."}}
    assert "#   rlvr run q 'evidence.instruction=\"Sum.\"'" in text
    assert json.loads((tmp_path / "result.json").read_text())["candidates"][0]["keys"] == {
        "instruction": "Sum."
    }
    assert "entry 2 against the config as it is, on 3 problems that both were asked: +33.3 points" in said
    assert "170 of 500 tokens" in said and "as the best of 3 it is too high by chance" in said
    assert "No candidate is better than the config as it is" in "\n".join(write(SEARCH, RANKED[1:], ["x"]))


def test_a_folder_holds_one_search(tmp_path):
    config = quickstart_config()
    first = asked(config, 3, 100)
    assert first["candidates"] == {"written": 3}
    assert asked(config, [RANKED[0].candidate, RANKED[1].candidate], 9)["candidates"] == [
        {"instruction": "Sum."},
        {},
    ]
    begin(tmp_path / "s", first)
    assert (tmp_path / "s" / "rollouts").is_dir()
    begin(tmp_path / "s", first)
    with pytest.raises(ConfigError, match=r"holds a search of another kind .*\n  budget: 100 / 200"):
        begin(tmp_path / "s", asked(config, 3, 200))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(ConfigError, match=r"holds something else, and no search.json"):
        begin(tmp_path / "other", first)


def test_a_block_takes_the_problems_that_everybody_can_be_asked_whatever_they_write():
    prompts = {"t0": 10, "t1": 20, "t2": 30}
    search: Any = SimpleNamespace(
        evaluator=SimpleNamespace(environment=None), pool=TRAIN[:3], _longest=5,
        _prompts=lambda one, some: [prompts[p.id] for p in some],
    )  # fmt: skip
    standing = [SimpleNamespace(scores=[]), SimpleNamespace(scores=[])]
    search._costs = lambda who, some: Search._costs(search, who, some)
    assert search._costs(standing, TRAIN[:3]) == [2 * 15, 2 * 25, 2 * 35]
    for room, number in ((29, 0), (30, 1), (79, 1), (80, 2), (149, 2), (150, 3), (-5, 0)):
        assert len(Search._affordable(search, standing, room)) == number  # type: ignore[arg-type]
    standing[0].scores = [1.0] * 4  # all were asked once, and the first again
    assert [p.id for p in Search._affordable(search, standing, 50)] == ["t1"]  # type: ignore[arg-type]


def test_policies_of_a_report_are_called_as_one_says():
    more = [Path("a/x.jsonl"), Path("b/x.jsonl"), Path("tuned.jsonl")]
    assert _named(more, {"x": "first", "b/x": "second"}, True) == [
        "base",
        "tuned",
        "first",
        "second",
        "/tuned",
    ]
    assert _named([], {"base": "Qwen"}, False) == ["Qwen"]
    with pytest.raises(ConfigError, match="--name tuned=…: expected one of base"):
        _named([], {"tuned": "x"}, False)
