"""Cells of a row of tests, and values between processes: every unit, every type, and each limit from both sides."""

from __future__ import annotations

import base64
import json
import pickle
import zlib
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.code import cells, values
from verifiers.code.formats import BadReferenceError

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)

# --- limits with their units ------------------------------------------------------------------------------

SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "secs": 1.0, "second": 1.0, "seconds": 1.0, "ms": 0.001, "millisecond": 0.001,
           "milliseconds": 0.001, "minute": 60.0, "minutes": 60.0}  # fmt: skip
MEGABYTES = {"": 1.0, "MB": 1.0, "megabyte": 1.0, "megabytes": 1.0, "MiB": 1.0, "mebs": None, "KB": 2**-10,
             "KiB": 2**-10, "kilobytes": 2**-10, "GB": 1024.0, "GiB": 1024.0, "gigabytes": 1024.0, "bytes": 2**-20,
             "B": 2**-20}  # fmt: skip


@pytest.mark.parametrize(("read", "units"), [(cells.seconds, SECONDS), (cells.megabytes, MEGABYTES)])
def test_a_limit_is_its_number_times_its_unit(read: Any, units: dict[str, float | None]) -> None:
    for unit, size in units.items():
        for number in ("2", "1.5", "300"):
            for text in (
                f"{number} {unit}",
                f"{number}{unit}",
                f" {number} {unit.upper()} per test.",
                f"{number} {unit}.",
            ):
                if size is None:
                    with pytest.raises(BadReferenceError, match="expected a number"):
                        read(text)
                else:
                    assert read(text) == pytest.approx(float(number) * size), text
    for none in (None, "", 0, 0.0, "0", True, False):
        assert read(none) is None
    for bad in ("soon", "-1 s", "1 2", "1 parsec", "1 s or so"):
        with pytest.raises(BadReferenceError, match="expected a number"):
            read(bad)


def test_limits_of_other_forms() -> None:
    assert cells.seconds({"seconds": 3, "nanos": 250_000_000}) == 3.25
    assert cells.seconds({"nanos": 500_000_000}) == 0.5
    assert cells.seconds({"seconds": 2, "nanos": None}) == 2.0
    assert cells.seconds({"seconds": None}) is None
    assert cells.megabytes(2**28) == 256.0 and cells.megabytes(2**20) == 1.0  # bytes
    assert cells.megabytes(2**20 - 1) == 2.0**20 - 1  # megabytes
    assert cells.megabytes("256 megabytes") == 256.0


# --- texts that hold values -------------------------------------------------------------------------------

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@PROPERTY
@given(plain)
def test_a_text_of_json_or_of_python_is_its_value(value: Any) -> None:
    assert cells.decoded(json.dumps(value), "input") == value
    if not isinstance(value, str):
        assert cells.decoded(value, "input") is value
    assert cells.decoded(f" {value!r} ", "input") == value


def test_whole_numbers_of_any_length_and_texts_that_are_neither() -> None:
    for digits in (1, 3_999, 4_000, 4_001, 20_000):
        assert cells.decoded("1" + "0" * (digits - 1), "input") == 10 ** (digits - 1)
    assert cells.decoded("(1, {2})", "input") == (1, {2})
    for text in ("f(1)", "1 +", "", "[1, 2", "a"):
        with pytest.raises(BadReferenceError, match="output is not JSON"):
            cells.decoded(text, "output")


def packed(value: Any) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(value))).decode()


def test_a_packed_text_is_unpacked_and_nothing_else_is(monkeypatch: pytest.MonkeyPatch) -> None:
    assert cells.unpacked(packed("[1, 2]"), "tests") == "[1, 2]"
    for bad, words in ((packed(Fraction(1)), "refers to fractions"), (packed([1]), "holds list"), ("%%%", "cannot be"),
                       (packed("x")[:8], "cannot be"), (base64.b64encode(b"no").decode(), "cannot be")):  # fmt: skip
        with pytest.raises(BadReferenceError, match=words):
            cells.unpacked(bad, "tests")
    text = "a" * 500
    monkeypatch.setattr(cells, "_PACKED_BYTES", len(pickle.dumps(text)))
    assert cells.unpacked(packed(text), "tests") == text
    with pytest.raises(BadReferenceError, match="unpacks to more than"):
        cells.unpacked(packed(text + "a"), "tests")


# --- solutions --------------------------------------------------------------------------------------------

CODE = "def f(x):\n    return x\n"


@pytest.mark.parametrize("cell", [
    CODE, [CODE], json.dumps([CODE]), {"code": CODE}, {"language": "python3", "solution": CODE},
    {"lang": "PYTHON", "content": CODE}, {"language": ["cpp", "python"], "code": ["int x;", CODE]},
    {"language": [2, 3], "solution": ["int x;", CODE]},
    [{"language": "java", "code": "class X{}"}, {"language": "py", "code": CODE}],
    f"Here:\n```python\n{CODE}```\n", ["", " ", CODE],
])  # fmt: skip
def test_the_python_program_of_a_cell(cell: Any) -> None:
    for name in cells.SOLUTIONS:
        assert cells.solutions({name: cell, "other": "x"}) == (CODE,), name


