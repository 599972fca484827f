"""What one step samples, and what it trains on: groups of judged episodes, and the same as flat tensors."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import chain, compress, pairwise, repeat
from typing import Any, cast

import torch
from accelerate.utils import gather_object

from rlvr.config import TrainConfig
from rlvr.rollouts import Rollout
from rlvr.rollouts.types import Episode
from rlvr.source_verifiers import SourceVerifier
from rlvr.training.advantages import zero_variance
from rlvr.training.curriculum import Outcome
from rlvr.training.importance import Tokens
from rlvr.training.objective import Totals
from rlvr.training.packing import Prompted, Sample
from rlvr.training.rewards import reward
from rlvr.verdict_health import failing_together, verdict_of
from verifiers import Problem, Verdict


@dataclass(slots=True)
class Group:
    """The samples of one problem in a step."""

    place: int
    """Which of the step's groups, over all processes."""
    index: int
    """Of the problem, among the training problems."""
    episodes: list[Episode]
    pending: list[Future[Verdict]]
    verdicts: list[Verdict] = field(default_factory=list)
    pending_terms: list[dict[str, Future[Verdict]]] = field(default_factory=list)
    """Of `train.rewards`, by name."""
    terms: list[dict[str, Verdict]] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    """NaN where there was no verdict."""
    steered: bool = False
    """Its prompt had the evidence of `train.evidence`, or of the teacher of `train.distill`."""

    @property
    def outcome(self) -> Outcome:
        passed = sum(bool(verdict.solved) for verdict in self.verdicts)
        return Outcome(self.index, passed, sum(verdict.score is not None for verdict in self.verdicts))


def wait_for_verdicts(groups: Sequence[Group], train: TrainConfig) -> float:
    """Wait for the verdicts that are still out, and make rewards of them. Returns the seconds that this took."""
    start = time.perf_counter()
    with failing_together():
        for group in groups:
            group.verdicts = [verdict_of(future) for future in group.pending]
            group.terms = [{n: verdict_of(f) for n, f in said.items()} for said in group.pending_terms]
    for group in groups:
        judged = zip(group.verdicts, group.episodes, group.terms or repeat({}), strict=False)
        group.rewards = [reward(train, verdict, episode, terms) for verdict, episode, terms in judged]
    return time.perf_counter() - start


def rewards_of(groups: Sequence[Group]) -> torch.Tensor:
    """(groups, G) rewards of all processes, in the order of their places; NaN where there was no verdict."""
    return torch.tensor(gather_object([group.rewards for group in groups]), dtype=torch.float32)


def rows_of(
    groups: Sequence[Group], policy: str, verifier_of: Callable[[Problem], SourceVerifier], **extra: Any
) -> list[Rollout]:
    """The rollout rows of this process's groups. What the terms of `train.rewards` said stands apart from `score`."""
    return [
        episode.row(
            policy,
            verifier_of(episode.problem).name,
            verdict,
            **extra,
            **({"steered": True} if group.steered else {}),
            **_term_scores(terms),
        )
        for group in groups
        for episode, verdict, terms in zip(
            group.episodes, group.verdicts, group.terms or repeat({}), strict=False
        )
    ]


def _term_scores(terms: dict[str, Verdict]) -> dict[str, dict[str, float | None]]:
    return {"rewards": {name: verdict.score for name, verdict in terms.items()}} if terms else {}


# ------------------------------------------------------------------ what is trained on


