"""Every key of the configuration is read by the program; none is only validated and written out.

Types are followed through the source (annotations, assignments, attributes), so that `curve.seed` does not count for
`problems.train.seed`. A reader that this cannot follow needs an annotation.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from pydantic import BaseModel

import rlvr
from rlvr.config import Config

Types = dict[str, dict[str, str]]
"""Class → attribute → class of its value (of its elements, where it is a container)."""


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for part in parts(field.annotation):
            yield from sections(part)


def parts(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from parts(inner)


def keys() -> set[str]:
    """`Section.key` of everything that is a value, not a section."""
    return {
        f"{section.__name__}.{name}"
        for section in sections(Config)
        for name, field in section.model_fields.items()
        if not list(parts(field.annotation))
    }


class Reader(ast.NodeVisitor):
    """Collects the attributes of known classes that a module reads, and the classes of its own attributes."""

    def __init__(self, types: Types, read: set[str]) -> None:
        self.types, self.read = types, read
        self.names: dict[str, str] = {}
        self.inside: str | None = None

    def annotated(self, annotation: ast.expr | None) -> str | None:
        if annotation is None:
            return None
        if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
            annotation = ast.parse(annotation.value, mode="eval").body
        found = (node.id for node in ast.walk(annotation) if isinstance(node, ast.Name))
        return next((name for name in found if name in self.types), None)

    def type_of(self, value: ast.expr) -> str | None:
        match value:
            case ast.Name(id="self"):
                return self.inside
            case ast.Name(id=name):
                return self.names.get(name)
            case ast.Attribute(value=base, attr=attribute):
                return self.types.get(self.type_of(base) or "", {}).get(attribute)
            case ast.Call(func=ast.Name(id=name)) if name in self.types:
                return name
            case ast.BoolOp(values=values):
                return next((found for found in map(self.type_of, values) if found), None)
            case _:
                return None

    def bind(self, target: ast.expr, found: str | None, value: ast.expr | None = None) -> None:
        match target, value:
            case (ast.Tuple(elts=targets), ast.Tuple(elts=values)) if len(targets) == len(values):
                for part, given in zip(targets, values, strict=True):
                    self.bind(part, self.type_of(given), given)
            case ast.Name(id=name), _:
                self.names.pop(name, None)
                if found:
                    self.names[name] = found
            case ast.Attribute(value=ast.Name(id="self"), attr=attribute), _ if found and self.inside:
                self.types[self.inside].setdefault(attribute, found)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        outer, self.inside = self.inside, node.name
        own = self.types.setdefault(node.name, {})
        for base in node.bases:
            if isinstance(base, ast.Name):
                own |= {k: v for k, v in self.types.get(base.id, {}).items() if k not in own}
        self.generic_visit(node)
        self.inside = outer

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        outer = dict(self.names)
        arguments = node.args
        for argument in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs):
            self.bind(ast.Name(argument.arg), self.annotated(argument.annotation))
        self.generic_visit(node)
        self.names = outer

    def visit_Assign(self, node: ast.Assign) -> None:
        self.generic_visit(node)
        for target in node.targets:
            self.bind(target, self.type_of(node.value), node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.generic_visit(node)
        found = self.annotated(node.annotation)
        if found and self.inside and isinstance(node.target, ast.Name):
            self.types[self.inside].setdefault(node.target.id, found)
        self.bind(node.target, found)

    def bind_element(self, target: ast.expr, iterable: ast.expr) -> None:
        match iterable, target:
            case ast.Call(func=ast.Name(id="enumerate"), args=[inner]), ast.Tuple(elts=[_, element]):
                self.bind(element, self.type_of(inner))
            case _:
                self.bind(target, self.type_of(iterable))

    def generic_visit(self, node: ast.AST) -> None:
        """A comprehension's variables are bound before what is made of them, which is written first."""
        for part in getattr(node, "generators", []):
            self.bind_element(part.target, part.iter)
        super().generic_visit(node)

    def visit_For(self, node: ast.For) -> None:
        self.bind_element(node.target, node.iter)
        self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        self.generic_visit(node)
        if isinstance(node.ctx, ast.Load) and (owner := self.type_of(node.value)):
            self.read.add(f"{owner}.{node.attr}")


def reads(modules: list[ast.Module]) -> set[str]:
    """Every `Class.attribute` that the modules read. Twice through, as a class may be declared after its reader."""
    types: Types = {section.__name__: {} for section in sections(Config)}
    for section in sections(Config):
        for name, field in section.model_fields.items():
            for part in parts(field.annotation):
                types[section.__name__][name] = part.__name__
    read: set[str] = set()
    for _ in range(2):
        for module in modules:
            Reader(types, read).visit(module)
    return read


def test_every_key_is_read_outside_of_the_configuration_itself():
    package = Path(rlvr.__file__).parent
    files = [
        file for file in sorted(package.rglob("*.py")) if "config" not in file.relative_to(package).parts
    ]
    unread = keys() - reads([ast.parse(file.read_text(encoding="utf-8")) for file in files])
    assert not unread, f"keys that nothing reads: {sorted(unread)}"


def test_a_key_is_not_read_by_somebody_elses_attribute_of_that_name():
    source = """
class Room:
    def __init__(self, config: Config) -> None:
        self.analysis, self.other = config.analysis, Curve()
    def figures(self):
        return self.analysis.search_budget, self.other.replicates, config.replicates
"""
    assert reads([ast.parse(source)]) >= {"AnalysisConfig.search_budget"}
    assert "AnalysisConfig.replicates" not in reads([ast.parse(source)])
