"""What is drawn is where its number is: every mark of the figures against report.json."""

import math

import numpy as np
import pytest
from cells import spoken
from drawing import axes_of, band, line, points, real

from rlvr.report.figures import View, levers, scatter, theme, training

READINGS = ("answer_pass_at_k", "maj_at_k", "cot_pass_at_k", "pass_hat_k")
PARTS = ("within", "beyond", "unresolved", "expansion")


def test_the_curves(drawn):
    view, axes = drawn
    top, below = axes["curves"]
    for name, policy in view.policies.items():
        curve = policy["pass_at_k"]
        ks = [int(k) for k in curve]
        assert line(top, ks, points(curve.values())), name
        if name in ("base", "tuned"):
            assert band(top, ks, points(curve.values(), "lo"), points(curve.values(), "hi")), name
    for name, comparison in view.comparisons.items():
        curve = comparison["difference"]
        ks = [int(k) for k in curve]
        assert line(below, ks, points(curve.values())), name
        if name == "tuned":
            assert band(below, ks, points(curve.values(), "lo"), points(curve.values(), "hi"))
    star, goal = view.comparison["k_star"]["value"], 100 * view.policies["tuned"]["pass_at_k"]["1"]["value"]
    assert line(top, [1, star, star], [goal, goal, top.get_ylim()[0]])


def test_other_readings(drawn):
    view, axes = drawn
    for ax, key in zip(axes["readings"], READINGS, strict=True):
        for policy in view.policies.values():
            curve = policy[key]
            assert line(ax, [int(k) for k in curve], points(curve.values())), key


def test_the_bars_of_the_gain(drawn):
    """Parts one after the other, forgetting to the left, their intervals under them, the churn floor at both sides."""
    view, axes = drawn
    (ax,) = axes["decomposition"]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["step-10", "step-20", "step-30", "tuned"]
    bars = iter(ax.patches)
    for y, name in enumerate(names):
        parts, left = view.comparisons[name]["compression"], 0.0
        held = spoken(parts)
        for part in (part for part in PARTS if part in held):
            bar, value = next(bars), 100 * held[part]["value"]
            assert (bar.get_x(), bar.get_width(), bar.get_y() + bar.get_height() / 2) == pytest.approx(
                (left, value, y)
            )
            if value > 0:
                assert line(ax, [left + 100 * held[part][end] for end in ("lo", "hi")], [y + 0.31] * 2), part
            left += value
        lost, floor = parts["forgetting"], 100 * parts["churn_floor"]["value"]
        assert next(bars).get_width() == pytest.approx(-100 * lost["value"])
        assert line(ax, [-100 * lost["lo"], -100 * lost["hi"]], [y + 0.31] * 2)
        assert floor > 0
        for x in (floor, -floor):
            assert line(ax, [x, x], [y - 0.34, y + 0.34])
        assert line(ax, [100 * parts["delta"]["value"]], [y - 0.31])  # above the numbers in the bars


def test_every_problem(drawn):
    """Base rate across, tuned rate up, but for a jitter smaller than a sample; those of rate 0 in a column apart."""
    view, axes = drawn
    main, found = axes["problems"][2], view.document["problems"]
    (dots,) = [c for c in main.collections if c.get_gid() == "points"]
    places = np.asarray(dots.get_offsets())
    base, tuned = np.array(found["base"]), np.array(found["tuned"])
    assert len(places) == len(base) and np.all(np.abs(places[:, 1] - 100 * tuned) <= 0.6 + 1e-9)
    some = base > 0
    assert np.all(np.abs(np.log(places[some, 0] / base[some])) <= 0.02 + 1e-9)
    assert places[~some, 0].max() < places[some, 0].min()
    shades = {scatter.KINDS[change][0] for change in found["change"]}
    assert len({tuple(colour) for colour in dots.get_facecolors()}) == len(shades)
    budget = view.comparison["compression"]["search_budget"]
    (solid,) = [x for x in main.lines if len(x.get_xdata()) == 200 and x.get_linestyle() == "-"]
    xs = np.asarray(solid.get_xdata())
    assert np.allclose(solid.get_ydata(), 100 * (1 - (1 - xs) ** budget))
    top, side = axes["problems"][0], axes["problems"][3]
    assert sum(bar.get_height() for bar in top.patches) == len(base)
    assert sum(bar.get_width() for bar in side.patches) == len(base)


def test_distance_and_what_it_bought(drawn):
    view, axes = drawn
    left, right = axes["frontier"]
    bars = {name: [] for name in view.comparisons}
    for bar in right.patches:
        bars[list(view.comparisons)[round(bar.get_x() + bar.get_width() / 2)]].append(bar)
    for name, comparison in view.comparisons.items():
        found, rate = comparison["alignment"], view.policies[name]["pass_at_k"]["1"]
        assert found["status"] == "ok"
        kl, y = found["kl_pi_p0"], 100 * rate["value"]
        assert line(left, [kl["value"]], [y])
        assert line(left, [kl["lo"], kl["hi"]], [y, y])
        assert line(left, [kl["value"]] * 2, [100 * rate["lo"], 100 * rate["hi"]])
        chain = ("kl_bernoulli", "kl_within_verified", "kl_within_unverified")
        heights = [real(found[key]["value"]) for key in chain]
        assert [bar.get_height() for bar in bars[name]] == pytest.approx([h for h in heights if h == h])
    assert line(left, [0], [100 * view.policies["base"]["pass_at_k"]["1"]["value"]])
    price = view.comparison["alignment"]["certain_success"]["value"]
    assert line(left, [price, price], [0, 1])


