"""Verifiers of one's own for `test_own_verifiers`: a file beside a config, loaded by its path in a worker."""

from __future__ import annotations

import os

from verifiers import Problem, Verdict


def credit(gold: str, said: str | None) -> float:
    """1 for the number, half for its last digit, a quarter for as many digits."""
    if said is None or said == gold:
        return float(said == gold)
    return 0.5 if said[-1:] == gold[-1:] else 0.25 if len(said) == len(gold) else 0.0


class Partial:
    name, answer_format, pass_mark = "partial", "boxed", 0.5

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        score = credit(str(problem.reference), answer)
        return Verdict(score, "correct" if score >= self.pass_mark else "incorrect", answer)


def short(problem: Problem, response: str) -> float:
    """A term that is no verdict."""
    return max(0.0, 1 - len(response) / 50)


def fails(problem: Problem, response: str) -> float:
    raise LookupError("no such table")


def fails_later(problem: Problem, response: str) -> float:
    """On what a policy writes."""
    if response.lstrip("-").isdigit():  # a reference, the problem's own or another's
        return float(response == str(problem.reference))
    raise LookupError("no such table")


def fails_in_one(problem: Problem, response: str) -> float:
    """In the second of several processes."""
    if os.environ.get("RANK") == "1":
        raise LookupError("no such table")
    return 0.5


def moody(problem: Problem, response: str, seen: list[int] = []) -> float:  # noqa: B006
    """Judges golds as it should, and no text twice alike."""
    seen.append(1)
    return 1.0 if response == str(problem.reference) else (len(seen) % 7) / 10
