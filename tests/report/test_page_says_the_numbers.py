"""What the page and the terminal show of the document and of the rows: tiles, sentences, tables, settings, rollouts."""

import csv
import html
import json
import re
import statistics
from typing import Any

import awkward_rows
import numpy as np
import pytest
import simulate
from cells import read_page, shown, spoken, table, written

from rlvr.report import build, page, prose, tiles
from rlvr.report.browser import APART, collect
from rlvr.report.figures import Panel, View, sampling_caption
from rlvr.rollouts.evaluations import read
from tests.as_json import as_json


def signed(value):
    return ("+" if round(100 * value, 1) > 0 else "") + written(100 * value)


def span(e, scale=100, form=".1f"):
    return f"95 %: {written(scale * float(e['lo']), form)} to {written(scale * float(e['hi']), form)}"


def test_the_tiles_at_the_top(cells_run):
    document = as_json(cells_run.document)
    c, policies = document["comparison"], document["policies"]
    before, after = (written(100 * policies[name]["pass_at_k"]["1"]["value"]) for name in ("base", "tuned"))
    found = {tile["label"]: (tile["value"], tile["range"]) for tile in tiles.tiles(cells_run.document)}
    parts, last, each = c["compression"], c["difference"]["64"], document["problems"]
    solved = [(b > 0, t > 0) for b, t in zip(each["c_base"], each["c_tuned"], strict=True)]
    assert found == {
        "pass@1": (f"{before} → {after}", "base → tuned, points"),
        "gain, points": (signed(c["gain"]["value"]), f"{span(c['gain'])}, paired"),
        "one tuned sample": (
            written(c["k_star"]["value"], ".3g"),
            f"base samples, {span(c['k_star'], 1, '.3g')}",
        ),
        "compression within 4": (written(100 * parts["within"]["value"]), span(parts["within"])),
        "expansion, certified": (
            str(parts["certified_simultaneous"]["count"]),
            f"of {parts['base_zero']} problems with no base success",
        ),
        "solved only before | only after": (
            f"{solved.count((True, False))} | {solved.count((False, True))}",
            "of 24 problems, in any sample",
        ),
        "pass@64, points": (
            signed(last["value"]),
            f"{written(100 * last['base'])} → {written(100 * last['tuned'])}; {span(last)}, paired",
        ),
    }
    said = " ".join(prose.headline(cells_run.document))
    assert (
        f"Of 24 problems, in any sample, the base alone solves {solved.count((True, False))}, tuned alone "
        f"{solved.count((False, True))}, both {solved.count((True, True))}; pass@64, the largest k of both, goes "
        in said
    )
    assert " nats " not in said and " nats from the base" in " ".join(prose.folded(cells_run.document))


def test_the_first_sentence_goes_from_base_to_tuned(cells_run):
    document = as_json(cells_run.document)
    before, after = (
        written(100 * document["policies"][p]["pass_at_k"]["1"]["value"]) for p in ("base", "tuned")
    )
    gain = document["comparison"]["gain"]
    change = f"{signed(gain['value'])} points ({span(gain)}, paired over 24 problems)."
    said = f"Training raised pass@1 from {before} to {after}: {change}"
    assert prose.headline(cells_run.document)[0].startswith(said)


