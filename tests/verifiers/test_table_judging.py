"""Small verifiers, labels, summaries, messages, and how a verifier is asked: what each says, by its documented rules."""

# pyright: reportArgumentType=false, reportAttributeAccessIssue=false
# what is wrong on purpose, and verifiers that return numbers

from __future__ import annotations

import asyncio
import json
import socket
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from verifiers import (
    BadOption,
    Item,
    PoolError,
    Problem,
    UnknownVerifier,
    Verdict,
    VerifierFailed,
    judge,
    load,
    score,
)
from verifiers.audit import Audit, Share, floor, read_label
from verifiers.backtracking import backtracks
from verifiers.calls import Calls
from verifiers.conformance import Example, Finding, Kit, Report, _differ, _fits, _quote, _show
from verifiers.format import FormatVerifier
from verifiers.forms import FunctionVerifier, TrlVerifier, form_of
from verifiers.fuzz import BOMBS, answers, texts
from verifiers.judging import as_verdict, in_words, is_built_in, is_service, judge_many
from verifiers.messages import MessagesError, conversation
from verifiers.pool import VerifierPool, VerifierPools
from verifiers.pool.scheduler import PoolStats, Scheduler
from verifiers.pool.worker_process import Channel, _encode, _replies
from verifiers.pool.worker_thread import Settings
from verifiers.registry import resolve
from verifiers.scoring import RowError, Summary, _rows
from verifiers.self_test import SelfTest, as_response, self_test, spread
from verifiers.simple import ChoiceVerifier, ExactVerifier, NumericVerifier, RegexVerifier
from verifiers.trl_reward import text_of
from verifiers.types import STATUSES
from verifiers.visible import visible

P = Problem("p", "q", "5")


# --- small verifiers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verifier", "reference", "right", "wrong"),
    [
        (NumericVerifier(), "5", ["5", "5.0", "10/2", "5 cm", "x = 5", "500%", "√25", r"\frac{10}{2}"], ["6", "-5", "5.0001", "five six", "1, 2", "x", "1/0"]),
        (NumericVerifier(rel_tol=0.01), "100", ["101", "99", "100"], ["101.1", "98.9", "-100"]), (NumericVerifier(rel_tol=0.01), "-100", ["-101", "-99"], ["100", "-102"]), (NumericVerifier(), 0.5, ["1/2", "50%"], ["50", "0.51"]),
        (NumericVerifier(rel_tol=0.001), r"\pi", ["3.14", "3.1416", "22/7"], ["3.1", "3"]), (NumericVerifier(rel_tol=0.5), "0", ["0"], ["0.1"]),
        (ChoiceVerifier(), "C", ["C", "(C)", "c", "C) 12", r"\text{(C)}", "Option C"], ["B", "12", "CD", "x y", ""]), (ChoiceVerifier(), 2, ["C", "(c)"], ["B", "2"]), (ChoiceVerifier(), 0, ["A"], ["B"]), (ChoiceVerifier(), 25, ["Z"], ["Y"]), (ChoiceVerifier(), "ACD", ["A, C, D", "D, C and A", "ACD"], ["AC", "A"]),
        (ExactVerifier(), "Paris", ["Paris", " Paris\n"], ["paris", "Paris.", "in Paris", ""]), (ExactVerifier(ignore_case=True), "Straße", ["STRASSE", "straße"], ["strase"]),
        (RegexVerifier(), "ab*", ["a", "abb"], ["abc", "b", "A", "xab"]), (RegexVerifier(ignore_case=True), "ab*", ["ABB"], ["c"]), (FormatVerifier(), None, ["anything", ""], []),
    ],
)  # fmt: skip
def test_small_verifiers(verifier: Any, reference: Any, right: list[str], wrong: list[str]) -> None:
    problem = Problem("p", "", reference)
    for answer in right:
        verdict = verifier.verify(problem, "", answer)
        assert (verdict.score, verdict.status) == (1.0, "correct"), (answer, verdict)
    for answer in wrong:
        verdict = verifier.verify(problem, "", answer)
        assert (verdict.score, verdict.status) == (0.0, "incorrect"), (answer, verdict)
    assert (verifier.verify(problem, "", None).score, verifier.verify(problem, "", None).status) == (
        0.0,
        "no_answer",
    )


@pytest.mark.parametrize(
    ("verifier", "reference", "words"),
    [
        (NumericVerifier(), "x", "a number"), (NumericVerifier(), "1, 2", "a number"), (NumericVerifier(), None, "a number"), (NumericVerifier(), "1/0", "a number"), (NumericVerifier(), "i", "a number"), (ChoiceVerifier(), 26, "0 to 25"), (ChoiceVerifier(), -1, "0 to 25"), (ChoiceVerifier(), True, "a letter"), (ChoiceVerifier(), "12", "a letter"),
        (ExactVerifier(), " ", "a text"), (ExactVerifier(), 5, "a text"), (RegexVerifier(), "(", "regular expression"), (RegexVerifier(), 5, "regular expression"), (RegexVerifier(), "(a+)+b", "backtrack"),
    ],
)  # fmt: skip
def test_references_that_small_verifiers_cannot_use(verifier: Any, reference: Any, words: str) -> None:
    for answer in ("5", None):
        verdict = verifier.verify(Problem("p", "", reference), "", answer)
        assert (verdict.score, verdict.status) == (None, "unverifiable") and words in verdict.detail


