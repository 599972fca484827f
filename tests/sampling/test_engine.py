"""The engine draws what transformers' `generate` would draw, and says with which probability."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from transformers import GenerationConfig

from rlvr.config import SamplingConfig
from rlvr.sampling import SampleRequest
from rlvr.sampling.draw import Distribution
from rlvr.sampling.driver import Request, row_seed, sample_seed
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.score import Written, logprobs
from verifiers import Problem

PROMPTS = ["37+48=", "91-58=", "25+36=", "40-17="]


def draw(policy, rows, prompts=PROMPTS, **settings):
    settings = SamplingConfig(**{"max_new_tokens": 32, **settings})
    return TransformersSampler(policy, settings).generate(policy.encode(prompts), rows)


def rows_for(prompt: int, n: int, stream: str = "test") -> list[SampleRequest]:
    return [SampleRequest(prompt, row_seed(0, stream, str(prompt), s)) for s in range(n)]


def reference_generate(policy, prompts, **kwargs):
    inputs = policy.tokenizer(prompts, return_tensors="pt", padding=True)
    with torch.no_grad():
        out = policy.model.generate(**inputs, max_new_tokens=32, **kwargs)
    return out[:, inputs["input_ids"].shape[1] :].tolist()


def cut(ids: list[int], eos: int) -> tuple[int, ...]:
    return tuple(ids[: ids.index(eos) + 1]) if eos in ids else tuple(ids)


def test_greedy_decoding_equals_generate_token_for_token(tiny):
    prompts = [*PROMPTS, "12+9=", "100000+1="]  # of several lengths, so that there is padding
    ours = draw(tiny, [SampleRequest(i, 0) for i in range(len(prompts))], prompts, temperature=0)
    theirs = reference_generate(tiny, prompts, do_sample=False)
    eos = tiny.tokenizer.eos_token_id
    assert [tuple(c.token_ids) for c in ours] == [cut(ids, eos) for ids in theirs]


def p_value(ours: Counter, theirs: Counter) -> float:
    """Chi-square on the commonest traces, equally many draws of each."""
    n = ours.total()
    common = [trace for trace, count in (ours + theirs).most_common(40) if count >= 20]
    table = np.array(
        [[counts[t] for t in common] + [n - sum(counts[t] for t in common)] for counts in (ours, theirs)]
    )
    return float(stats.chi2_contingency(table[:, table.sum(0) > 0])[1])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "settings",
    [{}, {"temperature": 0.7}, {"top_k": 3}, {"top_p": 0.8}, {"min_p": 0.2}],
    ids=lambda s: str(s) or "plain",
)
def test_same_distribution_as_generate(tiny, settings):
    """2,000 draws of each; another temperature is found out by the same number of draws."""
    n = 2000
    torch.manual_seed(0)
    ours = Counter(tuple(c.token_ids) for c in draw(tiny, rows_for(0, n), **settings))
    theirs = Counter()
    options = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} | settings
    for ids in reference_generate(tiny, [PROMPTS[0]] * n, do_sample=True, **options):
        theirs[cut(ids, tiny.tokenizer.eos_token_id)] += 1
    assert p_value(ours, theirs) > 1e-3
    other = settings | {"temperature": options["temperature"] * 0.6}
    assert p_value(Counter(tuple(c.token_ids) for c in draw(tiny, rows_for(0, n), **other)), theirs) < 1e-3


@pytest.mark.parametrize("temperature", [0.7, 1.0, 1.5])
def test_truncation_is_that_of_generate_in_its_order(tiny, temperature):
    """Each rule sees what the one before it left, so the order can be seen in the probabilities."""
    rules = {"top_k": 12, "top_p": 0.8, "min_p": 0.1}
    config = GenerationConfig(do_sample=True, temperature=temperature, **rules)
    warpers = tiny.model._get_logits_processor(generation_config=config)
    logits = 2 * torch.randn(500, 50, generator=torch.Generator().manual_seed(0))
    expected = warpers(torch.zeros(500, 1, dtype=torch.long), logits.clone()).softmax(-1)
    ours = Distribution(SamplingConfig(temperature=temperature, **rules))
    uniform = torch.linspace(0, 1, 500, dtype=torch.float64).clamp(max=1 - 1e-9)
    drawn = ours.draw(logits, torch.arange(500), uniform)
    exact = expected.gather(-1, drawn.tokens[:, None])[:, 0]
    torch.testing.assert_close(drawn.sampling_logprobs.exp(), exact, rtol=1e-4, atol=1e-6)
    raw = logits.log_softmax(-1).gather(-1, drawn.tokens[:, None])[:, 0]
    torch.testing.assert_close(drawn.raw_logprobs, raw, rtol=1e-4, atol=1e-5)
    assert (expected == 0).any(1).all() and (exact > 0).all()


def test_a_row_does_not_depend_on_its_batch(tiny):
    together = draw(tiny, [row for p in range(4) for row in rows_for(p, 8)])
    alone = [draw(tiny, [row])[0] for p in range(4) for row in rows_for(p, 8)]
    small = draw(tiny, [row for p in range(4) for row in rows_for(p, 8)], batch_size=5)
    assert [c.token_ids for c in together] == [c.token_ids for c in alone] == [c.token_ids for c in small]


def test_two_draws_that_differ_in_anything_have_other_random_numbers():
    """So base and tuned policy, two steps, two problems and two samples are independent, and another run is too."""
    request, other = Request(Problem("p", "1+1", "2"), 0, "base"), Problem("q", "1+1", "2")
    draws = [
        (0, request),
        (1, request),
        (0, replace(request, sample=1)),
        (0, replace(request, problem=other)),
    ]
    draws += [(0, replace(request, stream=name)) for name in ("tuned", "step-1", "step-2")]
    seeds = [sample_seed(*draw) for draw in draws]
    assert len(set(seeds)) == len(seeds) and all(0 <= seed < 2**63 for seed in seeds)
    assert [sample_seed(*draw) for draw in draws] == seeds


def test_other_seeds_draw_other_traces(tiny):
    traces = {tuple(c.token_ids) for c in draw(tiny, rows_for(0, 64))}
    assert len(traces) > 5


@pytest.mark.parametrize("temperature", [1.0, 0.6])
def test_logprobs_are_those_of_a_plain_forward_pass(tiny, temperature):
    prompts = [*PROMPTS, "9+4="]
    rows = [row for p in range(5) for row in rows_for(p, 6)]
    drawn = draw(tiny, rows, prompts, temperature=temperature)
    ids = tiny.encode(prompts)
    for row, completion in zip(rows, drawn, strict=True):
        prompt = ids[row.prompt]
        with torch.no_grad():
            logits = tiny.model(torch.tensor([prompt + completion.token_ids])).logits[0, len(prompt) - 1 : -1]
        plain = (logits / temperature).log_softmax(-1)[range(len(completion.token_ids)), completion.token_ids]
        assert completion.logprobs == pytest.approx(plain.tolist(), abs=1e-4)


def written(prompt: int, token_ids: list[int]) -> Written:
    """Tokens that are all the policy's."""
    return Written(prompt, token_ids, [True] * len(token_ids))


