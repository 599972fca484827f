"""Exact tables of a network over the traces of the tiny world, and what follows from them.

All figures in nats, at a sampling temperature, end-of-text included. One forward pass scores every trace of
a problem: the traces are packed as a tree behind their prompt, and each token attends to its own prefix only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rlvr.worlds.carry import STRATEGIES, Trace, support
from verifiers.types import Problem

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Tree:
    """Prompt and traces of one problem as a prefix tree. Node i stands for a token after its ancestors."""

    tokens: list[int]
    parents: list[int]
    """Index of the token before; −1 for the first of the prompt."""
    leaves: list[int]
    """For each trace, in order, the node of its end-of-text."""
    prompt_length: int


def plant(prompt: Sequence[int], traces: Sequence[Sequence[int]]) -> Tree:
    """Pack token sequences that follow one prompt as a prefix tree.

    Raises ValueError if a trace is the start of another (then neither would be an outcome of its own).
    """
    tokens, parents = list(prompt), list(range(-1, len(prompt) - 1))
    children: dict[tuple[int, int], int] = {}
    leaves = []
    for trace in traces:
        node = len(prompt) - 1
        for token in trace:
            if (node, token) not in children:
                children[node, token] = len(tokens)
                tokens.append(token)
                parents.append(node)
            node = children[node, token]
        leaves.append(node)
    inner = {parent for parent, _ in children}
    if len(set(leaves)) < len(leaves) or inner & set(leaves):
        raise ValueError(
            "a trace is equal to another one or the start of it; expected distinct complete traces"
        )
    return Tree(tokens, parents, leaves, len(prompt))


def pack(trees: Sequence[Tree], pad: int) -> dict[str, torch.Tensor]:
    """Model inputs for a batch of B trees, padded to N nodes on the right.

    `input_ids` and `position_ids` (depth in the tree) are (B, N); `attention_mask` is (B, 1, N, N), additive,
    zero where the column is the row or one of its ancestors; `parents` (B, N), padding points to itself.
    """
    size = max(len(tree.tokens) for tree in trees)
    ids = np.full((len(trees), size), pad)
    parents = np.tile(np.arange(size), (len(trees), 1))
    depth = np.zeros((len(trees), size), dtype=np.int64)
    sees = np.tile(np.eye(size, dtype=bool), (len(trees), 1, 1))
    for row, tree in enumerate(trees):
        ids[row, : len(tree.tokens)] = tree.tokens
        for node, parent in enumerate(tree.parents):
            if parent < 0:
                continue
            parents[row, node] = parent
            depth[row, node] = depth[row, parent] + 1
            sees[row, node] |= sees[row, parent]
    mask = torch.zeros(sees.shape).masked_fill_(~torch.from_numpy(sees), torch.finfo(torch.float32).min)
    return {
        "input_ids": torch.from_numpy(ids),
        "position_ids": torch.from_numpy(depth),
        "attention_mask": mask[:, None],
        "parents": torch.from_numpy(parents),
    }


def labelled(problem: Problem, texts: Iterable[str]) -> tuple[Trace, ...]:
    """The traces with these texts. Those that the law cannot write (a trained policy can) are "elsewhere" with
    probability 0; right is that they end with the right box, and they count as not sound."""
    law = {trace.text: trace for trace in support(problem)}
    box = f"\\boxed{{{problem.reference}}}"
    return tuple(law.get(t) or Trace(t, "elsewhere", 0.0, t.endswith(box), False) for t in texts)


def trees_of(
    problems: Sequence[Problem], tokenizer: Any, traces: Sequence[Sequence[Trace]] | None = None
) -> list[Tree]:
    """One tree per problem: its prompt, and every trace (those of the law, if not given) with end-of-text."""
    eos = [tokenizer.eos_token_id]
    return [
        plant(
            tokenizer.encode(problem.prompt),
            [tokenizer.encode(trace.text, add_special_tokens=False) + eos for trace in of_problem],
        )
        for problem, of_problem in zip(problems, traces or map(support, problems), strict=True)
    ]


NODES_SQUARED = 2**24
"""Entries of the attention mask of one forward pass."""


def passes(trees: Sequence[Tree]) -> Iterator[Sequence[Tree]]:
    """Neighbouring trees that fit into one forward pass together."""
    start = 0
    while start < len(trees):
        end, longest = start, 0
        while end < len(trees):
            longest = max(longest, len(trees[end].tokens))
            if end > start and (end + 1 - start) * longest**2 > NODES_SQUARED:
                break
            end += 1
        yield trees[start:end]
        start = end


@torch.no_grad()
def trace_logprobs(
    model: Any, tokenizer: Any, trees: Sequence[Tree], temperature: float = 1.0
) -> list[Floats]:
    """Log-probability of every trace of every tree, in their order, under `model`.

    The model must take a four-dimensional attention mask and position ids, as transformers' decoders do.
    """
    was_training = model.training
    model.eval()
    tables: list[Floats] = []
    for chunk in passes(trees):
        batch = {name: t.to(model.device) for name, t in pack(chunk, tokenizer.pad_token_id).items()}
        parents = batch.pop("parents")
        batch["attention_mask"] = batch["attention_mask"].to(model.dtype)
        logits = model(**batch, use_cache=False).logits.double() / temperature
        rows = torch.arange(len(chunk), device=model.device)[:, None]
        given_parent = logits.log_softmax(-1)[rows, parents, batch["input_ids"]].cpu().numpy()
        for tree, steps in zip(chunk, given_parent, strict=True):
            total = np.zeros(len(tree.tokens))
            for node in range(tree.prompt_length, len(tree.tokens)):
                parent = tree.parents[node]
                total[node] = steps[node] + (total[parent] if parent >= tree.prompt_length else 0.0)
            tables.append(total[tree.leaves])
    model.train(was_training)
    return tables


@dataclass(frozen=True, slots=True)
class Table:
    """The exact law of one policy on one problem: the T traces of the support, and one atom for all others.

    The last atom, "elsewhere", holds the mass outside the support and counts as a wrong answer.
    """

    traces: tuple[Trace, ...]
    logp: Floats
    """(T + 1,) log-probabilities; they sum to 1 in probability."""
    verified: NDArray[np.bool_]
    """(T + 1,) verdicts V; False for "elsewhere"."""

    @classmethod
    def of(
        cls, problem: Problem, traces: Sequence[Trace], logp: Floats, verified: Sequence[bool] | None = None
    ) -> Table:
        """From the traces' log-probabilities (T,) and verdicts (their `right`, if not given).

        Raises ValueError where the probabilities sum to more than 1.
        """
        outside = -np.expm1(np.logaddexp.reduce(logp))
        if outside < -1e-6:
            raise ValueError(f"problem {problem.id}: the traces' probabilities sum to {1 - outside:.8f} > 1")
        verdicts = [trace.right for trace in traces] if verified is None else verified
        with np.errstate(divide="ignore"):
            return cls(
                tuple(traces), np.append(logp, np.log(max(outside, 0.0))), np.array([*verdicts, False])
            )

    @property
    def sound(self) -> NDArray[np.bool_]:
        """(T + 1,) verified, by steps that are true and lead to what is boxed."""
        return self.verified & np.array([t.sound for t in self.traces] + [False])

    @property
    def outside(self) -> float:
        """Mass of all traces that are not in the support."""
        return float(np.exp(self.logp[-1]))

    def mass(self, atoms: NDArray[np.bool_]) -> float:
        """Probability of a set of atoms, given as a mask (T + 1,)."""
        return float(np.exp(self.logp[atoms]).sum())

    @property
    def pass_at_1(self) -> float:
        return self.mass(self.verified)

    def pass_at_k(self, k: int) -> float:
        """1 − (1 − p)^k: exact, since p is known."""
        return float(-np.expm1(k * np.log1p(-min(self.pass_at_1, 1.0)))) if self.pass_at_1 < 1 else 1.0

    def posterior(self) -> Floats:
        """p(z | x, verified), (T + 1,): zero on refused traces."""
        return np.where(self.verified, np.exp(self.logp - _log_mass(self.logp, self.verified)), 0.0)

    def strategy_shares(self, verified: bool = False) -> dict[str, float]:
        """Mass by strategy; with `verified`, shares of the posterior p(z | x, verified)."""
        weights = self.posterior() if verified else np.exp(self.logp)
        shares = dict.fromkeys([*STRATEGIES, "elsewhere"], 0.0) | {"elsewhere": float(weights[-1])}
        for trace, weight in zip(self.traces, weights[:-1], strict=True):
            shares[trace.strategy] += float(weight)
        return shares


def tables(model: Any, tokenizer: Any, problems: Sequence[Problem], temperature: float = 1.0) -> list[Table]:
    """The exact table of `model` on each problem, over the law's traces; a trace is verified if it is right."""
    logprobs = trace_logprobs(model, tokenizer, trees_of(problems, tokenizer), temperature)
    return [Table.of(p, support(p), logp) for p, logp in zip(problems, logprobs, strict=True)]


