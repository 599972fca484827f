"""A verifier that satisfies every property, and one for each property that breaks it."""

from __future__ import annotations

import os
import time

from verifiers import Problem, Verdict
from verifiers.conformance import Example


class Good:
    name = "good"
    answer_format = "boxed"
    symmetric = True
    examples = (Example("7", right="7", wrong="8"), Example("half", right="half", wrong="whole"))

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        if not isinstance(problem.reference, str):
            return Verdict(None, "unverifiable", answer)
        return self.verdict(answer == problem.reference, answer)

    def verdict(self, right: bool, answer: str | None) -> Verdict:
        return Verdict(float(right), "correct" if right else "incorrect", answer)


class TooStrict(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        verdict = super().verify(problem, trace, answer)
        return self.verdict(False, answer) if verdict.score == 1.0 and answer == "half" else verdict


class Raises(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        (answer or "").encode("utf-16")  # not every text can be
        return super().verify(problem, trace, answer)


class Contradictory(Good):
    def verdict(self, right: bool, answer: str | None) -> Verdict:
        return Verdict(float(right), "correct", answer)


class Hangs(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        if (answer or "").count("{") > 1000:
            time.sleep(60)
        return super().verify(problem, trace, answer)


class Dies(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        if len(answer or "") > 90_000:
            os._exit(1)
        return super().verify(problem, trace, answer)


class Moody(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        verdict = super().verify(problem, trace, answer)
        return Verdict(verdict.score, verdict.status, answer, detail=f"at {time.monotonic_ns()}")


class OneWay(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        verdict = super().verify(problem, trace, answer)
        return self.verdict(problem.reference < (answer or ""), answer) if verdict.score == 0.0 else verdict


class ReadsTrace(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        verdict = super().verify(problem, trace, answer)
        return self.verdict(True, answer) if f"{{{problem.reference}}}" in trace else verdict


class AnyNumber(Good):
    symmetric = False

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        verdict = super().verify(problem, trace, answer)
        return (
            self.verdict(True, answer)
            if verdict.score == 0.0 and problem.reference in (answer or "")
            else verdict
        )


class Blames(Good):
    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        return self.verdict(answer == str(problem.reference), answer)


class Shares(Good):
    """Keeps what it works on where other threads find it."""

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        self.answer = answer
        time.sleep(0.0005)
        return super().verify(problem, trace, self.answer)


class Picky(Good):
    def __init__(self, taste: str) -> None:
        self.taste = taste
