"""What flows from the sampler to the trainer and into rollout rows: episodes of turns, each marked by who wrote it.

Tokens, mask and log-probabilities of an episode are flat: one entry per token after the prompt, in order. The mask, not
the place, decides what is trained on, counted in log-probabilities and judged.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from rlvr.rollouts.rows import Rollout, TurnJson
from verifiers import Problem, Verdict

By = Literal["policy", "evidence"]


@dataclass(frozen=True, slots=True)
class Turn:
    """Tokens that one author wrote in a row: the policy, or whoever answers it (a tool, a hint, feedback)."""

    by: By
    token_ids: list[int]
    text: str
    logprobs: list[float] = field(default_factory=list)
    """Nats per token under the policy that drew them, at the sampling temperature; empty for evidence, and where the
    engine gives none."""
    verdict: Verdict | None = None
    """On this turn of the policy by itself, where the environment makes each an attempt."""

    def as_json(self) -> TurnJson:
        """The turn in a rollout row."""
        row = TurnJson(by=self.by, text=self.text, token_ids=self.token_ids)
        if self.verdict is not None:
            row["score"] = self.verdict.score
            row["status"] = self.verdict.status
            row["answer"] = self.verdict.answer
        return row


@dataclass(slots=True)
class Episode:
    """One sample of a problem: the prompt, then turns of the policy and, between them, of its environment.

    >>> tool = Turn("evidence", [7], "[4]")
    >>> talk = [Turn("policy", [5, 6], "2+2?", [-0.1, -0.2]), tool, Turn("policy", [8], "4", [-0.3])]
    >>> episode = Episode(Problem("p", "2+2", "4"), 0, 1, [1, 2], talk, complete=True)
    >>> episode.token_ids, episode.mask, episode.tokens, episode.trace
    ([5, 6, 7, 8], [True, True, False, True], 3, '2+2?\\n4')
    """

    problem: Problem
    sample: int
    """Number of the draw among those of this problem."""
    seed: int
    """Of its random numbers: a function of the run's seed and of what is drawn, never of time."""
    prompt_ids: list[int]
    turns: list[Turn]
    complete: bool
    """The policy's last turn ended by itself, not at the token limit."""

    @property
    def token_ids(self) -> list[int]:
        """Every token after the prompt."""
        return [token for turn in self.turns for token in turn.token_ids]

    @property
    def mask(self) -> list[bool]:
        """Per token after the prompt: the policy wrote it."""
        return [turn.by == "policy" for turn in self.turns for _ in turn.token_ids]

    @property
    def logprobs(self) -> list[float] | None:
        """Nats of the policy's own tokens, in order; None where the engine gave none for some of them."""
        own = [turn for turn in self.turns if turn.by == "policy"]
        if any(len(turn.logprobs) != len(turn.token_ids) for turn in own):
            return None
        return [nats for turn in own for nats in turn.logprobs]

    @property
    def tokens(self) -> int:
        """How many tokens the policy wrote."""
        return sum(len(turn.token_ids) for turn in self.turns if turn.by == "policy")

    @property
    def trace(self) -> str:
        """What the policy wrote, without anybody else's words: this is what is judged. What these stood between is on
        two lines, and never one word."""
        said, between = "", False
        for turn in self.turns:
            if turn.by == "policy":
                said += "\n" if between and not (said.endswith("\n") or turn.text.startswith("\n")) else ""
                said += turn.text
            between = turn.by != "policy" and bool(said)
        return said

    @property
    def transcript(self) -> str:
        """Everything after the prompt, whoever wrote it."""
        return "".join(turn.text for turn in self.turns)

    def row(self, policy: str, verifier: str, verdict: Verdict, **extra: Any) -> Rollout:
        """The rollout row. Its log-probability is that of the policy's own tokens; none where the engine gave none.

        Args:
            policy: name of who drew it.
            extra: further keys of the row. Where the prompt opened a thought, `opened` is its mark; where the problem
                has messages before the question, `history` has them; `meta` has what else its set says of it in a
                word or a number, such as a level.
        """
        logprobs = self.logprobs
        meta = {key: value for key, value in self.problem.meta.items() if _is_short(value)}
        said = {"opened": self.problem.opened, "history": list(self.problem.history), "meta": meta}
        several = len(self.turns) > 1
        return Rollout(
            problem_id=self.problem.id,
            sample=self.sample,
            policy=policy,
            prompt=self.problem.prompt,
            reference=self.problem.reference,
            trace=self.trace,
            answer=verdict.answer,
            complete=self.complete,
            tokens=self.tokens,
            logprobs={} if logprobs is None else {policy: sum(logprobs)},
            score=verdict.score,
            answer_score=verdict.answer_score,
            sound=verdict.sound,
            status=verdict.status,
            detail=verdict.detail,
            verifier=verifier,
            source=self.problem.source or None,
            seed=self.seed,
            turns=[turn.as_json() for turn in self.turns] if several else None,
            token_ids=self.token_ids,
            extra={key: value for key, value in said.items() if value} | extra,
        )


SHORT = 60
"""Characters of a text that travels with every row of its problem."""


def _is_short(value: object) -> bool:
    return isinstance(value, int) or (isinstance(value, str) and 0 < len(value) <= SHORT)
