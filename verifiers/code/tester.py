"""What runs in the tests' process: assertion-style tests, against the program in another process.

The tests are the data's and hold expected values; only values pass between the two processes, and references to objects
that stay where they are (`remote`). Standard library only.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Mapping
from io import StringIO
from typing import Any

from verifiers.code import arrays, stand_ins, wire
from verifiers.code.candidate import describe
from verifiers.code.collected import run_collected
from verifiers.code.remote import RETURNED, Line, Remote, UnsupportedError
from verifiers.code.values import TooLargeError, UnserialisableError, decode, encode
from verifiers.code.wire import FrameReader, FrameWriter

_REPLACEABLE = {"input": input, "print": print}
_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST
_STAND_INS = {"pytest": stand_ins.pytest, "numpy": arrays.numpy}
_FUNCTIONS = (
    types.FunctionType,
    types.BuiltinFunctionType,
    types.MethodType,
    types.MethodDescriptorType,
    type,
)


class CandidateError(Exception):
    """An exception of the candidate whose type is not built in."""


class _UnsendableError(Exception):
    """The tests pass a value that cannot be encoded: a fault of the data, not of the candidate."""


class TestsLine(Line):
    """The tests' end of the line: what the tests expect stays here, and their objects give little away."""

    def __init__(self, requests: FrameReader, answers: FrameWriter, follow: bool) -> None:
        super().__init__(requests, answers)
        self.checked, self.depth = False, 0
        self.follow, self.altered = follow, False
        """Whether to follow a function that returns a value in what it does to its arguments; whether one did that."""
        self.returned_nan = False
        self.kinds: dict[str, type[Exception]] = {}
        self._changes: list[tuple[Any, Any]] = []

    def note_check(self) -> None:
        """Called by the tests' own `check` when it begins."""
        self.checked = True

    def settle(self) -> None:
        """Apply to the tests' arguments what the last call did to its copies of them."""
        for old, new in self._changes:
            _update(old, new)
        self._changes = []

    def changed(self, args: tuple, changed: Any, printed: str, value: Any) -> None:
        self.returned_nan = self.returned_nan or _holds_nan(value)
        if changed and value is not None:
            self.altered = True
        follow = self.follow or value is None
        self._changes = list(zip(args, changed or (), strict=False)) if follow else []
        if printed:
            sys.stdout.write(printed)

    def question(self, what: str, ref: int | str, name: str, args: tuple, kwargs: dict) -> bytes:
        self.settle()
        try:
            return self.encoded((what, ref, name, list(args), kwargs, self._replaced()))
        except TooLargeError:  # only a value that the candidate made can be too large
            raise
        except UnserialisableError as error:
            raise _UnsendableError(f"the tests call {ref} with {error}, which cannot be sent") from None

    def _replaced(self) -> dict[str, Any]:
        """What the tests have put in the place of `input`, `print` and standard input: the program is to use it too."""
        given = {
            name: now for name, was in _REPLACEABLE.items() if (now := getattr(builtins, name)) is not was
        }
        if sys.stdin is not sys.__stdin__ and isinstance(sys.stdin, StringIO):
            given["stdin"] = sys.stdin.read()
        return given

    def allow(self, allowed: bool, what: str) -> None:
        if not allowed:
            raise TypeError(f"an object of the program {what}; expected a value")

    def lendable(self, value: Any) -> None:
        if not (isinstance(value, _FUNCTIONS) or callable(value) or _is_own(value)):
            raise UnserialisableError(f"a value of type {type(value).__name__}")

    def did(self, what: str, target: Any, name: str, args: list, kwargs: dict) -> Any:
        """As `Line.did`, for calls of what was lent, and for instances of the tests' own classes."""
        if what in ("call", "isinstance", "more") or (_is_own(target) and not name.startswith("_")):
            return super().did(what, target, name, args, kwargs)
        raise AttributeError(name)

    def answer(self, payload: bytes) -> None:
        self.depth += 1
        try:
            super().answer(payload)
        finally:
            self.depth -= 1

    def exception(self, name: str, message: str, base: str) -> BaseException:
        kind = self.kinds.get(name) or _exception_named(name) or self._own_kind(name, base)
        try:
            error = kind(message)
        except TypeError:  # types such as UnicodeDecodeError need five arguments
            error = CandidateError(f"{name}: {message}")
        error.from_candidate = True  # type: ignore[attr-defined]
        return error

    def exception_class(self, name: str) -> type[Exception] | None:
        """A class of this name in the tests, for an exception that the program defines; None if it defines none."""
        try:
            base = self.ask("base", name)
        except Exception:
            return None
        finally:
            self.calls -= 1
        return self._own_kind(name, base) if _exception_named(base) else None

    def _own_kind(self, name: str, base: Any) -> type[Exception]:
        parent = _exception_named(base) or Exception
        return self.kinds.setdefault(name, type(name, (CandidateError, parent), {}))


_ENDS_LOOPS = ("StopIteration", "StopAsyncIteration")  # in `all(map(check, cases))` it would skip the cases


def _exception_named(name: Any) -> type[Exception] | None:
    """The built-in exception of a name."""
    kind = getattr(builtins, name, None) if isinstance(name, str) and name not in _ENDS_LOOPS else None
    return kind if isinstance(kind, type) and issubclass(kind, Exception) else None


def _is_own(value: Any) -> bool:
    """Whether it is an instance of a class that the tests define."""
    return type(value).__module__ == "tests"


class _Program(types.ModuleType):
    """The program as a module that the tests import."""

    def __init__(self, name: str, line: TestsLine, given: Mapping[str, Any]) -> None:
        super().__init__(name)
        self.__dict__.update(given, __all__=list(given), _line=line)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Remote(self._line, name, RETURNED)


