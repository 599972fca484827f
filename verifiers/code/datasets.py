"""Rows of open code sets as problems, whatever the set: `read` finds prompt, tests, names, limits and solutions.

A reader raises BadReferenceError for tests that cannot be read, and KeyError for a missing column. A row without
tests (APPS has some) becomes a problem that is "unverifiable": its verdicts are always None.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Mapping
from typing import Any

from verifiers.code.cells import SOLUTIONS, megabytes, seconds, solutions
from verifiers.code.formats import BadReferenceError
from verifiers.code.shapes import FAMILIES, STARTER, Hints, Pair, entry_in, found, reference
from verifiers.messages import Message, MessagesError, conversation
from verifiers.types import Problem

PROMPTS = ("prompt", "question", "problem", "question_content", "query", "description", "problem_statement")
PROMPTS += ("problem_description", "instruct_prompt", "instruction", "text", "content", "messages")
PROMPTS += ("conversations", "user_prompt", "input", "complete_prompt", "skeleton")
IDS = ("id", "task_id", "question_id", "problem_id", "name", "uid")
SETUP = ("test_setup_code", "test_imports")
_UNWRAPPED, _WRAPPED = ("leetcode", "hackerrank", "geeksforgeeks"), ("codewars",)
_META_LENGTH = 2000  # characters; a longer text (other tests, traces) is not kept as `meta`


def read(row: Mapping[str, Any], prompt: Any = None, tests: Any = None, identity: Any = None) -> Problem:
    """A row of any set; what is given is not looked for. `meta` has the row's own programs under `solutions`.

    >>> read({"question": "Add.", "input_output": '{"inputs": ["1 2"], "outputs": ["3"]}'}).reference["tests"]
    [{'stdin': '1 2', 'stdout': '3'}]
    """
    name = (
        str(next((row[key] for key in IDS if row.get(key) is not None), ""))
        if identity is None
        else str(identity)
    )
    try:
        return _read(row, name, prompt, tests)
    except BadReferenceError as error:
        raise BadReferenceError(f"row {name!r}: {error}" if name else str(error)) from None


def _read(row: Mapping[str, Any], name: str, prompt: Any, tests: Any) -> Problem:
    cases = found(row if tests is None else tests)
    if tests is not None and not cases and tests:
        raise BadReferenceError(f"found no tests in {str(tests)[:80]!r}")
    own = tuple(_whole(text, row) for text in solutions(row))
    history, asked, asked_key = _prompt(row) if prompt is None else (*_asked(prompt), None)
    if asked is None:
        raise BadReferenceError("its prompt is neither text nor messages of a user")
    starter = next((text for key in STARTER if isinstance(text := row.get(key), str) and text.strip()), "")
    if cases:
        given = reference(cases, Hints(_entry(row), starter, own[0] if own else "", _wraps(row)))
    else:
        given = {"entry": None, "tests": []}
    given |= _surroundings(row, asked_key, given)
    spent = {*SOLUTIONS, *IDS, *SETUP, *(key for family in FAMILIES for key in family), asked_key}
    meta = {key: value for key, value in row.items() if key not in spent and _is_small(value)}
    if own:
        meta["solutions"] = own
    return Problem(name, _with_name(asked, starter, given, cases, row), given, meta, history=history)


def _whole(solution: str, row: Mapping[str, Any]) -> str:
    """A solution that is only a function's body, below the header that the row has (BigCodeBench)."""
    header = row.get("complete_prompt") or row.get("code_prompt")
    indented = solution.lstrip("\n")[:1] in (" ", "\t")
    return f"{header.rstrip()}\n{solution}" if indented and isinstance(header, str) else solution


def _prompt(row: Mapping[str, Any]) -> tuple[tuple[Message, ...], str, str]:
    for key in PROMPTS:
        history, text = _asked(row.get(key))
        if text and text.strip() and not (key == "prompt" and _only_prepares(text)):
            return history, text, key
    raise KeyError(f"{PROMPTS[0]!r} (nor {', '.join(PROMPTS[1:])})")


def _asked(value: Any) -> tuple[tuple[Message, ...], str | None]:
    """The messages before the question, and the question; an answer after it is left out."""
    try:
        found = conversation(value)
    except MessagesError:
        return (), None
    if found is None:
        return (), value if isinstance(value, str) else None
    return found.history, found.question


