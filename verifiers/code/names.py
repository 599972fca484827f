"""Which names of assertion-style tests are functions of the program, and which are not the program's to define.

Tests use names that they do not define: the function to be tested, a second function of the task, a module that they
forgot to import, a helper that the data set left out. Only the first two belong to the program: one that could also
define `math` or `is_close` would decide what its answers are compared with.
"""

from __future__ import annotations

import ast
import builtins
import functools
import re
import symtable
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from verifiers.code.formats import BadReferenceError

_OPEN_ENDED = {"exec", "eval", "globals", "locals", "vars", "setattr"}
"""Whoever calls one of these may define names that no table shows."""


@dataclass(frozen=True)
class TestNames:
    """The names that tests use without defining them."""

    __test__ = False  # not a class of tests, whatever its name

    functions: frozenset[str]
    """Those that are the program's."""
    modules: frozenset[str]
    """Those of the standard library, to be imported for the tests."""
    program_modules: frozenset[str] = frozenset()
    """Modules that the tests import and that are the program."""
    exceptions: frozenset[str] = frozenset()
    """Names of the program that the tests use as exceptions."""
    classes: frozenset[str] = frozenset()
    """Names of the program that are classes, as the prompt or the tests' use of them says."""
    packages: frozenset[str] = frozenset()
    """Other modules that the tests import."""


