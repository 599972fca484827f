"""What a row (`Problem.reference`) or the verifier, for all rows, says about limits, comparison and environment."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, get_args

from verifiers.code.compare import Equality, Layout, Rules
from verifiers.code.report import show


class BadReferenceError(ValueError):
    """The reference is not usable. The message names the key, what was found and what was expected."""


def _positive(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < math.inf


def _tolerance(value: Any) -> bool:
    """From 1 on, 0 would equal anything."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1


def _yes_or_no(value: Any) -> bool:
    return isinstance(value, bool) or value in (0, 1)


_EXPECTED: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "time_limit": ("a number of seconds above 0", _positive),
    "memory_mb": ("a number of megabytes above 0", _positive),
    "tol": ("a number from 0 to below 1", _tolerance),
    "abs_tol": ("a number from 0 to below 1", _tolerance),
    "rel_tol": ("a number from 0 to below 1", _tolerance),
    "equality": (f"one of {', '.join(get_args(Equality))}", lambda value: value in get_args(Equality)),
    "strict": ("true or false", _yes_or_no),
    "any_order": ("true, false or 'deep'", lambda value: isinstance(value, bool) or value == "deep"),
    "compare": (f"one of {', '.join(get_args(Layout))}", lambda value: value in get_args(Layout)),
    "ignore_case": ("true or false", _yes_or_no),
    "imports": ("true or false", _yes_or_no),
    "in_place": ("true, false or an argument's index", lambda value: isinstance(value, int) and value >= 0),
}
"""Each option: what is expected, and whether a value is that."""


def read_options(source: Mapping[str, Any], where: str = "reference") -> dict[str, Any]:
    """The options among the keys of `source`; those that are None count as absent.

    `tol` is given as the two tolerances that it stands for, unless they are there themselves. Raises BadReferenceError
    for a value that is not what the option expects, naming it as `where[key]`.
    """
    found = {key: source[key] for key in _EXPECTED if source.get(key) is not None}
    for key, value in found.items():
        expected, fits = _EXPECTED[key]
        if not fits(value):
            raise BadReferenceError(f"{where}[{key!r}] is {show(value)}; expected {expected}")
    if "tol" in found:
        tol = found.pop("tol")
        found = {"abs_tol": tol, "rel_tol": tol} | found
    return found


def rules(options: Mapping[str, Any]) -> Rules:
    """The rules of comparison among options, as `read_options` gives them."""
    return Rules(
        abs_tol=options.get("abs_tol"),
        rel_tol=options.get("rel_tol"),
        equality="strict" if options.get("strict") else options.get("equality", "python"),
        any_order=options.get("any_order", False),
        compare=options.get("compare", "tokens"),
        ignore_case=bool(options.get("ignore_case", False)),
    )
