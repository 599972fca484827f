"""A layer of linear self-attention is a step of gradient descent (von Oswald et al. 2023, arXiv 2212.07677).

python scripts/bayes/gradient_step.py [--steps N] [--seed S] [--json FILE]

In the prompt are 10 points (x, y) of a linear function of 10 inputs, and a query x. Weights of one linear attention
layer can be written down so that its answer is that of one step of gradient descent on the points' squared error.
Printed: how exactly they do it; then what a layer finds that is trained on such prompts: its loss beside that of the
best single step, its sensitivity to the query, and its weights up to what leaves its function as it is. Two and three
layers with shared weights stand beside as many steps, and beside GD++, which changes the inputs between two steps too.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from scipy.optimize import minimize
from torch import Tensor

from rlvr.machine import measured_on

POINTS = INPUTS = 10
Layer = tuple[Tensor, Tensor]
"""Q = W_Kᵀ W_Q and V = P W_V, (11, 11) each: all that the layer's function depends on."""


def prompts(number: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """(B, POINTS + 1, INPUTS + 1) tokens (x, y), the query last with y = 0; and (B,) the query's y."""
    w = torch.randn(number, INPUTS, 1, generator=generator, dtype=torch.float64)
    x = 2 * torch.rand(number, POINTS + 1, INPUTS, generator=generator, dtype=torch.float64) - 1
    y = x @ w
    tokens = torch.cat([x, y], dim=2)
    tokens[:, -1, -1] = 0
    return tokens, y[:, -1, 0]


def attend(tokens: Tensor, layer: Layer) -> Tensor:
    """Linear self-attention on the points, with a residual: e_j + V Σ_i e_i e_iᵀ Q e_j. The query is no key."""
    q, v = layer
    points = tokens[:, :-1]
    return tokens + tokens @ q.T @ (points.transpose(1, 2) @ points) @ v.T


def predicted(tokens: Tensor, layers: list[Layer]) -> Tensor:
    """(B,): what the layers leave in the query's place for y is −prediction (the query begins at 0)."""
    for layer in layers:
        tokens = attend(tokens, layer)
    return -tokens[:, -1, -1]


def constructed(rate: float) -> Layer:
    """Proposition 1 with initial weights 0: the layer takes −η/N Σ (y_i)(x_iᵀ x_j) from y_j."""
    q = torch.zeros(INPUTS + 1, INPUTS + 1, dtype=torch.float64)
    q[:INPUTS, :INPUTS] = torch.eye(INPUTS, dtype=torch.float64)
    v = torch.zeros_like(q)
    v[-1, -1] = -rate / POINTS
    return q, v


def descended(tokens: Tensor, rate: float, steps: int, change: float = 0.0) -> Tensor:
    """(B,) prediction for the query after steps of gradient descent on ½ mean squared error, from weights 0.

    Args:
        change: of GD++ (the paper's equation 9): after each step the inputs become (1 − γ/N XᵀX) x, which makes the
            next one better conditioned. 0: plain gradient descent.
    """
    x, left, query = tokens[:, :-1, :-1], tokens[:, :-1, -1:], tokens[:, -1:, :-1]
    said = torch.zeros(len(tokens), 1, 1, dtype=torch.float64)
    for _ in range(steps):
        step = rate / POINTS * (x.transpose(1, 2) @ left)  # of the weights, on what is still to be explained
        left, said = left - x @ step, said + query @ step
        covariance = change / POINTS * (x.transpose(1, 2) @ x)
        x, query = x - x @ covariance, query - query @ covariance
    return said[:, 0, 0]


def best(steps: int, tokens: Tensor, target: Tensor, plus: bool) -> list[float]:
    """Rate and change with the least loss."""
    begun = [1.5, 0.3] if plus else [1.5]
    found = minimize(
        lambda values: float((descended(tokens, values[0], steps, *values[1:]) - target).square().mean()),
        begun, method="Nelder-Mead", options={"xatol": 1e-4, "fatol": 1e-7},
    )  # fmt: skip
    return [float(value) for value in found.x]


def trained(depth: int, steps: int, seed: int) -> Layer:
    """Adam on prompts that are drawn anew for each step; the layers share their weights."""
    generator = torch.Generator().manual_seed(seed)
    shape = INPUTS + 1, INPUTS + 1
    q, v = (
        (0.05 * torch.randn(*shape, generator=generator, dtype=torch.float64)).requires_grad_() for _ in "qv"
    )
    optimizer = torch.optim.Adam([q, v], lr=5e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        tokens, target = prompts(1024, generator)
        loss = (predicted(tokens, [(q, v)] * depth) - target).square().mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([q, v], 1.0)
        optimizer.step()
        schedule.step()
    return q.detach(), v.detach()


def sensitivity(function: Callable[[Tensor], Tensor], tokens: Tensor) -> Tensor:
    """(B, INPUTS) derivative of the prediction by the query's x."""
    tokens = tokens.clone().requires_grad_()
    (slope,) = torch.autograd.grad(function(tokens).sum(), tokens)
    return slope[:, -1, :-1]


def compare(depth: int, layer: Layer, tokens: Tensor, target: Tensor) -> dict[str, Any]:
    def answer(read: Tensor) -> Tensor:
        return predicted(read, [layer] * depth)

    said = answer(tokens)
    found: dict[str, Any] = {"depth": depth, "loss": _loss(said, target)}
    print(f"{depth} layer{'s' * (depth > 1)}: loss {found['loss']:.4f}")
    slope = sensitivity(answer, tokens)
    for plus in (False, True)[: 1 + (depth > 1)]:
        rate, *change = best(depth, tokens, target, plus)

        def by_steps(read: Tensor, rate: float = rate, change: Sequence[float] = tuple(change)) -> Tensor:
            return descended(read, rate, depth, *change)

        stepped = by_steps(tokens)
        name = "GD++" if plus else "gradient descent"
        found[name] = row = {
            "rate": rate,
            "loss": _loss(stepped, target),
            "apart": float((said - stepped).square().mean().sqrt() / stepped.square().mean().sqrt()),
            "sensitivity": float(
                torch.nn.functional.cosine_similarity(slope, sensitivity(by_steps, tokens), dim=1).mean()
            ),
            "predictions": [
                [round(float(x), 4) for x in pair] for pair in zip(stepped[:200], said[:200], strict=True)
            ],
        }
        print(
            f"  {name}, {depth} of rate {rate:.3f}: loss {row['loss']:.4f}; layers / steps "
            f"{found['loss'] / row['loss']:.3f}; predictions differ by {100 * row['apart']:.1f} %; cosine of "
            f"the sensitivities {row['sensitivity']:.4f}"
        )
    if depth == 1:
        (q, v), (q_built, v_built) = layer, constructed(best(1, tokens, target, False)[0])
        products = torch.kron(v[-1:], q[:, :-1]), torch.kron(v_built[-1:], q_built[:, :-1])
        found["weights"] = _cosine(*products)
        print(f"  cosine of the weights with the construction's, V ⊗ Q: {found['weights']:.4f}")
    return found


def _loss(said: Tensor, target: Tensor) -> float:
    return float((said - target).square().mean())


def _cosine(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum() / (a.norm() * b.norm()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--steps", type=int, default=2000, help="of training, for each depth")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    tokens, target = prompts(4096, torch.Generator().manual_seed(12345))
    gap = (predicted(tokens, [constructed(1.0)]) - descended(tokens, 1.0, 1)).abs().max()
    print(f"the construction against one step of gradient descent: largest difference {float(gap):.1e}")
    depths = [compare(depth, trained(depth, args.steps, args.seed), tokens, target) for depth in (1, 2, 3)]
    if args.json:
        found = {"script": "gradient_step", "machine": measured_on(), "steps": args.steps, "seed": args.seed}
        args.json.write_text(
            json.dumps(found | {"construction": float(gap), "depths": depths}), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
