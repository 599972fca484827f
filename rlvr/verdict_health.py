"""Stops a run whose verifier fails, or cannot judge most responses: training and figures would be noise."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import NamedTuple

from rlvr.errors import RunError
from rlvr.launch import signals
from rlvr.launch.processes import independently, processes
from rlvr.rollouts import Rollout
from verifiers import Verdict, VerifierFailed

PROBLEMS = 8
"""Problems over which the share is taken: one bad reference says nothing about the verifier."""


class Outcome(NamedTuple):
    """Whether a response has a verdict, the reason where it has none, and its problem's source."""

    judged: bool
    why: str
    source: str = ""


def verdict_of(future: Future[Verdict]) -> Verdict:
    """The verdict, once it is there.

    Raises:
        RunError: the verifier's own code failed; other verdicts of it are not to be trusted either.
    """
    try:
        return signals.result(future)
    except VerifierFailed as failed:
        raise RunError(
            f"{failed}. Everything written before is complete: with the verifier repaired, the same command continues."
        ) from failed


@contextmanager
def failing_together() -> Iterator[None]:
    """A block in which each process waits for its own verdicts, as in `independently`.

    Raises:
        RunError: in every process, where the verifier of any has failed: none may wait for another that has left.
    """
    failed: RunError | None = None
    with independently():
        try:
            yield
        except RunError as error:
            failed = error
    said = [str(failed) if failed else ""]
    if processes().num_processes > 1:
        from accelerate.utils import gather_object

        said = gather_object(said)
    if first := next(filter(None, said), ""):
        raise RunError(first) from failed


def outcome(row: Rollout) -> Outcome:
    """What the monitor needs of a judged row."""
    return Outcome(row.score is not None, f"{row.status}: {row.detail}", row.source or "")


class _Window:
    """Responses of the last blocks: as few of them as hold `least` responses, or all where it does not roll."""

    def __init__(self, least: int, rolling: bool) -> None:
        self.least, self.rolling = least, rolling
        self.blocks: deque[tuple[int, Counter[str]]] = deque()
        """Responses of each block, and the reasons of those without a verdict."""

    def add(self, outcomes: Sequence[Outcome]) -> None:
        self.blocks.append((len(outcomes), Counter(o.why for o in outcomes if not o.judged)))
        if not self.rolling and len(self.blocks) > 1:
            (one, first), (two, second) = self.blocks
            self.blocks = deque([(one + two, first + second)])
        while self.rolling and self.total - self.blocks[0][0] >= self.least:
            self.blocks.popleft()

    @property
    def total(self) -> int:
        return sum(n for n, _ in self.blocks)

    def check(self, limit: float, where: str, whose: str) -> None:
        without = sum((reasons for _, reasons in self.blocks), Counter[str]())
        if self.total >= self.least and without.total() > limit * self.total:
            (why, times), *_ = without.most_common(1)
            raise RunError(
                f"{where}: {without.total()} of the last {self.total} responses{whose} could not be judged, through no "
                f"fault of the policy; verification.max_unjudged allows {limit:.0%}. {times} times: {why}"
            )


class UnjudgedMonitor:
    """Counts responses without a verdict and stops the run when their share is above `limit`, over all or in one source
    of several.

    >>> monitor = UnjudgedMonitor(limit=0.5, least=2, rolling=True)
    >>> monitor.see([Outcome(True, ""), Outcome(False, "error: no sandbox")], "step 1")

    Args:
        limit: the largest tolerated share; 1 turns the check off.
        least: number of responses, over all or of a source, below which the share is not checked.
        rolling: the share is taken over the last blocks that hold so many; else over everything that was seen.
        totals: responses that each source will have in all, where that is known: no more are waited for.
    """

    def __init__(
        self, limit: float, least: int, rolling: bool = False, totals: Mapping[str, int] | None = None
    ) -> None:
        self.limit, self.least, self.rolling, self.totals = limit, least, rolling, totals or {}
        self.every = _Window(min(least, sum(self.totals.values()) or least), rolling)
        self.of_source: dict[str, _Window] = {}

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count one block without a check: it was checked before the run was resumed."""
        block = list(outcomes)
        if not block:
            return
        self.every.add(block)
        for name in dict.fromkeys(o.source for o in block if o.source):
            least = min(self.least, self.totals.get(name, self.least))
            window = self.of_source.setdefault(name, _Window(least, self.rolling))
            window.add([o for o in block if o.source == name])

    def see(self, outcomes: Iterable[Outcome], where: str) -> None:
        """Count one block, and check the share over the last ones.

        Raises:
            RunError: above the limit; it names the share, the source and the most common reason.
        """
        self.add(outcomes)
        for name, window in self.of_source.items():
            window.check(self.limit, where, f" to problems of {name}")
        self.every.check(self.limit, where, "")

    def remember(self, blocks: Iterable[Iterable[Outcome]], sources: Collection[str]) -> None:
        """Take note of what was checked before the run was stopped: of `blocks`, newest first, as many as it takes for
        enough responses of each of `sources`."""
        known: list[list[Outcome]] = []
        seen = Counter[str]()
        for block in blocks:
            known.append(list(block))
            seen.update(o.source for o in known[-1])
            if all(seen[name] >= self.least for name in sources):
                break
        for block in reversed(known):
            self.add(block)