def test_rescoring_gives_the_logprobs_of_sampling(tiny):
    rows = [row for p in range(4) for row in rows_for(p, 10)]
    drawn = draw(tiny, rows)
    nats = logprobs(
        tiny,
        tiny.encode(PROMPTS),
        [written(r.prompt, c.token_ids) for r, c in zip(rows, drawn, strict=True)],
        1.0,
    )
    assert nats == pytest.approx([sum(c.logprobs) for c in drawn], abs=1e-4)


def test_an_empty_completion_has_probability_one(tiny):
    assert logprobs(tiny, tiny.encode(PROMPTS), [written(0, []), written(1, [5, 6])], 1.0)[0] == 0.0


def test_a_completion_is_complete_when_it_ends_by_itself(tiny):
    eos = tiny.tokenizer.eos_token_id
    for completion in draw(tiny, rows_for(0, 200), max_new_tokens=14):
        assert completion.complete == (completion.token_ids[-1] == eos)
        assert len(completion.token_ids) <= 14
    assert not all(c.complete for c in draw(tiny, rows_for(0, 200), max_new_tokens=3))


def test_texts_are_the_decoded_tokens_without_special_ones(tiny):
    for completion in draw(tiny, rows_for(1, 50)):
        assert completion.text == tiny.tokenizer.decode(completion.token_ids, skip_special_tokens=True)
        assert "<" not in completion.text


SHOWN = "37+48=7+8=15 carry 10, 10+30+40+5=85\n\n"
"""Before each question, as worked examples are; long enough to be read apart."""


def test_what_all_prompts_begin_with_is_read_once_and_changes_no_distribution(tiny):
    prompts = [SHOWN + question for question in ("91-58=", "7+5=", "100+200=")]  # so that there is padding
    ids = tiny.encode(prompts)
    shown = next(i for i in range(len(ids[0])) if len({row[i] for row in ids}) > 1)
    draw(tiny, [SampleRequest(0, 0)])  # what the model can do is tried before
    read = list[int]()
    handle = tiny.model.register_forward_pre_hook(
        lambda model, args, kwargs: read.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    try:
        drawn = draw(tiny, [row for i in range(3) for row in rows_for(i, 8)], prompts)
    finally:
        handle.remove()
    assert read[:2] == [shown, 3 * (max(map(len, ids)) - shown)]
    rows = [written(i // 8, completion.token_ids) for i, completion in enumerate(drawn)]
    plain = logprobs(tiny, ids, rows, 1.0)
    assert [sum(completion.logprobs) for completion in drawn] == pytest.approx(plain, abs=1e-3)