def test_the_lines_of_the_terminal(cells_run):
    document = as_json(cells_run.document)
    c, policies, lines = document["comparison"], document["policies"], cells_run.summary.splitlines()
    parts, held = c["compression"], spoken(c["compression"])
    for k in ("1", "4", "64"):
        before, after = (written(100 * policies[name]["pass_at_k"][k]["value"]) for name in ("base", "tuned"))
        d = c["difference"][k]
        wanted = f"  {f'pass@{k}':<9} {before} → {after}   ({signed(d['value'])}, {span(d)}, paired)"
        assert wanted in lines
    for key, words in (
        ("within", "search compression within 4 samples"),
        ("beyond", "compression beyond 4 samples"),
        ("unresolved", f"unresolved on the {parts['base_zero']} problems with no base success"),
        ("expansion", f"expansion on the {parts['base_zero']} problems with no base success, certified on"),
    ):
        found = [line for line in lines if re.match(rf" +\S+  {words}", line)]
        assert len(found) == (key in held)
        for line in found:
            assert line.split()[0] == signed(held[key]["value"]) and span(held[key]) in line
    line = next(line for line in lines if "  forgetting (" in line)
    assert line.split()[0] == signed(-parts["forgetting"]["value"])
    lost = {"lo": -parts["forgetting"]["hi"], "hi": -parts["forgetting"]["lo"]}
    assert span(lost) in line  # as negative as the number before it
    solved = c["coverage"]["solved"]
    assert (
        f"  Solved at least once: both {solved['both']}, base only {solved['base_only']}, tuned only "
        f"{solved['tuned_only']}, neither {solved['neither']}." in lines
    )
    for name in ("base", "tuned"):
        p = policies[name]
        cut, without = (written(100 * p[key]["value"]) for key in ("truncated", "no_answer"))
        lost = f"{cut} % cut by the token limit, {without} % without an answer"
        assert f"  {name}: 24 problems × 64 samples, {lost}" in lines


ROW = re.compile(r"<tr[^>]*>(.*?)</tr>", re.DOTALL)
CELL = re.compile(r"<t[dh][^>]*>(.*?)</t[dh]>", re.DOTALL)


def test_the_tables_of_the_page_are_those_of_the_files(cells_run):
    """Each table's cells in their order, as the CSV beside the page has them."""
    text = read_page(cells_run.html)
    for name in ("decomposition", "limits", "probes", "exact", "controls"):
        rows = table(cells_run, name)
        section = re.search(rf'id="{name}".*?</section>', text, re.DOTALL)
        assert section, name
        body = re.search(r"<tbody>(.*?)</tbody>", section[0], re.DOTALL)
        assert body, name
        found = [
            [html.unescape(re.sub("<[^>]+>", "", x)).strip() for x in CELL.findall(row)]
            for row in ROW.findall(body[1])
        ]
        assert found == [[_as_cell(value) for value in row.values()] for row in rows], name


NO_ROLLOUTS: Any = {"problems": [], "policies": [], "statuses": [], "rows": [], "shown": 0, "total": 0}


@pytest.mark.parametrize("rows", [1, page.ROWS_SHOWN - 1, page.ROWS_SHOWN, page.ROWS_SHOWN + 1, 450])
def test_a_table_shows_all_its_rows_or_says_that_it_does_not(cells_run, rows):
    panel = Panel("many", "Many", "Many rows", columns=("row",), rows=[[i] for i in range(rows)])
    text = page.render(cells_run.document, [panel], NO_ROLLOUTS, [], [])
    section = re.search(r'<section id="many".*?</section>', text, re.DOTALL)
    assert section and f"{rows} rows</span>" in section[0]
    shown = [int(number) for number in re.findall(r"<td[^>]*>(\d+)</td>", section[0])]
    assert shown == list(range(min(rows, page.ROWS_SHOWN)))
    note = re.findall(r"The first (\d+) rows; the CSV has all (\d+)\.", section[0])
    assert note == ([(str(page.ROWS_SHOWN), str(rows))] if rows > page.ROWS_SHOWN else [])


def test_each_point_opens_the_problem_whose_rates_it_shows(cells_run):
    """A point's number leads to a problem's name; it lies at the problem's rates, but for the jitter."""
    text, found = read_page(cells_run.html), as_json(cells_run.document)["problems"]
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert data
    names = json.loads(data[1])["points"]
    points = re.findall(r'<path data-problem="(\d+)" d="([^"]*)"', text)
    opened = [found["problem_id"].index(names[int(number)]) for number, _ in points]
    assert sorted(opened) == list(range(len(found["problem_id"])))
    assert len(set(zip(found["base"], found["tuned"], strict=True))) > len(opened) / 2
    outlines = [np.array(re.findall(r"[\d.]+", outline), dtype=float).reshape(-1, 2) for _, outline in points]
    across, up = np.array([(outline.min(0) + outline.max(0)) / 2 for outline in outlines]).T
    base, tuned = (np.array(found[name])[opened] for name in ("base", "tuned"))
    some = base > 0  # the others stand in a column of their own
    assert across[~some].max() < across[some].min()
    for place, value, jitter in ((across[some], np.log(base[some]), 0.02), (up, tuned, 0.006)):
        scale, start = np.polyfit(value, place, 1)
        assert np.abs(place - start - scale * value).max() < 2 * jitter * abs(scale)


