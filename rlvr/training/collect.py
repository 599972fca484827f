"""What a step samples: the problems of the step, their judged episodes, and the rows that record them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from accelerate import Accelerator
from accelerate.utils import gather_object

from rlvr import rollouts
from rlvr.config import Config
from rlvr.evaluation import Evaluator
from rlvr.launch.processes import independently
from rlvr.sampling import Sampler
from rlvr.sampling.driver import Request, roll
from rlvr.training.advantages import zero_variance
from rlvr.training.current_policy import CurrentPolicy, Frozen
from rlvr.training.distill import Distillation
from rlvr.training.rewards import RewardTerms
from rlvr.training.source_mix import SourceMix
from rlvr.training.steering import Steering
from rlvr.training.step_batch import Group, StepBatch, measure, rewards_of, rows_of, wait_for_verdicts
from rlvr.verdict_health import UnjudgedMonitor, outcome
from verifiers import Problem


@dataclass(slots=True)
class Sampled:
    """The groups of a step, on this process."""

    drawn_by: str
    groups: list[Group]
    """By their place in the step."""
    replaced: list[list[Group]] = field(default_factory=list)
    """Those without variance whose place another one took, by round."""
    seconds: dict[str, float] = field(default_factory=lambda: {"sampling": 0.0, "verifying": 0.0})

    @property
    def drawn(self) -> list[Group]:
        """Everything that was drawn."""
        return [*self.groups, *(group for round in self.replaced for group in round)]


@dataclass(slots=True)
class Collector:
    """Samples the groups of a step with the policy as it is, or, where it imitates the base, as it was."""

    config: Config
    problems: Sequence[Problem]
    evaluator: Evaluator
    accelerator: Accelerator
    current: CurrentPolicy
    base: Frozen | None
    """Who draws; None: the policy as it is."""
    curriculum: SourceMix
    terms: RewardTerms
    monitor: UnjudgedMonitor
    steering: Steering | None
    """Evidence that training prompts alone have."""
    distillation: Distillation | None
    """Of `algorithm: distill`."""
    rollouts_to: Path
    """Folder of `train-000001.jsonl`, …: every sample that was trained on."""

    @property
    def places(self) -> range:
        """The groups of a step that this process holds."""
        share = self.config.train.groups_per_step // self.accelerator.num_processes
        first = self.accelerator.process_index * share
        return range(first, first + share)

    def sample(self, step: int, draw: int) -> Sampled:
        """The groups of `step`; `draw` counts the batches of the run from 0. All processes call it."""
        chosen, spares = self.curriculum.draw(draw, self.config.train.groups_per_step)
        sampled = Sampled("base" if self.base else f"step-{step - 1}", [])
        with self.current.sampler(sampled.drawn_by, self.base) as sampler:
            steered = self._steered(step, len(chosen))
            sampled.groups = self._roll(sampler, step, dict(enumerate(chosen)), sampled.seconds, steered)
            self._help(sampler, step, sampled)
            self._refill(sampler, step, sampled, spares)
            sampled.seconds["verifying"] += wait_for_verdicts(sampled.groups, self.config.train)
        return sampled

    def _steered(self, step: int, groups: int) -> Collection[int]:
        """The groups of a step, by place, that are drawn from the start with evidence of their own."""
        if self.distillation:
            return range(groups if self.distillation.forward else 0)
        return self.steering.at_first(step, range(groups)) if self.steering else ()

    def _roll(
        self,
        sampler: Sampler,
        step: int,
        chosen: dict[int, int],
        seconds: dict[str, float],
        steered: Collection[int] = (),
        again: bool = False,
    ) -> list[Group]:
        """Roll out this process's groups.

        Args:
            chosen: place in the step → index of its problem.
            steered: the places whose prompts have the evidence of `train.evidence`, or of a teacher.
            again: these problems have been drawn in this step.
        """
        helped = self.distillation or self.steering
        aided = helped.evidence if helped else None
        size, indices, began = self.config.train.group_size, list(chosen.values()), time.perf_counter()
        earlier = {place: indices[:n].count(index) for n, (place, index) in enumerate(chosen.items())}
        own = [(place, index) for place, index in chosen.items() if place in self.places]
        requests = [  # a problem may come twice in a step: then its samples are numbered on
            Request(
                self.problems[index],
                sample + size * (earlier[place] + again * self.config.train.groups_per_step),
                f"train-{step}-{place}" + "-again" * again,
                aided if place in steered else None,
            )
            for place, index in own
            for sample in range(size)
        ]
        with independently():
            evaluator = self.evaluator
            rolled = roll(
                sampler,
                requests,
                evaluator.evidence,
                evaluator.pool.submit,
                self.config.seed,
                evaluator.environment,
            )
        seconds["sampling"] += time.perf_counter() - began
        parts = [rolled[n * size : (n + 1) * size] for n in range(len(own))]
        return [
            Group(
                place,
                index,
                [episode for episode, _ in part],
                [verdict for _, verdict in part],
                pending_terms=[self.terms.submit(episode) for episode, _ in part],
                steered=place in steered,
            )
            for (place, index), part in zip(own, parts, strict=True)
        ]

    def _help(self, sampler: Sampler, step: int, sampled: Sampled) -> None:
        """Draw the groups without a solved sample once more, with the evidence of `train.evidence`, in their places."""
        if self.steering is None or self.steering.config.only != "unsolved":
            return
        sampled.seconds["verifying"] += wait_for_verdicts(sampled.groups, self.config.train)
        unsolved = gather_object([(g.place, g.index) for g in sampled.groups if not g.outcome.passed])
        steered = self.steering.chosen(step, [place for place, _ in unsolved])
        chosen = {place: index for place, index in unsolved if place in steered}
        if chosen:
            self._replace(sampled, self._roll(sampler, step, chosen, sampled.seconds, steered, again=True))

    def _replace(self, sampled: Sampled, fresh: list[Group]) -> None:
        """Put groups in the places of those that were drawn before them."""
        first = self.places.start
        sampled.replaced.append([sampled.groups[group.place - first] for group in fresh])
        for group in fresh:
            sampled.groups[group.place - first] = group

    def _refill(self, sampler: Sampler, step: int, sampled: Sampled, spares: Sequence[Iterator[int]]) -> None:
        """Put groups of fresh problems of the same source in the place of those without variance, for up to
        `curriculum.refill` rounds (DAPO's dynamic sampling, arXiv 2503.14476, §3.2, bounded). Which places, and by
        which problems, follows from the rewards of all processes.

        Args:
            spares: by place, the problems that may take it.
        """
        for _ in range(self.config.train.curriculum.refill):
            sampled.seconds["verifying"] += wait_for_verdicts(sampled.groups, self.config.train)
            dead = zero_variance(rewards_of(sampled.groups)).nonzero().flatten().tolist()
            fresh_ones = ((place, next(spares[place], None)) for place in dead)
            chosen = {place: index for place, index in fresh_ones if index is not None}
            if not chosen:
                return
            self._replace(sampled, self._roll(sampler, step, chosen, sampled.seconds))

    def record(self, step: int, sampled: Sampled, batch: StepBatch) -> None:
        """Write every sample of the step, one file per step, whole: first what is trained on, in the batch's order;
        then what was drawn and replaced, with its round. The curriculum and the batch's metrics learn of them."""
        evaluator = self.evaluator
        rows = rows_of(sampled.groups, sampled.drawn_by, evaluator.verifier_of)
        weights = [weight for group in batch.groups for weight in group.per_sample(group.advantages)]
        for row, weight in zip(rows, weights, strict=True):
            row.extra["advantage"] = weight
        rows = gather_object(rows)
        for number, part in enumerate(sampled.replaced, start=1):
            rows += gather_object(
                rows_of(part, sampled.drawn_by, evaluator.verifier_of, advantage=0.0, replaced=number)
            )
        self.monitor.see(map(outcome, rows), f"step {step}")
        if self.accelerator.is_main_process:
            file = self.rollouts_to / f"train-{step:06d}.jsonl"
            rollouts.rewrite(file, rows, wait=False)  # a checkpoint waits
        unaided = [group.outcome for group in sampled.drawn if self.distillation or not group.steered]
        self.curriculum.observe(step, gather_object(unaided))
        figures = measure(sampled.drawn, rewards_of(sampled.groups), sampled.seconds)
        if self.steering:
            steered = gather_object([group.steered for group in sampled.groups])
            figures |= {"steered_share": sum(steered) / len(steered)}
        if self.distillation and self.distillation.forward:
            figures |= {"teacher/correct_share": figures["correct_share"]}
        batch.metrics = figures | self.curriculum.metrics()
