"""What stopped a run, in words for one screen and as an exit code."""

from __future__ import annotations

import errno

from rlvr.errors import RunError, UserError

BUG, BAD_INPUT, STOPPED = 1, 2, 3
FULL = (errno.ENOSPC, errno.EDQUOT)
NO_PLACE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES, errno.EPERM, errno.EROFS, errno.EIO, errno.ESTALE)


def expected(error: Exception) -> bool:
    """The user's to mend: a message will do, without a traceback."""
    from verifiers import BadOption, PoolError, UnknownVerifier
    from verifiers.scoring import RowError

    if isinstance(error, OSError):
        return error.errno in (*FULL, *NO_PLACE)
    return isinstance(error, UserError | RunError | UnknownVerifier | BadOption | PoolError | RowError)


def full(error: Exception) -> bool:
    """There is no space left on the disk."""
    return isinstance(error, OSError) and error.errno in FULL


def code(error: Exception) -> int:
    """The exit code: 2 bad input, 3 the run stopped itself, 1 nobody expected this."""
    if not expected(error):
        return BUG
    return STOPPED if full(error) or isinstance(error, RunError) else BAD_INPUT


def in_words(error: Exception) -> str:
    """The error in words: a bare OSError says what to do, and where."""
    if not isinstance(error, OSError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    if full(error):
        return f"{where}{error.strerror}. What was written before is whole: make space, then the same command goes on."
    return f"{where}{error.strerror} (--debug shows where)"
