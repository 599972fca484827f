"""What is quoted of a report: the headline as a table, the tiles, the terminal's lines of less common reports."""

import json
from typing import Any

import pytest
from cells import written

from rlvr import __version__
from rlvr.analysis.samples import Samples
from rlvr.analysis.sections.compare import compare
from rlvr.report import build, by_source, headline, prose, summary, tiles
from rlvr.report.headline import Headline
from rlvr.report.words import attempts_in_short, change_of, counted, lost_samples, often, span, span_of
from tests.as_json import as_json
from tests.report.test_prose_directions import changed, within

ASKED = {"temperature": 0.6, "max_new_tokens": 64, "verifier": "math"}


def file_of(folder, name, counts, n=16, **settings):
    path = folder / f"{name}.csv"
    path.write_text("problem_id,n,c\n" + "".join(f"p{i},{n},{c}\n" for i, c in enumerate(counts)))
    path.with_suffix(".settings.json").write_text(json.dumps(ASKED | settings))
    return path


def signed(value):
    return ("+" if round(100 * value, 1) > 0 else "") + written(100 * value)


def ends(e, scale=100, form=".1f"):
    return f"95 %: {written(scale * e['lo'], form)} to {written(scale * e['hi'], form)}"


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    """A report of base, tuned, an evaluation during training, and another policy."""
    folder = tmp_path_factory.mktemp("several")
    counts = [i % 9 for i in range(24)]
    files = [
        file_of(folder, name, [min(16, c + more) for c in counts])
        for name, more in (("base", 0), ("tuned", 4), ("step-10", 2), ("other", -0))
    ]
    return build(files[0], files[1], files[2:], output=folder / "out", replicates=100)


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("alone")
    file = file_of(folder, "base", [i % 9 for i in range(24)])
    file.write_text(file.read_text() + "q,4,1\n")
    return build(file, output=folder / "out", replicates=100, names=["Qwen"])


def test_the_table_of_the_headline_has_no_evaluation_during_training(several):
    document = as_json(several.document)
    found = headline.headline(several.document)
    assert [row[0] for row in found.rows] == ["base", "tuned", "other"]
    for row, c in zip(
        found.rows[1:], (document["comparison"], document["comparisons"]["other"]), strict=True
    ):
        for cell, k in zip(row[2:], ("1", "4", "16"), strict=True):
            d = c["difference"][k]
            change = f"{signed(d['value'])}; {ends(d).removeprefix('95 %: ')}"
            assert cell == f"{written(100 * d['tuned'])} ({change})"
    assert found.caption == (
        "Points; in brackets the difference to base, paired by problem, with its 95 % interval. Temperature 0.6, at "
        f"most 64 tokens, verifier math. By rlvr {__version__}."
    )


def test_the_headline_of_one_evaluation_has_its_intervals(alone):
    curve = as_json(alone.document)["policies"]["Qwen"]["pass_at_k"]
    found = headline.headline(alone.document)
    assert found.columns == ["policy", "problems × samples", "pass@1", "pass@16"]
    assert found.rows == [
        [
            "Qwen",
            "25 × 4–16",
            *(f"{written(100 * curve[k]['value'])} ({ends(curve[k])})" for k in ("1", "16")),
        ]
    ]
    assert (
        found.caption == f"Points. Temperature 0.6, at most 64 tokens, verifier math. By rlvr {__version__}."
    )
    silent = alone.document | {"settings": {}}
    assert headline.headline(silent).caption == f"Points. By rlvr {__version__}."


