"""Cross-entropy is maximum likelihood is MAP under a flat prior; the predictor of least log loss is the Bayes mixture.

python scripts/bayes/best_predictor.py [--steps N] [--seeds S] [--json FILE]

One coin: what minimises cross-entropy on its flips is the most likely coin, and the one of highest posterior under a
flat prior. A bag of coins (`rlvr worlds coins`): any predictor q of the next flip pays the loss of the Bayes mixture
and KL(Bayes‖q) on top, so nobody pays less than the mixture, and whoever bets on one coin pays more. Networks of
several widths, trained by nothing but cross-entropy on flips from such bags: their nats above the mixture, as
training goes on.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.optimize import minimize_scalar

from rlvr.analysis.frontier import bernoulli_kl
from rlvr.analysis.samples import Floats
from rlvr.machine import measured_on
from rlvr.theory import coins, predictor
from rlvr.theory.coins import COINS, FLIPS, MIXTURE, PRIOR
from rlvr.worlds.laws import coin_mixture

WIDTHS = (4, 8, 16, 32)
ONE_COIN = torch.tensor([[1] * 7 + [0] * 3])
"""Ten flips, seven heads."""


# ------------------------------------------------------------------ one coin


def minimised(log_prior: Callable[[float], float]) -> float:
    """P(heads) of the log-odds z with the least cross-entropy on ONE_COIN minus log_prior(z)/flips."""
    flips = ONE_COIN.double()

    def paid(z: float) -> float:
        loss = coins.nats(torch.full_like(flips, z), ONE_COIN)
        return float(loss) - log_prior(z) / ONE_COIN.numel()

    found: Any = minimize_scalar(paid, bounds=(-10, 10), method="bounded", options={"xatol": 1e-9})
    return _sigmoid(float(found.x))


PRIORS: dict[str, Callable[[float], float]] = {
    "cross-entropy alone": lambda z: 0.0,
    "prior flat in P(heads)": lambda z: math.log(_sigmoid(z) * _sigmoid(-z)),  # as a density of the log-odds
    "prior normal in the log-odds": lambda z: -z * z / 2,
}
"""What is added to the log likelihood. Cross-entropy alone: a flat prior over the log-odds, a network's output."""


def _sigmoid(z: float) -> float:
    return 1 / (1 + math.exp(-z))


# ------------------------------------------------------------------ a bag of coins


def rivals(flips: torch.Tensor) -> dict[str, Floats]:
    """(B, T) P(heads) before each flip, of predictors that know the bag or count, and are not the mixture.
    Before the first flip no coin is the most likely one: it says 0.5."""
    heads = np.concatenate([np.zeros((len(flips), 1), dtype=int), flips.numpy().cumsum(1)[:, :-1]], axis=1)
    tails = np.arange(flips.shape[1]) - heads
    posterior = np.array([[coin_mixture(COINS, PRIOR, int(h), int(t))[0] for h, t in zip(*row, strict=True)]
                          for row in zip(heads, tails, strict=True)])  # fmt: skip
    return {
        "most likely coin": np.where(heads + tails == 0, 0.5, COINS[(posterior / PRIOR).argmax(-1)]),
        "coin of highest posterior": COINS[posterior.argmax(-1)],
        "heads so far, one of each added": (heads + 1) / (heads + tails + 2),
    }


def excess(q: Floats, flips: torch.Tensor) -> dict[str, Any]:
    """Nats a flip above the Bayes mixture: as KL, and as log losses of the flips that fell, with its standard error."""
    p = MIXTURE.bayes(flips)
    kl = np.asarray(bernoulli_kl(p, q))
    fell = flips.numpy() == 1
    paid = (np.where(fell, np.log(p / q), np.log((1 - p) / (1 - q)))).mean(1)
    return {
        "kl": float(kl.mean()),
        "paid": float(paid.mean()),
        "se": float(paid.std(ddof=1) / math.sqrt(len(paid))),
        "by_flip": kl.mean(0).tolist(),
    }


# ------------------------------------------------------------------ networks


def training(width: int, steps: int, seed: int, number: int) -> tuple[dict[int, float], list[float]]:
    """(nats a flip above the mixture after so many steps, the last of them before each flip)"""
    model = coins.network(seed, width)
    due = sorted({0, steps, *(int(step) for step in np.geomspace(5, steps, 12))})
    found = {0: float(coins.gap(model, MIXTURE, FLIPS, number).mean())}
    for step in predictor.training(model, coins.drawn_from_the_prior(FLIPS), steps, seed):
        if step in due:
            found[step] = float(coins.gap(model, MIXTURE, FLIPS, number).mean())
    return found, coins.gap(model, MIXTURE, FLIPS, number).tolist()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=200, help="of training, for each width")
    parser.add_argument("--seeds", type=int, default=1, help="networks of each width")
    parser.add_argument("--number", type=int, default=256, help="sequences of flips that are predicted")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()

    print(f"one coin, {int(ONE_COIN.sum())} heads of {ONE_COIN.numel()}: P(heads) that minimises")
    one_coin = {name: minimised(log_prior) for name, log_prior in PRIORS.items()}
    for name, p in one_coin.items():
        print(f"  {name:<34}{p:.4f}")

    drawn = MIXTURE.draw(args.number, FLIPS, np.random.default_rng(1))
    print(f"\ncoins {', '.join(map(str, COINS))}: nats a flip above the Bayes mixture, mean of {FLIPS} flips")
    print(f"  {'':<34}{'KL':>8}  {'as paid':>8}")
    known = {name: excess(q, drawn) for name, q in rivals(drawn).items()}
    for name, one in known.items():
        print(f"  {name:<34}{one['kl']:8.5f}  {one['paid']:8.5f} ± {one['se']:.5f}")

    networks: dict[int, Any] = {}
    for width in WIDTHS:
        runs = [training(width, args.steps, seed, args.number) for seed in range(args.seeds)]
        networks[width] = {"by_step": [run[0] for run in runs], "by_flip": [run[1] for run in runs]}
        if width == WIDTHS[0]:
            print(
                f"\nnetworks, the same, mean of {args.seeds} seeds\n  after steps "
                + "".join(f"{s:>9}" for s in runs[0][0])
            )
        mean = np.mean([[*curve.values()] for curve in networks[width]["by_step"]], axis=0)
        print(f"  width {width:<6}" + "".join(f"{nats:9.5f}" for nats in mean), flush=True)
    if args.json:
        found = {
            "script": "best_predictor",
            "one_coin": one_coin,
            "known": known,
            "networks": networks,
            "measured_on": measured_on(),
        }
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
