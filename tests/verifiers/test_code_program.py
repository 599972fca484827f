"""Cutting the program out of a response, and completing a body."""

import ast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.growth import growth
from verifiers.code.program import complete, preamble, source_problem
from verifiers.extract import cut, last_program

BLOCK = "```python\nx = 1\n```"


@pytest.mark.parametrize(
    ("response", "program"),
    [
        (BLOCK, "x = 1\n"),
        ("```python\nx = 0\n```\nNo:\n" + BLOCK + "\ndone", "x = 1\n"),
        ("```py\nx = 1\n```", "x = 1\n"),
        ("```Python3\nx = 1\n```", "x = 1\n"),
        ("```PY3\r\nx = 1\r\n```\r\n", "x = 1\n"),
        ("~~~python\nx = 1\n~~~", "x = 1\n"),
        ("1. Step\n\n   ```python\n   def f():\n       return 1\n   ```", "def f():\n    return 1\n"),
        ("- ```python\n  x = 1\n  ```", "x = 1\n"),
        ("> ```python\n> x = 1\n> ```", "x = 1\n"),
        ("````markdown\n```python\nx = 1\n```\n````", "x = 1\n"),
        ("````python\ns = '''\n```\n'''\n````", "s = '''\n```\n'''\n"),
        (
            '```python\ndef f():\n    """\n    ```\n    f()\n    ```\n    """\n```',
            'def f():\n    """\n    ```\n    f()\n    ```\n    """\n',
        ),
        ("```\nx = 1\n```", "x = 1\n"),
        ("```\nx = 0\n```\n" + BLOCK + "\n```\n1\n```", "x = 1\n"),
        (BLOCK + "\n```text\nout\n```", "x = 1\n"),
        (BLOCK + "\n```python\nx = 2\n", "x = 1\n"),
        ("```python\nx = 2\nI stop here.\n" + BLOCK, "x = 1\n"),
        ("```python\nx = 2\n", "x = 2\n"),  # a stop string ate its end
        ("```python\nx = 2\ny = (x +", None),  # the token limit did
        ("```python\ndef f():\n    return 1```\nThis works.", "def f():\n    return 1\n"),
        ("```python x = 1```", "x = 1\n"),
        ("Here: ```x = 1```", None),
        ("\ufeff```python\nx = 1\n```", "x = 1\n"),
        ("```ipython\nx = 1\n```", "x = 1\n"),
        ("```python3.11\nx = 1\n```", "x = 1\n"),
        ("```{.python .numberLines}\nx = 1\n```", "x = 1\n"),
        ("```pycon\n>>> x = 1\n>>> x\n1\n```", "x = 1\nx\n"),
        ("[PYTHON]\nx = 1\n[/PYTHON]", "x = 1\n"),
        ("[BEGIN]\nx = 1\n[DONE]\n", "x = 1\n"),
        ("<answer>\nx = 1\n</answer>", "x = 1"),
        ("Draft:\n" + BLOCK + "\n<answer>\nx = 2\n</answer>", "x = 2"),
        ("```python\nprint('<answer>')\nx = 2\n```", "print('<answer>')\nx = 2\n"),
        ("It adds.\n\ndef f(x):\n    return x\n\nThat is all.", "def f(x):\n    return x\n\n"),
        ("```\nx = 1\n```\nIt prints\n```\n3\n```", "x = 1\n"),
        ("<think>\n```python\nx = 0\n```\n</think>\nx = 1\n", "\nx = 1\n"),
        ("<think>\n```python\nx = 0\n```", None),
        ("```text\nx = 2\n```", None),
        ("```json\n{}\n```", None),
        ("The answer is four.", None),
        ("", None),
        ("    return a + b\n", "    return a + b\n"),
        ("def f(x):\n    return x\n", "def f(x):\n    return x\n"),
        ("<think>\n```python\nx = 0\n```\n</think>\n" + BLOCK, "x = 1\n"),
        ("```python\ns = '``'\n```", "s = '``'\n"),
        ("```python\n```", "\n"),
    ],
)
def test_the_last_complete_program(response, program):
    assert cut(response, "code").answer == program
    if "<think>" not in response:
        assert last_program(response) == program


HELPER, SOLUTION = "def plus(a, b):\n    return a + b\n", "def add(a, b):\n    return plus(a, b)\n"
TESTS, DRAFT = "assert add(1, 2) == 3\n", "def add(a, b):\n    return a - b\n"


def typed(program: str) -> str:
    """An interactive session in which `program` was typed, each statement with some output."""
    lines, session = program.splitlines(), []
    for statement in ast.parse(program).body:
        first = min([statement.lineno, *(each.lineno for each in getattr(statement, "decorator_list", []))])
        body = lines[first - 1 : statement.end_lineno]
        session += [f"{'... ' if at else '>>> '}{line}" for at, line in enumerate(body)] + ["...", "[17]"]
    return "\n".join(session)