@dataclass(slots=True)
class TokenGroup:
    """One group as the update reads it. Tensors are (N,): the policy's tokens, sample after sample."""

    prompted: Prompted
    advantages: torch.Tensor
    sampler: torch.Tensor | None
    """What the sampler's engine wrote down; None where it gave no log-probabilities."""
    old: torch.Tensor | None = None
    """Under the policy before the first of several updates on the batch; None: there is one."""
    ref: torch.Tensor | None = None
    returns: torch.Tensor | None = None
    """PPO's, and the values that they were estimated with."""
    values: torch.Tensor | None = None

    @classmethod
    def of(cls, group: Group, leave_out: Sequence[bool], device: torch.device) -> TokenGroup:
        """The tokens of a group, without the samples that have no part in the loss. Advantages are 0 so far."""
        samples = [
            Sample.of(episode.token_ids, [own and not out for own in episode.mask])
            for episode, out in zip(group.episodes, leave_out, strict=True)
        ]
        written = [e.logprobs for e, out in zip(group.episodes, leave_out, strict=True) if not out]
        known = all(logprobs is not None for logprobs in written)
        flat = torch.tensor(
            [*chain.from_iterable(w or () for w in written)], dtype=torch.float32, device=device
        )
        tokens = sum(sum(sample.mask) for sample in samples)
        return cls(
            Prompted(group.episodes[0].prompt_ids, samples),
            advantages=torch.zeros(tokens, device=device),
            sampler=flat if known else None,
        )

    @property
    def lengths(self) -> list[int]:
        """The policy's tokens of each sample."""
        return [sum(sample.mask) for sample in self.prompted.samples]

    @property
    def live(self) -> bool:
        """Some advantage is not zero: its log-probabilities have a gradient."""
        return bool(self.advantages.any())

    def part(self, first: int, last: int) -> TokenGroup:
        """The samples from `first` up to `last`, with the prompt."""
        tokens = slice(sum(self.lengths[:first]), sum(self.lengths[:last]))
        tensors = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "prompted"}
        return replace(
            self,
            prompted=Prompted(self.prompted.prompt, self.prompted.samples[first:last]),
            **{name: None if value is None else value[tokens] for name, value in tensors.items()},
        )

    def per_token(self, values: torch.Tensor) -> torch.Tensor:
        """(G,) → (N,)"""
        lengths = torch.tensor(self.lengths, device=values.device)
        return values.repeat_interleave(lengths)

    def per_sample(self, values: torch.Tensor) -> list[float]:
        """(N,) → mean over the policy's tokens of each sample, 0 where it has none."""
        return [float(part.double().mean()) if len(part) else 0.0 for part in values.split(self.lengths)]


@dataclass(slots=True)
class Pass:
    """What one forward and backward reads: whole groups, or some samples of one."""

    groups: list[TokenGroup]
    numbers: list[int]
    """Of its samples, within this process's batch."""
    filler: bool = False
    """It has no gradient, and no part in the figures: it is there for the sake of other processes."""

    @property
    def prompted(self) -> list[Prompted]:
        return [group.prompted for group in self.groups]

    def flat(self, name: str) -> torch.Tensor:
        """(N,) one of the groups' tensors. Raises ValueError where a group has none."""
        values = self.optional(name)
        if values is None:
            raise ValueError(f"a group of the micro-step has no {name}")
        return values

    def optional(self, name: str) -> torch.Tensor | None:
        """(N,) one of the groups' tensors; None where a group has none."""
        parts: list[torch.Tensor | None] = [getattr(group, name) for group in self.groups]
        known = [part for part in parts if part is not None]
        return torch.cat(known) if len(known) == len(parts) else None

    def tokens(self, row: torch.Tensor) -> Tokens:
        """What the objective reads. `row`: (N,) as `packing.pack` gave it."""
        old, ref, sampler = map(self.optional, ("old", "ref", "sampler"))
        return Tokens(row, len(self.numbers), self.flat("advantages"), old, ref, sampler)


@dataclass(slots=True)
class MicroStep:
    """Groups whose gradient is computed in one pass, or in several that memory allows. Nothing in the loss depends on
    how many: what is taken over a micro-step is taken over its passes."""

    groups: list[TokenGroup]
    numbers: list[int]
    """Of its samples, within this process's batch."""
    counted: int
    """The policy's tokens, those of groups that were left out included."""
    passes: list[Pass]

    @property
    def tokens(self) -> int:
        """The policy's tokens that its passes read."""
        return sum(len(group.advantages) for part in self.passes for group in part.groups)

    def set(self, name: str, values: torch.Tensor) -> None:
        """Hand (N,) values to the groups, once every pass has been made; they have no part in those."""
        for group, part in zip(
            self.groups, values.split([len(g.advantages) for g in self.groups]), strict=True
        ):
            setattr(group, name, part.float())


