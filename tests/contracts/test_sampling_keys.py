"""What each key of `sampling` does: to the distribution that tokens are drawn from, to where completions end, to what
vLLM is started with, and to how servers are asked."""

import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import replace
from itertools import accumulate
from threading import Thread
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pytest
import torch
from scipy import stats

from rlvr import rollouts
from rlvr.config import SamplingConfig
from rlvr.errors import RunError, UserError
from rlvr.evaluation import Evaluator
from rlvr.evidence import Evidence
from rlvr.preflight.parts import check_engine
from rlvr.sampling import SampleRequest, load_sampler, takes_vllm, vllm_engine
from rlvr.sampling.driver import row_seed
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.http import from_servers
from rlvr.sampling.vllm import VllmSampler
from rlvr.terminal import Terminal
from rlvr.worlds import carry
from tests.conftest import quickstart_config
from tests.contracts.keys import shows
from tests.sampling.served_policy import serving
from verifiers.pool import VerifierPool

PROMPT = "37+48="


def draw(tiny, n=200, **settings):
    rows = [SampleRequest(0, row_seed(0, "contract", "p", sample)) for sample in range(n)]
    sampler = TransformersSampler(tiny, SamplingConfig.model_validate({"max_new_tokens": 32} | settings))
    return sampler.generate(tiny.encode([PROMPT]), rows)


# ------------------------------------------------------------------ the distribution


@pytest.fixture(scope="module")
def first_token(tiny):
    """The prompt, and the policy's logits of what comes after it: three tokens are likely there."""
    (ids,) = tiny.encode([PROMPT])
    with torch.no_grad():
        logits = tiny.model(torch.tensor([ids])).logits[0, -1].double()
    return ids, logits.numpy()


def softmax(logits, temperature=1.0):
    shifted = np.exp((logits - logits.max()) / temperature)
    return shifted / shifted.sum()


def kept(p, keep):
    """Truncation by definition: what is kept, as shares of it."""
    q = np.where(keep, p, 0.0)
    return q / q.sum()


def nucleus(p, mass):
    """The likeliest tokens, up to the one with which they have at least this mass (Holtzman et al. 2020)."""
    order = np.argsort(-p)
    needed = next(n for n, total in enumerate(accumulate(p[order]), start=1) if total >= mass)
    return np.isin(np.arange(len(p)), order[:needed])


def first_tokens(tiny, ids, n=1500, **settings):
    rows = [SampleRequest(0, row_seed(0, "contract", "p", sample)) for sample in range(n)]
    sampler = TransformersSampler(tiny, SamplingConfig.model_validate({"max_new_tokens": 1} | settings))
    return Counter(c.token_ids[0] for c in sampler.generate([ids], rows))


def p_value(found, p):
    """Chi-square of counts against probabilities; 0 where something was drawn that cannot be."""
    counts = np.array([found.get(i, 0) for i in range(len(p))])
    if counts[p == 0].any():
        return 0.0
    common = p * counts.sum() >= 5
    observed = np.append(counts[common], counts[~common].sum())
    expected = np.append(p[common], p[~common].sum()) * counts.sum()
    here = expected > 0
    return float(stats.chisquare(observed[here], expected[here]).pvalue) if here.sum() > 1 else 1.0


