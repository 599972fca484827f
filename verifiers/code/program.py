"""A program before it runs: limits on its source, and completing one that is only a function's body."""

from __future__ import annotations

import ast
import functools
import re
import textwrap

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

    Empty if the prompt is prose or does not define `entry`.
    """
    tree = _tree(prompt)
    if tree is None:
        return ""
    names = {getattr(node, "name", None) for node in tree.body}
    if entry not in names:
        return ""
    kept = [
        node for node in tree.body if getattr(node, "name", None) != entry and not isinstance(node, ast.Expr)
    ]
    return "".join(ast.unparse(node) + "\n" for node in kept)


def complete(program: str, prompt: str, entry: str) -> str:
    """`program`, completed by the prompt if it is only the body of the function that the prompt begins."""
    head = entry.split(".")[0]
    if re.search(rf"^(async\s+def|def|class)\s+{re.escape(head)}\b|^{re.escape(head)}\s*[:=]", program, re.M):
        before = preamble(prompt, head)
        return program if "__future__" in program else before + program
    if not re.search(rf"^[ \t]*(def|class)\s+{re.escape(head)}\b", prompt, re.M) or _tree(prompt) is None:
        return program
    first = next((line for line in program.split("\n") if line.strip()), "")
    body = program if first[:1] in (" ", "\t") else textwrap.indent(program, "    ")
    return prompt.rstrip("\n") + "\n" + body


@functools.lru_cache(maxsize=256)
def _tree(prompt: str) -> ast.Module | None:
    """The prompt as Python, even if the body of its last function is missing; None for prose."""
    for text in (prompt, prompt.rstrip() + "\n    pass\n"):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None