def passes(groups: Sequence[TokenGroup], numbers: Sequence[int], rows: int) -> list[Pass]:
    """Groups in passes of at most so many samples: several groups to a pass, or a group in several parts of about
    equal size."""
    if not groups:
        return []
    size = len(groups[0].prompted.samples)
    if rows >= size:
        per = rows // size
        return [
            Pass([*groups[i : i + per]], [*numbers[i * size : (i + per) * size]])
            for i in range(0, len(groups), per)
        ]
    parts = -(-size // rows)
    ends = [size * n // parts for n in range(parts + 1)]
    return [
        Pass([group.part(first, last)], [*numbers[i * size + first : i * size + last]])
        for i, group in enumerate(groups)
        for first, last in pairwise(ends)
    ]


@dataclass(slots=True)
class StepBatch:
    """What a step trains on, on this process; `num_iterations` steps share it."""

    groups: list[TokenGroup]
    groups_per_micro_step: int
    totals: Totals
    metrics: dict[str, float] = field(default_factory=dict)
    """Of what was drawn, under the names of metrics.jsonl."""

    def micro_steps(self, rows: int) -> list[MicroStep]:
        """Every micro-step, with all of its groups, in passes of at most `rows` samples."""
        size, per = len(self.groups[0].prompted.samples), self.groups_per_micro_step
        return [
            MicroStep(
                groups := self.groups[start : start + per],
                numbers := list(range(start * size, (start + len(groups)) * size)),
                sum(len(group.advantages) for group in groups),
                passes(groups, numbers, rows),
            )
            for start in range(0, len(self.groups), per)
        ]

    def live_micro_steps(self, rows: int, at_least_one: bool = False) -> list[MicroStep]:
        """Those that have a gradient, without the groups that have none (every advantage is zero).

        All processes get as many passes, since a forward of sharded or wrapped weights is one of them all: where one
        has less left of a micro-step than another, it reads a sample of its own, whose advantages are set to zero.

        Args:
            at_least_one: also where no process has anything: DeepSpeed's optimiser steps with the backward pass.
        """
        micro_steps = self.micro_steps(rows)
        for micro in micro_steps:
            size = len(micro.groups[0].prompted.samples)
            keep = [group.live for group in micro.groups]
            numbers = compress(micro.numbers, chain.from_iterable(repeat(k, size) for k in keep))
            micro.passes = passes([*compress(micro.groups, keep)], [*numbers], rows)
            micro.passes = [part for part in micro.passes if any(group.live for group in part.groups)]
        counts = gather_object([[len(micro.passes) for micro in micro_steps]])
        needed = [max(anywhere) for anywhere in zip(*counts, strict=True)]
        needed[0] = max(needed[0], int(at_least_one and not any(needed)))
        for micro, count in zip(micro_steps, needed, strict=True):
            one = micro.groups[0].part(0, 1)
            filler = Pass(
                [replace(one, advantages=torch.zeros_like(one.advantages))], micro.numbers[:1], True
            )
            micro.passes += [filler] * (count - len(micro.passes))
        return [micro for micro in micro_steps if micro.passes]

    def state(self) -> dict[str, Any]:
        """Plain data and tensors, for a checkpoint between two steps on the batch."""
        return asdict(self)

    @classmethod
    def load(cls, state: dict[str, Any], device: torch.device) -> StepBatch:
        """What `state` gave."""
        groups = []
        for group in state["groups"]:
            prompted = group.pop("prompted")
            tensors = {k: None if v is None else v.to(device) for k, v in group.items()}
            samples = [Sample(**sample) for sample in prompted["samples"]]
            groups.append(TokenGroup(Prompted(prompted["prompt"], samples), **cast(Any, tensors)))
        return cls(groups, state["groups_per_micro_step"], Totals(**state["totals"]), state["metrics"])


# ------------------------------------------------------------------ figures of a step


def measure(drawn: Sequence[Group], trained: torch.Tensor, seconds: dict[str, float]) -> dict[str, float]:
    """Figures of what a step drew, over all processes, under the names of metrics.jsonl.

    Rates, lengths and costs are of everything that was drawn, so that choosing what to train on does not move them.

    Args:
        drawn: this process's groups, replaced ones included.
        trained: (groups, G) rewards of the groups that are trained on, of all processes.
        seconds: of this process, by phase.
    """
    completions = gather_object([(e.tokens, e.complete) for group in drawn for e in group.episodes])
    statuses = Counter(gather_object([v.status for group in drawn for v in group.verdicts]))
    terms = gather_object([said for group in drawn for said in _scores_by_term(group)])
    rewards, outcomes = rewards_of(drawn), gather_object([group.outcome for group in drawn])
    phases = gather_object([seconds])
    tokens, longest = sum(length for length, _ in completions), max(s["sampling"] for s in phases)
    return {
        "reward": rewards.nanmean().item(),
        "reward_std": rewards[~rewards.isnan()].std(correction=0).item(),
        **_means_by_term(terms),
        "frac_zero_variance": zero_variance(rewards).float().mean().item(),
        "correct_share": sum(g.passed for g in outcomes) / max(sum(g.judged for g in outcomes), 1),
        "mixed_share": sum(0 < g.passed < g.judged for g in outcomes) / len(outcomes),
        "groups/drawn": len(rewards),
        "groups/replaced": len(rewards) - len(trained),
        "groups/dead": int(zero_variance(trained).sum()),
        "completion_length": tokens / len(completions),
        "truncated_share": sum(not complete for _, complete in completions) / len(completions),
        "samples": len(completions),
        "tokens": tokens,
        "tokens_per_second": tokens / longest,
        **sampled_entropy(drawn),
        "seconds/sampling": longest,
        "seconds/verifying": max(s["verifying"] for s in phases),
        **{f"status/{name}": count / len(completions) for name, count in sorted(statuses.items())},
        **_by_source(drawn),
    }


def _by_source(drawn: Sequence[Group]) -> dict[str, float]:
    """`reward/NAME`, …: the same figures of each source that has a name, where groups of it were drawn."""
    own = [(group.episodes[0].problem.source, _counted(group)) for group in drawn]
    parts: dict[str, list[dict[str, float]]] = {}
    for name, counts in gather_object([one for one in own if one[0]]):
        parts.setdefault(name, []).append(counts)
    found: dict[str, float] = {}
    for name, groups in sorted(parts.items()):
        sums = {key: sum(group[key] for group in groups) for key in groups[0]}
        figures = {
            "reward": sums["reward"] / sums["rewarded"] if sums["rewarded"] else float("nan"),
            "frac_zero_variance": sums["equal"] / len(groups),
            "correct_share": sums["passed"] / max(sums["judged"], 1),
            "mixed_share": sums["mixed"] / len(groups),
            "group_share": len(groups) / sum(map(len, parts.values())),
            "completion_length": sums["tokens"] / sums["samples"],
            "truncated_share": sums["truncated"] / sums["samples"],
        }
        found |= {f"{key}/{name}": value for key, value in figures.items()}
    return found


def _counted(group: Group) -> dict[str, float]:
    """Sums over a group's samples."""
    rewards, outcome = torch.tensor(group.rewards), group.outcome
    return {
        "reward": float(rewards.nansum()),
        "rewarded": int((~rewards.isnan()).sum()),
        "equal": int(zero_variance(rewards[None]).item()),
        "passed": outcome.passed,
        "judged": outcome.judged,
        "mixed": int(0 < outcome.passed < outcome.judged),
        "tokens": sum(episode.tokens for episode in group.episodes),
        "truncated": sum(not episode.complete for episode in group.episodes),
        "samples": len(group.episodes),
    }


def sampled_entropy(drawn: Sequence[Group]) -> dict[str, float]:
    """Mean of −log p over the tokens that were drawn, of all processes: an unbiased estimate of the policy's entropy
    per token (exact entropies are computed in the update, of the groups that it reads). Empty where the engine gave no
    log-probabilities. Where sampling is truncated (top-p, top-k, min-p) it is the entropy of what is left, roughly."""
    own = [episode.logprobs for group in drawn for episode in group.episodes]
    known = all(nats is not None for nats in own)
    sums = gather_object(
        [(-sum(chain.from_iterable(n or () for n in own)), sum(len(n or ()) for n in own), known)]
    )
    tokens = sum(count for _, count, _ in sums)
    if not tokens or not all(known for _, _, known in sums):
        return {}
    return {"entropy/sampled": sum(nats for nats, _, _ in sums) / tokens}


def _scores_by_term(group: Group) -> list[tuple[str, float]]:
    """("reward/NAME", score) of what each term of the reward said, the verdict among them; empty without further
    terms."""
    if not group.terms:
        return []
    said = [("reward/verdict", verdict.score) for verdict in group.verdicts]
    said += [(f"reward/{name}", v.score) for terms in group.terms for name, v in terms.items()]
    return [(name, score) for name, score in said if score is not None]


def _means_by_term(scores: Sequence[tuple[str, float]]) -> dict[str, float]:
    """Each term's mean score, before its weight."""
    by_name: dict[str, list[float]] = {}
    for name, score in scores:
        by_name.setdefault(name, []).append(score)
    return {name: sum(values) / len(values) for name, values in by_name.items()}


COSTS = ("groups/drawn", "groups/replaced", "samples", "tokens", "seconds/sampling", "seconds/verifying")


def used_again(batch: StepBatch) -> StepBatch:
    """The batch of a step that trains on it once more, and draws nothing for it."""
    metrics = {k: v for k, v in batch.metrics.items() if k != "tokens_per_second"}
    return replace(batch, metrics=metrics | dict.fromkeys(COSTS, 0))
