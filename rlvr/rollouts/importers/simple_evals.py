"""simple-evals: `EVAL_MODEL_TIME_allresults.json`, one object; the verdict of a sample stands in its HTML alone."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from rlvr.errors import UserError
from rlvr.rollouts.importers.common import Head, Reading, Row, Scale, list_of, text_id, text_of

NAME = "simple-evals results"
OPTIONS = frozenset({"right"})

_LINE = r"<p>{}: (.*?)</p>"


def recognises(head: Head) -> bool:
    return head.holds("score", "metrics", "htmls", "convos")


def rows(reading: Reading) -> Iterator[Row]:
    """The whole set, then again for every repeat: equal first messages are samples of one problem."""
    reading.settings["verifier"] = "simple-evals"
    scale = Scale("Score", reading.options.right)
    held = reading.head.whole
    talks = list_of(held, "convos", str(reading.path))
    for i, page in enumerate(list_of(held, "htmls", str(reading.path), len(talks))):
        where = reading.at = f"{reading.path}: htmls[{i}]"
        said = {}
        for name in ("Score", "Correct Answer", "Extracted Answer"):
            found = re.search(_LINE.format(name), page, re.DOTALL)
            if found is None:
                raise UserError(
                    f"{where}: has no line {name!r}; only evaluations whose HTML has it can be read"
                )
            said[name] = html.unescape(found[1]).strip()
        asked = [text_of(message) for message in talks[i] if message["role"] == "user"]
        if not asked:
            raise UserError(f"{where}: its conversation has no message of a user")
        yield {
            "problem_id": text_id(asked[0]),
            "score": scale(said["Score"], where),
            "prompt": asked[0],
            "reference": said["Correct Answer"],
            "trace": text_of(talks[i][-1]),
            "answer": None if said["Extracted Answer"] in ("", "None") else said["Extracted Answer"],
        }
    reading.notes.extend(scale.note())
