"""Sampling with vLLM: an engine with a copy of the weights, from files (`from_disk`) or synced by a trainer
(`training/vllm_sync.py`)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from rlvr.config import ConfigError, SamplingConfig
from rlvr.launch import signals
from rlvr.launch.processes import processes
from rlvr.policy import Policy
from rlvr.sampling import vllm_engine
from rlvr.sampling.types import Completion, OnDone, SampleRequest
from rlvr.sampling.vllm_engine import nats_of, truncates

BLOCK = 8192
"""Rows that an evaluation asks for at once: vLLM schedules them by itself, and a kill loses so many at most."""


def from_disk(policy: Policy, settings: SamplingConfig) -> VllmSampler:
    """An engine that reads the weights at `policy.source`. Of the policy's own model only the structure is used.

    Raises:
        ValueError: the policy's weights are in memory alone; those on disk are another policy's.
        ConfigError: vLLM cannot sample with these settings.
    """
    if policy.weights != "disk":
        raise ValueError(f"vLLM would read {policy.source}, which does not hold the weights of {policy.name}")
    dtype = str(policy.model.dtype).removeprefix("torch.")
    several = processes().num_processes > 1
    return VllmSampler(policy, settings, vllm_engine.start(policy, settings, dtype, in_process=several))


@dataclass
class VllmSampler:
    """Samples with a running engine, to which the policy's weights have been given.

    A row's seed decides its random numbers, whatever else is in the batch. Per token there is one log-probability:
    `sampling_logprobs` are empty under truncation, `raw_logprobs` at temperatures other than 1 and 0.
    """

    policy: Policy
    settings: SamplingConfig
    llm: Any
    """`vllm.LLM`."""

    def block_size(self, prompts: Sequence[Sequence[int]]) -> int:
        return BLOCK

    def generate(
        self, prompts: Sequence[Sequence[int]], rows: Sequence[SampleRequest], on_done: OnDone | None = None
    ) -> list[Completion]:
        """One completion per row, in order. With tensor parallelism every process of an engine takes part in each call,
        those without rows too.

        Raises:
            ConfigError: a prompt with its completion is longer than the engine was started for.
        """
        own = [(list(prompts[row.prompt]), row.seed) for row in rows]
        first, asked = self._of_the_group(own)
        completions = [Completion() for _ in rows]
        # none of several processes that compute each token together may leave before the others
        with signals.held() if self._joint else nullcontext():
            for place, output in self._drawn(asked):
                if 0 <= (i := place - first) < len(rows):
                    ids, nats = list(output.token_ids), list(output.logprobs.logprobs)
                    assert len(ids) == len(nats), "vLLM gave other than one log-probability per token"
                    ended = output.finish_reason == "stop"
                    completions[i] = completion_of(self.policy, self.settings, ids, nats, ended)
                    if on_done:
                        on_done(i, completions[i])
        return completions

    def close(self) -> None:
        """End the engine and free its memory."""
        vllm_engine.shut_down(self.llm)
        self.llm = None
        vllm_engine.free_memory()

    @property
    def _joint(self) -> bool:
        """Whether processes of this launch share the engine, and each asks it for rows."""
        return self.settings.vllm.tensor_parallel_size > 1 and vllm_engine.works_in_process(self.llm)

    def _of_the_group(self, own: list[tuple[list[int], int]]) -> tuple[int, list[tuple[list[int], int]]]:
        """The requests (prompt, seed) of all processes that share this engine, and where this process's begin."""
        if not self._joint:
            return 0, own
        import torch
        from vllm.distributed import get_tp_group  # type: ignore[import-not-found]

        group = get_tp_group()
        shares: list[Any] = [None] * group.world_size
        torch.distributed.all_gather_object(shares, own, group=group.cpu_group)
        return sum(map(len, shares[: group.rank_in_group])), [one for share in shares for one in share]

    def _drawn(self, asked: list[tuple[list[int], int]]) -> Iterator[tuple[int, Any]]:
        """Each request's place and what was drawn for it, as it ends. `LLM.generate` would wait for the last one."""
        if not asked:
            return
        engine = self.llm.llm_engine
        room = engine.model_config.max_model_len
        if (need := max(len(ids) for ids, _ in asked) + self.settings.max_new_tokens) > room:
            raise ConfigError(
                f"sampling.vllm.max_model_len: a prompt and its completion may take {need} tokens, the engine has "
                f"room for {room}"
            )
        names = self.llm.enqueue(
            [{"prompt_token_ids": ids} for ids, _ in asked],
            [self._params(seed) for _, seed in asked],
            use_tqdm=False,
        )
        # the names are the engine's internal ones ("12-abc…"); outputs carry the part before the dash
        places = {name.split("-")[0]: place for place, name in enumerate(names)}
        try:
            while engine.has_unfinished_requests():
                signals.check_stop()
                for output in engine.step():
                    if output.finished:
                        yield places.pop(output.request_id), output.outputs[0]
        finally:
            if places:  # stopped on the way: the next call begins with an idle engine
                engine.abort_request(list(places))

    def _params(self, seed: int) -> Any:
        from vllm import SamplingParams  # type: ignore[import-not-found]
        from vllm.sampling_params import RequestOutputKind  # type: ignore[import-not-found]

        settings = self.settings
        return SamplingParams(
            temperature=settings.temperature,
            top_p=settings.top_p,
            top_k=settings.top_k,
            min_p=settings.min_p,
            max_tokens=settings.max_new_tokens,
            stop=settings.stop or None,
            stop_token_ids=self.policy.stops_at(settings),
            skip_special_tokens=not settings.stop,  # they may be part of a stop string
            include_stop_str_in_output=True,
            detokenize=bool(settings.stop),  # the text is decoded by the policy's tokenizer, as everywhere
            seed=seed,
            logprobs=0,
            flat_logprobs=True,
            output_kind=RequestOutputKind.FINAL_ONLY,
        )


def completion_of(
    policy: Policy, settings: SamplingConfig, ids: list[int], nats: list[float], complete: bool
) -> Completion:
    """What vLLM drew, where it says of each token the log-probability that a rollout row wants (`nats_of`)."""
    drawn_from = [] if truncates(settings) else nats
    return Completion(
        token_ids=ids,
        logprobs=nats,
        sampling_logprobs=[0.0] * len(ids) if settings.temperature == 0 else drawn_from,
        raw_logprobs=nats if nats_of(settings) == "raw" else [],
        text=policy.decode(ids),
        complete=complete,
    )
