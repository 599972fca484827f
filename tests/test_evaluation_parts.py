"""Evaluations: which prompts fit, what a file keeps after a kill or a fault, which settings make it another file; and
which files a run asks for, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from rlvr import pipeline, rollouts
from rlvr.config import EvidenceConfig, SamplingConfig, TrainConfig
from rlvr.errors import PhaseError, RunError, UserError
from rlvr.evaluation import (
    Evaluator,
    copy_own,
    cut_to_blocks,
    fitting,
    forget_unjudged,
    pass_rates,
    prompt_ids,
    rescored,
)
from rlvr.evidence import Evidence
from rlvr.policy import PolicyError
from rlvr.problems import Problems
from rlvr.rollouts import Rollout
from rlvr.run import Run
from rlvr.sampling.abilities import abilities
from rlvr.sampling.engine import CPU_BUDGET, TransformersSampler, rows_within, runs
from rlvr.source_verifiers import SourceVerifier
from rlvr.terminal import Terminal
from tests.conftest import quickstart_config
from verifiers import Problem

BARE = Evidence(EvidenceConfig(question="{prompt}"))


def of_lengths(*tokens: int) -> list[Problem]:
    """Prompts of so many tokens under `BARE`, of the embedded model, whose tokens are characters."""
    return [Problem(f"p{n}", "1" * length, "1") for n, length in enumerate(tokens)]


# ------------------------------------------------------------------ what fits


def test_a_training_prompt_fits_with_a_whole_completion_and_nothing_is_cut(tiny):
    """The embedded model reads 128 tokens."""
    extra = len(tiny.encode(["1"])[0]) - 1
    room = 128 - 100 - extra
    problems = of_lengths(room, room + 1, 10)
    fit, longest = fitting(tiny, [BARE], problems, 100)
    assert [p.id for p in fit] == ["p0", "p2"] and longest == room + extra
    fit, longest = fitting(tiny, [BARE], problems, 100, ahead=1)
    assert [p.id for p in fit] == ["p2"] and longest == 10 + extra + 1
    wider = Evidence(EvidenceConfig(question="{prompt}="))
    fit, longest = fitting(tiny, [BARE, wider], problems, 100)
    assert [p.id for p in fit] == ["p2"] and longest == 11 + extra
    whole, longest = fitting(tiny, [BARE], problems, 99)
    assert whole is problems and longest == room + 1 + extra
    with pytest.raises(
        PolicyError, match=rf"none of the 2 training prompts fits .*; the shortest has {room + 1 + extra}"
    ):
        fitting(tiny, [BARE], of_lengths(room + 1, room + 2), 100)


def test_a_held_out_prompt_that_does_not_fit_is_an_error_that_names_the_longest(tiny):
    extra = len(tiny.encode(["1"])[0]) - 1
    room = 128 - 100 - extra
    found = prompt_ids(tiny, BARE, of_lengths(room, 3), 100)
    assert [len(ids) for ids in found] == [room + extra, 3 + extra]
    said = rf"2 of 3 prompts do not fit .*; the longest is p2 with {room + 2 + extra}\."
    with pytest.raises(PolicyError, match=said):
        prompt_ids(tiny, BARE, of_lengths(3, room + 1, room + 2), 100)
    with pytest.raises(PolicyError, match=rf"1 of 2 prompts .* is p0 with {room + extra + 1}\."):
        prompt_ids(tiny, BARE, of_lengths(room, 3), 100, ahead=1)


# ------------------------------------------------------------------ files of an evaluation


def row(sample: int, score: float | None = 1.0, **logprobs: float) -> Rollout:
    return Rollout("p", sample, "base", "?", "x", "1", True, 1, score=score, logprobs=logprobs)


def samples(file: Path) -> list[int]:
    return [r.sample for r in rollouts.read(file)]


@pytest.mark.parametrize(("number", "size", "kept"), [(5, 2, 4), (4, 2, 4), (1, 2, 0), (5, 1, 5), (5, 8, 0)])
@pytest.mark.parametrize("torn", [False, True])
def test_a_block_that_was_cut_off_is_drawn_anew(tmp_path, number, size, kept, torn):
    file = tmp_path / "base.jsonl"
    rollouts.append(file, [row(n) for n in range(number)])
    if torn:
        with file.open("a") as stream:
            stream.write('{"problem_id": "p", "sa')
    cut_to_blocks(file, size)
    assert samples(file) == list(range(kept))
    assert not rollouts.is_torn(file)


def test_a_file_is_cut_before_its_first_row_without_a_verdict(tmp_path):
    file = tmp_path / "base.jsonl"
    rollouts.append(file, [row(0, 1.0), row(1, 0.0), row(2, None), row(3, 1.0)])
    forget_unjudged(file)
    assert samples(file) == [0, 1]
    forget_unjudged(file)
    assert samples(file) == [0, 1]
    forget_unjudged(tmp_path / "none.jsonl")
    assert not (tmp_path / "none.jsonl").exists()


def test_a_copied_evaluation_has_its_own_log_probabilities_alone(tmp_path):
    there, into = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    rollouts.append(there, [row(0, base=-1.0, tuned=-2.0), row(1, base=-3.0, tuned=-4.0)])
    rollouts.write_settings(there, {"seed": 7})
    assert rescored(there, "tuned") and rescored(there, "base") and not rescored(there, "step-1")
    copy_own(there, into)
    assert [r.logprobs for r in rollouts.read(into)] == [{"base": -1.0}, {"base": -3.0}]
    assert rollouts.read_settings(into) == {"seed": 7} and not rescored(into, "tuned")
    (tmp_path / "empty.jsonl").touch()
    assert rescored(tmp_path / "empty.jsonl", "tuned")  # nothing is missing there


def test_figures_of_an_evaluation_during_training_are_of_what_was_judged(tmp_path):
    file = tmp_path / "step-1.jsonl"
    scores = {"a": [1.0, 0.5, None], "b": [0.0, 0.0, 0.0], "c": [None, None, None]}
    rollouts.append(
        file,
        [
            Rollout(
                name,
                n,
                "step-1",
                "?",
                "x",
                "1",
                True,
                1,
                score=score,
                status="correct" if score else "incorrect",
            )
            for name, own in scores.items()
            for n, score in enumerate(own)
        ],
    )
    found = pass_rates(file, 2)
    assert found["eval/pass@1"] == pytest.approx((1 / 2 + 0) / 2)
    assert found["eval/pass@2"] == pytest.approx((1 + 0) / 2)
    assert found["eval/samples"] == 5


def evaluator(**keys: Any) -> Evaluator:
    config = quickstart_config(verifier="math", verifier_options={}, **keys)
    return Evaluator(config, BARE, None, Terminal(quiet=True))  # type: ignore[arg-type]


HELD = [Problem("p0", "1+1=", "2"), Problem("p1", "2+2=", "4")]
INFORMS = {"versions": {"python": "1"}, "first_prompt": "other", "prompt_tokens": 9.5}
OTHER = {
    "policy": "tuned", "model": "other", "adapter": "a", "revision": "v2", "dtype": "bfloat16", "n_problems": 3,
    "samples": 9, "temperature": 0.5, "top_p": 0.9, "top_k": 4, "min_p": 0.1, "max_new_tokens": 7, "stop": ["Q"],
    "end_tokens": ["x"], "verifier": "exact", "verifier_options": {"percent": "free"}, "evidence": {"shots": 3},
    "seed": 5,
}  # fmt: skip


def test_what_stands_beside_a_file_is_what_it_was_drawn_with(tiny, tmp_path):
    sampling = SamplingConfig(
        samples=3, temperature=0.7, top_p=0.9, top_k=5, min_p=0.1, max_new_tokens=11, stop=["Q:"]
    )
    found = evaluator(sampling=sampling, seed=4, revision="v1").settings(tiny, HELD, 6)
    expected = {
        "policy": tiny.name, "model": tiny.source, "adapter": None, "revision": "v1", "dtype": "float32",
        "n_problems": 2, "samples": 6, "temperature": 0.7, "top_p": 0.9, "top_k": 5, "min_p": 0.1,
        "max_new_tokens": 11, "stop": ["Q:"], "verifier": "math", "verifier_options": {}, "first_prompt": "1+1=",
        "seed": 4,
    }  # fmt: skip
    assert {key: found[key] for key in expected} == expected
    assert (
        found["end_tokens"] and found["evidence"]["question"] == "{prompt}" and "torch" in found["versions"]
    )
    assert set(OTHER) | {"versions", "first_prompt"} == set(found)
    served = evaluator(sampling=sampling.model_copy(update={"engine": "http"}))
    assert served.settings(tiny, HELD, 6)["dtype"] is None  # a server does not say it


@pytest.mark.parametrize("key", OTHER)
def test_a_file_of_other_settings_is_not_continued(tiny, tmp_path, key):
    own, file = evaluator(), tmp_path / "base.jsonl"
    held = own.settings(tiny, HELD, 4)
    rollouts.write_settings(file, held | INFORMS)
    own.settings_for(tiny, HELD, file, 4)
    rollouts.write_settings(file, held | {key: OTHER[key]})
    with pytest.raises(UserError, match=rf"base\.jsonl: was drawn under other settings \({key}"):
        own.settings_for(tiny, HELD, file, 4)


def test_a_file_of_before_end_tokens_were_written_down_can_be_continued(tiny, tmp_path):
    own, file = evaluator(), tmp_path / "base.jsonl"
    held = own.settings(tiny, HELD, 4)
    rollouts.write_settings(file, {k: v for k, v in held.items() if k != "end_tokens"})
    own.settings_for(tiny, HELD, file, 4)
    assert own.settings_for(tiny, HELD, tmp_path / "new.jsonl")["samples"] == own.config.sampling.samples


def test_who_judges_a_source_and_what_a_mixed_file_says():
    asked = evaluator()
    by_source = {"a": SourceVerifier("exact", {"x": 1}, 0.5), "b": SourceVerifier("math")}
    mixed = Evaluator(asked.config, BARE, None, asked.terminal, verifiers=by_source)  # type: ignore[arg-type]
    problems = [Problem(name, "?", "1", source=name) for name in ("a", "b", "")]
    assert [mixed.verifier_of(p).name for p in problems] == ["exact", "math", "math"]
    assert mixed.judged_by(problems[:1]) == {
        "verifier": "exact", "verifier_options": {"x": 1}, "pass_mark": 0.5,
        "sources": {"a": {"verifier": "exact", "verifier_options": {"x": 1}, "pass_mark": 0.5}},
    }  # fmt: skip
    both = mixed.judged_by(problems)
    assert both["verifier"] == "exact / math" and set(both["sources"]) == {"a", "b"}
    assert "verifier_options" not in both
    assert asked.judged_by(problems[2:]) == {"verifier": "math", "verifier_options": {}}
    assert mixed.evidences == [BARE]


def test_an_evaluation_is_complete_with_every_sample(tmp_path):
    asked = evaluator(sampling=SamplingConfig(samples=3))
    rollouts.append(tmp_path / "base.jsonl", [row(n) for n in range(6)])
    assert asked.complete(HELD, tmp_path / "base.jsonl")
    assert asked.complete(HELD, tmp_path / "base.jsonl", samples=3)
    assert not asked.complete(HELD, tmp_path / "base.jsonl", samples=2)
    assert not asked.complete(HELD[:1], tmp_path / "base.jsonl")


# ------------------------------------------------------------------ what a run asks for


@pytest.mark.parametrize(
    ("keys", "cut"),
    [
        ({}, False),
        ({"top_p": 0.99}, True),
        ({"top_k": 1}, True),
        ({"min_p": 0.01}, True),
        ({"temperature": 0.5}, False),
    ],
)
def test_distances_between_policies_need_whole_distributions(tmp_path, keys, cut):
    config = quickstart_config(sampling=SamplingConfig.model_validate(keys))
    assert pipeline.truncated(config) == cut
    run = Run(tmp_path)
    (tmp_path / "rollouts").mkdir()
    for name in ("base", "tuned", "step-10", "step-9"):
        rollouts.append(run.rollouts(name), [row(0, base=-1.0)])
    found = pipeline.unscored(config, run)
    assert found == ({"base": [], "tuned": []} if cut else {"base": [], "tuned": [run.rollouts("base")]})
    rollouts.rewrite(run.rollouts("step-10"), [row(0, **{"step-10": -1.0})])
    rollouts.rewrite(run.rollouts("base"), [row(0, base=-1.0, tuned=-2.0)])
    found = pipeline.unscored(config, run)
    assert found == ({"base": [], "tuned": []} if cut else {"base": [run.rollouts("step-10")], "tuned": []})


def test_which_sets_a_policy_is_asked_and_where_its_rows_go(tmp_path):
    problems = Problems([], HELD, {"rare": HELD[:1]})
    run = Run(tmp_path)
    assert pipeline.questions("tuned", problems, run) == [
        ("held-out", HELD, tmp_path / "rollouts" / "tuned.jsonl"),
        ("rare", HELD[:1], tmp_path / "rollouts" / "tuned.rare.jsonl"),
    ]
    asked = evaluator(sampling=SamplingConfig(samples=1))
    done = lambda name: pipeline.is_done(name, asked.config, problems, asked, run)  # noqa: E731
    (tmp_path / "rollouts").mkdir()
    assert not done("base") and not done("train")
    rollouts.append(run.rollouts("base"), [row(0, base=-1.0), row(1, base=-1.0)])
    assert not done("base")  # the probe is missing
    rollouts.append(run.rollouts("base.rare"), [row(0, base=-1.0)])
    rollouts.append(run.rollouts("tuned"), [row(0, tuned=-1.0)])
    assert done("base") and not done("rescore") and not done("tuned")
    run.model.mkdir()
    assert done("train")
    assert list(pipeline.PHASES) == ["base", "train", "tuned", "rescore"]


def test_the_bases_rows_of_a_sibling_are_copied_unless_there_are_some(tmp_path):
    sibling, run = Run(tmp_path / "a"), Run(tmp_path / "b")
    for folder in (sibling.folder, run.folder):
        (folder / "rollouts").mkdir(parents=True)
    for name in ("base", "base.rare", "tuned"):
        rollouts.append(sibling.rollouts(name), [row(3, base=-1.0, tuned=-2.0)])
    pipeline.take_base(sibling, run, Terminal(quiet=True))
    there = sorted(path.name for path in (run.folder / "rollouts").glob("*.jsonl"))
    assert there == ["base.jsonl", "base.rare.jsonl"]
    assert [r.logprobs for r in rollouts.read(run.rollouts("base"))] == [{"base": -1.0}]
    rollouts.rewrite(run.rollouts("base"), [row(9, base=-1.0)])
    run.rollouts("base.rare").unlink()
    pipeline.take_base(sibling, run, Terminal(quiet=True))
    assert samples(run.rollouts("base")) == [9] and not run.rollouts("base.rare").exists()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (UserError("no such model"), "no such model"),
        (RunError("judges nothing"), "judges nothing"),
        (KeyError("x"), "KeyError('x')"),
        (PhaseError("it said why", 3), None),
    ],
)
def test_what_stops_a_run_is_written_down_and_goes_on_its_way(tmp_path, error, words):
    run = Run(tmp_path)
    with pytest.raises(type(error)), pipeline.noting_failure(run):
        raise error
    assert run.record.get("failed") == words
    pipeline.note_failure(run, None)
    assert run.record.get("failed") is None


@pytest.mark.parametrize(
    ("steps", "every", "keys", "due"),
    [
        (6, 2, {}, [2, 4]),  # after the last step the tuned evaluation follows
        (6, 2, {"keep": "best"}, [2, 4, 6]),
        (7, 3, {"stop": {"at": 0.9}}, [3, 6, 7]),
        (6, 0, {}, []),
    ],
)
def test_after_which_steps_the_policy_is_evaluated(tmp_path, monkeypatch, steps, every, keys, due):
    seen: list[Any] = []
    monkeypatch.setattr("rlvr.training.train", lambda *args: seen.append(args) or tmp_path)
    train = TrainConfig.model_validate({"steps": steps, "eval_every": every} | keys)
    asked = evaluator(train=train)
    pipeline.train(asked.config, Problems(HELD, HELD), asked, Run(tmp_path))
    ((*_, found, _),) = seen
    assert [step for step in range(1, steps + 1) if found(step)] == due


# ------------------------------------------------------------------ how many rows at once


def test_rows_that_are_decoded_at_once_are_whole_sixteens_between_16_and_1024():
    cases = {(0, 1): 16, (100, 1): 96, (31, 1): 16, (32, 1): 32, (10**9, 1): 1024, (1000, 10): 96}
    assert {case: rows_within(*case) for case in cases} == cases


def test_a_batch_fits_its_cache_and_logits_into_the_budget(tiny):
    """Of each token the keys and values of all layers, of each row its logits twice, in 32 bits."""
    config = tiny.model.config
    per_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 4
    assert abilities(tiny).bytes_per_token == per_token
    length = CPU_BUDGET // per_token // 300
    settings = SamplingConfig(max_new_tokens=length // 2)
    prompts = [[1] * (length - length // 2), [1]]
    sampler = TransformersSampler(tiny, settings)
    expected = CPU_BUDGET // (per_token * length + 8 * config.vocab_size) // 16 * 16
    assert 200 < expected <= 300
    assert sampler.block_size(prompts) == 8 * expected
    asked = TransformersSampler(tiny, settings.model_copy(update={"batch_size": 5}))
    assert asked.block_size(prompts) == 40


@pytest.mark.parametrize(
    ("lengths", "cut"),
    [
        ([], []),
        ([10] * 5, [5]),
        ([10, 12], [2]),
        ([10, 20], [1, 1]),  # 40 tokens are read for 30, a third too many
        ([1] * 300, [256, 44]),
        ([1024] * 5, [4, 1]),  # 4,096 tokens
        ([5000, 10], [1, 1]),
        ([20, 19, 10, 10], [3, 1]),
    ],
)
def test_prompts_are_read_together_where_little_of_it_is_padding(lengths, cut):
    found = list(runs(lengths))
    assert [len(run) for run in found] == cut
    assert [i for run in found for i in run] == list(range(len(lengths)))


def test_no_figure_of_an_evaluation_is_made_of_nothing(tmp_path):
    file = tmp_path / "step-1.jsonl"
    rollouts.append(
        file, [Rollout("a", n, "step-1", "?", "x", "1", True, 1, score=s) for n, s in enumerate((1.0, 0.25))]
    )
    found = pass_rates(file, 4)
    assert "eval/pass@4" not in found and found["eval/pass@1"] == 0.5
    assert not any(math.isnan(value) for value in found.values())
    assert found["eval/samples"] == 2