def _update(old: Any, new: Any) -> None:
    if type(old) is list and type(new) is list:
        old[:] = new
    elif isinstance(old, (dict, set)) and type(old) is type(new):
        old.clear()
        old.update(new)


def run_tests(job: dict, requests: FrameReader, answers: FrameWriter) -> int:
    """Run assertion-style tests. `job` names the functions of the candidate, and the modules that the tests miss.

    Tests that only define `check`, as HumanEval's do, have it called; so have those that called something else before.
    Tests of pytest and unittest are run as these would.
    """
    line = TestsLine(requests, answers, job["follow"])
    try:
        code = _statement_by_statement(job["code"])
        module = types.ModuleType("tests")
        sys.modules["tests"] = module
        _prepare(module, job, line)
        exec(compile(job["setup"], "setup.py", "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        answers.send(wire.BAD_TESTS, describe(error))
        return 1
    try:
        exec(code, module.__dict__)
        check = module.__dict__.get("check")
        if isinstance(check, types.FunctionType) and not line.checked and _takes_one(check):
            check(module.__dict__["candidate"])
        run_collected(module, line.calls > 0)
        if line.returned_nan and not _speak_of_nan(job["setup"] + job["code"]):
            raise AssertionError(
                "the program returned NaN, which every comparison turns down and `not` lets pass"
            )
    except BaseException as error:
        fault = isinstance(error, (_UnsendableError, UnsupportedError, ImportError))
        bad_tests = fault and not hasattr(error, "from_candidate")
        answers.send(wire.BAD_TESTS if bad_tests else wire.EXCEPTION, _failure(error))
        return 1
    answers.send(wire.PASSED, encode((line.calls, line.altered)))
    return 0


def _prepare(module: types.ModuleType, job: dict, line: TestsLine) -> None:
    """The names that the tests find: the program's, modules that they miss, stand-ins for packages."""
    names = module.__dict__
    line.classes, line.made_by = names, frozenset(job["classes"])
    names.update(__builtins__=builtins, __settle__=line.settle, __note_check__=line.note_check)
    names.update({name: __import__(name) for name in job["modules"]})
    given: dict[str, Any] = {name: Remote(line, name, RETURNED) for name in job["functions"]}
    given |= {name: kind for name in job["exceptions"] if (kind := line.exception_class(name)) is not None}
    head, dot, _ = job["entry"].partition(".")
    if dot:
        given[head] = lambda: _Lazy(head, line)
    names.update(given, candidate=Remote(line, job["entry"], RETURNED))
    for name in job["program_modules"]:
        sys.modules[name] = _Program(name, line, given)
    for name, stand_in in _STAND_INS.items():
        if name in job["packages"] and not (name == "numpy" and _is_there(name)):
            sys.modules[name] = stand_in()
    if "unittest" in job["packages"]:
        import unittest

        unittest.main = lambda *_, **__: None  # type: ignore[assignment, misc]


def _is_there(package: str) -> bool:
    """Whether the user gave the package itself."""
    try:
        __import__(package)
    except ImportError:
        return False
    return True


class _Lazy:
    """An instance of `Solution`, whose methods each run on a new one."""

    def __init__(self, path: str, line: TestsLine) -> None:
        self._path, self._line = path, line

    def __getattr__(self, name: str) -> Any:
        return Remote(self._line, f"{self._path}.{name}", RETURNED)


def _takes_one(check: types.FunctionType) -> bool:
    """Whether it can be called with one argument."""
    most, defaults = check.__code__.co_argcount, len(check.__defaults__ or ())
    return most - defaults <= 1 <= most


def _statement_by_statement(source: str) -> types.CodeType:
    """The tests, compiled so that arguments change between two statements and never within one.

    Otherwise `assert f(x) == sorted(x)` would pass for an `f` that empties `x`. Without `ast`, which imports slowly.
    """
    tree, settle = _parse(source), _parse("__settle__()").body[0]
    pending = [tree]
    for node in pending:  # grows while it is read
        pending += getattr(node, "handlers", []) + getattr(node, "cases", [])
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if not isinstance(block, list) or not block:  # the body of a lambda is an expression
                continue
            pending += block
            mixed = [] if node is tree else [settle]
            for statement in block:
                mixed.append(statement)
                kind = type(getattr(statement, "value", statement)).__name__
                if kind not in ("Constant", "ImportFrom"):  # only these may precede `from __future__`
                    mixed.append(settle)
            setattr(node, name, mixed)
    for node in tree.body:
        if type(node).__name__ == "FunctionDef" and node.name == "check":
            node.body[:0] = _parse("__note_check__()").body
    return compile(tree, "tests.py", "exec", dont_inherit=True)


def _parse(source: str) -> Any:
    return compile(source, "tests.py", "exec", _ONLY_AST, dont_inherit=True)


def _holds_nan(value: Any, depth: int = 4) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        return any(_holds_nan(item, depth - 1) for item in value)
    if isinstance(value, dict) and depth:
        return any(_holds_nan(item, depth - 1) for item in value.values())
    return type(value) in (float, complex) and value != value


def _speak_of_nan(source: str) -> bool:
    """Whether tests expect a NaN anywhere: they name it, infinity, or compare something with itself."""
    import re

    return (
        re.search(r"nan(?![a-z])|\binf(?:inity)?\b|isfinite|\b(\w+)\s*!=\s*\1\b", source.lower()) is not None
    )


def _failure(error: BaseException) -> bytes:
    """(type name, message, line in the tests, whether the candidate raised it)."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "tests.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    name, message = decode(describe(error))
    return encode((name, message, line, hasattr(error, "from_candidate")))
