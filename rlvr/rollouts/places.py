"""What a path may stand for: a packed file, the one file of a folder, several files by a pattern."""

from __future__ import annotations

import atexit
import glob
import lzma
import shutil
import tempfile
import zlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from rlvr.errors import UserError
from rlvr.files import opened
from rlvr.text import line

PACKED = {b"\x1f\x8b": ".gz", b"\x28\xb5\x2f\xfd": ".zst", b"BZh": ".bz2", b"\xfd7zXZ\0": ".xz"}
"""How a packed file begins."""


@cache
def _kept() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="rlvr-converted-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def kept_folder() -> Path:
    """A new folder for what was converted: pages fetch traces from it, so it stays until the process ends."""
    return Path(tempfile.mkdtemp(dir=_kept()))


def unpacked(path: Path) -> Path:
    """The file itself; where it is packed (gzip, zstandard, bzip2, xz, by its first bytes), what it holds as a file of
    its name without that ending.

    Raises UserError: it is cut short or damaged.
    """
    stat = path.stat()
    return _unpacked(path, stat.st_mtime_ns, stat.st_size)


def as_unpacked(path: Path) -> Path:
    """The path that the file would have beside itself, were it not packed: what belongs to it is named after that."""
    return path.with_name(unpacked(path).name)


@cache
def _unpacked(path: Path, *_written: int) -> Path:
    with path.open("rb") as file:
        start = file.read(6)
    packing = next((name for magic, name in PACKED.items() if start.startswith(magic)), None)
    if packing is None:
        return path
    plain = kept_folder() / (path.stem if path.suffix.lower() == packing else path.name)
    try:
        with opened(path, packing) as packed, plain.open("wb") as out:
            shutil.copyfileobj(packed, out)
    except (
        OSError,
        EOFError,
        ValueError,
        lzma.LZMAError,
        zlib.error,
    ) as error:  # Arrow's are ValueErrors too
        raise UserError(f"{path}: cannot be unpacked ({line(error, 120)})") from None
    return plain


def matching(path: Path) -> list[Path]:
    """The files that a pattern names, in the order of their names; the path itself where it is none."""
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    found = [Path(name) for name in sorted(glob.glob(str(path)))]  # noqa: PTH207 - a pattern may begin at /
    if not found:
        raise UserError(f"{path}: no file has such a name")
    return found


def one_of(folder: Path, readable: Sequence[Path]) -> Path:
    """The only file of a folder that can be read. Raises UserError: there is none, or several."""
    if len(readable) == 1:
        return readable[0]
    if not readable:
        raise UserError(
            f"{folder}: not the folder of a run, it has no config.yaml; and no file of samples was found in it"
        )
    names = ", ".join(line(str(path.relative_to(folder)), 80) for path in readable[:4])
    raise UserError(
        f"{folder}: holds {len(readable)} files of samples ({names}{', …' if readable[4:] else ''}); give one of them, "
        f"or those that make one evaluation by a pattern in quotes: '{folder}/…*.jsonl'"
    )
