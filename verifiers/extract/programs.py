"""Finding the program in a response: fenced code blocks, other marks around code, or code by itself.

Which block is the program, where there are several: the last one tagged as Python, with the earlier ones whose names it
uses (a helper above the solution, a solution above its usage or tests); a draft that it does not use is no part of it.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from verifiers.extract.tags import inside_tags

__all__ = ["last_program"]

MAX_RESPONSE = 4 << 20
"""A longer response (characters) holds no program."""
MAX_PARSED = 1 << 17
"""Longer blocks (characters) are not looked into."""

_FENCE = re.compile(r"([ \t>]*(?:(?:[-*+]|\d{1,3}[.)])[ \t]+)?)(`{3,}|~{3,})[ \t]*([^`]*)$")
_ONE_LINE = re.compile(r"[ \t>]*(`{3,})[ \t]*(\w[\w.]*)[ \t]+([^`\n]+)`{3,}[ \t]*$")
_PYTHON = re.compile(r"(?:i?python|py|pycon|pypy|cpython|sage|sagemath)[\d.]*")
_MARKED = re.compile(
    r"(?:\[(?:BEGIN|PYTHON|CODE)\]|<(?:python|code)>)[ \t]*\n?(.*?)"
    r"(?:\[DONE\]|\[/(?:PYTHON|CODE)\]|</(?:python|code)>|\Z)",
    re.DOTALL,
)
_CODE_LINE = re.compile(
    r"^[ \t]{0,40}(?:(?:def|class|async def|import|from)[ ]\w+|(?:return|print|for|while|if|with|try)\b.*[:)\]\w]$"
    r"|\w[\w.,\[\] ]{0,80}[-+*/]?=[^=])",
    re.M,
)


def last_program(response: str) -> str | None:
    """The program in a response; None if there is none.

    In the last answer tag, if code stands there, else in the whole text, that is: the last complete block tagged
    python, py, ipython, … with the earlier ones that it uses; else the last complete untagged block that looks like
    code; else what [PYTHON] or [BEGIN] marks; else a last block that is never closed, if it is whole Python (a stop
    string may have eaten its end); else, where there are no fences, the text itself if it looks like code, without the
    prose around it. A fence is closed by at least as many of the same character.
    """
    if len(response) > MAX_RESPONSE:
        return None
    text = response.replace("\ufeff", "") if "\ufeff" in response else response
    if (tag := inside_tags(text, 0)) is not None and _in_prose(text, tag[2]):
        inner = _program(text[tag[0] : tag[1]].strip("\n"))
        if inner is not None:
            return inner
    return _program(text)


def _in_prose(text: str, at: int) -> bool:
    """Whether a tag begins a line, and no fence is open there."""
    return not text[:at].rpartition("\n")[2].strip() and text.count("```", 0, at) % 2 == 0


def _program(text: str) -> str | None:
    blocks = list(_blocks(text))
    for tagged in (True, False):
        complete = [b.text for b in blocks if b.closed and (b.python if tagged else not b.tag)]
        if complete:
            looking = [block for block in complete if tagged or _CODE_LINE.search(block)]
            return _with_used(looking or complete)
    if marked := [found[1] for found in _MARKED.finditer(text) if found[1].strip()]:
        return marked[-1]
    if blocks:
        return _unclosed(blocks[-1])
    return _without_prose(text) if _CODE_LINE.search(text) else None


# --- fences -------------------------------------------------------------------------------------------------


@dataclass
class _Block:
    prefix: str
    fence: str
    tag: str
    lines: list[str] = field(default_factory=list)
    closed: bool = False

    @property
    def python(self) -> bool:
        return _PYTHON.fullmatch(self.tag) is not None

    @property
    def text(self) -> str:
        """Its program. Of an interactive session that is what was typed."""
        first = next((line for line in self.lines if line.strip()), "")
        lines = self.lines
        if first.startswith(">>> "):
            lines = [line[4:] for line in lines if line.startswith((">>> ", "... "))]
        return "\n".join(lines) + "\n"

    def closed_by(self, prefix: str, fence: str, info: str) -> bool:
        near = len(prefix) <= len(self.prefix) + 3  # an indented fence belongs to a docstring
        return not info and near and fence.startswith(self.fence)

    def add(self, line: str) -> None:
        """Append a line without the indentation, or the quote marks, of the fence."""
        at = 0
        while at < len(self.prefix) and at < len(line) and line[at] in " \t>":
            at += 1
        self.lines.append(line[at:])


def _blocks(text: str) -> Iterator[_Block]:
    """Every fenced block, in the order of their ends; those that are never closed come last, or where that is seen."""
    stack: list[_Block] = []
    for raw in text.split("\n"):
        line = raw.rstrip("\r")
        fenced = "```" in line or "~~~" in line
        match = _FENCE.match(line) if fenced else None
        prefix, fence, info = match.groups() if match else ("", "", "")
        info = info.strip()
        top = stack[-1] if stack else None
        if match and top and top.closed_by(prefix, fence, info):
            top.closed = True
            yield stack.pop()
        elif match and (top is None or _opens_inside(top, prefix, fence, info)):
            if top is not None and top.python:  # that one was never closed
                yield stack.pop()
            stack.append(_Block(prefix, fence, _tag(info)))
            continue
        elif top is None and fenced and (one := _ONE_LINE.match(line)) and _PYTHON.fullmatch(one[2].lower()):
            yield _Block("", one[1], one[2].lower(), [one[3].rstrip()], closed=True)
        for block in stack:
            block.add(line)
    yield from stack


def _tag(info: str) -> str:
    return re.split(r"[\s{},:;]+", info.lstrip("{."), maxsplit=1)[0].lower()


def _opens_inside(top: _Block, prefix: str, fence: str, info: str) -> bool:
    """Whether a fence within a block begins a program: always in prose, and in a program if it cannot be text."""
    if not _PYTHON.fullmatch(_tag(info)):
        return False
    return not top.python or (fence.startswith(top.fence) and len(prefix) <= len(top.prefix) + 3)


def _unclosed(block: _Block) -> str | None:
    """The program of a block without its end, or with its end behind the last line of code; None if it is cut off."""
    if block.tag and not block.python:
        return None
    for at, line in enumerate(block.lines):
        if line.rstrip().endswith(block.fence):
            code = "\n".join([*block.lines[:at], line.rstrip()[: -len(block.fence)]]) + "\n"
            if _tree(code) is not None:
                return code
    tree = _tree(block.text)
    return block.text.rstrip("\n") + "\n" if tree is not None and tree.body else None


# --- blocks that use each other -----------------------------------------------------------------------------


def _with_used(blocks: Sequence[str]) -> str:
    """The last block, after the earlier ones that define what it, or one of these, uses and does not define."""
    if len(blocks) == 1 or (names := _Names.of(blocks[-1])) is None:
        return blocks[-1]
    used, missing = [len(blocks) - 1], names.missing
    for at in range(len(blocks) - 2, -1, -1):
        if not missing:
            break
        found = _Names.of(blocks[at])
        if found is not None and found.defined & missing:
            used.append(at)
            missing = (missing - found.defined) | found.missing
    return "\n".join(blocks[at] for at in reversed(used))


@dataclass(frozen=True)
class _Names:
    """What a block defines at its top, and what it uses and binds nowhere."""

    defined: frozenset[str]
    missing: frozenset[str]

    @classmethod
    def of(cls, code: str) -> _Names | None:
        """None if it is not Python."""
        tree = _tree(code)
        if tree is None:
            return None
        nodes = list(ast.walk(tree))
        bound = {name for node in nodes for name in _bound(node)}
        loaded = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        top = {name for statement in tree.body for name in _at_the_top(statement)}
        return cls(frozenset(top), frozenset(loaded - bound - _BUILTINS))


_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__"}


def _bound(node: ast.AST) -> Iterator[str]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.ExceptHandler(name=str(name)):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.alias(name=name, asname=other):
            yield other or name.split(".")[0]
        case _:
            pass


def _at_the_top(statement: ast.stmt) -> Iterator[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield statement.name
    else:
        for node in ast.walk(statement):
            yield from _bound(node)


def _tree(code: str) -> ast.Module | None:
    if len(code) > MAX_PARSED:
        return None
    try:
        return ast.parse(code)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return None


# --- code without marks -------------------------------------------------------------------------------------

_BEGINS = re.compile(r"^(?:from [\w.]+ import |import \w|(?:async )?def \w+\(|class \w+|@\w)", re.M)
_MOST_CUTS = 5


def _without_prose(text: str) -> str:
    """`text` without the prose before its first definition and after the code, if the rest is Python; else as it is."""
    begins = _BEGINS.search(text)
    if begins is None or _tree(text) is not None:
        return text
    head = text[: begins.start()]
    if not any(line and not line[0].isspace() and line[0] != "#" for line in head.split("\n")):
        head = ""  # a function's body, or nothing
    code = text[len(head) :]
    for _ in range(_MOST_CUTS):
        try:
            ast.parse(code[:MAX_PARSED])
        except SyntaxError as error:
            lines = code.split("\n")[: max(0, (error.lineno or 1) - 1)]
            code = "\n".join(lines) + "\n"
            if not _BEGINS.search(code):
                return text
        except (ValueError, MemoryError, RecursionError):
            return text
        else:
            return code
    return text
