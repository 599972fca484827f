"""Sampling by OpenAI-compatible servers that have the policy: token ids in, token ids and log-probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rlvr.config import ConfigError, SamplingConfig
from rlvr.policy import Policy
from rlvr.sampling import served
from rlvr.sampling.served import Served
from rlvr.sampling.servers import Away, Body, Fleet, Server
from rlvr.sampling.types import Completion, OnDone, SampleRequest
from rlvr.sampling.vllm import completion_of
from rlvr.sampling.vllm_engine import refused

if TYPE_CHECKING:
    from rlvr.sampling.score import Written

BLOCK = 16
"""Times what is under way at once, for the rows that an evaluation asks for at once: a kill loses so many at most."""


def unusable(settings: SamplingConfig) -> str | None:
    """Why no server can be asked with these settings; None where one can."""
    return (
        refused(settings)
        if settings.servers
        else "http asks servers: set sampling.servers=[http://HOST:PORT]"
    )


def from_servers(policy: Policy, settings: SamplingConfig) -> HttpSampler:
    """The servers that have the policy, each of them tried. Of the policy's own model only the structure is used.

    Raises:
        ValueError: the policy's weights are in memory alone, where no server has them.
        ConfigError: no server has it, one cannot do what rows need, or two have different weights.
    """
    if policy.weights != "disk":
        raise ValueError(f"no server has the weights of {policy.name}, which are in memory")
    if why := unusable(settings):
        raise ConfigError(f"sampling.engine: {why}")
    every = [Server(url, settings) for url in dict.fromkeys(settings.servers)]
    tried = [(server, served.find(server, policy, settings)) for server in every]
    has = [(server, found) for server, found in tried if found]
    if not has:
        names = "; ".join(f"{s.url} has {', '.join(served.models(s)) or 'no model'}" for s in every)
        raise ConfigError(
            f"sampling.servers: none of them has {policy.source} ({names}); start one that has: vllm serve "
            f"{policy.source}"
        )
    (first, known), *others = has
    if other := next((s for s, found in others if not served.alike(known.nats, found.nats)), None):
        raise ConfigError(
            f"sampling.servers: {first.url} and {other.url} have different weights of {policy.source}"
        )
    by_url = {server.url: found for server, found in has}
    fleet = Fleet([s for s, _ in has], settings, lambda s: served.hold(s, policy, by_url[s.url]))
    return HttpSampler(policy, settings, fleet, [found for _, found in has])


@dataclass(frozen=True, slots=True)
class HttpSampler:
    """Samples by servers; what is drawn depends on a row's seed as far as the server's arithmetic does.

    The log-probabilities are those that vLLM says, as `vllm.VllmSampler` has them.
    """

    policy: Policy
    settings: SamplingConfig
    fleet: Fleet
    found: Sequence[Served]
    """Of each server."""

    def block_size(self, prompts: Sequence[Sequence[int]]) -> int:
        """Raises ConfigError where a server has no room for a prompt and its completion."""
        self._fits(max(map(len, prompts), default=0) + self.settings.max_new_tokens)
        return BLOCK * self.settings.http.in_flight * len(self.found)

    def generate(
        self, prompts: Sequence[Sequence[int]], rows: Sequence[SampleRequest], on_done: OnDone | None = None
    ) -> list[Completion]:
        """One completion per row, in order.

        Raises:
            ConfigError: a server has no room for a prompt and its completion.
            RunError: the servers went away for too long, or refused a row.
        """
        self._fits(max(map(len, prompts), default=0) + self.settings.max_new_tokens)
        completions = [Completion() for _ in rows]
        common = self._common()

        def body(place: int) -> Body:
            return common | {"prompt": list(prompts[rows[place].prompt]), "seed": rows[place].seed}

        for place, completion in self.fleet.each(len(rows), body, self._completion):
            completions[place] = completion
            if on_done:
                on_done(place, completion)
        return completions

    @property
    def why_unscored(self) -> str | None:
        """Why the servers cannot score what was written; None where they can."""
        if self.settings.temperature not in (0, 1):
            return f"servers score at temperature 1, not at {self.settings.temperature}"
        return next((found.why_unscored for found in self.found if found.why_unscored), None)

    def logprobs(
        self,
        prompts: Sequence[Sequence[int]],
        rows: Sequence[Written],
        temperature: float,
    ) -> list[float]:
        """As `score.logprobs`, for temperatures 1 and 0.

        Raises:
            ConfigError: a server has no room for a prompt and its completion.
            RunError: as `generate`.
        """
        assert self.why_unscored is None and temperature in (0, 1)
        asked = [i for i, row in enumerate(rows) if row.token_ids]
        self._fits(max((len(prompts[rows[i].prompt]) + len(rows[i].token_ids) for i in asked), default=0) + 1)
        totals = [0.0] * len(rows)
        common = served.PLAIN | {"max_tokens": 1, "prompt_logprobs": 0}

        def body(place: int) -> Body:
            row = rows[asked[place]]
            return common | {"prompt": [*prompts[row.prompt], *row.token_ids]}

        def read(place: int, choice: Body) -> float:
            row = rows[asked[place]]
            nats = served.given(choice, row.token_ids)
            return sum(value for value, own in zip(nats, row.mask, strict=True) if own)

        for place, total in self.fleet.each(len(asked), body, read):
            totals[asked[place]] = total
        return totals

    def close(self) -> None:
        self.fleet.close()

    def _fits(self, tokens: int) -> None:
        for server, found in zip(self.fleet.servers, self.found, strict=True):
            if found.room is not None and tokens > found.room:
                raise ConfigError(
                    f"sampling.servers: a prompt and its completion may take {tokens} tokens, and {server.url} has "
                    f"room for {found.room}: start it with --max-model-len {tokens}"
                )

    def _common(self) -> Body:
        settings = self.settings
        return served.PLAIN | {
            "temperature": settings.temperature,
            "top_p": settings.top_p,
            "top_k": settings.top_k,
            "min_p": settings.min_p,
            "max_tokens": settings.max_new_tokens,
            "stop": settings.stop or None,
            "stop_token_ids": self.policy.stops_at(settings),
            "skip_special_tokens": not settings.stop,  # they may be part of a stop string
            "include_stop_str_in_output": True,
            "logprobs": 0,
            "return_token_ids": True,
        }

    def _completion(self, _place: int, choice: Body) -> Completion:
        ids, nats = served.written(choice)
        ended = choice.get("finish_reason")
        if ended not in ("stop", "length"):
            raise Away(f"an answer came that ended by {ended!r}")
        return completion_of(self.policy, self.settings, ids, nats, ended == "stop")
