"""Programs of unusual shape that are right and must score 1: "name | call | value", or "name | stdin | stdout"."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def _read(name: str) -> dict[str, tuple[str, str, str]]:
    text = (Path(__file__).parent / "programs" / f"{name}.txt").read_text()
    parts = re.split(r"^#: (.*?) \| (.*) \| (.*)\n", text, flags=re.MULTILINE)[1:]
    return {parts[i]: (parts[i + 1], parts[i + 2], parts[i + 3]) for i in range(0, len(parts), 4)}


def _function(call: str, value: str, code: str) -> tuple[dict, str]:
    tree = ast.parse(call, mode="eval").body
    entry = next(node for node in ast.walk(tree) if isinstance(node, ast.Call))
    names = {"inf": float("inf")}
    args = [eval(compile(ast.Expression(arg), "", "eval"), {}) for arg in entry.args]
    expected = eval(value, names)
    if tree is not entry:  # "f(x) % m": a wrapper, so that the value stays short
        code += f"\ndef whole(*args):\n    return {call}\n"
        return {"entry": "whole", "tests": [{"args": [], "expected": expected}]}, code
    return {"entry": ast.unparse(entry.func), "tests": [{"args": args, "expected": expected}]}, code


def _program(given: str, expected: str, code: str) -> tuple[dict, str]:
    text = "".join(f"{i}\n" for i in range(60000)) if expected == "LINES" else ast.literal_eval(expected)
    return {"entry": None, "tests": [{"stdin": ast.literal_eval(given), "stdout": text}]}, code


ROWS: dict[str, tuple[dict, str]] = {name: _function(*row) for name, row in _read("honest_functions").items()}
ROWS |= {f"stdin {name}": _program(*row) for name, row in _read("honest_programs").items()}
"""Reference and program of each."""
