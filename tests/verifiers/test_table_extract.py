"""What the answer of a response is, by the rules of `extract.cut`: tables of responses."""

from __future__ import annotations

import pytest

from verifiers.extract import MARKS, cut, cut_for, has_box, last_program, opened_by, with_further
from verifiers.registry import load
from verifiers.types import Problem


def misread(rows: list[tuple[str, str | None]], answer_format: str = "boxed") -> list[str]:
    found = [(response, expected, cut(response, answer_format).answer) for response, expected in rows]
    return [
        f"{response!r}: {got!r}, not {expected!r}" for response, expected, got in found if got != expected
    ]


def test_boxes() -> None:
    rows: list[tuple[str, str | None]] = [
        (r"so \boxed{4}.", "4"), (r"\boxed {4}", "4"), (r"\fbox{4}", "4"), (r"\framebox{4}", "4"), (r"\framebox[2cm]{4}", "4"), ("\x08oxed{4}", "4"),
        (r"\boxed 4", "4"), (r"\boxed{\frac{1}{2}}", r"\frac{1}{2}"), (r"\boxed{3} then \boxed{4}", "4"), (r"\boxed{\boxed{4}}", r"\boxed{4}"),
        (r"\boxed{2} and \boxed{3}", "2, 3"), (r"\boxed{2}, \boxed{3}", "2, 3"), (r"$\boxed{2}$ or $\boxed{3}$", "2, 3"), (r"\boxed{2}; \boxed{3}", "2, 3"),
        (r"\boxed{2} as well as \boxed{3}", "2, 3"), (r"\boxed{2} & \boxed{3}", "2, 3"), (r"\boxed{2} and \boxed{2}", "2"), (r"\boxed{2}. Then \boxed{3}", "3"),
        (r"x = \boxed{2}, y = \boxed{3}", "x=2, y=3"), (r"x = \boxed{2}, x = \boxed{3}", "2, 3"), ("- \\boxed{2}\n- \\boxed{3}", "2, 3"),
        (r"-\boxed{4}", "-(4)"), (r"$-\boxed{4}$", "-(4)"), (r"5 - \boxed{4}", "4"), (r"x = -\boxed{4}", "-(4)"), (r"\boxed{2}^{3}", "(2)^{3}"), (r"\boxed{12} million", "12 million"),
        (r"\boxed{12} apples", "12"), (r"\boxed{4", None), (r"\boxed{3} and \boxed{4", None), (r"\boxed{}", None), (r"It is not \boxed{12}.", None),
        (r"It isn't \boxed{12} but \boxed{13}.", "13"), (r"never \boxed{12}", None), (r"\boxed{12}. Wait, that is wrong. The answer is 13.", "13"),
        (r"\boxed{12}. Hmm, that's incorrect.", None), (r"\boxed{12}. That is right.", "12"), (r"\boxed{12}. This was a mistake.", None),
        (r"\boxed{A < B}. Answer: D", "D"), (r"\boxed{5 \text{ since } x > 0}", "5"), (r"\boxed{There are 12 ways}", "12 ways"), (r"\boxed{\{1,2\}}", r"\{1,2\}"),
        (r"The answer is 5, so \boxed{6}", "6"), (r"\boxed{6}. So the answer is 5.", "6"), ("(a) \\boxed{1}\n(b) \\boxed{2}", "1, 2"),
        ("(a) \\boxed{1}\n(b) \\boxed{2}. No: \\boxed{3}", "1, 3"),
        (r"\boxed{\text{C}}", r"\text{C}"), (r"$\boxed{\mathbf{4}}$", r"\mathbf{4}"),
    ]  # fmt: skip
    assert not misread(rows)
    assert (
        has_box(r"a \boxed{1}")
        and has_box(r"\fbox")
        and has_box("\x08oxed{1}")
        and not has_box("a box")
        and not has_box("1")
    )


