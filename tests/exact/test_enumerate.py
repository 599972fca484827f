"""Exact tables against naive scoring, against sampling, and against themselves."""

import json
import math

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr.exact.compare import divergences, exact_comparison, summary
from rlvr.exact.enumerate import law_tables, law_trees, plant, trace_logprobs
from rlvr.exact.table import Table
from rlvr.worlds import carry


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(carry.TINY)


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(carry.TINY)


@pytest.fixture(scope="module")
def moved():
    """The shipped network, pushed somewhere else: every exact statement must hold for it too."""
    model = AutoModelForCausalLM.from_pretrained(carry.TINY)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for p in model.parameters():
            p += 0.1 * p.std() * torch.randn(p.shape, generator=generator) if p.dim() > 1 else 0.0
    return model


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_tree_agrees_with_one_trace_at_a_time(model, tokenizer, temperature):
    problems = carry.problems("heldout", 2) + carry.problems("rare", 1)
    packed = trace_logprobs(model, tokenizer, law_trees(carry.WORLD, problems, tokenizer), temperature)
    for problem, table in zip(problems, packed, strict=True):
        prompt = tokenizer.encode(problem.prompt)
        for trace, logp in zip(carry.support(problem), table, strict=True):
            answer = [*tokenizer.encode(trace.text, add_special_tokens=False), tokenizer.eos_token_id]
            ids = torch.tensor([prompt + answer])
            with torch.no_grad():
                steps = (model(ids).logits[0].double() / temperature).log_softmax(-1)
            naive = sum(steps[len(prompt) + i - 1, token].item() for i, token in enumerate(answer))
            assert logp == pytest.approx(naive, abs=1e-4)


def test_tree_refuses_a_trace_that_starts_another():
    with pytest.raises(ValueError, match="distinct complete traces"):
        plant([5], [[6, 7], [6, 7, 8]])


def test_enumeration_agrees_with_sampling(model, tokenizer):
    """512 samples of one problem: each trace's count, and the right ones together, within 4.5 sigma."""
    n, problem = 512, carry.problems("heldout", 2)[1]
    table = law_tables(carry.WORLD, model, tokenizer, [problem])[0]
    torch.manual_seed(0)
    prompt = tokenizer([problem.prompt] * n, return_tensors="pt")
    out = model.generate(**prompt, do_sample=True, top_k=0, max_new_tokens=carry.MAX_NEW_TOKENS)
    texts = tokenizer.batch_decode(out[:, prompt.input_ids.shape[1] :], skip_special_tokens=True)
    expected = dict(zip((t.text for t in table.traces), np.exp(table.logp), strict=False))
    expected["right"], expected["elsewhere"] = table.pass_at_1, table.outside
    counts = {text: texts.count(text) for text in expected}
    counts["right"] = sum(text.endswith(f"\\boxed{{{problem.reference}}}") for text in texts)
    counts["elsewhere"] = sum(text not in expected for text in texts)
    for text, p in expected.items():
        assert abs(counts[text] - n * p) <= 4.5 * math.sqrt(n * p * (1 - p)) + 1, text


def test_shipped_network_meets_the_world(model, tokenizer):
    heldout = summary(carry.WORLD, law_tables(carry.WORLD, model, tokenizer, carry.problems("heldout")))
    assert 0.03 <= heldout["pass_at_k"]["1"] <= 0.25
    assert heldout["pass_at_k"]["16"] >= 0.5
    assert heldout["pass_at_k"]["64"] >= 0.93
    assert 0.3 <= heldout["sound_share_of_verified"] <= 0.7
    assert heldout["mass_outside_support"] <= 0.02
    for table in law_tables(carry.WORLD, model, tokenizer, carry.problems("rare")):
        assert 1e-6 <= table.pass_at_1 <= 5e-5


def test_chain_rule_holds_exactly(model, moved, tokenizer):
    problems = carry.problems("heldout", 8)
    base, tuned = (law_tables(carry.WORLD, m, tokenizer, problems) for m in (model, moved))
    for b, t in zip(base, tuned, strict=True):
        kl_base, kl_success, kl_forward, kl_wrong, _ = divergences(b, t).values()
        assert None not in (kl_base, kl_success, kl_forward, kl_wrong)
        parts = np.array([kl_success, kl_forward, kl_wrong]) @ [1.0, t.pass_at_1, 1 - t.pass_at_1]
        assert kl_base == pytest.approx(parts, rel=1e-9, abs=1e-12)
        assert parts > 0.01  # the network did move


