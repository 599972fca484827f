"""Coins: a network that was trained on many coins predicts as Bayes' rule does (Genewein et al. 2025,
arXiv 2505.17010), and what can bring it to one target: a prompt
where the target lies among the coins, weights alone where it does not."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rlvr.analysis.frontier import bernoulli_kl
from rlvr.analysis.samples import Floats
from rlvr.theory import predictor, readout
from rlvr.theory.check import Check, Line
from rlvr.worlds.laws import coin_mixture

COINS, PRIOR = np.array([0.1, 0.3, 0.7, 0.95]), np.array([0.4, 0.3, 0.2, 0.1])
START = 2
"""Token before the first flip; tails and heads are 0 and 1."""
PREFIX, FLIPS, LONG = 6, 50, 100
"""Tokens of a prompt; flips that are tuned on; flips that are predicted."""
SEEN = 16
"""Flips of a coin of .5 up to which such sequences are likely under the training's coins too; the network has never
seen the like of longer ones, and what it predicts there is its own."""


@dataclass(frozen=True)
class Target:
    """Sequences to be predicted: one coin is chosen, and thrown."""

    name: str
    coins: tuple[float, ...]
    weights: tuple[float, ...]
    inside: bool
    """A posterior over the coins of the training can be it, or come near."""

    def draw(self, number: int, flips: int, random: np.random.Generator) -> Tensor:
        """(number, flips) of 0 and 1"""
        thetas = random.choice(self.coins, size=(number, 1), p=self.weights)
        return torch.from_numpy((random.random((number, flips)) < thetas).astype(np.int64))

    def bayes(self, flips: Tensor) -> Floats:
        """(number, flips) P(heads) before each flip."""
        return predictive(flips, self.coins, self.weights)


MIXTURE = Target("the prior", tuple(COINS), tuple(PRIOR), True)
TARGETS = (
    Target("one coin, .7", (0.7,), (1.0,), True),
    Target("two coins, .1 and .95", (0.1, 0.95), (0.5, 0.5), True),
    Target("outside, .5", (0.5,), (1.0,), False),
)


def posterior(flips: Tensor) -> Floats:
    """(B, T) → (B, T, coins) posterior over the coins of the training before each flip."""
    heads = np.pad(flips.numpy().cumsum(1)[:, :-1], ((0, 0), (1, 0)))[..., None]
    tails = np.arange(flips.shape[1])[:, None] - heads
    joint = np.log(PRIOR) + heads * np.log(COINS) + tails * np.log(1 - COINS)
    return np.exp(joint - np.logaddexp.reduce(joint, axis=-1, keepdims=True))


def predictive(flips: Tensor, coins: Sequence[float] | Floats, weights: Sequence[float] | Floats) -> Floats:
    """P(heads) before each flip, under the exact mixture. (B, T) → (B, T)"""
    heads = np.concatenate([np.zeros((len(flips), 1), dtype=int), flips.numpy().cumsum(1)[:, :-1]], axis=1)
    known = {
        (int(h), t): coin_mixture(coins, weights, int(h), t - int(h))[1]
        for t in range(flips.shape[1])
        for h in np.unique(heads[:, t])
    }
    return np.array([[known[int(h), t] for t, h in enumerate(row)] for row in heads], dtype=np.float64)


def network(seed: int, width: int = 32) -> Any:
    return predictor.network(seed, 2, width)


def logits(model: Any, flips: Tensor, prompt: Tensor | None = None) -> Tensor:
    """(B, T) log-odds of heads before each flip.

    Args:
        prompt: (P, width) vectors between the start and the first flip.
    """
    ids = torch.cat([torch.full((len(flips), 1), START), flips[:, :-1]], dim=1)
    read = model.get_input_embeddings()(ids)
    if prompt is not None:
        read = torch.cat([read[:, :1], prompt.expand(len(flips), -1, -1), read[:, 1:]], dim=1)
    out = model(inputs_embeds=read, use_cache=False).logits
    if prompt is not None:
        out = out[:, len(prompt) :]
    return out[..., 1] - out[..., 0]


def nats(odds: Tensor, flips: Tensor) -> Tensor:
    """Mean log loss per flip."""
    return functional.binary_cross_entropy_with_logits(odds, flips.to(odds.dtype))


@cache
def meta_trained(steps: int, seed: int = 0, flips: int = LONG) -> Any:
    """Trained to predict the flips of coins from the prior."""
    return predictor.trained(network(seed), drawn_from_the_prior(flips), steps, seed)


def drawn_from_the_prior(flips: int) -> predictor.Draw:
    return lambda number, random: MIXTURE.draw(number, flips, random)


def _update(optimizer: torch.optim.Optimizer, loss: Tensor) -> None:
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


@torch.no_grad()
def gap(model: Any, target: Target, flips: int, number: int = 512, prompt: Tensor | None = None) -> Floats:
    """(flips,) mean KL(target's Bayes‖model) before each flip, in nats: the regret, without the noise of the flips."""
    drawn = target.draw(number, flips, np.random.default_rng(1))
    p = target.bayes(drawn)
    return np.asarray(bernoulli_kl(p, heads(model, drawn, prompt))).mean(0)


@torch.no_grad()
def heads(model: Any, flips: Tensor, prompt: Tensor | None = None) -> Floats:
    """(B, T) the network's P(heads) before each flip."""
    return torch.sigmoid(logits(model, flips, prompt).double()).numpy()


def learnt(steps: int) -> Check:
    """The predictor is the Bayes mixture where its training went."""
    check = Check(
        "Coins", "Log loss on many coins makes a network that predicts as the exact Bayes mixture does."
    )
    model, outside = meta_trained(steps), TARGETS[-1]
    drawn = outside.draw(512, LONG, np.random.default_rng(1))
    exact = np.asarray(bernoulli_kl(0.5, predictive(drawn, COINS, PRIOR))).mean(0)
    found = gap(model, outside, LONG)
    early, late = slice(0, SEEN), slice(LONG // 2, LONG)
    nearest = float(min(bernoulli_kl(0.5, theta) for theta in COINS))
    check.lines = [
        *(
            Line.at_most(
                f"KL(Bayes‖network) per flip, {n} flips", float(gap(model, MIXTURE, n).mean()), 0.005, exact=0.0
            )
            for n in (FLIPS, LONG)
        ),
        Line.within(
            f"a coin of .5, outside: excess loss of the first {SEEN} flips", float(found[early].mean()),
            float(exact[early].mean()), 0.1 * float(exact[early].mean()), "nats",
        ),
        Line("  of flips 51 to 100", float(found[late].mean()), float(exact[late].mean()), "nats"),
        Line("  the nearest coin's, to which Bayes tends", nearest, unit="nats"),
    ]  # fmt: skip
    check.curves["a coin of .5: excess loss before each flip, nats"] = {
        "flip": [*map(float, range(1, LONG + 1))], "Bayes mixture": exact.tolist(), "network": found.tolist(),
    }  # fmt: skip
    return check


def read_off(sequences: int = 1024) -> Check:
    """The posterior over coins in the activations."""
    check = Check(
        "Activations", "A linear map, fitted on other sequences, reads the posterior over the four coins off the "
        "activations. R² by layer; the control gives each sequence the posterior of another.",
    )  # fmt: skip
    flips = MIXTURE.draw(sequences, LONG, np.random.default_rng(1))
    readout.add(check, "coins", meta_trained(500), flips, posterior(flips), 0.9)
    return check


# ------------------------------------------------------------------ ways to one target


@dataclass(frozen=True)
class Tuned:
    """A way to the target, ready to be measured."""

    model: Any
    prompt: Tensor | None
    parameters: int


Way = Callable[[Any, Target, int], Tuned]


def real_tokens(model: Any, target: Target, steps: int) -> Tuned:
    """The best of all prompts of six flips."""
    drawn = target.draw(256, FLIPS, np.random.default_rng(0))
    every = [torch.tensor([i >> bit & 1 for bit in range(PREFIX)]) for i in range(2**PREFIX)]
    with torch.no_grad():
        prompts = [model.get_input_embeddings()(flips) for flips in every]
        losses = [float(nats(logits(model, drawn, prompt), drawn)) for prompt in prompts]
    return Tuned(model, prompts[int(np.argmin(losses))], 0)


def simplex(model: Any, target: Target, steps: int) -> Tuned:
    """Six mixtures of token embeddings."""
    return _prompt(model, target, steps, torch.zeros(PREFIX, 3), lambda x, rows: x.softmax(-1) @ rows)


def real(model: Any, target: Target, steps: int) -> Tuned:
    """Six linear combinations of token embeddings."""
    return _prompt(model, target, steps, torch.full((PREFIX, 3), 1 / 3), lambda x, rows: x @ rows)


def soft(model: Any, target: Target, steps: int) -> Tuned:
    """Six vectors (prompt tuning)."""
    begun = model.get_input_embeddings().weight.detach().mean(0).repeat(PREFIX, 1)
    return _prompt(model, target, steps, begun, lambda x, rows: x)


def _prompt(
    model: Any, target: Target, steps: int, begun: Tensor, vectors: Callable[[Tensor, Tensor], Tensor]
) -> Tuned:
    values = begun.clone().requires_grad_()
    rows = model.get_input_embeddings().weight.detach()
    _tune([values], 0.03, target, steps, lambda drawn: logits(model, drawn, vectors(values, rows)))
    return Tuned(model, vectors(values, rows).detach(), values.numel())


def embedding(model: Any, target: Target, steps: int) -> Tuned:
    """The embedding of the three tokens."""
    return _weights(model, target, steps, lambda copied: [copied.get_input_embeddings().weight])


def lora(model: Any, target: Target, steps: int) -> Tuned:
    """Rank 1 beside every linear layer."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)  # of its random half
    adapted = get_peft_model(copy.deepcopy(model), LoraConfig(r=1, lora_alpha=2, target_modules="all-linear"))
    return _weights(
        adapted, target, steps, lambda copied: [p for p in copied.parameters() if p.requires_grad]
    )


def everything(model: Any, target: Target, steps: int) -> Tuned:
    """All weights."""
    return _weights(model, target, steps, lambda copied: list(copied.parameters()))


def _weights(model: Any, target: Target, steps: int, chosen: Callable[[Any], list[Tensor]]) -> Tuned:
    copied = copy.deepcopy(model)
    weights = chosen(copied)
    _tune(weights, 3e-3, target, steps, lambda drawn: logits(copied, drawn))
    return Tuned(copied, None, sum(weight.numel() for weight in weights))


def _tune(
    weights: Sequence[Tensor], rate: float, target: Target, steps: int, predict: Callable[[Tensor], Tensor]
) -> None:
    """Steps of Adam on the log loss of the target's own flips."""
    random = np.random.default_rng(0)
    optimizer = torch.optim.Adam(weights, lr=rate)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.05, steps)
    for _ in range(steps):
        drawn = target.draw(128, FLIPS, random)
        _update(optimizer, nats(predict(drawn), drawn))
        schedule.step()


WAYS: dict[str, Way] = {
    "no tuning": lambda model, target, steps: Tuned(model, None, 0),
    "six real tokens": real_tokens,
    "simplex": simplex,
    "real": real,
    "soft prompt": soft,
    "embedding": embedding,
    "LoRA": lora,
    "all weights": everything,
}


def ways(chosen: Mapping[str, Way] = WAYS, steps: int = 100) -> Check:
    """Regret to the target's own Bayes predictor, after as many steps on as many flips."""
    check = Check(
        "Ways", "What brings the predictor to one target: prompts where it lies among the coins; where it does not, "
        "weights. Regret to the target's Bayes predictor, nats per flip (50 flips, and up to 100).",
    )  # fmt: skip
    model = meta_trained(500)
    for target in TARGETS:
        drawn = target.draw(512, FLIPS, np.random.default_rng(1))
        exact = float(np.asarray(bernoulli_kl(target.bayes(drawn), predictive(drawn, COINS, PRIOR))).mean())
        dots: dict[str, float] = {}
        for name, way in chosen.items():
            tuned = way(model, target, steps)
            regret = gap(tuned.model, target, LONG, prompt=tuned.prompt)
            dots[name] = float(regret[:FLIPS].mean())
            what = f"{target.name}: {name}" + (f" ({tuned.parameters:,} numbers)" if tuned.parameters else "")
            check.lines += [
                Line(what, float(regret[:FLIPS].mean()), exact if name == "no tuning" else None, "nats"),
                Line("  up to 100 flips", float(regret.mean()), unit="nats"),
            ]
        check.dots.setdefault("regret to the target's Bayes predictor after tuning, nats per flip", {})[
            target.name
        ] = dots
    return check
