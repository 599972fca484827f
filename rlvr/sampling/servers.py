"""OpenAI-compatible servers used side by side: requests in, answers as they come, and what becomes of a server that
goes away.

Each server has so many threads, each with one request under way, and all take from one queue: a fast server does more,
and the requests of one that goes away are the others'.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from queue import Empty, SimpleQueue
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from rlvr.config import SamplingConfig
from rlvr.errors import RunError
from rlvr.launch import signals

if TYPE_CHECKING:
    import httpx2

T = TypeVar("T")
Body = dict[str, Any]

KEY = "VLLM_API_KEY"
"""The environment's variable with the key that the servers want, which `vllm serve` reads too."""
CONNECT_SECONDS = 10.0
TRIES = 8
"""Of one request, before its failures are no longer the network's."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0
"""Seconds before the second try; each further wait is twice as long."""
BUSY = (408, 429)
"""Statuses below 500 after which the same request may succeed."""
SHOWN = 300
"""Characters of a server's words in a message."""

log = logging.getLogger("rlvr.sampling")


class Away(Exception):  # noqa: N818
    """No answer, or not a whole one: the same request may succeed later."""


class Refused(RunError):  # noqa: N818
    """The server answered, and will answer the same again."""


@dataclass
class Server:
    """One server, by its address."""

    url: str
    settings: SamplingConfig
    model: str = ""
    """What it calls the policy."""

    @cached_property
    def client(self) -> httpx2.Client:
        import httpx2

        asked = self.settings.http
        key = os.environ.get(KEY)
        return httpx2.Client(
            base_url=self.url.rstrip("/").removesuffix("/v1"),
            headers={"Authorization": f"Bearer {key}"} if key else None,
            timeout=httpx2.Timeout(asked.timeout, connect=CONNECT_SECONDS, pool=None),
            limits=httpx2.Limits(max_connections=None, keepalive_expiry=2.0),  # servers keep them for 5 s
        )

    def ask(self, path: str, body: Body | None = None) -> Any:
        """What the server answers, as JSON.

        Raises:
            Away: nothing whole came.
            Refused: it says that it will not.
        """
        import httpx2

        try:
            answer = self.client.request("POST" if body else "GET", path, json=body)
        except httpx2.HTTPError as error:
            raise Away(f"{self.url}: {error or type(error).__name__}") from error
        said = " ".join(answer.text.split())[:SHOWN]
        if answer.status_code >= 500 or answer.status_code in BUSY:
            raise Away(f"{self.url} answered {answer.status_code}: {said}")
        if answer.is_error:
            hint = f" (the key that it wants goes into {KEY})" if answer.status_code in (401, 403) else ""
            raise Refused(f"{self.url} answered {answer.status_code}: {said}{hint}")
        try:
            return answer.json()
        except ValueError as error:
            raise Away(f"{self.url}: its answer of {len(answer.content)} bytes is no whole JSON") from error

    def complete(self, body: Body) -> Body:
        """The one choice of a completion. Raises as `ask`."""
        answer = self.ask("/v1/completions", {"model": self.model} | body)
        try:
            (choice,) = answer["choices"]
            return dict(choice)
        except (KeyError, TypeError, ValueError) as error:
            raise Away(f"{self.url}: its answer is no completion: {str(answer)[:SHOWN]}") from error


@dataclass
class Fleet:
    """Servers of one model."""

    servers: Sequence[Server]
    settings: SamplingConfig
    hold: Callable[[Server], None]
    """Raises Refused where a server that comes back is not what it was."""

    def each(
        self, count: int, body: Callable[[int], Body], read: Callable[[int, Body], T]
    ) -> Iterator[tuple[int, T]]:
        """Ask for `count` completions: the place of each and what was read of it, as they end.

        Args:
            body: of the request at a place.
            read: makes of a place and its choice what is wanted; raises Away where the answer is not whole.

        Raises:
            RunError: a request was refused, or fails again and again; or every server is away for longer than
                `sampling.http.patience`.
        """
        call = _Call(self, body, read, SimpleQueue())
        for place in range(count):
            call.waiting.put(place)
        threads = [
            Thread(target=call.work, args=(seat,), daemon=True)
            for seat in call.seats
            for _ in range(min(count, self.settings.http.in_flight))
        ]
        for thread in threads:
            thread.start()
        try:
            for _ in range(count):
                yield call.next()
        finally:
            call.over.set()
            for _ in threads:
                call.waiting.put(None)

    def close(self) -> None:
        for server in self.servers:
            server.client.close()


