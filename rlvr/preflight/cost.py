"""What a run will take, by phase: tokens, time and memory, from a trial on this machine."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

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


def longest(mean: float, most: float, rows: float) -> float:
    """Tokens of the longest of so many completions, in expectation, where each token is as likely to be the last as any
    other until `most` cuts: with μ their mean without a limit and F = 1 − exp(−most/μ), μ Σ F^i / i.

    >>> longest(10.0, 1000, 1), round(longest(10.0, 1000, 100)), longest(600, 600, 8)
    (10.0, 52, 600)
    """
    low, high = mean, 1e3 * most
    for _ in range(60):  # the μ of which the limit leaves `mean`
        middle = (low + high) / 2
        low, high = (middle, high) if middle * -math.expm1(-most / middle) < mean else (low, middle)
    cut = -math.expm1(-most / low)
    return min(most, max(mean, low * sum(cut**i / i for i in range(1, max(1, round(rows)) + 1))))


def phases(config: Config, problems: Problems, found: Trial, devices: int = 1) -> list[Phase]:
    """The phases of a run, each of whose processes has one of the devices and an equal share."""
    train, samples = config.train, config.sampling.samples
    length = Length.of(found, config.sampling.max_new_tokens)
    evaluated = [problems.heldout, *problems.probes.values()]
    prompts = sum(map(len, evaluated))
    midway = (train.steps - 1) // train.eval_every if train.eval_every and train.steps else 0
    draws = -(-train.steps // int(train.trl.get("num_iterations", 1)))
    groups = draws * train.groups_per_step
    way = midway * len(problems.heldout) * train.eval_samples

    def sampled(problems: int, rows: int, times: int, tokens: float, more: float = 0.0) -> float:
        """`rows` in so many calls, of which each ends with its longest row."""
        own = rows / max(1, times) / devices  # of one call and process
        steps = (
            max(own / min(found.batch, max(1.0, own)) * tokens, longest(tokens, most, own)) if rows else 0.0
        )
        return max(
            problems / devices * (found.prompt + more) * found.read
            + times * steps * found.step
            + times * own * tokens * found.row,
            rows / devices * found.verdict,
        )

    def evaluation(tokens: float) -> float:
        return sampled(prompts, prompts * samples, 1, tokens)

    def drawing(tokens: float) -> float:
        teacher = found.teacher if train.imitates else 0.0
        on_the_way = sampled(midway * len(problems.heldout), way, midway, tokens)
        return sampled(groups, groups * train.group_size, draws, tokens, teacher) + on_the_way

    def updating(tokens: float) -> float:
        read = train.steps * train.groups_per_step * (found.prompt + train.group_size * tokens)
        reference = FORWARD if train.trl.get("beta") else 0.0
        compared = 0.0  # tokens that policy and teacher read, to be compared
        if train.distill and not train.imitates:
            compared = groups * (2 * (found.prompt + train.group_size * tokens) + found.teacher)
        passes = (read * (1 + reference) + compared * FORWARD) * found.update
        return passes / devices + train.steps * found.exchange

    def rescoring(tokens: float) -> float:
        rows = 2 * len(problems.heldout) * samples + way
        return rows / devices * (tokens + found.prompt / samples) * (found.update * FORWARD or found.read)

    most = config.sampling.max_new_tokens
    listed = [("base", prompts * samples, evaluation)]
    if train.steps:
        listed += [
            ("sampling", groups * train.group_size + way, drawing),
            ("update", 0, updating),
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
    if why := unknown(config):
        yield f"estimate: none{why}"
        return
    found = trial(config, problems, evaluator, SECONDS_OF_A_RUN if brief else SECONDS)
    if brief and SHARE * sum(p.seconds[1] for p in phases(config, problems, found)) > SECONDS:
        found = trial(config, problems, evaluator, SECONDS)
    yield from table(config, problems, found)


def estimate_each(asked: Mapping[str, Evaluator], problems: Problems) -> Iterator[str]:
    """A table for people of evaluations of several models, by name, one after the other."""
    if not asked:
        return
    config = next(iter(asked.values())).config
    if why := unknown(config):
        yield f"estimate: none{why}"
        return
    trials = {
        name: trial(evaluator.config, problems, evaluator, SECONDS_OF_A_RUN)
        for name, evaluator in asked.items()
    }
    seconds, rows = (
        sum(found.seconds for found in trials.values()),
        sum(found.rows for found in trials.values()),
    )
    yield f"estimate, from trials of {seconds:.1f} s here ({rows} samples):"
    listed = [
        replace(phase, name=name)
        for name, found in trials.items()
        for phase in phases(asked[name].config, problems, found)
    ]
    yield from rows_of(listed, config.sampling.max_new_tokens)


def unknown(config: Config) -> str | None:
    """Why no estimate can be made, as the end of a sentence."""
    if processes().num_processes > 1:
        return " in a launch of several processes; `rlvr check` on one of them gives it for one"
    if config.sampling.engine == "http":
        return ", since servers sample: their rate is known once they are asked"
    if takes_vllm(config.sampling, device().type):
        return ", since vLLM samples: its rate is known once it has started"
    return None


def table(config: Config, problems: Problems, found: Trial) -> Iterator[str]:
    """The lines of `estimate`."""
    most = config.sampling.max_new_tokens
    listed = phases(config, problems, found)
    ends = f"{found.ended} ended" + (f" within {found.cut} tokens" if found.cut < most else "")
    passed = f", a forward and backward pass over {found.update_tokens} tokens" if found.update_tokens else ""
    yield f"estimate, from a trial of {found.seconds:.1f} s here ({found.rows} samples, {ends}{passed}):"
    yield from rows_of(listed, most)
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


def rows_of(listed: Sequence[Phase], most: int) -> Iterator[str]:
    """Head, phases and their sum; `most`: tokens of a completion."""
    whole = Phase(
        "together",
        sum(p.rows for p in listed),
        (sum(p.tokens[0] for p in listed), sum(p.tokens[1] for p in listed)),
        tuple(sum(p.seconds[i] for p in listed) for i in range(4)),  # type: ignore[arg-type]
    )
    width = max(10, *(len(phase.name) + 2 for phase in listed))
    head = f"{'phase':<{width}}{'samples':>10}{'tokens':>10}{'at most':>10}"
    yield f"  {head}   time (at most, if every sample has {most} tokens)"
    for phase in (*listed, whole) if len(listed) > 1 else listed:
        low, expected, high, limit = map(duration, phase.seconds)
        counts = f"{phase.rows:>10,}{count(phase.tokens[0]):>10}{count(phase.tokens[1]):>10}"
        yield f"  {phase.name:<{width}}{counts}   about {expected}, {low} to {high} ({limit})"


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