def test_announcements() -> None:
    rows: list[tuple[str, str | None]] = [
        (f"We compute 3 + 9.\n{said}", "12")
        for said in (
            "The answer is 12.", "The answer is: 12", "Answer: 12", "ANSWER: 12", "Final answer: 12", "**Answer:** 12", "**Answer: 12**", "The final answer is $12$.",
            "So the answer is 12, because 3 + 9 = 12.", "#### 12", "Therefore the answer is **12**.", "The answer equals 12.", "The answer would be 12.", "The answer must be 12.",
            "The answer comes out to 12.", "The answer works out to 12.", "Final result: 12", "The final result is 12.", "Answer - 12",
            "Answer -> 12", "Answer => 12", "Answer → 12", "Answer = 12", "Answer:\n12", "A: 12", "答案：12", "答案是12", "答案为12。", "ans: 12", "Ans. 12", "> Answer: 12",
            "Result: 12", "12 is the answer.", "**12** is the final answer.", "$12$ is our answer", "The correct answer is 12", "Hence, the answer to the problem is 12.", "# Answer: 12",
            "The answer, then, is 12.", "The answer is therefore 12.", "The answer is simply 12.", "So the answer is \\(12\\).", "So the answer is \\[12\\].", "The answer is `12`.",
            "The answer is indeed 12.", "The answer is 12, not 13.", "The answer is 12; the other root is rejected.", "The answer is 12 - as required.", "The answer is 12\n\nI hope this helps 13.",
            "The answer is 11. No: the answer is 12.", "Is the answer 12? The answer is 12.", "The answer is 12. Is that right?",
        )
    ]  # fmt: skip
    rows += [
        ("A: 11\nThe wrong answer is 11.\nThe answer is 12", "12"),
        ("The answer is 12. A tempting answer is 13.", "12"), ("The answer is 12. If the answer is 13, no.", "12"), ("The answer is 12. My initial answer was 13.", "12"),
        ("The answer is 12. So the answer is correct.", "12"), ("The answer is 12. The answer is reasonable.", "12"), ("The answer is 12. Is the answer 13?", "12"),
        ("#### 12\nAnswer: 13?", "12"), ("#### 12\nSome words", "12"), ("The answer is 12 or 13.", "12 or 13"), ("The answer is 12; otherwise 13", "12; otherwise 13"),
        ("The answer is", None), ("So the answer is:", None), ("First we count.\nThen we add them all up and wonder.", None), ("", None), ("   ", None),
        ("12", "12"), ("**12**", "12"), ("It is so.\n12", "12"), ("So we get it.\n**x = 12**", "x = 12"), ("Thus it must be **12**.", "12"), ("I do not know.", None),
        ("I can't tell.", None), ("We cannot determine it.", None), ("idk", None), ("No idea.", None), ("No", "No"), ("no solution", "no solution"),
        ("I", "I"), ("Option B is correct.", "B"), ("The correct option is (C).", "(C)"), ("I choose option D", "D"), ("So I would go with B.", "B"), ("We select A.", "A"),
        ("故选：C", "C"), ("选择 B", "B"), ("The best choice is E.", "E"), ("Statement A is true", "A"), ("My final choice: D", "D"), ("正确选项是 D", "D"),
        ('{"answer": 12}', "12"), ('{"answer": "12"}', "12"), ('{"final_answer": [1, 2]}', "1, 2"), ('{"answer": null}', None), ("{'answer': '12'}", "12"), ('{"a": 1, "answer": 12, "b": 3}', "12"),
        ("So we count.\nThe largest number is 34 then.", None), ("The answer is the largest n, which is 34.", "34"),
        ("The answer is that there are 12 ways.", "12 ways"), ("The answer is 12 dollars in total.", "12 dollars"),
    ]  # fmt: skip
    assert not misread(rows)


_TAGS = ("answer", "final answer", "final_answer", "solution", "ans", "response", "output", "result", "final")


def test_tags() -> None:
    rows: list[tuple[str, str | None]] = [(f"I add. <{tag}>12</{tag}>", "12") for tag in _TAGS]
    rows += [
        ("<answer>12", "12"), ("<answer>11</answer> <answer>12</answer>", "12"), ("<ANSWER>12</ANSWER>", "12"), ("[ANSWER]12[/ANSWER]", "12"),
        ("<|begin_of_solution|>12<|end_of_solution|>", "12"), ("<|begin_of_answer|>12<|end_of_answer|>", "12"), (r"<answer>\boxed{12}</answer>", "12"), (r"\boxed{11} <answer>12</answer>", "12"),
        (r"<answer>11</answer> so \boxed{12}", "12"), ("<answer>The answer is 12.</answer>", "12"), ("<answer></answer>", None), ("<answer>**12**</answer>", "12"),
        ("<answer>12</answer><|im_end|>", "12"), ("12<|im_end|>", "12"), ("12</s>", "12"), ("12<eos>", "12"), ("<s> 12", "12"), ("12<end_of_turn>", "12"), ("```\n12\n```", "12"), ("<answer>```\n12\n```</answer>", "12"),
        ('<answer id="1">12</answer>', "12"), ("<answers>12", "<answers>12"),
    ]  # fmt: skip
    assert not misread(rows)


