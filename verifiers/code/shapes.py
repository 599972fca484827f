"""Tests as open code sets keep them, recognised by their content: `found` reads any of the shapes, `reference` makes
a problem's reference of what it found.

The shapes: `inputs`, `outputs` and perhaps `fn_name`; a list of cases with `input` and `output`, or `args` and
`expected`; a struct of lists; a list of assertions; Python text with assertions, pytest or unittest tests; and each of
these as JSON in a text, or below another key (`verification_info.test_cases`, `reward_model.ground_truth`).
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from verifiers.code.called import called_function
from verifiers.code.cells import decoded, unpacked
from verifiers.code.formats import BadReferenceError

FAMILIES: tuple[tuple[str, ...], ...] = (
    ("test_code",),
    ("test",),
    ("verification_info",),
    ("input_output",),
    ("public_test_cases", "private_test_cases", "generated_test_cases", "hidden_test_cases"),
    ("public_tests", "private_tests", "generated_tests", "hidden_tests"),
    ("official_tests",),
    ("tests",),
    ("test_cases",),
    ("testcases",),
    ("unit_tests",),
    ("functional",),
    ("pytest",),
    ("assert_case",),
    ("assertions",),
    ("test_list",),
    ("reward_model",),
    ("ground_truth",),
    ("verifier_metadata",),
    ("reference",),
    ("extra_info",),
    ("examples", "sample_tests"),
)
"""Keys below which tests stand, the ones to be preferred first; those of one family are read together."""
ENTRY = ("entry", "entry_point", "fn_name", "func_name", "function_name", "method_name", "class_name")
STARTER = ("starter_code", "function_declaration", "function_signature", "signature")
_CODE = ("code", "test", "assertion", "assert")
_SETUP = ("import_prefix", "setup_code", "imports")
_GIVEN = ("stdin", "input", "inputs", "in", "test_inputs")
_EXPECTED = (
    "stdout",
    "expected_output",
    "expected_stdout",
    "output",
    "outputs",
    "expected",
    "out",
    "test_outputs",
)
_TESTS = re.compile(r"\bassert\b|^def (?:test|check)|\bTestCase\b|\braises\(", re.M)
_DEF = re.compile(r"^[ \t]*(?:async )?def (\w+)\s*\(\s*(?:self\b)?", re.M)
_DEPTH = 6


@dataclass(frozen=True)
class Pair:
    """One test: what is given and what is expected, not yet converted."""

    given: Any
    expected: Any
    entry: str | None = None
    how: Literal["call", "method", "stdin"] | None = None
    """What the test says it runs: a function, a method of `Solution` ("functional", as LiveCodeBench has it), or a
    program that reads stdin; None: it does not say."""
    kwargs: Mapping[str, Any] | None = None
    """Set where arguments and result are values as they stand (`args`, `kwargs`, `expected`)."""


class Code(str):
    """Tests as Python, with what stands beside them: the code before tests and program, and the name under test."""

    setup: str = ""
    entry: str | None = None


@dataclass(frozen=True)
class Hints:
    """What a row says beside its tests."""

    entry: str | None = None
    starter: str = ""
    solution: str = ""
    wrapped: bool | None = None
    """Whether each result stands in a list of its own; None: it does not say."""


def found(value: Any, key: str = "tests", depth: int = 0) -> list[Pair | str]:
    """The tests in a value; texts are Python. Empty where it holds none. Raises BadReferenceError."""
    if depth > _DEPTH:
        return []
    if isinstance(value, str):
        return _in_text(value, key, depth)
    if isinstance(value, Mapping):
        return _in_mapping(value, key, depth)
    if isinstance(value, list | tuple):
        return [test for item in value for test in _in_item(item, key, depth)]
    return []


def _in_text(text: str, key: str, depth: int) -> list[Pair | str]:
    text = _without_fence(text)
    start = text.lstrip()[:1]
    if not start:
        return []
    if start in '[{"':
        try:
            return found(decoded(text, key), key, depth + 1)
        except BadReferenceError:
            lines = [line for line in text.split("\n") if line.strip()]
            if len(lines) > 1 and all(line.lstrip()[:1] in "[{" for line in lines):  # JSON, one value a line
                return [test for line in lines for test in found(decoded(line, key), key, depth + 1)]
            if not _TESTS.search(text):
                raise
    if _TESTS.search(text):
        return [text]
    return found(decoded(unpacked(text, key), key), key, depth + 1) if key.endswith("test_cases") else []


def _without_fence(text: str) -> str:
    match = re.fullmatch(r"\s*```[a-z0-9]*\n(.*?)\n?```\s*", text, re.S)
    return match[1] if match else text


def _in_item(item: Any, key: str, depth: int) -> list[Pair | str]:
    if isinstance(item, str):
        return (
            [item] if _TESTS.search(item) else _in_text(item, key, depth) if item.lstrip()[:1] in "[{" else []
        )
    if isinstance(item, list | tuple) and len(item) == 2 and isinstance(item[0], str):
        return [Pair(*item)]
    return found(item, key, depth + 1)


def _in_mapping(value: Mapping[str, Any], key: str, depth: int) -> list[Pair | str]:
    entry, how = entry_in(value), _how(str(value.get("testtype", value.get("type", ""))).lower())
    if "expected" in value and ("args" in value or "kwargs" in value):
        args, kwargs = value.get("args") or [], value.get("kwargs") or {}
        return [Pair(args, value["expected"], entry, "call", kwargs)]
    given = next((k for k in _GIVEN if value.get(k) is not None), None)
    expected = next((k for k in _EXPECTED if value.get(k) is not None), None)
    if given and expected:
        ins, outs = _list_in_text(value[given], given), _list_in_text(value[expected], expected)
        if not _is_struct(ins, outs, given, entry or how):
            return [Pair(ins, outs, entry, how)]
        if ins or outs:
            return [Pair(i, o, entry, how) for i, o in _paired(ins, outs)]
    if len(value) <= 3 and (code := next((t for k in _CODE if (t := value.get(k)) and _is_tests(t)), None)):
        return [code]
    return _with_rest(_below(value, entry, depth), value, entry)


def _is_tests(value: Any) -> bool:
    return isinstance(value, str) and _TESTS.search(value) is not None


def _list_in_text(value: Any, key: str) -> Any:
    """`inputs` and `outputs`, which name several, may be lists in a text of JSON."""
    if isinstance(value, str) and key.endswith("s") and value.lstrip()[:1] == "[":
        return decoded(value, key)
    return value


def _with_rest(tests: list[Pair | str], value: Mapping[str, Any], entry: str | None) -> list[Pair | str]:
    """Tests of code know what stands beside them in `value`."""
    setup = next((text for key in _SETUP if isinstance(text := value.get(key), str) and text.strip()), "")
    made: list[Pair | str] = []
    for test in tests:
        if isinstance(test, str) and (setup or entry):
            before = test if isinstance(test, Code) else Code()
            test = Code(test)
            test.setup, test.entry = setup or before.setup, before.entry or entry
        made.append(test)
    return made


def entry_in(value: Mapping[str, Any]) -> str | None:
    """The function that a test or a row names, itself or in its `metadata`."""
    metadata = value.get("metadata")
    inner = decoded(metadata, "metadata") if metadata else None
    places = (value, inner) if isinstance(inner, Mapping) else (value,)
    names = (place.get(key) for place in places for key in ENTRY)
    return next((name.strip() for name in names if isinstance(name, str) and name.strip()), None)


def _how(kind: str) -> Literal["call", "method", "stdin"] | None:
    if kind == "functional":
        return "method"
    if "func" in kind or "call" in kind:
        return "call"
    return "stdin" if "std" in kind or kind == "io" else None


def _is_struct(ins: Any, outs: Any, given: str, said: str | None) -> bool:
    if not isinstance(ins, list | tuple) or not isinstance(outs, list | tuple):
        return False
    texts = all(isinstance(x, str) for x in (*ins, *outs))
    return given == "inputs" or (texts and not said and len(ins) == len(outs))


def _paired(ins: Sequence[Any], outs: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Inputs beyond the outputs, which some rows have, cannot be tests."""
    if (ins or outs) and not (ins and outs):
        raise BadReferenceError(f"{len(ins)} inputs and {len(outs)} outputs; expected the same number")
    yield from zip(ins, outs, strict=False)


