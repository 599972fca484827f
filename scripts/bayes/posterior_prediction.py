"""A network that was trained on samples of a prior gives the posterior prediction in one forward pass.

python scripts/bayes/posterior_prediction.py [--steps N] [--seed S] [--json FILE]

Müller et al. 2022 (arXiv 2112.10510). Draw a data set from a prior, hide the y of some points, have a transformer
predict them from the others by log loss; again and again, no data set twice. Two priors whose posterior is known:
Bayesian linear regression, and the paper's Gaussian process (five inputs, length scale 0.6, noise 1e-4, output scale
1). The network answers with bars: a probability for each of 100 intervals of y. Printed, by number of points in the
prompt: how far that is from the exact prediction, KL(exact‖network) in nats, in mean and in spread, and how much of
what the exact one expects lies in the network's 95 % band.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from rlvr.machine import measured_on

MOST, ASKED = 10, 10
"""Points in the prompt, at most; points whose y is asked for."""
BARS = 100


@dataclass(frozen=True)
class Prior:
    """Functions with a normal prior, seen with normal noise. Its posterior is normal too."""

    name: str
    inputs: int
    lowest: float
    """Inputs are uniform between this and 1."""
    noise: float
    """A variance."""
    kernel: Callable[[Tensor, Tensor], Tensor]
    """Covariance of the function at two sets of points."""

    def draw(self, number: int, points: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """(B, points, inputs) and (B, points), double precision"""
        x = torch.rand(number, points, self.inputs, generator=generator, dtype=torch.float64)
        x = self.lowest + (1 - self.lowest) * x
        root = torch.linalg.cholesky(self.covariance(x))
        return x, (root @ torch.randn(number, points, 1, generator=generator, dtype=torch.float64))[..., 0]

    def covariance(self, x: Tensor) -> Tensor:
        return self.kernel(x, x) + self.noise * torch.eye(x.shape[1], dtype=x.dtype)

    def exact(self, x: Tensor, y: Tensor, known: int) -> Normal:
        """y of each point after the first `known`, given those."""
        whole = self.covariance(x)
        across, variance = whole[:, known:, :known], whole[:, known:, known:].diagonal(dim1=1, dim2=2)
        weights = torch.linalg.solve(whole[:, :known, :known], across.mT).mT
        mean = (weights @ y[:, :known, None])[..., 0]
        return Normal(mean, (variance - (weights * across).sum(-1)).sqrt())


PRIORS = (
    # y = w0 + w1 x + noise, both weights standard normal
    Prior("linear regression", 1, -1.0, 0.25, lambda a, b: 1 + a @ b.mT),
    Prior("Gaussian process", 5, 0.0, 1e-4, lambda a, b: (-torch.cdist(a, b).square() / (2 * 0.6**2)).exp()),
)


class Network(nn.Module):
    """A transformer in which every point reads those whose y is known, and itself."""

    def __init__(self, inputs: int, borders: Tensor, width: int = 64, layers: int = 3) -> None:
        super().__init__()
        self.borders = borders
        self.known, self.asked = nn.Linear(inputs + 1, width), nn.Linear(inputs, width)
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.0, batch_first=True, norm_first=True)
        self.layers = nn.TransformerEncoder(layer, layers, nn.LayerNorm(width), enable_nested_tensor=False)
        self.bars = nn.Linear(width, BARS)

    def forward(self, x: Tensor, y: Tensor, known: int) -> Tensor:
        """(B, points − known, BARS) log-probability of each bar."""
        x, y = x.float(), y.float()
        seen = self.known(torch.cat([x[:, :known], y[:, :known, None]], dim=2))
        blocked = ~torch.eye(x.shape[1], dtype=torch.bool)
        blocked[:, :known] = False
        read = self.layers(torch.cat([seen, self.asked(x[:, known:])], dim=1), mask=blocked)
        return self.bars(read[:, known:]).log_softmax(-1)


def borders_of(prior: Prior) -> Tensor:
    """(BARS + 1,) quantiles of a normal half as wide again as the prior's y, so that the outer bars hardly matter."""
    _, y = prior.draw(2000, MOST, torch.Generator().manual_seed(0))
    inner = Normal(0.0, 1.0).icdf(torch.linspace(0, 1, BARS + 1, dtype=torch.float64)).clamp(-5, 5)
    return 1.5 * y.std() * inner


