"""Shared-prefix sampling with transformers: each distinct prompt is read once, finished rows leave the batch.

A row is one sample of one prompt with a seed of its own. Its random numbers depend on that seed alone, so a trace
does not depend on which rows share its batch, up to the last bits of floating point: a matrix product over another
number of rows may round differently, and a draw that falls within that rounding of a boundary between two tokens
(about 1 in 10^6 tokens in float32) then comes out differently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from transformers import Cache, LogitsProcessorList, MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from rlvr.config import SamplingConfig
from rlvr.policy import Policy
from rlvr.sampling.types import Completion, Row


@dataclass(frozen=True, slots=True)
class TransformersSampler:
    """Samples with the policy's own weights, in batches that fit the memory at hand."""

    policy: Policy
    settings: SamplingConfig

    def block_size(self, prompts: Sequence[Sequence[int]]) -> int:
        return self.settings.batch_size or default_batch_size(self.policy, prompts, self.settings)

    def generate(self, prompts: Sequence[Sequence[int]], rows: Sequence[Row]) -> list[Completion]:
        """One completion per row, in order; rows of the same prompt share its prefill."""
        size = self.block_size(prompts)
        batches = (rows[start : start + size] for start in range(0, len(rows), size))
        return [
            done for batch in batches for done in _Batch(self.policy, prompts, batch, self.settings).run()
        ]


