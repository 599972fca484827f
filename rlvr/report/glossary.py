"""The report's terms, a sentence each, under the section of docs/metrics.md that has formulas and sources; and the
page's links to them."""

from __future__ import annotations

import re
from typing import NamedTuple

from markupsafe import Markup, escape

from rlvr.text import visible


class Term(NamedTuple):
    """`said` is a pattern of how the page speaks of it, where that is not its name."""

    name: str
    sentence: str
    said: str = ""

    @property
    def anchor(self) -> str:
        return f"term-{re.sub(r'[^a-z0-9]+', '-', self.name.translate(_LETTERS).lower()).strip('-')}"

    @property
    def pattern(self) -> str:
        return self.said or re.escape(self.name)


_LETTERS = str.maketrans({"^": " hat ", "*": " star ", "η": "eta", "ρ": "rho", "π": "pi"})

TERMS: dict[str, tuple[Term, ...]] = {
    "How good is it": (
        Term(
            "pass@k",
            "The chance that at least one of k samples of a problem is right, averaged over the problems.",
            r"pass@(?:\d+|k)",
        ),
        Term("points", "A rate times 100; a difference of rates too."),
        Term("maj@k", "The chance that the most frequent answer of k is right.", r"maj@(?:\d+|k)"),
        Term("pass^k", "The chance that all of k samples are right.", r"pass\^(?:\d+|k)"),
        Term(
            "CoT-pass@k",
            "pass@k that counts right answers only where the reasoning is sound.",
            r"CoT-pass@(?:\d+|k)",
        ),
        Term("unsound", "A right answer whose reasoning the verifier refuses."),
        Term(
            "paired",
            "Both policies answered the same problems, and the difference is taken problem by problem.",
        ),
    ),
    "Of which kind is the gain": (
        Term(
            "K, search budget",
            "How many base samples count as search; chosen before the results are known.",
            r"search budget",
        ),
        Term(
            "k*",
            "How many base samples are as good as one tuned sample: where the base's pass@k meets the tuned pass@1.",
            r"k\*",
        ),
        Term(
            "compression within K (C)",
            "The part of the gain that K samples of the base reach as well.",
            r"(?:search )?compression(?: within (?:\d+|K))?(?! beyond)",
        ),
        Term(
            "compression beyond K (X)",
            "The part that the base reaches too, but takes more than K samples for.",
            r"compression beyond (?:\d+|K)",
        ),
        Term(
            "unresolved (U)",
            "Gain on problems that the base never solved, too small to tell from search with its samples.",
            r"unresolved",
        ),
        Term(
            "expansion (E)",
            "Gain on problems that the base never solved, beyond what K samples could add to it.",
            r"expansion",
        ),
        Term(
            "certified", "Expansion that chance would show with at most 5 %, over all such problems together."
        ),
        Term("forgetting (F)", "What is lost on problems that the base solves more often.", r"forgetting"),
        Term(
            "from answering",
            "The part of the gain that comes from more samples with an answer, right or wrong.",
        ),
        Term(
            "from being right when answered", "The rest of it: more of the samples with an answer are right."
        ),
        Term(
            "churn floor", "How large gains and losses of single problems would look if nothing had changed."
        ),
        Term(
            "R, net ratio",
            "The share of what K samples add to one base sample that training put into one.",
            r"net ratio",
        ),
        Term("ρ, gross ratio", "The same of gains alone, without what was lost.", r"gross ratio"),
        Term("crossover", "The first k at which the base's pass@k is above the tuned one."),
        Term("coverage", "Which problems are solved at all, by any of the samples."),
        Term(
            "McNemar's exact test",
            "Whether problems flip from wrong to right as often as back, by the counts of both.",
        ),
    ),
    "At what distance": (
        Term("KL(π‖p0)", "How far the tuned policy π lies from the base p0, in nats.", r"KL\(π‖p0\)"),
        Term(
            "η, KL efficiency",
            "The share of that distance that went into success; the rest changed style or variety.",
            r"η|KL efficiency",
        ),
        Term(
            "π*, verified posterior",
            "The base, given that the verifier accepts: what ideal training on verdicts ends at.",
            r"π\*|verified posterior",
        ),
        Term(
            "π_V", "The tuned policy, given that the verifier accepts; KL(π_V‖π*) is how far it is from π*."
        ),
        Term("ESS", "Effective sample size: how many equally weighted samples a weighted average is worth."),
        Term(
            "log-odds, nats",
            "ln(p/(1 − p)) of the success rate; 0.69 nats double the odds.",
            r"nats|log-odds",
        ),
    ),
    "How sure are we": (
        Term(
            "95 %: a to b",
            "From a bootstrap over problems: how the number would vary over other such problems.",
            "95[ \u202f]%",
        ),
    ),
}


class FirstUses:
    """Text → markup in which each term's first use on a page leads to its entry; text between backticks is code.

    Text from files may hold a term too: it is escaped, and the link leads nowhere but to the glossary.
    """

    def __init__(self) -> None:
        self.left = {term.anchor: term for held in TERMS.values() for term in held}
        several = sorted(self.left.values(), key=lambda term: -len(term.pattern))  # CoT-pass@k before pass@k
        self.any = re.compile(
            "|".join(rf"(?P<{_group(t)}>(?<![\w@])(?:{t.pattern})(?![\w@]))" for t in several)
        )

    def __call__(self, text: str) -> Markup:
        parts = re.split("`([^`]+)`", visible(text))
        plain_and_code = (
            Markup("<code>{}</code>").format(part) if i % 2 else self._linked(part)
            for i, part in enumerate(parts)
        )
        return Markup("").join(plain_and_code)

    def _linked(self, text: str) -> Markup:
        out, end = Markup(""), 0
        for found in self.any.finditer(text):
            term = self.left.pop(str(found.lastgroup).replace("_", "-"), None)
            if term is None:  # not its first use
                continue
            link = Markup('<a class="term" href="#{}" title="{}">{}</a>').format(
                term.anchor, term.sentence, found[0]
            )
            out, end = out + escape(text[end : found.start()]) + link, found.end()
        return out + escape(text[end:])


def _group(term: Term) -> str:
    return term.anchor.replace("-", "_")
