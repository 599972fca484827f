"""Parts of sampling by hand: seeds, what a token is drawn from and under which log-probability it is recorded, what a
server is asked for and what is read of its answer."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from rlvr.config import SamplingConfig
from rlvr.sampling import http, served
from rlvr.sampling.draw import Distribution, invert
from rlvr.sampling.driver import Request, row_seed, sample_seed, turn_seed
from rlvr.sampling.http import HttpSampler
from rlvr.sampling.rounding import Tolerance, apart
from rlvr.sampling.served import Served
from rlvr.sampling.servers import Away, Fleet, Server, pause
from rlvr.sampling.vllm import completion_of
from verifiers import Problem


def settings(**keys: Any) -> SamplingConfig:
    return SamplingConfig.model_validate(keys)


# ------------------------------------------------------------------ seeds


def test_a_seed_depends_on_everything_that_a_sample_is():
    samples = [
        (1, "base", "p1", 0),
        (2, "base", "p1", 0),
        (1, "tuned", "p1", 0),
        (1, "base", "p2", 0),
        (1, "base", "p1", 1),
    ]
    seeds = [row_seed(*of) for of in samples]
    assert len(set(seeds)) == 5 and row_seed(*samples[0]) == seeds[0]
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(row_seed(1, "s", "p", n) for n in range(200)) > 2**62  # all of the 63 bits
    asked = Request(Problem("p1", "?", "1"), 0, "base")
    assert sample_seed(1, asked) == seeds[0]
    assert turn_seed(seeds[0], 0) == seeds[0]
    assert len({turn_seed(seeds[0], n) for n in range(5)} | {turn_seed(seeds[1], 1)}) == 6


# ------------------------------------------------------------------ what is drawn

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -torch.inf]])


def drawn(uniform: float, **keys: Any) -> tuple[int, float, float, float]:
    found = Distribution(settings(**keys)).draw(LOGITS, torch.tensor([0]), torch.tensor([uniform]).double())
    nats = (found.logprobs, found.sampling_logprobs, found.raw_logprobs)
    return (int(found.tokens), *(float(x) for x in nats))  # type: ignore[return-value]


def log_softmax(values: list[float]) -> list[float]:
    total = math.log(sum(math.exp(value) for value in values))
    return [value - total for value in values]


@pytest.mark.parametrize(
    ("keys", "kept"),
    [
        ({}, (4, 4)), ({"top_k": 2}, (2, 2)), ({"top_p": 0.8}, (2, 3)), ({"top_p": 0.5}, (1, 2)),
        ({"min_p": 0.3}, (2, 3)), ({"top_k": 3, "min_p": 0.5}, (1, 2)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("temperature", [1.0, 2.0])
def test_a_token_and_its_three_log_probabilities(keys, kept, temperature):
    """Of the policy at the temperature, of what was drawn from, and of the policy itself. At temperature 1 the
    probabilities are 0.64, 0.24, 0.09, 0.03 and 0; at 2 they are 0.46, 0.28, 0.17, 0.10."""
    number = kept[int(temperature) - 1]
    raw, tempered = (
        log_softmax([2, 1, 0, -1]),
        log_softmax([2 / temperature, 1 / temperature, 0, -1 / temperature]),
    )
    left = sum(math.exp(value) for value in tempered[:number])
    cut = [value - math.log(left) for value in tempered[:number]]
    low = 0.0
    for token in range(number):
        for uniform in (low + 1e-6, low + math.exp(cut[token]) - 1e-6):
            found = drawn(uniform, temperature=temperature, **keys)
            assert found[0] == token
            assert found[1:] == pytest.approx((tempered[token], cut[token], raw[token]), abs=1e-5)
        low += math.exp(cut[token])


def test_greedy_takes_the_likeliest_for_certain():
    found = drawn(0.999, temperature=0)
    raw = log_softmax([2, 1, 0, -1])[0]
    assert found[0] == 0 and found[1:] == pytest.approx((raw, 0.0, raw))


def test_a_token_without_probability_is_never_drawn():
    probs = torch.tensor([[0.0, 0.5, 0.0, 0.5, 0.0]] * 4)
    uniform = torch.tensor([0.0, 0.4999, 0.5, 1 - 2.0**-53], dtype=torch.float64)
    assert invert(probs, uniform).tolist() == [1, 1, 3, 3]
    wide = torch.zeros(1, 300)
    wide[0, [5, 200, 299]] = torch.tensor([0.25, 0.25, 0.5])
    found = [int(invert(wide, torch.tensor([u]).double())) for u in (0.0, 0.26, 0.51, 0.9999999)]
    assert found == [5, 200, 299, 299]


# ------------------------------------------------------------------ what may be rounding


def test_a_difference_is_rounding_up_to_half_of_the_digits_or_four_times_the_models_own(tiny):
    asked: list[int] = []

    def tolerance(moves: float) -> Tolerance:
        return Tolerance(tiny.model, lambda: asked.append(1) or moves, 1e-4)

    exact = tolerance(0.0)
    assert exact.exceeded(0.01) is None and not asked  # √ε: nobody is asked
    assert exact.exceeded(0.02) == "0.02, where rounding explains 0.01"
    assert exact.exceeded(0.5) and len(asked) == 1  # once
    loose = tolerance(0.1)
    assert loose.exceeded(0.4) is None and loose.exceeded(0.41) == "0.41, where rounding explains 0.4"
    assert loose.exceeded(math.nan)


def test_how_far_two_readings_are_apart():
    inf = math.inf
    found, expected = torch.tensor([0.0, -inf, -30.0, 1.0]), torch.tensor([0.5, -inf, -20.0, 1.0])
    assert apart(found, expected) == 10.0
    assert apart(found, expected, least=-20.0) == 0.5  # what is never drawn is not compared
    assert math.isnan(apart(torch.tensor([math.nan]), torch.tensor([0.0])))


# ------------------------------------------------------------------ servers


def test_what_a_server_is_asked_for(tiny):
    def common(**keys: Any) -> dict[str, Any]:
        asked = settings(engine="http", **keys)
        return HttpSampler(tiny, asked, Fleet([], asked, lambda s: None), [])._common()

    plain = common()
    assert plain["stop_token_ids"] == tiny.stops_at(settings()) and plain["stop"] is None
    expected = {
        "temperature": 1.0, "top_p": 1.0, "top_k": 0, "min_p": 0.0, "max_tokens": 512, "logprobs": 0,
        "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0, "return_token_ids": True,
        "skip_special_tokens": True, "include_stop_str_in_output": True,
    }  # fmt: skip
    assert {key: plain[key] for key in expected} == expected
    odd = common(temperature=0.5, top_p=0.9, top_k=3, min_p=0.1, max_new_tokens=7, stop=["Q:"])
    assert [odd[k] for k in ("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop")] == [
        0.5, 0.9, 3, 0.1, 7, ["Q:"],
    ]  # fmt: skip
    assert odd["skip_special_tokens"] is False


@pytest.mark.parametrize(
    ("keys", "drawn_from", "raw"),
    [
        ({}, [-1.0, -2.0], [-1.0, -2.0]),
        ({"top_k": 3}, [], [-1.0, -2.0]),
        ({"temperature": 0.7}, [-1.0, -2.0], []),
        ({"temperature": 0.0}, [0.0, 0.0], [-1.0, -2.0]),
    ],
)
def test_what_one_log_probability_of_a_token_stands_for(tiny, keys, drawn_from, raw):
    ids = tiny.words("37")
    found = completion_of(tiny, settings(**keys), ids, [-1.0, -2.0], complete=True)
    assert (found.text, found.token_ids, found.complete) == ("37", ids, True)
    assert (found.logprobs, found.sampling_logprobs, found.raw_logprobs) == ([-1.0, -2.0], drawn_from, raw)


def test_answers_of_a_server_are_read_whole_or_not_at_all():
    choice = {"token_ids": [4, 5], "logprobs": {"token_logprobs": [-1, -2.5]}}
    assert served.written(choice) == ([4, 5], [-1.0, -2.5])
    torn = (
        {"token_ids": [4]},
        {"token_ids": None},
        {"logprobs": None},
        {"logprobs": {"token_logprobs": [-1, None]}},
    )
    for wrong in torn:
        with pytest.raises(Away):
            served.written(choice | wrong)
    prompt = [
        None,
        {"9": {"logprob": -9}},
        {"4": {"logprob": -1}, "7": {"logprob": -7}},
        {"5": {"logprob": -2}},
    ]
    assert served.given({"prompt_logprobs": prompt}, [4, 5]) == [-1.0, -2.0]
    assert served.given({"prompt_logprobs": prompt}, []) == []
    for ids in ([5, 4], [1, 2, 3, 4, 5], [6]):
        with pytest.raises(Away):
            served.given({"prompt_logprobs": prompt}, ids)
    with pytest.raises(Away):
        served.given({}, [4])


def test_two_servers_have_the_same_weights_within_the_rounding_of_16_bits():
    assert served.alike((-1.0, -2.0), (-1.08, -1.92)) and not served.alike((-1.0, -2.0), (-1.0, -2.09))


def test_why_servers_do_not_score(tiny):
    def why(temperature: float, *reasons: str | None) -> str | None:
        asked = settings(engine="http", temperature=temperature)
        found = [Served("m", None, (), reason) for reason in reasons]
        return HttpSampler(tiny, asked, Fleet([], asked, lambda s: None), found).why_unscored

    assert why(1.0, None, None) is None and why(0.0, None) is None
    assert why(1.0, None, "it says none") == "it says none"
    assert "at temperature 1, not at 0.5" in (why(0.5, None) or "")
    assert "set sampling.servers" in (http.unusable(settings(engine="http")) or "")
    assert http.unusable(settings(engine="http", servers=["http://a:1"])) is None


def test_a_server_is_asked_again_after_longer_and_longer_waits():
    assert [pause(n) for n in (1, 2, 3, 6, 7, 99)] == [0.5, 1, 2, 16, 30, 30]


@pytest.mark.parametrize(
    ("url", "base"),
    [("http://a:1", "http://a:1"), ("http://a:1/", "http://a:1"), ("http://a:1/v1/", "http://a:1")],
)
def test_the_address_of_a_server_is_taken_with_and_without_v1(monkeypatch, url, base):
    monkeypatch.setenv("VLLM_API_KEY", "secret")
    client = Server(url, settings()).client
    assert str(client.base_url).rstrip("/") == base and client.headers["Authorization"] == "Bearer secret"
    client.close()