def test_the_table_in_latex_and_markdown_letter_by_letter():
    found = Headline(["policy", "n"], [["a_b & 5 % {~^\\}", "1.0 (−2.0; 3 × 4)"]], "cap #1 $ <x> ≥ ∞ →…–")
    assert headline.latex(found).splitlines() == [
        r"\begin{table}",
        r"\centering",
        r"\begin{tabular}{lr}",
        r"\hline",
        r"policy & n \\",
        r"\hline",
        r"a\_b \& 5 \% \{\textasciitilde{}\textasciicircum{}\textbackslash{}\} & 1.0 ($-$2.0; 3 $\times$ 4) \\",
        r"\hline",
        r"\end{tabular}",
        r"\caption{cap \#1 \$ \textless{}x\textgreater{} $\ge$ $\infty$ $\to$\dots{}--}",
        r"\end{table}",
    ]
    cells = Headline(["policy", "n"], [["a|b*[x]<y>`\\", "1"]], "c_d")
    assert headline.markdown(cells) == (
        "| policy | n |\n| --- | --- |\n" r"| a\|b\*\[x\]\<y\>\`\\ | 1 |" "\n\n" r"c\_d" "\n"
    )


def test_the_terminal_has_a_line_for_every_other_policy_but_checkpoints(several):
    lines = several.summary.splitlines()
    gain = as_json(several.document)["comparisons"]["other"]["gain"]
    before, after = written(100 * gain["base"]), written(100 * gain["tuned"])
    assert f"  other: pass@1 {before} → {after} ({signed(gain['value'])}, {ends(gain)}, paired)" in lines
    assert not any("step-10: pass@1" in line for line in lines)
    assert "  base: 24 problems × 16 samples" in lines and "  tuned: 24 problems × 16 samples" in lines


def test_the_terminal_of_one_evaluation(alone):
    lines, curve = alone.summary.splitlines(), as_json(alone.document)["policies"]["Qwen"]["pass_at_k"]
    assert "  Qwen: 25 problems × 4 to 16 samples" in lines
    rows = [f"  {f'pass@{k}':<9} {written(100 * e['value'])} ({ends(e)})" for k, e in curve.items()]
    at = lines.index(rows[0])
    assert lines[at : at + len(rows)] == rows and list(curve) == ["1", "2", "4", "8", "16"]
    assert [tile["label"] for tile in tiles.tiles(alone.document)] == [f"pass@{k}" for k in curve]
    first = tiles.tiles(alone.document)[0]
    assert (first["value"], first["range"]) == (written(100 * curve["1"]["value"]), ends(curve["1"]))
    whole = f"{written(100 * curve['1']['value'])} ({ends(curve['1'])})"
    last = f"{written(100 * curve['16']['value'])} ({ends(curve['16'])})"
    assert prose.headline(alone.document)[0] == (
        f"pass@1 is {whole} points; with 16 samples at least one is right on {last}."
    )


def test_samples_that_are_lost_are_counted_in_the_terminal(cells_awkward):
    report, rows = cells_awkward
    for name in ("base", "tuned"):
        judged = [row for row in rows[name] if row["score"] is not None]
        n = [sum(row["problem_id"] == p for row in judged) for p in {row["problem_id"] for row in rows[name]}]
        cut = written(100 * sum(row.get("complete") is False for row in judged) / len(judged))
        silent = written(100 * sum(row["status"] == "no_answer" for row in judged) / len(judged))
        assert (
            f"  {name}: {len(n)} problems × {min(n)} to {max(n)} samples, {cut} % cut by the token limit, {silent} % "
            f"without an answer, {len(rows[name]) - len(judged)} samples could not be judged"
            in report.summary.splitlines()
        )


def test_one_problem_and_one_sample_are_no_plural(tmp_path):
    report = build(file_of(tmp_path, "base", [1], n=1), output=tmp_path / "out", replicates=100)
    assert "  base: 1 problem × 1 sample" in report.summary.splitlines()
    assert [counted(n, "problem") for n in (0, 1, 2)] == ["0 problems", "1 problem", "2 problems"]


