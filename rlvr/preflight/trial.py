"""A few seconds of real work on this machine: rows sampled and judged, a forward and backward pass taken."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rlvr.config import Config
from rlvr.evaluation import Evaluator
from rlvr.policy import Policy, device, load_policy
from rlvr.preflight.state import some_of
from rlvr.problems import Problems
from rlvr.sampling.driver import encode
from rlvr.sampling.engine import TransformersSampler, batch_size
from rlvr.sampling.types import Completion, SampleRequest
from verifiers import Problem

PROBLEMS, FIRST_ROWS, FIRST_TOKENS, MOST_ROWS = 8, 8, 8, 512
"""The first call of the sampler has few rows and tokens; each after it four times the rows, as far as there is time."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What was measured, in seconds and tokens."""

    seconds: float
    rows: int
    ended: int
    """Rows that ended before the limit of the trial."""
    cut: int
    """That limit, in tokens."""
    tokens: float
    batch: int
    """Rows that an evaluation decodes at once."""
    prompt: float
    """Tokens of a prompt."""
    read: float
    """Per token of a prompt."""
    step: float
    """Per decoding step, whatever the number of rows."""
    row: float
    """Per row and decoding step, on top of that."""
    verdict: float
    """Per response, with all workers."""
    update: float = 0.0
    """Per token of a forward and backward pass; 0 without training."""
    update_tokens: int = 0
    activations: float = 0.0
    """Bytes per token of that pass, beyond the weights; 0 where it could not be seen."""
    exchange: float = 0.0
    """Per training step, between processes, and of the optimiser."""
    teacher: float = 0.0
    """Tokens that a prompt of the teacher of `train.distill` has more."""


def trial(config: Config, sets: Problems, evaluator: Evaluator, seconds: float) -> Trial:
    """Measure for about `seconds`, the loading of the model not counted."""
    policy = load_policy(config, "trial", for_training=config.train.steps > 0)
    began = time.perf_counter()
    problems = sets.heldout
    some = some_of(problems, PROBLEMS)
    prompts = encode(policy, evaluator.evidence, some)
    batch = batch_size(policy, prompts, config.sampling)
    sample(policy, config, prompts, len(prompts), 1)  # what is done once is not measured
    read = best(2, lambda: sample(policy, config, prompts, len(prompts), 1))[0] / sum(map(len, prompts))
    reading = read * sum(map(len, prompts))
    short, wanted = min(FIRST_TOKENS, config.sampling.max_new_tokens), len(problems) * config.sampling.samples

    def measured(rows: int, tokens: int, times: int) -> tuple[int, int, float, list[Completion]]:
        took, drawn = best(times, lambda: sample(policy, config, prompts, rows, tokens))
        lengths = [len(c.token_ids) for c in drawn]
        return max(lengths), sum(lengths), max(1e-6, took - reading), drawn

    first = last = measured(FIRST_ROWS, short, 3)
    rows = FIRST_ROWS
    while 4 * rows <= min(batch, wanted, MOST_ROWS) and 4 * last[2] < seconds / 8:
        rows *= 4
        last = measured(rows, short, 2)
    cut = max(short, min(config.sampling.max_new_tokens, int(seconds / 2 / (last[2] / last[0]))))
    last = measured(max(rows, FIRST_ROWS + 1), cut, 1)
    step, row = line_through(first[:3], last[:3])
    drawn = last[3]
    judged = time.perf_counter()
    evaluator.pool.score([(some[i % len(some)], c.text) for i, c in enumerate(drawn)])
    verdict = (time.perf_counter() - judged) / len(drawn)
    length = sum(len(c.token_ids) for c in drawn) / len(drawn)
    update, update_tokens, activations = 0.0, 0, 0.0
    if config.train.steps:
        left = max(seconds / 4, seconds - (time.perf_counter() - began))
        size = int(min(config.train.group_size * length, left / (8 * read)))
        update, update_tokens, activations = backward(policy, config, prompts[0], drawn, size)
    return Trial(
        seconds=time.perf_counter() - began,
        rows=len(drawn),
        ended=sum(c.complete for c in drawn),
        cut=cut,
        tokens=sum(len(c.token_ids) for c in drawn),
        batch=batch,
        prompt=sum(map(len, prompts)) / len(prompts),
        read=read,
        step=step,
        row=row,
        verdict=verdict,
        update=update,
        update_tokens=update_tokens,
        activations=activations,
        teacher=teacher_reads(policy, sets.train, evaluator) if config.train.distill else 0.0,
    )


