"""`VerifierPools`: verdicts on problems of several sources, each from the verifier of its source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from verifiers.pool.pool import VerifierPool, all_of, default_workers
from verifiers.types import Problem, Verdict


class VerifierPools:
    """Judges each problem with the verifier of its `source`, as a `VerifierPool` does: one pool for each verifier, each
    with its own options, pass mark and deadline. The workers are divided among them, at least one for each.

    Args:
        verifiers: by source: spec and options, as for `verifiers.load`. Sources with the same ones share a pool.
        workers, deadline, memory_mb: as of `VerifierPool`; `workers` are those of all pools together.
    """

    def __init__(
        self,
        verifiers: Mapping[str, tuple[str, Mapping[str, Any]]],
        *,
        workers: int | None = None,
        deadline: float = 10.0,
        memory_mb: int = 2048,
    ) -> None:
        different: list[tuple[str, Mapping[str, Any]]] = []
        for asked in verifiers.values():
            if asked not in different:
                different.append(asked)
        share, rest = divmod(workers or default_workers(), len(different))
        self.pools = [
            VerifierPool(
                spec,
                options,
                workers=max(1, share + (number < rest)),
                deadline=deadline,
                memory_mb=memory_mb,
            )
            for number, (spec, options) in enumerate(different)
        ]
        self._of = {source: self.pools[different.index(asked)] for source, asked in verifiers.items()}

    def submit(self, problem: Problem, response: str) -> Future[Verdict]:
        """Return the future verdict on one response. Raises as `VerifierPool.submit`, and ValueError for a problem of
        a source without a verifier."""
        pool = self._of.get(problem.source)
        if pool is None:
            raise ValueError(f"problem {problem.id!r}: its source {problem.source!r} has no verifier")
        return pool.submit(problem, response)

    def score(self, items: Sequence[tuple[Problem, str]]) -> list[Verdict]:
        """Return the verdicts on `items`, in their order. Raises as `submit` does."""
        return all_of(self.submit, items)

    def close(self) -> None:
        """End the workers. Pending futures raise `PoolError`."""
        for pool in self.pools:
            pool.close()

    def __enter__(self) -> VerifierPools:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