def divergences(base: Table, tuned: Table) -> dict[str, float | None]:
    """How far one problem's tuned policy π went from p0, and which way; nats.

    With V the verdict, p, q the success rates, π* = p0(· | V=1), π_V = π(· | V=1):
    kl_base = KL(π‖p0) = kl_success + q · kl_forward + (1 − q) · kl_wrong, the chain rule over V, where
    kl_success = kl(q‖p), kl_forward = KL(π_V‖π*), kl_wrong = KL(π_¬V‖p0_¬V); kl_reverse = KL(π*‖π).
    None where π gives a class no mass, so that there is nothing to condition on.
    """
    right = base.verified
    verdict = [np.array([_log_mass(t.logp, right), _log_mass(t.logp, ~right)]) for t in (tuned, base)]
    star = np.where(right, base.logp - verdict[1][0], -np.inf)
    return {
        "kl_base": kl(tuned.logp, base.logp),
        "kl_success": kl(*verdict),
        "kl_forward": _kl_within(tuned.logp, base.logp, right),
        "kl_wrong": _kl_within(tuned.logp, base.logp, ~right),
        "kl_reverse": kl(star, tuned.logp),
    }


def kl(log_p: Floats, log_q: Floats) -> float:
    """KL(p‖q) in nats from log-probabilities over the same atoms; 0·ln 0 = 0."""
    p = np.exp(log_p)
    live = log_p > -np.inf
    return max(float(np.sum(p[live] * (log_p[live] - log_q[live]))), 0.0)


