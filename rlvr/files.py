"""Atomic writes: a kill, a power cut or a full disk leaves the old file or the new one, never half of either."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from rlvr.errors import ConfigError


def replace(path: Path, chunks: Iterable[bytes], wait: bool = True) -> None:
    """Replace the file's content by `chunks`: a reader sees the old file or the new one, also after a power cut. If
    anything goes wrong, the old file stays and nothing else is left.

    The folder must exist: one that has vanished during a run is an error and is not made again.

    Args:
        wait: until everything is on disk. Without it, the file survives a kill but perhaps not a power cut: for what
            can be computed again, or is followed by `sync`.
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


def append_to(path: Path) -> IO[str]:
    """Open a text file to read it and append to it; it is made if need be, and never found through a link.

    Raises:
        ConfigError: it is a link, which somebody else may have put into the folder.
    """
    try:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise ConfigError(f"{path}: a link; expected a file of the folder itself") from None
    return os.fdopen(fd, "a+", encoding="utf-8")


def refuse_links(folder: Path) -> None:
    """Nothing that is written in an output folder may land elsewhere through a link that came with it.

    Raises:
        ConfigError: the folder, or its `rollouts` or `checkpoints`, holds a link.
    """
    for path in (*folder.glob("*"), *folder.glob("rollouts/*"), *folder.glob("checkpoints/*")):
        if path.is_symlink():
            raise ConfigError(
                f"{path}: a link; what is written in an output folder stays in it. Put what it points to in its place, "
                "or remove it"
            )


def sync(path: Path) -> None:
    """Wait until a file's content, or a folder's entries, are on disk."""
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def publish(staged: Path, folder: Path) -> None:
    """Rename a finished folder to the name where readers expect it, once all of it is on disk."""
    for path in (*(p for p in staged.rglob("*") if not p.is_symlink()), staged):
        sync(path)
    staged.rename(folder)
    sync(folder.parent)


def require_space(folder: Path, size: int, what: str) -> None:
    """Refuse to start writing what does not fit on the disk.

    Raises:
        OSError: ENOSPC; less than `size` bytes plus 1 % are free on the disk of `folder`.
    """
    free, needed = shutil.disk_usage(folder).free, size + size // 100
    if free < needed:
        raise OSError(
            errno.ENOSPC,
            f"no space left for {what}: it takes {needed / 1e6:,.1f} MB, and {free / 1e6:,.1f} MB are free",
            str(folder),
        )


@contextmanager
def says_when_full(folder: Path, size: int, what: str) -> Iterator[None]:
    """Turn whatever a library raises on a full disk into an OSError.

    torch and safetensors write from C++ and Rust, and each raises an exception of its own.
    """
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        if shutil.disk_usage(folder).free < size:
            raise OSError(errno.ENOSPC, f"no space left while writing {what}", str(folder)) from error
        raise


def opened(path: Path, packing: str) -> BinaryIO:
    """The bytes of a file that is packed as `packing` says: .gz, .bz2, .xz, .zst, or "" where it is not."""
    if packing == ".zst":
        import pyarrow

        return io.BufferedReader(pyarrow.input_stream(str(path), compression="zstd"))  # type: ignore[arg-type]
    opener: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(packing, open)
    return opener(path, "rb")
