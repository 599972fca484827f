"""What runs in the tests' process: assertion-style tests, against proxies of the candidate's functions.

The tests are the data's and hold expected values; the candidate runs in another process, and only values pass between
the two. Standard library only.
"""

from __future__ import annotations

import builtins
import sys
import types
from collections.abc import Callable
from os import _exit
from typing import Any

from verifiers.code import wire
from verifiers.code.candidate import describe
from verifiers.code.values import TooLargeError, UnserialisableError, decode, encode
from verifiers.code.wire import FrameReader, FrameWriter

_ONLY_AST = 0x400  # ast.PyCF_ONLY_AST


class CandidateError(Exception):
    """An exception of the candidate whose type is not built in."""


class Proxy:
    """A function of the candidate as the tests see it: it sends its arguments, and returns a value or raises."""

    __slots__ = ("__name__", "_ask")

    def __init__(self, name: str, ask: Callable) -> None:
        self.__name__, self._ask = name, ask

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._ask(self.__name__, args, kwargs)

    def __getattr__(self, name: str) -> Proxy:
        if name.startswith("__"):
            raise AttributeError(name)
        return Proxy(f"{self.__name__}.{name}", self._ask)


class _UnsendableError(Exception):
    """The tests pass a value that cannot be encoded: a fault of the data, not of the candidate."""


class _Connection:
    """The tests' connection to the candidate."""

    def __init__(self, requests: FrameReader, answers: FrameWriter) -> None:
        self.requests, self.answers, self.calls = requests, answers, 0
        self.checked = False
        self._changes: list[tuple[Any, Any]] = []
        self.classes: dict[str, Any] = {}
        """The tests' own names: nodes of lists and trees that come back are of their classes."""

    def note_check(self) -> None:
        """Called by the tests' own `check` when it begins."""
        self.checked = True

    def settle(self) -> None:
        """Apply to the tests' arguments what the last call did to its copies of them."""
        for old, new in self._changes:
            _update(old, new)
        self._changes = []

    def ask(self, name: str, args: tuple, kwargs: dict) -> Any:
        self.settle()
        try:
            question = encode((name, list(args), kwargs), iterators=True)
        except TooLargeError:  # only a value that the candidate made can be too large
            raise
        except UnserialisableError as error:
            raise _UnsendableError(f"the tests call {name} with {error}, which cannot be sent") from None
        self.calls += 1
        self.answers.send(wire.ASK, question)
        answer = self.requests.next()
        if answer is None:
            _exit(1)
        kind, payload = answer
        if kind == wire.RAISED:
            raise _exception(*decode(payload, build=True))
        value, changed = decode(payload, build=self.classes)
        self._changes = list(zip(args, changed or (), strict=False))
        return value


_ENDS_LOOPS = ("StopIteration", "StopAsyncIteration")  # in `all(map(check, cases))` it would skip the cases


def _exception(name: str, message: str) -> Exception:
    kind = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception) and name not in _ENDS_LOOPS:
        try:
            error: Exception = kind(message)
        except TypeError:  # types such as UnicodeDecodeError need five arguments
            error = CandidateError(f"{name}: {message}")
    else:
        error = CandidateError(f"{name}: {message}")
    error.from_candidate = True  # type: ignore[attr-defined]
    return error


def _update(old: Any, new: Any) -> None:
    if type(old) is list and type(new) is list:
        old[:] = new
    elif isinstance(old, (dict, set)) and type(old) is type(new):
        old.clear()
        old.update(new)


def run_tests(job: dict, requests: FrameReader, answers: FrameWriter) -> int:
    """Run assertion-style tests. `job` names the functions of the candidate, and the modules that the tests miss.

    Tests that only define `check`, as HumanEval's do, have it called; so have those that called something else before.
    """
    candidate = _Connection(requests, answers)
    try:
        code = _statement_by_statement(job["code"])
        module = types.ModuleType("tests")
        candidate.classes = module.__dict__
        module.__dict__.update({name: __import__(name) for name in job["modules"]})
        module.__dict__.update({name: Proxy(name, candidate.ask) for name in job["functions"]})
        module.__dict__["candidate"] = Proxy(job["entry"], candidate.ask)
        if "." in job["entry"]:
            module.__dict__[job["entry"].split(".")[0]] = lambda: Proxy(
                job["entry"].split(".")[0], candidate.ask
            )
        module.__dict__.update(__builtins__=builtins, __settle__=candidate.settle)
        module.__dict__["__note_check__"] = candidate.note_check
        sys.modules["tests"] = module
        exec(compile(job["setup"], "setup.py", "exec", dont_inherit=True), module.__dict__)
    except BaseException as error:
        answers.send(wire.BAD_TESTS, describe(error))
        return 1
    try:
        exec(code, module.__dict__)
        check = module.__dict__.get("check")
        if isinstance(check, types.FunctionType) and not candidate.checked and _takes_one(check):
            check(Proxy(job["entry"], candidate.ask))
    except BaseException as error:
        bad_tests = isinstance(error, (_UnsendableError, ImportError)) and not hasattr(
            error, "from_candidate"
        )
        answers.send(wire.BAD_TESTS if bad_tests else wire.EXCEPTION, _failure(error))
        return 1
    answers.send(wire.PASSED, encode(candidate.calls))
    return 0


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


def _failure(error: BaseException) -> bytes:
    """(type name, message, line in the tests, whether the candidate raised it)."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == "tests.py":
            line = trace.tb_lineno
        trace = trace.tb_next
    name, message = decode(describe(error))
    return encode((name, message, line, hasattr(error, "from_candidate")))