@functools.lru_cache(maxsize=256)
def read_names(test_code: str, setup: str, prompt: str, entry: str) -> TestNames:
    """Sort the names that `test_code` uses and neither it nor `setup` defines.

    The program's are `entry`, names that the prompt gives as code (`name`, name(…), def name), and names that an
    assertion calls without calling another of these: `assert g(5) == 6` tests g, `assert near(f(2), 4)` does not test
    near. Raises BadReferenceError for a name that is none of these and no module of the standard library either.
    """
    functions = {"candidate", entry.split(".")[0]}
    try:
        tree = ast.parse(test_code)
        used, defined = _globals(test_code)
        given = _globals(setup)[1]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return TestNames(frozenset(functions), frozenset())  # running them will say what is wrong with them
    missing = {name for name in used - defined - given - functions if not _is_builtin(name)}
    bases = {_name(node.value) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    called = _called(tree)
    imports = _Imports.of(tree, entry.split(".")[0])
    functions |= imports.names
    modules = (missing & sys.stdlib_module_names & bases) - called
    missing -= modules
    shown = _without_tests(prompt, test_code)
    functions |= {name for name in missing if _given_as_code(name, shown)}
    functions |= _tested_alone(tree, missing | functions) | _compared(tree, missing | functions) & missing
    unknown = missing - functions
    if unknown and not (_OPEN_ENDED & used or _imports_all(tree) or _imports_all(ast.parse(setup))):
        raise BadReferenceError(
            f"reference['test_code'] cannot be run: {min(unknown)!r} is defined neither by the tests nor by the "
            "prompt, and it is not a function that they test"
        )
    exceptions = {name for node in ast.walk(tree) for name in _caught(node)} & functions
    return TestNames(
        frozenset(functions),
        frozenset(modules),
        frozenset(imports.program),
        frozenset(exceptions),
        frozenset(_classes(tree, prompt) & functions),
        frozenset(imports.others),
    )


def _classes(tree: ast.AST, prompt: str) -> set[str]:
    """Names that are classes: the prompt says so, or they have a capital and the tests use attributes of them or of
    what calling them gives."""
    found = set(re.findall(r"\bclass\s+[`'\"*]*(\w+)", prompt)) | set(
        re.findall(r"(\w+)[`'\"*]*\s+class\b", prompt)
    )
    made, used = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            made |= {ast.unparse(target): _name(node.value.func) for target in node.targets}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            base = node.value
            used |= {
                _name(base),
                _name(base.func) if isinstance(base, ast.Call) else made.get(ast.unparse(base), ""),
            }
        elif isinstance(node, ast.Call) and _name(node.func) == "isinstance" and len(node.args) == 2:
            found |= _names_in(node.args[1])
    return found | {name for name in used if name[:1].isupper()}


@dataclass(frozen=True)
class _Imports:
    """What tests import: modules that are the program, names from them, and other modules."""

    program: frozenset[str]
    names: frozenset[str]
    others: frozenset[str]

    @staticmethod
    def of(tree: ast.AST, entry: str) -> _Imports:
        """A module is the program where the entry comes from it, or where it is called as the graders call it."""
        program, names, others = set(), set(), set()
        used = {(_name(n.value), n.attr) for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                given = {alias.name for alias in node.names}
                if node.module in _PROGRAMS or (entry in given and not _is_library(node.module)):
                    program.add(node.module)
                    names |= given - {"*"}
                else:
                    others.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Import):
                for alias in node.names:
                    name = alias.asname or alias.name
                    owns = (name, entry) in used and not _is_library(alias.name)
                    (program if alias.name in _PROGRAMS or owns else others).add(alias.name)
        names |= {attribute for module, attribute in used if module in program}
        return _Imports(frozenset(program), frozenset(names), frozenset(n.partition(".")[0] for n in others))


_PROGRAMS = ("solution", "candidate", "submission", "your_module", "your_solution", "my_solution")


def _is_library(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names


def _caught(node: ast.AST) -> set[str]:
    """Names that are used as exceptions: `except X`, `raises(X)`, `assertRaises(X, …)`."""
    if isinstance(node, ast.ExceptHandler) and node.type is not None:
        return _names_in(node.type)
    if isinstance(node, ast.Call) and node.args:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else _name(node.func)
        if name in ("raises", "assertRaises", "assertRaisesRegex", "issubclass"):
            return _names_in(node.args[0])
    return set()


def _names_in(node: ast.AST) -> set[str]:
    return {name.id if isinstance(name, ast.Name) else name.attr for name in ast.walk(node)
            if isinstance(name, ast.Name | ast.Attribute)}  # fmt: skip


def _globals(source: str) -> tuple[set[str], set[str]]:
    """Global names that are used, and that are defined, anywhere in `source`."""
    used: set[str] = set()
    defined: set[str] = set()
    pending = [symtable.symtable(source, "tests.py", "exec")]
    for table in pending:  # grows while it is read
        pending += table.get_children()
        for symbol in table.get_symbols():
            if table.get_type() != "module" and not symbol.is_global():
                continue
            if symbol.is_referenced():
                used.add(symbol.get_name())
            if symbol.is_assigned() or symbol.is_imported() or symbol.is_namespace():
                defined.add(symbol.get_name())
    return used, defined


def _is_builtin(name: str) -> bool:
    return hasattr(builtins, name) or name.startswith("__")


def _name(node: ast.AST) -> str:
    return node.id if isinstance(node, ast.Name) else ""


def _called(*nodes: ast.AST) -> set[str]:
    """Names that are called directly within `nodes`."""
    return {_name(node.func) for top in nodes for node in ast.walk(top) if isinstance(node, ast.Call)}


def _without_tests(prompt: str, test_code: str) -> str:
    """The prompt without the tests that it shows."""
    tests = {line.strip() for line in test_code.split("\n")}
    return "\n".join(line for line in prompt.split("\n") if line.strip() not in tests)


def _given_as_code(name: str, prompt: str) -> bool:
    word = re.escape(name)
    return re.search(rf"`{word}\b|\b(?:def|class) +{word}\b|\b{word}\(", prompt) is not None


def _tested_alone(tree: ast.AST, candidates: set[str]) -> set[str]:
    """The candidates that an assertion calls without calling another one."""
    found = [_called(node) & candidates for node in _assertions(tree)]
    return {name for names in found if len(names) == 1 for name in names}


def _compared(tree: ast.AST, candidates: set[str]) -> set[str]:
    """The candidates whose result an assertion compares with a value that none of them had a hand in.

    `assert dec(enc("x")) == "x"` tests dec too: it can pass by the right value alone. What says True, or that a
    difference is 0, may not.
    """
    found: set[str] = set()
    for node in _assertions(tree):
        test = node.test if isinstance(node, ast.Assert) else None
        if isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Eq) and len(test.ops) == 1:
            for here, there in ((test.left, test.comparators[0]), (test.comparators[0], test.left)):
                named = {_name(inner) for inner in ast.walk(there)} & candidates
                says = isinstance(there, ast.Constant) and (there.value is None or there.value in (0, 1))
                if isinstance(here, ast.Call) and not named and not says:
                    found.add(_name(here.func))
    return found & candidates


def _assertions(tree: ast.AST) -> Iterator[ast.AST]:
    """`assert …`, `self.assertEqual(…)`, and the body of `with pytest.raises(…)` or `self.assertRaises(…)`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert) or (
            isinstance(node, ast.Call) and _method(node).startswith("assert")
        ):
            yield node
        elif isinstance(node, ast.With) and any(
            _method(item.context_expr) in ("raises", "assertRaises", "assertRaisesRegex")
            for item in node.items
        ):
            yield from node.body


def _method(node: ast.AST) -> str:
    return node.func.attr if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def _imports_all(tree: ast.AST) -> bool:
    return any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in ast.walk(tree))
