"""`feedback`: the verifier's word on each attempt, and another attempt."""

from __future__ import annotations

from typing import Literal

from rlvr.config.data import fields, fill
from rlvr.rollouts.types import Episode
from verifiers import Verdict

SHOW = ("verdict", "detail")
WORDS = {
    "incorrect": "Your answer is not correct.",
    "unsound": "Your answer is correct, but the reasoning is not.",
    "no_trace": "Your answer is correct, but the reasoning is missing.",
    "no_answer": "Your response has no answer.",
    "timeout": "Your program takes too long.",
    "memory": "Your program takes too much memory.",
    "output": "Your program writes too much.",
    "crash": "Your program fails.",
}


class Feedback:
    """Tells the policy what was wrong, and asks again, until an attempt is solved or there were `turns` of them.

    Args:
        turns: attempts, the first included.
        show: "detail" adds what the verifier says of the response (a false step, the first failing test); "verdict" is
            the status in words alone. What a detail shows is the verifier's to say: none of the built-in ones tells
            the reference (`code` does under `feedback: expected`).
        message: what is said, with `{verdict}`, `{prompt}` and `{answer}`, the answer that was read.
    """

    name = "feedback"
    attempts = True

    def __init__(
        self,
        turns: int = 2,
        show: Literal["verdict", "detail"] = "detail",
        message: str = "{verdict} Please try again.",
    ) -> None:
        if turns < 2:
            raise ValueError(f"turns is {turns}; expected at least 2: an attempt, and one after the feedback")
        if show not in SHOW:
            raise ValueError(f"show is {show!r}; expected {' or '.join(SHOW)}")
        if unknown := fields(message) - {"verdict", "prompt", "answer"}:
            raise ValueError(
                f"message has {{{min(unknown)}}}; expected {{verdict}}, {{prompt}} and {{answer}}"
            )
        self.turns, self.show, self.message = turns, show, message

    def answer(self, episode: Episode) -> str | None:
        own = [turn for turn in episode.turns if turn.by == "policy"]
        verdict = own[-1].verdict
        if verdict is None or verdict.score is None or verdict.solved or len(own) >= self.turns:
            return None
        said = {
            "verdict": self._words(verdict),
            "prompt": episode.problem.prompt,
            "answer": verdict.answer or "none",
        }
        return fill(self.message, said.__getitem__)

    def _words(self, verdict: Verdict) -> str:
        words = WORDS.get(verdict.status, "Your answer is not correct.")
        detail = verdict.detail.strip().rstrip(".") if self.show == "detail" else ""
        return f"{words.rstrip('.')}: {detail}." if detail else words
