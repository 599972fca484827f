"""Packages beside the standard library: seen at every level, by every user, and nothing else with them."""

import importlib.util
import json

import pytest
import strangers

from verifiers import BadOption, load
from verifiers.code import CodeVerifier, sandbox
from verifiers.code.packages import MissingPackageError, locate
from verifiers.types import Problem

AVAILABLE = sandbox.LEVELS[: sandbox.LEVELS.index(sandbox.level()) + 1]
PROBLEM = Problem("p", "", {"entry": "f", "tests": [{"args": [2], "expected": 4}], "time_limit": 20})
USES_IT = "import shelf.inner\ndef f(x):\n    return shelf.inner.double(x)\n"
WRITES = "import shelf\ndef f(x):\n    open(shelf.__file__, 'a').write('x')\n    return 2 * x\n"


@pytest.fixture
def folder(tmp_path):
    """A folder with a package of two modules, one of which is a link to elsewhere, and a module."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "__init__.py").write_text("import single\n")
    (elsewhere / "inner.py").write_text("def double(x):\n    return 2 * x\n")
    found = tmp_path / "packages"
    found.mkdir()
    (found / "shelf").symlink_to(elsewhere)
    (found / "single.py").write_text("")
    return found


@pytest.mark.parametrize("level", AVAILABLE)
def test_a_folder_of_packages_is_seen_and_cannot_be_changed(folder, level):
    with_it = CodeVerifier(level=level, allow_weak=True, packages=[str(folder)])
    without = CodeVerifier(level=level, allow_weak=True)
    tests = Problem(
        "p", "", {"entry": "f", "test_code": "import shelf.inner\nassert f(2) == shelf.inner.double(2)"}
    )
    try:
        assert with_it.verify(PROBLEM, "", USES_IT).score == 1.0
        assert with_it.verify(tests, "", "def f(x):\n    return x + x\n").score == 1.0
        assert without.verify(PROBLEM, "", USES_IT).score == 0.0
        if level != "weak":
            assert with_it.verify(PROBLEM, "", WRITES).score == 0.0
    finally:
        with_it.close()
        without.close()


@pytest.mark.parametrize("level", AVAILABLE)
def test_nothing_else_of_the_environment_comes_with_a_package(level):
    verifier = CodeVerifier(level=level, allow_weak=True, packages=["sortedcontainers"])
    program = "def f(x):\n    import sortedcontainers, {}\n    return 2 * x\n"
    try:
        assert verifier.verify(PROBLEM, "", program.format("math")).score == 1.0
        assert verifier.verify(PROBLEM, "", program.format("torch")).score == 0.0
        assert verifier.verify(PROBLEM, "", program.format("yaml")).score == 0.0
    finally:
        verifier.close()


@pytest.mark.skipif(importlib.util.find_spec("numpy") is None, reason="numpy is not installed")
@pytest.mark.parametrize("level", AVAILABLE)
def test_numpy_works_in_programs_tests_and_checkers(level):
    verifier = CodeVerifier(level=level, allow_weak=True, packages=["numpy"])
    program = "def f(x):\n    return float((np.eye(200) * x @ np.ones((200, 200))).max()) * 2\n"
    checker = "import numpy\ndef check(input, expected, output):\n    return bool(numpy.isclose(output, expected))\n"
    try:
        assert verifier.verify(PROBLEM, "", program).score == 1.0
        checked = Problem("p", "", {**PROBLEM.reference, "checker": checker})
        assert verifier.verify(checked, "", program).score == 1.0
        assert verifier.verify(checked, "", "def f(x):\n    return 5\n").score == 0.0
    finally:
        verifier.close()


ARRAYS = "import numpy as np\nassert f(np.array([1, 2])) == 3\nassert np.array_equal(f(np.eye(2)), 2)\n"
RESULTS = {
    "import numpy as np\ndef f(x):\n    return np.int64(x) * 2\n": 4,
    "import numpy as np\ndef f(x):\n    return np.arange(x)\n": [0, 1],
    "from sortedcontainers import SortedList\ndef f(x):\n    return SortedList([x, 1])\n": [1, 2],
    "from sympy import Integer\ndef f(x):\n    return Integer(x) ** 2\n": 4,
}


@pytest.mark.skipif(not all(map(importlib.util.find_spec, ("numpy", "sympy"))), reason="not installed")
def test_values_of_packages_count_as_what_they_hold():
    verifier = CodeVerifier(allow_weak=True, packages=["numpy", "sortedcontainers", "sympy"])
    try:
        for program, expected in RESULTS.items():
            reference = {"entry": "f", "tests": [{"args": [2], "expected": expected}], "time_limit": 30}
            verdict = verifier.verify(Problem("p", "", reference), "", program)
            assert verdict.score == 1.0, verdict
        arrays = Problem("p", "", {"entry": "f", "test_code": ARRAYS, "time_limit": 30})
        assert verifier.verify(arrays, "", "def f(x):\n    return x.sum()\n").score == 1.0
        assert verifier.verify(arrays, "", "def f(x):\n    return x\n").score == 0.0
    finally:
        verifier.close()


def test_what_a_package_requires_comes_with_it():
    pytest.importorskip("pandas")
    assert {"pandas", "numpy", "dateutil"} <= locate(["pandas"]).keys()


def test_a_package_is_found_by_the_name_of_its_module():
    pytest.importorskip("yaml")
    assert "yaml" in locate(["yaml"]) and "yaml" in locate(["PyYAML"])


@pytest.mark.parametrize(
    ("packages", "words"),
    [
        (["no_such_package"], "pip install no_such_package"),
        (["./no/such/folder"], "no folder"),
        ("numpy", "a list"),
        ([3], "a list"),
    ],
)
def test_what_is_not_there_is_named_before_the_run(packages, words):
    with pytest.raises(MissingPackageError, match=words):
        locate(packages)
    with pytest.raises(BadOption, match="packages"):
        load("code", packages=packages)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(MissingPackageError, match="nothing"):
        locate([str(tmp_path)])


@pytest.mark.skipif(sandbox.level() == "weak", reason="the sandbox is weak here")
def test_a_user_without_rights_sees_them_too(folder):
    python = strangers.needed_python()
    script = """
import json, sys
from verifiers.code import CodeVerifier
from verifiers.types import Problem
problem, program, folder = json.loads(sys.argv[1])
verifier = CodeVerifier(level="standard", packages=[folder])
print(verifier.verify(Problem("p", "", problem), "", program).score)
verifier.close()
"""
    with strangers.checkout() as checkout:
        for part in ("packages", "elsewhere"):
            (checkout / part).mkdir()
            for file in (folder.parent / part).glob("*.py"):
                (checkout / part / file.name).write_text(file.read_text())
        (checkout / "packages/shelf").symlink_to(checkout / "elsewhere")
        for path in checkout.rglob("*"):
            path.chmod(0o755 if path.is_dir() else 0o644)
        words = json.dumps([PROBLEM.reference, USES_IT, str(checkout / "packages")])
        done = strangers.run([python, "-B", "-c", script, words], cwd=checkout)
    assert done.stdout.strip() == "1.0", done.stderr
