"""Judging responses with a verifier: cut, ask, and make a `Verdict` of whatever it says.

A verifier of one's own that raises has a fault, and nobody can say what its other verdicts are worth: `VerifierFailed`
stops whoever asked. What the verifiers of this package raise on an answer is a score of 0 (see `_raised`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from verifiers.types import Item, Problem, Verdict, Verifier

MESSAGE = 500
"""Characters of an exception's own message that are kept."""


class VerifierFailed(RuntimeError):  # noqa: N818
    """A verifier of one's own raised, or returned what is no verdict. The message has file, line and reason."""


def judge(verifier: Verifier, problem: Problem, response: str) -> Verdict:
    """Cut `response` by the verifier's `answer_format`, and return its verdict.

    A response without an answer is "no_answer" unless the verifier has `judges_missing_answers = True`. Raises
    `VerifierFailed`, and `MemoryError` (in a worker of a pool it means that the response ran into the memory limit).
    """
    if is_service(verifier):
        return judge_many(verifier, [(problem, response)])[0]
    item = _cut(verifier, problem, response)
    return _marked(verifier, item if isinstance(item, Verdict) else _asked(verifier, item))


def judge_many(verifier: Verifier, pairs: Sequence[tuple[Problem, str]]) -> list[Verdict]:
    """Judge several responses: at the same time where the verifier is `async` or has `verify_many`. Raises as `judge`
    does, for the first that fails."""
    if not is_service(verifier):
        return [judge(verifier, *pair) for pair in pairs]
    items = [_cut(verifier, *pair) for pair in pairs]
    said = iter(_asked_together(verifier, [item for item in items if isinstance(item, Item)]))
    return [_marked(verifier, item if isinstance(item, Verdict) else next(said)) for item in items]


_COROUTINE = 0x80
"""Of a function's code: it is `async def` (`inspect.CO_COROUTINE`, without the module)."""


def is_service(verifier: Verifier) -> bool:
    """It judges several responses at a time: it has `verify_many`, or is `async`."""
    if hasattr(verifier, "verify_many") or getattr(verifier, "is_async", False):
        return True
    code = getattr(getattr(verifier, "verify", None), "__code__", None)
    return code is not None and bool(code.co_flags & _COROUTINE)


def _cut(verifier: Verifier, problem: Problem, response: str) -> Item | Verdict:
    """What the verifier is asked about; a verdict where there is nothing to ask about."""
    from verifiers.extract import cut_for  # late: its patterns would double the time to import this package

    found = cut_for(verifier, problem, response)
    if found.answer is None and not getattr(verifier, "judges_missing_answers", False):
        return Verdict(0.0, "no_answer", detail=found.note)
    return Item(problem, found.trace, found.answer, response)


def _marked(verifier: Verifier, verdict: Verdict) -> Verdict:
    mark = getattr(verifier, "pass_mark", 1.0)
    return verdict if mark == 1 else replace(verdict, pass_mark=mark)


def _asked(verifier: Verifier, item: Item) -> Verdict:
    try:
        said = say(verifier, item)
    except MemoryError:
        raise
    except Exception as error:
        return _raised(verifier, item, error)
    return as_verdict(verifier, item, said)


def _asked_together(verifier: Verifier, items: list[Item]) -> list[Verdict]:
    """The verdicts of a service on `items`, in order."""
    from verifiers import calls

    try:
        said = calls.ask(verifier, items)
    except MemoryError:
        raise
    except Exception as error:
        raise failure(verifier, error) from error
    return [as_verdict(verifier, item, value) for item, value in zip(items, said, strict=True)]


def say(verifier: Verifier, item: Item) -> Any:
    """What the verifier itself says of one response: a `Verdict`, a number, or something to await."""
    whole = getattr(verifier, "verify_item", None)  # a function, which reads the whole response
    return whole(item) if whole else verifier.verify(item.problem, item.trace, item.answer)


