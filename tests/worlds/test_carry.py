"""The carry world: its law, its splits, and the shipped network's files."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoModelForCausalLM, AutoTokenizer

from rlvr.worlds import NoLawError, carry

LAWFUL = carry.problems("train") + carry.problems("heldout") + carry.problems("rare")


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(carry.TINY)


def steps_hold(text: str) -> bool:
    """Independent of the generator: steps are there, each is true, and the last result is what is boxed."""
    steps = re.findall(r"([\d+-]+)=(-?\d+)", text)
    boxed = re.search(r"\\boxed\{(-?\d+)\}$", text)
    true = all(sum(int(n) for n in re.findall(r"[+-]?\d+", left)) == int(right) for left, right in steps)
    return bool(steps) and true and boxed is not None and steps[-1][1] == boxed[1]


@settings(deadline=None, max_examples=200, derandomize=True)
@given(st.sampled_from(LAWFUL))
def test_law_is_a_distribution_and_its_flags_are_true(problem):
    traces = carry.support(problem)
    assert sum(t.probability for t in traces) == pytest.approx(1.0, abs=1e-12)
    assert len({t.text for t in traces}) == len(traces)
    for trace in traces:
        assert trace.probability > 0
        assert trace.right == trace.text.endswith(f"\\boxed{{{problem.reference}}}")
        assert trace.sound == steps_hold(trace.text), trace.text


def test_references_are_the_values_of_the_prompts():
    for problem in LAWFUL + carry.problems("unreachable"):
        a, sign, b = re.fullmatch(r"(\d+)([+-])(\d+)=", problem.prompt).groups()  # type: ignore[union-attr]
        assert int(problem.reference) == (int(a) + int(b) if sign == "+" else int(a) - int(b))


def test_splits_are_disjoint_and_stable():
    prompts = {split: [p.prompt for p in carry.problems(split)] for split in carry.SPLITS}
    everything = [prompt for split in prompts.values() for prompt in split]
    assert len(set(everything)) == len(everything)
    assert {split: len(p) for split, p in prompts.items()} == {
        "train": 4777,
        "heldout": 128,
        "unreachable": 16,
        "rare": 16,
    }
    assert prompts["heldout"][:3] == ["52-38=", "48+37=", "92-53="]
    assert [p.prompt for p in carry.problems("train", 5)] == prompts["train"][:5]


def test_held_out_and_rare_problems_are_not_pretrained_on():
    seen = {p.prompt for p in carry.pretraining_problems()}
    assert not seen & {p.prompt for p in carry.problems("heldout") + carry.problems("rare")}


def test_unsound_luck_rivals_sound_reasoning():
    for problem in carry.problems("heldout"):
        right = [t for t in carry.support(problem) if t.right]
        sound = sum(t.probability for t in right if t.sound)
        assert 0.4 < sound / sum(t.probability for t in right) < 0.6


def test_an_unknown_split_and_a_problem_without_a_law_are_refused():
    with pytest.raises(ValueError, match="unknown split 'test'"):
        carry.problems("test")
    with pytest.raises(NoLawError, match="unreachable-0000"):
        carry.support(carry.problems("unreachable", 1)[0])


def test_model_loads_and_is_small():
    model = AutoModelForCausalLM.from_pretrained(carry.TINY)
    assert sum(p.numel() for p in model.parameters()) <= 900_000
    assert (carry.TINY / "model.safetensors").stat().st_size < 4_000_000
    assert model.generation_config.max_new_tokens == carry.MAX_NEW_TOKENS


def test_tokenizer_round_trip_and_length(tokenizer):
    assert None not in (tokenizer.pad_token_id, tokenizer.eos_token_id)
    for problem in LAWFUL[:200] + carry.problems("rare"):
        for trace in carry.support(problem):
            ids = tokenizer.encode(trace.text, add_special_tokens=False)
            assert tokenizer.decode(ids) == trace.text
            assert len(ids) + 1 <= carry.MAX_NEW_TOKENS
            assert tokenizer.encode(problem.prompt) + ids == tokenizer.encode(problem.prompt + trace.text)


def test_unreachable_answers_do_not_fit(tokenizer):
    """Box, digits and brace take more tokens than the limit: no token is worth two digits."""
    assert max(sum(c.isdigit() for c in token) for token in tokenizer.get_vocab()) == 1
    for problem in carry.problems("unreachable"):
        assert len(tokenizer.encode(f" \\boxed{{{problem.reference}}}")) > carry.MAX_NEW_TOKENS
        assert len(tokenizer.encode(problem.prompt)) + carry.MAX_NEW_TOKENS <= 128
