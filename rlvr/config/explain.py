"""The keys in words: what each is for, and what is wrong with the values that were given."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from rlvr.config.schema import Config
from rlvr.config.sets import ONE, SEVERAL

SHOWN = 80  # characters of a value in a message


def explain(error: ValidationError) -> Iterator[str]:
    """One line per fault, with the nearest known key where one is unknown."""
    for fault in error.errors():
        path = ".".join(str(part) for part in fault["loc"] if part not in (ONE, SEVERAL))
        if fault["type"] == "extra_forbidden":
            known = sorted(_fields_at(fault["loc"][:-1]))
            word = str(fault["loc"][-1])
            initials = [key for key in known if "".join(part[:1] for part in key.split("_")) == word]  # lr
            near = initials or difflib.get_close_matches(word, known, n=1, cutoff=0.5)
            hint = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(known)}"
            yield f"{path}: unknown key; {hint}"
        elif fault["type"] == "missing":
            yield f"{path}: missing"
        elif fault["type"] == "value_error":
            yield f"{path + ': ' if path else ''}{fault.get('ctx', {}).get('error', fault['msg'])}"
        else:
            yield f"{path}: {fault['msg']}; found {_short(fault['input'])}"


def _short(value: Any) -> str:
    """The value, or what kind of value it is if it is long."""
    if isinstance(value, int) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    if isinstance(value, str):
        return repr(value if len(value) <= SHOWN else f"{value[:SHOWN]}…")
    if isinstance(value, dict | list) and (len(value) > 4 or any(isinstance(v, dict | list) for v in value)):
        return f"a {'section' if isinstance(value, dict) else 'list'} of {len(value)}"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_short(k)}: {_short(v)}" for k, v in value.items()) + "}"
    return "[" + ", ".join(map(_short, value)) + "]" if isinstance(value, list) else repr(value)


def section_of(annotation: Any) -> type[BaseModel] | None:
    """The section class inside an annotation such as `X | None`, `dict[str, X]` or `X | tuple[X, ...]`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(section_of, get_args(annotation))), None)


def _fields_at(loc: Sequence[Any]) -> list[str]:
    model: type[BaseModel] = Config
    for part in loc:
        found = model.model_fields.get(str(part))
        inner = section_of(found.annotation) if found else model  # a key of dict[str, Section] names no field
        model = inner or model
    return list(model.model_fields)


def describe(model: type[BaseModel] = Config, prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Every key with its default and its one-line explanation, for `--help-config`."""
    for name, found in model.model_fields.items():
        key = f"{prefix}{name}"
        inner = section_of(found.annotation)
        default = (
            "required" if found.is_required() else _default_text(found.get_default(call_default_factory=True))
        )
        yield key, "" if inner else default, found.description or ""
        if inner:
            many = str(found.annotation).startswith("dict")
            yield from describe(inner, f"{key}.NAME." if many else f"{key}.")


def _default_text(value: Any) -> str:
    return json.dumps(value, default=lambda v: v.model_dump(mode="json")) if value is not None else "null"
