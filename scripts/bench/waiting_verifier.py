"""A verifier that takes its time, for `overlap.py`. Without torch, so that its workers start at once."""

from __future__ import annotations

import time

from verifiers import Problem, Verdict
from verifiers.math import MathVerifier


class Waiting(MathVerifier):
    """The math verifier, after a while."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds = seconds

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        time.sleep(self.seconds)
        return super().verify(problem, trace, answer)
