"""A program before it runs: limits on its source, and completing one that is only a function's body."""

from __future__ import annotations

import ast
import functools
import re
import textwrap

MAX_SOURCE = 1 << 20  # bytes


def source_problem(source: str) -> str | None:
    """Why a program is refused before anything is compiled, or None."""
    try:
        size = len(source.encode())
    except UnicodeEncodeError:
        return "the program holds characters that are not text (lone surrogates)"
    if size > MAX_SOURCE:
        return f"the program has {size} bytes; at most {MAX_SOURCE} are run"
    if "\0" in source:
        return "the program holds a null character"
    return None


@functools.lru_cache(maxsize=256)
def preamble(prompt: str, entry: str) -> str:
    """What a prompt that is Python code defines before and beside `entry`: imports and helper functions.

    Empty when the prompt is prose, or does not define `entry`.
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
    """A whole program from `program`, which may be only the body of the function that a code prompt begins."""
    head = entry.split(".")[0]
    if re.search(rf"^(async\s+def|def|class)\s+{re.escape(head)}\b|^{re.escape(head)}\s*[:=]", program, re.M):
        before = preamble(prompt, head)
        return program if "__future__" in program else before + program
    if not re.search(rf"^\s*(def|class)\s+{re.escape(head)}\b", prompt, re.M) or _tree(prompt) is None:
        return program
    first = next((line for line in program.split("\n") if line.strip()), "")
    body = program if first[:1] in (" ", "\t") else textwrap.indent(program, "    ")
    return prompt.rstrip("\n") + "\n" + body


@functools.lru_cache(maxsize=256)
def _tree(prompt: str) -> ast.Module | None:
    """The prompt as Python, whether its last function has a docstring or nothing yet; None for prose."""
    for text in (prompt, prompt.rstrip() + "\n    pass\n"):
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None