def test_options_and_answers_of_small_verifiers() -> None:
    for bad in (-0.1, 1, 2):
        with pytest.raises(ValueError, match="rel_tol"):
            NumericVerifier(rel_tol=bad)
    assert (
        NumericVerifier(rel_tol=0).rel_tol == 0
        and NumericVerifier().verify(P, "", "10/4").answer == "5/2"
        and ChoiceVerifier().verify(Problem("p", "", "C"), "", "(b)").answer == "B"
    )
    assert [
        x(answer_format="line").answer_format
        for x in (NumericVerifier, ChoiceVerifier, ExactVerifier, RegexVerifier, FormatVerifier)
    ] == ["line"] * 5
    assert [
        x().answer_format
        for x in (NumericVerifier, ChoiceVerifier, ExactVerifier, RegexVerifier, FormatVerifier)
    ] == ["boxed", "choice", "text", "text", "boxed"]
    assert (
        RegexVerifier().as_response(Problem("p", "", "abc")) == "abc"
        and RegexVerifier().as_response(Problem("p", "", r"\d+")) is None
        and RegexVerifier().as_response(Problem("p", "", "(")) == "("
    )
    assert (
        not NumericVerifier().verify(P, "", "yes").detail == ""
        and "no letter" in ChoiceVerifier().verify(Problem("p", "", "C"), "", "12").detail
    )
    assert [backtracks(x) for x in (r"(a+)+b", r"(a|a)*b", r"(\w+\s?)*", r"(.*)*x", r"(a*)*b")] == [
        True
    ] * 5 and not any(map(backtracks, (r"a+b", r"(\d+,)*\d+", r"[a-z]{2,5}", r"(ab)*c", r"^x$", r"a?b?c?")))


# --- types ------------------------------------------------------------------------------------------------


def test_verdicts_and_problems() -> None:
    for bad in (-0.1, 1.1, "1", float("nan")):
        with pytest.raises(ValueError, match="score"):
            Verdict(bad, "correct")
        with pytest.raises(ValueError, match="answer_score"):
            Verdict(1.0, "correct", answer_score=bad)
    with pytest.raises(ValueError, match="status"):
        Verdict(1.0, "right")
    assert [Verdict(x, "incorrect").solved for x in (1.0, 0.99, 0.0, None)] == [
        True,
        False,
        False,
        None,
    ] and Verdict(0.5, "incorrect", pass_mark=0.5).solved
    assert (
        Verdict(1.0, "correct").answer_score == 1.0
        and Verdict(0.0, "unsound").answer_score is None
        and Verdict(0.0, "no_trace").answer_score is None
        and Verdict(0.0, "unsound", answer_score=1.0).answer_score == 1.0
        and Verdict(None, "error").answer_score is None
    )
    assert STATUSES == (
        "correct",
        "incorrect",
        "unsound",
        "no_trace",
        "no_answer",
        "timeout",
        "memory",
        "output",
        "crash",
        "answer_error",
        "error",
        "unverifiable",
    )
    problem = Problem("a", "q", {"r": 1}, {"m": 2}, "<think>", ({"role": "system", "content": "s"},), "src")
    assert Problem(*problem.values()) == problem and problem.messages == [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "q"},
    ]


# --- asking a verifier ------------------------------------------------------------------------------------


class Half:
    name, answer_format = "half", "text"

    def __init__(self, said: Any = 0.5) -> None:
        self.said = said

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Any:
        if isinstance(self.said, Exception):
            raise self.said
        return self.said


def test_what_a_verifier_says_becomes_a_verdict() -> None:
    for said, mark, expected in (
        (0.5, 1.0, (0.5, "incorrect")),
        (0.5, 0.5, (0.5, "correct")),
        (1, 1.0, (1.0, "correct")),
        (True, 1.0, (1.0, "correct")),
        (False, 1.0, (0.0, "incorrect")),
        (0.4, 0.5, (0.4, "incorrect")),
    ):
        verifier = Half(said)
        verifier.pass_mark = mark
        verdict = judge(verifier, P, "an answer")
        assert (verdict.score, verdict.status, verdict.answer, verdict.pass_mark) == (
            *expected,
            "an answer",
            mark,
        ), said
    own = Verdict(0.3, "timeout", "x", "slow")
    assert judge(Half(own), P, "a") == own
    for bad in (1.5, -1, "1", None, float("nan"), [1], b"1"):
        with pytest.raises(VerifierFailed, match="'half' returned"):
            judge(Half(bad), P, "a")
    with pytest.raises(VerifierFailed, match=r"failed on problem 'p': KeyError"):
        judge(Half(KeyError("x")), P, "a")
    with pytest.raises(MemoryError):
        judge(Half(MemoryError()), P, "a")
    empty = judge(Half(), P, "  ")
    assert (empty.score, empty.status, empty.detail) == (0.0, "no_answer", "the response is empty")
    every = Half(1.0)
    every.judges_missing_answers = True
    assert judge(every, P, "  ").score == 1.0
    item = Item(P, "", "a", "a")
    assert as_verdict(Half(), item, 1.0) == Verdict(1.0, "correct", "a")


