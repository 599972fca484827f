"""Planted bugs: what planted_bugs/*.yaml lists, for `mutants.py` to try.

Each entry names a file, the bug as a user would see it, a text that occurs once in the file, and what takes its place.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

BUGS = Path(__file__).with_name("planted_bugs")
ROOMS = {
    "rlvr/analysis": "analysis exact report",
    "rlvr/config": "test_config*.py test_wrong_configs.py test_grid.py test_check.py test_source_lists.py contracts",
    "rlvr/environments": "test_environment*.py training/test_turns.py contracts/test_environment_keys.py "
    "contracts/test_steering_keys.py",
    "rlvr/evidence": "test_evidence*.py test_prompts.py test_check.py contracts/test_evidence_keys.py",
    "rlvr/exact": "exact worlds",
    "rlvr/files.py": "test_files.py test_rollouts.py test_run*.py test_hostile_files.py",
    "rlvr/launch": "test_launch*.py test_busy_machine.py test_shards.py test_srun.py test_run.py "
    "test_processes.py test_faults.py test_awkward.py",
    "rlvr/elsewhere": "test_elsewhere*.py",
    "rlvr/levers": "test_levers*.py",
    "rlvr/outlook.py": "test_outlook.py test_check.py",
    "rlvr/preflight": "test_preflight_parts.py test_plan*.py test_check.py test_outlook.py test_estimate.py "
    "test_data.py contracts/test_[jr]*.py",
    "rlvr/problems": "test_problem*.py test_data.py test_evidence.py test_awkward.py contracts/test_problem_keys.py",
    "rlvr/report": "report test_show.py test_listing.py test_report_verb.py",
    "rlvr/rollouts": "test_rollouts.py test_files.py test_importers*.py test_hostile_files.py report",
    "rlvr/run.py": "test_run*.py test_grid.py test_faults.py test_awkward.py contracts/test_run_keys.py",
    "rlvr/sampling": "sampling contracts/test_[es]*.py",
    "rlvr/sweep.py": "test_run_goes_on.py test_sweep.py test_grid.py",
    "rlvr/theory": "theory worlds exact",
    "rlvr/training": "training contracts",
    "rlvr/worlds": "worlds exact",
    "rlvr": "test_*.py contracts report/test_way_in.py",
    "verifiers/code": "verifiers/test_code*.py verifiers/test_field_code.py verifiers/test_table_[cs]*.py",
    "verifiers/extract": "verifiers/test_extract*.py verifiers/test_table_extract*.py verifiers/test_math*.py "
    "verifiers/test_forms.py verifiers/test_code_program.py",
    "verifiers/math": "verifiers/test_math*.py verifiers/test_field_math.py verifiers/test_pairs.py "
    "verifiers/test_table_[nv]*.py",
    "verifiers/pool": "verifiers/test_pool*.py verifiers/test_reg*.py verifiers/test_sc*.py verifiers/test_table_j*.py "
    "contracts/test_j*.py",
    "verifiers/reasoning": "verifiers/test_reasoning*.py verifiers/test_table_reasoning*.py "
    "verifiers/test_backtracking.py verifiers/test_pairs.py",
    "verifiers": "verifiers/test_[bps]*.py verifiers/test_f[ou]*.py verifiers/test_conf*.py verifiers/test_reg*.py "
    "verifiers/test_table_j*.py",
}
"""The tests (below tests/) that answer for a room: its own, and those of the rooms around it. The longest
name counts."""


@dataclass(frozen=True)
class Bug:
    set: str
    """The name of the list that it is from."""
    file: str
    bug: str
    find: str
    replace: str

    @property
    def room(self) -> str:
        """The longest entry of ROOMS that contains the file."""
        return max((room for room in ROOMS if (self.file + "/").startswith(room + "/")), key=len)

    @property
    def is_python(self) -> bool:
        """Else it is a template or a script of the page, which no test is known to run line by line."""
        return self.file.endswith(".py")

    def planted(self, tree: Path) -> str:
        """The text of its file with the bug; refused where it cannot be planted."""
        name = f"{self.set}: {self.file}: {self.bug}"
        source = (tree / self.file).read_text(encoding="utf-8") if (tree / self.file).is_file() else ""
        if (count := source.count(self.find)) != 1:
            raise ValueError(f"{name}: `find` occurs {count} times, expected once")
        text = source.replace(self.find, self.replace)
        if not self.is_python:
            return text
        try:
            if ast.dump(ast.parse(text)) == ast.dump(ast.parse(source)):
                raise ValueError(f"{name}: changes nothing that runs")
        except SyntaxError as error:
            raise ValueError(f"{name}: {error}") from None
        return text

    def lines(self, tree: Path) -> set[int]:
        """The lines of the statements that it changes; for lines that are put in, of those before and after."""
        source = (tree / self.file).read_text(encoding="utf-8")
        old, new = source.splitlines(), self.planted(tree).splitlines()
        found: set[int] = set()
        for kind, low, high, _, _ in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
            if kind != "equal":
                found |= set(range(low + 1, high + 1)) or {low, low + 1}
        if not self.is_python:
            return found
        statements = [header(node) for node in ast.walk(ast.parse(source)) if isinstance(node, ast.stmt)]
        return found.union(*(span for span in statements if found & set(span)))


def header(node: ast.stmt) -> range:
    """The lines of a statement; of one with a body, those before the body."""
    body: list[ast.stmt] = getattr(node, "body", [])
    last = body[0].lineno - 1 if body else node.end_lineno or node.lineno
    return range(node.lineno, max(last, node.lineno) + 1)


def read_bugs(files: Iterable[Path]) -> list[Bug]:
    lists = {file.stem: yaml.safe_load(file.read_text(encoding="utf-8")) or [] for file in files}
    return [Bug(name, **entry) for name, entries in lists.items() for entry in entries]