def test_the_small_words():
    e = within(0.046, 0.0304, 0.0596)
    assert [often({"value": x}) for x in (0.002, -0.002, 0.0, 0.0001, -0.0001)] == [  # type: ignore[typeddict-item]
        "more often", "less often", "as often", "as often", "as often"
    ]  # fmt: skip
    assert span_of(e) == "95 %: 3.0 to 6.0" and span(e) == "4.6 (95 %: 3.0 to 6.0)"
    assert span_of(e, -100) == "95 %: −6.0 to −3.0" and span_of(e, 1, ".3f") == "95 %: 0.030 to 0.060"
    for end in ("lo", "hi"):
        assert span_of(e | {end: None}) == "no interval"
    change: Any = e | {"base": 0.2, "tuned": 0.246}
    assert change_of(change) == "20.0 → 24.6: +4.6 points (95 %: 3.0 to 6.0, paired)"
    by_turn: Any = [
        {"pass_at_k": {"1": within(rate, 0, 1), "4": within(0.9, 0, 1)}} for rate in (0.03, 0.05, 0.06)
    ]
    assert attempts_in_short("base", by_turn) == (
        "base: pass@1 3.0 at the first attempt, 5.0 within 2, 6.0 within 3."
    )
    policy: Any = {"truncated": within(0.125, None, None), "no_answer": within(0.0, None, None)}
    assert lost_samples(policy) == ["12.5 % cut by the token limit", "0.0 % without an answer"]
    assert lost_samples(changed(policy, truncated__value=None)) == ["0.0 % without an answer"]


@pytest.fixture(scope="module")
def known():
    ids = [f"p{i}" for i in range(30)]
    base = Samples.from_counts(ids, [64] * 30, [0] * 8 + [2 * i for i in range(22)], "base")
    tuned = Samples.from_counts(ids, [64] * 30, [1] * 8 + [3 * i for i in range(21)] + [20], "tuned")
    return as_json(compare(base, tuned, 4, replicates=100))


@pytest.mark.parametrize(
    "star, value, spread",
    [
        ({"value": 3.25, "status": "ok", "lo": 2.5, "hi": 4.0}, "3.25", "base samples, 95 %: 2.5 to 4"),
        ({"value": None, "status": "censored_right", "bound": 64}, "> 64", "base samples"),
        ({"value": None, "status": "base_all_zero", "bound": 64}, "–", "base samples"),
        ({"value": 0.99, "status": "ok"}, "< 1", "base samples"),
        ({"value": 1.0, "status": "ok", "lo": 0.5, "hi": 2.0}, "1", "base samples, 95 %: 0.5 to 2"),
    ],
)
def test_the_tile_of_what_a_tuned_sample_is_worth(known, star, value, spread):
    c = changed(known, k_star=known["k_star"] | star)
    document: Any = {"comparison": c, "base": "base", "main": "tuned"}
    (tile,) = [tile for tile in tiles.tiles(document) if tile["label"] == "one tuned sample"]
    assert (tile["value"], tile["range"]) == (value, spread)


def test_the_tile_of_runs_is_of_methods_with_several(known):
    gain = within(0.046, 0.03, 0.06) | {"sd": 0.01}
    groups = {"grpo": {"runs": ["a", "b"], "quantities": {"gain": gain}}}
    groups |= {"rloo": {"runs": ["c"], "quantities": {"gain": gain}}}
    document: Any = {"comparison": known, "base": "base", "main": "a", "groups": groups}
    found = tiles.tiles(document)
    assert found[0] == {
        "label": "grpo, gain of 2 runs", "value": "+4.6", "range": "mean, 95 %: 3.0 to 6.0 between runs",
    }  # fmt: skip
    assert [tile["label"] for tile in found].count("pass@1") == 1 and "rloo" not in str(found)
    assert found[1]["range"] == "base → a, points"
    assert list(prose.seed_lines(document)) == [
        "grpo, 2 runs: pass@1 +4.6 on average (95 %: 3.0 to 6.0 between seeds, sd 1.0; se within a run –)."
    ]
    assert prose.over_seeds(gain | {"sd": None}) == (  # type: ignore[arg-type]
        "pass@1 +4.6 on average; a single run says nothing about the spread between seeds"
    )
    assert prose.over_seeds(gain | {"value": None}) == "no gain could be measured"  # type: ignore[arg-type]
    runs: Any = {"main": "a", "runs": [1, 2, 3]}
    assert prose.of_many(runs) == "a, the first of 3 runs: "
    assert prose.of_many({"main": "a", "runs": [1]}) == prose.of_many({"main": "a"}) == ""  # type: ignore[arg-type]