def _kl_within(log_p: Floats, log_q: Floats, atoms: NDArray[np.bool_]) -> float | None:
    """KL between the two laws given a set of atoms; None where p gives the set no mass."""
    mass = _log_mass(log_p, atoms)
    return None if mass == -np.inf else kl(log_p[atoms] - mass, log_q[atoms] - _log_mass(log_q, atoms))


def exact_comparison(
    problems: Sequence[Problem], base: Sequence[Table], tuned: Sequence[Table], temperature: float = 1.0
) -> dict[str, Any]:
    """Base against tuned by their exact tables, one per problem; JSON-able, means over problems.

    Keys: per policy (`base`, `tuned`) pass_at_k, sound share among verified, shares by strategy (of all
    traces; of the posterior p(z|x,verified)) and mass_outside_support; `divergence`: kl_base = KL(π‖p0),
    kl_success = kl(q‖p), kl_forward = KL(π_V‖π*), kl_reverse = KL(π*‖π), kl_wrong; `kl_efficiency` =
    Σ kl(q‖p) / Σ KL(π‖p0) over problems (None where nothing moved); `per_problem`: the same as lists.

    The mass outside: traces that are in no table are one atom "elsewhere", counted as wrong. So each exact
    pass@1 is a lower bound, short by at most `mass_outside_support`, and KL(π‖p0) is that of the coarsened
    laws, a lower bound too (data processing).
    """
    split = [divergences(b, t) for b, t in zip(base, tuned, strict=True)]
    per_problem: dict[str, Any] = {"problem_id": [problem.id for problem in problems]}
    for name, policy in (("base", base), ("tuned", tuned)):
        per_problem[f"{name}_pass_at_1"] = [t.pass_at_1 for t in policy]
        per_problem[f"{name}_sound_share"] = [_share(t.mass(t.sound), t.pass_at_1) for t in policy]
        per_problem[f"{name}_mass_outside_support"] = [t.outside for t in policy]
    for name in split[0]:
        per_problem[name] = [row[name] for row in split]
    spent = sum(row["kl_base"] or 0.0 for row in split)
    return {
        "n_problems": len(problems),
        "temperature": temperature,
        "base": summary(base),
        "tuned": summary(tuned),
        "divergence": {name: _mean(row[name] for row in split) for name in split[0]},
        "kl_efficiency": sum(row["kl_success"] or 0.0 for row in split) / spent if spent > 0 else None,
        "per_problem": per_problem,
    }


def summary(policy: Sequence[Table], ks: Sequence[int] = (1, 4, 16, 64, 256)) -> dict[str, Any]:
    """One policy's exact figures, means over problems."""
    right = sum(t.pass_at_1 for t in policy)
    strategies = [(t.strategy_shares(), t.strategy_shares(verified=True)) for t in policy]
    return {
        "pass_at_k": {str(k): _mean(t.pass_at_k(k) for t in policy) for k in ks},
        "sound_share_of_verified": _share(sum(t.mass(t.sound) for t in policy), right),
        "strategies": {s: _mean(every[s] for every, _ in strategies) for s in strategies[0][0]},
        "posterior_strategies": {s: _mean(v[s] for _, v in strategies) for s in strategies[0][1]},
        "mass_outside_support": _mean(t.outside for t in policy),
    }


def _share(part: float, whole: float) -> float | None:
    """None where there is no whole."""
    return part / whole if whole > 0 else None


def _mean(values: Iterable[float | None]) -> float | None:
    """Over the values that are defined; None where none is."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def _log_mass(logp: Floats, atoms: NDArray[np.bool_]) -> float:
    return float(np.logaddexp.reduce(logp[atoms]))
