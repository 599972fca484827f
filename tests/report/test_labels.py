"""What a figure's words and colours say of its marks: the line that is called tuned is the tuned policy's, in its
colour; axes have the unit of their numbers; numbers written into a figure are those of report.json."""

import math
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from cells import spoken, written
from drawing import draw, points, real
from matplotlib.colors import to_hex

from rlvr.report.figures import passk, theme, training
from rlvr.report.inputs import Inputs

COLOUR = {"base": "base", "tuned": "tuned", "step-10": "run2", "step-20": "run3", "step-30": "run4"}
"""Base grey; the main policy has a colour of its own; the others take theirs in the order of time."""
KINDS = {
    "search": ("better", "tuned"),
    "beyond": ("better, clearly beyond K", "run4"),
    "worse": ("worse", "forgetting"),
    "same": ("equal", "base"),
    "unresolved": ("first solved, unresolved", "run3"),
    "certified": ("first solved, certified", "run2"),
    "unsolved": ("never solved", "muted"),
}


def shade(name):
    return to_hex(theme.colour(name))


def colour_of(mark):
    for read in ("get_color", "get_facecolor", "get_facecolors"):
        if hasattr(mark, read):
            found = getattr(mark, read)()
            return to_hex(found if isinstance(found, str) or np.ndim(found) == 1 else found[0])
    return colour_of(mark.lines[0])  # an error bar


def legend_of(ax):
    """Label → colour, of the legend beside the axes or the whole figure."""
    (legend,) = [x for x in (ax.get_legend(), *ax.figure.legends) if x is not None]
    return {
        text.get_text(): colour_of(mark)
        for text, mark in zip(legend.get_texts(), legend.legend_handles, strict=True)
    }


def labelled(ax):
    """Label → the line of that name."""
    return {found.get_label(): found for found in ax.lines if not found.get_label().startswith("_")}


def words_in(ax):
    return [text.get_text() for text in ax.texts if text.get_text()]


def titled(axes):
    return {ax.get_title(loc="left"): ax for ax in axes if ax.get_visible()}


def same(found, xs, ys):
    assert np.asarray(found.get_xdata(), float) == pytest.approx(xs)
    assert np.asarray(found.get_ydata(), float) == pytest.approx(ys, nan_ok=True)


def test_each_curve_is_that_of_its_name_and_colour(drawn):
    view, axes = drawn
    top, below = axes["curves"]
    assert (top.get_ylabel(), below.get_xlabel()) == ("pass@k, points", "k, samples (log₂)")
    assert below.get_ylabel() == "tuned − base,\npoints, paired"
    never = "never right, 0.1 % false positives (assumed)"
    assert legend_of(top) == {n: shade(c) for n, c in COLOUR.items()} | {never: shade("muted")}
    floor = view.comparison["noise"]["fpr_floor"]["0.001"]
    curves = {name: {k: e["value"] for k, e in p["pass_at_k"].items()} for name, p in view.policies.items()}
    assert floor["64"] == pytest.approx(1 - 0.999**64)
    for name, curve in (curves | {never: floor}).items():
        same(labelled(top)[name], [int(k) for k in curve], [100 * rate for rate in curve.values()])
    changes = labelled(below)
    for name, c in view.comparisons.items():
        same(changes[name], [int(k) for k in c["difference"]], points(c["difference"].values()))
        assert colour_of(changes[name]) == shade(COLOUR[name])
    wide = {name: labelled(top)[name].get_linewidth() for name in COLOUR}
    assert min(wide["base"], wide["tuned"]) > max(wide[f"step-{i}"] for i in (10, 20, 30))
    assert words_in(top) == [f"k* = {written(view.comparison['k_star']['value'], '.3g')}"]
    assert below.get_title(loc="right") == "no crossing up to k = 64"
    ticks = [label.get_text() for label in below.get_xticklabels()]
    assert ticks == ["1", "2", "4", "8", "16", "32", "64"]


