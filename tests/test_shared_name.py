"""Another package on PyPI has the import name `verifiers`: installed with rlvr in both orders, wheel and editable."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPO

ORDERS = [(kind, order) for kind in ("wheel", "editable") for order in ("theirs first", "ours first")]
FILES = {
    "verifiers/__init__.py": "class Rubric:\n    pass\n",
    "verifiers/types.py": "class Messages:\n    pass\n",
    "verifiers/registry.py": "raise RuntimeError('theirs')\n",
    "verifiers-0.1.14.dist-info/METADATA": "Metadata-Version: 2.1\nName: verifiers\nVersion: 0.1.14\n",
    "verifiers-0.1.14.dist-info/WHEEL": (
        "Wheel-Version: 1.0\nGenerator: hand\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    ),
}


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory) -> Path:
    """A wheel of the other package: what it shares with ours is the name."""
    wheel = tmp_path_factory.mktemp("theirs") / "verifiers-0.1.14-py3-none-any.whl"
    record = "".join(
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},"
        f"{len(text.encode())}\n"
        for name, text in FILES.items()
    )
    with zipfile.ZipFile(wheel, "w") as file:
        for name, text in FILES.items():
            file.writestr(name, text)
        file.writestr("verifiers-0.1.14.dist-info/RECORD", record + "verifiers-0.1.14.dist-info/RECORD,,\n")
    return wheel


@pytest.fixture(scope="module")
def ours(tmp_path_factory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("ours")
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), str(REPO)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"the wheel cannot be built here: {done.stderr.strip()[-300:]}")
    return next(folder.glob("rlvr-*.whl"))


class Environment:
    """A fresh environment that borrows the dependencies of this one, and nothing else of it."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=False)
        self.folder, self.bin = folder, folder / "bin"
        self.site = Path(
            self.python("-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip()
        )
        (self.site / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")

    def run(self, *command: str, **options) -> subprocess.CompletedProcess[str]:
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "COV"))}
        options.setdefault("cwd", self.folder)
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            capture_output=True,
            text=True,
            check=False,
            env=clean | {"OMP_NUM_THREADS": "1"},
            **options,
        )

    def python(self, *words: str, **options) -> subprocess.CompletedProcess[str]:
        return self.run("python", *words, **options)

    def install(self, *what: str) -> None:
        words = ["--python", str(self.bin / "python"), "install", "-q", "--no-deps", *what]
        done = subprocess.run(
            [sys.executable, "-m", "pip", *words], capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"pip cannot install {what} here: {done.stderr.strip()[-300:]}")


@pytest.fixture(scope="module", params=ORDERS, ids=lambda param: ", ".join(param))
def both(request, tmp_path_factory, stand_in: Path, ours: Path) -> Environment:
    kind, order = request.param
    environment = Environment(tmp_path_factory.mktemp("both"))
    own = [str(ours)] if kind == "wheel" else ["-e", str(REPO)]
    for what in ([str(stand_in)], own) if order == "theirs first" else (own, [str(stand_in)]):
        environment.install(*what)
    return environment


ROWS = [{"response": "\\boxed{1/2}", "reference": "0.5"}, {"response": "\\boxed{3}", "reference": "0.5"}]


