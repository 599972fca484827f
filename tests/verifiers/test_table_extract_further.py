"""More of what a response's answer is: statements that are words, remarks, hedges, rejected values; programs in prose."""

from __future__ import annotations

from tests.verifiers.test_table_extract import misread
from verifiers.extract import cut
from verifiers.extract.statements import (
    first_statement,
    holds_answer,
    is_letter,
    is_refusal,
    is_remark,
    shorn,
)

SENTENCES = {
    "The largest value that it takes is @": "34", "The number of coins that he has is @": "12",
    "The price that she paid is @": "$5", "The one who has most is Anna, who has @": "7",
    "The smallest n that has this property is @": "34", "What each of them gets is @": "3/4",
    "The time that it takes was @": "5 hours", "The number of trips she makes equals @": "4",
    "The weight of what it contains is @": "12 kg", "The largest number is @": "9",
}  # fmt: skip


def test_a_sentence_says_what_follows_the_last_of_its_verbs() -> None:
    for sentence, said in SENTENCES.items():
        for before in ("Answer: ", "So.\n**Final answer:** "):
            value = said.strip("$")
            assert cut(f"{before}{sentence.replace('@', said)}.").answer in (said, value), sentence
    for sentence in ("The cost is 5 and was 6", "The n is 5 if it has 6 parts"):
        assert (
            cut(f"Answer: {sentence}.").answer == sentence
        )  # several numbers, or a condition: no one answer


def test_what_an_announcement_says() -> None:
    rows: list[tuple[str, str | None]] = [
        ("We look.\nThe answer is blue.", "blue"), ("We look.\nThe answer is Paris.", "Paris"), ("We look.\nThe answer is Paris. The answer is correct.", "Paris"), ("We look.\nAnswer:\n```\n12\n```", "12"), ("We look.\nThe answer is **$12$**.", "12"), ("We look.\nAnswer: the largest n is 34", "34"), ("We look.\nAnswer: the price of it was $12", "$12"),
        ("We look.\nAnswer: the number that is twice 34", "the number that is twice 34"), ("We look.\nThe answer is an integer. The answer is 12", "12"), ("We look.\nThe answer is 12. The answer is an integer.", "12"), ("We look.\nThe answer is off by one. #### 12", "12"), ("答案：共有12", "12"), ("So 答案是 (B)", "(B)"), ("We look.\nThe answer is 12!", "12"), ("We look.\nThe answer is 3.5.", "3.5"), ("We look.\nThe answer is 1,234.", "1,234"),
        ("We look.\nThe answer is -5.", "-5"), ("We look.\nThe answer is x = 5.", "x = 5"), ("We look.\nThe answer is \\frac{1}{2}.", "\\frac{1}{2}"), ("We look.\nThe answer is option B.", "B"), ("We look.\nThe answer is (B).", "(B)"), ("We look.\nThe answer is B) 12.", "B) 12"), ("We look.\nThe answer is yes.", "yes"), ("We look.\nThe answer is none.", "none"), ("We look.\nThe answer is 12 <b>units</b>.", "12 units"),
        ("#### 2. Solve it\nThe answer is 12", "12"), ("#### Step 2\nThe answer is 12", "12"), ("#### 12 apples", "12 apples"), ("##### 11\n#### 12", "12"), ("#### -12", "-12"), ("####12", "12"), ("#### $12", "$12"), ("#### 12.", "12"), ("We look.\nSo **12** is the final answer.", "12"),
    ]  # fmt: skip
    assert not misread(rows)


def test_a_tag_that_closes_what_was_never_opened_closes_nothing() -> None:
    rows: list[tuple[str, str | None]] = [
        ("We add.\n<answer>12</answer></result>", "12"),
        ("</solution> <answer>12</answer>", "12"),
        ("<result>11</result><answer>12</answer></final>", "12"),
    ]
    assert not misread(rows)