def test_where_the_base_overtakes_is_marked(tmp_path):
    """A tuned policy that is right on half of the problems, always, and never on the others."""
    lines = [f"p{i},16,{6 if i % 2 else 8},{16 * (i % 2)}" for i in range(30)]
    (tmp_path / "c.csv").write_text("problem_id,n,c_base,c_tuned\n" + "\n".join(lines) + "\n")
    inputs = Inputs.read(tmp_path / "c.csv", None, [], {}, None, allow=False)
    view, axes = draw(inputs, (passk,))
    document: Any = view.document
    top, _ = axes["curves"]
    cross = document["comparison"]["crossover"]
    assert cross["value"] == 2 and 1 <= cross["k_real"] <= 2
    (mark,) = [x for x in top.lines if colour_of(x) == shade("forgetting")]
    assert list(mark.get_xdata()) == [cross["k_real"]] * 2
    assert "base ahead from k = 2" in words_in(top)
    assert top.get_ylim()[0] == 0, "rates lie below 45"


def test_the_parts_of_the_gain_have_their_colours_and_numbers(drawn):
    view, axes = drawn
    (ax,) = axes["decomposition"]
    assert ax.get_xlabel() == "points of pass@1 (gain to the right, forgetting to the left)"
    names = {
        "compression within K": "within",
        "compression beyond K": "beyond",
        "unresolved": "unresolved",
        "expansion": "expansion",
        "forgetting": "forgetting",
    }
    legend = legend_of(ax)
    assert legend.keys() - names.keys() == {"Δ pass@1; ticks: churn floor"}
    assert {name: legend[name] for name in names} == {name: shade(part) for name, part in names.items()}
    marks, said = iter(ax.patches), []
    for y, c in enumerate(view.comparisons.values()):
        held, left = spoken(c["compression"]), 0.0
        gained = {part: 100 * e["value"] for part, e in held.items() if part != "forgetting"}
        for part, value in gained.items():
            mark = next(marks)
            assert colour_of(mark) == shade(part) and bool(mark.get_hatch()) is (part == "unresolved")
            if value > 0.12 * sum(gained.values()) and part != "unresolved":
                said.append((pytest.approx((left + value / 2, y)), written(value)))
            left += value
        assert colour_of(next(marks)) == shade("forgetting")
    assert [(text.get_position(), text.get_text()) for text in ax.texts] == said and said
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first policy stands at the top"


def test_each_problem_has_the_colour_of_what_became_of_it(drawn):
    view, axes = drawn
    top, _, main, side = axes["problems"]
    found = view.document["problems"]
    assert (main.get_xlabel(), main.get_ylabel()) == (
        *("base success rate, points", "tuned success rate, points"),
    )
    assert top.get_ylabel() == side.get_xlabel() == "problems"
    (dots,) = [c for c in main.collections if c.get_gid() == "points"]
    assert [to_hex(c[:3]) for c in dots.get_facecolors()] == [shade(KINDS[x][1]) for x in found["change"]]
    counts = {kind: found["change"].count(kind) for kind in KINDS}
    expected = {f"{KINDS[kind][0]} ({n})": shade(KINDS[kind][1]) for kind, n in counts.items() if n}
    assert legend_of(main) == expected and len(expected) > 2
    ends = [
        {tuple(np.round(segment.ravel(), 9)) for segment in c.get_segments()}
        for c in main.collections
        if hasattr(c, "get_segments")
    ]
    places = np.asarray(dots.get_offsets())
    upright, level = ends if len(ends) == 2 else (set().union(*ends), set().union(*ends))
    for i, (x, y) in enumerate(places):
        lo, hi = 100 * found["tuned_lo"][i], 100 * found["tuned_hi"][i]
        assert tuple(np.round([x, lo, x, hi], 9)) in upright, i
        if found["base"][i] > 0:
            floor = 0.5 / found["median_n_base"] / 1.3
            left = max(found["base_lo"][i], floor)
            assert tuple(np.round([left, y, found["base_hi"][i], y], 9)) in level, i
    bound = written(100 * found["unseen_bound"], ".2g")
    main.figure.canvas.draw()
    ticks = [label.get_text() for label in main.get_xticklabels()]
    assert ticks[0] == f"0 of n\n(p ≤ {bound})" and "10" in ticks and "100" in ticks
    (dashed,) = [x for x in main.lines if len(x.get_xdata()) == 200 and x.get_linestyle() != "-"]
    assert np.asarray(dashed.get_ydata()) == pytest.approx(100 * np.asarray(dashed.get_xdata()))


