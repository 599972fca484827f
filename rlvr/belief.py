"""What a model believes while it reads: the log-odds of named hypotheses after every token or turn of a prompt.

A prompt is evidence. Two ways to ask what it is evidence of, for hypotheses h with weights P(h):

- `tasks`: each hypothesis is a text, such as an instruction, that may stand before the prompt x. After t tokens
  ln P(h | x≤t) − ln P(g | x≤t) = ln P(h)/P(g) + Σ_s [ln p(x_s | h, x<s) − ln p(x_s | g, x<s)]: Bayes' rule with the
  model's own likelihoods.
- `continuations`: each is what the model might say next; ln p(h | x≤t) − ln p(g | x≤t) is what it would rather say if
  the prompt ended there.

Either way what a token adds is the difference of two log-likelihoods, so the steps add up to the whole exactly.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from rlvr import files
from rlvr.config import EvidenceConfig
from rlvr.config.section import Section
from rlvr.errors import UserError
from rlvr.evidence import Evidence
from rlvr.policy import Policy, PolicyError
from rlvr.report.figures import theme
from rlvr.sampling.score import Written, logprobs
from rlvr.text import line
from verifiers import Problem

LINES = ("tuned", "run2", "run3", "run4", "expansion", "forgetting")
LONGEST_AXIS = 40
"""Tokens that are named below the picture; of more, the axis has their numbers."""


class Asked(Section):
    """A file of hypotheses."""

    prompt: str | tuple[str, ...] = Field(description="a text, or the turns of one, read one after the other")
    hypotheses: dict[str, str] = Field(description="name: text, two or more; log-odds are against the first")
    kind: Literal["continuations", "tasks"] = Field(
        default="continuations", description="what the texts are: said after the prompt, or given before it"
    )
    by: Literal["token", "turn"] = Field(default="token", description="after which pieces of the prompt")
    weights: dict[str, float] = Field(
        default={}, description="of the hypotheses before the prompt; unset: equal"
    )
    template: Literal["plain", "chat"] = Field(
        default="plain", description="chat: the prompt is a user's message, of continuations alone"
    )

    @model_validator(mode="after")
    def _coherent(self) -> Asked:
        if len(self.hypotheses) < 2 or not all(self.hypotheses.values()):
            raise ValueError("`hypotheses` needs two texts or more, none of them empty")
        if self.weights and self.weights.keys() != self.hypotheses.keys():
            raise ValueError("`weights` names one number for each hypothesis")
        if not all(weight > 0 for weight in self.weights.values()):
            raise ValueError("`weights` are above 0")
        if self.weights and self.kind == "continuations":
            raise ValueError("`weights` belong to tasks: a continuation has the model's own")
        if self.template == "chat" and self.kind == "tasks":
            raise ValueError("`template: chat` belongs to continuations")
        if not all(self.turns):
            raise ValueError("`prompt` is empty, or has an empty turn")
        return self

    @property
    def turns(self) -> tuple[str, ...]:
        return (self.prompt,) if isinstance(self.prompt, str) else self.prompt


def read(file: Path) -> Asked:
    """Raises UserError: it cannot be read, or is no such file; names the key."""
    try:
        found: Any = yaml.safe_load(file.read_text(encoding="utf-8"))
        return Asked.model_validate(found)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(
            f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}".replace(": :", ":")
        ) from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f"{file}: {line(str(error), 200)}") from error


@dataclass(frozen=True)
class Belief:
    """What a model believed."""

    names: tuple[str, ...]
    pieces: tuple[str, ...]
    """Of the prompt, as text; the first is "", before anything is read, where that has a likelihood."""
    nats: tuple[tuple[float, ...], ...]
    """By piece and hypothesis: ln of its weight times its likelihood so far, up to what all have in common."""

    def log_odds(self, at: int, name: int) -> float:
        """Of a hypothesis against the first, in nats."""
        return self.nats[at][name] - self.nats[at][0]

    def shares(self, at: int) -> list[float]:
        """Of all hypotheses together: their posterior, where these are all there is."""
        most = max(self.nats[at])
        weights = [math.exp(value - most) for value in self.nats[at]]
        return [weight / sum(weights) for weight in weights]

    def rows(self) -> list[dict[str, Any]]:
        """By piece: `piece`, and of each hypothesis `nats`, `log_odds`, `added` (by this piece) and `share`."""
        return [
            {"piece": piece}
            | {
                name: {
                    "nats": self.nats[at][i],
                    "log_odds": self.log_odds(at, i),
                    "added": self.log_odds(at, i) - (self.log_odds(at - 1, i) if at else 0.0),
                    "share": share,
                }
                for i, (name, share) in enumerate(zip(self.names, self.shares(at), strict=True))
            }
            for at, piece in enumerate(self.pieces)
        ]


@dataclass(frozen=True, slots=True)
class Piece:
    text: str
    token_ids: list[int]


def follow(policy: Policy, asked: Asked) -> Belief:
    """Read the prompt piece by piece.

    Raises PolicyError: it does not fit the model's context.
    """
    names, texts = tuple(asked.hypotheses), [*asked.hypotheses.values()]
    pieces = _pieces(policy, asked)
    if asked.kind == "tasks":
        parts = [[token for piece in pieces[:n] for token in piece.token_ids] for n in range(len(pieces) + 1)]
        before, shown = policy.encode(texts), ("", *(piece.text for piece in pieces))
        found = _scored(policy, before, [(h, part) for h in range(len(names)) for part in parts])
        weights = [math.log(asked.weights.get(name, 1.0)) for name in names]
        columns = [
            [weight + nats for nats in found[h * len(parts) : (h + 1) * len(parts)]]
            for h, weight in enumerate(weights)
        ]
        return Belief(names, shown, tuple(zip(*columns, strict=True)))
    before = _begun(policy, asked, ["".join(p.text for p in pieces[: n + 1]) for n in range(len(pieces))])
    said = [policy.words(text) for text in texts]
    found = _scored(policy, before, [(at, ids) for at in range(len(before)) for ids in said])
    nats = [tuple(found[at : at + len(names)]) for at in range(0, len(found), len(names))]
    return Belief(names, tuple(piece.text for piece in pieces), tuple(nats))


def _pieces(policy: Policy, asked: Asked) -> list[Piece]:
    """The prompt's turns, or its tokens; several tokens that make one character are one piece."""
    if asked.by == "turn":
        texts = [asked.turns[0], *(f"\n{turn}" for turn in asked.turns[1:])]
        return [Piece(text, policy.words(text)) for text in texts]
    pieces, begun = list[Piece](), list[int]()
    for token in policy.words("\n".join(asked.turns)):
        begun.append(token)
        text = str(policy.tokenizer.decode(begun, clean_up_tokenization_spaces=False))
        if "\ufffd" not in text:
            pieces.append(Piece(text, begun))
            begun = []
    return pieces + ([Piece(str(policy.tokenizer.decode(begun)), begun)] if begun else [])


