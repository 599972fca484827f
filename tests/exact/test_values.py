"""The exact lines of a report: two real policies, the run's own verifier, the registry's world."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from rlvr import config as configuration
from rlvr import pipeline, worlds
from rlvr.exact import exact_values
from rlvr.exact.enumerate import law_tables
from rlvr.run import Run
from rlvr.terminal import Terminal
from rlvr.worlds import carry


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run folder whose tuned model is the shipped one, pushed somewhere else."""
    folder = tmp_path_factory.mktemp("run")
    model = AutoModelForCausalLM.from_pretrained(carry.TINY)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * p.std() * torch.randn(p.shape, generator=generator) if p.dim() > 1 else 0.0
    model.save_pretrained(folder / "model")
    AutoTokenizer.from_pretrained(carry.TINY).save_pretrained(folder / "model")
    return Run(folder)


def values(run, *words, heldout="{world: heldout, limit: 3}"):
    words = [f"problems.heldout={heldout}", "problems.probes={}", "verification.workers=1", *words]
    config = configuration.load(configuration.find("quickstart"), words)
    with pipeline.prepare(config, Terminal(quiet=True)) as (problems, evaluator):
        return exact_values(config, problems, evaluator, run)


def test_both_policies_agree_with_their_tables_over_the_law(run):
    """Under answers alone, what is reached beyond the law adds at most the law's missing mass."""
    found = values(run, "verifier=math", "verifier_options={}")
    assert found is not None
    problems = carry.problems("heldout", 3)
    assert found["per_problem"]["problem_id"] == [p.id for p in problems]
    tokenizer = AutoTokenizer.from_pretrained(carry.TINY)
    for name, folder in (("base", carry.TINY), ("tuned", run.model)):
        model = AutoModelForCausalLM.from_pretrained(folder)
        law = law_tables(carry.WORLD, model, tokenizer, problems)
        for rate, table in zip(found["per_problem"][f"{name}_pass_at_1"], law, strict=True):
            assert table.pass_at_1 - 1e-3 <= rate <= table.pass_at_1 + table.outside + 1e-6
        assert found[name]["mass_outside_support"] < np.mean([t.outside for t in law])
        assert set(found[name]["strategies"]) == {*carry.STRATEGIES, "elsewhere"}
    assert found["divergence"]["kl_base"] > 0.01


def test_the_verifier_of_the_run_decides_what_is_right(run):
    """The quickstart refuses a right answer without sound steps; `math` looks at the answer alone."""
    strict, lenient = values(run), values(run, "verifier=math", "verifier_options={}")
    assert strict is not None and lenient is not None
    assert strict["base"]["sound_share_of_verified"] > 0.99 > lenient["base"]["sound_share_of_verified"]
    assert strict["base"]["pass_at_k"]["1"] < lenient["base"]["pass_at_k"]["1"]


def test_the_world_is_asked_from_the_registry(run, monkeypatch):
    """The same problems under another law, in which every trace has one strategy."""

    class OneStrategy:
        name, model, splits, strategies = "one", carry.TINY, carry.SPLITS, ("any",)
        problems, is_right = staticmethod(carry.problems), staticmethod(carry.is_right)

        @staticmethod
        def support(problem):
            return tuple(dataclasses.replace(t, strategy="any") for t in carry.support(problem))

    monkeypatch.setitem(worlds.WORLDS, "one", OneStrategy())
    ours, other = values(run), values(run, heldout="{world: one/heldout, limit: 3}")
    assert ours is not None and other is not None
    assert set(other["base"]["strategies"]) == {"any", "elsewhere"}
    assert other["base"]["pass_at_k"] == ours["base"]["pass_at_k"]
    assert values(run, heldout="{world: carry/heldout, limit: 3}") == ours


def test_problems_without_a_law_are_enumerated_all_the_same(run):
    found = values(run, "sampling.max_new_tokens=4", heldout="{world: unreachable, limit: 2}")
    assert found is not None
    assert found["base"]["pass_at_k"]["256"] == 0
    assert found["base"]["sound_share_of_verified"] is None


@pytest.mark.parametrize(
    "words",
    [
        ["train.steps=0", "sampling.temperature=0"],
        ["sampling.top_p=0.9"],
        ["sampling.top_k=5"],
        ["sampling.min_p=0.1"],
        ["sampling.stop=['=']"],
        ["evidence.shots=1"],
    ],
)
def test_nothing_is_claimed_where_other_than_the_policy_is_sampled(run, words):
    assert values(run, *words) is None


def test_nothing_is_claimed_of_problems_of_no_world(run, tmp_path):
    file = tmp_path / "rows.jsonl"
    file.write_text('{"prompt": "1+1=", "reference": "2"}\n')
    assert values(run, heldout=f"{{file: {file}}}") is None


def test_a_policy_that_spreads_over_too_many_traces_has_no_exact_values(run, tmp_path):
    """Random weights give every continuation about the same probability: millions of prefixes above the floor."""
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(carry.TINY)).save_pretrained(
        tmp_path / "model"
    )
    AutoTokenizer.from_pretrained(carry.TINY).save_pretrained(tmp_path / "model")
    assert values(Run(tmp_path), heldout="{world: heldout, limit: 16}") is None
    assert values(run, heldout="{world: heldout, limit: 16}") is not None
