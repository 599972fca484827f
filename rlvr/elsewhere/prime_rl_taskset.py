"""Problems as a taskset of Prime Intellect's `verifiers`, for prime-rl. Written by `rlvr export prime-rl`.

That package and ours have one import name, so verdicts come from a process of ours, `reward.py`.
"""

import asyncio
import itertools
import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import verifiers.v1 as vf  # pyright: ignore

__all__ = ["Problems"]


class Judge:
    """`reward.py` as a process, asked for many verdicts at once; it is started anew where it has ended."""

    def __init__(self, python: str) -> None:
        self.python = python
        self.numbers = itertools.count()
        self.waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self.process: asyncio.subprocess.Process | None = None
        self.starting = asyncio.Lock()

    async def __call__(self, problem: dict[str, Any], response: str) -> dict[str, Any]:
        """Its answer. Raises RuntimeError: the process ended."""
        async with self.starting:
            if self.process is None or self.process.returncode is not None:
                await self.start()
        process, number = self.process, next(self.numbers)
        assert process is not None and process.stdin is not None
        self.waiting[number] = answer = asyncio.get_running_loop().create_future()
        asked = {"number": number, "problem": problem, "response": response}
        process.stdin.write(json.dumps(asked).encode() + b"\n")
        await process.stdin.drain()
        return await answer

    async def start(self) -> None:
        program = str(Path(__file__).with_name("reward.py"))
        pipe = asyncio.subprocess.PIPE
        self.process = await asyncio.create_subprocess_exec(self.python, program, stdin=pipe, stdout=pipe)
        self.reading = asyncio.create_task(self.read(self.process))

    async def read(self, process: asyncio.subprocess.Process) -> None:
        """Hand on its answers until it ends; who still waits then gets an error."""
        assert process.stdout is not None
        async for line in process.stdout:
            answer = json.loads(line)
            self.waiting.pop(answer.pop("number")).set_result(answer)
        code = await process.wait()
        while self.waiting:
            error = RuntimeError(f"{self.python} reward.py ended with code {code}; its message is above")
            self.waiting.popitem()[1].set_exception(error)


judge = cache(Judge)
"""One process for each Python."""


def response(trace: Any) -> str:
    """What the policy wrote, in one piece: the renderer has cut a thought off, and its closing mark is what tells a
    finished one."""
    said = trace.assistant_messages[-1]
    if said.reasoning_content is None:
        return said.content or ""
    mark = "" if trace.task.data.problem.get("opened") else "<think>"
    return f"{mark}{said.reasoning_content}" + (f"</think>{said.content}" if said.content else "")


class Data(vf.TaskData):
    """One problem: what the policy reads, what the verifier reads, and its name for `rlvr report`."""

    problem: dict[str, Any]
    verifier: str


class TaskConfig(vf.TaskConfig):
    """`python` is one that has rlvr."""

    python: str


class Problem(vf.Task[Data, vf.State, TaskConfig]):
    """Its key is our id, so that `rlvr report` pairs it with rows of ours."""

    @property
    def key(self) -> str:
        return self.data.problem["id"]

    @vf.stop
    async def one_turn(self, trace: vf.Trace) -> bool:
        return trace.num_turns >= 1

    @vf.reward
    async def verdict(self, trace: vf.Trace) -> float:
        """The score. Raises RuntimeError where nobody can judge: the rollout is an error, not a wrong answer."""
        answer = await judge(self.config.python)(self.data.problem, response(trace))
        if answer.get("score") is None:
            raise RuntimeError(f"no verdict on {self.key}: {answer.get('error') or answer['status']}")
        return answer["score"]


class Config(vf.TasksetConfig):
    """`file`: rows of `prompt`, as messages, `problem` and `verifier`."""

    file: Path
    task: TaskConfig


class Problems(vf.Taskset[Problem, Config]):
    def load(self) -> Iterator[Problem]:
        with self.config.file.open() as rows:
            for index, row in enumerate(rows):
                yield Problem(Data(idx=index, **json.loads(row)), self.config.task)
