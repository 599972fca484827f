"""Sampling with vLLM, for evaluations on a GPU. (In training, TRL's own vLLM modes sync the weights.)

Written against vLLM's documented offline API (`LLM`, `SamplingParams`, `TokensPrompt`); no test has run it yet, for
want of a GPU.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from rlvr.config import ConfigError, SamplingConfig
from rlvr.policy import Policy
from rlvr.sampling.types import Completion, OnDone, SampleRequest


@dataclass
class VllmSampler:
    """Loads the policy's folder or Hub name into vLLM; prefix caching shares the prompt between samples.

    Per token it gives one log-probability: `sampling_logprobs` stay empty under truncation, `raw_logprobs` at
    temperatures other than 1 and 0.
    """

    policy: Policy
    settings: SamplingConfig
    _engine: Any = field(default=None, init=False)

    def __post_init__(self) -> None:
        nats_of(self.settings)

    def block_size(self, prompts: Sequence[Sequence[int]]) -> int:
        return 8192  # vLLM schedules by itself; the block only bounds what a kill can lose

    def generate(
        self, prompts: Sequence[Sequence[int]], rows: Sequence[SampleRequest], on_done: OnDone | None = None
    ) -> list[Completion]:
        """One completion per row, in order. `on_done` is told of all of them at the end."""
        if not rows:
            return []
        from vllm import SamplingParams, TokensPrompt  # type: ignore[import-not-found]

        settings = self.settings
        params = [
            SamplingParams(
                temperature=settings.temperature,
                top_p=settings.top_p,
                top_k=settings.top_k or -1,
                min_p=settings.min_p,
                max_tokens=settings.max_new_tokens,
                stop=settings.stop or None,
                stop_token_ids=self.policy.stop_ids,
                include_stop_str_in_output=True,
                seed=row.seed,
                logprobs=0,
            )
            for row in rows
        ]
        inputs = [TokensPrompt(prompt_token_ids=list(prompts[row.prompt])) for row in rows]
        outputs = self._llm().generate(inputs, params, use_tqdm=False)
        completions = [self._completion(output.outputs[0]) for output in outputs]
        if on_done:
            for index, completion in enumerate(completions):
                on_done(index, completion)
        return completions

    def _llm(self) -> Any:
        if self._engine is None:
            from vllm import LLM  # type: ignore[import-not-found]

            self._engine = LLM(
                self.policy.source,
                dtype=str(self.policy.model.dtype).removeprefix("torch."),
                enable_prefix_caching=True,
                gpu_memory_utilization=0.5,  # the policy's own weights are on the same GPU
                logprobs_mode=f"{nats_of(self.settings)}_logprobs",
            )
        return self._engine

    def close(self) -> None:
        """End vLLM's processes and give back its memory."""
        if self._engine is not None:
            self._engine.llm_engine.engine_core.shutdown()
            self._engine = None

    def _completion(self, output: Any) -> Completion:
        ids = list(output.token_ids)
        nats = [step[token].logprob for step, token in zip(output.logprobs, ids, strict=True)]
        settings = self.settings
        raw = nats_of(settings) == "raw"
        drawn_from = [] if truncates(settings) else nats
        return Completion(
            token_ids=ids,
            logprobs=nats,
            sampling_logprobs=[0.0] * len(ids) if settings.temperature == 0 else drawn_from,
            raw_logprobs=nats if raw else [],
            text=str(self.policy.tokenizer.decode(ids, skip_special_tokens=True)),
            complete=output.finish_reason == "stop",
        )


def nats_of(settings: SamplingConfig) -> Literal["raw", "processed"]:
    """vLLM gives one log-probability of each token: of the policy (raw), or after temperature and truncation
    (processed). A rollout row wants it after the temperature and before truncation.

    Raises:
        ConfigError: neither is that.
    """
    if settings.temperature in (0, 1):
        return "raw"
    if not truncates(settings):
        return "processed"
    raise ConfigError(
        f"sampling: with temperature {settings.temperature} and top_p, top_k or min_p, vLLM does not give the "
        "log-probability before truncation that rollout rows record; set engine: transformers or temperature: 1"
    )


def truncates(settings: SamplingConfig) -> bool:
    return settings.top_p < 1 or bool(settings.top_k) or bool(settings.min_p)
