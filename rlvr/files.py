"""Writing so that a kill, a power cut or a full disk leaves the old file or the new one, never half of either."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path


def replace(path: Path, chunks: Iterable[bytes], wait: bool = True) -> None:
    """Put `chunks` in place of the file's content: a reader sees the old file or the new one, also after a
    power cut. Whatever goes wrong on the way leaves the old file and nothing else.

    The folder must be there: one that has vanished under a run is an error, not a thing to begin anew.

    Args:
        wait: until all is on disk. Without, a kill still costs nothing, but a power cut may: for what is computed
            again unless somebody calls `sync` first.
    """
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(fd, "wb") as file:
            file.writelines(chunks)
            if wait:
                file.flush()
                os.fsync(file.fileno())
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o666 & ~mask)  # mkstemp makes it private; a result file is not
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    if wait:
        sync(path.parent)


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(staged: Path, folder: Path) -> None:
    """Rename a folder that is finished to its name, where readers expect it, once all of it is on disk."""
    for path in (*(p for p in staged.rglob("*") if not p.is_symlink()), staged):
        sync(path)
    staged.rename(folder)
    sync(folder.parent)


def require_space(folder: Path, size: int, what: str) -> None:
    """Refuse to begin what the disk cannot hold.

    Raises:
        OSError: ENOSPC; less than `size` bytes and a reserve of a hundredth are free where `folder` lies.
    """
    free, needed = shutil.disk_usage(folder).free, size + size // 100
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"no space left for {what}: it takes {needed / 1e6:,.1f} MB, {free / 1e6:,.1f} MB are free",
            str(folder),
        )


@contextmanager
def says_when_full(folder: Path, size: int, what: str) -> Iterator[None]:
    """Turn whatever a library raises on a full disk into the OSError that it is.

    torch and safetensors write from C++ and Rust, and each has an exception of its own for it.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, f"no space left while writing {what}", str(folder)) from error
        raise
