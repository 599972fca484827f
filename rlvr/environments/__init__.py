"""Who answers the policy within an episode: feedback, a tool, facts given one after the other. Text only, no torch.

An environment is one class with one method: what comes after this episode, or nothing. Its words are evidence: the
policy reads them, and they are neither judged nor trained on.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, Protocol

from rlvr.errors import UserError
from rlvr.rollouts.types import Episode
from verifiers.judging import in_words
from verifiers.messages import Message
from verifiers.registry import UnknownVerifier, imported, resolve

__all__ = ["BUILT_IN", "BadEnvironment", "Environment", "Reply", "lasting", "load"]

Reply = str | Message
"""What is said to the policy: a text, as the user says it, or a message with a role, such as a tool's."""

BUILT_IN: dict[str, str] = {
    "feedback": "rlvr.environments.feedback:Feedback",
    "python": "rlvr.environments.python:PythonTool",
    "schedule": "rlvr.environments.schedule:Schedule",
    "restate": "rlvr.environments.restate:Restate",
}


class BadEnvironment(UserError):  # noqa: N818
    """There is no such environment, or it does not take these options."""


class Environment(Protocol):
    """What a plug-in implements. It runs in a worker process that may be killed, and must be deterministic: a function
    of the episode alone.

    Optional attributes: `opening(problem) -> str`, what is asked first in place of the problem's prompt (called in the
    run's own process); `attempts`, True where each turn of the policy is an answer of its own (each is judged by
    itself, the verdict is in `episode.turns[-1].verdict`, and the last one's is the episode's; else all that the policy
    wrote is judged together, at the end); `tools`, JSON schemas of functions for chat templates that have them.

    >>> class Encourage:
    ...     name, attempts = "encourage", True
    ...     def answer(self, episode):
    ...         return None if len(episode.turns) > 1 else "Are you sure?"
    """

    name: str

    def answer(self, episode: Episode) -> Reply | None:
        """What comes after the policy's last turn; None where the episode is over."""
        ...


def load(spec: str, options: Mapping[str, Any]) -> Environment:
    """The environment that `spec` names: a built-in name, `my_module:Class` or `./my_file.py:Class`, built with
    `options`.

    Raises BadEnvironment.

    >>> load("feedback", {"turns": 3}).name
    'feedback'
    """
    if spec not in BUILT_IN and ":" not in spec:
        raise BadEnvironment(
            f"environment {spec!r}: there is none of this name; expected {', '.join(BUILT_IN)}, my_module:Class or "
            "./my_file.py:Class"
        )
    try:
        found: Any = imported(resolve(BUILT_IN.get(spec, spec)))
    except UnknownVerifier as error:  # the same rules as for a verifier's file
        raise BadEnvironment(str(error).replace("verifier", "environment", 1)) from error
    except Exception as error:
        raise BadEnvironment(f"environment {spec!r} cannot be imported: {in_words(error)}") from error
    if not isinstance(found, type) or not callable(getattr(found, "answer", None)):
        raise BadEnvironment(
            f"environment {spec!r}: expected a class with `name` and `answer(episode)`, found {found!r}"
        )
    known = inspect.signature(found).parameters
    if unknown := [name for name in options if name not in known]:
        raise BadEnvironment(
            f"environment_options.{unknown[0]}: {spec} takes {', '.join(known) or 'no options'}"
        )
    try:
        made = found(**options)
    except Exception as error:
        raise BadEnvironment(f"environment {spec!r} cannot be made: {in_words(error)}") from error
    if not isinstance(getattr(made, "name", None), str):
        raise BadEnvironment(f"environment {spec!r}: {found.__name__} has no `name` that is a text")
    return made


def lasting(spec: str) -> str:
    """A spec that names the same environment in whatever folder a process is: a file's by its whole path."""
    target = resolve(BUILT_IN.get(spec, spec))
    return target if target.startswith("/") else spec
