"""A small stand-in for pytest (`arrays`: for the part of numpy that tests need): for tests, never for programs.

Runs inside the sandbox, in the tests' process: standard library only.
"""

from __future__ import annotations

import builtins
import math
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any


class SkippedError(Exception):
    """The test says that it is to be skipped."""


class NeedsPackageError(ImportError):
    """The tests use more of a package than its stand-in has."""


# --- pytest ------------------------------------------------------------------------------------------------


class Raises:
    """`pytest.raises`: passes if the block raises one of the exceptions, and its message matches."""

    value: Any = None

    def __init__(self, expected: Any, match: str | None = None) -> None:
        self.expected, self.match_pattern = expected, match

    def __enter__(self) -> Raises:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, _: object) -> bool:
        if kind is None:
            raise AssertionError(f"DID NOT RAISE {self.expected}")
        if not issubclass(kind, self.expected):
            return False
        self.type, self.value = kind, error
        if self.match_pattern is not None:
            self.match(self.match_pattern)
        return True

    def match(self, pattern: str) -> bool:
        if re.search(pattern, str(self.value)) is None:
            raise AssertionError(f"{str(self.value)!r} does not match {pattern!r}")
        return True


def raises(expected: Any, *call: Any, match: str | None = None, **kwargs: Any) -> Any:
    if not call:
        return Raises(expected, match)
    caught = Raises(expected, match)
    with caught:
        call[0](*call[1:], **kwargs)
    return caught


class Approx:
    """`pytest.approx`, for numbers, and sequences and mappings of them; compares values of built-in types only."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self, expected: Any, rel: float | None = None, abs: float | None = None, nan_ok: bool = False
    ) -> None:
        self.expected, self.rel, self.abs, self.nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, got: object) -> bool:
        return self._same(got, self.expected)

    def __ne__(self, got: object) -> bool:
        return not self == got

    def __repr__(self) -> str:
        return f"approx({self.expected!r})"

    def _same(self, got: Any, expected: Any) -> bool:
        if isinstance(expected, Approx):
            return expected == got
        if isinstance(expected, Mapping):
            return (
                type(got) is dict
                and set(got) == set(expected)
                and all(self._same(got[k], expected[k]) for k in got)
            )
        if isinstance(expected, list | tuple):
            kinds = (list, tuple)
            return (
                isinstance(got, kinds) and len(got) == len(expected) and all(map(self._same, got, expected))
            )
        if isinstance(expected, bool) or not isinstance(expected, int | float | complex):
            return type(got) is type(expected) and got == expected
        if type(got) not in (int, float, complex) or got == expected:
            return type(got) in (int, float, complex)
        if expected != expected or got != got:
            return self.nan_ok and expected != expected and got != got
        if isinstance(expected, complex) or isinstance(got, complex):
            return builtins.abs(got - expected) <= self._tolerance(builtins.abs(expected))
        if math.isinf(expected) or math.isinf(got):
            return False
        return builtins.abs(got - expected) <= self._tolerance(builtins.abs(expected))

    def _tolerance(self, size: float) -> float:
        absolute = 1e-12 if self.abs is None else self.abs
        if self.rel is None and self.abs is not None:
            return absolute
        return max((1e-6 if self.rel is None else self.rel) * size, absolute)


class Mark:
    """`pytest.mark.NAME`, with or without arguments; a decorator that notes itself on the test."""

    def __init__(self, name: str, args: tuple = (), kwargs: Mapping[str, Any] | None = None) -> None:
        self.name, self.args, self.kwargs = name, args, kwargs or {}

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if len(args) == 1 and not kwargs and isinstance(args[0], types.FunctionType | type):
            marked: Any = args[0]
            marked.marks = [*getattr(marked, "marks", ()), self]
            return marked
        return Mark(self.name, args, kwargs)


class _Marks:
    def __getattr__(self, name: str) -> Any:
        if name == "parametrize":
            return _parametrize
        return Mark(name)


def _parametrize(names: str | Iterable[str], values: Iterable[Any], **_: Any) -> Callable:
    listed = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
    rows = []
    for value in values:
        row = value.values if isinstance(value, Param) else value if len(listed) > 1 else (value,)
        rows.append(dict(zip(listed, row, strict=True)))

    def mark(test: Any) -> Any:
        test.parameters = [*getattr(test, "parameters", ()), rows]
        return test

    return mark


class Param:
    def __init__(self, *values: Any, **_: Any) -> None:
        self.values = values


class Fixture:
    """A function decorated with `pytest.fixture`."""

    def __init__(
        self, function: Callable, params: Iterable[Any] | None = None, autouse: bool = False, **_: Any
    ) -> None:
        self.function, self.params, self.autouse = function, list(params or ()), autouse


def fixture(function: Any = None, **options: Any) -> Any:
    if function is not None:
        return Fixture(function)
    name = options.pop("name", None)

    def made(wrapped: Callable) -> Fixture:
        found = Fixture(wrapped, **{k: v for k, v in options.items() if k in ("params", "autouse")})
        if name:
            found.name = name  # type: ignore[attr-defined]
        return found

    return made


def skip(reason: str = "", **_: Any) -> None:
    raise SkippedError(reason)


def fail(reason: str = "", **_: Any) -> None:
    raise AssertionError(reason)


class _Warns(Raises):
    """`pytest.warns`: a program's warnings are in another process."""

    def __init__(self, *_: Any, **__: Any) -> None:
        raise NeedsPackageError("pytest.warns cannot see the program's warnings")


def importorskip(name: str, **_: Any) -> Any:
    try:
        return __import__(name)
    except ImportError:
        raise SkippedError(name) from None


def pytest() -> types.ModuleType:
    module = StandIn("pytest")
    module.__dict__.update(
        raises=raises, approx=Approx, mark=_Marks(), fixture=fixture, param=Param, skip=skip
    )
    module.__dict__.update(fail=fail, warns=_Warns, importorskip=importorskip, main=lambda *_, **__: 0)
    module.__dict__.update(yield_fixture=fixture, FixtureRequest=object)
    return module


class StandIn(types.ModuleType):
    """A module that says what it lacks."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise NeedsPackageError(f"the tests use {self.__name__}.{name}, which the stand-in does not have")