def test_distance_and_its_links_by_name(drawn):
    view, axes = drawn
    left, right = axes["frontier"]
    assert (left.get_xlabel(), left.get_ylabel()) == ("KL(π‖p0), nats per problem", "pass@1, points")
    assert right.get_ylabel() == "nats per problem"
    a = view.comparison["alignment"]
    price = a["certain_success"]
    zero = f"mean ln(1/p̂); c0 = 0 on {written(100 * price['share_base_zero'], '.0f')} %"
    links = {
        "success: kl(q‖p)": "within",
        "among verified: q · KL(π_V‖π*)": "expansion",
        "among failures: (1 − q) · KL": "unresolved",
    }
    expected = {name: shade(c) for name, c in COLOUR.items()} | {n: shade(c) for n, c in links.items()}
    assert legend_of(left) == expected | {"best reachable": shade("ink"), zero: shade("muted")}
    for name, c in view.comparisons.items():
        rate = view.policies[name]["pass_at_k"]["1"]["value"]
        same(labelled(left)[name], [c["alignment"]["kl_pi_p0"]["value"]], [100 * rate])
    same(labelled(left)["base"], [0], [100 * view.policies["base"]["pass_at_k"]["1"]["value"]])
    assert words_in(left) == [f"η = {written(a['efficiency']['value'], '.2f')}"]
    (eta,) = left.texts
    assert eta.xy == pytest.approx(
        (a["kl_pi_p0"]["value"], 100 * view.policies["tuned"]["pass_at_k"]["1"]["value"])
    )
    assert [label.get_text() for label in right.get_xticklabels()] == ["10", "20", "30", "tuned"]
    keys = dict(zip(links, ("kl_bernoulli", "kl_within_verified", "kl_within_unverified"), strict=True))
    for at, c in enumerate(view.comparisons.values()):
        own = [bar for bar in right.patches if round(bar.get_x() + bar.get_width() / 2) == at]
        bars = {colour_of(bar): bar for bar in own}
        ends = {1: 0.0, -1: 0.0}
        for name, colour in links.items():
            value = real(c["alignment"][keys[name]]["value"])
            if math.isnan(value):
                continue
            bar, way = bars[shade(colour)], 1 if value >= 0 else -1
            assert (bar.get_height(), bar.get_y()) == pytest.approx((value, ends[way]))
            ends[way] += value


def test_each_reading_has_its_title_and_each_policy_its_colour(drawn):
    view, axes = drawn
    names = {"answer_pass_at_k": "answer alone", "maj_at_k": "maj@k", "cot_pass_at_k": "CoT-pass@k"}
    names["pass_hat_k"] = "pass^k"
    assert [ax.get_title(loc="left") for ax in axes["readings"]] == [*names.values()]
    assert axes["readings"][0].get_ylabel() == "points"
    assert legend_of(axes["readings"][0]) == {name: shade(c) for name, c in COLOUR.items()}
    for ax, key in zip(axes["readings"], names, strict=True):
        assert ax.get_xlabel() == "k"
        by_colour = {colour_of(found): found for found in ax.lines if len(found.get_xdata())}
        for name, policy in view.policies.items():
            curve = policy[key]
            same(by_colour[shade(COLOUR[name])], [int(k) for k in curve], points(curve.values()))
        bands = [c for c in ax.collections if c.get_paths()]
        assert {colour_of(band) for band in bands} == {shade("base"), shade("tuned")}
        for name in ("base", "tuned"):
            (band,) = [band for band in bands if colour_of(band) == shade(name)]
            ys = {round(y, 6) for _, y in band.get_paths()[0].vertices}
            curve = view.policies[name][key].values()
            assert {round(y, 6) for end in ("lo", "hi") for y in points(curve, end)} <= ys


