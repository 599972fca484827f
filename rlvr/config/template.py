"""A config file with every key: what a person edits, and what an editor checks it by. The words are the fields' own."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from rlvr.config.explain import section_of
from rlvr.config.schema import Config

WIDTH = 110
HEAD = """\
Every key of a run, with its meaning. A key after "#" is unset and stands there with its default: take the sign away to
set it (and that of the section around it). Lines that begin with "# " are words.
  rlvr check FILE      whether it would run, and what it would take
  rlvr run FILE        base evaluated, trained, tuned evaluated, report"""


def template(values: Mapping[str, Any], schema: str | None = None) -> str:
    """A YAML file that says what `values`, a config as a file holds it, says; every other key stands there unset.

    Args:
        schema: the file with the JSON schema, for editors.
    """
    lines = [f"# yaml-language-server: $schema={schema}"] if schema else []
    lines += [f"# {line}".rstrip() for line in HEAD.splitlines()]
    return "\n".join([*lines, "", *_section(Config, values, "", "", {})]) + "\n"


def json_schema() -> str:
    """JSON Schema (draft 2020-12) of a config file, for editors."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Config.model_json_schema()
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _section(
    model: type[BaseModel], values: Mapping[str, Any], path: str, pad: str, told: dict[type[BaseModel], str]
) -> Iterator[str]:
    """Its keys in the order of the schema. Of a section that has been told in full, only the keys that are set."""
    before = told.setdefault(model, path)
    if before != path:
        yield f"{pad}# further keys: as in {before}"
    for name, field in model.model_fields.items():
        given, key = name in values, f"{path}.{name}".strip(".")
        if before != path and not given:
            continue
        if before == path:
            yield from _words(field.description or "", pad)
        value = values[name] if given else field.get_default(call_default_factory=True)
        inner = section_of(field.annotation)
        several = isinstance(value, list) or str(field.annotation).startswith("dict")
        if not given and field.is_required() and inner is None:
            yield f"{pad}#{name}:"
        elif inner is None or several:
            yield from _leaf(name, value, pad, given)
        else:
            yield f"{pad}{'' if given else '#'}{name}:"
            yield from _section(inner, values.get(name) or {}, key, f"{pad}  ", told)


def _words(text: str, pad: str) -> Iterator[str]:
    for line in text.splitlines():
        inner = " " * (len(line) - len(line.lstrip()))
        parts = textwrap.wrap(
            line, WIDTH - len(pad), subsequent_indent=inner, break_long_words=False, break_on_hyphens=False
        )
        yield from (f"{pad}# {part}" for part in parts)


def _leaf(name: str, value: Any, pad: str, given: bool) -> Iterator[str]:
    """The key with its value; of a list of sections, and of named ones, each on lines of its own."""
    if value and isinstance(value, list | dict) and any(isinstance(v, dict) for v in _parts(value)):
        block = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, width=1_000_000)
        yield from (f"{pad}{line}" for line in block.splitlines())
        return
    plain = json.loads(json.dumps(value, default=lambda v: v.model_dump(mode="json")))
    text = yaml.safe_dump(plain, default_flow_style=True, allow_unicode=True, width=1_000_000)
    text = text.removesuffix("...\n").rstrip("\n")
    if "\n" in text:  # text of several lines
        text = json.dumps(plain, ensure_ascii=False)
    yield f"{pad}{'' if given else '#'}{name}: {text}"


def _parts(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else value
