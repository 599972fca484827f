"""What a run will take, by phase: tokens, time and memory, from a trial on this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from rlvr.config import Config
from rlvr.evaluation import Evaluator
from rlvr.launch.processes import processes
from rlvr.policy import device, memory_of
from rlvr.preflight.trial import Trial, trial
from rlvr.problems import Problems
from rlvr.sampling import takes_vllm
from rlvr.text import size

SECONDS, SECONDS_OF_A_RUN = 4.0, 0.4
"""What a trial may take in `rlvr check`, and at first in a run."""
SHARE = 0.01
"""Of a run's own time, for a longer trial."""
MODEL_ERROR = 1.5
"""Factor by which a rate that was measured over seconds may be off later: other load, caches, batches."""
FORWARD = 1 / 3
"""Of a forward and backward pass."""


@dataclass(frozen=True, slots=True)
class Length:
    """Tokens of a completion: expected, its range, and the most there can be."""

    low: float
    expected: float
    high: float
    most: float

    @classmethod
    def of(cls, found: Trial, most: int) -> Length:
        """From a trial whose rows were cut: each token is as likely to be the last as any other, so the mean without a
        limit is tokens over ends, with a relative error of 1/√ends."""

        def limited(mean: float) -> float:
            return mean * -math.expm1(-most / mean)

        if found.cut >= most:
            mean = found.tokens / found.rows
            return cls(0.8 * mean, mean, min(most, 1.25 * mean), most)
        if not found.ended:
            return cls(min(most, found.cut), most, most, most)
        mean, off = found.tokens / found.ended, 2 / math.sqrt(found.ended)
        return cls(limited(mean / (1 + off)), limited(mean), limited(mean * (1 + off)), most)


@dataclass(frozen=True, slots=True)
class Phase:
    """Of a run; `at` gives (tokens that are written, seconds) where completions have this many tokens."""

    name: str
    rows: int
    tokens: tuple[float, float]
    """Expected, and at most."""
    seconds: tuple[float, float, float, float]
    """Low, expected, high, and at most."""