_THOUGHTS = (
    "think thinking thought thoughts reasoning reason analysis scratchpad seed:think longcat_think thinking_process thought_process reflection "
    "chain_of_thought cot monologue inner_monologue internal_monologue inner_thoughts internal_thoughts"
)
_PAIRS = [(f"<{tag}>", f"</{tag}>") for tag in _THOUGHTS.split()] + [
    ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"), ("<|begin_of_thought|>", "<|end_of_thought|>"), ("<|START_THINKING|>", "<|END_THINKING|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"), ("<|im_start|>think", "<|im_start|>answer"), ("<|channel|>analysis", "<|channel|>final"),
    ("<|channel|>commentary", "<|channel|>final"), ("<unused94>", "<unused95>"), ("Here is my thought process:", "Here is my response:"),
]  # fmt: skip


def test_every_mark_of_a_thought() -> None:
    rows: list[tuple[str, str | None]] = []
    for opening, closing in _PAIRS:
        rows += [
            (rf"{opening} maybe \boxed{{11}} {closing} \boxed{{12}}", "12"), (rf"{opening} \boxed{{11}} {closing} So it goes.{chr(10)}Nothing more comes after that", None),
            (rf"{opening} \boxed{{11}}", None), (rf"it is \boxed{{11}} {closing} \boxed{{12}}", "12"), (rf"{opening}a{closing}{opening}\boxed{{11}}{closing}\boxed{{12}}", "12"),
        ]  # fmt: skip
    rows += [
        (r"analysisWe need it.\boxed{11}assistantfinal\boxed{12}", "12"),
        (r"analysisWe need \boxed{11}", None),
        (r"analysis of it: \boxed{12}", "12"),
        (r"<THINK>\boxed{11}</THINK>\boxed{12}", "12"),
        (r"<think>a <reasoning> b</think>\boxed{12}", "12"),
        (r"<think>a</thinking> \boxed{12}", None),
    ]
    assert not misread(rows)
    assert misread([("<think>1</think>2", "<think>1</think>2")], "text") == []
    for opening, _ in _PAIRS:
        assert opened_by(f"Question\n{opening}\n") == opening and opened_by(f"{opening} Question") == ""
    assert len(MARKS) == len(_PAIRS)


def test_a_thought_that_the_prompt_opened() -> None:
    math = load("math")
    for problem in (Problem("p", "1+1?\n<think>", "2"), Problem("p", "1+1?", "2", opened="<think>")):
        assert cut_for(math, problem, r"so \boxed{2}").answer is None
        assert cut_for(math, problem, r"so \boxed{3}</think>\boxed{2}").answer == "2"
    assert cut_for(math, Problem("p", "1+1?", "2"), r"so \boxed{2}").answer == "2"
    own = load("math", thinking_marks=[["<<", ">>"]])
    assert cut_for(own, Problem("p", "1+1?", "2"), r"<<\boxed{3}>> \boxed{2}").answer == "2"
    assert cut_for(own, Problem("p", "1+1?", "2"), r"<think>\boxed{3}</think> \boxed{2}").answer == "2"
    assert cut_for(own, Problem("p", "1+1? <<", "2"), r"\boxed{3}").answer is None
    for bad in ("ab", [["a"]], [["a", " "]], [["a", 1]], [["a", "b", "c"]]):
        with pytest.raises(ValueError):
            with_further(bad)  # type: ignore[arg-type]


