"""A program before it runs: limits on its source, and completing one that is only a function's body."""

from __future__ import annotations

import ast
import functools
import re
import textwrap
from collections.abc import Iterator

MAX_SOURCE = 1 << 20  # bytes


def source_problem(source: str) -> str | None:
    """Why a program is refused before it is compiled, or None."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        return "the program contains lone surrogates, which are not text"
    if size > MAX_SOURCE:
        return f"the program has {size} bytes; the limit is {MAX_SOURCE}"
    if "\0" in source:
        return "the program contains a null character"
    return None


@functools.lru_cache(maxsize=256)
def preamble(prompt: str, entry: str) -> str:
    """The imports and helper functions that a prompt of Python code defines beside `entry`.

    Empty if the prompt is prose. A prompt that does not define `entry` must begin with an import to count as code.
    """
    tree = _tree(prompt)
    if tree is None:
        return ""
    names = {getattr(node, "name", None) for node in tree.body}
    begins = tree.body[0] if tree.body else None
    if entry not in names and not isinstance(begins, (ast.Import, ast.ImportFrom)):
        return ""
    kept = [
        node for node in tree.body if getattr(node, "name", None) != entry and not isinstance(node, ast.Expr)
    ]
    return "".join(ast.unparse(node) + "\n" for node in kept)


def complete(program: str, prompt: str, entry: str) -> list[str]:
    """What `program` may be as a whole, the likeliest first; the first that compiles counts.

    That is one text, unless the program is only the body of the function that the prompt begins.
    """
    head = entry.split(".")[0]
    if re.search(rf"^(async\s+def|def|class)\s+{re.escape(head)}\b|^{re.escape(head)}\s*[:=]", program, re.M):
        return [program if "__future__" in program else preamble(prompt, head) + program]
    if not re.search(rf"^[ \t]*(def|class)\s+{re.escape(head)}\b", prompt, re.M) or _tree(prompt) is None:
        return [program]
    begun = prompt.rstrip("\n") + "\n"
    return [begun + body for body in _bodies(program)]


def _bodies(program: str) -> Iterator[str]:
    """The ways in which a program may be a function's body.

    As it is or indented as a whole (from any margin); with the first line's indentation lost, as `strip()` does it;
    each of them also with blanks for tabs, or without what follows the body, from the first line without a margin.
    """
    lines = program.strip("\n").split("\n")
    if lines[0][:1] in (" ", "\t"):
        ways = [lines, textwrap.indent(textwrap.dedent("\n".join(lines)), "    ").split("\n")]
    else:
        margins = [line[: len(line) - len(line.lstrip())] for line in lines[1:] if line.strip()]
        margin = min(filter(None, margins), key=len, default="    ")
        ways = [textwrap.indent(program, "    ").split("\n"), [margin + lines[0], *lines[1:]]]
    for way in ways:
        yield "\n".join(way) + "\n"
    for way in ways:
        yield "\n".join(way).expandtabs(4) + "\n"
    for way in ways:
        end = next((i for i, line in enumerate(way) if line.strip() and line[0] not in " \t"), len(way))
        yield "\n".join(way[:end]) + "\n"


@functools.lru_cache(maxsize=256)
def signature(text: str, entry: str) -> dict[str, str]:
    """Name → annotation ("" if none) of the parameters of `entry`, and of `return`, as a header in `text` has them.

    Empty if there is none. `text` may be prose that holds the header, `def f(self, head: ListNode) -> ListNode:`.
    """
    name = entry.split(".")[-1]
    header = (
        re.search(rf"\bdef\s+{re.escape(name)}\s*\([^()]*(?:\([^()]*\)[^()]*)*\)[^:\n]*:?", text)
        if name
        else None
    )
    if header is None:
        return {}
    try:
        (function,) = ast.parse(header[0].rstrip(":") + ": pass").body
    except (SyntaxError, ValueError):
        return {}
    if not isinstance(function, ast.FunctionDef):
        return {}
    parameters = [
        a for a in (*function.args.posonlyargs, *function.args.args) if a.arg not in ("self", "cls")
    ]
    found = {a.arg: ast.unparse(a.annotation) if a.annotation else "" for a in parameters}
    return found | {"return": ast.unparse(function.returns) if function.returns else ""}


@functools.lru_cache(maxsize=256)
def _tree(prompt: str) -> ast.Module | None:
    """The prompt as Python, even if the body of its last function is missing; None for prose."""
    for text in (prompt, prompt.rstrip() + "\n    pass\n"):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None
