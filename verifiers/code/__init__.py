"""Judge programs: run them in a sandbox, and compare here, on exact types, with what was expected."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .verifier import CodeVerifier

__all__ = ["CodeVerifier"]


def __getattr__(name: str) -> object:
    if name == "CodeVerifier":  # late: extracting a program must not pay for the sandbox
        from .verifier import CodeVerifier

        return CodeVerifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