def test_a_built_in_verifier_that_fails_blames_by_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    math = load("math")
    assert (
        is_built_in(math)
        and is_built_in(load("math", thinking_marks=[["<<", ">>"]]))
        and not is_built_in(Half())
    )
    real = type(math).verify

    def failing(self: Any, problem: Problem, trace: str, answer: str | None) -> Verdict:
        if answer is not None or problem.reference == "bad":
            raise RuntimeError("oops")
        return real(self, problem, trace, answer)

    monkeypatch.setattr(type(math), "verify", failing)
    good, bad = judge(math, P, r"\boxed{1}"), judge(math, Problem("p", "", "bad"), r"\boxed{1}")
    assert (
        (good.score, good.status) == (0.0, "answer_error")
        and "RuntimeError: oops" in good.detail
        and (bad.score, bad.status) == (None, "error")
    )


class Many:
    name, answer_format, batch_size = "many", "text", 2

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def verify_many(self, items: list[Item]) -> list[float]:
        self.sizes.append(len(items))
        return [float(item.answer == "5") for item in items]


class Later:
    name, answer_format = "later", "text"

    async def verify(self, problem: Problem, trace: str, answer: str | None) -> float:
        await asyncio.sleep(0)
        return float(answer == problem.reference)


def test_services() -> None:
    many = Many()
    verdicts = judge_many(many, [(P, text) for text in ("5", "", "6", "5")])
    assert (
        [v.score for v in verdicts] == [1.0, 0.0, 0.0, 1.0]
        and [v.status for v in verdicts] == ["correct", "no_answer", "incorrect", "correct"]
        and sorted(many.sizes) == [1, 2]
    )
    assert [v.score for v in judge_many(Later(), [(P, "5"), (P, "6")])] == [1.0, 0.0] and judge(
        Later(), P, "5"
    ).score == 1.0
    assert is_service(many) and is_service(Later()) and not is_service(Half())
    how = Calls.of(Later())
    assert (how.concurrency, how.batch_size, how.timeout, how.retries, how.backoff, how.transient) == (
        8,
        1,
        60.0,
        4,
        1.0,
        (OSError, TimeoutError),
    ) and Calls.of(many).batch_size == 2
    assert (
        [how.wait(tried) for tried in range(7)] == [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        and how.longest == 5 * 60 + 15
        and how.capacity == 8
        and Calls.of(many).capacity == 16
    )
    for name, bad in (
        ("concurrency", 0),
        ("batch_size", 0),
        ("timeout", 0),
        ("retries", -1),
        ("backoff", -1),
        ("timeout", "x"),
        ("transient", (int,)),
        ("transient", 5),
    ):
        wrong = type("Wrong", (Later,), {name: bad})()
        with pytest.raises(ValueError, match=name):
            Calls.of(wrong)


def test_functions_as_verifiers() -> None:
    def plain(problem: Problem, response: str, least: int = 3) -> float:
        return float(len(response) >= least)

    def trl(completions: list, answer: list, size: int = 1, **kwargs: Any) -> list:
        return [float(a in c) for c, a in zip(completions, answer, strict=True)]

    def neither(x: int) -> int:
        return x

    assert form_of(plain) is FunctionVerifier and form_of(trl) is TrlVerifier and form_of(neither) is None
    assert (
        judge(FunctionVerifier(plain, {"least": 5}), P, "abc").score == 0.0
        and judge(FunctionVerifier(plain, {}), P, "abc").score == 1.0
    )
    assert (
        judge(TrlVerifier(trl, {}), P, "it is 5").score == 1.0
        and judge(TrlVerifier(trl, {}), P, "it is 6").score == 0.0
    )
    assert judge(TrlVerifier(lambda completions, **_: [None], {}), P, "x").status == "unverifiable"
    seen: dict[str, Any] = {}

    def chat(prompts: list, completions: list, level: list, **columns: Any) -> list:
        seen.update(prompts=prompts, completions=completions, level=level, **columns)
        return [1.0]

    problem = Problem(
        "p", "q", "5", {"level": 3, "solution": "own"}, history=({"role": "system", "content": "s"},)
    )
    judge(TrlVerifier(chat, {"conversational": True}), problem, "r")
    assert (
        seen["prompts"] == [[{"role": "system", "content": "s"}, {"role": "user", "content": "q"}]]
        and seen["completions"] == [[{"role": "assistant", "content": "r"}]]
        and seen["level"] == [3]
        and seen["reference"] == ["5"]
        and seen["solution"] == ["own"]
        and seen["ground_truth"] == ["5"]
    )
    judge(TrlVerifier(chat, {}), problem, "r")
    assert seen["prompts"] == ["q"] and seen["completions"] == ["r"]
    with pytest.raises(VerifierFailed, match="needs level"):
        judge(TrlVerifier(chat, {}), P, "r")
    for bad in ([1.0, 0.0], 1.0, "1", []):
        with pytest.raises(VerifierFailed, match="a list with one score"):
            judge(TrlVerifier(lambda completions, bad=bad, **_: bad, {}), P, "r")


def test_loading_by_name_file_and_path(tmp_path: Path) -> None:
    assert (
        load("math").name == "math"
        and load("math", percent="free").rules.percent == "free"
        and resolve("math") == "verifiers.math:MathVerifier"
    )
    file = tmp_path / "mine.py"
    file.write_text(
        "class V:\n    name, answer_format = 'v', 'text'\n    def __init__(self, mark, other=2): self.mark = mark\n    def verify(self, p, t, a): return 1.0\n"
        "class No: pass\nclass Raises(V):\n    def __init__(self): raise OSError('gone')\nclass Strict(V):\n    def __init__(self, x=1):\n        if x > 1: raise ValueError('too large')\n"
        "class Marked(V):\n    pass_mark = 0\n    def __init__(self): pass\nclass Nameless(V):\n    name = 5\n    def __init__(self): pass\nclass Format(V):\n    answer_format = 'boxes'\n    def __init__(self): pass\n"
        "it = V(3)\ndef reward(problem, response, least=1): return 1.0\ndef odd(a): return a\n"
    )
    assert (
        load(f"{file}:V", mark=7).mark == 7
        and load(f"{file}:it").mark == 3
        and load(f"{file}:reward", least=2).name == "reward"
    )
    for attribute, options, error, words in (
        ("V", {}, BadOption, "needs the option 'mark'"), ("V", {"mark": 1, "mrak": 2}, BadOption, "did you mean 'mark'"), ("No", {}, UnknownVerifier, "no method 'verify'"), ("Raises", {}, UnknownVerifier, "OSError: gone"), ("Strict", {"x": 2}, BadOption, "too large"), ("Marked", {}, UnknownVerifier, "pass_mark"), ("Nameless", {}, UnknownVerifier, "'name'"),
        ("Format", {}, UnknownVerifier, "boxes"), ("it", {"mark": 1}, BadOption, "instance"), ("odd", {}, UnknownVerifier, "a function is one as"), ("absent", {}, UnknownVerifier, "absent"), ("reward", {"most": 1}, BadOption, "'most'"),
    ):  # fmt: skip
        with pytest.raises(error, match=words):
            load(f"{file}:{attribute}", **options)
    for spec, words in (
        ("maths", "did you mean 'math'"),
        (f"{tmp_path}/none.py:V", "there is no file"),
        ("no_module_x:V", "cannot be imported"),
    ):
        with pytest.raises(UnknownVerifier, match=words):
            load(spec)
    with pytest.raises(BadOption, match="expected pairs"):
        load("math", thinking_marks=["a"])
    with pytest.raises(BadOption, match="percent"):
        load("math", percent="never")
    assert (
        score("exact", Problem("p", "", "A"), "a").score == 0.0
        and score("exact", Problem("p", "", "A"), "a", ignore_case=True).score == 1.0
        and score("exact", Problem("p", "", "A"), "a").score == 0.0
    )
    with pytest.raises(BadOption, match="instance"):
        score(ExactVerifier(), P, "a", ignore_case=True)
    assert in_words(KeyError("x")) == "KeyError: 'x'" and "(bad.py, line 3)" in in_words(
        SyntaxError("no", ("bad.py", 3, 1, ""))
    )


# --- labels and summaries ---------------------------------------------------------------------------------


def test_labels_and_shares() -> None:
    for value in (True, 1, 1.0, "true", "1", "correct", "Right", " YES "):
        assert read_label(value) is True, value
    for value in (False, 0, 0.0, "false", "0", "incorrect", "wrong", "No"):
        assert read_label(value) is False, value
    for value in (2, 0.5, "maybe", None, [], ""):
        assert read_label(value) is None, value
    assert (
        Share(3, 4).value == 0.75
        and Share(0, 0).value is None
        and Share(0, 0).interval == (0.0, 1.0)
        and str(Share(0, 0)) == "no rows"
        and Share(0, 10).interval[0] == 0.0
        and Share(10, 10).interval[1] == 1.0
    )
    assert (
        Share(0, 10).interval[1] == pytest.approx(1 - 0.025**0.1)
        and Share(10, 10).interval[0] == pytest.approx(0.025**0.1)
        and "75.00%  (3 of 4; 95 % interval" in str(Share(3, 4))
    )
    assert (
        floor(0.1, 1) == pytest.approx(0.1)
        and floor(0.1, 4) == pytest.approx(1 - 0.9**4)
        and floor(0.0, 9) == 0
        and floor(1.0, 2) == 1.0
    )


def test_an_audit_and_a_summary() -> None:
    audit, summary = Audit(), Summary("v", audit=None)
    rows = [
        (True, 1.0, "a"),
        (True, 0.0, "a"),
        (False, 1.0, "b"),
        (False, 0.0, "b"),
        (False, 0.0, "b"),
        (True, None, "b"),
    ]
    for line, (label, value, kind) in enumerate(rows, 1):
        verdict = Verdict(
            value, "correct" if value == 1 else "incorrect" if value == 0 else "error", "x", "why"
        )
        audit.add(label, verdict, line, Problem(f"p{line}", "", "gold"), kind)
        summary.add(verdict)
    assert (audit.accuracy, audit.false_positives, audit.false_negatives, audit.unjudged) == (
        Share(3, 5),
        Share(1, 3),
        Share(1, 2),
        1,
    )
    shown = str(audit)
    for words in (
        "accuracy          60.00%",
        "not judged, and not part of these rates: 1",
        "line 3, p3 [b]: correct (why); 'x' against 'gold'",
        "line 2, p2 [a]: incorrect",
        "accepted, labelled wrong (1 of 1 shown)",
        "refused, labelled right (1 of 1 shown)",
        "k=1: 33.3%",
        "k=4: 80.2%",
        "a           2    50.00%  0/0            1/2",
        "b           4    66.67%  1/3            0/0",
    ):
        assert words in shown, (words, shown)
    assert (
        summary.rows,
        summary.judged,
        summary.solved,
        summary.accuracy,
        summary.mean_score,
        summary.partial,
    ) == (6, 5, 2, 0.4, 0.4, False)
    told = str(summary)
    for words in (
        "v: 6 rows in 0.0 s",
        "correct",
        "33.33%",
        "accuracy 40.00% of the 5 judged",
        "1 could not be judged",
        "between 33.33% and 50.00% of all are right",
    ):
        assert words in told, (words, told)
    half = Summary("v")
    half.add(Verdict(0.5, "correct", pass_mark=0.5))
    half.add(Verdict(0.0, "incorrect", pass_mark=0.5))
    assert (
        half.partial
        and "solved 50.00% of the 2 judged (a score of 0.5 or more); mean score 0.2500" in str(half)
        and Summary("v").accuracy is None
        and Summary("v").mean_score is None
    )
    assert "no response is labelled wrong" in str(Audit())


def _read(*rows: Any, labels: str | None = None, **columns: str) -> list[Any]:
    names = {name: name for name in ("response", "reference", "id", "prompt", "kind")} | columns
    lines = [(row if isinstance(row, bytes) else json.dumps(row).encode()) + b"\n" for row in rows]
    return list(_rows(lines, "f", names, labels))


def test_rows_of_a_file() -> None:
    (row,) = _read(
        {"response": "r", "reference": "5", "id": 7, "prompt": "q", "kind": "k", "opened": "<think>"}
    )
    assert (
        row.line,
        row.response,
        row.problem.id,
        row.problem.prompt,
        row.problem.reference,
        row.problem.opened,
        row.kind,
        row.label,
    ) == (1, "r", "7", "q", "5", "<think>", "k", True)
    (row,) = _read(
        {
            "out": [{"role": "assistant", "content": "r"}],
            "gold": 5,
            "q": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
        },
        response="out",
        reference="gold",
        prompt="q",
    )
    assert (row.response, row.problem.reference, row.problem.prompt) == ("r", 5, "a\nb")
    one, two, three, four = _read(
        {"response": "r", "reference": "5", "prompt": "q"},
        {"response": "s", "reference": "5", "prompt": "q"},
        {"response": "s", "reference": "5"},
        {"response": "s", "reference": "5", "problem_id": "x"},
    )
    assert one.problem.id == two.problem.id != three.problem.id == "3" and four.problem.id == "x"
    assert [
        r.label
        for r in _read(
            {"response": "r", "reference": "5", "ok": 1},
            {"response": "r", "reference": "5", "ok": "wrong"},
            labels="ok",
        )
    ] == [True, False]
    assert [
        r.line
        for r in _read(b"", {"response": "r", "reference": "5"}, b"  ", {"response": "r", "reference": "5"})
    ] == [2, 4]
    assert (
        _read(b"\xef\xbb\xbf" + json.dumps({"response": "r", "reference": "5"}).encode())[0].response == "r"
    )
    for bad, words in (
        (b"{", "line 1: not JSON"), (b"\xff", "not UTF-8"), ([1], "found list"), ({"response": "r"}, "no key 'reference'"), ({"reference": "5", "output": "r"}, "--map response=output"), ({"response": 5, "reference": "5"}, "expected text or a list of messages"), ({"response": "r", "gold": 1}, "--map reference=gold"),
    ):  # fmt: skip
        with pytest.raises(RowError, match=words):
            _read(bad)
    for bad, words in (
        ({"response": "r", "reference": "5"}, "no key 'ok'"),
        ({"response": "r", "reference": "5", "ok": "perhaps"}, "expected true/false"),
    ):
        with pytest.raises(RowError, match=words):
            _read(bad, labels="ok")
    drawn: Counter[str] = Counter()
    written = [
        json.loads(r.with_verdict(Verdict(1.0, "correct", "5", "d"), "v", drawn)) for r in (one, two, three)
    ]
    assert [w["sample"] for w in written] == [0, 1, 0] and written[0]["problem_id"] == one.problem.id
    assert (
        {
            k: written[0][k]
            for k in ("score", "status", "answer", "detail", "verifier", "trace", "prompt", "reference")
        }
        == {
            "score": 1.0,
            "status": "correct",
            "answer": "5",
            "detail": "d",
            "verifier": "v",
            "trace": "r",
            "prompt": "q",
            "reference": "5",
        }
        and "sound" not in written[0]
        and "prompt" not in written[2]
    )
    (kept,) = _read({"response": "r", "reference": "5", "score": 0.2, "sample": 9, "status": None})
    told = json.loads(
        kept.with_verdict(Verdict(0.0, "unsound", "5", answer_score=1.0, sound=0.0), "v", drawn)
    )
    assert (told["score"], told["score_before"], told["sample"], told["answer_score"], told["sound"]) == (
        0.0,
        0.2,
        9,
        1.0,
        0.0,
    ) and "status_before" not in told


class Accepts:
    name, answer_format = "accepts", "text"

    def __init__(self, what: str) -> None:
        self.what = what

    def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        if problem.reference == "bad":
            return Verdict(None, "unverifiable", detail="cannot")
        right = self.what == "all" or (self.what == "own" and answer == problem.reference)
        return Verdict(float(right), "correct" if right else "incorrect")


def test_a_self_test_counts() -> None:
    problems = [Problem(str(at), "", text) for at, text in enumerate(["a", "b", "b", "bad", "c"])]
    good, everything, nothing = (self_test(problems, Accepts(what)) for what in ("own", "all", "none"))
    assert (
        (good.problems, good.own_accepted, good.neighbours, good.neighbours_refused, good.unverifiable)
        == (5, 4, 3, 3, [("3", "cannot")])
        and not good.ok
        and good.share_accepted == 1.0
        and good.share_unverifiable == 0.2
    )
    assert (
        everything.neighbours_accepted == [("0", "1"), ("1", "3"), ("2", "3")]
        and nothing.own_refused[0] == ("0", "incorrect")
        and nothing.share_accepted == 0.0
    )
    assert (
        "4 of 5 references accepted as the answer to their own problem, 3 of 3 references of a neighbour refused"
        in str(good)
        and "1 of 5 references (20.0%) no answer can equal" in str(good)
        and "reference of 1 accepted for 0" in str(everything)
        and "own reference refused: 0: incorrect" in str(nothing)
    )
    assert (
        SelfTest().ok
        and SelfTest().share_accepted == 1.0
        and SelfTest().share_wrong_accepted == 0.0
        and SelfTest(wrong=4, wrong_accepted=[("1", "x")]).share_wrong_accepted == 0.25
        and not SelfTest(wrong_accepted=[("1", "x")]).ok
    )
    assert spread([1, 2, 3, 4], 2) == [1, 3] and spread([1, 2], 5) == [1, 2]
    boxed, coded, plain = load("math"), load("code"), Accepts("own")
    assert (
        as_response(NumericVerifier(), P) == r"\boxed{5}"
        and as_response(boxed, P) == r"\boxed{5}"
        and as_response(coded, P) is None
        and as_response(plain, P) == "5"
        and as_response(NumericVerifier(), Problem("p", "", "so #### 5")) == "so #### 5"
        and as_response(NumericVerifier(), Problem("p", "", True)) is None
        and as_response(NumericVerifier(), Problem("p", "", {})) is None
    )


# --- messages and text ------------------------------------------------------------------------------------


def test_conversations_of_every_form() -> None:
    user, system = {"role": "user", "content": "q"}, {"role": "system", "content": "s"}
    for value in (
        [system, user],
        json.dumps([system, user]),
        str([system, user]),
        [{"from": "system", "value": "s"}, {"from": "human", "value": "q"}],
        {"role": ["system", "user"], "content": ["s", "q"]},
        [{"role": "system", "content": [{"text": "s"}]}, {"role": "User", "content": ["q"]}],
        (system, user),
    ):
        found = conversation(value)
        assert found is not None and (found.history, found.question, found.replies) == ((system,), "q", ()), (
            value
        )
    found = conversation(
        [
            user,
            {"role": "gpt", "content": "a"},
            {"role": "user", "content": "r"},
            {"role": "model", "content": "b"},
        ]
    )
    assert (
        found is not None
        and found.question == "r"
        and [m["role"] for m in (*found.history, *found.replies)] == ["user", "assistant", "assistant"]
    )
    assert (
        conversation("plain text") is None
        and conversation(5) is None
        and conversation([]) is None
        and conversation([1]) is None
        and conversation({"a": 1}) is None
    )
    single = conversation(user)
    assert single is not None and single.question == "q"
    for bad, words in (
        ([{"role": "assistant", "content": "a"}], "none of the user"),
        ([{"role": "user", "content": None}], "holds no text"),
        ([{"role": "user", "content": [{"image": 1}]}], "more than text"),
        ('[{"role": "user", "content": ', "neither JSON nor"),
    ):
        with pytest.raises(MessagesError, match=words):
            conversation(bad)


def test_text_of_messages_and_text_made_safe() -> None:
    assert (
        text_of("a") == "a"
        and text_of(
            [
                {"content": "a"},
                {"content": None},
                {"content": [{"text": "b"}, {"type": "image"}, {"text": "c"}]},
            ]
        )
        == "a\n\nbc"
    )
    assert visible("a\tb\nc") == "a\tb\nc" and visible("\x1b[2J") == "⟨001B⟩[2J" and visible(5) == "5"
    for char in "\x00\r\x7f\x9b\u200b\u202e\u2066\ufeff\ud800\u061c\u2028":
        assert visible(f"a{char}b") == f"a⟨{ord(char):04X}⟩b", char


# --- pools, without a process -----------------------------------------------------------------------------


def test_arguments_of_a_pool() -> None:
    for bad in ({"workers": 0}, {"deadline": 0}, {"memory_mb": 0}, {"cache": -1}, {"deadline": -1}):
        with pytest.raises(ValueError, match="expected"):
            VerifierPool("math", **bad)
    with pytest.raises(UnknownVerifier):
        VerifierPool("maths")
    with VerifierPool("math", {"percent": "free"}, workers=3, deadline=7.0, memory_mb=99, cache=5) as pool:
        kept = pool._settings
        assert (kept.spec, kept.options, kept.workers, kept.deadline, kept.memory_mb, kept.cache) == (
            "math",
            {"percent": "free"},
            3,
            7.0,
            99,
            5,
        )
        for item in ((P, 5), ("p", "r")):
            with pytest.raises(TypeError, match="pair to judge"):
                pool.submit(*item)
        with pytest.raises(TypeError, match="cannot be sent"):
            pool.submit(Problem("p", "", lambda: 0), "r")
        with pytest.raises(TypeError):
            pool.score([(P, 5)])
    with pytest.raises(PoolError, match="closed"):
        pool.submit(P, "r")


def test_pools_by_source_share_workers_and_settings() -> None:
    asked = {"a": ("math", {}), "b": ("exact", {}), "c": ("math", {}), "d": ("math", {"percent": "free"})}
    with VerifierPools(asked, workers=7, deadline=3.0, memory_mb=50) as pools:
        settings = [pool._settings for pool in pools.pools]
        assert [(s.spec, s.options, s.workers, s.deadline, s.memory_mb) for s in settings] == [
            ("math", {}, 3, 3.0, 50),
            ("exact", {}, 2, 3.0, 50),
            ("math", {"percent": "free"}, 2, 3.0, 50),
        ]
        assert (
            pools._of["a"] is pools._of["c"] is pools.pools[0]
            and pools._of["b"] is pools.pools[1]
            and pools._of["d"] is pools.pools[2]
        )
        with pytest.raises(ValueError, match="'x' has no verifier"):
            pools.submit(Problem("p", "", "5", source="x"), "r")
    with VerifierPools(asked, workers=1) as few:
        assert [pool._settings.workers for pool in few.pools] == [1, 1, 1]


class _Still(Scheduler):
    """A scheduler whose threads never start: what is queued stays."""

    def _enqueue(self, task: Any) -> None:
        self.queue.append(task)
        if self.settings.cache:
            self.waiting[task.key] = task


def _settings(cache: int = 2) -> Settings:
    return Settings("math", {}, 2, 10.0, 100, cache)


def test_a_queue_judges_equal_tasks_once_and_forgets_the_oldest() -> None:
    still = _Still(_settings())
    first, again, other = still.submit(b"1"), still.submit(b"1"), still.submit(b"2")
    assert len(still.queue) == 2 and still.stats == PoolStats(verdicts=0, cache_hits=1)
    one, two = still.queue
    verdict = Verdict(1.0, "correct")
    still.settle(one, verdict, 0.5)
    still.settle(one, Verdict(0.0, "incorrect"))
    assert first.result(0) == again.result(0) == verdict and not other.done() and still.stats.verdicts == 2
    assert still.submit(b"1").result(0) == verdict and (still.stats.cache_hits, still.stats.verdicts) == (
        2,
        3,
    )
    still.settle(two, Verdict(None, "error"))
    assert not still.submit(b"2").done() and still.submit(b"1").done()
    for at in range(3, 6):
        still.submit(b"%d" % at)
        still.settle(still.queue[-1], verdict)
    assert list(map(len, (still.cache,))) == [2] and not still.submit(b"1").done()
    plain = _Still(_settings(cache=0))
    plain.submit(b"1")
    plain.submit(b"1")
    assert len(plain.queue) == 2 and plain.stats.cache_hits == 0
    failed = plain.submit(b"3")
    plain.fail(PoolError("does not load"))
    with pytest.raises(PoolError, match="does not load"):
        failed.result(0)
    with pytest.raises(PoolError, match="does not load"):
        plain.submit(b"4")
    open_ = _Still(_settings())
    pending = open_.submit(b"1")
    open_.close(wait=False)
    with pytest.raises(PoolError, match="closed"):
        pending.result(0)
    with pytest.raises(PoolError, match="closed"):
        open_.submit(b"1")
    still.count("restarts")
    assert still.stats.restarts == 1


def test_the_protocol_with_workers() -> None:
    ours, theirs = map(Channel, socket.socketpair())
    ours.send(b"abc")
    ours.send(b"")
    assert theirs.receive(5) == b"abc" and theirs.receive(5) == b""
    with pytest.raises(TimeoutError):
        theirs.receive(0.01)
    big = b"x" * 300_000
    sender = threading.Thread(target=ours.send, args=(big,))
    sender.start()
    assert theirs.receive(5) == big
    sender.join()
    ours.close()
    with pytest.raises(EOFError):
        theirs.receive(5)
    theirs.close()
    verdict = Verdict(0.5, "incorrect", "a", "d", 0.25, 1.0, 0.75)
    assert Verdict(*json.loads(_encode(verdict))) == verdict
    with pytest.raises(VerifierFailed, match="no text or number"):
        _encode(Verdict(1.0, "correct", answer=object()))
    import pickle

    pack = [pickle.dumps((P.values(), text)) for text in ("5", "6")]
    assert [json.loads(reply)[0] for reply in _replies(ExactVerifier(), pack)] == [1.0, 0.0]
    assert (
        [json.loads(r) for r in _replies(Half(MemoryError()), pack)] == [{"memory": True}] * 2
        and "KeyError" in json.loads(_replies(Half(KeyError("x")), pack[:1])[0])["raised"]
        and "unreadable" in json.loads(_replies(Half(), [b"junk"])[0])
    )


# --- conformance ------------------------------------------------------------------------------------------


def test_what_conformance_says() -> None:
    good = Report("v", passed=["total"])
    assert good.ok and "v: 1 properties hold, 0 do not" in str(good)
    good.raise_if_failed()
    bad = Report("v", findings=[Finding("total", "x"), Finding("total", "y")], skipped={"hedges": "why"})
    assert not bad.ok and str(bad).splitlines() == [
        "v: 0 properties hold, 1 do not",
        "  total: x",
        "  total: y",
        "  hedges: not checked, why",
    ]
    with pytest.raises(AssertionError, match="total: x"):
        bad.raise_if_failed()
    fits = [
        Verdict(1.0, "correct"),
        Verdict(0.0, "incorrect"),
        Verdict(None, "error"),
        Verdict(None, "unverifiable"),
        Verdict(1.0, "no_trace"),
        Verdict(0.0, "no_trace"),
        Verdict(0.6, "correct", pass_mark=0.5),
        Verdict(0.0, "timeout"),
    ]
    misfits = [
        Verdict(0.0, "correct"),
        Verdict(1.0, "incorrect"),
        Verdict(0.0, "error"),
        Verdict(0.0, "unverifiable"),
        Verdict(None, "correct"),
        Verdict(None, "incorrect"),
        Verdict(None, "no_trace"),
        Verdict(0.6, "correct"),
        Verdict(1.0, "timeout"),
    ]
    assert all(map(_fits, fits)) and not any(map(_fits, misfits))
    assert (
        _show(Verdict(0.0, "incorrect", detail="why")) == "0.0 'incorrect' (why)"
        and _quote("a") == "'a'"
        and _quote("x" * 99).endswith("(99 characters)")
        and _differ(Verdict(1.0, "correct"), Verdict(0.0, "incorrect"))
        == "score 1.0, then 0.0, status 'correct', then 'incorrect'"
    )
    kit = Kit(ExactVerifier(), None, [], 5)
    assert [
        bool(kit.not_checked(name))
        for name in ("examples", "hedges", "blame", "last_answer", "total", "symmetric", "threads")
    ] == [True, True, True, True, False, True, False]
    full = Kit(NumericVerifier(), None, [Example("5", "5", "6")], 5)
    assert (
        not full.not_checked("last_answer")
        and not full.not_checked("hedges")
        and full.present("5", "so ") == "so The answer is \\boxed{5}."
        and kit.present("5", "so") == "so\n5"
        and kit.present("5") == "5"
        and Kit(load("code"), None, [], 5).present("x").strip() == "```python\nx\n```"
    )
    assert (
        list(texts(5)) == BOMBS[:5]
        and len(list(texts(60))) == 60
        and list(texts(60)) == list(texts(60)) != list(texts(60, seed=1))
        and len(answers(9)) == 9
        and answers(9) == answers(9)
    )
