"""Running tests that are only defined: pytest's `test_*` functions and `Test*` classes, unittest's cases.

Runs inside the sandbox, in the tests' process: standard library only.
"""

from __future__ import annotations

import itertools
import sys
import types
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, redirect_stdout
from io import StringIO
from typing import Any

from verifiers.code.stand_ins import Fixture, Mark, NeedsPackageError, SkippedError


def run_collected(module: types.ModuleType, called: bool) -> None:
    """Run every test that a module defines, in order. Raises what the first failing test raises.

    `called`: whether the tests have called the program already; a `test_*` function with parameters that nothing
    gives is then a helper of theirs.
    """
    names = module.__dict__
    fixtures = {getattr(f, "name", key): f for key, f in names.items() if isinstance(f, Fixture)}
    with _around(names, "module", module):
        _run_all(names, fixtures, called)


def _run_all(names: dict[str, Any], fixtures: dict[str, Fixture], called: bool) -> None:
    for name, found in list(names.items()):
        if isinstance(found, type) and found.__module__ == "tests":
            if _is_case(found):
                _run_case(found)
            elif name.startswith("Test") and "__init__" not in found.__dict__:
                _run_class(found, fixtures, called)
        elif (
            isinstance(found, types.FunctionType) and name.startswith("test") and found.__module__ == "tests"
        ):
            _run_test(found, found, fixtures, None, called, names)


@contextmanager
def _around(names: Any, place: str, *args: Any) -> Iterator[None]:
    """What `names` has to run before a module, a class, a method or a function, and after it if it has not failed."""
    before, after = names.get(f"setup_{place}"), names.get(f"teardown_{place}")
    if before is not None:
        _plain(before, *args)
    with _skips():
        yield
    if after is not None:
        _plain(after, *args)


def _is_case(found: type) -> bool:
    unittest = sys.modules.get("unittest")
    return unittest is not None and issubclass(found, unittest.TestCase)


def _run_case(case: Any) -> None:
    import unittest

    try:
        case.setUpClass()
        for name in unittest.defaultTestLoader.getTestCaseNames(case):
            with _skips(unittest.SkipTest):
                case(name).debug()
        case.tearDownClass()
    except unittest.SkipTest:
        return