@dataclass
class _Seat:
    """A server within a call."""

    server: Server
    gate: Lock = field(default_factory=Lock)
    """Held by the thread that waits for the server; the others wait for that thread."""
    returned: int = 0
    """Times that it was away and came back."""
    gone: bool = False
    """It is waited for no more."""


@dataclass
class _Call(Generic[T]):
    fleet: Fleet
    body: Callable[[int], Body]
    read: Callable[[int, Body], T]
    waiting: SimpleQueue[int | None]
    """Places; None ends a thread."""
    ended: SimpleQueue[tuple[int, T] | Exception] = field(default_factory=SimpleQueue)
    over: Event = field(default_factory=Event)
    tries: dict[int, int] = field(default_factory=dict)
    """Failures by place."""
    seats: list[_Seat] = field(init=False)

    def __post_init__(self) -> None:
        self.seats = [_Seat(server) for server in self.fleet.servers]

    def next(self) -> tuple[int, T]:
        """What ends next, waited for in the main thread, where signals come."""
        while True:
            signals.check_stop()
            try:
                found = self.ended.get(timeout=signals.POLL_SECONDS)
            except Empty:
                continue
            if isinstance(found, Exception):
                raise found
            return found

    def work(self, seat: _Seat) -> None:
        """What each thread does."""
        while (place := self.waiting.get()) is not None and not self.over.is_set():
            before = seat.returned
            try:
                self.ended.put((place, self.read(place, seat.server.complete(self.body(place)))))
                continue
            except Away as why:
                failed = why
            except Exception as error:
                self.ended.put(error)
                return
            try:
                self._again(place, failed)
                self._wait_for(seat, before, failed)
            except Exception as error:
                self.ended.put(error)
                return
            if seat.gone:
                return

    def _again(self, place: int, why: Away) -> None:
        """Give a place back to whichever server is free, after a wait. Raises RunError where that happens too often."""
        tries = self.tries[place] = self.tries.get(place, 0) + 1
        if tries == TRIES:
            raise RunError(f"{why}; the same request failed {TRIES} times")
        self.over.wait(pause(tries))
        self.waiting.put(place)

    def _wait_for(self, seat: _Seat, before: int, why: Away) -> None:
        """Return once the server is there again, and the same; or once it has been given up.

        Raises:
            Refused: it came back as another.
            RunError: it was the last one.
        """
        patience = self.fleet.settings.http.patience
        with seat.gate:
            began, tries = time.monotonic(), 0
            while seat.returned == before and not seat.gone and not self.over.is_set():
                try:
                    self.fleet.hold(seat.server)
                    seat.returned += 1
                    if tries:
                        log.warning("%s is there again", seat.server.url)
                    return
                except Away as error:
                    why, tries = error, tries + 1
                if tries == 1:
                    log.warning("%s; waiting for it, up to %.0f s", why, patience)
                if (left := began + patience - time.monotonic()) > 0:
                    self.over.wait(min(left, pause(tries)))
                    continue
                seat.gone = True
                if all(other.gone for other in self.seats):
                    raise RunError(
                        f"{why}; no server has been there for {patience:.0f} s (sampling.http.patience). What was "
                        "written is whole: start one again, and the same command goes on"
                    )
                log.warning("%s is given up; the others go on", seat.server.url)


def pause(tries: int) -> float:
    """Seconds to wait after so many failures.

    >>> [pause(n) for n in (1, 2, 3, 20)]
    [0.5, 1.0, 2.0, 30.0]
    """
    return min(LONGEST_WAIT, FIRST_WAIT * 2 ** (tries - 1))