def test_formats_traces_and_notes() -> None:
    assert not misread([("a\nb\n12\n\n", "12"), ("12", "12"), ("a\r\n12", "12"), ("x\n  12  ", "12")], "line")
    assert not misread([("  a\nb ", "a\nb"), ("", None), ("<think>a", "<think>a")], "text")
    rows: list[tuple[str, str | None]] = [
        ("So B.\nThe answer is B", "B"),
        (r"\boxed{12}. The answer is B", "B"),
        (r"\boxed{C}. The answer is B", "C"),
        (r"\boxed{(C)}", "(C)"),
        (r"\boxed{12}", "12"),
    ]
    assert not misread(rows, "choice")
    cases = [
        (r"2+2=4, so \boxed{4}.", "2+2=4, so", ""), ("2+2=4. The answer is 4.", "2+2=4. The", ""), ("a\n4", "a", ""), ("", "", "the response is empty"),
        (r"\boxed{4", r"\boxed{4", "a box is never closed"), ("<think>4", "<think>4", "<think> is never closed"), ("<think>4</think>", "<think>4</think>", "no text after the thinking"),
        ("The answer is:", "The", "not followed by an answer"), (r"not \boxed{4}", r"not \boxed{4}", "denied"), (r"\boxed{4}. That is wrong.", r"\boxed{4}. That is wrong.", "withdrawn"),
        ("First words.\nThen words that say nothing.", "", "no box, no announced answer"), (r"\boxed{ }", r"\boxed{ }", "the answer is empty"), ("I do not know.", "I do not know.", "no answer"),
    ]  # fmt: skip
    for response, trace, note in cases:
        found = cut(response)
        assert note in found.note and bool(found.note) is bool(note), (response, found)
        if trace:
            assert found.trace == trace, (response, found)
    with pytest.raises(ValueError, match="boxes"):
        cut("1", "boxes")


_F = "def f(x):\n    return x + 1\n"


def test_programs() -> None:
    use, draft = "print(f(1))\n", "def f(x):\n    return x\n"
    rows: list[tuple[str, str | None]] = [
        (f"```{tag}\n{_F}```", _F) for tag in ("python", "py", "Python", "python3", "ipython", "pycon", "sage", "pypy3", "{.python}", "python title=x", "")
    ]  # fmt: skip
    rows += [
        (f"~~~python\n{_F}~~~", _F), (f"````python\n{_F}````", _F), (f"```python\n{draft}```\nBetter:\n```python\n{_F}```", _F), (f"```python\n{_F}```\nUse:\n```python\n{use}```", f"{_F}\n{use}"),
        (f"```python\n{_F}```\n```bash\nls\n```", _F), (f"```\n{_F}```\n```\n3\n```", _F), ("```cpp\nint main(){}\n```", None), (f"Here:\n{_F}", f"{_F}"), (f"[PYTHON]\n{_F}[/PYTHON]", _F), (f"[BEGIN]\n{_F}[DONE]", _F),
        (f"<code>\n{_F}</code>", _F), (f"<python>{_F}</python>", _F), (f"```python\n{_F}", _F), ("```python\ndef f(x):\n    return (", None), (f"<answer>\n{_F}</answer>", _F.strip("\n")),
        (f"<answer>\n```python\n{_F}```\n</answer>", _F), (">>> no code", None), ("Just words.", None), ("```python\n>>> def f(x):\n...     return x + 1\n>>> f(1)\n2\n```", "def f(x):\n    return x + 1\nf(1)\n"),
        ("> ```python\n> x = 1\n> ```", "x = 1\n"), ("1. ```python\n   x = 1\n   ```", "x = 1\n"), ("`x`: ```python print(1)```", None), ("```python print(1)```", "print(1)\n"),
        (f"\ufeff```python\n{_F}```", _F), (f"<think>```python\n{draft}```</think>```python\n{_F}```", _F), ('```python\ndef f():\n    """\n    ```\n    x\n    ```\n    """\n    return 1\n```', 'def f():\n    """\n    ```\n    x\n    ```\n    """\n    return 1\n'),
        (f"```python\nimport math\n```\nThen\n```python\n{_F}```", _F), ("```python\nimport math\n```\nThen\n```python\nprint(math.pi)\n```", "import math\n\nprint(math.pi)\n"),
    ]  # fmt: skip
    assert not misread(rows, "code")
    assert last_program("x" * ((4 << 20) + 1)) is None