def test_the_posterior_itself_costs_ln_one_over_p(model, tokenizer):
    """π = π*: KL(π‖p0) = ln(1/p), and nothing is spent beside success."""
    base = law_tables(carry.WORLD, model, tokenizer, carry.problems("heldout", 1))[0]
    with np.errstate(divide="ignore"):
        star = Table(base.traces, np.log(base.posterior()), base.verified)
    d = divergences(base, star)
    assert d["kl_base"] == pytest.approx(-math.log(base.pass_at_1))
    assert d["kl_success"] == pytest.approx(d["kl_base"])
    assert d["kl_forward"] == pytest.approx(0, abs=1e-9)
    assert d["kl_reverse"] == pytest.approx(0, abs=1e-9)
    assert d["kl_wrong"] is None
    assert star.pass_at_k(5) == 1.0


def test_a_base_that_is_never_right_has_no_posterior(model, tokenizer):
    problems = carry.problems("heldout", 2)
    tuned = law_tables(carry.WORLD, model, tokenizer, problems)
    base = [Table(t.traces, np.where(t.verified, -np.inf, t.logp), t.verified) for t in tuned]
    assert all(np.isnan(t.posterior()).all() for t in base)
    found = exact_comparison(carry.WORLD, problems, base, tuned)
    assert set(found["base"]["posterior_strategies"].values()) == {None}
    d = divergences(base[0], tuned[0])
    assert (d["kl_forward"], d["kl_reverse"]) == (None, None)
    assert d["kl_base"] == d["kl_success"] == math.inf
    assert found["kl_efficiency"] is None
    one_of_two = summary(carry.WORLD, [base[0], tuned[1]])["posterior_strategies"]
    assert sum(one_of_two.values()) == pytest.approx(1)


def test_the_strategies_of_the_posterior_are_those_of_verified_traces(model, tokenizer):
    """By hand from the traces' probabilities, of all of them and of those that are verified."""
    tables = law_tables(carry.WORLD, model, tokenizer, carry.problems("heldout", 3))
    found = summary(carry.WORLD, tables)
    for name, condition in (
        ("strategies", lambda right: True),
        ("posterior_strategies", lambda right: right),
    ):
        for strategy in carry.STRATEGIES:
            shares = []
            for table in tables:
                chances = [
                    (math.exp(nats), trace.strategy)
                    for trace, nats, right in zip(table.traces, table.logp, table.verified, strict=False)
                    if condition(right)
                ]
                whole = sum(chance for chance, _ in chances)
                whole += 0 if name.startswith("posterior") else table.outside
                shares.append(sum(chance for chance, own in chances if own == strategy) / whole)
            assert found[name][strategy] == pytest.approx(np.mean(shares)), (name, strategy)
    assert found["posterior_strategies"]["elsewhere"] == 0 < found["strategies"]["elsewhere"]
    assert found["strategies"] != found["posterior_strategies"]


def test_comparison_of_a_policy_with_itself_and_with_another(model, moved, tokenizer):
    problems = carry.problems("heldout", 6)
    base = law_tables(carry.WORLD, model, tokenizer, problems)
    same = exact_comparison(carry.WORLD, problems, base, base)
    surprise = same["divergence"].pop("kl_reverse")
    assert surprise == pytest.approx(-np.mean(np.log(same["per_problem"]["base_pass_at_1"])))
    assert same["divergence"] == dict.fromkeys(same["divergence"], 0.0)
    assert same["kl_efficiency"] is None
    cold = [law_tables(carry.WORLD, m, tokenizer, problems, temperature=0.8) for m in (model, moved)]
    other = exact_comparison(carry.WORLD, problems, *cold, temperature=0.8)
    assert 0 <= other["kl_efficiency"] <= 1
    assert other["base"]["strategies"]["elsewhere"] == pytest.approx(other["base"]["mass_outside_support"])
    for name in ("base", "tuned"):
        assert sum(other[name]["strategies"].values()) == pytest.approx(1)
        assert sum(other[name]["posterior_strategies"].values()) == pytest.approx(1)
        rates = other["per_problem"][f"{name}_pass_at_1"]
        assert np.mean(rates) == pytest.approx(other[name]["pass_at_k"]["1"])
    assert json.loads(json.dumps(other)) == other


def test_problems_without_a_law_are_refused(model, tokenizer):
    with pytest.raises(ValueError, match="unreachable-0000"):
        law_tables(carry.WORLD, model, tokenizer, carry.problems("unreachable", 1))
