"""Bugs nobody wrote: small changes of the source by rule, as `mutants.py --generate N` plants them.

A change keeps the types (a comparison turned or made strict, `and` for `or`, a number by one, a condition turned or
left out, two arguments exchanged, a statement left out), so that it is an assertion that has to notice, and not the
interpreter. Some change nothing that anybody could see; the list of survivors is for a person to read.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

from planted import Bug

PACKAGES = ("rlvr", "verifiers")
Change: TypeAlias = tuple[ast.expr | ast.stmt, str]
"""What is replaced, and by which text."""
COMPARISONS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<=", ast.LtE: "<", ast.Gt: ">=", ast.GtE: ">", ast.Eq: "!=", ast.NotEq: "==",
    ast.In: "not in", ast.NotIn: "in", ast.Is: "is not", ast.IsNot: "is",
}  # fmt: skip
ARITHMETIC: dict[type[ast.operator], str] = {ast.Add: "-", ast.Sub: "+", ast.Mult: "/", ast.Div: "*"}
OPPOSITE = {"min": "max", "max": "min", "any": "all", "all": "any"}
SAID = ("say", "show", "warn", "debug", "info", "warning")
"""Calls whose words no test has to know."""


def draw(tree: Path, rooms: Sequence[str], count: int, seed: int = 0) -> list[Bug]:
    """So many changes by chance in the files below `tree` whose names begin with one of `rooms`; a file has as many
    as it has places to change."""
    names = (str(file.relative_to(tree)) for room in PACKAGES for file in (tree / room).rglob("*.py"))
    files = {
        name: (tree / name).read_text("utf-8")
        for name in sorted(names)
        if f"{name}/".startswith(tuple(rooms))
    }
    places = [(name, change) for name, source in files.items() for change in changes(source)]
    found: list[Bug] = []
    for name, change in random.Random(seed).sample(places, len(places)):
        if len(found) == count:
            break
        bug = _bug(name, files[name], change)
        try:
            bug.planted(tree)
        except ValueError:  # it is no longer Python, or says the same
            continue
        found.append(bug)
    return found


def changes(source: str) -> list[Change]:
    """Every place of a file where one of the rules applies."""
    tree = ast.parse(source)
    return [change for node in _running(tree) for change in _of(node)]


def _running(node: ast.AST) -> Iterator[ast.AST]:
    """Nodes that run and decide something: no annotations, no words of errors, no `if TYPE_CHECKING`."""
    if isinstance(node, (ast.Raise, ast.Assert, ast.Import, ast.ImportFrom, ast.JoinedStr)):
        return
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    call = node.value if isinstance(node, ast.Expr) else node
    if isinstance(call, ast.Call) and getattr(call.func, "attr", "") in SAID:
        return
    yield node
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "decorator_list", "bases"):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield from _running(child)


def _of(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Compare(left=left, ops=[op], comparators=[right]) if type(op) in COMPARISONS:
            yield node, f"{ast.unparse(left)} {COMPARISONS[type(op)]} {ast.unparse(right)}"
        case ast.BoolOp(op=op, values=[first, *rest]):
            other = "or" if isinstance(op, ast.And) else "and"
            yield node, "(" + f" {other} ".join(f"({ast.unparse(value)})" for value in node.values) + ")"
            yield node, f"({ast.unparse(first)})"
            yield node, f"({ast.unparse(rest[-1])})"
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            yield node, f"bool({ast.unparse(operand)})"
        case ast.BinOp(left=left, op=op, right=right) if type(op) in ARITHMETIC:
            if not any(_joins(side) for side in (left, right)):
                yield node, f"({ast.unparse(left)} {ARITHMETIC[type(op)]} {ast.unparse(right)})"
        case ast.Constant(value=bool(value)):
            yield node, str(not value)
        case ast.Constant(value=int(value)):
            yield node, str(value + 1)
        case ast.Constant(value=float(value)):
            yield node, repr(value * 2 or 0.5)
        case ast.IfExp(test=test, body=body, orelse=orelse):
            yield node, f"({ast.unparse(orelse)} if {ast.unparse(test)} else {ast.unparse(body)})"
        case ast.If(test=test) | ast.While(test=test) if not isinstance(
            test, (ast.Compare, ast.BoolOp, ast.UnaryOp)
        ):
            yield test, f"not ({ast.unparse(test)})"
        case ast.comprehension(ifs=[test]):
            yield test, "True"
        case ast.Call(func=ast.Name(id=name)) if name in OPPOSITE:
            yield node.func, OPPOSITE[name]
        case ast.Call(args=[first, second]) if not any(isinstance(arg, ast.Starred) for arg in node.args):
            yield first, ast.unparse(second)
        case ast.Continue():
            yield node, "break"
        case ast.Break():
            yield node, "continue"
        case ast.AugAssign() | ast.Expr(value=ast.Call()):
            yield node, "pass"


def _joins(side: ast.expr) -> bool:
    """`+` puts text or lists together: another operator is an error at once, which proves nothing."""
    text = isinstance(side, ast.Constant) and isinstance(side.value, (str, bytes))
    return text or isinstance(side, (ast.JoinedStr, ast.List, ast.Tuple))


def _bug(file: str, source: str, change: Change) -> Bug:
    """The change as a planted bug: its `find` is as many lines around it as occur once."""
    node, new = change
    lines = source.encode().splitlines(keepends=True)
    first, last = node.lineno - 1, node.end_lineno or node.lineno
    before, after = lines[first][: node.col_offset], lines[last - 1][node.end_col_offset :]
    old = b"".join(lines[first:last])[len(before) : -len(after) or None].decode()
    replace = before + new.encode() + after
    top, bottom = first, last
    while source.encode().count(b"".join(lines[top:bottom])) > 1:
        top, bottom = max(top - 1, 0), min(bottom + 1, len(lines))
    whole = b"".join(lines[top:first]) + replace + b"".join(lines[last:bottom])
    words = f"line {node.lineno}: {_short(old)} is now {_short(new)}"
    return Bug("generated", file, words, b"".join(lines[top:bottom]).decode(), whole.decode())


def _short(code: str) -> str:
    code = " ".join(code.split())
    return code if len(code) <= 80 else code[:77] + "…"
