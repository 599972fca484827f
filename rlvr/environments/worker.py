"""An environment in the worker processes of a verifier pool: its answer travels as a verdict's detail.

So an environment that hangs, crashes or eats memory costs its own episode a worker, and never the run's process.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, replace
from typing import Any

from rlvr.environments import Environment, Reply, lasting, load
from rlvr.errors import RunError
from rlvr.launch import signals
from rlvr.rollouts.types import Episode, Turn
from verifiers import Problem, Verdict, VerifierFailed
from verifiers.messages import Message
from verifiers.pool import VerifierPool

TURNS = "rlvr_turns"
"""Key of `Problem.meta` in which the turns travel."""


class EnvironmentPool:
    """An environment in worker processes.

    Args:
        spec, options: as for `environments.load`.
        workers, deadline, memory_mb: as of `VerifierPool`.

    Raises BadEnvironment: see `load`.
    """

    def __init__(
        self,
        spec: str,
        options: Mapping[str, Any],
        *,
        workers: int | None = None,
        deadline: float = 10.0,
        memory_mb: int = 2048,
    ) -> None:
        environment = load(spec, options)
        if close := getattr(environment, "close", None):
            close()  # it was loaded to look at it
        self.spec, self.options = spec, dict(options)
        self.name = environment.name
        self.attempts: bool = getattr(environment, "attempts", False)
        self.tools: list[Any] = list(getattr(environment, "tools", ()))
        self.opening: Callable[[Problem], str] | None = getattr(environment, "opening", None)
        self._pool = VerifierPool(
            "rlvr.environments.worker:Answering",
            {"environment": lasting(spec), "options": dict(options)},
            workers=workers,
            deadline=deadline,
            memory_mb=memory_mb,
        )

    @property
    def asks(self) -> tuple[Sequence[Any], Callable[[Problem], str] | None]:
        """What a prompt has of it: tools, and what is asked first."""
        return self.tools, self.opening

    def ask(self, episode: Episode) -> Future[Verdict]:
        """What comes after the episode, some time later; `said` reads it."""
        problem = episode.problem
        turns = [asdict(replace(turn, logprobs=[])) for turn in episode.turns]
        return self._pool.submit(replace(problem, meta={**problem.meta, TURNS: turns}), "")

    def said(self, future: Future[Verdict], episode: Episode) -> Message | None:
        """The message that `ask` asked for; None where the episode is over.

        Raises:
            RunError: the environment raised, gave something else, or no answer in time.
        """
        whose = f"environment {self.name} on problem {episode.problem.id}"
        try:
            verdict = signals.result(future)
        except VerifierFailed as failed:
            raise RunError(f"{whose}: {failed}") from failed
        if verdict.status not in ("correct", "incorrect"):
            raise RunError(f"{whose}: no answer ({verdict.status}) {verdict.detail}".rstrip())
        return json.loads(verdict.detail)

    def describe(self) -> dict[str, Any]:
        """For the settings beside a rollout file."""
        return {"name": self.spec, "options": self.options}

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> EnvironmentPool:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Answering:
    """In the form of a verifier: 1 where the environment has something to say, 0 where the episode is over."""

    name = "environment"
    answer_format = "text"
    judges_missing_answers = True

    def __init__(self, environment: str, options: Mapping[str, Any]) -> None:
        self.environment: Environment = load(environment, options)
        self.deadline = float(getattr(self.environment, "deadline", 0.0))

    def close(self) -> None:
        if close := getattr(self.environment, "close", None):
            close()

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        del trace, answer
        meta = dict(problem.meta)
        turns = [_turn(turn) for turn in meta.pop(TURNS)]
        episode = Episode(replace(problem, meta=meta), 0, 0, [], turns, complete=True)
        reply = message(self.environment.answer(episode))
        return Verdict(float(reply is not None), "correct" if reply else "incorrect", None, json.dumps(reply))


def _turn(values: Mapping[str, Any]) -> Turn:
    verdict = values["verdict"]
    return Turn(**{**values, "verdict": None if verdict is None else Verdict(**verdict)})


def message(reply: Reply | None) -> Message | None:
    """The message in an environment's answer. Raises TypeError for what is none."""
    if isinstance(reply, str):
        return {"role": "user", "content": reply}
    if reply is None or (isinstance(reply, dict) and {"role", "content"} <= reply.keys()):
        return reply
    raise TypeError(
        f"the answer is {reply!r}; expected a text, a message {{role, content}}, or None for the end"
    )