@pytest.mark.parametrize("tag", ["python", "pycon", ""])
@pytest.mark.parametrize(
    "program",
    [
        HELPER + SOLUTION + TESTS,
        "import functools\n@functools.cache\ndef f(x):\n    if x:\n        return 1\n    return 0\n",
        "class A:\n    x = 1\n\n    def f(self):\n        return self.x\n",
        "for k in range(3):\n    k += 1\nelse:\n    k = 0\n",
        "x = [\n    1,\n    2,\n]\ntry:\n    x[5]\nexcept IndexError:\n    pass\n",
    ],
)
def test_the_program_of_a_session_is_all_that_was_typed(program, tag):
    found = last_program(f"```{tag}\n{typed(program)}\n```")
    assert found is not None and ast.dump(ast.parse(found)) == ast.dump(ast.parse(program)), found


@pytest.mark.parametrize(
    ("blocks", "program"),
    [
        ([HELPER, SOLUTION], HELPER + "\n" + SOLUTION),
        ([HELPER, SOLUTION, TESTS], HELPER + "\n" + SOLUTION + "\n" + TESTS),
        ([DRAFT, HELPER, SOLUTION], HELPER + "\n" + SOLUTION),
        ([HELPER, DRAFT], DRAFT),
        ([SOLUTION, DRAFT, TESTS], DRAFT + "\n" + TESTS),
        ([SOLUTION, "add = lambda a, b: 0\n"], "add = lambda a, b: 0\n"),
        (["import math\n", "print(math.pi)\n"], "import math\n\nprint(math.pi)\n"),
        ([HELPER, "def add(a, b: return"], "def add(a, b: return\n"),
    ],
)
def test_a_last_block_brings_along_what_it_uses(blocks, program):
    response = "\n".join(f"Part:\n```python\n{block.strip()}\n```" for block in blocks)
    assert cut(response, "code").answer == program


@given(st.text(alphabet="`~p y\n>-1.", max_size=200))
@settings(deadline=None, max_examples=300, derandomize=True)
def test_no_text_breaks_it(text):
    assert all(line.strip() in text for line in (last_program(text) or "").splitlines())


@pytest.mark.serial
@pytest.mark.parametrize(
    "text",
    [
        "```python\n" * 100_000,
        "`" * 2_000_000,
        "> " * 1_000_000,
        "x = " * 500_000,
        "\n" * 2_000_000,
        "a " * 1_000_000,
        "a\n" * 1_000_000,
    ],
)
def test_hostile_texts_cost_no_more_than_their_length(text):
    assert growth(last_program, text) < 28  # linear: 8, quadratic: 64


@pytest.mark.parametrize(
    ("source", "word"), [("x\0", "null"), ("'\ud800'", "surrogates"), ("#" * (2 << 20), "bytes")]
)
def test_sources_refused_before_compiling(source, word):
    assert word in (source_problem(source) or "")
    assert source_problem("x = 'é'") is None


PROMPT = 'import math\n\ndef helper(x):\n    return x\n\ndef f(x: int) -> int:\n    """Do."""\n'


def compiles(source):
    try:
        compile(source, "program", "exec")
    except SyntaxError:
        return False
    return True


def run(sources, call):
    space: dict = {}
    source = next(source for source in sources if compiles(source))
    exec(source, space)
    return eval(call, space)


@pytest.mark.parametrize(
    "program",
    [
        "def f(x):\n    return math.floor(helper(x))\n",
        "    return math.floor(helper(x))\n",
        "return math.floor(helper(x))\n",
        "\n    # think\n    return x\n",
        "f = lambda x: helper(x)\n",
        "from __future__ import annotations\ndef f(x):\n    return x\n",
        PROMPT + "    return x\n",
        "x += 1\n    return helper(x - 1)",
        "for i in range(9):\n        if i == x:\n            return i\n    return 0\n",
        "    return x\n\nThis gives x back, and nothing else.\n",
        "return x\n\nThis gives x back, and nothing else.\n",
        "if x:\n        return x\n    return 0\n\nThat's it.\n",
        "if x:\n    return x\nreturn 0\n",
        "\treturn helper(x)\n",
    ],
)
def test_a_completion_becomes_a_program(program):
    assert run(complete(program, PROMPT, "f"), "f(3)") == 3


def test_a_prose_prompt_adds_nothing():
    assert complete("x = 1\n", "Write f(x), please.", "f") == ["x = 1\n"]
    assert preamble("Write f(x), please.", "f") == ""


def test_helpers_of_the_prompt_are_kept_without_the_stub():
    assert run([preamble(PROMPT, "f")], "helper(2)") == 2
    assert "def f" not in preamble(PROMPT, "f")
