"""Verifiers score a response: problem x, trace z and answer y go in, a `Verdict` comes out.

>>> from verifiers import Problem, score
>>> score("math", Problem(id="p1", prompt="What is 1/4 + 1/4?", reference="1/2"), "… so \\\\boxed{0.5}").score
1.0

What belongs in this package: everything that turns (x, z, y) into a verdict, and the means to run and test it.
Training, sampling and analysis are `rlvr`. No module of this package imports torch or `rlvr`: it can be used alone, and
importing it is cheap.

- `types`, `registry`, `forms`: what a verifier is, and how a name, a file or a function becomes one.
- `judging`, `calls`: how a verifier is asked and what becomes of its answer; services, asked several things at once.
- `extract`: response → trace and answer. `pool`: verdicts in worker processes that can be killed.
- `math`, `reasoning`, `code`, `simple`: the verifiers; `latex` and `units`: tables that `math` and `reasoning` share.
- `scoring`, `audit`, `self_test`, `conformance`, `fuzz`, `pytest_plugin`: files of responses, and tests of verifiers.
- `trl_reward`: a verifier as a reward function of TRL.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from verifiers.judging import VerifierFailed, judge
from verifiers.registry import BadOption, UnknownVerifier, add_folder, installed, load, score, shadowed
from verifiers.types import STATUSES, Item, Problem, Status, Verdict, Verifier

if TYPE_CHECKING:
    from verifiers.pool import PoolError, PoolStats, VerifierPool
    from verifiers.trl_reward import as_trl_reward

__all__ = [
    "STATUSES",
    "BadOption",
    "Item",
    "PoolError",
    "PoolStats",
    "Problem",
    "Status",
    "UnknownVerifier",
    "Verdict",
    "Verifier",
    "VerifierFailed",
    "VerifierPool",
    "add_folder",
    "as_trl_reward",
    "installed",
    "judge",
    "load",
    "score",
    "shadowed",
]

_LAZY = {
    "PoolError": "verifiers.pool",
    "PoolStats": "verifiers.pool",
    "VerifierPool": "verifiers.pool",
    "as_trl_reward": "verifiers.trl_reward",
}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        from importlib import import_module

        return getattr(import_module(_LAZY[name]), name)
    other = None if name.startswith("__") else shadowed()  # perhaps the other package's was meant
    hint = f"; {other}" if other else ""
    raise AttributeError(f"module 'verifiers' of rlvr has no attribute {name!r}{hint}")
