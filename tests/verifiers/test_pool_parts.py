"""The parts of a pool without processes: who gets which tasks, what becomes of them, how workers are divided."""

from __future__ import annotations

import json
import math
import time
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from verifiers.pool import by_source, pool, scheduler, worker_process
from verifiers.pool.scheduler import Scheduler
from verifiers.pool.worker_thread import PoolError, Settings, Task
from verifiers.types import Verdict

RIGHT = Verdict(1.0, "correct")


class Thread:
    """Takes what it is given, and judges nothing."""

    def __init__(self, _: Scheduler, at_once: int = 1) -> None:
        self.chunk: list[Task] = []
        self.position, self.since, self.at_once = 0, 0.0, at_once
        self.worker: Any = None
        self.started = False

    def start(self) -> None:
        self.started = True

    def join(self) -> None:
        self.started = False


@pytest.fixture(autouse=True)
def no_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "WorkerThread", Thread)


def made(workers: int = 3, cache: int = 10) -> Scheduler:
    return Scheduler(Settings("math", {}, workers, 10.0, 100, cache))


def payloads(count: int, start: int = 0) -> list[bytes]:
    return [str(n).encode() for n in range(start, start + count)]


def names(tasks: list[Task]) -> list[bytes]:
    return [task.payload for task in tasks]


def test_threads_are_started_for_tasks_that_nobody_waits_for_and_no_more_than_workers() -> None:
    one = made(workers=3)
    for count, payload in enumerate(payloads(6), 1):
        one.submit(payload)
        assert len(one.threads) == min(count, 3)
    assert all(thread.started for thread in one.threads)  # type: ignore[attr-defined]
    two = made(workers=3)
    two.idle = 2  # they take the first two tasks
    for count, payload in enumerate(payloads(5), 1):
        two.submit(payload)
        assert len(two.threads) == max(0, count - 2)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(st.integers(1, 300), st.integers(1, 9), st.floats(1e-5, 1.0), st.sampled_from([1, 1, 2, 8, 500]))
def test_a_chunk_is_a_fair_share_and_little_work_but_for_a_service(
    queued: int, workers: int, seconds: float, at_once: int
) -> None:
    one = made(workers)
    for payload in payloads(queued):
        one.submit(payload)
    one.seconds_per_task = seconds
    thread = one.threads[0]
    thread.at_once = at_once  # type: ignore[misc]
    fair = math.ceil(queued / len(one.threads))
    by_time = max(1, int(scheduler.CHUNK_SECONDS / seconds))
    expected = min(fair, at_once) if at_once > 1 else min(fair, by_time, scheduler.MAX_CHUNK)
    chunk = one.take(thread)
    assert names(chunk) == payloads(expected) and thread.chunk == chunk and thread.position == 0
    assert all(task.thread is thread for task in chunk) and len(one.queue) == queued - expected


def test_only_the_first_outcome_of_a_task_counts_for_all_who_wait() -> None:
    one = made()
    first, again = one.submit(b"a"), one.submit(b"a")
    (task,) = one.take(one.threads[0])
    one.settle(task, RIGHT, 0.1)
    one.settle(task, Verdict(0.0, "timeout"))
    assert first.result(0) == again.result(0) == one.submit(b"a").result(0) == RIGHT
    assert (one.stats.verdicts, one.stats.cache_hits) == (3, 2)
    assert one.waiting == {}


def test_what_is_remembered_and_for_how_long() -> None:
    one = made(cache=2)
    for payload in (b"a", b"b", b"a", b"c"):
        future = one.submit(payload)
        for task in one.take(one.threads[0]) if not future.done() else []:
            one.settle(task, RIGHT)
    assert (
        one.submit(b"a").done() and one.submit(b"c").done() and not one.submit(b"b").done()
    )  # b: used longest ago
    two = made()
    for outcome in (Verdict(None, "error"), ValueError("no")):
        future = two.submit(b"x")
        two.settle(two.take(two.threads[0])[0], outcome)
        assert future.done() and two.cache == {}
    three = made(cache=0)
    assert not any(three.submit(b"x").done() for _ in range(2)) and len(three.queue) == 2