def test_the_series_of_training_are_called_by_what_they_are(drawn):
    view, axes = drawn
    found = titled(axes["training"])
    assert list(found) == [
        "train reward, points",
        "groups with both outcomes, %",
        "token entropy, nats",
        "completion length, tokens",
        "cut by the token limit, %",
        "verdicts, %",
        "clipped ratios, %",
        "seconds per step",
    ]
    assert legend_of(found["seconds per step"]) == {
        "sampling": shade("tuned"), "verifying": shade("run4"), "update": shade("run3"),
    }  # fmt: skip
    assert legend_of(found["verdicts, %"]) == {"correct": shade("within"), "incorrect": shade("forgetting")}
    mixed = found["groups with both outcomes, %"]
    assert legend_of(mixed) == {"observed": shade("tuned"), "1 − p^G − (1 − p)^G": shade("ink")}
    steps = [row["step"] for row in view.training]
    expected = 100 * np.array(view.document["training"]["expected_mixed_share"])
    same(labelled(mixed)["1 − p^G − (1 − p)^G"], steps, medians(expected))
    same(labelled(mixed)["observed"], steps, [60.0] * len(steps))
    for key, name in (("sampling", "sampling"), ("verifying", "verifying"), ("update", "update")):
        values = [row[f"seconds/{key}"] for row in view.training]
        same(labelled(found["seconds per step"])[name], steps, medians(values))
    for status in ("correct", "incorrect"):
        values = [100 * row[f"status/{status}"] for row in view.training]
        same(labelled(found["verdicts, %"])[status], steps, medians(values))
    low = [found[title] for title in list(found)[-3:]]
    assert all(ax.get_xlabel() == "step, samples, time" for ax in low)
    formatter = low[0].xaxis.get_major_formatter()
    assert formatter(20, 0) == "20\n1.28k\n80 s" and formatter(0, 0) == "0\n0\n0 s"


def medians(values):
    """Of the 10 values around each place, fewer at both ends: from five before it to four after it."""
    return [float(np.median(values[max(0, i - 4) : i + 6])) for i in range(len(values))]


def test_the_window_of_the_medians_is_what_the_caption_says():
    assert training.WINDOW == 10
    assert training._median(np.arange(30.0)) == pytest.approx(medians(np.arange(30.0)))


def test_the_checkpoints_by_name_and_colour(drawn):
    view, axes = drawn
    found = titled(axes["steps"])
    assert list(found) == [
        "held-out pass@k, points",
        "of which kind, points",
        "distinct answers among 8",
        "KL(π‖p0), nats",
        "to the verified posterior, nats",
        "β_eff, 1/nats",
    ]
    at = {0: "base", 10: "step-10", 20: "step-20", 30: "step-30", 40: "tuned"}
    assert legend_of(found["held-out pass@k, points"]) == {"pass@1": shade("tuned"), "pass@4": shade("run2")}
    for k in ("1", "4"):
        curve = [view.policies[name]["pass_at_k"][k] for name in at.values()]
        same(labelled(found["held-out pass@k, points"])[f"pass@{k}"], list(at), points(curve))
    kinds = ("within", "beyond", "unresolved", "expansion", "forgetting")
    assert legend_of(found["of which kind, points"]) == {kind: shade(kind) for kind in kinds}
    bars = [found["of which kind, points"].patches[4 * i : 4 * i + 4] for i in range(5)]
    for kind, own in zip(kinds, bars, strict=True):
        assert {colour_of(bar) for bar in own} == {shade(kind)}
        assert {bool(bar.get_hatch()) for bar in own} == {kind == "unresolved"}
        assert [bar.get_x() + bar.get_width() / 2 for bar in own] == pytest.approx([10, 20, 30, 40])
    for below, above in pairwise(bars[:4]):
        tops = [bar.get_y() + bar.get_height() for bar in below]
        assert [bar.get_y() for bar in above] == pytest.approx(tops)
    both = labelled(found["to the verified posterior, nats"])
    for name, key in (("KL(π_V‖π*)", "kl_verified"), ("KL(π*‖π)", "kl_target_pi")):
        values = {step: view.comparisons[n]["alignment"][key]["value"] for step, n in list(at.items())[1:]}
        held = {step: value for step, value in values.items() if value is not None}
        same(both[name], list(held), list(held.values()))
    assert colour_of(both["KL(π_V‖π*)"]) == shade("tuned") and colour_of(both["KL(π*‖π)"]) == shade("run2")
    odds = [view.comparisons[name]["evidence"]["pooled"] for name in list(at.values())[1:]]
    same(found["β_eff, 1/nats"].lines[0], list(at)[1:], [1 / e["value"] for e in odds])