def test_the_best_that_a_distance_can_buy_is_of_all_problems(drawn):
    """The most success on average over problems at an average distance: where no base sample, and no weight, shows
    any success, no tilt makes some, and none is paid for."""
    view, axes = drawn
    found = view.comparison["alignment"]
    problems, idle = sum(found["base_rate_from"].values()), found["base_rate_from"]["none"]
    assert 0 < idle < problems == len(view.document["problems"]["problem_id"])
    share = (problems - idle) / problems
    (curve,) = [x for x in axes["frontier"][0].lines if x.get_label() == "best reachable"]
    xs, ys = (np.asarray(values, float) for values in (curve.get_xdata(), curve.get_ydata()))
    assert len(xs) > 10
    assert xs == pytest.approx([share * point["kl"] for point in found["frontier"]][: len(xs)])
    assert ys == pytest.approx([100 * share * point["q"] for point in found["frontier"]][: len(xs)])


def test_the_steps_of_training(drawn):
    view, axes = drawn
    shown = {ax.get_title(loc="left"): ax for ax in axes["training"] if ax.get_visible()}
    steps = [row["step"] for row in view.training]
    for title, key, scale in (
        ("train reward, points", "reward", 100),
        ("completion length, tokens", "completion_length", 1),
        ("cut by the token limit, %", "truncated_share", 100),
        ("clipped ratios, %", "clipped_share", 100),
    ):
        assert line(shown[title], steps, [scale * row[key] for row in view.training]), title
    for key in ("sampling", "verifying", "update"):
        assert line(shown["seconds per step"], steps, [row[f"seconds/{key}"] for row in view.training])


def test_what_stands_for_many_series(drawn):
    """Of the verdicts the four most frequent, of pass@k the smallest and the largest k: whatever order they were logged
    in, and in how many steps."""
    view, _ = drawn
    shares = {"b": 0.02, "incorrect": 0.2, "a": 0.01, "timeout": 0.1, "correct": 0.5, "no_answer": 0.15}
    rates = {"16": 0.8, "1": 0.2, "4": 0.5, "128": 0.9}
    rows = [
        {"step": row["step"]}
        | {f"status/{name}": share for name, share in shares.items()}
        | {f"eval/pass@{k}": rate for k, rate in rates.items()}
        for row in view.training
    ]
    rows[0] |= {"status/once": 0.9}  # most of a step, and little of the run
    document = view.document | {"policies": {n: view.policies[n] for n in ("base", "tuned")}}
    axes = axes_of(View(document, rows), (training,))["training"]
    titled = {ax.get_title(loc="left"): ax for ax in axes if ax.get_visible()}
    for title, named in (
        ("verdicts, %", {"correct", "incorrect", "no_answer", "timeout"}),
        ("held-out pass@k, points", {"pass@1", "pass@128"}),
    ):
        assert {text.get_text() for text in titled[title].get_legend().get_texts()} == named


def test_the_checkpoints(drawn):
    view, axes = drawn
    at = {0: "base", 10: "step-10", 20: "step-20", 30: "step-30", 40: "tuned"}
    titled = {ax.get_title(loc="left"): ax for ax in axes["steps"] if ax.get_visible()}
    rates = titled["held-out pass@k, points"]
    for k in ("1", "4"):
        curve = [view.policies[name]["pass_at_k"][k] for name in at.values()]
        assert line(rates, list(at), points(curve)), k
        fixed = [(100 * real(e["value"]), 196 * real(e["se_fixed"])) for e in curve]
        assert band(rates, list(at), [v - w for v, w in fixed], [v + w for v, w in fixed])
    bars = iter(titled["of which kind, points"].patches)
    changes = [spoken(view.comparisons[name]["compression"]) for name in list(at.values())[1:]]
    for part in (*PARTS, "forgetting"):
        sign = -100 if part == "forgetting" else 100
        heights = [next(bars).get_height() for _ in changes]
        assert heights == pytest.approx(
            [sign * parts[part]["value"] if part in parts else 0 for parts in changes]
        ), part
    found = [view.comparisons[name]["alignment"] for name in list(at.values())[1:]]
    for title, key in (("KL(π‖p0), nats", "kl_pi_p0"), ("to the verified posterior, nats", "kl_verified")):
        known = {step: d[key]["value"] for step, d in zip(list(at)[1:], found, strict=True)}
        held = {step: value for step, value in known.items() if value is not None}
        assert line(titled[title], list(held), list(held.values())), title
    distinct = [view.policies[name]["diversity"]["answers"]["rarefied"]["value"] for name in at.values()]
    assert line(titled["distinct answers among 8"], list(at), distinct)