def partial(score, one, marks=None, **more) -> Any:
    settings = {"base": {"pass_mark": 0.5} | ({"sources": marks} if marks else {})}
    policy = {"mean_score": score, "pass_at_k": {"1": within(one, 0, 1)}}
    return {"policies": {"base": policy}, "base": "base", "comparison": None, "settings": settings} | more


def test_the_mean_score_is_said_where_there_is_partial_credit():
    document = partial(within(0.4, 0.3, 0.5), 0.25)
    assert list(prose.mean_scores(document)) == [
        "The mean score is 40.0 (95 %: 30.0 to 50.0) points; solved, in pass@k and all that follows from it, is a "
        "score of 0.5 or more."
    ]
    assert not list(prose.mean_scores(partial(within(0.25, 0.3, 0.5), 0.25)))
    assert not list(prose.mean_scores(partial(within(None, None, None), 0.25)))
    change = {"mean_score": within(0.1, 0.05, 0.15) | {"base": 0.4, "tuned": 0.5}}
    of_sources = {"a": {"pass_mark": 1.0}, "b": {"pass_mark": 0.5}, "c": "words"}
    assert list(prose.mean_scores(partial(within(0.4, 0, 1), 0.25, of_sources, comparison=change))) == [
        "The mean score goes from 40.0 to 50.0: +10.0 points (95 %: 5.0 to 15.0, paired); solved, in pass@k and all "
        "that follows from it, is a score of at least that of its source (0.5 or 1)."
    ]
    assert prose.pass_marks(partial(None, 0.2, {"a": {}}), "base") == [0.5]
    assert prose.pass_marks({"settings": {}}, "base") == [1.0]  # type: ignore[arg-type]


EXACT: Any = [
    {"quantity": "base pass@1", "exact": 0.2, "estimate": 0.25, "lo": 0.1, "hi": 0.4, "inside": True},
    {"quantity": "base pass@4", "exact": 0.5, "estimate": 0.9, "lo": 0.8, "hi": 1.0, "inside": False},
    {"quantity": "KL(π‖p0), nats", "exact": 0.1, "estimate": 0.3, "lo": 0.2, "hi": 0.4, "inside": False},
    {"quantity": "KL efficiency η", "exact": 0.8, "estimate": 0.7, "lo": 0.6, "hi": 0.9, "inside": True},
    {"quantity": "base: mass", "exact": 0.001, "estimate": None, "lo": None, "hi": None, "inside": None},
]


def test_exact_values_in_two_lines():
    assert list(prose.exact_lines(EXACT)) == [
        "exact      base pass@1 0.2, KL(π‖p0) 0.1, η 0.8",
        "estimated  base pass@1 0.25 (0.1 to 0.4), KL(π‖p0) 0.3 (0.2 to 0.4), η 0.7 (0.6 to 0.9)",
        "2 of 4 exact values lie in the 95 % interval that the samples gave.",
    ]
    assert next(prose.exact_lines(EXACT, distances_only=True)) == "exact      KL(π‖p0) 0.1, η 0.8"
    assert not list(prose.exact_lines(EXACT[-1:])) and not list(
        prose.exact_lines(EXACT[:2], distances_only=True)
    )


