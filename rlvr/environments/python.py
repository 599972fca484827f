"""`python`: programs that the policy writes are run in the code sandbox, and it reads what they print."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Literal

from rlvr.environments import Reply
from rlvr.rollouts.types import Episode
from verifiers.code.interpreter import Interpreter

FENCED = re.compile(
    r"```(?:python|py)[ \t]*\n(?P<code>(?:(?!```).)*?)\n?```\s*(?:```output\s*)?\Z", re.DOTALL
)
"""A call in plain text: the turn ends with a block of Python, or with the head of the block of its output."""
CALL = re.compile(r"<tool_call>\s*(?P<call>\{.*\})\s*(?:</tool_call>\s*)?(?:<\|[^|>]*\|>\s*)?\Z", re.DOTALL)
"""A call as chat templates with tools have it (Hermes, Qwen)."""


class PythonTool:
    """Answers a turn that ends with a program: a fenced block, or a call of the tool `python` in the form of the chat
    template. What the program printed comes back, or how it failed: a crash, a hang and a flood are evidence too.

    Each program runs by itself, in the sandbox of the verifier `code`: nothing is kept from one to the next.

    Args:
        calls: programs of one episode; after them the policy's turn is the last.
        characters: of an output that the policy reads; the middle of a longer one is left out.
        seconds, memory_mb, level, packages: see `verifiers.code.interpreter.Interpreter`.
    """

    name = "python"
    tools = (
        {
            "type": "function",
            "function": {
                "name": "python",
                "description": "Runs a Python program and returns what it prints.",
                "parameters": {
                    "type": "object",
                    "properties": {"code": {"type": "string", "description": "the program"}},
                    "required": ["code"],
                },
            },
        },
    )

    def __init__(
        self,
        calls: int = 4,
        characters: int = 2000,
        seconds: float = 5.0,
        memory_mb: int = 512,
        level: Literal["auto", "strong", "standard", "weak"] = "auto",
        packages: Sequence[str] = (),
    ) -> None:
        if calls < 1 or characters < 20:
            raise ValueError(f"calls={calls}, characters={characters}; expected at least 1 and 20")
        self.calls, self.characters = calls, characters
        self.interpreter = Interpreter(seconds=seconds, memory_mb=memory_mb, level=level, packages=packages)
        self.deadline = seconds + 30.0  # the sandbox keeps the time; a pool must not kill its worker

    def close(self) -> None:
        self.interpreter.close()

    def answer(self, episode: Episode) -> Reply | None:
        if sum(turn.by == "evidence" for turn in episode.turns) >= self.calls:
            return None
        said = called(episode.turns[-1].text)
        if said is None:
            return None
        output = self.interpreter.run(said).text if isinstance(said, str) else said.why
        return {"role": "tool", "content": shortened(output or "(no output)", self.characters)}


class BadCall:
    """A call that cannot be run."""

    def __init__(self, why: str) -> None:
        self.why = why


def called(text: str) -> str | BadCall | None:
    """The program that a turn ends with; None where it ends with something else.

    >>> called("So:\\n```python\\nprint(1)\\n```")
    'print(1)'
    """
    if fenced := FENCED.search(text):
        return fenced["code"]
    call = CALL.search(text)
    if call is None:
        return None
    try:
        asked: Any = json.loads(call["call"])
        arguments = asked["arguments"]
        arguments = json.loads(arguments) if isinstance(arguments, str) else arguments
        name, code = asked["name"], arguments["code"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        return BadCall(f'the call cannot be read ({type(error).__name__}: {error}); expected {{"name": "python", '
                       '"arguments": {"code": ...}}')  # fmt: skip
    if name != "python" or not isinstance(code, str):
        return BadCall(f"there is no tool {name!r} with these arguments; expected python with a text `code`")
    return code


def shortened(text: str, most: int) -> str:
    """
    >>> shortened("0123456789" * 5, 20)
    '0123456 [...] 456789'
    """
    mark = " [...] "
    if len(text) <= most:
        return text
    head = (most - len(mark) + 1) // 2
    return text[:head] + mark + text[len(text) - (most - len(mark) - head) :]
