"""Verdicts in bulk, from worker processes that can be killed when a response makes a verifier hang or crash.

What belongs in this package: queue, cache, deadlines, restarts and the protocol with the workers. What a verdict
means is the business of the verifiers.

- `pool`: `VerifierPool`, what callers use.
- `by_source`: `VerifierPools`, the same for problems that have different verifiers.
- `scheduler`: the queue, the known verdicts and the counters that callers and worker threads share.
- `worker_thread`: one thread per worker; it sends tasks, waits for verdicts and replaces a lost worker.
- `worker_process`: what a worker process runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from verifiers.pool.by_source import VerifierPools
    from verifiers.pool.pool import VerifierPool, default_workers
    from verifiers.pool.scheduler import PoolStats
    from verifiers.pool.worker_thread import PoolError

__all__ = ["PoolError", "PoolStats", "VerifierPool", "VerifierPools", "default_workers"]

_LAZY = {
    "PoolError": "verifiers.pool.worker_thread",
    "PoolStats": "verifiers.pool.scheduler",
    "VerifierPool": "verifiers.pool.pool",
    "VerifierPools": "verifiers.pool.by_source",
    "default_workers": "verifiers.pool.pool",
}


def __getattr__(name: str) -> Any:  # late: a worker process imports this package and needs none of these
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
