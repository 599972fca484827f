"""Rows of public data sets as problems: HumanEval, MBPP, APPS, TACO, LiveCodeBench.

A reader raises BadReferenceError for tests that cannot be read, and KeyError for a missing column. A row without
tests (APPS has some) becomes a problem that is "unverifiable": its verdicts are always None.
"""

from __future__ import annotations

import ast
import base64
import binascii
import builtins
import io
import json
import pickle
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from verifiers.code.formats import BadReferenceError
from verifiers.types import Problem


def humaneval(row: Mapping[str, Any]) -> Problem:
    """A row of HumanEval (`task_id, prompt, test, entry_point`), or of its form with `id` and `tests`."""
    test_code = row.get("test") or row["tests"]
    return Problem(
        id=str(row.get("task_id", row.get("id"))),
        prompt=row["prompt"],
        reference={"entry": row["entry_point"], "test_code": test_code},
    )


def mbpp(row: Mapping[str, Any]) -> Problem:
    """A row of MBPP (`task_id, text | prompt, test_list, test_imports | test_setup_code`) or of its check() form."""
    if "entry_point" in row:
        return humaneval(row)
    setup = row.get("test_setup_code") or "\n".join(row.get("test_imports") or ())
    tests = "\n".join(row["test_list"])
    prompt = f"{row.get('text') or row['prompt']}\nYour code should pass these tests:\n{tests}"
    identity = str(row["task_id"])
    entry = _called_function(tests, identity)
    return Problem(identity, prompt, {"entry": entry, "test_code": f"{setup}\n{tests}\n"})


def _called_function(tests: str, identity: str) -> str:
    """The function that assertions call: the first called name that is not a builtin."""
    try:
        tree = ast.parse(tests)
    except SyntaxError as error:
        raise BadReferenceError(f"row {identity!r}: its assertions are not valid Python ({error})") from None
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and not hasattr(builtins, node.func.id)
        ):
            return node.func.id
    raise BadReferenceError(f"row {identity!r}: its assertions do not call a function")


def apps(row: Mapping[str, Any]) -> Problem:
    """A row of APPS or TACO: `question`, `input_output` as JSON with `inputs, outputs` and perhaps `fn_name`.

    Many rows, but not all, wrap each returned value in a list of length one. It is unwrapped if every output of the
    row is such a list.
    """
    identity = str(row.get("problem_id", row.get("id", "")))
    tests = _json(row.get("input_output") or "{}", identity, "input_output")
    inputs, outputs = tests.get("inputs") or [], tests.get("outputs") or []
    if len(inputs) != len(outputs):
        raise BadReferenceError(
            f"row {identity!r}: {len(inputs)} inputs and {len(outputs)} outputs; expected the same number"
        )
    entry = tests.get("fn_name") or None
    if entry is None:
        read = [{"stdin": given, "stdout": expected} for given, expected in zip(inputs, outputs, strict=True)]
    else:
        method = "class Solution" in (row.get("starter_code") or "")
        entry = f"Solution.{entry}" if method else entry
        wrapped = all(isinstance(output, list) and len(output) == 1 for output in outputs)
        values = [output[0] for output in outputs] if wrapped else outputs
        read = [{"args": args, "expected": value} for args, value in zip(inputs, values, strict=True)]
    return Problem(identity, row["question"], {"entry": entry, "tests": read})


def livecodebench(row: Mapping[str, Any]) -> Problem:
    """A row of LiveCodeBench: `question_content, public_test_cases, private_test_cases`, as published or decoded."""
    identity = str(row["question_id"])
    cases = [
        case
        for key in ("public_test_cases", "private_test_cases")
        for case in _cases(row.get(key), identity, key)
    ]
    if cases and cases[0].get("testtype") == "functional":
        metadata = _json(row.get("metadata") or "{}", identity, "metadata")
        if "func_name" not in metadata:
            raise BadReferenceError(
                f"row {identity!r}: metadata has no func_name, and its tests are functional"
            )
        entry = f"Solution.{metadata['func_name']}"
        tests = [
            {
                "args": [
                    _json(line, identity, "input") for line in case["input"].split("\n") if line.strip()
                ],
                "expected": _json(case["output"], identity, "output"),
            }
            for case in cases
        ]
    else:
        entry, tests = None, [{"stdin": case["input"], "stdout": case["output"]} for case in cases]
    return Problem(identity, row["question_content"], {"entry": entry, "tests": tests})


def _json(value: Any, identity: str, key: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError as error:
        raise BadReferenceError(f"row {identity!r}: {key} is not JSON ({error})") from None


def _cases(value: Any, identity: str, key: str) -> list:
    """Test cases as a list, as JSON, or as published: JSON in a pickled string, compressed, in base 64."""
    if not isinstance(value, str):
        return list(value or [])
    if value.lstrip()[:1] not in ("[", ""):
        try:
            value = _Text(io.BytesIO(zlib.decompress(base64.b64decode(value)))).load()
        except (binascii.Error, zlib.error, pickle.UnpicklingError, EOFError) as error:
            raise BadReferenceError(f"row {identity!r}: {key} cannot be decoded ({error})") from None
    return _json(value or "[]", identity, key)


class _Text(pickle.Unpickler):
    """Unpickles text only: refuses everything that would have to be imported."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise pickle.UnpicklingError(f"it refers to {module_name}.{global_name}")


READERS: dict[str, Callable[[Mapping[str, Any]], Problem]] = {
    "humaneval": humaneval,
    "mbpp": mbpp,
    "apps": apps,
    "livecodebench": livecodebench,
}
