"""What ends a completion: the end of a turn in the template, stop strings that are or hold special tokens, ids."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from rlvr.config import Config
from rlvr.policy import PolicyError, load_policy
from rlvr.sampling import Completion, SampleRequest
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.score import Written, logprobs
from rlvr.sampling.vllm import VllmSampler
from tests.scripted import CHATML, model_folder, tokenizer_of, writes

BOTH = ("<|im_start|>", "<|im_end|>")


def loaded(
    folder: Path, template: str | None, sampling: dict[str, Any], pieces: tuple[str, ...], **options: Any
):
    """A policy that writes `pieces`, and the settings under which it does."""
    tokenizer = tokenizer_of(template, **options)
    model_folder(folder, tokenizer, writes(tokenizer, "\n", *pieces))
    config = Config.model_validate(
        {
            "model": str(folder),
            "problems": {"heldout": {"world": "carry/heldout"}},
            "evidence": {"template": "chat" if template else "plain"},
            "sampling": {"samples": 16, "max_new_tokens": 12, "temperature": 0, **sampling},
            "train": {"steps": 0},
        }
    )
    return load_policy(config, "base"), config.sampling


def drawn(*given: Any, **options: Any) -> Completion:
    policy, settings = loaded(*given, **options)
    [completion] = TransformersSampler(policy, settings).generate(
        policy.encode(["1\n"], True), [SampleRequest(0, 0)]
    )
    return completion


STOPS: dict[str, tuple[str | None, dict[str, Any], tuple[str, ...], dict[str, Any], int, str]] = {
    "end of turn": (CHATML, {}, ("42", "<|im_end|>", "XYZ"), {}, 3, "42"),
    "end of turn that is not special": (
        CHATML,
        {},
        ("42", "<|im_end|>", "XYZ"),
        {"tokens": BOTH[:1], "plain_tokens": BOTH[1:]},
        3,
        "42",
    ),
    "plain text has no turns": (None, {}, ("42", "<|im_end|>", "XYZ"), {}, 7, "42XYZ"),
    "a special token as stop string": (
        None,
        {"stop": ["<|im_end|>"]},
        ("42", "<|im_end|>", "XYZ"),
        {},
        3,
        "42",
    ),
    "text and a special token": (None, {"stop": ["2<|im_end|>X"]}, ("42", "<|im_end|>", "XYZ"), {}, 4, "42X"),
    "two special tokens": (
        None,
        {"stop": ["<|im_end|><|pad|>"]},
        ("42", "<|im_end|>", "<|pad|>", "XYZ"),
        {"tokens": (*BOTH, "<|pad|>")},
        4,
        "42",
    ),
    "text is not joined over a special token": (
        None,
        {"stop": ["2X"]},
        ("42", "<|im_end|>", "XYZ"),
        {},
        7,
        "42XYZ",
    ),
    "text": (None, {"stop": ["XY"]}, ("42", "<|im_end|>", "XYZ"), {}, 5, "42XY"),
    "an added token as stop string stays in the text": (
        None,
        {"stop": ["</answer>"]},
        ("42", "</answer>", "XYZ"),
        {"plain_tokens": ("</answer>",)},
        3,
        "42</answer>",
    ),
    "the same, written in pieces": (None, {"stop": ["</q>"]}, ("42", "</q>", "XYZ"), {}, 6, "42</q>"),
    "characters of several tokens each": (
        None,
        {"stop": ["éжאرϕ"], "max_new_tokens": 20},
        ("42", "éжאرϕ", "XYZ"),
        {},
        12,
        "42éжאرϕ",
    ),
    "an id": (None, {"stop_token_ids": [257]}, ("42", "<|im_end|>", "XYZ"), {}, 3, "42"),
}


UNEQUAL = ["Q", "abcdefghijk", "RST"]


@pytest.mark.parametrize("case", STOPS)
def test_a_completion_ends_there(case: str, tmp_path: Path) -> None:
    template, sampling, pieces, options, tokens, text = STOPS[case]
    completion = drawn(tmp_path, template, sampling, pieces, **options)
    assert (completion.complete, len(completion.token_ids), completion.text) == (True, tokens, text)


@pytest.mark.parametrize("stop", UNEQUAL)
def test_each_of_several_stop_strings_ends_whatever_the_length_of_the_others(
    stop: str, tmp_path: Path
) -> None:
    for others in (UNEQUAL, UNEQUAL[::-1]):
        completion = drawn(tmp_path, None, {"stop": others, "max_new_tokens": 30}, ("42", stop, "XYZ"))
        assert (completion.complete, completion.text) == (True, f"42{stop}")


def test_an_end_of_turn_is_written_and_scored_as_end_of_text_is(tmp_path: Path) -> None:
    """It is the completion's last token, with a log-probability that rescoring gives again."""
    for name, options in (("turn", {}), ("text", {"eos": "<|im_end|>"})):
        policy, settings = loaded(
            tmp_path / name, CHATML, {"temperature": 1.0}, ("42", "<|im_end|>"), **options
        )
        prompts = policy.encode(["1\n"], True)
        [completion] = TransformersSampler(policy, settings).generate(prompts, [SampleRequest(0, 0)])
        assert policy.tokenizer.decode(completion.token_ids) == "42<|im_end|>" and completion.complete
        assert len(completion.logprobs) == 3
        [nats] = logprobs(policy, prompts, [Written(0, completion.token_ids, [True] * 3)], 1.0)
        assert nats == pytest.approx(sum(completion.logprobs), abs=1e-5)


def test_an_id_that_the_model_does_not_have_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyError, match=r"sampling\.stop_token_ids: 9999 is no token of model .* has 259"):
        loaded(tmp_path, None, {"stop_token_ids": [9999]}, ("42",))


def test_vllm_is_asked_for_the_same_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the parameters that it is given: no engine is started."""

    class Given(SimpleNamespace):
        pass

    kinds = SimpleNamespace(RequestOutputKind=SimpleNamespace(FINAL_ONLY=0))
    monkeypatch.setitem(sys.modules, "vllm", SimpleNamespace(SamplingParams=Given))
    monkeypatch.setitem(sys.modules, "vllm.sampling_params", kinds)
    policy, settings = loaded(
        tmp_path, CHATML, {"stop": ["<|im_start|>", "Q:"], "stop_token_ids": [7]}, ("42",)
    )
    params = VllmSampler(policy, settings, llm=None)._params(seed=1)
    assert params.stop_token_ids == policy.stops_at(settings) == [258, 257, 7, 256]
    assert params.stop == ["<|im_start|>", "Q:"] and params.skip_special_tokens is False and params.detokenize
    assert params.include_stop_str_in_output