def test_rates_by_source(several_sources):
    view, axes = several_sources
    (ax,) = axes["sources"]
    held = {name: part["policies"] for name, part in view.document["by_source"].items()}
    held["all sources"] = view.policies
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == list(held)
    for y, name in enumerate(names):
        for place, policy in enumerate(("base", "tuned")):
            e, at = held[name][policy]["pass_at_k"]["1"], y + 0.24 * (place - 0.5)
            assert line(ax, [100 * e["value"]], [at]), (name, policy)
            assert line(ax, [100 * e["lo"], 100 * e["hi"]], [at, at]), (name, policy)


def test_verdicts_add_up_to_all_samples(several_sources):
    view, axes = several_sources
    (ax,) = axes["verdicts"]
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == [
        "base",
        "tuned",
        *(f"{p}, {s}" for s in view.document["by_source"] for p in ("base", "tuned")),
    ]
    bars = {
        y: [bar for bar in ax.patches if abs(bar.get_y() + bar.get_height() / 2 - y) < 0.1]
        for y in range(len(names))
    }
    for y, name in enumerate(names):
        policy, _, source = name.partition(", ")
        of = view.document["by_source"][source]["policies"] if source else view.policies
        said = of[policy]["statuses"]
        widths = sorted(bar.get_width() for bar in bars[y] if bar.get_width())
        assert widths == pytest.approx(sorted(100 * count / sum(said.values()) for count in said.values()))
        assert sum(widths) == pytest.approx(100)


def test_the_rungs_of_the_ladder(ladder):
    """Shots on a linear axis, hints to their right; the tuned policy's level, and where the base's line meets it."""
    view, axes = ladder
    ax, found = axes["evidence"][0], view.document["ladder"]
    for policy in ("base", "tuned"):
        own = [rung for rung in found["rungs"] if rung["policy"] == policy]
        on_line = [rung for rung in own if rung["shots"] is not None]
        shift = 0.0 if policy == "base" else 0.006 * max(ax.get_xticks())
        xs = [rung["shots"] + shift for rung in on_line]
        assert line(ax, xs, [rung["nats"]["value"] for rung in on_line]), policy
        drawn = [segments.get_segments() for segments in ax.collections if hasattr(segments, "get_segments")]
        bars = [[y for _, y in segment] for segments in drawn for segment in segments]
        for rung in own:
            ends = [rung["nats"]["value"] + side * 1.96 * rung["nats"]["se"] for side in (-1, 1)]
            assert any(np.allclose(sorted(bar), ends) for bar in bars), (policy, rung["label"])
    level = next(r for r in found["rungs"] if r["policy"] == "tuned")["nats"]["value"]
    assert line(ax, [found["equivalent"]["value"]] * 2, [0, level])
    assert line(ax, [0, 1], [level, level])


def of_lever(name, kind, value, lo, hi):
    return {"name": name, "kind": kind, "nats": {"value": value, "lo": lo, "hi": hi}}


def test_levers_lie_at_their_nats_and_what_has_no_end_is_an_arrow_at_the_edge():
    """A row that solves nothing, one whose interval has no lower end, and one that is not known at all."""
    rows = [
        of_lever("base", "base", 0.0, 0.0, 0.0),
        of_lever("told", "asked", 1.5, 1.0, 2.0),
        of_lever("foreign", "asked", -2.0, "-inf", -1.0),
        of_lever("silent", "asked", "-inf", "-inf", "-inf"),
        of_lever("unknown", "trained", None, None, None),
    ]
    [ax] = drawn_levers(rows)
    assert [label.get_text() for label in ax.get_yticklabels()] == ["base", "told", "foreign", "silent"]
    low, high = ax.get_xlim()
    assert low < -2 and high > 2
    assert line(ax, [0.0], [0]) and line(ax, [1.5, -2.0, math.nan], [1, 2, 3])
    assert line(ax, [1.0, 2.0], [1, 1]) and line(ax, [low, -1.0], [2, 2])
    arrows = {
        (ln.get_marker(), *ln.get_xdata(), *ln.get_ydata()) for ln in ax.lines if ln.get_marker() in "<>"
    }
    assert arrows == {("<", low, 2), ("<", low, 3)}


def test_levers_are_drawn_where_the_base_solves_nothing():
    rows = [of_lever("base", "base", None, None, None), of_lever("told", "asked", "inf", 0.5, "inf")]
    [ax] = drawn_levers(rows)
    assert {ln.get_marker() for ln in ax.lines} >= {">"}
    [ax] = drawn_levers([of_lever("base", "base", None, None, None)])  # nothing to show, and no crash
    assert not ax.get_yticklabels()


def drawn_levers(rows):
    kept, write = [], theme.svg
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theme, "svg", lambda figure, name: (kept.extend(figure.axes), write(figure, name))[1])
        assert levers._drawing(rows).startswith("<svg")
    return kept