def test_no_program_of_another_language_and_three_at_most() -> None:
    for cell in (
        None,
        "",
        [],
        {"language": "cpp", "code": CODE},
        {"language": ["cpp"], "code": [CODE]},
        {"title": CODE},
        {"language": ["python"], "code": CODE},
        7,
    ):
        assert cells.solutions({"solution": cell}) == ()
    assert cells.solutions({"solution": [f"x = {n}" for n in range(5)]}) == ("x = 0", "x = 1", "x = 2")
    assert cells.solutions({"solution": "b", "canonical_solution": "a"}) == ("a",)
    assert cells.solutions({"solution": "[not a list"}) == ("[not a list",)


# --- values between processes -----------------------------------------------------------------------------

atoms = (
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | st.text(max_size=6)
    | st.binary(max_size=6) | st.complex_numbers(allow_nan=False)
    | st.sampled_from([2**63 - 1, 2**63, -(2**63), -(2**63) - 1, -0.0, "\ud800"])
)  # fmt: skip
nested = st.recursive(
    atoms,
    lambda inner: (
        st.lists(inner, max_size=11) | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(max_size=3) | st.integers(), inner, max_size=3)
        | st.sets(st.integers() | st.text(max_size=2), max_size=4) | st.frozensets(st.integers(), max_size=3)
        | st.lists(st.integers(-5, 5), min_size=7, max_size=11)
        | st.lists(st.floats(allow_nan=False), min_size=7, max_size=11)
        | st.builds(range, st.integers(-9, 9), st.integers(-9, 9), st.integers(1, 3))
    ),
    max_leaves=12,
)  # fmt: skip


def alike(one: Any, two: Any) -> bool:
    return (
        type(one) is type(two) and repr(one) == repr(two)
        if isinstance(one, float | complex | range)
        else one == two
    )


@PROPERTY
@given(nested)
def test_a_value_comes_back_as_it_was_and_only_whole(value: Any) -> None:
    data = values.encode(value)
    back = values.decode(data, build=True)
    assert back == value and type(back) is type(value) and alike(back, value)
    assert values.encode(back) == data
    for cut in {0, 1, len(data) // 2, len(data) - 1} - {len(data)}:
        with pytest.raises(values.MalformedError):
            values.decode(data[:cut])
    with pytest.raises(values.MalformedError, match="1 bytes after"):
        values.decode(data + b"N")


def test_dicts_and_sets_come_as_lists_unless_they_are_built() -> None:
    assert values.decode(values.encode({"a": 1, "b": [2]})) == [("a", 1), ("b", [2])]
    assert sorted(values.decode(values.encode({3, 1}))) == [1, 3]
    assert isinstance(values.decode(values.encode({})), values.Pairs)
    assert isinstance(values.decode(values.encode(frozenset())), values.Items)


def deep(levels: int) -> Any:
    value: Any = 0
    for _ in range(levels):
        value = [value]
    return value


def test_every_limit_from_both_sides(monkeypatch: pytest.MonkeyPatch) -> None:
    assert values.decode(values.encode(deep(values.MAX_DEPTH))) == deep(values.MAX_DEPTH)
    with pytest.raises(values.TooLargeError, match="nested deeper than 200"):
        values.encode(deep(values.MAX_DEPTH + 1))
    inner = values.encode(deep(values.MAX_DEPTH))
    with pytest.raises(values.MalformedError, match="nested deeper"):
        values.decode(b"l\x00\x00\x00\x01" + inner)
    for value in (list(range(20)), ["a"] * 20, [[1] * 9] * 2, {n: n for n in range(10)}):
        assert values.decode(values.encode(value), max_items=20, build=True) == value
        with pytest.raises(values.MalformedError, match="too many items"):
            values.decode(values.encode(value), max_items=19)
    monkeypatch.setattr(values, "MAX_ITERATED", 30)
    assert list(values.decode(values.encode(iter(range(30)), iterators=True))) == list(range(30))
    with pytest.raises(values.TooLargeError, match="more than 30 items"):
        values.encode(iter(range(31)), iterators=True)
    with pytest.raises(values.UnserialisableError, match="range_iterator"):
        values.encode(iter(range(3)))
    monkeypatch.setattr(values, "MAX_BYTES", 100)
    assert values.decode(values.encode("a" * 95)) == "a" * 95
    for large in ("a" * 96, "a" * 101, ["a" * 40] * 3):
        with pytest.raises(values.TooLargeError, match="the limit is 100"):
            values.encode(large)


def test_what_is_lent_stands_for_what_cannot_be_sent() -> None:
    class Other:
        pass

    lent: list[Any] = []

    def lend(value: Any) -> tuple:
        lent.append(value)
        return ("handle", len(lent))

    other = Other()
    data = values.encode([1, other, (other,)], lend=lend)
    assert lent == [other, other]
    assert values.decode(data, borrow=lambda *given: given) == [1, ("handle", 1), (("handle", 2),)]
    with pytest.raises(values.MalformedError):
        values.decode(data)
    with pytest.raises(values.UnserialisableError, match="a value of type Other"):
        values.encode([1, other])
    for count in (values.CHUNK - 1, values.CHUNK, values.CHUNK + 1):
        lent.clear()
        source = (n for n in range(count))
        sent = values.decode(values.encode(source, iterators=True, lend=lend), borrow=lambda *given: given)
        if count < values.CHUNK:
            assert list(sent) == list(range(count)) and not lent
        else:  # it may have no end
            assert sent == ("handle", 1) and lent[0].items == tuple(range(values.CHUNK))
            assert list(lent[0].rest) == list(range(values.CHUNK, count))
