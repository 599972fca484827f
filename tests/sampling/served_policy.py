"""A small OpenAI-compatible server of a policy, with faults on demand: over real sockets, by the transformers sampler.

As a program: `python -m tests.sampling.served_policy PORT` serves the embedded model.
"""

from __future__ import annotations

import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch

from rlvr import rollouts
from rlvr.config import SamplingConfig
from rlvr.policy import Policy
from rlvr.sampling.engine import TransformersSampler
from rlvr.sampling.types import Completion, SampleRequest

WEIGHTS = threading.Lock()
"""Servers of one process may have the same model, which one thread at a time can use."""
DRAWN_BY = ("temperature", "top_p", "top_k", "min_p", "max_tokens", "stop", "stop_token_ids", "ignore_eos")


@dataclass
class Faults:
    """What is wrong with a server."""

    answers: list[str] = field(default_factory=list)
    """What becomes of the next answers: `drop` (the connection), `cut` (in the middle), `500`, `400`, `hold`
    (until `Served.free` is set)."""
    without: tuple[str, ...] = ()
    """Keys that it does not know."""
    processed: bool = False
    """As --logprobs-mode processed_logprobs."""
    seed: int | None = None
    """Draws by this one whatever it is asked."""
    room: int | None = 128
    shifted: int = 0
    """Of another tokenizer: ids of text are these many higher."""
    models: tuple[str, ...] | None = None
    unlucky: tuple[int, ...] = ()
    """A prompt that it always fails on."""


class _Server(ThreadingHTTPServer):
    connections: list[socket.socket]
    daemon_threads, request_queue_size = True, 128

    def get_request(self) -> tuple[socket.socket, Any]:
        connection, address = super().get_request()
        self.connections.append(connection)
        return connection, address

    def server_close(self) -> None:
        """As a process that is killed: what is open breaks off."""
        super().server_close()
        for connection in self.connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients come and go."""


@dataclass
class Served:
    policy: Policy
    faults: Faults
    port: int = 0
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Every completion that was asked for."""
    most: int = 0
    """Of them, under way at once."""
    free: threading.Event = field(default_factory=threading.Event)
    _under_way: int = 0
    _waiting: queue.SimpleQueue[tuple[dict[str, Any], Future[Completion]]] = field(
        default_factory=queue.SimpleQueue
    )
    _count: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def models(self) -> dict[str, Any]:
        names = self.faults.models or ("served",)
        root = "elsewhere" if self.faults.models else self.policy.source
        return {"data": [{"id": name, "root": root, "max_model_len": self.faults.room} for name in names]}

    def complete(self, body: dict[str, Any]) -> dict[str, Any]:
        self.asked.append(body)
        with self._count:
            self._under_way += 1
            self.most = max(self.most, self._under_way)
        try:
            return self._answered(body)
        finally:
            with self._count:
                self._under_way -= 1

    def _answered(self, body: dict[str, Any]) -> dict[str, Any]:
        body = {key: value for key, value in body.items() if key not in self.faults.without}
        prompt = body["prompt"]
        if isinstance(prompt, str):
            prompt = [i + self.faults.shifted for i in self.policy.words(prompt)]
        if max(prompt) >= len(self.policy.tokenizer):
            prompt = [0]  # only the tokenizer's trial asks so
        drawn: Future[Completion] = Future()
        self._waiting.put((body | {"prompt": prompt}, drawn))
        row = drawn.result()
        choice: dict[str, Any] = {
            "text": row.text,
            "finish_reason": "stop" if row.complete else "length",
            "logprobs": self._said(body, prompt, row) if body.get("logprobs") is not None else None,
        }
        if body.get("return_token_ids"):
            choice |= {"token_ids": row.token_ids, "prompt_token_ids": prompt}
        if body.get("prompt_logprobs") is not None:
            nats = self._nats(prompt)
            later = zip(nats[:-1], prompt[1:], strict=True)
            choice["prompt_logprobs"] = [None, *({str(i): {"logprob": at[i].item()}} for at, i in later)]
        return {"choices": [choice]}

    def _said(self, body: dict[str, Any], prompt: list[int], row: Completion) -> dict[str, Any]:
        processed = self.faults.processed and body["temperature"] > 0
        nats = row.sampling_logprobs if processed else row.raw_logprobs
        said: dict[str, Any] = {"token_logprobs": nats}
        if body["logprobs"]:
            at = self._nats(prompt, body["temperature"] if processed else 1.0)[-1]
            best = at.topk(body["logprobs"])
            said["top_logprobs"] = [
                {str(i): v for i, v in zip(best.indices.tolist(), best.values.tolist(), strict=True)}
            ]
        return said

    @torch.no_grad()
    def _nats(self, ids: list[int], temperature: float = 1.0) -> torch.Tensor:
        with WEIGHTS:
            return (self.policy.model(torch.tensor([ids])).logits[0] / temperature).log_softmax(-1)

    def draw(self) -> None:
        """What has come meanwhile is drawn together."""
        while True:
            batch = [self._waiting.get()]
            time.sleep(0.005)
            while not self._waiting.empty():
                batch.append(self._waiting.get())
            kinds: dict[str, list[tuple[dict[str, Any], Future[Completion]]]] = {}
            for body, future in batch:
                kinds.setdefault(json.dumps([body.get(key) for key in DRAWN_BY]), []).append((body, future))
            for same in kinds.values():
                try:
                    self._draw_alike(same)
                except Exception as error:  # the request's own thread answers with it
                    for _, future in same:
                        future.set_exception(error)

    def _draw_alike(self, same: list[tuple[dict[str, Any], Future[Completion]]]) -> None:
        first = same[0][0]
        keys = {key: first[key] for key in ("temperature", "top_p", "top_k", "min_p")}
        keys |= {"max_new_tokens": first["max_tokens"], "stop": first.get("stop") or []}
        settings = SamplingConfig.model_validate(keys | {"stop_token_ids": first.get("stop_token_ids") or []})
        rows = [
            SampleRequest(i, body.get("seed", 0) if self.faults.seed is None else self.faults.seed)
            for i, (body, _) in enumerate(same)
        ]
        with WEIGHTS:
            drawn = TransformersSampler(self.policy, settings).generate(
                [body["prompt"] for body, _ in same], rows
            )
        for (_, future), row in zip(same, drawn, strict=True):
            future.set_result(row)