def trained(prior: Prior, steps: int, seed: int) -> Network:
    """Adam on the log loss of the hidden y; the number of points in the prompt is drawn anew for each step."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = Network(prior.inputs, borders_of(prior))
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    for _ in range(steps):
        x, y = prior.draw(64, MOST + ASKED, generator)
        known = int(torch.randint(MOST + 1, (1,), generator=generator))
        bar = torch.bucketize(y[:, known:].contiguous(), network.borders[1:-1])
        loss = -network(x, y, known).gather(2, bar[..., None]).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    return network


@torch.no_grad()
def compared(prior: Prior, network: Network, known: int, number: int) -> dict[str, float]:
    """The network's predictions beside the exact ones, mean over prompts of `known` points."""
    x, y = prior.draw(number, known + ASKED, torch.Generator().manual_seed(12345))
    exact, logs, borders = prior.exact(x, y, known), network(x, y, known).double(), network.borders
    widths, masses = borders.diff(), exact.cdf(borders[:, None, None]).diff(dim=0).movedim(0, -1)
    kl = -exact.entropy() - (masses * (logs - widths.log())).sum(-1)
    mean, sd, low, high = read_off(logs, borders)
    return {
        "points": known,
        "kl": float(kl.mean()),
        "se": float(kl.mean(1).std() / math.sqrt(number)),
        "mean_error": float((mean - exact.mean).square().mean().sqrt()),
        "sd_ratio": float((sd / exact.stddev).log().mean().exp()),
        "sd": float(exact.stddev.mean()),
        "coverage": float((exact.cdf(high) - exact.cdf(low)).mean()),
    }


def read_off(logs: Tensor, borders: Tensor) -> tuple[Tensor, ...]:
    """Mean and spread of y, which is uniform within a bar, and the ends of its 95 % band."""
    masses, widths = logs.exp(), borders.diff()
    middles = borders[:-1] + widths / 2
    mean, below = masses @ middles, masses.cumsum(-1)
    ends = []
    for share in (0.025, 0.975):
        bar = (below < share).sum(-1, keepdim=True).clamp(max=BARS - 1)
        missing = share - below.gather(-1, bar) + masses.gather(-1, bar)
        ends.append((borders[bar] + missing / masses.gather(-1, bar) * widths[bar])[..., 0])
    return mean, (masses @ (middles.square() + widths.square() / 12) - mean.square()).sqrt(), *ends


@torch.no_grad()
def example(prior: Prior, network: Network, known: int = 5) -> dict[str, Any]:
    """Both predictions along the one input, for one prompt."""
    x, y = prior.draw(1, known + 41, torch.Generator().manual_seed(3))
    x[0, known:, 0] = torch.linspace(-1, 1, 41, dtype=torch.float64)
    exact = prior.exact(x, y, known)
    mean, _, low, high = read_off(network(x, y, known).double(), network.borders)
    curves = [mean, low, high, *(exact.mean + z * exact.stddev for z in (0, -1.96, 1.96))]
    names = [f"{who} {what}" for who in ("network", "exact") for what in ("mean", "low", "high")]
    points = torch.stack([x[0, :known, 0], y[0, :known]], dim=1).tolist()
    return {"points": points, "x": x[0, known:, 0].tolist()} | dict(
        zip(names, torch.cat(curves).tolist(), strict=True)
    )


def show(name: str, steps: int, rows: Sequence[dict[str, float]], mean: dict[str, float]) -> None:
    print(f"{name}, {steps} steps\n  points  exact sd  error of mean  sd/exact  KL, nats         in band")
    for row in rows:
        print(
            f"  {row['points']:6}  {row['sd']:8.3f}  {row['mean_error']:13.3f}  {row['sd_ratio']:8.3f}  "
            f"{row['kl']:.4f} ± {row['se']:.4f}  {100 * row['coverage']:5.1f} %"
        )
    print(f"  mean: KL {mean['kl']:.4f} nats, {100 * mean['coverage']:.1f} % in the 95 % band\n", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=1500, help="of training, for each prior")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--number", type=int, default=512, help="prompts of each length that are compared")
    parser.add_argument("--json", type=Path, help="write the figures there")
    args = parser.parse_args()
    found: dict[str, Any] = {"script": "posterior_prediction", "measured_on": measured_on(), "priors": {}}
    for prior in PRIORS:
        network = trained(prior, args.steps, args.seed)
        rows = [compared(prior, network, known, args.number) for known in range(MOST + 1)]
        mean = {name: sum(row[name] for row in rows) / len(rows) for name in ("kl", "coverage")}
        found["priors"][prior.name] = {"mean": mean, "by_points": rows}
        show(prior.name, args.steps, rows, mean)
        if prior is PRIORS[0]:
            found["example"] = example(prior, network)
    if args.json:
        args.json.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
