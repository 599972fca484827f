"""Stops a run whose verifier fails, or cannot judge most responses: training and figures would be noise."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

from rlvr.errors import RunError
from rlvr.launch import signals
from rlvr.launch.processes import independently, processes
from rlvr.rollouts import Rollout
from verifiers import Verdict, VerifierFailed

PROBLEMS = 8
"""Problems over which the share is taken: one bad reference says nothing about the verifier."""

Outcome = tuple[bool, str]
"""Whether there is a verdict, and the reason where there is not."""


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
    return row.score is not None, f"{row.status}: {row.detail}"


class UnjudgedMonitor:
    """Counts responses without a verdict and stops the run when their share is above `limit`.

    >>> monitor = UnjudgedMonitor(limit=0.5, least=2, blocks=1)
    >>> monitor.see([(True, ""), (False, "error: no sandbox")], "step 1")

    Args:
        limit: the largest tolerated share; 1 turns the check off.
        least: number of responses below which the share is not checked.
        blocks: number of the last calls that the share is taken over; None: all of them.
    """

    def __init__(self, limit: float, least: int, blocks: int | None = None) -> None:
        self.limit, self.least, self.blocks = limit, least, blocks
        self.seen: deque[tuple[int, Counter[str]]] = deque(maxlen=blocks)

    def add(self, outcomes: Iterable[Outcome]) -> None:
        """Count one block without a check: it was checked before the run was resumed."""
        total, without = 0, Counter[str]()
        for judged, why in outcomes:
            total += 1
            if not judged:
                without[why] += 1
        if self.blocks is None and self.seen:
            before, reasons = self.seen.pop()
            total, without = before + total, reasons + without
        self.seen.append((total, without))

    def see(self, outcomes: Iterable[Outcome], where: str) -> None:
        """Count one block, and check the share over the last ones.

        Raises:
            RunError: above the limit; it names the share and the most common reason.
        """
        self.add(outcomes)
        total = sum(n for n, _ in self.seen)
        without = sum((reasons for _, reasons in self.seen), Counter[str]())
        if total >= self.least and without.total() > self.limit * total:
            (why, times), *_ = without.most_common(1)
            raise RunError(
                f"{where}: {without.total()} of the last {total} responses could not be judged, through no fault of "
                f"the policy; verification.max_unjudged allows {self.limit:.0%}. {times} times: {why}"
            )