def _only_prepares(text: str) -> bool:
    """Whether a text is Python that imports and defines values but no function: LeetCodeDataset's `prompt`."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Import | ast.ImportFrom) for node in body) and not any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) for node in body
    )


def _entry(row: Mapping[str, Any]) -> str | None:
    places = (row, *(row.get("test_info") or ()))
    return next((name for place in places if isinstance(place, Mapping) and (name := entry_in(place))), None)


def _wraps(row: Mapping[str, Any]) -> bool | None:
    """Whether the site that a row of TACO or APPS is from puts each result in a list of its own."""
    for key in ("source", "url"):
        site = str(row.get(key) or "").lower()
        if any(name in site for name in _UNWRAPPED):
            return False
        if any(name in site for name in _WRAPPED):
            return True
    return None


def _surroundings(row: Mapping[str, Any], asked_key: str | None, given: Mapping[str, Any]) -> dict[str, Any]:
    """Limits, and code that the row gives to tests and program."""
    around: dict[str, Any] = {
        "time_limit": seconds(next((row[k] for k in ("time_limit", "timeout") if row.get(k)), None)),
        "memory_mb": megabytes(
            next((row[k] for k in ("memory_limit", "memory_mb", "memory_limit_bytes") if row.get(k)), None)
        ),
    }
    prepared = row.get("prompt")
    if asked_key != "prompt" and isinstance(prepared, str) and _only_prepares(prepared):
        around["setup"] = prepared
    elif "test_code" in given and (setup := "\n".join(_lines_of(row.get(key)) for key in SETUP).strip()):
        around["test_code"] = f"{setup}\n{given['test_code']}"
    for key in ("setup", "tol", "strict", "any_order", "ignore_case", "in_place", "input_mode"):
        if row.get(key) is not None:
            around[key] = row[key]
    if isinstance(checker := row.get("checker") or row.get("generated_checker"), str) and checker.strip():
        around["checker"] = checker
    return {key: value for key, value in around.items() if value is not None}


def _lines_of(value: Any) -> str:
    return "\n".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


def _with_name(
    asked: str, starter: str, given: Mapping[str, Any], cases: list[Pair | str], row: Mapping[str, Any]
) -> str:
    """The prompt, with the code that it begins with, or the name that is judged, where it does not hold the name."""
    listed = row.get("test_list")
    if (
        isinstance(listed, list | tuple) and listed and "entry_point" not in row
    ):  # as MBPP is asked everywhere
        return f"{asked}\nYour code should pass these tests:\n" + "\n".join(map(str, listed))
    entry = given.get("entry")
    if not cases or not entry or _names(asked, entry.rpartition(".")[2]):
        return asked
    if starter:
        return f"{asked.rstrip()}\n\nBegin with this code:\n```python\n{starter.strip(chr(10))}\n```\n"
    return f"{asked.rstrip()}\n\nThe tests call `{entry.replace('()', '')}`.\n"


def _names(asked: str, name: str) -> bool:
    """Whether a prompt says the name of the function, and not just the same word (`add`, `twice`)."""
    if "_" in name or not (name.islower() or name.istitle()):
        return re.search(rf"\b{re.escape(name)}\b", asked) is not None
    name, mark = re.escape(name), "[`'\"*]"
    said = (
        rf"(?:def|class|named?|called|function|method)\s+{mark}*{name}\b|{mark}{name}(?:{mark}|\()|\b{name}\("
    )
    return re.search(said, asked) is not None


def _is_small(value: Any) -> bool:
    return (
        value is None
        or isinstance(value, int | float)
        or (isinstance(value, str) and len(value) <= _META_LENGTH)
    )


def _with(*columns: str | tuple[str, ...]) -> Callable[[Mapping[str, Any]], Problem]:
    """`read` for a set that has these columns (of a tuple, one). Raises KeyError without them."""

    def reader(row: Mapping[str, Any]) -> Problem:
        for column in columns:
            names = (column,) if isinstance(column, str) else column
            if not any(name in row for name in names):
                raise KeyError(names[0])
        return read(row)

    return reader


humaneval = _with("prompt", "entry_point")
mbpp = _with(("task_id", "id"))
apps = _with("question", "input_output")
livecodebench = _with("question_id", "question_content")

READERS: dict[str, Callable[[Mapping[str, Any]], Problem]] = {
    "humaneval": humaneval,
    "mbpp": mbpp,
    "apps": apps,
    "livecodebench": livecodebench,
    "code": read,
}
