"""Entries of a ZIP file, also those in Zstandard, which Python's `zipfile` reads from 3.14 on only."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path
from typing import Any, Self

from rlvr.errors import UserError
from rlvr.rollouts.rows import parse

ZSTD = 93
"""Compression method of the ZIP format's appnote."""
LARGEST = 1 << 30
"""Bytes of one entry; a small file may claim to unpack to more than any memory."""


class Zip:
    """A ZIP file's JSON entries."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._zip = zipfile.ZipFile(path)
        self.names = self._zip.namelist()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._zip.close()

    def json(self, name: str) -> Any:
        """The entry, decoded. Raises UserError: it is damaged, no JSON, too large, or compressed in another way."""
        where = f"{self.path}: {name}"
        info = self._zip.getinfo(name)
        if info.file_size > LARGEST:
            raise UserError(f"{where}: unpacks to {info.file_size} bytes; at most {LARGEST} are read")
        try:
            data = self._zstd(info) if info.compress_type == ZSTD else self._zip.read(info)
        except NotImplementedError:
            raise UserError(
                f"{where}: compression method {info.compress_type} is not read; convert it with its own tool, such as "
                f"inspect log dump {self.path.name} > {self.path.stem}.json"
            ) from None
        except (OSError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
            raise UserError(f"{where}: damaged ({error})") from None
        try:
            return parse(data)
        except ValueError as error:
            raise UserError(f"{where}: not JSON ({error})") from None

    def _zstd(self, info: zipfile.ZipInfo) -> bytes:
        import pyarrow

        with self.path.open("rb") as file:
            file.seek(info.header_offset)
            header = file.read(
                30
            )  # its names are as long as bytes 26 to 29 say, and may differ from the directory's
            file.seek(int.from_bytes(header[26:28], "little") + int.from_bytes(header[28:30], "little"), 1)
            packed = file.read(info.compress_size)
        with pyarrow.CompressedInputStream(pyarrow.BufferReader(packed), "zstd") as stream:
            data = stream.read(info.file_size + 1)
        if len(data) != info.file_size or zlib.crc32(data) != info.CRC:
            raise OSError("its content is not what its checksum says")
        return data
