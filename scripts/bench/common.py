"""What the benchmarks of sampling and of the training step share: models, the work they are worth, and the rate of
this machine's matrix products."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rlvr.config import SamplingConfig
from rlvr.machine import measured_on
from rlvr.policy import Policy

REPO = Path(__file__).resolve().parents[2]
MODELS = {"tiny": ("quickstart", None), "smollm2": ("smollm2-chain-sum", "models/smollm2-135m-instruct")}


@dataclass(frozen=True)
class Work:
    """Multiply-adds of one model: body and head per token, attention per token and key."""

    body: int
    head: int
    attention: int

    @classmethod
    def of(cls, policy: Policy) -> Work:
        model, config = policy.model, policy.model.config.get_text_config()
        head = head_of(policy).weight.numel()
        linear = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))
        width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        return cls(linear - head, head, 2 * config.num_hidden_layers * config.num_attention_heads * width)

    def prompt(self, length: int) -> float:
        return length * self.body + self.attention * length * (length + 1) / 2 + self.head

    def completion(self, prompt: int, tokens: int) -> float:
        """Of a completion of that many tokens, of which the last is not read."""
        read = tokens - 1
        return read * (self.body + self.head) + self.attention * (read * prompt + read * (read + 1) / 2)


def stop_ids(policy: Policy, settings: SamplingConfig) -> list[int]:
    """End-of-text tokens, and all that hold a stop string."""
    texts = policy.tokenizer.batch_decode([[i] for i in range(len(policy.tokenizer))])
    holding = [i for i, text in enumerate(texts) if any(stop in text for stop in settings.stop)]
    return sorted({*policy.stop_ids, *holding})


def head_of(policy: Policy) -> torch.nn.Linear:
    head = policy.model.get_output_embeddings()
    assert isinstance(head, torch.nn.Linear)
    return head


@torch.no_grad()
def linear_seconds(
    policy: Policy, rows: int, head: bool = True, backward: bool = False, repeats: int = 3
) -> float:
    """The model's linear layers by themselves on `rows` positions, with or without the head.

    Args:
        backward: also the two products that each has in the backward pass, for its input and for its weight.
    """
    layers = [m for m in policy.model.modules() if isinstance(m, torch.nn.Linear)]
    layers = [m for m in layers if head or m is not head_of(policy)]
    sizes = {n for m in layers for n in (m.in_features, m.out_features)}
    data = {n: torch.randn(rows, n, dtype=policy.model.dtype, device=policy.device) for n in sizes}

    def once() -> float:
        began = now(policy.device)
        for m in layers:
            m(data[m.in_features])
            if backward:
                torch.mm(data[m.out_features], m.weight)
                torch.mm(data[m.out_features].t(), data[m.in_features])
        return now(policy.device) - began

    once()
    return statistics.median(once() for _ in range(repeats))


def gemm_rate(policy: Policy, rows: int = 1024, backward: bool = False, repeats: int = 3) -> float:
    """FLOP/s of the linear layers without the head, on long rows unless `rows` says otherwise."""
    flop = (6 if backward else 2) * Work.of(policy).body * rows
    return flop / linear_seconds(policy, rows, head=False, backward=backward, repeats=repeats)


def now(device: torch.device) -> float:
    """Seconds, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def machine(policy: Policy) -> dict[str, Any]:
    """What a policy was measured on."""
    device = {"device": str(policy.device), "dtype": str(policy.model.dtype)}
    return measured_on() | device | {"threads": torch.get_num_threads()}


def spread(values: Sequence[float]) -> dict[str, float]:
    return {"min": min(values), "median": statistics.median(values), "max": max(values)}
