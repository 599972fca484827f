"""Judge programs: run them in a sandbox, compare what they gave with what was expected, here and on exact types."""

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
