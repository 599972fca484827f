"""The program's end of the line to assertion-style tests: it does what they ask, and lends them what is no value."""

from __future__ import annotations

import builtins
import io
import sys
import types
from typing import Any

from verifiers.code import wire
from verifiers.code.candidate import describe, load, resolve
from verifiers.code.remote import Lent, Line, described
from verifiers.code.values import decode
from verifiers.code.wire import FrameReader, FrameWriter

MAX_PRINTED = 1 << 20
_REPLACEABLE = {"input": input, "print": print}


def serve(job: dict, requests: FrameReader, answers: FrameWriter) -> int:
    """Load the program, then answer the tests until they end."""
    printed = _Printed() if job["prints"] else None
    try:
        module = load(job, "solution")
    except BaseException as error:
        answers.send(wire.LOAD_FAILED, describe(error))
        return 1
    line = ProgramLine(requests, answers, module, printed)
    while (request := requests.next()) is not None:
        line.answer(request[1])
    return 0


class ProgramLine(Line):
    """Does whatever the tests ask: nothing in this process is worth protecting from them."""

    def __init__(
        self, requests: FrameReader, answers: FrameWriter, module: types.ModuleType, printed: _Printed | None
    ) -> None:
        super().__init__(requests, answers)
        self.module, self._printed = module, printed
        self.classes = module.__dict__

    def named(self, path: str) -> Any:
        return resolve(self.module, path)

    def did(self, what: str, target: Any, name: str, args: list, kwargs: dict) -> Any:
        if what == "await":
            return _awaited(target)
        if what == "base":
            return decode(described(target("")))[2] if issubclass(target, Exception) else None
        result = super().did(what, target, name, args, kwargs)
        own = type(result).__module__ == "solution"
        return Lent(result) if own and what == "call" and isinstance(target, type) else result

    def replace(self, given: dict[str, Any]) -> None:
        for name, was in _REPLACEABLE.items():
            setattr(builtins, name, given.get(name, was))
        sys.stdin = io.StringIO(given["stdin"]) if "stdin" in given else sys.__stdin__

    def printed(self) -> str:
        return self._printed.taken() if self._printed is not None else ""


class _Printed(io.TextIOWrapper):
    """Takes the place of standard output, and keeps the first megabyte of what one call prints."""

    def __init__(self) -> None:
        self.kept = io.BytesIO()
        super().__init__(self.kept, encoding="utf-8", errors="replace", write_through=True)
        sys.stdout = sys.__stdout__ = self

    def write(self, text: str, /) -> int:
        if self.kept.tell() < MAX_PRINTED:
            super().write(text[:MAX_PRINTED])
        return len(text)

    def taken(self) -> str:
        text = self.kept.getvalue().decode("utf-8", "replace")
        self.kept.seek(0)
        self.kept.truncate()
        return text


def _awaited(target: Any) -> Any:
    import asyncio

    async def collected() -> list:
        return [item async for item in target]

    global _runner
    _runner = _runner or asyncio.Runner()
    return _runner.run(collected() if hasattr(target, "__aiter__") else target)


_runner: Any = None
