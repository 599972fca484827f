"""A verifier as a reward function of TRL's trainers. This module does not import TRL."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from hashlib import blake2b
from typing import Any

from verifiers.pool import VerifierPool
from verifiers.types import Problem

REFERENCE_COLUMNS = ("reference", "answer", "solution")

Message = dict[str, Any]


def as_trl_reward(spec: str, **options: Any) -> Callable[..., list[float | None]]:
    """Return a reward function `(prompts, completions, **columns) -> list[float | None]` for TRL's trainers.

    Prompts and completions are strings or lists of messages. The data set has the reference in a column
    `reference`, `answer` or `solution` (the first of these that exists), and may have a column `id`. A reward is the
    verdict's score, from 0 to 1; it is None if the completion could not be judged for a reason that is not the policy's
    fault, or if the row has no reference. Judging runs in a `VerifierPool`, the function's attribute `pool`: close it
    with `pool.close()`. The function raises `ValueError` if there is no reference column, and as `VerifierPool` does:
    `VerifierFailed` for a fault of one's own verifier.

    >>> GRPOTrainer(model, reward_funcs=verifiers.as_trl_reward("math"), train_dataset=dataset, …)
    """
    pool = VerifierPool(spec, options)

    def reward(prompts: list[Any], completions: list[Any], **columns: Any) -> list[float | None]:
        references = _references(columns)
        texts = [text_of(prompt) for prompt in prompts]
        ids = columns.get("id") or [_digest(text) for text in texts]
        rows = zip(ids, texts, references, completions, strict=True)
        futures = [
            None
            if reference is None
            else pool.submit(Problem(str(id_), text, reference), text_of(completion))
            for id_, text, reference, completion in rows
        ]
        verdicts = [None if future is None else future.result() for future in futures]
        log_metric = columns.get("log_metric")
        if log_metric is not None:
            counts = Counter(verdict.status for verdict in verdicts if verdict is not None)
            for status, number in counts.items():
                log_metric(f"verdicts/{status}", number / len(verdicts))
        return [None if verdict is None else verdict.score for verdict in verdicts]

    reward.__name__ = reward.__qualname__ = spec.rpartition(":")[2]  # the name that TRL logs rewards under
    reward.pool = pool  # type: ignore[attr-defined]
    return reward


def _references(columns: dict[str, Any]) -> list[Any]:
    for name in REFERENCE_COLUMNS:
        if columns.get(name) is not None:
            return columns[name]
    raise ValueError(
        f"the data set has no column {', '.join(map(repr, REFERENCE_COLUMNS))} to judge against; it has "
        f"{', '.join(sorted(columns))}"
    )


def _digest(text: str) -> str:
    return blake2b(text.encode(errors="replace"), digest_size=8).hexdigest()


def text_of(text: str | list[Message]) -> str:
    """The text of a plain prompt or completion, or of the messages of a conversational one."""
    if isinstance(text, str):
        return text
    return "\n".join(_content(message.get("content")) for message in text)


def _content(content: str | list[Message] | None) -> str:
    if isinstance(content, list):  # parts of a multimodal message
        return "".join(part.get("text", "") for part in content)
    return content or ""