def default_batch_size(policy: Policy, prompts: Sequence[Sequence[int]], settings: SamplingConfig) -> int:
    """Rows whose key-value cache and logits fit a share of the memory at hand: 2 GiB on CPU, 40 % of a free GPU."""
    config = policy.model.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    bytes_per_token = 2 * config.num_hidden_layers * heads * width * policy.model.dtype.itemsize
    longest = max(map(len, prompts), default=0) + settings.max_new_tokens
    bytes_per_row = (
        2 * bytes_per_token * longest + 24 * config.vocab_size
    )  # twice: dropping rows copies the cache
    on_gpu = policy.device.type == "cuda"
    budget = int(0.4 * torch.cuda.mem_get_info(policy.device)[0]) if on_gpu else 2 * 1024**3
    return max(16, min(1024, budget // bytes_per_row // 16 * 16))


@dataclass(slots=True)
class Prefix:
    """Prompts after one forward pass, left-padded to a common length."""

    cache: Cache
    logits: torch.Tensor
    """(prompts, vocabulary): of the first completion token."""
    mask: torch.Tensor
    """(prompts, length): 1 on prompt tokens, 0 on padding."""

    def select(self, index: torch.Tensor) -> None:
        """Keep (or repeat) the rows of `index`."""
        self.cache.batch_select_indices(index)
        self.mask = self.mask[index]
        self.logits = self.logits[index]


@torch.no_grad()
def prefill(policy: Policy, prompts: Sequence[Sequence[int]]) -> Prefix:
    """Read each prompt once."""
    longest = max(map(len, prompts))
    pad = policy.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (longest - len(p)) + list(p) for p in prompts], device=policy.device)
    mask = torch.tensor([[0] * (longest - len(p)) + [1] * len(p) for p in prompts], device=policy.device)
    output = policy.model(
        input_ids=ids, attention_mask=mask, position_ids=positions(mask), use_cache=True, logits_to_keep=1
    )
    return Prefix(output.past_key_values, output.logits[:, -1].float(), mask)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position ids that count real tokens only. (rows, length) → (rows, length)"""
    return (mask.cumsum(-1) - 1).clamp(min=0)


class _Batch:
    """Rows that are decoded together; those that end leave."""

    def __init__(
        self, policy: Policy, prompts: Sequence[Sequence[int]], rows: Sequence[Row], settings: SamplingConfig
    ) -> None:
        self.policy, self.settings = policy, settings
        distinct = list(dict.fromkeys(row.prompt for row in rows))
        place = {prompt: i for i, prompt in enumerate(distinct)}
        self.prefix = prefill(policy, [prompts[p] for p in distinct])
        self.prefix.select(torch.tensor([place[row.prompt] for row in rows], device=policy.device))
        self.completions = [Completion() for _ in rows]
        self.live = list(self.completions)
        self.uniforms = torch.from_numpy(
            np.stack(
                [
                    np.random.Generator(np.random.Philox(row.seed)).random(settings.max_new_tokens)
                    for row in rows
                ]
            )
        ).to(policy.device)
        self.stop_ids = set(policy.stop_ids)
        self.warpers = _warpers(settings)

    @torch.no_grad()
    def run(self) -> list[Completion]:
        for step in range(self.settings.max_new_tokens):
            tokens, logprobs = self._draw(self.prefix.logits, self.uniforms[:, step])
            going = self._record(tokens.tolist(), logprobs.tolist())
            if not any(going) or step + 1 == self.settings.max_new_tokens:
                break
            # dropping rows copies the cache, so it waits until a quarter of them have ended
            if sum(going) <= 0.75 * len(going):
                keep = [i for i, on in enumerate(going) if on]
                index = torch.tensor(keep, device=self.policy.device)
                self.prefix.select(index)
                self.uniforms, tokens = self.uniforms[index], tokens[index]
                self.live = [self.live[i] for i in keep]
            advance(self.policy, self.prefix, tokens)
        decode = self.policy.tokenizer.batch_decode
        for done, text in zip(
            self.completions,
            decode([c.token_ids for c in self.completions], skip_special_tokens=True),
            strict=True,
        ):
            done.text = text
        return self.completions

    def _draw(self, logits: torch.Tensor, uniform: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """One token per row by inverting its distribution function at the row's uniform number."""
        temperature = self.settings.temperature
        if temperature == 0:
            tokens = logits.argmax(-1)
            return tokens, logits.log_softmax(-1).gather(-1, tokens[:, None])[:, 0]
        logprobs = (logits / temperature).log_softmax(-1)
        probs = self.warpers(None, logprobs).softmax(-1) if self.warpers else logprobs.exp()  # type: ignore[arg-type]
        cdf = probs.double().cumsum(-1)
        tokens = torch.searchsorted(cdf, (uniform * cdf[:, -1])[:, None], right=True)[:, 0]
        tokens = tokens.clamp(max=logits.shape[-1] - 1)
        return tokens, logprobs.gather(-1, tokens[:, None])[:, 0]

    def _record(self, tokens: list[int], logprobs: list[float]) -> list[bool]:
        """Append the drawn tokens to the rows that go on; say which still go on."""
        for row, token, logprob in zip(self.live, tokens, logprobs, strict=True):
            if not row.complete:
                row.token_ids.append(token)
                row.logprobs.append(logprob)
                row.complete = token in self.stop_ids or self._at_stop_string(row.token_ids)
        return [not row.complete for row in self.live]

    def _at_stop_string(self, token_ids: list[int]) -> bool:
        if not self.settings.stop:
            return False
        longest = max(map(len, self.settings.stop))  # a token is at least one character, or part of one
        tail = self.policy.tokenizer.decode(token_ids[-(longest + 4) :], skip_special_tokens=True)
        return any(stop in tail for stop in self.settings.stop)


@torch.no_grad()
def advance(policy: Policy, prefix: Prefix, tokens: torch.Tensor) -> None:
    """Read one more token in each row, (rows,), in place."""
    prefix.mask = torch.cat([prefix.mask, prefix.mask.new_ones(len(tokens), 1)], dim=1)
    output = policy.model(
        input_ids=tokens[:, None],
        attention_mask=prefix.mask,
        position_ids=prefix.mask.sum(-1, keepdim=True) - 1,
        past_key_values=prefix.cache,
        use_cache=True,
    )
    prefix.cache, prefix.logits = output.past_key_values, output.logits[:, -1].float()


def _warpers(settings: SamplingConfig) -> LogitsProcessorList:
    """transformers' own truncation rules, in its order."""
    warpers = LogitsProcessorList()
    if settings.top_k:
        warpers.append(TopKLogitsWarper(settings.top_k))
    if settings.top_p < 1:
        warpers.append(TopPLogitsWarper(settings.top_p))
    if settings.min_p:
        warpers.append(MinPLogitsWarper(settings.min_p))
    return warpers
