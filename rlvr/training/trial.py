"""The update, tried on a few tokens before anything is sampled: what it reads of rows together must be what the plain
model says of each row alone, log-probabilities and gradient.

Which way fits a model cannot be read off its config: a decoder layer may drop what our attention needs, a router may
draw random numbers. So the ways are tried in order, packed before padded, and the first that is right is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import torch
from accelerate import Accelerator
from peft import PeftModel
from torch import Tensor

from rlvr.policy import PolicyError
from rlvr.sampling.rounding import Tolerance, apart, epsilon
from rlvr.training import attention
from rlvr.training.attention import Kind
from rlvr.training.forward import Forward, Way, as_it_was, base_of, read_by
from rlvr.training.head import router_loss
from rlvr.training.packing import Prompted, Sample

LENGTHS = {6: [4, 2], 2: [3]}
"""Tokens of prompts and of the samples that share them; padding wherever there is any."""
WEIGHTS = 2**22
"""Numbers of the gradient that are compared, of the smallest weights: norms, biases, adapters. A wrong gradient
anywhere above the first layer reaches those of the first layer."""


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one way of reading says of the groups."""

    logprobs: Tensor
    gradient: Tensor
    """Of a weighted sum of them, flat."""
    router_loss: Tensor | None


@torch.enable_grad()
def prove(
    model: Any,
    tokens: Sequence[int],
    accelerator: Accelerator,
    temperature: float,
    name: str,
    balances: bool = False,
    random: bool = False,
) -> tuple[Way, str]:
    """The way in which this model is updated rightly, and why; the model stays as it was.

    Args:
        model: the policy with its adapters, before it is wrapped for several processes.
        tokens: to read, see `rounding.tokens`.
        name: of the model, for messages.
        balances: the router's loss is asked for: it is compared too.
        random: dropout is asked for, so that in training the numbers are meant to differ.

    Raises:
        PolicyError: no way gives the numbers of the plain model, or these are not finite.
    """
    try:
        truth = _Truth(model, groups_of(tokens), accelerator, temperature, balances)
    except Exception as error:
        where = "; other target_modules may help" if isinstance(model, PeftModel) else ""
        raise PolicyError(
            f"model {name}: cannot be trained: a row of a few tokens {raised(error)}{where}"
        ) from error
    if not truth.numbers.logprobs.isfinite().all() or not truth.numbers.gradient.isfinite().all():
        what = "gradient is" if truth.numbers.logprobs.isfinite().all() else "log-probabilities are"
        raise PolicyError(
            f"model {name}: cannot be trained: its own {what} not finite on a row of a few tokens"
        )
    tried: list[str] = []
    for way, why in ways(base_of(model)):
        with as_it_was(model):
            forward = Forward([model], accelerator, temperature, way, balances)
            wrong = truth.differs(forward, model, random)
        if wrong is None:
            return way, "; ".join([*tried, why])
        tried.append(f"{way}: {wrong}")
    raise PolicyError(f"model {name}: cannot be trained: {'; '.join(tried)}")


def groups_of(tokens: Sequence[int]) -> list[Prompted]:
    """Groups of `LENGTHS` of these tokens."""
    text = iter(tokens)
    return [
        Prompted([*islice(text, prompt)], [Sample([*islice(text, n)], [True] * n) for n in samples])
        for prompt, samples in LENGTHS.items()
    ]


def ways(model: Any) -> Iterator[tuple[Way, str]]:
    """What may fit this model by its config, the best first; padded rows, which fit most; and the same with its own
    head, for one that ours does not know."""
    chosen, why = attention.choose(model)
    kinds: dict[Kind | None, str] = {chosen: why}
    if chosen in ("split", "flex"):
        kinds["mask"] = "its own attention takes a dense mask"
    kinds.setdefault(None, "padded rows are right")
    for own_head in (False, True):
        yield from ((Way(kind, own_head), why) for kind, why in kinds.items())


def raised(error: Exception) -> str:
    """What the model's own code says."""
    return f"raises {type(error).__name__}: {' '.join(str(error).split())[:160]}"