def teacher_reads(policy: Policy, train: Sequence[Problem], evaluator: Evaluator) -> float:
    """Tokens that the teacher's prompts have more than the policy's, on some training problems."""
    some = train[:PROBLEMS]
    lengths = [sum(map(len, encode(policy, one, some))) for one in evaluator.evidences]
    return (lengths[-1] - lengths[0]) / len(some)


def sample(
    policy: Policy, config: Config, prompts: Sequence[Sequence[int]], rows: int, tokens: int
) -> tuple[float, list[Completion]]:
    """Seconds for `rows` completions of at most `tokens`, and the completions; neighbours have the same prompt."""
    settings = config.sampling.model_copy(update={"max_new_tokens": tokens, "batch_size": max(16, rows)})
    asked = sorted((SampleRequest(i % len(prompts), i) for i in range(rows)), key=lambda r: r.prompt)
    began = time.perf_counter()
    drawn = TransformersSampler(policy, settings).generate(prompts, asked)
    return time.perf_counter() - began, drawn


def best(times: int, of: Callable[[], tuple[float, list[Completion]]]) -> tuple[float, list[Completion]]:
    """The fastest of several calls: what a busy machine adds to one is no property of the model."""
    return min((of() for _ in range(times)), key=lambda found: found[0])


def line_through(first: tuple[int, int, float], second: tuple[int, int, float]) -> tuple[float, float]:
    """(a, b) ≥ 0 of seconds = a · steps + b · tokens through two measurements (steps, tokens, seconds); the second, the
    larger one, is met in any case.

    >>> line_through((8, 64, 8 * 0.5 + 64 * 0.1), (10, 640, 10 * 0.5 + 640 * 0.1))
    (0.5, 0.1)
    """
    (s1, n1, t1), (s2, n2, t2) = first, second
    determinant = s1 * n2 - s2 * n1
    a = (t1 * n2 - t2 * n1) / determinant if determinant else 0.0
    a = min(max(a, 0.0), t2 / s2)
    return round(a, 9), round((t2 - a * s2) / n2, 9)


def backward(
    policy: Policy, config: Config, prompt: Sequence[int], drawn: Sequence[Completion], size: int
) -> tuple[float, int, float]:
    """Seconds per token of a forward and backward pass over about `size` tokens as the training takes it, how many
    tokens it had, and bytes of activations per token."""
    from rlvr.training import rehearsal

    samples: list[list[int]] = []
    while sum(map(len, samples)) < size and len(samples) < config.train.group_size:
        ids = drawn[len(samples) % len(drawn)].token_ids
        samples.append(list(ids[: max(1, size - sum(map(len, samples)))]))
    run = rehearsal.update(config, policy, list(prompt), samples or [list(drawn[0].token_ids[:1])])
    run()  # what is done once is not measured
    with peak() as seen:
        began = time.perf_counter()
        run()
        took = time.perf_counter() - began
    tokens = len(prompt) + sum(map(len, samples))
    return took / tokens, tokens, max(0, seen[1] - seen[0]) / tokens


@contextmanager
def peak() -> Iterator[list[int]]:
    """Bytes in use before the block and at its peak, as [before, peak] once it has ended; [0, 0] where neither device
    nor kernel says."""
    seen, place = [0, 0], device()
    status = Path("/proc/self/status")
    if place.type == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats(place)
        seen[0] = torch.cuda.memory_allocated(place)
        yield seen
        torch.cuda.synchronize(place)
        seen[1] = torch.cuda.max_memory_allocated(place)
        return
    try:
        Path("/proc/self/clear_refs").write_text("5")  # forget the greatest size so far
        seen[0] = resident(status, "VmRSS")
    except OSError:
        yield seen
        return
    yield seen
    seen[1] = resident(status, "VmHWM")


def resident(status: Path, name: str) -> int:
    found = dict(line.split(":", 1) for line in status.read_text().splitlines())
    return int(found[name].split()[0]) * 1024
