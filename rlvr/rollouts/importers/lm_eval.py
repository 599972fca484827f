"""lm-evaluation-harness, `--log_samples`: `samples_TASK_TIME.jsonl`, one row per document and filter."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import (
    Counts,
    Head,
    Names,
    Reading,
    Row,
    Scale,
    counted,
    list_of,
    sampling,
    text_of,
)
from rlvr.rollouts.rows import parse
from rlvr.text import line as short

NAME = "lm-evaluation-harness samples"
OPTIONS = frozenset({"filter", "score", "right", "unjudged"})


def recognises(head: Head) -> bool:
    return head.has("doc_id", "doc", "resps", "filtered_resps")


def rows(reading: Reading) -> Iterator[Row | Counts]:
    """Samples where a filter leaves one answer per document; counts where it leaves n, for then the metric is the mean
    over them and nothing says which were right."""
    reading.task = _results(reading)[0]
    return _unjudged(reading) if reading.options.unjudged else _judged(reading)


def _judged(reading: Reading) -> Iterator[Row | Counts]:
    filters = _filters(reading)
    name = _chosen(reading, filters)
    metric = _metric(reading, filters[name])
    reading.settings |= _settings(reading, filters[name].first) | {"verifier": f"{metric}, filter {name}"}
    scale = Scale(metric, reading.options.right)
    names = Names()
    means = cut = 0
    for where, obj in reading.objects():
        if obj.get("filter", "none") != name:
            continue
        value = obj.get(metric)
        if metric not in obj or not isinstance(value, int | float):
            raise UserError(f"{where}: {metric} is {short(repr(value), 60)}; expected a number")
        problem = names(str(obj.get("doc_hash") or obj["doc_id"]))
        answers = list_of(obj, "filtered_resps", where)[:1]
        if answers and isinstance(answers[0], list) and _generated(obj) and len(answers[0]) > 1:
            n = len(answers[0])
            if reading.options.right is not None:
                raise UserError(
                    f"{where}: {metric} is a mean over {n} samples; --right is for the score of one"
                )
            if re.match(r"pass@(?!1$)", metric):
                raise UserError(
                    f"{where}: {metric} is no mean over samples; choose pass@1 with --score, or --unjudged"
                )
            means += 1
            yield Counts(problem, *counted(value, n, where, metric))
            continue
        row = _row(problem, scale(value, where), obj)
        if _generated(obj):
            traces = obj["resps"][0]
            cut = max(cut, len(traces))
            answer = answers[0][0] if answers and isinstance(answers[0], list) else next(iter(answers), None)
            row |= {"trace": traces[0], "answer": None if answer in (None, NO_ANSWER) else str(answer)}
        yield row
    if means:
        reading.notes.append(
            f"{metric} is a mean over samples and does not say which were right: read as counts ({JUDGE})"
        )
    if cut > 1:
        reading.notes.append(
            f"filter {name} judges the first of {cut} samples only; the others were left out"
        )
    reading.notes.extend(scale.note())


NO_ANSWER = "[invalid]"
"""What lm-evaluation-harness's regex filters say where nothing matched."""
JUDGE = "rlvr import … --unjudged writes the samples for rlvr score"


def _unjudged(reading: Reading) -> Iterator[Row]:
    """Every sample of every document: all filters hold the same ones."""
    reading.settings |= _settings(reading, reading.head.first)
    names = Names()
    done: set[Any] = set()
    for where, obj in reading.objects():
        if obj["doc_id"] in done:
            continue
        done.add(obj["doc_id"])
        if not _generated(obj):
            raise UserError(
                f"{where}: resps holds no texts (a multiple-choice task): there is nothing to judge"
            )
        problem = names(str(obj.get("doc_hash") or obj["doc_id"]))
        for text in obj["resps"][0]:
            yield _row(problem, None, obj) | {"trace": text}


def _row(problem: str, score: float | None, obj: dict[str, Any]) -> Row:
    row: Row = {"problem_id": problem, "score": score, "prompt": _prompt(obj)}
    return row if obj.get("target") is None else row | {"reference": obj["target"]}


@dataclass(slots=True)
class _Filter:
    first: dict[str, Any]
    documents: int = 0
    totals: Counter[str] = field(default_factory=Counter)

    @property
    def several(self) -> bool:
        """It leaves all samples of a document, not one answer."""
        answers = self.first.get("filtered_resps") or [None]
        return isinstance(answers[0], list) and _generated(self.first)

    @property
    def metrics(self) -> list[str]:
        named = self.first.get("metrics")
        return named if isinstance(named, list) else [m for m in ("exact_match", "acc") if m in self.first]

    def __str__(self) -> str:
        return ", ".join(f"{m} {self.totals[m] / self.documents:.4g}" for m in self.metrics)