class _Truth:
    """Each row alone, by the plain model without dropout."""

    def __init__(
        self,
        model: Any,
        groups: Sequence[Prompted],
        accelerator: Accelerator,
        temperature: float,
        balances: bool,
    ) -> None:
        self.model, self.groups, self.accelerator = base_of(model).eval(), read_by(model, groups), accelerator
        self.temperature, self.balances = temperature, balances
        self.weights = compared(model)
        self.numbers = self._read()
        with accelerator.autocast():
            step = epsilon(self.model)
        self.logprobs = Tolerance(
            self.model, lambda: apart(self._read().logprobs, self.numbers.logprobs), step
        )
        self.gradient = Tolerance(
            self.model, lambda: distance(self._read().gradient, self.numbers.gradient), step
        )

    def differs(self, forward: Forward, model: Any, random: bool) -> str | None:
        """What a way of reading says otherwise, in words."""
        try:
            numbers = self._numbers(*self._answer(forward, model))
            in_training = None if random else self._in_training(forward, model)
        except Exception as error:  # of the model's code, which no class of exceptions is common to
            return raised(error)
        finally:
            model.eval()
        if found := self.logprobs.exceeded(apart(numbers.logprobs, self.numbers.logprobs)):
            return f"its log-probabilities differ from those of rows read alone by {found}"
        if found := self.gradient.exceeded(distance(numbers.gradient, self.numbers.gradient)):
            return f"its gradient differs from that of rows read alone by a share of {found}"
        if numbers.router_loss is not None and self.numbers.router_loss is not None:
            apart_by = apart(numbers.router_loss, self.numbers.router_loss)
            if found := self.logprobs.exceeded(apart_by):
                return f"its router's loss differs from that of rows read alone by {found}"
        moved = 0.0 if in_training is None else apart(in_training, numbers.logprobs)
        if found := self.logprobs.exceeded(moved):
            return f"its log-probabilities change in training (dropout, noise) by {found}"
        return None

    def _answer(self, forward: Forward, model: Any) -> tuple[Tensor, Tensor | None]:
        answer, _ = forward(model, self.groups)
        return answer.logprobs, answer.router_loss

    def _in_training(self, forward: Forward, model: Any) -> Tensor:
        with torch.no_grad():
            return self._answer(forward, model.train())[0]

    def _read(self) -> Numbers:
        logprobs, routers = [], []
        for group in self.groups:
            for sample in group.samples:
                ids = torch.tensor([[*group.prompt, *sample.token_ids[:-1]]], device=self.model.device)
                asked = {"output_router_logits": True} if self.balances else {}
                with self.accelerator.autocast():
                    answer = self.model(input_ids=ids, use_cache=False, **asked)
                logits = answer.logits[0, len(group.prompt) - 1 :].float() / self.temperature
                targets = torch.tensor(sample.token_ids, device=logits.device)
                logprobs.append(logits.log_softmax(-1).gather(-1, targets[:, None])[:, 0])
                routers.append(answer.router_logits if self.balances else ())
        together = [torch.cat(layer) for layer in zip(*routers, strict=True)]
        balance = None
        if together:
            balance = router_loss(
                self.model, together, torch.ones(1, len(together[0]), device=self.model.device)
            )
        return self._numbers(torch.cat(logprobs), balance)

    def _numbers(self, logprobs: Tensor, balance: Tensor | None) -> Numbers:
        weighted = (logprobs.float() * torch.linspace(-1, 1, len(logprobs), device=logprobs.device)).sum()
        found = torch.autograd.grad(weighted, self.weights, allow_unused=True)
        pairs = zip(self.weights, found, strict=True)
        flat = [(torch.zeros_like(w) if g is None else g).flatten().float() for w, g in pairs]
        return Numbers(
            logprobs.detach().float(), torch.cat(flat), None if balance is None else balance.detach()
        )


def compared(model: Any) -> list[Any]:
    """Weights that are trained, the smallest first, of at most `WEIGHTS` numbers together; one at least."""
    chosen: list[Any] = []
    left = WEIGHTS
    for weight in sorted((p for p in model.parameters() if p.requires_grad), key=lambda p: p.numel()):
        left -= weight.numel()
        if chosen and left < 0:
            break
        chosen.append(weight)
    return chosen


def distance(found: Tensor, expected: Tensor) -> float:
    """|found − expected| / |expected|"""
    return ((found - expected).norm() / expected.norm().clamp(min=torch.finfo(torch.float32).tiny)).item()