def test_the_ladder_by_name_and_colour(ladder):
    view, axes = ladder
    ax, right = axes["evidence"]
    found = view.document["ladder"]
    assert ax.get_xlabel() == "worked examples in the prompt; then other evidence"
    assert ax.get_ylabel() == "log-odds against base, 0 shots, nats"
    assert [label.get_text() for label in ax.get_xticklabels()] == ["0", "2", "8", "instruction"]
    assert list(ax.get_xticks())[:3] == [0, 2, 8] and ax.get_xticks()[3] > 8
    legend = legend_of(ax)
    assert legend == {"base": shade("base"), "tuned": shade("tuned"), "tuned, 0 shots": shade("tuned")}
    worth = written(found["equivalent"]["value"], ".3g")
    assert words_in(ax) == [f"{worth} shots"]
    assert right.get_ylabel() == "points, at the base's mean rate"
    rate = found["rungs"][0]["pass_1"]["value"]
    start = math.log(rate / (1 - rate))
    named = zip(right.get_yticks(), right.get_yticklabels(), strict=True)
    ticks = {int(label.get_text()): place for place, label in named}
    assert 50 in ticks and all(
        place == pytest.approx(math.log(p / (100 - p)) - start) for p, place in ticks.items()
    )
    assert right.get_ylim() == ax.get_ylim()
    for policy in ("base", "tuned"):
        own = [x for x in ax.lines if colour_of(x) == shade(policy) and x.get_linestyle() == "-"]
        rungs = [r for r in found["rungs"] if r["policy"] == policy and r["shots"] is not None]
        wanted = [r["nats"]["value"] for r in rungs]
        assert any(
            len(x.get_ydata()) == len(wanted) and np.allclose(np.asarray(x.get_ydata(), float), wanted)
            for x in own
        ), policy


def test_sources_and_verdicts_by_name_and_colour(several_sources):
    view, axes = several_sources
    (ax,) = axes["sources"]
    assert ax.get_xlabel() == "pass@1, points" and ax.get_xlim()[0] == 0
    assert legend_of(ax) == {"base": shade("base"), "tuned": shade("tuned")}
    held = {name: part["policies"] for name, part in view.document["by_source"].items()}
    held["all sources"] = view.policies
    for policy in ("base", "tuned"):
        dots = [x for x in ax.lines if colour_of(x) == shade(policy) and x.get_marker() == "o"]
        wanted = [100 * part[policy]["pass_at_k"]["1"]["value"] for part in held.values()]
        assert [float(x.get_xdata()[0]) for x in dots] == pytest.approx(wanted)
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "the first source stands at the top"
    (ax,) = axes["verdicts"]
    assert ax.get_xlabel() == "% of samples" and ax.get_xlim() == (0, 100)
    colours = {"correct": "within", "unsound": "run4", "incorrect": "forgetting", "no_answer": "unresolved"}
    legend = legend_of(ax)
    assert {name: legend[name] for name in colours} == {name: shade(c) for name, c in colours.items()}
    assert len(set(legend.values())) == len(legend)
    shares = view.policies["tuned"]["statuses"]
    widths = {
        colour_of(bar): bar.get_width()
        for bar in ax.patches
        if round(bar.get_y() + bar.get_height() / 2) == 1 and bar.get_width()
    }
    assert widths == {
        legend[status]: pytest.approx(100 * n / sum(shares.values())) for status, n in shares.items()
    }
