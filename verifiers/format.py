"""Whether a response has the form that a verifier reads, whatever it says there: a further term of a reward."""

from __future__ import annotations

from verifiers.types import Problem, Verdict

__all__ = ["FormatVerifier"]


class FormatVerifier:
    """1 if an answer can be cut from the response by `answer_format`. It says nothing of the answer: `rlvr check` and
    the analysis are for verdicts, this is for `train.rewards`.

    >>> FormatVerifier().verify(Problem("p", "…", None), "", "7").score
    1.0
    """

    name = "format"

    def __init__(self, answer_format: str = "boxed") -> None:
        self.answer_format = answer_format

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        return Verdict(0.0, "no_answer") if answer is None else Verdict(1.0, "correct", answer)