def _below(value: Mapping[str, Any], entry: str | None, depth: int) -> list[Pair | str]:
    for family in FAMILIES:
        tests = [test for name in family if name in value for test in found(value[name], name, depth + 1)]
        if tests:
            return [
                Pair(t.given, t.expected, t.entry or entry, t.how, t.kwargs) if isinstance(t, Pair) else t
                for t in tests
            ]
    return []


def reference(tests: Sequence[Pair | str], hints: Hints) -> dict[str, Any]:
    """`entry` with `tests` or `test_code`, as `formats.read_reference` reads them. Raises BadReferenceError."""
    texts = [test for test in tests if isinstance(test, str)]
    pairs = [test for test in tests if isinstance(test, Pair)]
    if texts and pairs:
        raise BadReferenceError(
            "its tests are partly Python and partly inputs with outputs; expected one kind"
        )
    if texts:
        code = "\n".join(texts)
        told = next((text for text in texts if isinstance(text, Code)), Code())
        named = hints.entry or told.entry or called_function(code, hints.solution)
        return {"entry": named, "test_code": code} | ({"setup": told.setup} if told.setup else {})
    named = hints.entry or next((pair.entry for pair in pairs if pair.entry), None)
    ways = {pair.how for pair in pairs}
    written = hints.starter and all(isinstance(p.given, str) and _keywords(p.given) for p in pairs)
    if ways & {"call", "method"} or (named and "stdin" not in ways) or written:
        return _calls(pairs, named, hints)
    return {"entry": None, "tests": [{"stdin": _lines(p.given), "stdout": _lines(p.expected)} for p in pairs]}