@contextmanager
def _skips(*kinds: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except (SkippedError, *kinds):
        pass


def _run_class(found: type, fixtures: dict[str, Fixture], called: bool) -> None:
    own = fixtures | {
        getattr(f, "name", key): f for base in reversed(found.__mro__) for key, f in vars(base).items()
        if isinstance(f, Fixture)
    }  # fmt: skip
    methods = {
        name: getattr(found, name) for name in ("setup_class", "teardown_class") if hasattr(found, name)
    }
    with _around({name: getattr(f, "__func__", f) for name, f in methods.items()}, "class", found):
        _run_methods(found, own, called)


def _run_methods(found: type, fixtures: dict[str, Fixture], called: bool) -> None:
    for name in [name for base in reversed(found.__mro__) for name in vars(base)]:
        function = getattr(found, name, None)
        if name.startswith("test") and isinstance(function, types.FunctionType):
            instance = found()
            inherited = [*getattr(function, "marks", ()), *getattr(found, "marks", ())]
            if not any(mark.name == "skip" for mark in inherited):
                _run_test(function, getattr(instance, name), fixtures, instance, called, vars(found))


def _run_test(
    function: Any, test: Callable, fixtures: dict[str, Fixture], instance: Any, called: bool, names: Any
) -> None:
    marks: list[Mark] = getattr(function, "marks", [])
    if any(_skipping(mark) for mark in marks):
        return
    parameters = [*getattr(function, "parameters", ()), *getattr(type(instance), "parameters", ())]
    for rows in itertools.product(*parameters):
        given = {name: value for row in rows for name, value in row.items()}
        for choices in _choices(function, given, fixtures):
            with _skips():
                _run_once(function, test, given, choices, fixtures, instance, called, names)


def _skipping(mark: Mark) -> bool:
    return mark.name in ("skip", "xfail") or (mark.name == "skipif" and bool(mark.args and mark.args[0]))


def _choices(function: Any, given: dict[str, Any], fixtures: dict[str, Fixture]) -> Iterator[dict[str, Any]]:
    """The values of the parametrised fixtures that a test uses, directly or through others."""
    used, pending = {}, list(_parameters(function))
    for name in pending:  # grows while it is read
        if name in fixtures and name not in given and name not in used:
            used[name] = fixtures[name].params or [None]
            pending += _parameters(fixtures[name].function)
    for values in itertools.product(*used.values()):
        yield dict(zip(used, values, strict=True))


def _parameters(function: Any) -> tuple[str, ...]:
    """Parameters without a default, but for `self`."""
    code = function.__code__
    names = code.co_varnames[: code.co_argcount]
    names = (
        names[: len(names) - len(function.__defaults__ or ())]
        + code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    )
    return tuple(name for name in names if name not in ("self", "cls", *(function.__kwdefaults__ or ())))


def _run_once(
    function: Any, test: Callable, given: dict[str, Any], choices: dict[str, Any], fixtures: dict[str, Fixture],
    instance: Any, called: bool, names: Any,
) -> None:  # fmt: skip
    with ExitStack() as stack:
        made: dict[str, Any] = dict(given)

        def value_of(name: str) -> Any:
            if name not in made:
                made[name] = _fixture(name, fixtures, choices, value_of, instance, stack)
            return made[name]

        wanted = _parameters(function)
        if called and not set(wanted) <= {*given, *fixtures, *_OWN}:
            return
        place, owner = ("function", ()) if instance is None else ("method", (instance,))
        stack.enter_context(_around(names, place, *owner, function))
        for name, fixture in fixtures.items():
            if fixture.autouse:
                value_of(name)
        result = test(**{name: value_of(name) for name in wanted})
        if hasattr(result, "__await__"):
            import asyncio

            asyncio.run(result)


def _plain(function: Callable, *args: Any) -> None:
    """Call a set-up function with as many of the arguments as it takes."""
    code = getattr(function, "__code__", None)
    function(*args[: code.co_argcount if code is not None else len(args)])


def _fixture(
    name: str,
    fixtures: dict[str, Fixture],
    choices: dict[str, Any],
    value_of: Callable,
    instance: Any,
    stack: ExitStack,
) -> Any:
    if name not in fixtures:
        if name in _OWN:
            return _OWN[name](stack)
        raise NeedsPackageError(f"the tests ask for {name!r}, which is no fixture that they define")
    function: Any = fixtures[name].function
    request = types.SimpleNamespace(
        param=choices.get(name), getfixturevalue=value_of, addfinalizer=stack.callback
    )
    bound = {p: request if p == "request" else value_of(p) for p in _parameters(function)}
    owner = (instance,) if function.__code__.co_varnames[:1] == ("self",) else ()
    result = function(*owner, **bound)
    if isinstance(result, types.GeneratorType):
        value = next(result)
        stack.callback(next, result, None)
        return value
    return result


class _Capture:
    """`capsys`: what the program and the tests have printed since the last `readouterr`."""

    def __init__(self, stack: ExitStack) -> None:
        self._out = StringIO()
        stack.enter_context(redirect_stdout(self._out))

    def readouterr(self) -> Any:
        from collections import namedtuple

        out = self._out.getvalue()
        self._out.seek(0)
        self._out.truncate()
        return namedtuple("CaptureResult", "out err")(out, "")


class _Monkeypatch:
    """`monkeypatch`, for what is in the tests' own process."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def setattr(self, target: Any, name: Any, value: Any = None, raising: bool = True) -> None:
        if isinstance(target, str):
            (path, _, own), value = target.rpartition("."), name
            target, name = __import__(path), own
            if "." in path:
                raise NeedsPackageError(f"monkeypatch.setattr of {path}, which the stand-in cannot")
        if isinstance(target, types.ModuleType) and target.__name__ not in (
            "builtins",
            "sys",
            "random",
            "time",
            "os",
        ):
            raise NeedsPackageError(
                f"the tests replace {name!r} in {target.__name__}, which is in another process"
            )
        self._stack.callback(setattr, target, name, getattr(target, name))
        setattr(target, name, value)

    def __getattr__(self, name: str) -> Any:
        raise NeedsPackageError(f"the tests use monkeypatch.{name}, which the stand-in does not have")


_OWN: dict[str, Callable[[ExitStack], Any]] = {
    "capsys": _Capture, "capfd": _Capture, "monkeypatch": _Monkeypatch,
}  # fmt: skip
