"""Evaluate a policy: n samples of each problem, judged, one row each, in a file that a killed run continues."""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr import rollouts
from rlvr.config import Config
from rlvr.environments.worker import EnvironmentPool
from rlvr.errors import RunError, UserError
from rlvr.evidence import Evidence, render
from rlvr.launch.processes import independently, is_main, place, processes, seen_by_all
from rlvr.policy import Policy, PolicyError
from rlvr.problems.on_disk import stored
from rlvr.rollouts.shares import folder_of, forget, share
from rlvr.run import differing, versions
from rlvr.sampling import Sampler
from rlvr.sampling.driver import Request, Rolled, encode, roll
from rlvr.sampling.types import Score
from rlvr.source_verifiers import SourceVerifier
from rlvr.terminal import Terminal
from rlvr.verdict_health import PROBLEMS, UnjudgedMonitor, outcome, verdict_of
from verifiers import Problem
from verifiers.pool import VerifierPool, VerifierPools

if TYPE_CHECKING:
    from rlvr.analysis.samples import Samples

Progress = Callable[[int], None]

LATER_SETTINGS = {"end_tokens"}
"""Settings that files of before they were written down lack, and can be continued without."""
SCORED_AT_ONCE = 512
"""Rows that one process takes to score together."""
ENCODED_AT_ONCE = 1000
"""Prompts whose token ids are in memory together where only their number is asked for."""