@pytest.mark.parametrize("efficiency", [0.454, 1.0, 1.204, None])
@pytest.mark.parametrize("forward", [0.333, None])
def test_how_far_the_policy_moved(known, efficiency, forward):
    a = {"status": "ok", "kl_pi_p0": within(1.234, 0.9, 1.5), "efficiency": within(efficiency, 0, 1)}
    a |= {"kl_verified": within(forward, 0.1, 0.5), "ess_verified": within(41.6, 1, 2)}
    c = changed(known, alignment=a)
    share = {
        0.454: "; 45 % of that went into success (η)",
        1.0: "; 100 % of that went into success (η)",
        1.204: "; all, within the error, of that went into success (η = 1.2)",
        None: "",
    }[efficiency]
    posterior = (
        "; from the verified posterior, KL(π_V‖π*), 0.33 (95 %: 0.10 to 0.50; ESS 42)" if forward else ""
    )
    assert prose.distance_moved(c) == (
        f"The tuned policy lies 1.23 nats from the base (95 %: 0.90 to 1.50){share}{posterior}."
    )
    assert (
        prose.distance_moved(known) == "" == prose.distance_moved(changed(c, alignment__kl_pi_p0__value=None))
    )


def test_who_solves_what_at_all(known):
    solved = {"both": 20, "base_only": 3, "tuned_only": 5, "neither": 2}
    last = within(-0.02, -0.05, 0.01) | {"base": 0.8, "tuned": 0.78}
    curve = {"1": within(0.1, 0, 1), "64": last, "128": within(None, None, None)}
    c = changed(known, coverage__solved=solved, difference=curve)
    assert prose.covered(c) == (
        "Of 30 problems, in any sample, the base alone solves 3, tuned alone 5, both 20; pass@64, the largest k of "
        "both, goes 80.0 → 78.0: −2.0 points (95 %: −5.0 to 1.0, paired)."
    )
    assert prose.covered(changed(c, flips={"to_right": []})) == ""
    assert prose.covered(changed(c, difference={"1": last})) == "" == prose.covered(changed(c, difference={}))


def test_the_line_of_a_source_counts_the_samples_that_its_tuned_policy_lost():
    def policy(n, cut, silent):
        return {
            "n_problems": n, "truncated": {"value": cut}, "no_answer": {"value": silent},
            "pass_at_k": {"1": within(0.5, 0.4, 0.6)},
        }  # fmt: skip

    gain = within(0.1, 0.05, 0.15) | {"base": 0.4, "tuned": 0.5}
    both = {"base": policy(30, 0.5, 0.25), "tuned": policy(30, 0.125, None)}
    document: Any = {
        "by_source": {
            "": {"policies": both, "comparison": {"gain": gain}},
            "b": {"policies": {}, "comparison": None},
        },
        "settings": {"first": {"sources": {"": {"verifier": "math"}}}},
        "base": "first",
    }
    assert list(by_source.lines(document)) == [
        "not given (math, 30 problems): pass@1 40.0 → 50.0 (+10.0, 95 %: 5.0 to 15.0, paired), 12.5 % cut by the "
        "token limit",
        "b: none of its samples was judged",
    ]
    assert by_source.in_short(document) == "", "one source with rates is no comparison of sources"
    document["by_source"]["b"] = {"policies": {"base": policy(1, None, None)}, "comparison": None}
    assert list(by_source.lines(document))[1] == "b (1 problem): pass@1 50.0 (95 %: 40.0 to 60.0)"


def test_the_lines_of_a_summary_are_in_the_order_of_a_report(several):
    """Title, who was asked, rates, kinds, notes: a person reads from the top."""
    document: Any = several.document | {"notes": ["first note", "second note"], "title": "The title"}
    lines = summary.summary(document).splitlines()
    assert lines[0] == "The title" and lines[-2:] == ["  Note: first note", "  Note: second note"]
    begins = [
        "  base: ",
        "  tuned: ",
        "  pass@1 ",
        "  pass@4 ",
        "  pass@16 ",
        "  Of which kind",
        "  Solved at least",
    ]
    places = [next(i for i, line in enumerate(lines) if line.startswith(begin)) for begin in begins]
    assert places == sorted(places)
    assert "  Expansion can hardly be shown: that takes 64 base samples per problem." in lines