RECORDED = {
    "temperature": "temperature 0",
    "top_p": "top-p 1.0",
    "max_new_tokens": "at most 64 tokens",
    "verifier": "verifier math+reasoning",
    "seed": "seed 0",
}


def test_every_caption_names_every_recorded_setting_and_no_other(tmp_path):
    """A setting of 0 is one, and is among the settings; what was not recorded is not said."""
    files = simulate.write_pair(tmp_path, problems=8, samples=8)
    for path in files:
        settings = path.with_suffix(".settings.json")
        settings.write_text(json.dumps(json.loads(settings.read_text()) | {"temperature": 0, "seed": 0}))
    report = build(*files, output=tmp_path / "out", replicates=100)
    text = html.unescape(read_page(report.html))
    captions = re.findall("<figcaption>(.*?)</figcaption>", text, re.DOTALL)
    assert captions
    for caption in captions:
        said = caption[caption.index("base: 8 problems") :].strip().rstrip(".").split("; ")
        assert set(RECORDED.values()) <= set(said)
    held = {row["key"]: row["values"] for row in page.settings_table(report.document)["rows"]}
    assert held["temperature"] == held["seed"] == ["0", "0"]
    own = report.document["settings"]["base"]
    for key, words in RECORDED.items():
        for without in ({k: v for k, v in own.items() if k != key}, own | {key: None}):
            settings = report.document["settings"] | {"base": without}
            document: Any = report.document | {"settings": settings}
            said = sampling_caption(View(document))
            assert [w in said for w in RECORDED.values()] == [w != words for w in RECORDED.values()]


SHOWN_AS = {"True": "yes", "False": "no", "": "–", "inf": "∞", "-inf": "−∞"}


def _as_cell(text):
    """A number or a truth value is shortened on the page, and a missing one is a dash."""
    if text in SHOWN_AS:
        return SHOWN_AS[text]
    if re.fullmatch(r"-?\d+", text):
        return f"{int(text):,}".replace(",", "\u2009") if len(text.lstrip("-")) > 4 else text
    try:
        return format(float(text), ".4g").replace("-", "−")
    except ValueError:
        return text


def test_the_settings_side_by_side(cells_awkward):
    report, rows = cells_awkward
    found = page.settings_table(report.document)
    held = {row["key"]: row for row in found["rows"]}
    assert found["names"] == ["base", "tuned"]
    for number, policy in enumerate(found["names"]):
        judged = [row for row in rows[policy] if row["score"] is not None]
        expected = {
            "file": f"{policy}.jsonl",
            "problems": str(len({row["problem_id"] for row in rows[policy]})),
            "samples scored": str(len(judged)),
            "not judged (score null), left out": str(len(rows[policy]) - len(judged)),
            "cut by the token limit": str(sum(row.get("complete") is False for row in judged)),
            "without an answer": str(sum(row["status"] == "no_answer" for row in judged)),
            "bootstrap": "200 replicates, seed 0",
            "policy": policy,
            "temperature": "1",
        }
        for key, value in expected.items():
            assert held[key]["values"][number] == value, key
    assert [held[key]["differs"] for key in ("policy", "temperature", "problems")] == [True, False, False]


@pytest.mark.parametrize("limit", [10_000, 60])
def test_a_rollout_of_the_page_is_its_row(tmp_path, limit):
    rows = awkward_rows.write(tmp_path)
    evaluations = [*read(tmp_path / "base.jsonl", "base"), *read(tmp_path / "tuned.jsonl", "tuned")]
    found = collect(evaluations, rows=limit)
    by_place = {(name, row["problem_id"], row["sample"]): row for name in rows for row in rows[name]}
    assert found["total"] == len(by_place) and len(found["rows"]) == min(limit, len(by_place))
    seen = set()
    for problem, policy, sample, status, trace, answer, detail, rest in found["rows"]:
        about = found["problems"][problem]
        place = found["policies"][policy], about["id"], sample
        row = by_place[place]
        seen.add(place)
        assert about["prompt"] == row["prompt"] and found["statuses"][status] == row["status"]
        assert (trace, answer, detail) == (row["trace"], row["answer"], "")
        assert rest == {key: value for key, value in row.items() if key not in APART}
    assert len(seen) == len(found["rows"])