@shows("sampling.temperature", "sampling.top_p", "sampling.top_k", "sampling.min_p")
def test_tokens_are_drawn_from_the_distribution_that_the_keys_define(tiny, first_token):
    ids, logits = first_token
    p = softmax(logits)
    rank = np.argsort(np.argsort(-p))
    assert (p > 0.02).sum() >= 3, "too few tokens are likely here: this test has lost its point"
    half = float(np.sort(p)[-2] / p.max()) * 0.99  # min_p that keeps the two likeliest
    defined = {
        (): p,
        (("temperature", 0.5),): softmax(logits, 0.5),
        (("temperature", 2.0),): softmax(logits, 2.0),
        (("top_k", 2),): kept(p, rank < 2),
        (("top_p", 0.6),): kept(p, nucleus(p, 0.6)),
        (("top_p", float(p.max()) * 1.01),): kept(p, rank < 2),
        (("min_p", half),): kept(p, rank < 2),
        (("min_p", 0.03),): kept(p, p >= 0.03 * p.max()),
        (("temperature", 2.0), ("top_k", 3)): kept(softmax(logits, 2.0), rank < 3),
    }
    found = {settings: first_tokens(tiny, ids, **dict(settings)) for settings in defined}
    for settings, expected in defined.items():
        assert p_value(found[settings], expected) > 1e-4, settings
    assert p_value(found[()], softmax(logits, 0.5)) < 1e-4 and p_value(found[()], softmax(logits, 2.0)) < 1e-4
    assert len(found[(("top_k", 2),)]) == 2
    assert first_tokens(tiny, ids, n=20, temperature=0) == {int(p.argmax()): 20}


def test_log_probabilities_are_of_the_temperature_and_before_truncation(tiny, first_token):
    ids, logits = first_token
    for temperature in (1.0, 0.5):
        sampler = TransformersSampler(
            tiny, SamplingConfig(max_new_tokens=1, temperature=temperature, top_k=2)
        )
        for drawn in sampler.generate([ids], [SampleRequest(0, seed) for seed in range(5)]):
            expected = np.log(softmax(logits, temperature)[drawn.token_ids[0]])
            assert drawn.logprobs == pytest.approx([expected], abs=1e-4)
            assert drawn.raw_logprobs == pytest.approx(
                [np.log(softmax(logits)[drawn.token_ids[0]])], abs=1e-4
            )


# ------------------------------------------------------------------ where completions end


@shows("sampling.max_new_tokens")
def test_a_completion_has_so_many_tokens_at_most(tiny):
    whole = draw(tiny, 64)
    assert all(c.complete for c in whole) and max(len(c.token_ids) for c in whole) > 6
    for limit in (1, 6):
        for cut, full in zip(draw(tiny, 64, max_new_tokens=limit), whole, strict=True):
            assert cut.token_ids == full.token_ids[:limit]
            assert cut.complete == (len(full.token_ids) <= limit)


@shows("sampling.stop")
def test_a_stop_string_ends_a_completion_behind_it(tiny):
    whole = [c.text for c in draw(tiny)]
    assert any("=" in text for text in whole) and not all("=" in text for text in whole)
    stopped = draw(tiny, stop=["="])
    for text, found in zip(whole, stopped, strict=True):
        assert found.complete
        assert found.text == (text[: text.index("=") + 1] if "=" in text else text)
    several = draw(tiny, stop=["=", "oxed{"])
    assert {c.text[-1] for c in several if c.text} <= {"=", "{"}


@shows("sampling.stop_token_ids")
def test_a_token_that_is_named_ends_a_completion(tiny):
    (comma,) = tiny.words(", ")
    whole = [c.token_ids for c in draw(tiny)]
    assert any(comma in ids for ids in whole) and not all(comma in ids for ids in whole)
    for ids, found in zip(whole, draw(tiny, stop_token_ids=[comma]), strict=True):
        assert found.token_ids == (ids[: ids.index(comma) + 1] if comma in ids else ids)
        assert found.complete


# ------------------------------------------------------------------ how much, and how


@shows("sampling.samples")
def test_each_problem_gets_so_many_samples(tiny, tmp_path):
    problems = carry.problems("heldout", 3)
    with VerifierPool("math", workers=1) as pool:
        for samples in (2, 5):
            config = quickstart_config(
                sampling=SamplingConfig(samples=samples, max_new_tokens=32), verifier="math"
            )
            evaluator = Evaluator(config, Evidence(config.evidence), pool, Terminal(quiet=True))
            sampler = TransformersSampler(tiny, config.sampling)
            file = evaluator.evaluate(sampler, problems, tmp_path / f"{samples}.jsonl")
            drawn = Counter(row.problem_id for row in rollouts.read(file))
            assert drawn == {problem.id: samples for problem in problems}