def test_what_is_left_of_a_sentence() -> None:
    for sentence, kept in (
        ("12, because 3 * 4 = 12", "12"), ("12 since it is even", "12"), ("12, which is even", "12"), ("12, as 3 or 4 fail", "12"), ("12; the other root is rejected", "12"), ("12; otherwise 13", "12; otherwise 13"), ("12, not 13", "12"), ("12 not 13", "12"), ("12 (i.e. a dozen)", "12"), ("12, hence even", "12"), ("12, so we are done", "12"), ("12 rather than 13", "12"), ("12 instead of 13", "12"),
        ("12 altogether", "12"), ("12 in total", "12"), ("12 in total or 13", "12 in total or 13"), ("12, respectively", "12"), ("12 in profit", "12"), ("12 in this case", "12"), ("12 by adding them", "12"), ("12 using the rule", "12"), ("12, I think", "12"), ("12 for this case", "12"), ("12 - as required", "12"), ("12, it follows", "12"), ("12, although 13 is near", "12"), ("12 while the other is 13", "12"), ("12 and we are done", "12"),
        ("12 (rounded)", "12"), ("12 (the rest is zero)", "12"), ("12, or perhaps 13", "12, or perhaps 13"), ("12 if x > 0", "12 if x > 0"), ("12 or 13", "12 or 13"), ("12 and 13", "12 and 13"), ("12; also 13", "12; also 13"), ("12; it could be 13", "12; it could be 13"), ("12; the other solution is 13", "12; the other solution is 13"), ("12; the other solution is invalid", "12"), ("the number of edges, which is 5", "the number of edges, which is 5"), ("(1, 2)", "(1, 2)"), ("$12$, because", "$12$"), ("12 QED", "12"), ("12, as x = 3", "12"), ("12, where x > 0", "12"), ("12; maybe 13", "12; maybe 13"), ("12, unlike 13", "12"), ("12, but not 13", "12"),
    ):  # fmt: skip
        assert shorn(sentence) == kept, (sentence, shorn(sentence))
    for rest, said in ((" **12**, not 13. Done.", "12"), (" 12 or 13", "12 or 13"), (": 12?", ""), (" 12。", "12"), ("\n\n12\nmore", "12"), (" -> 12", "12"), (" exactly 12", "12"), (" indeed, 12", "12"), (" therefore 12", "12"), (" given by 12", "12"), (" found to be 12", "12"), (" equal to 12", "12"), (" the option B", "B"), (" $12$.", "12"), (" \\(12\\)", "12"), (" \\[12\\]", "12"), (" $$12$$", "12"), (" `12`", "12"), (" 12 ✓", "12"), (" 12</answer>", "12"), (" 12. I hope this helps", "12"), (" 12<|eot|>", "12"), (" - 12", "12"), (" • 12", "12"), ("", "")):  # fmt: skip
        assert first_statement(rest) == said, (rest, first_statement(rest))


def test_kinds_of_statements() -> None:
    for text in (
        "C",
        "(C)",
        "C.",
        "C)",
        "Option C",
        "Choice (C)",
        "answer C",
        "\\text{C}",
        "C) 12",
        "(C) twelve",
        "**C**",
        "$C$",
    ):
        assert is_letter(text), text
    for text in ("12", "C = 5", "c + 1", "CD", "yes", "", "C^2", "x" * 3000, "a big one"):
        assert not is_letter(text), text
    for text in (
        "correct",
        "Right",
        "wrong",
        "reasonable",
        "not 5",
        "off by one",
        "too large",
        "an integer",
        "a positive number",
        "the same as before",
        "as follows",
        "verified",
        "unique",
        "I do not know",
        "what we need",
        "below",
    ):
        assert is_remark(text), text
    for text in ("5", "blue", "an apple", "the largest", "x = 5", "(5)", ""):
        assert not is_remark(text), text
    for text in (
        "5",
        "x = 2",
        "\\pi",
        "C",
        "ACD",
        "A, B",
        "yes",
        "No",
        "true",
        "twelve",
        "infinity",
        "½",
        "x",
        "none",
    ):
        assert holds_answer(text), text
    for text in ("correct", "blue", "not 5", "the same"):
        assert not holds_answer(text), text
    for text in (
        "I do not know",
        "I don't know.",
        "I can't tell",
        "I cannot say",
        "We could not find it",
        "I am not sure",
        "I'm unable to",
        "idk",
        "No idea",
        "I have no answer",
        "I’m not certain",
    ):
        assert is_refusal(text), text
    for text in (
        "I",
        "I = 5",
        "we",
        "I + 1",
        "Ikea",
        "no",
        "no solution",
        "Idaho",
        "It cannot be",
        "I think 5",
        "I get 5",
    ):
        assert not is_refusal(text), text


def test_programs_in_prose_and_in_pieces() -> None:
    f = "def f(x):\n    return x + 1\n"
    rows: list[tuple[str, str | None]] = [
        (f"Here it is, as you wished:\n\n{f}\nThis works well for all x.", f"{f}\n"), ("```python\nx = 1```", "x = 1\n"), (f"```python\nx = (\n```python\n{f}```", f), ("```python\ndef a(): return 1\n```\n```python\ndef b(): return a()\n```\n```python\nprint(b())\n```", "def a(): return 1\n\ndef b(): return a()\n\nprint(b())\n"),
        ("```python\ndef a(): return 1\n```\n```python\ndef a(): return 2\n```\n```python\nprint(a())\n```", "def a(): return 2\n\nprint(a())\n"), ("```python\nclass A: pass\n```\n```python\nx = A()\n```", "class A: pass\n\nx = A()\n"), ("```python\nn = 5\n```\n```python\nprint(n)\n```", "n = 5\n\nprint(n)\n"), ("```python\nimport numpy as np\n```\n```python\nprint(np.pi)\n```", "import numpy as np\n\nprint(np.pi)\n"), ("```python\ndef a(): return 1\n```\n```python\nprint(1)\n```", "print(1)\n"),
        ("```python\nx = 1\n```\n```python\nnot python at all\n```", "not python at all\n"), ("````\n```python\nx = 1\n```\n````", "x = 1\n"), ("```text\nx = 1\n```", None), ("```\njust words\n```", "just words\n"), ("```js\nlet x = 1\n```\n```\nimport os\n```", "import os\n"), ("```python\nx = 1\n```\n\n```output\n1\n```", "x = 1\n"), ("<answer>no code</answer>\n```python\nx = 1\n```", "x = 1\n"),
    ]  # fmt: skip
    assert not misread(rows, "code")
    assert cut("Just words.", "code").note == "no complete program"
