"""The pool against real hangs, segfaults, memory bombs, forks, threads and event loops."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from verifiers import PoolError, Problem, UnknownVerifier, VerifierFailed, VerifierPool, as_trl_reward
from verifiers.pool import default_workers

REPO = Path(__file__).resolve().parents[2]
HERE = str(Path(__file__).resolve().parent)
NAUGHTY = "naughty:Naughty"
P = Problem("p", "Say a.", "a")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)


@pytest.fixture(scope="module")
def pool() -> Iterator[VerifierPool]:
    sys.path.insert(0, HERE)
    with VerifierPool(NAUGHTY, workers=2, deadline=1.0, memory_mb=512) as pool:
        yield pool
    sys.path.remove(HERE)


def judge(pool: VerifierPool, *responses: str) -> list[str]:
    return [verdict.status for verdict in pool.score([(P, response) for response in responses])]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def start(code: str) -> subprocess.Popen[str]:
    environment = os.environ | {"PYTHONPATH": str(REPO)}
    command = [sys.executable, "-c", code]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def wait_until(true: object, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


@pytest.mark.parametrize(
    "cores, processes, workers",
    [(24, 1, 8), (24, 2, 8), (24, 4, 6), (8, 1, 8), (5, 1, 5), (1, 1, 1), (2, 4, 1), (16, 8, 2), (128, 8, 8)],
)
def test_by_default_there_is_one_worker_per_core_and_at_most_eight(
    monkeypatch: pytest.MonkeyPatch, cores: int, processes: int, workers: int
):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)), raising=False)
    monkeypatch.setenv("LOCAL_WORLD_SIZE", str(processes))
    assert default_workers() == workers
    assert VerifierPool("exact")._settings.workers == workers  # none is started before it is needed
    assert VerifierPool("exact", workers=12)._settings.workers == 12


def test_order_is_kept(pool: VerifierPool):
    verdicts = pool.score([(P, f"answer {i}") for i in range(500)])
    assert [verdict.answer for verdict in verdicts] == [f"answer {i}" for i in range(500)]


def test_each_misdeed_costs_its_own_item_only():
    misdeeds = {
        "hang": (0.0, "timeout"),
        "segfault": (0.0, "crash"),
        "exit": (0.0, "crash"),
        "killed": (0.0, "crash"),
        "garble": (0.0, "crash"),
        "memory": (0.0, "memory"),
    }
    responses, expected = [], []
    for misdeed, outcome in misdeeds.items():
        for i in range(10):
            responses += [f"wrong {misdeed} {i}", "a"]
            expected += [(0.0, "incorrect"), (1.0, "correct")]
        responses.append(misdeed)
        expected.append(outcome)
    with VerifierPool(NAUGHTY, workers=2, deadline=1.0, memory_mb=512, cache=0) as pool:
        verdicts = pool.score([(P, response) for response in responses])
        stats = pool.stats
    assert [(verdict.score, verdict.status) for verdict in verdicts] == expected
    assert (stats.verdicts, stats.timeouts, stats.crashes, stats.memory) == (len(responses), 1, 4, 1)


def test_details_are_for_a_person(pool: VerifierPool):
    details = [v.detail for v in pool.score([(P, r) for r in ("hang", "segfault", "exit")])]
    assert details[0] == "no verdict within 1 s"
    assert details[1:3] == [
        "the worker that judged it died: signal 11 (Segmentation fault)",
        "the worker that judged it died: exit code 7",
    ]


@pytest.mark.parametrize(
    "misdeed, words",
    [
        ("raise x", r"KeyError: 'x' \(.*naughty.py, line \d+, in verify: raise KeyError\(argument\)\)"),
        ("nonsense", "returned 7.5 for problem 'p'; expected a Verdict or a score from 0 to 1"),
    ],
)
def test_a_verifier_that_fails_is_an_error_for_the_caller_who_asked(
    pool: VerifierPool, misdeed: str, words: str
):
    asked = [pool.submit(P, text) for text in ("a", misdeed, "b")]
    assert asked[0].result().status == "correct" and asked[2].result().status == "incorrect"
    for _ in range(2):  # it is not remembered
        with pytest.raises(VerifierFailed, match=words):
            pool.submit(P, misdeed).result()
    with pytest.raises(VerifierFailed, match=words):
        asked[1].result()


def test_a_hang_ends_at_the_deadline_and_holds_nobody_up(pool: VerifierPool):
    judge(pool, "warm", "up")
    began = time.monotonic()
    hang = pool.submit(P, "hang 1")
    others = [pool.submit(P, f"quick {i}") for i in range(50)]
    assert {other.result().status for other in others} == {"incorrect"}
    assert not hang.done()
    assert hang.result().status == "timeout"
    assert time.monotonic() - began < 3


def test_a_worker_worn_out_by_others_does_not_cost_an_item(pool: VerifierPool, tmp_path: Path):
    before = pool.stats
    assert judge(pool, f"once {tmp_path / 'died'}") == ["incorrect"]
    assert pool.stats.crashes == before.crashes and pool.stats.restarts == before.restarts + 1


def test_a_worker_that_leaks_is_replaced_and_its_items_are_judged(tmp_path: Path):
    with VerifierPool(NAUGHTY, workers=1, memory_mb=512, cache=0) as pool:
        assert judge(pool, *[f"leak 100 {i}" for i in range(20)]) == ["incorrect"] * 20
        assert pool.stats.restarts >= 3 and pool.stats.memory == 0


def test_prints_do_not_reach_the_protocol(pool: VerifierPool):
    assert judge(pool, *[f"print {i}" for i in range(20)], "a") == ["incorrect"] * 20 + ["correct"]


def test_prints_go_to_standard_error(capfd: pytest.CaptureFixture[str]):
    """Standard output holds the rows of `rlvr score`."""
    with VerifierPool(NAUGHTY, workers=1) as pool:
        assert judge(pool, "print", "a") == ["incorrect", "correct"]
    out, err = capfd.readouterr()
    assert out == "" and "not a verdict" in err


@pytest.mark.parametrize("text", ["\ud800 lone", "zero\0byte", "émoji 🧮", "x" * 3_000_000, "a\n" * 9])
def test_any_text_goes_down_and_comes_back(pool: VerifierPool, text: str):
    assert pool.score([(P, text)])[0].answer == text.strip()


def test_equal_items_are_judged_once_and_remembered(tmp_path: Path):
    with VerifierPool(NAUGHTY, workers=2) as pool:
        items = [(P, "a"), (P, "b"), (Problem("other", P.prompt, "a"), "a")]
        first = pool.score(items * 50)
        assert pool.stats.cache_hits == 147 and pool.stats.verdicts == 150
        assert pool.score(items) == first[:3]
        assert pool.stats.cache_hits == 150


def test_an_error_is_not_remembered_and_every_other_verdict_is(tmp_path: Path):
    fails = f"fails {tmp_path / 'once'}"
    with VerifierPool(NAUGHTY, workers=1, deadline=1.0) as pool:
        assert [judge(pool, fails), judge(pool, fails)] == [["error"], ["incorrect"]]
        assert pool.stats.cache_hits == 0
        for response, status in (
            ("a", "correct"),
            ("b", "incorrect"),
            ("unjudged", "unverifiable"),
            ("hang", "timeout"),
        ):
            assert [judge(pool, response), judge(pool, response)] == [[status], [status]]
        assert (pool.stats.cache_hits, pool.stats.timeouts) == (4, 1)


def test_the_cache_forgets_the_oldest():
    with VerifierPool(NAUGHTY, workers=1, cache=2) as pool:
        judge(pool, "1", "2", "3")
        judge(pool, "1")
        assert pool.stats.cache_hits == 0
        judge(pool, "3", "1")
        assert pool.stats.cache_hits == 2


def test_many_threads_at_once(pool: VerifierPool):
    def work(thread: int) -> list[str]:
        return [v.answer or "" for v in pool.score([(P, f"thread {thread} {i}") for i in range(50)])]

    with ThreadPoolExecutor(8) as threads:
        for thread, answers in enumerate(threads.map(work, range(8))):
            assert answers == [f"thread {thread} {i}" for i in range(50)]


def test_asyncio(pool: VerifierPool):
    async def work() -> list[str]:
        futures = [asyncio.wrap_future(pool.submit(P, r)) for r in ("a", "b", "exit 2")]
        return [verdict.status for verdict in await asyncio.gather(*futures)]

    assert asyncio.run(work()) == ["correct", "incorrect", "crash"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork")
def test_a_forked_child_starts_workers_of_its_own(pool: VerifierPool):
    def worker_pid(salt: str) -> int:
        return int(pool.score([(P, f"pid {salt}")])[0].answer or 0)

    parents_workers = {worker_pid(f"before {i}") for i in range(20)}
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(write, str(worker_pid("child")).encode())
        finally:
            os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        childs_worker = int(pipe.read())
    os.waitpid(child, 0)
    assert childs_worker not in parents_workers
    assert worker_pid("after") in parents_workers  # the parent's workers are undisturbed
    assert wait_until(lambda: not alive(childs_worker))


def test_workers_end_when_the_parent_is_killed_even_in_a_hang():
    code = (
        f"import sys; sys.path.insert(0, {HERE!r})\n"
        "from verifiers import *\n"
        f"pool = VerifierPool({NAUGHTY!r}, workers=2, deadline=60)\n"
        "P = Problem('p', '', 'a')\n"
        "hangs = pool.submit(P, 'hang')\n"
        "print(*{pool.score([(P, f'pid {i}')])[0].answer for i in range(9)}, flush=True)\n"
        "pids = [thread.worker.process.pid for thread in pool._scheduler.threads]\n"
        "print(*pids, flush=True)\n"
        "hangs.result()\n"
    )
    parent = start(code)
    assert parent.stdout is not None
    parent.stdout.readline()
    pids = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(pids) == 2 and all(map(alive, pids))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert wait_until(lambda: not any(map(alive, pids)))
    parent.stdout.close()


def test_a_verifier_that_keeps_its_own_time_is_given_it():
    with VerifierPool("naughty:Patient", workers=1, deadline=0.2) as pool:
        assert judge(pool, "sleep 0.5", "hang") == ["incorrect", "timeout"]


@pytest.mark.parametrize(("verifier", "deadline", "expected"), [
    ("naughty:Patient", 0.2, 1.0), ("naughty:Patient", 30.0, 30.0), (NAUGHTY, 0.2, 0.2), (NAUGHTY, 30.0, 30.0),
])  # fmt: skip
def test_the_longer_of_both_deadlines_counts(verifier: str, deadline: float, expected: float):
    """Patient asks for a second; the other verifier for none."""
    with VerifierPool(verifier, workers=1, deadline=deadline) as pool:
        judge(pool, "x")
        (worker,) = [thread.worker for thread in pool._scheduler.threads if thread.worker]
        assert worker.deadline == expected


def test_a_worker_is_lean_and_does_not_import_the_callers_modules(pool: VerifierPool):
    modules = set((pool.score([(P, "modules")])[0].answer or "").split())
    assert not modules & {"torch", "numpy", "sympy", "pytest", "subprocess", "rlvr", "asyncio"}
    assert "hypothesis" not in modules and "verifiers.pool.worker_process" in modules


def test_hooks_run_once_per_worker(tmp_path: Path):
    log = tmp_path / "log"
    with VerifierPool(NAUGHTY, {"log": str(log)}, workers=2) as pool:
        judge(pool, *map(str, range(100)))
    words = [line.split() for line in log.read_text().splitlines()]
    pids = {pid for _, pid in words}
    assert sorted(words) == sorted([[word, pid] for word in ("warm", "close") for pid in pids])


def test_a_verifier_that_does_not_load_is_an_error_for_the_caller_every_time():
    with VerifierPool("naughty:Unloadable", workers=2) as pool:
        for _ in range(2):
            with pytest.raises(PoolError, match=r"'naughty:Unloadable' does not load.*no such model"):
                judge(pool, "a", "b", "c")
    with (
        VerifierPool("naughty:DiesAtBirth", workers=1) as pool,
        pytest.raises(PoolError, match="exit code 3"),
    ):
        judge(pool, "a")
    with VerifierPool(NAUGHTY, {"lgo": 1}) as pool, pytest.raises(PoolError, match="no option 'lgo'"):
        judge(pool, "a")
    with pytest.raises(UnknownVerifier, match="did you mean 'math'"):
        VerifierPool("mathh")


def test_a_reference_that_cannot_be_sent_is_an_error_for_the_caller(pool: VerifierPool):
    with pytest.raises(TypeError, match=r"problem 'bad' cannot be sent.*expected JSON-like"):
        pool.score([(Problem("bad", "", lambda: None), "a")])
    with pytest.raises(TypeError, match=r"expected a \(Problem, str\) pair"):
        pool.score([(P, None)])  # type: ignore[list-item]
    hidden = type("Hidden", (), {"__module__": "__main__", "__qualname__": "Hidden"})
    main = sys.modules["__main__"]
    main.Hidden = hidden  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"cannot be read in a worker.*Hidden"):
        pool.score([(Problem("bad", "", hidden()), "a")])
    assert judge(pool, "a") == ["correct"]


def test_close_ends_what_is_running_and_refuses_what_comes():
    pool = VerifierPool(NAUGHTY, workers=1, deadline=60)
    judge(pool, "warm")
    hang, queued = pool.submit(P, "hang"), pool.submit(P, "a")
    pid = pool._scheduler.threads[0].worker.process.pid  # type: ignore[union-attr]
    began = time.monotonic()
    pool.close()
    pool.close()
    assert time.monotonic() - began < 3 and not alive(pid)
    for future in (hang, queued):
        with pytest.raises(PoolError, match="closed"):
            future.result()
    with pytest.raises(PoolError, match="closed"):
        pool.submit(P, "a")


def test_a_forgotten_pool_ends_its_workers():
    pool = VerifierPool(NAUGHTY, workers=1)
    pid = int(pool.score([(P, "pid")])[0].answer or 0)
    del pool
    assert wait_until(lambda: not alive(pid))


def test_an_interrupt_leaves_no_work_behind():
    with VerifierPool(NAUGHTY, workers=1, deadline=60) as pool:
        judge(pool, "warm")
        main = threading.get_ident()
        threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            judge(pool, "sleep 0.6", "sleep 30", "sleep 31")
        began = time.monotonic()
        assert judge(pool, "a") == ["correct"]
        assert time.monotonic() - began < 5


@pytest.mark.serial
def test_a_stopped_parent_does_not_blame_its_workers(tmp_path: Path):
    """A suspended job: everything stops for longer than the deadline, then goes on."""
    code = (
        f"import sys; sys.path.insert(0, {HERE!r})\n"
        "from verifiers import *\n"
        f"pool = VerifierPool({NAUGHTY!r}, workers=1, deadline=1.5)\n"
        "P = Problem('p', '', 'a')\n"
        "print(pool.score([(P, 'pid')])[0].answer, flush=True)\n"
        "print(pool.score([(P, 'sleep 0.8')])[0].status, flush=True)\n"
    )
    parent = start(code)
    assert parent.stdout is not None
    pids = [int(parent.stdout.readline()), parent.pid]
    time.sleep(0.2)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    time.sleep(2)
    for pid in reversed(pids):
        os.kill(pid, signal.SIGCONT)
    assert parent.stdout.read().strip() == "incorrect"
    parent.wait()
    parent.stdout.close()


@pytest.mark.skipif(sys.platform != "linux", reason="the state of a process is read from /proc")
def test_a_worker_that_somebody_stopped_costs_its_response_nothing():
    with VerifierPool(NAUGHTY, workers=1, deadline=1.5) as pool:
        (first,) = pool.score([(P, "pid")])
        assert first.answer is not None
        future = pool.submit(P, "sleep 0.5")
        time.sleep(0.1)
        os.kill(int(first.answer), signal.SIGSTOP)
        assert future.result(30).status == "incorrect"


def test_a_pool_travels_by_pickle(pool: VerifierPool):
    with pickle.loads(pickle.dumps(pool)) as copy:
        assert judge(copy, "a") == ["correct"]


@pytest.mark.serial
def test_cheap_verdicts_pass_at_more_than_3000_a_second():
    items = [(P, f"answer {i}") for i in range(6000)]
    with VerifierPool(NAUGHTY, workers=2, cache=0) as pool:
        pool.score(items[:100])
        best = 0.0
        for _ in range(3):  # the machine may be busy with other things
            began = time.monotonic()
            pool.score(items)
            best = max(best, len(items) / (time.monotonic() - began))
    assert best > 3000


@pytest.mark.parametrize("column", ["reference", "answer", "solution"])
def test_as_a_reward_function_of_trl(column: str):
    reward = as_trl_reward(NAUGHTY)
    metrics: dict[str, float] = {}
    prompts = ["x", "y", "z", "w"]
    try:
        plain = reward(
            prompts=prompts, completions=["a", "b", "c", "a"], completion_ids=[[1]] * 4,
            trainer_state=None, log_metric=metrics.__setitem__, **{column: ["a", "a", "a", None]},
        )  # fmt: skip
        chat = reward(
            prompts=[[{"role": "user", "content": "x"}]] * 2,
            completions=[
                [{"role": "assistant", "content": "a"}],
                [{"role": "assistant", "content": [{"type": "text", "text": "b"}]}],
            ],
            **{column: ["a", "a"]},
        )
        with pytest.raises(ValueError, match=r"no column 'reference', 'answer', 'solution'.*gold"):
            reward(prompts=["x"], completions=["a"], gold=["a"])
        with pytest.raises(
            VerifierFailed, match="KeyError: 'x'"
        ):  # the trainer stops, and does not go on without
            reward(prompts=["x"], completions=["raise x"], **{column: ["a"]})
    finally:
        reward.pool.close()  # type: ignore[attr-defined]
    assert plain == [1.0, 0.0, 0.0, None]
    assert chat == [1.0, 0.0]
    assert metrics == {"verdicts/correct": 0.25, "verdicts/incorrect": 0.5}
    assert reward.__name__ == "Naughty"