@shows("sampling.batch_size")
def test_so_many_completions_are_decoded_at_once(tiny):
    """What one forward pass of the model reads, and that no trace depends on it."""
    sizes: list[int] = []
    sizes_of = lambda _, args, kwargs: sizes.append(len(kwargs["input_ids"]))  # noqa: E731
    handle = tiny.model.register_forward_pre_hook(sizes_of, with_kwargs=True)
    try:
        together = draw(tiny, 40)
        assert max(sizes) > 20
        sizes.clear()
        apart = draw(tiny, 40, batch_size=3)
        assert max(sizes) == 3
    finally:
        handle.remove()
    assert [c.token_ids for c in apart] == [c.token_ids for c in together]


# ------------------------------------------------------------------ vLLM


@shows("sampling.engine")
def test_the_engine_that_is_named_samples(monkeypatch):
    assert isinstance(load_sampler(quickstart_config(), "base"), TransformersSampler)
    monkeypatch.setattr(vllm_engine, "installed", lambda: None)
    with pytest.raises(UserError, match="vLLM is not installed"):
        check_engine(SamplingConfig(engine="vllm"), training=True)
    monkeypatch.setattr(vllm_engine, "installed", lambda: "0.30.0")
    assert takes_vllm(SamplingConfig(engine="auto"), "cuda") and takes_vllm(
        SamplingConfig(engine="vllm"), "cpu"
    )
    assert not takes_vllm(SamplingConfig(engine="transformers"), "cuda")
    monkeypatch.setattr(vllm_engine, "start", lambda *_, **__: "an engine")
    asked = quickstart_config(sampling=SamplingConfig(engine="vllm"))
    assert isinstance(load_sampler(asked, "base"), VllmSampler)


VLLM = {
    "tensor_parallel_size": (1, 2),
    "max_model_len": (-1, 512),
    "max_num_seqs": (None, 17),
    "max_num_batched_tokens": (None, 4096),
    "enforce_eager": (False, True),
    "gpu_memory_utilization": (0.9, 0.55),
}
"""What `vllm.LLM` is handed: where the key is not given, and a value that is given."""


def started(tiny, monkeypatch, load_format: Literal["auto", "dummy"] = "auto", **keys):
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(LLM=lambda **options: options))
    monkeypatch.setattr(vllm_engine, "installed", lambda: "0.30.0")
    settings = SamplingConfig.model_validate({"vllm": keys})
    return vllm_engine.start(tiny, settings, "float32", load_format=load_format)


@shows(*(f"sampling.vllm.{key}" for key in VLLM))
@pytest.mark.parametrize("key", VLLM)
def test_vllm_is_started_with_what_the_keys_say(tiny, monkeypatch, key):
    default, given = VLLM[key]
    assert started(tiny, monkeypatch)[key] == default
    changed = started(tiny, monkeypatch, **{key: given})
    assert changed[key] == given
    assert {k: v for k, v in changed.items() if k != key} == {
        k: v for k, v in started(tiny, monkeypatch).items() if k != key
    }


def test_vllm_reads_the_files_that_the_policy_names(tiny, monkeypatch):
    """The same revision, and code of the model's own only where that is allowed."""
    for revision, trusted in ((None, False), ("v2", True)):
        options = started(replace(tiny, revision=revision, trust_remote_code=trusted), monkeypatch)
        assert options["model"] == tiny.source
        assert options["revision"] == options["tokenizer_revision"] == revision
        assert options["trust_remote_code"] is trusted