def _begun(policy: Policy, asked: Asked, read: Sequence[str]) -> list[list[int]]:
    """Token ids of the prompt up to each piece, as if it ended there."""
    if asked.template == "plain":
        return policy.encode(read)
    evidence = Evidence(EvidenceConfig(template="chat"))
    template = evidence.template(policy.tokenizer)
    asked_so_far = [template.render(evidence.messages(Problem("", text, "")), "the prompt") for text in read]
    return policy.encode(asked_so_far, templated=True)


def _scored(
    policy: Policy, before: Sequence[list[int]], rows: Sequence[tuple[int, list[int]]]
) -> list[float]:
    """Nats of each row's tokens after one of the texts before them; 0 for no tokens."""
    longest = max(len(before[at]) + len(ids) for at, ids in rows)
    if policy.context is not None and longest > policy.context:
        raise PolicyError(f"{longest} tokens do not fit the model's context of {policy.context}")
    written = [Written(at, ids, [True] * len(ids)) for at, ids in rows if ids]
    found = iter(logprobs(policy, before, written, temperature=1.0))
    return [next(found) if ids else 0.0 for _, ids in rows]


# ------------------------------------------------------------------ what a person sees


def table(belief: Belief) -> str:
    """One line per piece: what it added to the log-odds against the first hypothesis, and all shares so far."""
    others = range(1, len(belief.names))
    width = max(7, *(len(repr(piece)) for piece in belief.pieces))
    shown = min(width, 32)
    columns = [f"{name[:12]:>12}" for name in belief.names]
    head = f"{'piece':<{shown}}  {'  '.join(columns)}  " + "  ".join(
        f"{f'{belief.names[i][:9]} nats':>15} {'added':>7}" for i in others
    )
    lines = [head]
    for at, piece in enumerate(belief.pieces):
        shares = "  ".join(f"{100 * share:>11.1f}%" for share in belief.shares(at))
        odds = "  ".join(
            f"{belief.log_odds(at, i):>+15.2f} "
            f"{belief.log_odds(at, i) - (belief.log_odds(at - 1, i) if at else 0.0):>+7.2f}"
            for i in others
        )
        lines.append(f"{line(repr(piece), shown):<{shown}}  {shares}  {odds}")
    return "\n".join(lines)


def picture(belief: Belief) -> str:
    """An SVG file: log-odds against the first hypothesis, piece by piece."""
    with theme.drawing("belief"):
        figure, (ax,) = theme.canvas(max(7.4, 0.24 * min(len(belief.pieces), 60)), 3.9)
        places = range(len(belief.pieces))
        ax.axhline(0, color=theme.colour("base"), linewidth=1.2, label=belief.names[0])
        for i, name in enumerate(belief.names[1:], start=1):
            colour = theme.colour(LINES[(i - 1) % len(LINES)])
            ax.plot(
                places, [belief.log_odds(at, i) for at in places], color=colour, marker="o", ms=3, label=name
            )
        ax.set_ylabel(f"log-odds against {belief.names[0]} (nats)")
        if len(belief.pieces) <= LONGEST_AXIS:
            ax.set_xticks(
                places,
                [line(repr(piece)[1:-1] or "(nothing)", 16) for piece in belief.pieces],
                rotation=60,
                ha="right",
            )
        else:
            ax.set_xlabel("pieces of the prompt")
        figure.legend(loc="outside upper left", ncols=4, handlelength=1.4, columnspacing=1.2)
        return theme.for_file(theme.svg(figure, "belief"))


def write(belief: Belief, asked: Asked, policy: Policy, folder: Path) -> None:
    """`belief.json`, `belief.csv` and `belief.svg` in the folder."""
    folder.mkdir(parents=True, exist_ok=True)

    def put(kind: str, text: str) -> None:
        files.replace(folder / f"belief.{kind}", [text.encode()])

    document = {"model": policy.source, "asked": asked.model_dump(mode="json"), "pieces": belief.rows()}
    put("json", json.dumps(document, ensure_ascii=False, indent=1))
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    keys = ("nats", "log_odds", "added", "share")
    writer.writerow(["piece", *(f"{name} {key}" for name in belief.names for key in keys)])
    for row in belief.rows():
        writer.writerow([repr(row["piece"]), *(row[name][key] for name in belief.names for key in keys)])
    put("csv", buffer.getvalue())
    put("svg", picture(belief))
