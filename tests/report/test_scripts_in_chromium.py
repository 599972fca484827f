"""What the page's scripts make of the numbers, in a browser: every cell, filter and fact of a small report by hand."""

import json
from typing import Any

import pytest
from chromium import Browser, built, find

from rlvr.report import build

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")

# problem → right ones of four, before and after; its level
COUNTS: dict[str, Any] = {
    "a1": (0, 2, "2"),
    "a2": (2, 0, "10"),
    "a10": (1, 3, "2"),
    "b1": (3, 1, "10"),
    "b2": (2, 2, "2"),
    "c": (0, 0, "2"),
}
CHANGES = {
    "solved only by tuned": {"a1"},
    "solved only by base": {"a2"},
    "better": {"a1", "a10"},
    "worse": {"a2", "b1"},
    "equal": {"b2", "c"},
    "solved by neither": {"c"},
}


def row(policy, problem, sample, right, level):
    return {
        "problem_id": problem, "sample": sample, "policy": policy, "prompt": f"Find {problem}.", "reference": "7",
        "trace": f"Try {sample} OF {policy}", "answer": "Seven" if right else None, "level": level,
        "detail": "" if right else f"No answer in {problem}", "complete": bool(sample), "tokens": 9 + sample,
        "score": float(right), "status": "correct" if right else "no_answer",
        "logprobs": {policy: -1.25, "other": "-inf"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scripts")
    (folder / "rollouts").mkdir()
    for at, policy in enumerate(("base", "tuned")):
        rows = [row(policy, p, j, j < of[at], of[2]) for p, of in COUNTS.items() for j in range(4)]
        (folder / f"{policy}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows))
    (folder / "metrics.jsonl").write_text('{"step": 1, "reward": 0.5}\n')
    trained = [
        {
            "problem_id": "t",
            "sample": i,
            "trace": f"t{i}",
            "status": "correct",
            "advantage": a,
            "replaced": r,
            "score": 1,
        }
        for i, (a, r) in enumerate(((0.5, 0), (-0.25, 2)))
    ]
    (folder / "rollouts" / "train-000001.jsonl").write_text("".join(json.dumps(r) + "\n" for r in trained))
    files = folder / "base.jsonl", folder / "tuned.jsonl"
    return build(
        *files, metrics=folder / "metrics.jsonl", output=folder / "out", replicates=100
    ).html.as_uri()


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture
def page(browser, url):
    browser.errors.clear()
    browser.open(url)
    yield browser
    assert browser.errors == []


def cells(page, table, column):
    return page.run(
        f"[...document.querySelectorAll('#{table} tbody tr td:nth-child({column})')].map(e => e.textContent)"
    )


def choose(page, form, **fields):
    """Fields by name: text as typed, an option by its words."""
    for name, value in fields.items():
        page.run(
            f"{{const f = document.getElementById('{form}').elements['{name}'];"
            f"f.value = f.options ? [...f.options].find(o => o.textContent == {json.dumps(value)}).value"
            f" : {json.dumps(value)};}}"
        )
    page.run(f"document.getElementById('{form}').dispatchEvent(new Event('submit', {{cancelable: true}}))")


def text(page, element):
    return page.run(f"document.getElementById('{element}').textContent")


def test_each_cell_of_the_table_of_problems(page):
    assert cells(page, "each-table", 1) == ["a1", "a2", "a10", "b1", "b2", "c"], "as a person counts"
    assert cells(page, "each-table", 2) == ["2", "10", "2", "10", "2", "2"]
    assert cells(page, "each-table", 3) == [f"{25 * b:.1f}  ({b}/4)" for b, _, _ in COUNTS.values()]
    assert cells(page, "each-table", 4) == [f"{25 * t:.1f}  ({t}/4)" for _, t, _ in COUNTS.values()]
    assert cells(page, "each-table", 5) == ["+50.0", "−50.0", "+50.0", "−50.0", "0.0", "0.0"]
    heads = page.run("[...document.querySelectorAll('#each-table th')].map(e => e.textContent)")
    assert heads == ["Problem", "level", "base", "tuned", "Δ, points"]
    links = page.run("[...document.querySelectorAll('#each-table a')].map(e => e.getAttribute('href'))")
    assert links == [f"#problem={name}" for name in COUNTS]


def test_a_head_sorts_and_sorts_back(page):
    def click(column):
        page.run(f"document.querySelector('#each-table th:nth-child({column}) button').click()")
        sorts = page.run(
            "[...document.querySelectorAll('#each-table th')].map(e => e.getAttribute('aria-sort'))"
        )
        return cells(page, "each-table", 1), sorts

    assert click(1) == (["c", "b2", "b1", "a10", "a2", "a1"], ["descending", *["none"] * 4])
    assert click(1) == (["a1", "a2", "a10", "b1", "b2", "c"], ["ascending", *["none"] * 4])
    assert cells(page, "each-table", 2) == ["2", "10", "2", "10", "2", "2"]
    click(2)
    assert cells(page, "each-table", 2) == ["2"] * 4 + ["10"] * 2, "2 before 10"
    for column, at in ((3, 0), (4, 1)):
        order, sorts = click(column)
        rates = [COUNTS[name][at] for name in order]
        assert rates == sorted(rates, reverse=True) and sorts[column - 1] == "descending"
        rates = [COUNTS[name][at] for name in click(column)[0]]
        assert rates == sorted(rates)


# problem → right ones and samples, before and after
UNEVEN = {"p1": (1, 2, 3, 4), "p2": (0, 4, 1, 1), "p3": (4, 4, 1, 2), "p4": (1, 4, 1, 8), "p5": (2, 8, 2, 4)}


def test_rates_are_sorted_and_not_counts(browser, tmp_path):
    """Where the policies have different numbers of samples of a problem."""
    rows = [
        [{"problem_id": p, "sample": j, "score": j < of[at]} for p, of in UNEVEN.items() for j in range(of[at + 1])]
        for at in (0, 2)
    ]  # fmt: skip
    browser.open(built(tmp_path, *rows))
    rates = {p: (b / n, t / m, t / m - b / n) for p, (b, n, t, m) in UNEVEN.items()}
    for column in (2, 3, 4):  # base, tuned, change
        browser.run(f"document.querySelector('#each-table th:nth-child({column}) button').click()")
        order = [rates[name][column - 2] for name in cells(browser, "each-table", 1)]
        assert len(order) == 5 and order == sorted(order, reverse=True), column
    shown = dict(zip(cells(browser, "each-table", 1), cells(browser, "each-table", 4), strict=True))
    assert shown == {"p1": "+25.0", "p2": "+100.0", "p3": "−50.0", "p4": "−12.5", "p5": "+25.0"}


def test_each_change_finds_its_problems(page):
    options = page.run(
        "[...document.getElementById('each-filters').elements.change.options].map(o => o.textContent)"
    )
    assert options == ["any", *CHANGES]
    for words, names in CHANGES.items():
        choose(page, "each-filters", change=words)
        assert set(cells(page, "each-table", 1)) == names, words
        assert text(page, "each-count") == f"{len(names)} of 6"
    choose(page, "each-filters", change="any", id=" A1 ")
    assert cells(page, "each-table", 1) == ["a1", "a10"]


def test_rollouts_are_found_by_problem_text_policy_and_verdict(page):
    assert text(page, "count") == "50 of 50" and text(page, "page") == "1 / 2"
    for fields, count in (
        ({"problem": "a1"}, 8),  # that problem, and not a10
        ({"problem": "A"}, 24),
        ({"problem": "", "text": "try 2 of TUNED"}, 6),
        ({"text": "no answer in b1"}, 4),
        ({"text": "seven"}, 16),
        ({"text": "find"}, 0),  # the question is not what the policy wrote
        ({"text": "", "policy": "base"}, 24),
        ({"verdict": "correct"}, 8),
        ({"policy": "any", "verdict": "no_answer"}, 32),
        ({"policy": "training, step 1", "verdict": "any"}, 2),
    ):
        choose(page, "filters", **fields)
        assert text(page, "count") == f"{count} of 50", fields
    verdicts = page.run(
        "[...document.getElementById('filters').elements.verdict.options].map(o => o.textContent)"
    )
    assert sorted(verdicts) == ["any", "correct", "no_answer"]
    assert page.run("location.hash") == "#rollouts&policy=training%2C%20step%201"


def test_the_facts_of_a_rollout(page):
    def facts(column):
        at = f"document.querySelectorAll('#detail .pair > div')[{column}].querySelectorAll('dl.facts > *')"
        found = page.run(f"[...{at}].map(e => e.textContent)")
        return dict(zip(found[::2], found[1::2], strict=True))

    choose(page, "filters", problem="a2", policy="base")
    heads = page.run("[...document.querySelectorAll('#detail .pair h3')].map(e => e.textContent)")
    assert heads == ["base1 of 4 ›", "tuned1 of 4 ›"]
    assert facts(0) == {
        "Verdict": "correct", "Answer": "Seven", "Sample": "0", "Tokens": "9, cut by the token limit",
        "ln base(z, y | x)": "−1.25 nats", "ln other(z, y | x)": "-inf",
    }  # fmt: skip
    assert facts(1)["Verdict"] == "no_answer" and facts(1)["Answer"] == "none"
    assert facts(1)["Reason"] == "No answer in a2"
    question = page.run("document.querySelector('#detail .question').textContent")
    assert "Find a2." in question and "Gold answer7" in question
    click = "document.querySelector('#detail .pair button').click()"
    page.run(click)
    assert (facts(0)["Sample"], facts(0)["Tokens"]) == ("1", "10")
    assert page.run("document.querySelector('#detail .pair button').textContent") == "2 of 4 ›"
    for _ in range(3):
        page.run(click)
    assert facts(0)["Sample"] == "0", "after the last comes the first"
    page.run(
        "document.querySelectorAll('#results tbody tr')[2].dispatchEvent(new KeyboardEvent('keydown', {key: 'Enter'}))"
    )
    assert facts(0)["Sample"] == "2"
    chosen = page.run(
        "[...document.querySelectorAll('#results tbody tr')].map(e => e.getAttribute('aria-selected'))"
    )
    assert chosen == ["false", "false", "true", "false"]
    choose(page, "filters", problem="t", policy="any")
    assert facts(0) == {"Verdict": "correct", "Answer": "none", "Sample": "0", "Advantage": "0.500"}
    page.run(click)
    assert facts(0)["Advantage"] == "−0.250"
    assert facts(0)["Round"] == "replaced in round 2, not trained on"


def test_each_row_of_the_list_of_rollouts(page):
    choose(page, "filters", problem="a1", policy="tuned")
    columns = [cells(page, "results", column) for column in range(1, 6)]
    assert columns == [
        ["a1"] * 4, ["tuned"] * 4, ["0", "1", "2", "3"], ["correct"] * 2 + ["no_answer"] * 2, ["Seven"] * 2 + ["–"] * 2,
    ]  # fmt: skip
    choose(page, "filters", problem="", policy="any")
    assert len(cells(page, "results", 1)) == 25
    page.run("document.getElementById('later').click()")
    assert text(page, "page") == "2 / 2" and page.run("document.getElementById('later').disabled")
    page.run("document.getElementById('earlier').click()")
    assert text(page, "page") == "1 / 2" and page.run("document.getElementById('earlier').disabled")


def test_the_theme_goes_round(page):
    said, asked = [text(page, "theme")], []
    for _ in range(3):
        page.run("document.getElementById('theme').click()")
        said.append(text(page, "theme"))
        asked.append(page.run("document.documentElement.dataset.theme ?? null"))
    assert said == ["Theme: auto", "Theme: light", "Theme: dark", "Theme: auto"]
    assert asked == ["light", "dark", None]


def test_what_can_be_downloaded(page):
    buttons = page.run(
        "[...document.querySelectorAll('button.download')].filter(b => !b.hidden)"
        ".map(b => [b.dataset.file, b.textContent])"
    )
    held = dict(buttons)
    assert (held["headline.md"], held["headline.tex"]) == ("Headline as Markdown", "Headline as LaTeX")
    assert held["curves.csv"] == held["summary.csv"] == "Download CSV"
    known = page.run("Object.keys(JSON.parse(document.getElementById('data').textContent).files)")
    assert set(held) == set(known)


def test_formulas_stand_in_the_line_or_on_their_own_as_their_marks_say(browser, tmp_path):
    """As in LaTeX: $$ and \\[ on a line of their own, $, \\( and a bare box within the line."""
    texts = {
        r"$$x^1$$": "block",
        r"\[x^2\]": "block",
        r"\(x^3\)": "inline",
        "$x^4$": "inline",
        r"\boxed{x^5}": "inline",
    }
    rows = [{"problem_id": f"p{i}", "score": 1, "trace": f"So {tex} it is."} for i, tex in enumerate(texts)]
    url = built(tmp_path, rows, rows)
    for i, how in enumerate(texts.values()):
        browser.open(f"{url}#problem=p{i}")
        shown = "[...document.querySelectorAll('#detail .pair > div:first-child math')]"
        assert browser.run(f"{shown}.map(e => e.getAttribute('display') || 'inline')") == [how], i
    assert browser.errors == []