@shows("sampling.vllm.sleep")
def test_beside_a_trainer_vllm_may_sleep_and_takes_less_memory(tiny, monkeypatch):
    beside = started(tiny, monkeypatch, load_format="dummy")
    assert (beside["enable_sleep_mode"], beside["gpu_memory_utilization"]) == (False, 0.3)
    assert started(tiny, monkeypatch, load_format="dummy", sleep=True)["enable_sleep_mode"]
    assert not started(tiny, monkeypatch, sleep=True)[
        "enable_sleep_mode"
    ]  # an evaluation has no trainer beside it


def test_vllm_draws_by_the_same_keys(tiny, monkeypatch):
    """Each key of `sampling` that decides what is drawn is in the parameters of a request."""
    modules = {
        "vllm": SimpleNamespace(SamplingParams=lambda **options: options),
        "vllm.sampling_params": SimpleNamespace(RequestOutputKind=SimpleNamespace(FINAL_ONLY="final")),
    }
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    keys = {"temperature": 0.7, "top_p": 0.9, "top_k": 5, "min_p": 0.1, "stop": ["="], "stop_token_ids": [3]}
    settings = SamplingConfig.model_validate(keys | {"max_new_tokens": 9})
    params = VllmSampler(replace(tiny, name="p"), settings, None)._params(11)
    assert {key: params[key] for key in ("temperature", "top_p", "top_k", "min_p", "stop")} == {
        key: keys[key] for key in ("temperature", "top_p", "top_k", "min_p", "stop")
    }
    assert set(params["stop_token_ids"]) == {3, *tiny.stop_ids}
    assert (params["max_tokens"], params["seed"]) == (9, 11)


# ------------------------------------------------------------------ servers


@shows("sampling.servers", "sampling.http.in_flight")
def test_the_servers_that_are_named_are_asked_for_so_many_completions_at_once(tiny):
    with serving(tiny) as one, serving(tiny) as two:
        for urls, in_flight in (([one.url], 2), ([one.url, two.url], 5)):
            for served in (one, two):
                served.asked.clear()
                served.most = 0
            sampling = {
                "engine": "http",
                "servers": urls,
                "max_new_tokens": 8,
                "http": {"in_flight": in_flight},
            }
            asked = quickstart_config(sampling=SamplingConfig.model_validate(sampling))
            with closing(load_sampler(asked, "base")) as sampler:
                sampler.generate(tiny.encode([PROMPT]), [SampleRequest(0, seed) for seed in range(40)])
            assert [bool(served.asked) for served in (one, two)] == [True, len(urls) == 2]
            assert max(one.most, two.most) == in_flight


@shows("sampling.http.timeout")
def test_an_answer_is_waited_for_so_long(tiny):
    """The first of two is held back by the server."""
    prompts, rows = tiny.encode([PROMPT]), [SampleRequest(0, 1), SampleRequest(0, 2)]
    for timeout, asked_again in ((2.0, True), (600.0, False)):
        with serving(tiny) as served, closing(by_servers(tiny, served, timeout=timeout)) as sampler:
            served.asked.clear()
            served.faults.answers = ["hold"]
            drawing = Thread(target=sampler.generate, args=(prompts, rows))
            drawing.start()
            drawing.join(300 if asked_again else 4)
            assert drawing.is_alive() != asked_again
            served.free.set()
            drawing.join()


@shows("sampling.http.patience")
def test_a_server_that_is_gone_is_waited_for_so_long(tiny):
    with serving(tiny) as served:
        samplers = {patience: by_servers(tiny, served, patience=patience) for patience in (0.2, 1.5)}
    took = {}
    for patience, sampler in samplers.items():
        began = time.monotonic()
        with pytest.raises(RunError, match="no server has been there"):
            sampler.generate(tiny.encode([PROMPT]), [SampleRequest(0, 1)])
        took[patience] = time.monotonic() - began
    assert took[1.5] >= 1.5 and took[1.5] - took[0.2] > 0.5


def by_servers(tiny, served, **http):
    settings = {"engine": "http", "servers": [served.url], "max_new_tokens": 8, "http": http}
    return from_servers(tiny, SamplingConfig.model_validate(settings))