def test_the_running_mean_follows_what_tasks_take_and_one_slow_task_moves_it_little() -> None:
    one = made()
    assert one.seconds_per_task == scheduler.CHUNK_SECONDS / 4
    expected = one.seconds_per_task
    for payload, seconds in zip(payloads(3), (0.2, 90.0, 0.0), strict=True):
        one.submit(payload)
        one.settle(one.take(one.threads[0])[0], RIGHT, seconds)
        expected = 0.95 * expected + 0.05 * min(seconds, 1.0)
        assert one.seconds_per_task == pytest.approx(expected)


def test_tasks_behind_a_slow_one_go_to_others_in_their_order() -> None:
    for at_once, age, moved in ((1, 2.0, True), (1, 0.1, False), (8, 2.0, False)):
        one = made(workers=1)
        for payload in payloads(8):
            one.submit(payload)
        slow, other = one.threads[0], Thread(one)
        one.threads.append(other)  # type: ignore[arg-type]
        one.seconds_per_task = 1e-4
        slow.at_once = at_once  # type: ignore[misc]
        chunk = one.take(slow)
        assert len(chunk) == 4
        slow.position, slow.since = 1, time.monotonic() - age
        chunk[3].done = True
        one.queue.clear()
        assert one._reclaim() is moved
        assert names(list(one.queue)) == (payloads(1, 2) if moved else [])
        assert chunk[2].thread is (None if moved else slow) and chunk[1].thread is slow


def test_the_unjudged_tasks_of_a_lost_worker_come_first_again() -> None:
    one = made(workers=1)
    for payload in payloads(6):
        one.submit(payload)
    one.seconds_per_task = 1e-4
    thread = one.threads[0]
    other = Thread(one)
    one.threads.append(other)  # type: ignore[arg-type]
    chunk = one.take(thread)
    assert names(list(one.queue)) == payloads(3, 3)
    chunk[1].done = True
    one.give_back(thread, chunk)
    assert names(list(one.queue)) == [b"0", b"2", b"3", b"4", b"5"]
    chunk[0].thread = other  # type: ignore[assignment]
    one.queue.clear()
    one.give_back(thread, chunk)
    assert names(list(one.queue)) == []


def test_a_task_is_dropped_when_all_who_wait_have_cancelled() -> None:
    one = made(workers=1)
    first, second, third = one.submit(b"a"), one.submit(b"a"), one.submit(b"b")
    assert first.cancel()
    assert not one.is_cancelled(one.queue[0])
    assert second.cancel()
    assert names(one.take(one.threads[0])) == [b"b"] and len(one.waiting) == 1
    one.settle(one.threads[0].chunk[0], RIGHT)
    assert third.result(0) == RIGHT and not one.submit(b"a").done()


def test_a_closed_pool_and_a_failed_one_raise_for_everybody() -> None:
    one = made(workers=1)
    waiting = [one.submit(payload) for payload in payloads(3)]
    one.take(one.threads[0])
    killed: list[str] = []
    one.threads[0].worker = SimpleNamespace(kill=lambda: killed.append("busy"))  # type: ignore[assignment]
    one.close(wait=True)
    for future in waiting:
        with pytest.raises(PoolError, match="closed before this verdict"):
            future.result(0)
    assert killed == ["busy"] and one.take(one.threads[0]) == []
    assert not one.threads[0].started  # type: ignore[attr-defined]
    with pytest.raises(PoolError, match="the pool is closed"):
        one.submit(b"later")
    two = made(workers=1)
    waiting = [two.submit(payload) for payload in payloads(2)]
    two.fail(PoolError("first"))
    two.fail(PoolError("second"))
    for future in (*waiting,):
        with pytest.raises(PoolError, match="first"):
            future.result(0)
    with pytest.raises(PoolError, match="first"):
        two.submit(b"later")


