"""Programs that try to be judged right, to get out, or to bring the judge down; every one must score 0.

Each is asked for `answer()`, or as "stdin …" to print, and what it should give is a secret in `@file@`. `@folder@`
may be written by anybody, `@port@` and `@name@` are listeners, `@pid@` is a process of this user.
"""

from __future__ import annotations

import re
from pathlib import Path


def _read(name: str) -> dict[str, str]:
    text = (Path(__file__).parent / "programs" / f"{name}.txt").read_text()
    parts = re.split(r"^#: (.*)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


PROGRAMS = _read("cheats") | _read("resources") | _read("escapes") | _read("variants")
