"""Judging programs: run them in a sandbox, then compare values on exact types in the verifier's own process.

What belongs in this package: the verifier `code`, the sandbox, the rows of public code data sets as problems. Finding
the program in a response is `verifiers.extract`.

In the verifier's process: `verifier`, `formats`, `datasets`, `program`, `compare`, `report`, `runner`, `launcher`,
`sandbox`, `attacks`. In sandboxed processes, with the standard library alone: `zygote`, `candidate`, `probing`,
`namespaces`, `landlock`, `seccomp`, `libc`. In both: `wire`, `values`.
"""

from __future__ import annotations

from verifiers.code.verifier import CodeVerifier

__all__ = ["CodeVerifier"]