@dataclass(frozen=True)
class Evaluator:
    """Asks policies the same questions in the same way: evidence, sampling settings and verifier are fixed."""

    config: Config
    evidence: Evidence
    pool: VerifierPool | VerifierPools
    terminal: Terminal
    verifiers: Mapping[str, SourceVerifier] = field(default_factory=dict)
    """By source; the config's own for a source that is not there."""
    environment: EnvironmentPool | None = None
    """Who answers the policy within an episode."""
    training_evidence: Evidence | None = None
    """That of `train.evidence`, which training prompts may have besides, or of the teacher of `train.distill`."""

    @property
    def evidences(self) -> list[Evidence]:
        """Every evidence that a training prompt may have."""
        return [self.evidence, *([self.training_evidence] if self.training_evidence else [])]

    def verifier_of(self, problem: Problem) -> SourceVerifier:
        """Who judges it."""
        config = self.config
        return self.verifiers.get(problem.source) or SourceVerifier(
            config.verifier, config.marks_option | config.verifier_options
        )

    def evaluate(
        self,
        sampler: Sampler,
        problems: Sequence[Problem],
        into: Path,
        samples: int | None = None,
        label: str = "",
    ) -> Path:
        """Draw and judge `samples` completions of each problem; rows that `into` already holds are kept.

        Returns:
            `into`, complete: one row per (problem, sample), in that order, settings beside it.

        Raises:
            UserError: `into` was drawn under other settings, or a prompt does not fit the model's context.
        """
        policy, samples = sampler.policy, samples or self.config.sampling.samples
        prompts = prompt_ids(policy, self.evidence, problems, self.config.sampling.max_new_tokens)
        self._begin(policy, problems, into, samples, sum(map(len, prompts)) / len(prompts))
        total = len(problems) * samples
        if seen_by_all(lambda: rollouts.count(into) == total):
            return into
        size = min(sampler.block_size(prompts), -(-total // place()[1]))
        with (
            self.terminal.progress(
                label or f"sampling {policy.name}", total=total, start=rollouts.count(into)
            ) as advance,
            independently(),
        ):
            try:
                self._draw(sampler, problems, samples, size, into, advance)
            except RunError:
                forget_unjudged(into)
                raise
        if processes().num_processes > 1 and rollouts.count(into) != total:
            raise RunError(f"{into} is not whole: another process of the launch says why")
        return into

    def complete(self, problems: Sequence[Problem], file: Path, samples: int | None = None) -> bool:
        """`file` has as many whole lines as there are samples to draw."""
        return rollouts.count(file) == len(problems) * (samples or self.config.sampling.samples)

    def rescore(
        self, policy: Policy, problems: Sequence[Problem], file: Path, score: Score | None = None
    ) -> None:
        """Add the log-probability under `policy` to every row of a finished evaluation. Every process scores blocks
        of rows, each as one process alone would.

        Args:
            score: servers that say it; None: transformers does, by the weights in memory.
        """
        from rlvr.sampling.score import Written, logprobs

        prompts = prompt_ids(policy, self.evidence, problems, self.config.sampling.max_new_tokens)
        number = {problem.id: i for i, problem in enumerate(problems)}
        total, nats = rollouts.count(file), array("d")
        say = score or partial(logprobs, policy)

        def begin(rows: range) -> list[float]:
            drawn = [Written.of(row, number[row.problem_id]) for row in rollouts.read(file, rows)]
            found = say(prompts, drawn, self.config.sampling.temperature)
            advance(len(found))
            return found

        def merge(part: Path, own: bool) -> None:
            found = [*map(float, part.read_text().split())]
            advance(0 if own else len(found))
            nats.extend(found)
            if len(nats) == total:
                rows = zip(rollouts.read(file), nats, strict=True)
                rollouts.rewrite(file, (replace(r, logprobs=r.logprobs | {policy.name: v}) for r, v in rows))

        with (
            self.terminal.progress(f"{file.stem} rows under {policy.name}", total=total) as advance,
            independently(),
        ):
            share(
                folder_of(file, f"under-{policy.name}"),
                total,
                SCORED_AT_ONCE,
                begin,
                lambda found: [f"{v!r}\n".encode() for v in found],
                merge,
                lambda _: total if rescored(file, policy.name) else 0,
            )

    def _draw(
        self,
        sampler: Sampler,
        problems: Sequence[Problem],
        samples: int,
        size: int,
        into: Path,
        advance: Progress,
    ) -> None:
        """Roll out this process's blocks; one's rows are judged and written while the next one is sampled.

        A block is sampled to its end before the next begins, so whoever draws it, a run that continues too, draws it in
        the same batches.
        """
        totals = {name: n * samples for name, n in Counter(problem.source for problem in problems).items()}
        monitor = UnjudgedMonitor(self.config.verification.max_unjudged, PROBLEMS * samples, totals=totals)

        def there(size: int) -> int:
            if is_main():
                cut_to_blocks(into, size)
                monitor.add(map(outcome, rollouts.read(into)) if into.exists() else ())
            return rollouts.count(into)

        def begin(rows: range) -> list[Rolled]:
            requests = [Request(problems[row // samples], row % samples, into.stem) for row in rows]
            return roll(
                sampler,
                requests,
                self.evidence,
                self.pool.submit,
                self.config.seed,
                self.environment,
                on_done=lambda: advance(1),
            )

        def finish(rolled: Sequence[Rolled]) -> list[bytes]:
            rows = (
                e.row(sampler.policy.name, self.verifier_of(e.problem).name, verdict_of(verdict))
                for e, verdict in rolled
            )
            return [f"{row.to_json_line()}\n".encode() for row in rows]

        def merge(part: Path, own: bool) -> None:
            rows = list(rollouts.read(part))
            monitor.see(map(outcome, rows), into.stem)
            rollouts.append(into, rows)
            os.truncate(part, 0)  # it stays, so that nobody makes it again
            advance(0 if own else len(rows))

        joint = processes().num_processes > 1 and self.config.sampling.vllm.tensor_parallel_size > 1
        total = len(problems) * samples
        share(folder_of(into), total, size, begin, finish, merge, there, in_step=joint)

    def _begin(
        self, policy: Policy, problems: Sequence[Problem], into: Path, samples: int, prompt_tokens: float
    ) -> None:
        """Write the settings, or check that those beside `into` are the same."""
        settings = self.settings_for(policy, problems, into, samples)
        if not rollouts.read_settings(into):
            if is_main():
                forget(into, policy.name)
            rollouts.write_settings(into, settings | {"prompt_tokens": prompt_tokens})

    def settings_for(
        self, policy: Policy, problems: Sequence[Problem], into: Path, samples: int | None = None
    ) -> dict[str, Any]:
        """What is written beside `into`. Raises UserError where it says something else already."""
        settings = self.settings(policy, problems, samples or self.config.sampling.samples)
        there = rollouts.read_settings(into)
        informative = {"versions", "first_prompt", "prompt_tokens", *(LATER_SETTINGS - there.keys())}
        compared = [{k: v for k, v in of.items() if k not in informative} for of in (there, settings)]
        if there and (found := differing(*compared)):
            shown = "; ".join(f"{key}: {a} there, {b} asked for" for key, a, b in found)
            raise UserError(
                f"{into}: was drawn under other settings ({shown}). Give this evaluation another file."
            )
        return settings

    def settings(self, policy: Policy, problems: Sequence[Problem], samples: int) -> dict[str, Any]:
        """What holds for a whole file of rollouts."""
        config, sampling = self.config, self.config.sampling
        return {
            "policy": policy.name,
            "model": policy.source,
            "adapter": str(policy.adapter) if policy.adapter else None,
            "revision": config.revision,
            # a server does not say which type it computes in
            "dtype": None if sampling.engine == "http" else str(policy.model.dtype).removeprefix("torch."),
            "n_problems": len(problems),
            "samples": samples,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k,
            "min_p": sampling.min_p,
            "max_new_tokens": sampling.max_new_tokens,
            "stop": list(sampling.stop),
            "end_tokens": policy.tokenizer.convert_ids_to_tokens(policy.stops_at(sampling)),
            **self.judged_by(problems),
            "evidence": self.evidence.describe(),
            **({"environment": self.environment.describe()} if self.environment else {}),
            "first_prompt": render(self.evidence, problems[0], policy.tokenizer),
            "seed": config.seed,
            "versions": versions(),
        }

    def judged_by(self, problems: Sequence[Problem]) -> dict[str, Any]:
        """Verifier, options and pass mark: of the file where all of it has the same, and of each source that has a
        name."""
        by_source = {problem.source: self.verifier_of(problem) for problem in problems}
        different = [v.describe() for v in by_source.values()]
        alike = all(one == different[0] for one in different)
        names = dict.fromkeys(v.name for v in by_source.values())
        sources = {name: v.describe() for name, v in by_source.items() if name}
        return (different[0] if alike else {"verifier": " / ".join(names)}) | (
            {"sources": sources} if sources else {}
        )


def fitting(
    policy: Policy,
    evidences: Sequence[Evidence],
    problems: Sequence[Problem],
    max_new_tokens: int,
    ahead: int = 0,
) -> tuple[Sequence[Problem], int]:
    """The training problems whose prompts, under each evidence, fit the model's context together with a whole
    completion, and the tokens of the longest of these prompts. No prompt is ever cut: a problem without its end is
    another problem.

    Args:
        ahead: virtual tokens that training will put before each.

    Raises:
        PolicyError: not one fits.
    """
    lengths = array("L")
    for start in range(0, len(problems), ENCODED_AT_ONCE):
        some = problems[start : start + ENCODED_AT_ONCE]
        lengths.extend(
            ahead + max(each)
            for each in zip(*(map(len, encode(policy, one, some)) for one in evidences), strict=True)
        )
    room = policy.context - max_new_tokens if policy.context else max(lengths)
    if min(lengths) > room:
        raise PolicyError(
            f"none of the {len(problems)} training prompts fits the model's context of {policy.context} tokens "
            f"together with sampling.max_new_tokens = {max_new_tokens}; the shortest has {min(lengths)}"
        )
    if max(lengths) <= room:
        return problems, max(lengths)
    fit = stored(problem for problem, length in zip(problems, lengths, strict=True) if length <= room)
    return fit, max(length for length in lengths if length <= room)


def prompt_ids(
    policy: Policy, evidence: Evidence, problems: Sequence[Problem], max_new_tokens: int, ahead: int = 0
) -> list[list[int]]:
    """Token ids of every problem's prompt.

    Args:
        ahead: virtual tokens that training will put before each.

    Raises:
        PolicyError: a prompt with its completion is longer than the model's context; none is cut silently.
    """
    ids = encode(policy, evidence, problems)
    limit = policy.context
    lengths = [(problem.id, ahead + len(own)) for problem, own in zip(problems, ids, strict=True)]
    too_long = [(name, length) for name, length in lengths if limit and length + max_new_tokens > limit]
    if too_long:
        name, length = max(too_long, key=lambda pair: pair[1])
        raise PolicyError(
            f"{len(too_long)} of {len(problems)} prompts do not fit the model's context of {limit} tokens together "
            f"with sampling.max_new_tokens = {max_new_tokens}; the longest is {name} with {length}. Lower "
            "max_new_tokens, use fewer shots, or leave those problems out."
        )
    return ids


def cut_to_blocks(file: Path, size: int) -> None:
    """Take out the rows of a block that was cut off: rows are drawn in the batches of a run that was never stopped, to
    the last bit of their log-probabilities."""
    there = rollouts.count(file)
    if there % size or rollouts.is_torn(file):
        rollouts.rewrite(file, islice(rollouts.read(file), there - there % size))


def forget_unjudged(file: Path) -> None:
    """Cut the file off before its first row without a verdict: with the verifier fixed it is drawn and judged anew,
    with the same result but for the verdicts."""
    if is_main() and file.exists():
        kept = takewhile(lambda row: row.score is not None, rollouts.read(file))
        rollouts.rewrite(file, kept)


def training_budget(config: Config) -> int:
    """K of pass@K in the evaluations during training: the report's, or their samples, if these are fewer."""
    import numpy as np

    from rlvr.analysis import default_budget

    budget = config.analysis.search_budget or default_budget(np.full(1, config.sampling.samples))
    return min(budget, config.train.eval_samples)


def pass_rates(file: Path, search_budget: int) -> dict[str, float]:
    """Mean pass@1, pass@K and score of a finished evaluation, for the training curve; and of each source in it."""
    from rlvr.rollouts.evaluations import read

    samples = read(file, file.stem)[0].samples
    rates = _rates(samples, search_budget)
    for name, part in samples.by_source().items():
        rates |= {f"{key}/{name}": value for key, value in _rates(part, search_budget).items()}
    return rates


def _rates(samples: Samples, search_budget: int) -> dict[str, float]:
    import numpy as np

    from rlvr.analysis.passk import pass_at_k

    rates = {f"eval/pass@{k}": pass_at_k(samples.n, samples.c, k) for k in (1, search_budget)}
    if samples.mean_score is not None:
        rates["eval/mean_score"] = samples.mean_score
    found = {name: float(np.nanmean(rate)) for name, rate in rates.items() if not np.isnan(rate).all()}
    return found | {"eval/samples": int(samples.n.sum())}


def rescored(file: Path, policy: str) -> bool:
    """The rows carry log-probabilities under `policy` (a file is rescored whole or not at all)."""
    first = next(rollouts.read(file), None)
    return first is None or policy in first.logprobs


def copy_own(there: Path, into: Path) -> None:
    """A finished evaluation as it was before others' policies scored its rows, with its settings."""
    rollouts.write_settings(into, rollouts.read_settings(there))
    rows = rollouts.read(there)
    rollouts.rewrite(into, (replace(row, logprobs={row.policy: row.logprobs[row.policy]}) for row in rows))
