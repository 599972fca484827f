"""Names that a program may use without importing them, as in the graders of LiveCodeBench, prime_code and LeetCode.

Only what a program names is imported, so that nothing else takes time. Runs inside the sandbox.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Iterable
from typing import Any

from verifiers.code.nodes import CLASSES

_MODULES = (
    *("array", "bisect", "cmath", "collections", "copy", "datetime", "decimal", "fractions", "functools"),
    *("heapq", "io", "itertools", "json", "math", "operator", "os", "random", "re", "statistics", "string"),
    *("sys", "time", "typing"),
)
# Of two modules with the same name in them, the first one counts.
_ALL_OF = ("typing", "collections", "math", "itertools", "functools", "heapq", "bisect", "operator", "random")
_ALL_OF += ("string", "copy", "re")
_SOME_OF = {
    "sys": "maxsize setrecursionlimit stdin stdout",
    "datetime": "date timedelta timezone",
    "decimal": "Decimal getcontext",
    "fractions": "Fraction",
    "statistics": "mean median mode stdev pstdev variance pvariance",
    "json": "dumps loads",
    "io": "BytesIO StringIO",
    "dataclasses": "dataclass field",
    "enum": "Enum IntEnum",
    "abc": "ABC abstractmethod",
    "sortedcontainers": "SortedDict SortedList SortedSet",
}
_MODULE_OF = {name: module for module, names in _SOME_OF.items() for name in names.split()}
_ALIASES = {"np": "numpy"}  # where the package is there


class _Bisect(types.ModuleType):
    """`bisect`, as a module and as its function: graders give either."""

    def __call__(self, *args: Any, **kwargs: Any) -> int:
        return self.bisect(*args, **kwargs)


def used(code: types.CodeType) -> set[str]:
    """The global names and attributes in a program's code."""
    found, pending = set(), [code]
    for part in pending:  # grows while it is read
        found.update(part.co_names)
        pending += [constant for constant in part.co_consts if isinstance(constant, types.CodeType)]
    return found


def names(wanted: Iterable[str]) -> dict[str, Any]:
    """name → value, for those of the wanted names that are given."""
    found = {name: _value(name) for name in wanted if not hasattr(builtins, name)}
    return {name: value for name, value in found.items() if value is not None}


def _value(name: str) -> Any:
    if name == "bisect":
        module = __import__(name)
        both = _Bisect(name)
        both.__dict__.update(vars(module))
        return both
    if name == "inf":
        return float("inf")
    if name in _MODULES or name in _ALIASES:
        return _imported(_ALIASES.get(name, name))
    if name in CLASSES:
        return CLASSES[name]
    if name in _MODULE_OF:
        return getattr(_imported(_MODULE_OF[name]), name, None)
    for module in map(sys.modules.__getitem__, _ALL_OF):
        if name in getattr(module, "__all__", ()) or (
            not name.startswith("_") and not hasattr(module, "__all__") and name in vars(module)
        ):
            return getattr(module, name)
    return None


def _imported(module: str) -> types.ModuleType | None:
    try:
        return __import__(module)
    except ImportError:  # a package that is not there: the program's own NameError says so
        return None
