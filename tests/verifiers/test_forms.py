"""Functions, services and files as verifiers: each form that the guide names, in this process and through the pool."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import verifiers
from verifiers import BadOption, Item, Problem, UnknownVerifier, Verdict, VerifierFailed, VerifierPool
from verifiers.calls import Calls
from verifiers.judging import as_verdict

HERE = str(Path(__file__).resolve().parent)
P = Problem("p", "Say half.", "half", {"level": 3})
HALF, WHOLE = "It is half.", "It is whole."

# ------------------------------------------------------------------ the forms


def plain(problem: Problem, response: str, credit: float = 0.5) -> float:
    return 1.0 if response == f"It is {problem.reference}." else credit


def strict(problem, response):
    return problem.reference in response


async def awaited(problem, response):
    await asyncio.sleep(0)
    return 0.25 if "half" in response else 0.0


def trl(completions, answer, level, **kwargs):
    assert kwargs["prompts"] == ["Say half."] and level == [3]
    return [float(a in c) for c, a in zip(completions, answer, strict=True)]


async def trl_awaited(prompts, completions, ground_truth):
    return [float(a in c) for c, a in zip(completions, ground_truth, strict=True)]


def trl_chat(prompts, completions, reference):
    assert prompts[0][0]["role"] == "user"
    return [
        None if "skip" in c[-1]["content"] else float(r in c[-1]["content"])
        for c, r in zip(completions, reference, strict=True)
    ]


def lacks_a_column(completions, difficulty):
    return [1.0] * len(completions)


plain_marked = lambda problem, response: 0.5  # noqa: E731
plain_marked.pass_mark = 0.4  # type: ignore[attr-defined]


class Numbers:
    name, answer_format, pass_mark = "numbers", "line", 0.5

    def verify(self, problem, trace, answer):
        return {"half": 0.5, "most": 0.9, "none": 0}[answer]


class Awaited(Numbers):
    async def verify(self, problem, trace, answer):
        await asyncio.sleep(0.001)
        return Numbers.verify(self, problem, trace, answer)


class Batched:
    name, answer_format, batch_size, concurrency = "batched", "line", 4, 2

    def verify_many(self, items: list[Item]) -> list[Verdict]:
        assert len(items) <= 4
        return [
            Verdict(float(i.answer == i.problem.reference), "incorrect", f"{len(items)} {i.response}")
            for i in items
        ]


class BatchedAwaited(Batched):
    async def verify_many(self, items):  # type: ignore[override]
        await asyncio.sleep(0.001)
        return Batched.verify_many(self, items)


class Shaky:
    """A service that fails a number of times before it answers, each response for itself."""

    name, answer_format, backoff, timeout = "shaky", "text", 0.01, 0.2

    def __init__(self, retries: int = 4, concurrency: int = 8) -> None:
        self.retries, self.concurrency = retries, concurrency
        self.tries: dict[str, int] = {}
        self.now = self.most = 0

    async def verify(self, problem: Problem, trace: str, answer: str | None) -> Verdict:
        what, _, number = (answer or "").partition(" ")
        self.tries[what] = self.tries.get(what, 0) + 1
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(0.005)
            if self.tries[what] <= int(number or 0):
                if what.startswith("hang"):
                    await asyncio.sleep(60)
                raise ConnectionError("no route") if what.startswith("lost") else KeyError("my bug")
        finally:
            self.now -= 1
        return Verdict(1.0, "correct", str(self.most))


def score(name: str, response: str, **options) -> float | None:
    return verifiers.score(f"{__name__}:{name}", P, response, **options).score


@pytest.mark.parametrize(
    "name, options, half, other",
    [
        ("plain", {}, 1.0, 0.5),
        ("plain", {"credit": 0.1}, 1.0, 0.1),
        ("strict", {}, 1.0, 0.0),
        ("awaited", {}, 0.25, 0.0),
        ("trl", {}, 1.0, 0.0),
        ("trl_awaited", {}, 1.0, 0.0),
        ("trl_chat", {"conversational": True}, 1.0, 0.0),
    ],
)
def test_a_function_is_a_verifier(name: str, options: dict, half: float, other: float):
    assert (score(name, HALF, **options), score(name, WHOLE, **options)) == (half, other)
    with VerifierPool(f"{__name__}:{name}", options, workers=1) as pool:
        assert [v.score for v in pool.score([(P, HALF), (P, WHOLE), (P, HALF)])] == [half, other, half]


def test_a_function_reads_the_whole_response_as_it_came():
    seen = []
    verifier = verifiers.forms.FunctionVerifier(lambda problem, response: seen.append(response) or 1.0, {})  # type: ignore[attr-defined]
    for response in ("\n <think>\n", "", "a\\boxed{b}\n\n"):
        assert verifiers.judge(verifier, P, response).score == 1.0
    assert seen == ["\n <think>\n", "", "a\\boxed{b}\n\n"]


def test_none_of_a_trl_function_is_no_verdict_and_of_any_other_a_fault():
    verdict = verifiers.score(f"{__name__}:trl_chat", P, "skip", conversational=True)
    assert (verdict.score, verdict.status) == (None, "unverifiable") and "does not apply" in verdict.detail
    with pytest.raises(VerifierFailed, match="returned NoneType"):
        verifiers.judge(verifiers.forms.FunctionVerifier(lambda problem, response: None, {}), P, "x")  # type: ignore[attr-defined]


def test_options_of_a_function_are_its_own_parameters():
    with pytest.raises(BadOption, match=r"no option 'credits'; it takes credit \(did you mean 'credit'"):
        verifiers.load(f"{__name__}:plain", credits=1)
    with pytest.raises(BadOption, match="no option 'answer'; it takes conversational"):
        verifiers.load(f"{__name__}:trl", answer="x", completions="y")
    with pytest.raises(VerifierFailed, match=r"needs difficulty; problem 'p' has the columns .*level"):
        score("lacks_a_column", "x")


def test_attributes_of_a_function_are_the_verifiers():
    verdict = verifiers.score(f"{__name__}:plain_marked", P, "x")
    assert (verdict.score, verdict.status, verdict.solved) == (0.5, "correct", True)


@pytest.mark.parametrize("name", ["Numbers", "Awaited"])
def test_a_number_is_a_score_solved_from_the_pass_mark_on(name: str):
    spec = f"{__name__}:{name}"
    half, most = (verifiers.score(spec, P, f"so\n{word}") for word in ("half", "most"))
    assert (half.score, half.status, half.solved, half.answer) == (0.5, "correct", True, "half")
    assert (most.score, most.solved) == (0.9, True)
    none = verifiers.score(spec, P, "none")
    assert (none.score, none.status, none.solved) == (0.0, "incorrect", False)
    with VerifierPool(spec, workers=1) as pool:
        assert pool.score([(P, "none"), (P, "half")]) == [none, verifiers.score(spec, P, "half")]
        with pytest.raises(
            VerifierFailed, match=r"KeyError: 'nobody' \(.*test_forms.py, line \d+, in verify"
        ):
            pool.score([(P, "nobody")])


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.none(), st.text(), st.lists(st.floats())))
@settings(max_examples=200, deadline=None)
def test_whatever_a_verifier_says_is_a_score_in_range_or_stops(said: object):
    item = Item(P, "", "y", "y")
    try:
        verdict = as_verdict(Numbers(), item, said)  # type: ignore[arg-type]
    except VerifierFailed:
        assert not (isinstance(said, int | float) and 0 <= said <= 1)
    else:
        assert isinstance(said, int | float) and verdict.score == said
        assert (verdict.status == "correct") is (said >= 0.5)


@given(st.floats(allow_nan=True), st.sampled_from([1.0, 0.5, 0.01]))
@settings(max_examples=200, deadline=None)
def test_a_verdict_holds_a_score_from_0_to_1_and_is_solved_from_its_mark_on(value: float, mark: float):
    if 0 <= value <= 1:
        verdict = Verdict(value, "incorrect", pass_mark=mark)
        assert verdict.solved is (value >= mark) and verdict.answer_score == value
    else:
        with pytest.raises(ValueError, match="expected a number from 0 to 1, or None"):
            Verdict(value, "incorrect")


# ------------------------------------------------------------------ services


@pytest.mark.parametrize("name", ["Batched", "BatchedAwaited"])
def test_verify_many_gets_parts_of_what_is_asked_and_order_is_kept(name: str):
    with VerifierPool(f"{__name__}:{name}", workers=1, cache=0) as pool:
        pool.score([(P, "first")])  # now it is known how many are judged at once
        responses = ["so\nhalf" if i % 3 else f"so\n{i}" for i in range(30)]
        verdicts = pool.score([(P, response) for response in responses])
    assert [v.score for v in verdicts] == [float(bool(i % 3)) for i in range(30)]
    assert [(v.answer or "").partition(" ")[2] for v in verdicts] == responses
    assert max(int((v.answer or "").partition(" ")[0]) for v in verdicts) == 4
    assert verifiers.score(f"{__name__}:{name}", P, "half").score == 1.0


def test_verdicts_that_are_too_few_are_a_fault():
    class Short(Batched):
        def verify_many(self, items):
            return []

    with pytest.raises(VerifierFailed, match="verify_many returned 0 verdicts for 1 items"):
        verifiers.judge(Short(), P, "half")  # type: ignore[arg-type]


def test_calls_run_at_the_same_time_but_not_more_of_them_than_are_allowed():
    for concurrency in (1, 3):
        verifier = Shaky(concurrency=concurrency)
        verifiers.judging.judge_many(verifier, [(P, f"a{i}") for i in range(12)])  # type: ignore[attr-defined]
        assert verifier.most == concurrency


def test_a_transient_failure_and_a_slow_answer_are_tried_again():
    verifier = Shaky()
    said = verifiers.judging.judge_many(verifier, [(P, "lost 3"), (P, "fine"), (P, "hang 1")])  # type: ignore[attr-defined]
    assert [v.score for v in said] == [1.0] * 3
    assert verifier.tries == {"lost": 4, "fine": 1, "hang": 2}


def test_exceptions_of_ones_own_are_transient_besides_a_slow_answer():
    """Only `KeyError` is named: a lost connection is then a fault, a time-out always is worth another try."""
    said = Shaky()
    said.transient = KeyError  # type: ignore[attr-defined]
    assert [verifiers.judge(said, P, response).score for response in ("bug 2", "hang 1")] == [1.0, 1.0]  # type: ignore[arg-type]
    assert said.tries == {"bug": 3, "hang": 2}
    with pytest.raises(VerifierFailed, match="ConnectionError"):
        verifiers.judge(said, P, "lost 1")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "response, tries, words",
    [
        ("lost 9", 3, r"ConnectionError: no route, in the last of 3 tries \(.*test_forms.py, line"),
        ("hang 9", 3, "TimeoutError: no answer within 0.2 s, in the last of 3 tries"),
        ("bug 9", 1, r"KeyError: 'my bug' \(.*test_forms.py, line \d+, in verify"),
    ],
)
def test_what_does_not_pass_stops_whoever_asked(response: str, tries: int, words: str):
    verifier = Shaky(retries=2)
    with pytest.raises(VerifierFailed, match=words):
        verifiers.judge(verifier, P, response)  # type: ignore[arg-type]
    assert list(verifier.tries.values()) == [tries]
    with (
        VerifierPool(f"{__name__}:Shaky", {"retries": 2}, workers=1) as pool,
        pytest.raises(VerifierFailed, match=words),
    ):
        pool.score([(P, "fine"), (P, response)])


def test_one_that_has_an_event_loop_may_ask_too():
    async def notebook() -> float | None:
        return verifiers.score(f"{__name__}:awaited", P, HALF).score

    assert asyncio.run(notebook()) == 0.25


@given(
    retries=st.integers(0, 6),
    backoff=st.floats(0, 100),
    timeout=st.floats(0.001, 100),
    batch=st.integers(1, 50),
)
@settings(max_examples=100, deadline=None)
def test_waits_grow_to_a_limit_and_the_longest_call_is_bounded(retries, backoff, timeout, batch):
    how = Calls(retries=retries, backoff=backoff, timeout=timeout, batch_size=batch)
    waits = [how.wait(i) for i in range(retries)]
    doubled = backoff
    for wait in waits:
        assert wait == min(doubled, 30)
        doubled *= 2
    assert how.longest == pytest.approx((retries + 1) * timeout + sum(waits))
    assert how.capacity == how.concurrency * batch


@pytest.mark.parametrize(
    "attribute, value, words",
    [
        ("concurrency", 0, "`concurrency` is 0"),
        ("timeout", "30", "`timeout` is '30'"),
        ("retries", -1, "`retries` is -1"),
        ("transient", OSError("x"), "`transient` is"),
        ("pass_mark", 0, "pass_mark is 0"),
        ("pass_mark", 1.5, "pass_mark is 1.5"),
        ("name", None, "no attribute 'name'"),
    ],
)
def test_an_attribute_without_a_meaning_is_refused(monkeypatch, attribute: str, value: object, words: str):
    monkeypatch.setattr(Awaited, attribute, value, raising=False)
    with pytest.raises(UnknownVerifier, match=words):
        verifiers.load(f"{__name__}:Awaited")


# ------------------------------------------------------------------ files, folders, and what is never called

FILE = (
    "from helper_beside import WORD\n"
    "from verifiers import Verdict\n"
    "class Mine:\n"
    "    name, answer_format = 'mine', 'text'\n"
    "    def verify(self, problem, trace, answer):\n"
    "        return Verdict(float(answer == WORD), 'correct' if answer == WORD else 'incorrect', answer)\n"
    "def short(problem, response):\n"
    "    return len(response) < 5\n"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "graders").mkdir()
    (tmp_path / "graders" / "own_graders.py").write_text(FILE)
    (tmp_path / "graders" / "helper_beside.py").write_text("WORD = 'yes'\n")
    return tmp_path


def test_a_file_is_named_by_its_path(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", list(sys.path))
    absolute = f"{folder}/graders/own_graders.py"
    for spec in (
        "./graders/own_graders.py:Mine",
        "graders/own_graders.py:Mine",
        f"{absolute}:Mine",
    ):
        assert verifiers.score(spec, P, "yes").score == 1.0
        with VerifierPool(spec, workers=1) as pool:
            monkeypatch.chdir("/")  # where the pool was made is what counts
            assert [v.score for v in pool.score([(P, "yes"), (P, "no")])] == [1.0, 0.0]
            monkeypatch.chdir(folder)
    assert (
        verifiers.load(f"{absolute}:Mine").__class__
        is verifiers.load("./graders/own_graders.py:Mine").__class__
    )
    assert verifiers.score("./graders/own_graders.py:short", P, "yes").score == 1.0
    with pytest.raises(UnknownVerifier, match=r"no file \./graders/none.py in .*"):
        verifiers.load("./graders/none.py:Mine")
    with pytest.raises(UnknownVerifier, match="no attribute 'Nobody'"):
        verifiers.load("./graders/own_graders.py:Nobody")


def test_a_folder_of_ones_own_is_looked_in_after_what_is_installed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(verifiers.registry, "_folders", [])  # type: ignore[attr-defined]
    verifiers.add_folder(folder / "graders")
    verifiers.add_folder(folder / "graders")
    assert sys.path[-1] == str(folder / "graders") and sys.path.count(sys.path[-1]) == 1
    for spec in ("own_graders:Mine", "./own_graders.py:Mine"):
        with VerifierPool(spec, workers=1) as pool:
            assert pool.score([(P, "yes")])[0].score == 1.0
    sys.modules.pop("own_graders", None)


@pytest.mark.parametrize(
    "text, words",
    [
        ("def f(:\n", r"SyntaxError: .*\(.*broken.py, line 1\)"),
        ("x = nothing\n", r"NameError: name 'nothing' is not defined \(.*broken.py, line 1"),
        ("class V:\n    def verify(self): ...\n    def __init__(self): raise RuntimeError('no key')\n",
         r"cannot be made: RuntimeError: no key \(.*broken.py, line 3"),
    ],
)  # fmt: skip
def test_ones_own_code_that_does_not_load_is_told_in_words(tmp_path: Path, text: str, words: str):
    (tmp_path / "broken.py").write_text(text)
    with pytest.raises(UnknownVerifier, match=words):
        verifiers.load(f"{tmp_path}/broken.py:V")


def test_what_is_no_verifier_is_never_called(tmp_path: Path):
    marker = tmp_path / "marker"
    for spec, options in (
        ("subprocess:Popen", {"args": ["touch", str(marker)]}),
        ("subprocess:run", {"args": ["touch", str(marker)]}),
        ("os:system", {"command": f"touch {marker}"}),
        ("pathlib:Path", {}),
        ("builtins:exec", {"source": "1"}),
    ):
        with pytest.raises((UnknownVerifier, BadOption)):
            verifiers.load(spec, **options)
    time.sleep(0.2)
    assert not marker.exists()


def test_importing_the_package_does_not_import_what_services_need():
    code = "import sys, verifiers; print('asyncio' in sys.modules)"
    path = str(Path(verifiers.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {path!r}); {code}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "False"