def as_verdict(verifier: Verifier, item: Item, said: Any) -> Verdict:
    """A number from 0 to 1 is a score, solved from the pass mark on. Raises `VerifierFailed` for what is no verdict."""
    if isinstance(said, Verdict):
        return said
    try:
        score = float("nan") if isinstance(said, str | bytes) else float(said)  # of numpy and torch too
    except (TypeError, ValueError):
        score = float("nan")
    if not 0 <= score <= 1:
        found = repr(said) if isinstance(said, int | float) else type(said).__name__
        raise VerifierFailed(
            f"verifier {verifier.name!r} returned {found} for problem {item.problem.id!r}; expected a Verdict or a "
            "score from 0 to 1"
        )
    solved = score >= getattr(verifier, "pass_mark", 1.0)
    return Verdict(score, "correct" if solved else "incorrect", item.answer)


def _raised(verifier: Verifier, item: Item, error: Exception) -> Verdict:
    """What a verifier's exception on one response means. Raises `VerifierFailed` where the verifier is one's own.

    A built-in verifier that finds the reference good failed on what the policy wrote: 0.0 "answer_error", because a
    policy must not be able to choose that it has no verdict. Else the data or the verifier is at fault: None "error".
    """
    if not is_built_in(verifier):
        raise failure(verifier, error, item) from error
    said = f"{type(error).__name__}: {error}"[:MESSAGE]
    if _reference_is_good(verifier, item.problem):
        return Verdict(0.0, "answer_error", detail=f"the verifier failed on this answer: {said}")
    return Verdict(None, "error", detail=said)


def _reference_is_good(verifier: Verifier, problem: Problem) -> bool:
    """Whether a built-in verifier can judge answers to the problem: each reads the reference before the answer."""
    try:
        return verifier.verify(problem, "", None).score is not None
    except Exception:
        return False


def is_built_in(verifier: Verifier) -> bool:
    """The verifier is one of this package, not a class of one's own (or one's own subclass)."""
    from verifiers.registry import BUILT_IN

    kind = type(getattr(verifier, "wrapped", verifier))  # `load` may have added marks of thoughts
    targets = (target.split(":") for target in BUILT_IN.values())
    return any(
        kind.__qualname__ == name and f"{kind.__module__}.".startswith(f"{room}.") for room, name in targets
    )


def failure(verifier: Verifier, error: Exception, item: Item | None = None) -> VerifierFailed:
    """The exception of a verifier's own code, in words."""
    if isinstance(error, VerifierFailed):
        return error
    where = f" on problem {item.problem.id!r}" if item else ""
    return VerifierFailed(f"verifier {verifier.name!r} failed{where}: {in_words(error)}")


def in_words(error: BaseException) -> str:
    """ "KeyError: 'x' (/home/me/graders.py, line 12, in verify: return table[answer])": the last line of the author's
    own files; of an installed verifier, the line in which it was entered."""
    from traceback import extract_tb

    said = f"{type(error).__name__}: {error}"[:MESSAGE]
    if isinstance(error, SyntaxError):
        return f"{type(error).__name__}: {error.msg} ({error.filename}, line {error.lineno})"
    said = ", ".join([said, *getattr(error, "__notes__", ())])
    frames = [frame for frame in extract_tb(error.__traceback__) if not _is_python_or_ours(frame.filename)]
    own = [frame for frame in frames if not _is_installed(frame.filename)]
    if not frames:
        return said
    at = own[-1] if own else frames[0]
    line = f": {at.line}" if at.line else ""
    return f"{said} ({at.filename}, line {at.lineno}, in {at.name}{line})"


def _is_installed(file: str) -> bool:
    return "site-packages" in file or "dist-packages" in file


def _is_python_or_ours(file: str) -> bool:
    import sysconfig
    from os import path

    if file.startswith((path.dirname(__file__) + path.sep, "<")):  # noqa: PTH120
        return True
    return file.startswith(sysconfig.get_path("stdlib") + path.sep) and not _is_installed(file)
