"""Single cells of a row: JSON or a Python literal in a text, packed tests, limits with their units, solutions."""

from __future__ import annotations

import ast
import base64
import binascii
import decimal
import io
import json
import pickle
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from verifiers.code.formats import BadReferenceError
from verifiers.extract.programs import last_program

_LONG = 4000  # digits, above which int() refuses a text
_PACKED_BYTES = 256 << 20
_SECONDS = {"": 1.0, "s": 1.0, "sec": 1.0, "second": 1.0, "ms": 1e-3, "millisecond": 1e-3, "minute": 60.0}
_MEGABYTES = {"": 1.0, "b": 2**-20, "byte": 2**-20, "kb": 2**-10, "kib": 2**-10, "kilobyte": 2**-10}
_MEGABYTES |= {"mb": 1.0, "mib": 1.0, "megabyte": 1.0, "gb": 1024.0, "gib": 1024.0, "gigabyte": 1024.0}
_QUANTITY = re.compile(r"\s*(\d{1,12}(?:\.\d{1,12})?)\s*([a-zA-Z]*)(?:\s+per\s+test)?\.?\s*")
_PYTHONS = ("python", "python3", "py", "py3", "3")  # "3" is CodeContests' number for it


def decoded(value: Any, key: str) -> Any:
    """The value in a text of JSON, or of a Python literal; any other value as it is. Raises BadReferenceError."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        why = f"{error}"
    try:
        return ast.literal_eval(value.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise BadReferenceError(f"{key} is not JSON ({why})") from None


def _integer(text: str) -> int:
    return int(text) if len(text) < _LONG else int(decimal.Decimal(text))


def unpacked(text: str, key: str) -> str:
    """A text as LiveCodeBench packs it: pickled, compressed, in base 64. Raises BadReferenceError."""
    try:
        opened = zlib.decompressobj()
        data = opened.decompress(base64.b64decode(text), _PACKED_BYTES)
        if opened.unconsumed_tail:
            raise BadReferenceError(f"{key} unpacks to more than {_PACKED_BYTES} bytes")
        value = _Text(io.BytesIO(data)).load()
    except _UNREADABLE as error:
        raise BadReferenceError(f"{key} cannot be decoded ({error})") from None
    if not isinstance(value, str):
        raise BadReferenceError(f"{key} cannot be decoded (it holds {type(value).__name__}, not a text)")
    return value


_UNREADABLE = (
    binascii.Error,
    zlib.error,
    pickle.UnpicklingError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
)
_UNREADABLE += (AttributeError, OverflowError, MemoryError, RecursionError)
"""What a pickle of somebody else's provokes, beside what cannot be unpacked."""


class _Text(pickle.Unpickler):
    """Unpickles text only: refuses everything that would have to be imported."""

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        raise pickle.UnpicklingError(f"it refers to {module_name}.{global_name}")


def seconds(value: Any) -> float | None:
    """A time limit in seconds: a number, "2 seconds", "1500 ms", {seconds, nanos}. None where there is none.

    Raises BadReferenceError.
    """
    if isinstance(value, Mapping):
        value = (value.get("seconds") or 0) + (value.get("nanos") or 0) / 1e9
    return _quantity(value, _SECONDS, "time limit")


def megabytes(value: Any) -> float | None:
    """A memory limit in MB: a number (of bytes, from 2 ** 20 on), "256 megabytes". None where there is none.

    Raises BadReferenceError.
    """
    found = _quantity(value, _MEGABYTES, "memory limit")
    return found / 2**20 if found is not None and found >= 2**20 else found


def _quantity(value: Any, units: Mapping[str, float], what: str) -> float | None:
    if value is None or value == "" or isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value) or None
    match = _QUANTITY.fullmatch(str(value))
    unit = match[2].lower() if match else ""
    unit = unit if unit in units else unit.removesuffix("s")
    if match is None or unit not in units:
        raise BadReferenceError(f"the {what} is {str(value)[:60]!r}; expected a number, perhaps with a unit")
    return float(match[1]) * units[unit] or None


SOLUTIONS = (
    "reference_program",
    "canonical_solution",
    "gold_standard_solution",
    "reference_solution",
    "ground_truth_solution",
)
SOLUTIONS += (
    "reference_solutions",
    "completion",
    "solution",
    "solutions",
    "code",
    "python_solution",
    "solution_code",
)
_KEPT = 3
_BODIES = ("code", "solution", "completion", "content", "program")


def solutions(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The first of the row's own Python programs."""
    for name in SOLUTIONS:
        if found := [text for text in _programs(row.get(name)) if text.strip()][:_KEPT]:
            return tuple(found)
    return ()


def _programs(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.lstrip()[:1] in ("[", "{"):
            try:
                value = decoded(value, "solutions")
            except BadReferenceError:
                yield value
                return
            yield from _programs(value if isinstance(value, list | Mapping) else None)
        else:
            yield (last_program(value) or value) if "```" in value else value
    elif isinstance(value, Mapping):
        languages = value.get("language", value.get("lang"))
        body = next((value[name] for name in _BODIES if value.get(name)), None)
        if isinstance(languages, list) and isinstance(body, list):
            pairs = zip(languages, body, strict=False)
            yield from _programs([text for language, text in pairs if _is_python(language)])
        elif languages is None or _is_python(languages):
            yield from _programs(body)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _programs(item)


def _is_python(language: Any) -> bool:
    return str(language).lower() in _PYTHONS