def handler(served: Served) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

        def do_GET(self) -> None:
            self._answer(200, served.models())

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            fault = served.faults.answers.pop(0) if served.faults.answers else ""
            if body["prompt"] == list(served.faults.unlucky):
                fault = "500"
            if fault == "hold":
                served.free.wait(30)
            if fault.isdecimal():
                self._answer(int(fault), {"error": {"message": "out of sorts"}})
            elif fault == "drop":
                self.close_connection = True
            else:
                try:
                    self._answer(200, served.complete(body), cut=fault == "cut")
                except Exception as error:
                    self._answer(400, {"error": {"message": repr(error)}})
                    raise

        def _answer(self, status: int, said: dict[str, Any], cut: bool = False) -> None:
            text = json.dumps(said).encode()
            text = text[: len(text) // 2] if cut else text
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

    return Handler


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def serving(policy: Policy, port: int = 0, **faults: Any) -> Iterator[Served]:
    served = Served(policy, Faults(**faults))
    with _Server(("127.0.0.1", port), handler(served)) as server:
        server.connections = []
        served.port = server.server_address[1]
        threading.Thread(target=served.draw, daemon=True).start()
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        try:
            yield served
        finally:
            served.free.set()
            server.shutdown()


def assert_drawn_by(policy: Policy, file: Path) -> None:
    """Each row of an evaluation is what the policy draws here by the row's seed."""
    rows = list(rollouts.read(file))
    settings = SamplingConfig(max_new_tokens=rollouts.read_settings(file)["max_new_tokens"])
    prompts = policy.encode([str(row.prompt) for row in rows])
    requests = [SampleRequest(i, row.seed or 0) for i, row in enumerate(rows)]
    for row, own in zip(rows, TransformersSampler(policy, settings).generate(prompts, requests), strict=True):
        assert (row.token_ids, row.complete) == (own.token_ids, own.complete)
        assert abs(row.logprobs[row.policy] - sum(own.logprobs)) < 1e-3


def main() -> None:
    from rlvr.policy import load_policy
    from tests.conftest import quickstart_config

    with serving(load_policy(quickstart_config(), "base"), int(sys.argv[1])) as served:
        print(served.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