@pytest.mark.parametrize("cut, said", [(0.19, False), (0.2, True), (0.6, True)])
def test_much_that_was_cut_is_said(tmp_path, cut, said):
    path = tmp_path / "base.jsonl"
    rows = [
        {"problem_id": f"p{i % 20}", "sample": i // 20, "score": 0, "complete": i >= 100 * cut}
        for i in range(100)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    notes = build(path, output=tmp_path / "out", replicates=100).document["notes"]
    words = f"{100 * cut:.0f} % of the samples of base were cut by the token limit"
    assert any(note.startswith(words) for note in notes) is said


def test_csv_is_in_full_precision(cells_run):
    with (cells_run.html.parent / "figures" / "curves.csv").open(newline="") as file:
        values = [row["value"] for row in csv.DictReader(file)]
    assert max(len(value) for value in values) > 15
    assert shown({"value": 0.5, "lo": 0.25, "hi": 0.75}) == "50.0 (25.0 to 75.0)"


def said(report, name):
    """The sentence beside a figure."""
    section = re.search(rf'id="{name}".*?</section>', read_page(report.html), re.DOTALL)
    assert section, name
    return html.unescape(re.sub("<[^>]+>", " ", section[0]))


def test_the_sentence_beside_each_figure(cells_run):
    document = as_json(cells_run.document)
    c, folder = document["comparison"], cells_run.html.parents[1]
    logged = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    parts, first = c["compression"], document["comparisons"]["step-10"]["compression"]
    within, at_first = (written(100 * p["within"]["value"]) for p in (parts, first))
    assert f"goes from {at_first} points at step 10 to {within} at step 40;" in said(cells_run, "steps")
    reward = [100 * row["reward"] for row in logged]
    begin, end = (written(statistics.median(some)) for some in (reward[:10], reward[-10:]))
    idle = written(100 * statistics.fmean(row["frac_zero_variance"] for row in logged), ".0f")
    assert (
        f"40 steps, {40 * 64:,} samples drawn: the training reward goes from {begin} to {end} points (medians of 10 "
        f"steps); {idle} % of the groups had equal rewards and taught nothing." in said(cells_run, "training")
    )
    found, text = c["alignment"], said(cells_run, "frontier")
    assert f"lies {shown(found['kl_pi_p0'], 1, '.2f')} nats from the base." in text
    assert f"KL efficiency η = {shown(found['efficiency'], 1, '.2f')}: that share" in text
    assert f"it is {shown(found['kl_verified'], 1, '.2f')} nats from the base's verified posterior" in text
    certain = found["certain_success"]
    assert f"mean ln(1/p̂) = {shown(certain, 1, '.2f')} nats" in text
    assert f"{written(100 * certain['share_base_zero'])} % of the problems have c0 = 0" in text
    lo, hi = (written(100 * parts["within"][end]) for end in ("lo", "hi"))
    beyond, text = written(100 * parts["beyond"]["value"]), said(cells_run, "decomposition")
    assert (
        f"Of {signed(parts['delta']['value'])} points, {within} ({lo} to {hi}) are what 4 base samples"
        in text
    )
    assert f"reach, {beyond} lie beyond 4 samples" in text
    ratios = (written(c[key]["value"], ".3g") for key in ("ratio_gross", "ratio_net"))
    shared = f" shared among {parts['base_zero']} problems" if parts["base_zero"] > 1 else ""
    assert "K = 4, n0 = 64, α = 0.05" + shared + ", ρ_K = {}, R_K = {}.".format(*ratios) in text
    certified = parts["certified_simultaneous"]["count"]
    assert (
        f"Certified expansion: {certified} of {parts['base_zero']} problems that the base never solved"
        in text
    )
    for name, policy in document["policies"].items():
        cut, without = (written(100 * policy[key]["value"]) for key in ("truncated", "no_answer"))
        words = f"{name}: {cut} % cut by the token limit, {without} % without an answer"
        assert words in said(cells_run, "verdicts")