def score(environment: Environment, *words: str, cwd: Path) -> list[float | None]:
    (cwd / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    done = environment.run("rlvr", "score", "rows.jsonl", "--verifier", *words, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["score"] for line in done.stdout.splitlines()]


@pytest.mark.slow
def test_both_work_side_by_side(both: Environment, tmp_path: Path):
    """The verbs, their workers and a verifier of one's own use ours; what imports the short name alone gets theirs."""
    assert score(both, "math", cwd=tmp_path) == [1.0, 0.0]
    (tmp_path / "own.py").write_text(
        "from verifiers import Verdict\n"
        "from verifiers.types import Verdict as Same\n"
        "def own(problem, response):\n"
        "    assert Verdict is Same\n"
        "    return Verdict(0.5, 'incorrect')\n"
    )
    assert score(both, "own:own", cwd=tmp_path) == [0.5, 0.5]
    checked = both.run("rlvr", "check")
    assert checked.returncode == 0, checked.stderr
    assert "another package named 'verifiers' (0.1.14) is installed" in checked.stdout
    theirs = both.python("-c", "import verifiers; print(verifiers.Rubric.__module__, verifiers.__file__)")
    assert theirs.stdout.split() == ["verifiers", str(both.site / "verifiers" / "__init__.py")]
    ours = both.python(
        "-c", "import rlvr, verifiers; print(verifiers.score.__module__); import rlvr.evaluation"
    )
    assert ours.stdout.split() == ["verifiers.registry"], ours.stderr
    for name, text in FILES.items():  # no file of theirs was touched
        if "dist-info" not in name:
            assert (both.site / name).read_text() == text


@pytest.mark.slow
def test_a_process_that_has_imported_the_other_is_told_in_one_sentence(both: Environment):
    done = both.python("-c", "import verifiers, rlvr")
    assert done.returncode != 0
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: this process has imported the package `verifiers` of ")
    assert "in a process of its own" in last and "rlvr score -" in last
    missing = both.python("-c", "import rlvr, verifiers; verifiers.Rubric")
    assert "no attribute 'Rubric'; another package named 'verifiers' (0.1.14)" in missing.stderr


@pytest.mark.slow
def test_alone_the_short_import_is_ours_and_removing_the_other_leaves_it_whole(
    tmp_path: Path, ours: Path, stand_in: Path
):
    environment = Environment(tmp_path / "alone")
    environment.install(str(ours))
    said = "import verifiers, verifiers.math; print(verifiers.score.__module__, 'rlvr' in __import__('sys').modules)"
    assert environment.python("-c", said).stdout.split() == ["verifiers.registry", "False"]
    same = "import verifiers.types as a, rlvr, verifiers; print(a.Verdict is verifiers.Verdict)"
    assert environment.python("-c", same).stdout.strip() == "True"
    environment.install(str(stand_in))
    words = ["--python", str(environment.bin / "python"), "uninstall", "-q", "-y", "verifiers"]
    subprocess.run([sys.executable, "-m", "pip", *words], check=True, capture_output=True)
    assert environment.python("-c", said).stdout.split() == ["verifiers.registry", "False"]
    with zipfile.ZipFile(ours) as wheel:
        names = wheel.namelist()
    assert "verifiers.py" in names and "rlvr/bundled/verifiers/registry.py" in names
    assert not [name for name in names if name.startswith("verifiers/") or "__pycache__" in name]


@pytest.mark.slow
def test_the_readmes_line_runs_as_it_stands_from_any_folder(tmp_path: Path, ours: Path):
    """`rlvr score responses.jsonl --verifier my_verifiers:Palindrome`, by the console script, without PYTHONPATH."""
    import re

    readme = (REPO / "README.md").read_text(encoding="utf-8")
    code = re.search(r"<!-- plug-in -->\n```python\n(.*?)```", readme, re.S)
    line = re.search(r"^rlvr score responses\.jsonl --verifier my_verifiers:Palindrome", readme, re.M)
    assert code and line
    environment = Environment(tmp_path / "env")
    environment.install(str(ours))
    work = tmp_path / "work"
    work.mkdir()
    (work / "my_verifiers.py").write_text(code[1])
    rows = [{"response": "noon", "reference": 4}, {"response": "soon", "reference": 4}]
    for folder in (work, tmp_path):
        (folder / "responses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = environment.run(*line[0].split(), cwd=work)
    assert done.returncode == 0, done.stderr
    assert [json.loads(text)["score"] for text in done.stdout.splitlines()] == [1.0, 0.0]
    other = environment.run(*line[0].split(), cwd=tmp_path)
    assert other.returncode == 2 and "No module named 'my_verifiers'" in other.stderr
