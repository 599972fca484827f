"""Whatever a policy writes, a built-in verifier has a verdict: none raises, none is without a score."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from verifiers import Problem, load
from verifiers.code.compare import Rules, count_items, same, same_text
from verifiers.code.failures import exception
from verifiers.code.report import show
from verifiers.code.values import MalformedError, UnserialisableError, decode, encode
from verifiers.fuzz import REFERENCES, expression, texts

ANSWERS = st.one_of(
    st.randoms(use_true_random=False).map(expression),
    st.randoms(use_true_random=False).map(lambda rng: " = ".join(expression(rng, 2) for _ in range(3))),
    st.sampled_from(list(texts(400))),
    st.text(max_size=60),
)


@pytest.fixture(scope="module")
def verifiers() -> dict[str, Any]:
    return {name: load(name) for name in REFERENCES}


@settings(
    max_examples=1200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
@given(st.sampled_from(sorted(REFERENCES)), st.integers(0, 99), ANSWERS)
def test_no_answer_makes_a_built_in_verifier_raise(
    verifiers: dict[str, Any], name: str, at: int, answer: str
):
    gold = REFERENCES[name][at % len(REFERENCES[name])]
    verdict = verifiers[name].verify(Problem("p", "What is it?", gold), answer, answer)
    assert verdict.score in (0.0, 1.0), verdict


HUGE = st.integers(-20_000, 20_000).map(lambda bits: (1 << abs(bits)) * (1 if bits > 0 else -1))
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    HUGE,
    st.floats(),
    st.complex_numbers(),
    st.text(max_size=8),
    st.binary(max_size=8),
    st.builds(range, st.integers(), HUGE),
)
KEYS = st.one_of(
    st.integers(), HUGE, st.text(max_size=3), st.floats(allow_nan=False), st.tuples(st.booleans(), st.none())
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=10),
        st.tuples(inner, inner),
        st.dictionaries(KEYS, inner, max_size=4),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4),
    ),
    max_leaves=12,
)


class Held:
    """A value that can be shown in a failing test: Python refuses the text of some."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return show(self.value)


HELD = VALUES.map(Held)
RULES = st.builds(
    Rules,
    abs_tol=st.sampled_from([0.0, 1e-6]),
    rel_tol=st.sampled_from([0.0, 1e-6]),
    equality=st.sampled_from(["strict", "typed", "python"]),
    any_order=st.sampled_from([False, True, "deep"]),
    compare=st.sampled_from(["exact", "lines", "tokens"]),
    ignore_case=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(HELD, HELD, RULES)
def test_no_value_of_a_program_breaks_its_judge(got: Held, expected: Held, rules: Rules):
    try:
        data = encode(got.value)
    except UnserialisableError:
        return
    value = decode(data, max_items=10_000 + count_items(expected.value))
    assert same(value, expected.value, rules) in (True, False)
    assert len(show(value)) <= 120
    assert all(isinstance(part, str) for part in exception(data))


@settings(max_examples=300, deadline=None)
@given(HELD, st.randoms(use_true_random=False), RULES)
def test_no_bytes_of_a_program_break_its_judge(sent: Held, rng: random.Random, rules: Rules):
    """A program may write to the channel itself: values with bytes changed, cut or added."""
    try:
        data = bytearray(encode(sent.value))
    except UnserialisableError:
        return
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(data) + 1)
        data[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(5))
    assert all(isinstance(part, str) for part in exception(bytes(data)))
    try:
        found = decode(bytes(data), max_items=10_000)
    except MalformedError:
        return
    assert same(found, sent.value, rules) in (True, False)
    assert len(show(found)) <= 120


OUTPUTS = st.one_of(st.text(max_size=200), st.from_regex(r"[-+0-9.eEnaif \n]{0,80}", fullmatch=True))


@settings(max_examples=300, deadline=None)
@given(OUTPUTS, OUTPUTS, RULES)
def test_no_output_of_a_program_breaks_its_judge(got: str, expected: str, rules: Rules):
    assert same_text(got, expected, rules) in (True, False)
    assert same_text(got, got, rules)
