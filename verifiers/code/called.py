"""Whose tests these are: the function that Python text calls, which it neither defines nor imports."""

from __future__ import annotations

import ast
import builtins
import sys
from collections import Counter

from verifiers.code.formats import BadReferenceError


def called_function(tests: str, solution: str = "") -> str:
    """The name under test: what is imported from a module that is no library, else what most statements call.

    Of a `solution` that is known only names that it defines count, if the tests call any (MBPP has a function `sum`).

    Raises BadReferenceError.
    """
    try:
        tree = ast.parse(tests)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise BadReferenceError(f"its assertions are not valid Python ({error})") from None
    nodes = list(ast.walk(tree))
    imported = [
        alias.name
        for node in nodes
        if isinstance(node, ast.ImportFrom) and not is_library(node.module)
        for alias in node.names
        if alias.name != "*"
    ]
    taken = set(dir(builtins)) | set(_bound(nodes))
    calls = [name for node in nodes if (name := _called(node)) is not None]
    own = _defined(solution)
    counted = Counter(name for name in calls if name in own) or Counter(
        name for name in calls if name in imported or name not in taken
    )
    if counted:
        return counted.most_common(1)[0][0]  # of several, the one that is called first
    passed = [node.id for node in nodes if isinstance(node, ast.Name) and node.id not in taken]
    if imported or passed:  # `check(function)`
        return [*imported, *passed][0]
    raise BadReferenceError("its assertions do not call a function")


def _defined(solution: str) -> set[str]:
    """What a program defines at its top level; nothing if it cannot be read."""
    try:
        body = ast.parse(solution).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return set()
    return set(_bound([node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)]))


def is_library(module: str | None) -> bool:
    """Whether a module is of the standard library, or one that tests use beside it."""
    top = (module or "").partition(".")[0]
    return top in sys.stdlib_module_names or top in ("numpy", "pytest", "pandas", "sympy", "scipy", "torch")


def _called(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    target = node.func
    while isinstance(target, ast.Attribute):
        if isinstance(target.value, ast.Name) and target.value.id == "solution":
            return target.attr
        target = target.value.func if isinstance(target.value, ast.Call) else target.value
    return target.id if isinstance(target, ast.Name) else None


def _bound(nodes: list[ast.AST]) -> list[str]:
    names = []
    for node in nodes:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.arg):
            names.append(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.append(node.id)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names += [(alias.asname or alias.name).partition(".")[0] for alias in node.names]
    return names