def _lines(value: Any) -> str:
    """Standard input or output; some rows keep the lines as a list."""
    if isinstance(value, list | tuple):
        return "\n".join(map(str, value))
    return value if isinstance(value, str) else str(value)


def _calls(pairs: Sequence[Pair], named: str | None, hints: Hints) -> dict[str, Any]:
    names = _DEF.findall(hints.starter)
    entry = named or (names[-1] if names else None)
    if entry is None:
        raise BadReferenceError(
            "its tests call a function, and nothing names it: no fn_name, metadata.func_name or starter_code"
        )
    shown = hints.starter or hints.solution
    method = "class Solution" in shown if shown else any(pair.how == "method" for pair in pairs)
    if method and "." not in entry:
        entry = f"Solution.{entry}"
    loose = [pair for pair in pairs if pair.kwargs is None]
    quoted = _all_quoted(loose)
    wrapped = _is_wrapped([pair.expected for pair in loose], hints)
    tests = []
    for pair in pairs:
        if pair.kwargs is not None:
            tests.append({"args": pair.given, "kwargs": dict(pair.kwargs), "expected": pair.expected})
            continue
        args, kwargs = _arguments(pair.given, quoted)
        test = {"args": args, "expected": _result(pair, wrapped, quoted)}
        tests.append(test | ({"kwargs": kwargs} if kwargs else {}))
    return {"entry": entry, "tests": tests}


def _all_quoted(pairs: Sequence[Pair]) -> bool:
    """Whether every text among arguments and results is JSON in quotes, as some of APPS' rows have them."""
    texts = [
        x
        for pair in pairs
        if isinstance(pair.given, list | tuple)
        for x in (*pair.given, pair.expected)
        if isinstance(x, str)
    ]
    return bool(texts) and all(len(x) > 1 and x[0] == x[-1] == '"' for x in texts)


def _arguments(given: Any, quoted: bool) -> tuple[list[Any], dict[str, Any]]:
    """(args, kwargs): from a list, a mapping of names, lines of JSON, or `a = 1, b = 2` as LeetCode prints them."""
    if isinstance(given, Mapping):
        return [], dict(given)
    if isinstance(given, list | tuple):
        return [decoded(x, "input") if quoted and isinstance(x, str) else x for x in given], {}
    if not isinstance(given, str):
        return [given], {}
    try:
        return [decoded(line, "input") for line in given.split("\n") if line.strip()], {}
    except BadReferenceError:
        if (keywords := _keywords(given)) is None:
            raise
        return [], keywords


def _keywords(text: str) -> dict[str, Any] | None:
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or not call.keywords:
            return None
        return {str(word.arg): ast.literal_eval(word.value) for word in call.keywords}
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _result(pair: Pair, wrapped: bool, quoted: bool) -> Any:
    value = pair.expected
    if isinstance(pair.given, str) and isinstance(value, str):
        try:
            return decoded(value, "output")
        except BadReferenceError:
            if _keywords(pair.given) is None:
                raise
            return value
    if wrapped:
        value = value[0]
    return decoded(value, "output") if quoted and isinstance(value, str) else value


def _is_wrapped(results: Sequence[Any], hints: Hints) -> bool:
    """Whether each result stands in a list of length one: as the row says, or if all of them are such lists."""
    if not results or not all(isinstance(result, list) and len(result) == 1 for result in results):
        return False
    if hints.wrapped is not None:
        return hints.wrapped
    returns = re.findall(r"->\s*([\w.]+)", hints.starter or hints.solution)
    return not returns or returns[-1].rpartition(".")[2].lower() not in ("list", "sequence", "iterable")