def phases(config: Config, problems: Problems, found: Trial) -> list[Phase]:
    """The phases of a run on one process."""
    train, samples = config.train, config.sampling.samples
    length = Length.of(found, config.sampling.max_new_tokens)
    evaluated = [problems.heldout, *problems.probes.values()]
    prompts = sum(map(len, evaluated))
    midway = (train.steps - 1) // train.eval_every if train.eval_every and train.steps else 0
    draws = -(-train.steps // int(train.trl.get("num_iterations", 1)))
    groups = draws * train.groups_per_step
    way = midway * len(problems.heldout) * train.eval_samples

    def sampled(problems: int, rows: int, batch: int, tokens: float) -> float:
        steps = rows / min(batch, rows) * tokens if rows else 0.0
        return max(
            problems * found.prompt * found.read + steps * found.step + rows * tokens * found.row,
            rows * found.verdict,
        )

    def evaluation(tokens: float) -> float:
        return sampled(prompts, prompts * samples, found.batch, tokens)

    def training(tokens: float) -> float:
        at_once = min(found.batch, train.groups_per_step * train.group_size)
        drawing = sampled(groups, groups * train.group_size, at_once, tokens)
        read = train.steps * train.groups_per_step * (found.prompt + train.group_size * tokens)
        reference = FORWARD if train.trl.get("beta") else 0.0
        on_the_way = midway * sampled(len(problems.heldout), way // max(midway, 1), found.batch, tokens)
        return drawing + read * found.update * (1 + reference) + on_the_way

    def rescoring(tokens: float) -> float:
        rows = 2 * len(problems.heldout) * samples + way
        return rows * (tokens + found.prompt / samples) * (found.update * FORWARD or found.read)

    listed = [("base", prompts * samples, evaluation)]
    if train.steps:
        listed += [
            ("train", groups * train.group_size + way, training),
            ("tuned", prompts * samples, evaluation),
        ]
        if config.sampling.top_p == 1 and not config.sampling.top_k and not config.sampling.min_p:
            listed += [("rescore", 0, rescoring)]
    return [
        Phase(
            name,
            rows,
            (rows * length.expected, rows * length.most),
            (
                of(length.low) / MODEL_ERROR,
                of(length.expected),
                of(length.high) * MODEL_ERROR,
                of(length.most) * MODEL_ERROR,
            ),
        )
        for name, rows, of in listed
    ]


def estimate(config: Config, problems: Problems, evaluator: Evaluator, brief: bool = False) -> Iterator[str]:
    """A table for people, from a trial.

    Args:
        brief: in a run: the trial is a short one, unless the run takes so long that a better one is 1 % of it.
    """
    if processes().num_processes > 1:
        yield "estimate: none in a launch of several processes; `rlvr check` on one of them gives it for one"
        return
    if takes_vllm(config.sampling, device().type):
        yield "estimate: none, since vLLM samples: its rate is known once it has started"
        return
    found = trial(config, problems.heldout, evaluator, SECONDS_OF_A_RUN if brief else SECONDS)
    if brief and SHARE * sum(p.seconds[1] for p in phases(config, problems, found)) > SECONDS:
        found = trial(config, problems.heldout, evaluator, SECONDS)
    yield from table(config, problems, found)


def table(config: Config, problems: Problems, found: Trial) -> Iterator[str]:
    """The lines of `estimate`."""
    most = config.sampling.max_new_tokens
    listed = phases(config, problems, found)
    ends = f"{found.ended} ended" + (f" within {found.cut} tokens" if found.cut < most else "")
    passed = f", a forward and backward pass over {found.update_tokens} tokens" if found.update_tokens else ""
    yield f"estimate, from a trial of {found.seconds:.1f} s here ({found.rows} samples, {ends}{passed}):"
    head = f"{'phase':<10}{'samples':>10}{'tokens':>10}{'at most':>10}"
    yield f"  {head}   time (at most, if every sample has {most} tokens)"
    whole = Phase(
        "together",
        sum(p.rows for p in listed),
        (sum(p.tokens[0] for p in listed), sum(p.tokens[1] for p in listed)),
        tuple(sum(p.seconds[i] for p in listed) for i in range(4)),  # type: ignore[arg-type]
    )
    for phase in (*listed, whole):
        low, expected, high, limit = map(duration, phase.seconds)
        counts = f"{phase.rows:>10,}{count(phase.tokens[0]):>10}{count(phase.tokens[1]):>10}"
        yield f"  {phase.name:<10}{counts}   about {expected}, {low} to {high} ({limit})"
    if found.activations:
        from rlvr.training.arguments import groups_per_micro_step, groups_per_process

        train = config.train
        groups = groups_per_process(train.groups_per_step, 1)
        at_once = groups_per_micro_step(train, groups, int(found.prompt) + most)
        tokens = at_once * (found.prompt + train.group_size * most)
        needed = tokens * found.activations
        free = memory_of(device())[1]
        seen = size(found.activations * found.update_tokens)
        what = f"{at_once} group{'s' if at_once > 1 else ''} of {train.group_size} with {most} tokens each"
        yield (
            f"memory of a backward pass beyond the weights: {seen} in the trial, at most {size(needed)} ({what}); "
            f"{size(free)} are free"
        )
        if free and needed > free:
            yield (
                "  that is more than is free: should completions grow so long, take a smaller "
                "sampling.max_new_tokens or train.group_size, train.groups_per_micro_step=1, or "
                "train.trl.activation_checkpointing=true"
            )


def count(number: float) -> str:
    """Tokens for people."""
    return f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number:,.0f}"


def duration(seconds: float) -> str:
    """
    >>> duration(0.4), duration(95), duration(7300)
    ('1 s', '1.6 min', '2.0 h')
    """
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
