"""What the verifier said of the samples, as shares per policy."""

from __future__ import annotations

from rlvr.analysis.sections.summary import PolicySummary
from rlvr.report.figures import Panel, View, theme
from rlvr.report.words import NAMELESS, lost_samples
from rlvr.text import line
from verifiers.types import STATUSES

COLOURS = {
    "correct": "within",
    "unsound": "run4",
    "no_trace": "expansion",
    "incorrect": "forgetting",
    "no_answer": "unresolved",
    "not judged": "base",
}
COLUMNS = ("policy", "status", "samples", "share")


def panel(view: View) -> Panel:
    name, short, title = "verdicts", "Verdicts", "What the verifier said"
    counts = {label: p["statuses"] for label, p in _evaluated(view).items() if p["statuses"]}
    shares = {
        label: {status: count / sum(of.values()) for status, count in of.items() if count}
        for label, of in counts.items()
    }
    if not shares:
        return Panel(
            name,
            short,
            title,
            missing="Needs rollout files, with a score for each sample; these hold counts only.",
        )
    order = [s for s in STATUSES if any(s in share for share in shares.values())]
    order += sorted({s for share in shares.values() for s in share} - set(order))
    with theme.drawing(name):
        figure, (ax,) = theme.canvas(7.4, 0.95 + 0.42 * len(shares))
        for y, share in enumerate(shares.values()):
            left = 0.0
            for at, status in enumerate(order):
                width = 100 * share.get(status, 0)
                rest = ("run3", "run2", "muted", "rule")[at % 4]
                shade = theme.colour(COLOURS.get(status, rest))
                ax.barh(
                    y,
                    width,
                    left=left,
                    height=0.55,
                    color=shade,
                    label=line(status, 24) if y == 0 else None,
                    linewidth=0,
                )
                left += width
        ax.set_yticks(range(len(shares)), list(shares))
        ax.invert_yaxis()
        ax.set_xlim(0, 100)
        ax.grid(axis="y", visible=False)
        ax.spines["left"].set_visible(False)
        ax.tick_params(axis="y", length=0)
        ax.set_xlabel("% of samples")
        figure.legend(loc="outside upper left", ncols=min(6, len(order)), handlelength=1)
        drawing = theme.svg(figure, name)
    return Panel(
        name,
        short,
        title,
        see=_see(view),
        caption="Samples that could not be judged through no fault of the policy (error, unverifiable) have "
        "no score and are in no rate; everything else that is not correct counts as wrong, also an answer on which a "
        "built-in verifier failed although the reference is good (answer_error).",
        columns=COLUMNS,
        rows=[
            [policy, status, counts[policy][status], share[status]]
            for policy, share in shares.items()
            for status in order
            if status in share
        ],
        drawing=drawing,
    )


def _evaluated(view: View) -> dict[str, PolicySummary]:
    """Every policy; base and the main one on each source too."""
    of_sources = {
        f"{policy}, {line(source or NAMELESS, 24)}": summary
        for source, part in view.document["by_source"].items()
        for policy, summary in part["policies"].items()
    }
    return {**view.policies, **of_sources}


def _see(view: View) -> str:
    parts = []
    for name, policy in view.policies.items():
        said = lost_samples(policy)
        if policy["excluded"]:
            said.append(f"{policy['excluded']:,} not judged and left out")
        if said:
            parts.append(f"{name}: " + ", ".join(said))
    return "; ".join(parts) + "." if parts else "Shares of each verdict, per policy."
