"""What stopped a run, as a message and as an exit code."""

from __future__ import annotations

import errno

from rlvr.errors import PhaseError, RunError, UserError

BUG, BAD_INPUT, STOPPED = 1, 2, 3
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE)


def expected(error: Exception) -> bool:
    """The user can fix it: a message is enough, without a traceback."""
    from verifiers import BadOption, PoolError, UnknownVerifier, VerifierFailed
    from verifiers.scoring import RowError

    if isinstance(error, OSError):
        return error.errno in (*FULL, *NO_PLACE)
    return isinstance(
        error, UserError | RunError | UnknownVerifier | BadOption | PoolError | VerifierFailed | RowError
    )


def full(error: Exception) -> bool:
    """There is no space left on the disk."""
    return isinstance(error, OSError) and error.errno in FULL


def code(error: Exception) -> int:
    """The exit code: 2 bad input, 3 the run stopped itself, 1 anything else; that of a phase's own processes."""
    if isinstance(error, PhaseError):
        return error.code
    if not expected(error):
        return BUG
    return STOPPED if full(error) or isinstance(error, RunError) else BAD_INPUT


def in_words(error: Exception) -> str:
    """The error as a message; that of a bare OSError names the file and what to do."""
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    if full(error):
        return (
            f"{where}{error.strerror}. Everything written before is complete: free some space, then the same command "
            "continues."
        )
    return f"{where}{error.strerror} (--debug shows where)"
