"""Where in a response an answer stands: the trace is all before it, of any length, and what follows takes nothing away;
of a program: in which fences, at which indentation, inside of what."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.extract import cut
from verifiers.extract.programs import last_program

PROPERTY = settings(deadline=None, derandomize=True, max_examples=60)

# --- announcements ----------------------------------------------------------------------------------------

SAID = [  # (the words before it in its line, the announcement, what it says)
    ("The ", "answer is 12.", "12"), ("**", "Answer:** 12", "12"), ("", "Answer: $12$", "12"), ("", "#### 12", "12"),
    ("So the final ", "answer is therefore 12, as required.", "12"), ("", "$12$ is the answer.", "12"),
    ("Option ", "B is correct.", "B"), ("I ", "choose (C).", "C"), ("", "答案：12", "12"),
    ("The ", "correct option is D.", "D"),
    ("", "**12** is our final answer", "12"), ("", "Final result: 12", "12"), ("", "My pick is A.", "A"),
]  # fmt: skip
TALK = "Then we look at the sum of both sides and find nothing new in them."


def long(size: int, ending: str) -> str:
    """So many characters of lines that announce nothing."""
    lines = [TALK] * (size // len(TALK) + 1)
    return "\n".join(lines)[:size].rstrip() + ending if size else ""


@pytest.mark.parametrize(("lead", "said", "answer"), SAID)
def test_the_trace_is_all_that_stands_before_an_announcement(lead: str, said: str, answer: str) -> None:
    for size in (0, 60, 249, 251, 1_500, 19_000, 30_000):
        before = long(size, "\n") + lead
        for after in ("", "\n", "\n\n", "\n" + long(60, ""), "\n" + long(300, ""), "\n" + long(3_000, "\n")):
            found = cut(before + said + after)
            assert (found.trace, found.answer) == (before.rstrip(), answer), (size, after[:70])
    assert cut(long(60, "\n") + lead + said + "\n" + long(25_000, "")).answer is None  # too far from the end


@pytest.mark.parametrize(("lead", "said", "answer"), SAID)
@pytest.mark.parametrize(
    ("first", "other", "letter"),
    [("The ", "answer is 99.", "99"), ("", "Answer: 99", "99"), ("Option ", "J is right.", "J")],
)
def test_of_two_announcements_the_later_one_counts(
    lead: str, said: str, answer: str, first: str, other: str, letter: str
) -> None:
    for between in ("\n", "\n\n" + long(70, "\n"), "\n" + long(400, "\n")):
        before = f"{lead}{said}{between}{first}"
        found = cut(before + other)
        assert (found.trace, found.answer) == (before.rstrip(), letter)
        before = f"{first}{other}{between}{lead}"
        found = cut(before + said)
        assert (found.trace, found.answer) == (before.rstrip(), answer)


IN_A_LINE = [
    entry for entry in SAID if entry[0] in ("The ", "So the final ", "Option ", "I ") or "pick" in entry[1]
]


@pytest.mark.parametrize("one", IN_A_LINE)
@pytest.mark.parametrize("two", IN_A_LINE)
def test_of_two_announcements_in_one_line_the_later_one_counts(
    one: tuple[str, ...], two: tuple[str, ...]
) -> None:
    before = f"{one[0]}{one[1]} {two[0]}"
    found = cut(before + two[1].replace("12", "99"))
    assert (found.trace, found.answer) == (before.rstrip(), two[2].replace("12", "99"))


@pytest.mark.parametrize("inner", ["12", "$12$", "**12**", "The answer is 12.", "Work\n\nThe answer is 12.",
                                   "\\boxed{12}", "We add.\n\\boxed{12}", "$$12$$", "`12`"])  # fmt: skip
def test_what_stands_in_a_tag_is_the_answer_and_what_stands_before_it_the_trace(inner: str) -> None:
    for before in ("", "The answer is 99.\n", "#### 99\n" + long(300, "\n"), "First <answer>99</answer>\n"):
        found = cut(f"{before}<answer>{inner}</answer>")
        assert found.answer == "12", before
        assert found.trace.startswith(before.rstrip())


# --- programs ---------------------------------------------------------------------------------------------

PYTHON = ["python", "py", "Python", "python3", "ipython", "{.python}", 'python title="a.py"', "pypy3.10"]
OTHER = ["bash", "text", "json", "c++", "pythonic", "diff"]
PREFIXES = ["", "  ", "   ", "> ", "    "]
FENCES = ["```", "````", "~~~", "~~~~~"]


def program(n: int) -> str:
    return f"def f{n}(x):\n    y = x + {n}\n    return y\n"


def fenced(code: str, tag: str, fence: str = "```", prefix: str = "", end: bool = True) -> str:
    lines = [f"{fence}{tag}", *code.rstrip("\n").split("\n"), *([fence] if end else [])]
    return "\n".join(f"{prefix}{line}".rstrip() for line in lines) + "\n"


blocks = st.lists(
    st.tuples(st.sampled_from([*PYTHON, *OTHER, ""]), st.sampled_from(FENCES), st.sampled_from(PREFIXES)),
    min_size=1, max_size=4,
)  # fmt: skip


@PROPERTY
@given(blocks, st.sampled_from(["", "\n", "Then:\n\n"]))
def test_the_last_python_block_is_the_program_else_the_last_one_without_a_language(
    made: list[tuple[str, str, str]], between: str
) -> None:
    text = between.join(fenced(program(n), *each) for n, each in enumerate(made))
    python = [n for n, (tag, *_) in enumerate(made) if tag in PYTHON]
    plain = [n for n, (tag, *_) in enumerate(made) if not tag]
    expected = program((python or plain)[-1]) if python or plain else None
    assert last_program(text) == last_program(text.replace("\n", "\r\n")) == expected
    assert last_program(text + "\nThat is all.") == expected


@pytest.mark.parametrize("tag", PYTHON)
def test_a_program_inside_of_another_block(tag: str) -> None:
    for outer in ("markdown", "text", "bash"):
        inside = f"Before\n{fenced(program(1), tag)}After\n"
        assert last_program(f"````{outer}\n{inside}````\n") == program(1)
        assert last_program(fenced(program(2), "python") + f"````{outer}\n{inside}````\n") == program(1)
        assert last_program(f"````{outer}\n{inside}````\n" + fenced(program(2), "python")) == program(2)
    other = fenced(program(1), "bash")
    assert last_program(f"````text\n{other}````\n") is None


@pytest.mark.parametrize(
    ("outer", "inner"), [("```", "~~~"), ("````", "```"), ("~~~~", "~~~"), ("~~~", "```")]
)
def test_a_fence_of_another_kind_within_a_program_is_text_of_it(outer: str, inner: str) -> None:
    for tag in ("", "text", "python"):
        code = f'A = """\n{inner}{tag}\nx = 1\n{inner}\n"""\n' + program(3)
        assert last_program(fenced(code, "python", outer)) == code


def test_an_indented_fence_within_a_program_belongs_to_its_docstring() -> None:
    for tag in ("", "python", "text"):
        code = f'def f(x):\n    """\n    ```{tag}\n    f(1)\n    ```\n    """\n    return x\n'
        for prefix in PREFIXES:
            assert last_program(fenced(code, "python", "```", prefix)) == code, (tag, prefix)


@pytest.mark.parametrize("fence", FENCES)
@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_program_that_was_never_closed_gives_way_to_the_next_and_is_read_where_it_is_whole(
    fence: str, prefix: str
) -> None:
    begun = fenced(program(1), "python", fence, prefix, end=False)
    assert last_program(begun) == program(1)
    assert last_program(begun + fenced(program(2), "python", fence, prefix)) == program(2)
    assert last_program(fenced(program(2), "python", fence, prefix) + begun) == program(2)
    assert last_program(begun + f"{prefix}def g(") is None
    assert last_program(fenced(program(1), "bash", fence, prefix, end=False)) is None
    assert (
        last_program(fenced(program(1) + f"z = 1{fence}", "python", fence, prefix, end=False))
        == program(1) + "z = 1\n"
    )
