"""What each key of `train.evidence` does to the prompts of a step, and what `environment` does to an episode."""

import json
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from rlvr import rollouts
from rlvr.cli import main
from rlvr.config import SteeringConfig
from rlvr.evidence import Evidence
from rlvr.training.collect import Sampled
from rlvr.training.loop import Loop
from rlvr.training.steering import Steering
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from tests.training.handles import loop_of
from verifiers.pool import VerifierPool

SHOT = {"examples": [{"prompt": "11+11=", "answer": "22"}], "separator": " "}
"""Another prompt than the plain one, in the embedded model's letters."""


def sampled(folder: Path, pool: VerifierPool, step: int, **keys) -> tuple[Loop, Sampled]:
    loop = loop_of(folder, pool, evidence={"add": SHOT} | keys, groups_per_step=8, group_size=4)
    return loop, loop.collector.sample(step, draw=step - 1)


def shown(loop: Loop, found: Sampled) -> dict[int, bool]:
    """By place, whether the group's one prompt holds the example; it has to be marked so."""
    tokenizer = loop.collector.current.policy.tokenizer
    held = {}
    for group in found.groups:
        (prompt,) = {tuple(episode.prompt_ids) for episode in group.episodes}
        held[group.place] = "11+11=" in str(tokenizer.decode(list(prompt)))
        assert group.steered == held[group.place]
    return held


@shows("train.evidence.add", "train.evidence.until", "train.evidence.start")
def test_the_evidence_goes_away_over_the_steps(tmp_path, pool):
    of_step = {}
    for step in (1, 3, 5):
        loop, found = sampled(tmp_path / f"{step}", pool, step, until=4)
        of_step[step] = shown(loop, found)
    assert all(of_step[1].values())
    assert not any(of_step[5].values())
    asked = loop.collector.evaluator.evidence  # held-out problems are asked as ever
    assert "11+11" not in asked.text(found.groups[0].episodes[0].problem)

    def steering(**keys) -> Steering:
        config = SteeringConfig(add=SHOT, **keys)
        return Steering(config, Evidence(config.on(quickstart_config().evidence)), seed=3)

    falling = steering(until=4)
    assert [falling.probability(step) for step in (1, 2, 3, 4, 5, 9)] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert [steering().probability(step) for step in (1, 1000)] == [1.0, 1.0]
    assert steering(start=0.5, until=2).probability(2) == 0.25
    for step, share in ((2, 0.75), (3, 0.5), (4, 0.25)):
        chosen = falling.chosen(step, range(4000))
        assert abs(len(chosen) / 4000 - share) < 0.03
        assert chosen == falling.chosen(step, range(4000)) != steering(until=8).chosen(step, range(4000))
    assert set(of_step[3]) == set(range(8))


@shows("train.evidence.only")
def test_a_group_without_success_is_drawn_again_with_it(tmp_path, pool):
    loop, found = sampled(tmp_path, pool, 1, only="unsolved")
    held = shown(loop, found)
    (before,) = found.replaced
    assert 0 < len(before) < 8  # some of these groups have a solved sample, and some have none
    assert all(group.outcome.passed == 0 and not group.steered for group in before)
    assert {group.place for group in before} == {place for place, with_it in held.items() if with_it}
    for group in before:
        (again,) = [other for other in found.groups if other.place == group.place]
        assert again.index == group.index
        assert not {e.seed for e in again.episodes} & {e.seed for e in group.episodes}
        assert not {e.sample for e in again.episodes} & {e.sample for e in group.episodes}
    batch = loop.credit.assign(found)
    loop.collector.record(1, found, batch)
    assert batch.metrics["steered_share"] == sum(held.values()) / 8
    (file,) = loop.collector.rollouts_to.glob("train-*.jsonl")
    rows = list(rollouts.read(file))
    assert sum(row.extra.get("steered", False) for row in rows) == 4 * len(before)
    assert len({(row.problem_id, row.sample) for row in rows}) == len(rows)


@shows("train.distill.evidence", "train.distill.direction")
def test_the_teacher_alone_has_the_evidence(tmp_path, pool):
    """Forward, its samples are learnt behind the plain prompt; reverse, it judges samples of the plain prompt."""
    for direction, drawn_with_it in (("forward", True), ("reverse", False)):
        distill = {"evidence": SHOT, "direction": direction}
        loop = loop_of(tmp_path / direction, pool, algorithm="distill", distill=distill, group_size=4)
        found = loop.collector.sample(1, draw=0)
        assert set(shown(loop, found).values()) == {drawn_with_it}
        batch = loop.credit.assign(found)
        asked = loop.collector.evaluator.evidence
        policy = loop.collector.current.policy
        for group, drawn in zip(batch.groups, found.groups, strict=True):
            assert group.prompted.prompt == policy.words(asked.text(drawn.episodes[0].problem))
        rewarded = torch.tensor([float(r > 0) for group in found.groups for r in group.rewards])
        weights = torch.tensor([w for group in batch.groups for w in group.per_sample(group.advantages)])
        assert torch.equal(weights, rewarded) == drawn_with_it


def test_what_is_no_evidence_of_training_is_refused():
    for keys, said in (
        ({"add": {}}, "names no key"),
        ({"add": {"shot": 1}}, "has no such key"),
        ({"add": {"template": "chat"}}, "training and evaluation share"),
        ({"add": SHOT, "start": 0}, "greater than 0"),
    ):
        with pytest.raises(ValidationError, match=said):
            SteeringConfig.model_validate(keys)
    with pytest.raises(ValueError, match=r"train\.evidence\.add\.shots"):
        SteeringConfig(add={"shots": -1}).on(quickstart_config().evidence)


def test_examples_of_training_prompts_are_not_trained_on(tmp_path, capsys):
    words = [
        "train", "quickstart", "--output", str(tmp_path / "run"), "-q", "train.steps=1", "train.groups_per_step=4",
        "train.group_size=4", "train.eval_every=0", "problems.train.limit=12", "problems.heldout.limit=4",
        "problems.probes={}", "verification.workers=1", "evidence.separator=' '",
        "train.evidence={add: {shots: 8, answer: '{reference}'}}",
    ]  # fmt: skip
    assert main(words) == 0
    rows = list(rollouts.read(tmp_path / "run" / "rollouts" / "train-000001.jsonl"))
    assert len(rows) == 16 and all(row.extra["steered"] for row in rows)
    assert len({row.problem_id for row in rows}) <= 4
    (line,) = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert json.loads(line)["steered_share"] == 1.0


@shows("environment", "environment_options")
def test_an_environment_answers_the_policy(tmp_path):
    def longest(*more: str) -> int:
        out = tmp_path / f"{len(more)}.jsonl"
        words = ["eval", "tiny", "--output", str(out), "-q", "problems.heldout.limit=4", "problems.probes={}"]
        words += ["sampling.samples=4", "analysis.search_budget=2", "verification.workers=1", *more]
        assert main([*words, "evidence.separator=' '"]) == 0
        return max(len(row.turns or ()) for row in rollouts.read(out))

    assert longest() == 0
    assert longest("environment=feedback", "environment_options={message: '{prompt}'}") == 3
    further = "environment_options={message: '{prompt}', turns: 3}"
    assert longest("environment=feedback", further, "seed=1") == 5