def _filters(reading: Reading) -> dict[str, _Filter]:
    found: dict[str, _Filter] = {}
    for where, obj in reading.objects():
        if "filtered_resps" not in obj or "doc_id" not in obj:
            raise UserError(
                f"{where}: expected doc_id and filtered_resps; this row has {', '.join(sorted(obj)[:8])}"
            )
        held = found.setdefault(obj.get("filter", "none"), _Filter(obj))
        held.documents += 1
        for metric in held.metrics:
            value = obj.get(metric)
            held.totals[metric] += value if isinstance(value, int | float) else 0  # type: ignore[assignment]
    return found


def _chosen(reading: Reading, filters: dict[str, _Filter]) -> str:
    """The filter that was asked for; else the only one, else the only one that leaves all samples."""
    listed = "; ".join(f"--filter {name} ({held})" for name, held in filters.items())
    name = reading.options.filter
    if name is None:
        fit = list(filters) if len(filters) == 1 else [name for name, held in filters.items() if held.several]
        if len(fit) != 1:
            raise UserError(f"{reading.path}: holds the answers of several filters; choose one: {listed}")
        name = fit[0]
        repeats = len(filters[name].first["resps"][0]) if _generated(filters[name].first) else 1
        if repeats > 1 and not filters[name].several:
            raise UserError(
                f"{reading.path}: filter {name!r} leaves one answer of {repeats} samples: if that is the first, say so "
                f"with --filter {name}; a vote is no sample and cannot be read"
            )
    elif name not in filters:
        raise UserError(f"{reading.path}: there is no filter {name!r}; choose one: {listed}")
    if re.search(r"maj", name, re.IGNORECASE) or "majority_vote" in _functions(reading, name):
        raise UserError(
            f"{reading.path}: filter {name!r} is a vote over samples, not the verdict of one; the file has {listed}"
        )
    return name


def _metric(reading: Reading, held: _Filter) -> str:
    name = reading.options.score
    if name is None and len(held.metrics) == 1:
        return held.metrics[0]
    if name is None or name not in held.first:
        said = "several metrics" if name is None else f"no metric {name!r}"
        raise UserError(f"{reading.path}: has {said}; choose one with --score NAME: {held}")
    return name


def _generated(obj: dict[str, Any]) -> bool:
    """The samples are text; those of a multiple-choice task are log-probabilities."""
    samples = obj.get("resps")
    return bool(
        isinstance(samples, list) and samples and isinstance(samples[0], list) and samples[0]
        and all(isinstance(text, str) for text in samples[0])
    )  # fmt: skip


def _arguments(obj: dict[str, Any]) -> list[Any]:
    """[prompt, generation settings] of the document's first request, in either shape that the harness has written."""
    given = obj.get("arguments")
    if isinstance(given, dict):
        given = [[part.get("arg_0"), part.get("arg_1")] for part in given.values() if isinstance(part, dict)]
    first = given[0] if isinstance(given, list) and given else []
    return [*first, None, None] if isinstance(first, list) else [first, None]


def _prompt(obj: dict[str, Any]) -> str:
    prompt = _arguments(obj)[0]
    if isinstance(prompt, list) and len(prompt) == 1:
        prompt = prompt[0]
    if isinstance(prompt, str) and prompt.startswith("[{"):
        try:
            return text_of(parse(prompt.encode()))
        except ValueError:
            pass  # a prompt that only begins like a list of messages
    return text_of(prompt)


_TIMED = re.compile(r"samples_(?P<task>.+)_(?P<time>\d{4}-\d\d-\d\dT[^_]+)\.jsonl")


def _results(reading: Reading) -> tuple[str, dict[str, Any]]:
    """The task, by the file's name, and `results_TIME.json` beside the samples; empty where it is not there."""
    named = _TIMED.fullmatch(reading.beside.name)
    if named is None:
        return "", {}
    beside = reading.beside.with_name(f"results_{named['time']}.json")
    if not beside.is_file():
        return named["task"], {}
    try:
        found = parse(beside.read_bytes())
    except ValueError as error:
        raise UserError(f"{beside}: not JSON ({error})") from None
    return named["task"], found if isinstance(found, dict) else {}


def _functions(reading: Reading, name: str) -> list[str]:
    """What a filter does, as the results beside the samples say it."""
    task, results = _results(reading)
    listed = (results.get("configs", {}).get(task) or {}).get("filter_list") or []
    return [
        step.get("function", "")
        for held in listed
        if held.get("name") == name
        for step in held.get("filter", [])
    ]


def _settings(reading: Reading, first: dict[str, Any]) -> dict[str, Any]:
    task, results = _results(reading)
    config = results.get("configs", {}).get(task) or {}
    found = sampling(config.get("generation_kwargs")) | sampling(_arguments(first)[1])
    if arguments := (results.get("config") or {}).get("model_args"):
        found["model"] = arguments if isinstance(arguments, str) else str(arguments)
    for theirs, ours in (("lm_eval_version", "lm_eval_version"), ("chat_template_sha", "chat_template_sha")):
        if results.get(theirs) is not None:
            found[ours] = results[theirs]
    if (shots := (results.get("n-shot") or {}).get(task)) is not None:
        found["shots"] = shots
    return found
