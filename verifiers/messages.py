"""Chat messages as data sets keep them: `{role, content}`, or ShareGPT's `{from, value}`; content as text or parts."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Message = dict[str, str]
"""`{"role": …, "content": …}`, both text."""

ROLES = {"human": "user", "gpt": "assistant", "bot": "assistant", "model": "assistant"}
"""Other names of roles, as ShareGPT and others have them."""


class MessagesError(ValueError):
    """Messages that cannot be shown to a policy as text."""


class Conversation(NamedTuple):
    """A list of messages, taken apart at the last thing that the user says."""

    history: tuple[Message, ...]
    """System message and earlier turns."""
    question: str
    replies: tuple[Message, ...]
    """What comes after the question: an answer that the data holds, and that is never shown."""


def conversation(value: Any) -> Conversation | None:
    """The conversation in a cell: a message or a list of them, or a text (JSON or a Python literal) of one; else None.

    Raises:
        MessagesError: a message without text (an image, a call of a tool), no message of the user, a text that begins
            as messages do and cannot be read.

    >>> conversation([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "2 + 2?"}]).question
    '2 + 2?'
    """
    found = _listed(value)
    if found is None:
        return None
    messages = [_message(number, message) for number, message in enumerate(found)]
    asked = [number for number, message in enumerate(messages) if message["role"] == "user"]
    if not asked:
        roles = ", ".join(message["role"] for message in messages)
        raise MessagesError(f"messages ({roles}) hold none of the user")
    last = asked[-1]
    return Conversation(tuple(messages[:last]), messages[last]["content"], tuple(messages[last + 1 :]))


_WRITTEN = re.compile(r"""\s*(?:array\()?\[?\s*\{\s*["'](?:role|content|from|value)["']\s*:""")
"""How messages in a text begin."""


def _listed(value: Any) -> Sequence[Mapping[str, Any]] | None:
    if isinstance(value, str):
        if not _WRITTEN.match(value):
            return None
        if (value := _decoded(value)) is None:
            raise MessagesError("text begins as messages do, and is neither JSON nor a Python literal")
    value = _plain(value)
    if isinstance(value, Mapping) and _is_message(value):
        lists = {key: list(cells) for key, cells in value.items() if isinstance(cells, list | tuple)}
        # a list for each key, as Arrow may hold a list of mappings
        if lists.keys() & {"role", "from"} and len({*map(len, lists.values())}) == 1:
            return [dict(zip(lists, cells, strict=True)) for cells in zip(*lists.values(), strict=True)]
        return [value]
    if not isinstance(value, list | tuple) or not value:
        return None
    return value if all(map(_is_message, value)) else None


def _plain(value: Any) -> Any:
    """A list in place of an array, as pandas keeps lists."""
    to_list = getattr(value, "tolist", None)
    return value if to_list is None else to_list()


def _is_message(value: Any) -> bool:
    return isinstance(value, Mapping) and ("content" in value or ("from" in value and "value" in value))


def _decoded(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None


def _message(number: int, message: Mapping[str, Any]) -> Message:
    role = str(message.get("role") or message.get("from") or "user").lower()
    content = _text(message.get("content") if message.get("content") is not None else message.get("value"))
    if content is None:
        raise MessagesError(f"message {number} (from 0, {role}) holds no text, or more than text")
    return {"role": ROLES.get(role, role), "content": content}


def _text(content: Any) -> str | None:
    """The text of a message; None where a part of it is something else."""
    content = _plain(content)
    if not isinstance(content, list | tuple):
        return content if isinstance(content, str) else None
    parts = [part.get("text") if isinstance(part, Mapping) else part for part in content]
    texts = [part for part in parts if isinstance(part, str)]
    return "".join(texts) if texts and len(texts) == len(parts) else None
