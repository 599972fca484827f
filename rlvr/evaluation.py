"""Evaluate a policy: n samples of each problem, judged, one row each, in a file that a killed run continues."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlvr import rollouts
from rlvr.config import Config
from rlvr.environments.worker import EnvironmentPool
from rlvr.errors import RunError, UserError
from rlvr.evidence import Evidence, render
from rlvr.launch.processes import independently, processes
from rlvr.policy import Policy, PolicyError
from rlvr.problems.on_disk import stored
from rlvr.run import differing, versions
from rlvr.sampling import Sampler
from rlvr.sampling.driver import Request, Rolled, encode, roll
from rlvr.source_verifiers import SourceVerifier
from rlvr.terminal import Terminal
from rlvr.verdict_health import PROBLEMS, UnjudgedMonitor, failing_together, outcome, verdict_of
from verifiers import Problem
from verifiers.pool import VerifierPool, VerifierPools

if TYPE_CHECKING:
    from rlvr.analysis.samples import Samples

Progress = Callable[[int], None]

LATER_SETTINGS = {"end_tokens"}
"""Settings that files of before they were written down lack, and can be continued without."""
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
    """That of `train.evidence`, which training prompts may have besides."""

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
        self._begin(policy, problems, into, samples)
        every = [(i, s) for i in range(len(problems)) for s in range(samples)]
        if rollouts.count(into) == len(every):
            return into
        size = sampler.block_size(prompts) * processes().num_processes
        done = whole_blocks(into, size)
        blocks = [every[start : start + size] for start in range(done, len(every), size)]
        with self.terminal.progress(
            label or f"sampling {policy.name}", total=len(every), start=done
        ) as advance:
            try:
                self._draw(sampler, problems, blocks, samples, into, advance)
            except RunError:
                forget_unjudged(into)
                raise
        return into

    def complete(self, problems: Sequence[Problem], file: Path, samples: int | None = None) -> bool:
        """`file` has as many whole lines as there are samples to draw."""
        return rollouts.count(file) == len(problems) * (samples or self.config.sampling.samples)

    def rescore(self, policy: Policy, problems: Sequence[Problem], file: Path) -> None:
        """Add the log-probability under `policy` to every row of a finished evaluation. For one process."""
        from rlvr.sampling.score import Written, logprobs

        prompts = prompt_ids(policy, self.evidence, problems, self.config.sampling.max_new_tokens)
        place = {problem.id: i for i, problem in enumerate(problems)}
        rows = list(rollouts.read(file))
        drawn = [Written.of(row, place[row.problem_id]) for row in rows]
        with self.terminal.progress(f"{file.stem} rows under {policy.name}", total=len(rows)) as advance:
            nats = logprobs(policy, prompts, drawn, self.config.sampling.temperature, progress=advance)
        both = (replace(r, logprobs=r.logprobs | {policy.name: v}) for r, v in zip(rows, nats, strict=True))
        rollouts.rewrite(file, both)

    def _draw(
        self,
        sampler: Sampler,
        problems: Sequence[Problem],
        blocks: Sequence[list[tuple[int, int]]],
        samples: int,
        into: Path,
        advance: Progress,
    ) -> None:
        """Roll out a block after the other; a block's rows are judged and written while the next one is sampled.

        A block is sampled to its end before the next begins, so that a run that continues at the end of one draws
        in the same batches what a run that was never stopped would have drawn.
        """
        from accelerate.utils import gather_object

        state = processes()
        totals = {name: n * samples for name, n in Counter(problem.source for problem in problems).items()}
        monitor = UnjudgedMonitor(self.config.verification.max_unjudged, PROBLEMS * samples, totals=totals)
        monitor.add(map(outcome, rollouts.read(into)) if into.exists() else ())

        def write(rolled: Sequence[Rolled]) -> None:
            with failing_together():
                rows = [
                    e.row(sampler.policy.name, self.verifier_of(e.problem).name, verdict_of(verdict))
                    for e, verdict in rolled
                ]
            if state.num_processes > 1:
                rows = gather_object(rows)
            monitor.see(map(outcome, rows), into.stem)
            if state.is_main_process:
                rollouts.append(into, rows)

        before: list[Rolled] = []
        for block in blocks:
            with state.split_between_processes(block) as share:
                own: list[tuple[int, int]] = list(share)  # type: ignore[arg-type]
                requests = [Request(problems[i], s, into.stem) for i, s in own]
                with independently():
                    rolled = roll(
                        sampler,
                        requests,
                        self.evidence,
                        self.pool.submit,
                        self.config.seed,
                        self.environment,
                        on_done=lambda: advance(1),
                    )
            if before:
                write(before)
            before = rolled
            advance(len(block) - len(rolled))  # what other processes drew
        write(before)
        state.wait_for_everyone()  # nobody reads the file before it is whole

    def _begin(self, policy: Policy, problems: Sequence[Problem], into: Path, samples: int) -> None:
        """Write the settings, or check that those beside `into` are the same."""
        settings = self.settings(policy, problems, samples)
        there = rollouts.read_settings(into)
        informative = {"versions", "first_prompt", *(LATER_SETTINGS - there.keys())}
        compared = [{k: v for k, v in of.items() if k not in informative} for of in (there, settings)]
        if there and (found := differing(*compared)):
            shown = "; ".join(f"{key}: {a} there, {b} asked for" for key, a, b in found)
            raise UserError(
                f"{into}: was drawn under other settings ({shown}). Give this evaluation another file."
            )
        state = processes()
        state.wait_for_everyone()
        if state.is_main_process and not there:
            rollouts.write_settings(into, settings)

    def settings(self, policy: Policy, problems: Sequence[Problem], samples: int) -> dict[str, Any]:
        """What holds for a whole file of rollouts."""
        config, sampling = self.config, self.config.sampling
        return {
            "policy": policy.name,
            "model": policy.source,
            "adapter": str(policy.adapter) if policy.adapter else None,
            "revision": config.revision,
            "dtype": str(policy.model.dtype).removeprefix("torch."),
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
    policy: Policy, evidences: Sequence[Evidence], problems: Sequence[Problem], max_new_tokens: int
) -> tuple[Sequence[Problem], int]:
    """The training problems whose prompts, under each evidence, fit the model's context together with a whole
    completion, and the tokens of the longest of these prompts. No prompt is ever cut: a problem without its end is
    another problem.

    Raises:
        PolicyError: not one fits.
    """
    lengths = array("L")
    for start in range(0, len(problems), ENCODED_AT_ONCE):
        some = problems[start : start + ENCODED_AT_ONCE]
        lengths.extend(
            map(max, zip(*(map(len, encode(policy, one, some)) for one in evidences), strict=True))
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
    policy: Policy, evidence: Evidence, problems: Sequence[Problem], max_new_tokens: int
) -> list[list[int]]:
    """Token ids of every problem's prompt.

    Raises:
        PolicyError: a prompt with its completion is longer than the model's context; none is cut silently.
    """
    ids = encode(policy, evidence, problems)
    limit = policy.context
    lengths = zip((problem.id for problem in problems), map(len, ids), strict=True)
    too_long = [(name, length) for name, length in lengths if limit and length + max_new_tokens > limit]
    if too_long:
        name, length = max(too_long, key=lambda pair: pair[1])
        raise PolicyError(
            f"{len(too_long)} of {len(problems)} prompts do not fit the model's context of {limit} tokens together "
            f"with sampling.max_new_tokens = {max_new_tokens}; the longest is {name} with {length}. Lower "
            "max_new_tokens, use fewer shots, or leave those problems out."
        )
    return ids


def whole_blocks(file: Path, size: int) -> int:
    """How many rows of whole blocks `file` holds. Those of a block that was cut off are taken out: rows are drawn
    in the batches of a run that was never stopped, to the last bit of their log-probabilities."""
    with processes().main_process_first():
        there = rollouts.count(file)
        torn = file.exists() and not file.read_bytes().endswith(b"\n")
        if processes().is_main_process and (there % size or torn):
            rollouts.rewrite(file, islice(rollouts.read(file), there - there % size))
    return there - there % size


def forget_unjudged(file: Path) -> None:
    """Cut the file off before its first row without a verdict: with the verifier fixed it is drawn and judged anew,
    with the same result but for the verdicts."""
    if processes().is_main_process and file.exists():
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