# --- workers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 8, 17])
def test_workers_are_divided_among_verifiers_evenly_and_each_has_one(workers: int) -> None:
    asked = {"a": ("math", {}), "b": ("math", {"percent": "free"}), "c": ("reasoning", {}), "d": ("math", {})}
    with by_source.VerifierPools(asked, workers=workers) as pools:
        shares = [each._settings.workers for each in pools.pools]
        assert len(shares) == 3 and sum(shares) == max(3, workers)
        assert max(shares) - min(shares) <= 1 and shares == sorted(shares, reverse=True)
        assert pools._of["a"] is pools._of["d"] is not pools._of["b"]


def test_numbers_of_a_pool_have_bounds() -> None:
    good: dict[str, Any]
    for good in ({"workers": 1}, {"workers": None}, {"deadline": 0.01}, {"memory_mb": 1}, {"cache": 0}):
        with pool.VerifierPool("math", **good) as made_one:
            wanted = good.get("workers") or pool.default_workers()
            assert made_one._settings.workers == wanted
    bad: dict[str, Any]
    for bad in ({"workers": 0}, {"workers": -1}, {"deadline": 0}, {"memory_mb": 0}, {"cache": -1}):
        with pytest.raises(ValueError, match="expected"):
            pool.VerifierPool("math", **bad)


class Wire:
    """A channel whose messages are kept."""

    def __init__(self, *messages: bytes) -> None:
        self.messages, self.sent = list(messages), list[Any]()

    def receive(self, _: float | None = None) -> bytes:
        return self.messages.pop(0)

    def send(self, message: bytes, _: float | None = None) -> None:
        self.sent.append(json.loads(message))


class Judge:
    name, answer_format = "judge", "text"
    deadline = 7.0

    def verify(self, problem: object, trace: str, answer: str) -> Verdict:
        return RIGHT


class Service(Judge):
    deadline = 1.0
    timeout, retries, concurrency = 20.0, 0, 3

    async def verify(self, problem: object, trace: str, answer: str) -> Verdict:  # type: ignore[override]
        return RIGHT


def test_what_a_worker_says_of_its_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its deadline, and how many responses it judges at once; a service is given more time than its calls take."""
    import pickle

    from verifiers.calls import Calls

    limits: list[int] = []
    monkeypatch.setattr(worker_process, "_limit_memory", limits.append)
    judge, service = Judge(), Service()
    verifier: Any
    for verifier in (judge, service):
        monkeypatch.setattr(worker_process, "load", lambda spec, found=verifier, **options: found)
        wire = Wire(pickle.dumps({"spec": "judge", "options": {}, "memory_mb": 64}))
        worker_process._load(wire)  # type: ignore[arg-type]
        if verifier is service:
            how = Calls.of(verifier)  # type: ignore[arg-type]
            assert (
                wire.sent == [{"deadline": how.longest + 5.0, "at_once": how.capacity}]
                and how.longest >= 20.0
            )
            assert worker_process._capacity(verifier) == how.capacity > 1
        else:
            assert wire.sent == [{"deadline": 7.0, "at_once": 1}]
            assert worker_process._capacity(verifier) == 1
    assert limits == [64, 64]


def test_a_future_that_was_cancelled_while_it_was_judged_takes_no_verdict() -> None:
    one = made(workers=1)
    gone, kept = one.submit(b"a"), one.submit(b"a")
    (task,) = one.take(one.threads[0])
    gone.cancel()
    one.settle(task, RIGHT)
    assert gone.cancelled() and kept.result(0) == RIGHT
    assert isinstance(gone, Future)


@pytest.mark.parametrize(("cores", "workers"), [(None, 1), (1, 1), (6, 6), (64, 8)])
def test_where_a_process_does_not_know_its_cores_the_machines_count(
    monkeypatch: pytest.MonkeyPatch, cores: int | None, workers: int
) -> None:
    """macOS and Windows."""
    monkeypatch.delattr(pool.os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(pool.os, "cpu_count", lambda: cores)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    assert pool.default_workers() == workers
    for processes in ("0", "-3"):  # no number of processes
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
        assert pool.default_workers() == workers
