"""Programs that are wrong whatever the problem is: tests that accept one of them make any program right."""

from __future__ import annotations

import re
from collections.abc import Mapping

from verifiers.types import Problem

_ANYTHING = """\
class Anything:
    def __init__(self, *args, **kwargs): pass
    def __call__(self, *args, **kwargs): return object()
"""


def wrong_programs(problem: Problem) -> dict[str, str]:
    """What it does → the program: one returns objects that equal nothing (or prints nothing), one raises."""
    reference = problem.reference if isinstance(problem.reference, Mapping) else {}
    entry = str(reference.get("entry") or "").replace("()", "")
    if not entry:
        return {"a program that prints nothing": "x = 1\n"} if _prints(reference) else {}
    head, *rest = [part for part in entry.split(".") if part.isidentifier()] or ["f"]
    if rest:
        returns = f"class {head}:\n    def {rest[-1]}(self, *args, **kwargs): return object()\n"
        raises = f"class {head}:\n    def {rest[-1]}(self, *args, **kwargs): raise NotImplementedError\n"
    else:
        returns = f"{_ANYTHING}{head} = Anything()\n"
        raises = f"def {head}(*args, **kwargs): raise NotImplementedError\n"
    return {"a program that returns an object of no use": returns, "a program that raises": raises}


def _prints(reference: Mapping) -> bool:
    """Whether every test expects some output."""
    tests = reference.get("tests")
    return isinstance(tests, list) and all(
        isinstance(test, Mapping) and str(test.get("stdout", test.get("output", ""))).strip()
        for test in tests
    )


def is_whole_program(problem: Problem) -> bool:
    """Whether the problem asks for a program that reads standard input."""
    return isinstance(problem.reference, Mapping) and not problem.reference.get("entry")


def fenced(program: str) -> str:
    """A response that states a program, behind a fence that the program does not hold."""
    longest = max((len(run) for run in re.findall("`+", program)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}python\n{program.rstrip(chr(10))}\n{fence}\n"
