"""The page in a real browser: it opens, filters, shows both themes, and does not obey what it shows."""

import json

import pytest
import simulate
from chromium import Browser, find
from test_hostile import write_hostile

from rlvr.report import build
from verifiers.types import STATUSES

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    return build(**simulate.write_run(folder), output=folder / "report", title="A run").html.as_uri()


def opened(browser, url):
    browser.errors.clear()
    browser.requests.clear()
    browser.open(url)


def settled(browser):
    """Typing is answered after a moment's silence."""
    browser.run("new Promise(done => setTimeout(done, 150))")


def test_it_opens_alone_and_without_complaint(browser, page):
    opened(browser, page)
    assert browser.errors == []
    assert browser.requests == [page]
    assert browser.run("document.querySelectorAll('main svg').length") == 8
    assert browser.run("document.querySelector('h1').textContent") == "A run"


def test_the_filters_work(browser, page):
    opened(browser, page)
    total = browser.run("document.getElementById('count').textContent")
    assert total == "4,224 of 4,224"
    browser.run(
        "{const f = document.getElementById('filters'); f.elements.problem.value = 'sum-012';"
        "f.elements.policy.value = [...f.elements.policy.options].find(o => o.textContent == 'tuned').value;"
        "f.dispatchEvent(new Event('input'))}"
    )
    settled(browser)
    assert browser.run("document.getElementById('count').textContent") == "64 of 4,224"
    cells = "[...document.querySelectorAll('#results tbody tr td:nth-child(%d)')].map(e => e.textContent)"
    assert set(browser.run(cells % 1)) == {"sum-012"}
    assert set(browser.run(cells % 2)) == {"tuned"}
    # side by side: one column per policy that has samples of this problem
    assert browser.run("document.querySelectorAll('#detail .pair > div').length") == 5
    assert "boxed" in browser.run("document.querySelector('#detail .pair pre').textContent")
    browser.run(
        "{const f = document.getElementById('filters'); f.elements.text.value = 'nowhere to be found';"
        "f.dispatchEvent(new Event('input'))}"
    )
    settled(browser)
    assert browser.run("document.getElementById('detail').textContent") == "No rollout matches."
    assert browser.errors == []


LISTS = {
    "results": (25, "filters", "earlier", "later", "page", "count"),
    "each-table": (20, "each-filters", "each-earlier", "each-later", "each-page", "each-count"),
}
CHOSEN = {
    "results": {"problem": "sum-012", "policy": "1", "verdict": "0", "text": "makes"},
    "each-table": {"id": "sum-01", "change": "better"},
}


@pytest.mark.parametrize("table", LISTS)
def test_what_is_filtered_on_a_later_page_is_shown_from_its_first(browser, page, table):
    """By whichever field: as many rows as the count and the length of a page say, and the leaves of a book."""
    size, form, earlier, later, number, count = LISTS[table]
    opened(browser, page)

    def shown():
        matching = browser.run(f"document.getElementById('{count}').textContent").split(" of ")[0]
        rows = browser.run(f"document.querySelectorAll('#{table} tbody tr').length")
        return (
            int(matching.replace(",", "")),
            rows,
            browser.run(f"document.getElementById('{number}').textContent"),
        )

    def choose(field, value):
        browser.run(
            f"{{const f = document.getElementById('{form}'); f.elements['{field}'].value = '{value}';"
            "f.dispatchEvent(new Event('input'))}"
        )
        settled(browser)

    everything = shown()
    for field, value in CHOSEN[table].items():
        browser.run(f"document.getElementById('{later}').click()")
        assert shown()[2].startswith("2 / "), "there is no second page to filter on"
        choose(field, value)
        matching, rows, place = shown()
        assert matching > 0 and (rows, place) == (min(matching, size), f"1 / {-(-matching // size)}"), field
        assert browser.run(f"document.getElementById('{earlier}').disabled")
        choose(field, "")
        assert shown() == everything
    assert browser.errors == []


@pytest.mark.parametrize("table", LISTS)
def test_one_leafs_to_pages_that_are_there_and_to_no_other(browser, page, table):
    """The buttons that are off, on the first page, the second, the last, and where there is one only."""
    size, form, earlier, later, number, count = LISTS[table]
    opened(browser, page)
    off = f"[document.getElementById('{earlier}').disabled, document.getElementById('{later}').disabled]"
    place = f"document.getElementById('{number}').textContent"
    total = int(browser.run(f"document.getElementById('{count}').textContent").split(" ")[0].replace(",", ""))
    pages = -(-total // size)
    assert pages > 1
    for at in range(1, pages + 1):
        if at in (1, 2, pages - 1, pages):
            assert browser.run(f"[{place}, {off}]") == [f"{at} / {pages}", [at == 1, at == pages]]
        browser.run(f"document.getElementById('{later}').click()")  # does nothing where it is off
    rows = browser.run(f"document.querySelectorAll('#{table} tbody tr').length")
    assert rows == total - (pages - 1) * size
    field = "text" if form == "filters" else "id"
    browser.run(
        f"{{const f = document.getElementById('{form}'); f.elements['{field}'].value = 'nowhere to be found';"
        "f.dispatchEvent(new Event('input'))}"
    )
    settled(browser)
    assert browser.run(f"[{place}, {off}]") == ["1 / 1", [True, True]]


def test_a_verdict_can_be_chosen_by_link(browser, page):
    opened(browser, page + "#rollouts&verdict=no_answer&policy=base")
    verdicts = "document.querySelectorAll('#results tbody tr td:nth-child(4)')"
    cells = browser.run(f"[...{verdicts}].map(e => e.textContent)")
    assert cells and set(cells) == {"no_answer"}


def test_each_verdict_has_the_colour_of_its_score(browser, tmp_path):
    """Right, wrong, or neither: what has no score is in no rate, and is not shown as wrong."""
    unscored = {"error", "unverifiable"}  # through no fault of the policy
    for policy in ("base", "tuned"):
        rows = [
            {
                "problem_id": "p",
                "sample": i,
                "policy": policy,
                "prompt": "1+1?",
                "trace": "so",
                "answer": None,
            }
            | {"complete": True, "tokens": 3, "status": status}
            | {"score": None if status in unscored else float(status == "correct")}
            for i, status in enumerate(STATUSES)
        ]
        (tmp_path / f"{policy}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    files = tmp_path / "base.jsonl", tmp_path / "tuned.jsonl"
    report = build(*files, output=tmp_path / "out", replicates=100)
    opened(browser, report.html.as_uri() + "#rollouts&policy=base")
    shown = "[...document.querySelectorAll('#results .verdict')].map(e => [e.textContent, e.dataset.kind])"
    assert dict(browser.run(shown)) == {
        status: "none" if status in unscored else "right" if status == "correct" else "wrong"
        for status in STATUSES
    }
    dots = (
        "['right', 'wrong', 'none'].map(k => getComputedStyle(document.querySelector(`[data-kind=${k}]`), '::before'))"
        ".map(style => style.backgroundColor + style.borderStyle)"
    )
    assert len(set(browser.run(dots))) == 3


def test_a_point_opens_its_problem(browser, page):
    opened(browser, page)
    browser.run("document.querySelector('[data-problem=\"5\"]').dispatchEvent(new MouseEvent('click'))")
    assert browser.run("document.querySelector('#detail h3').firstChild.data") == "sum-005"


@pytest.fixture(scope="module")
def written_page(tmp_path_factory):
    """A pair whose rows have a level, a gold answer, and texts in Markdown and LaTeX, some of it broken or hostile."""
    folder = tmp_path_factory.mktemp("written")
    files = simulate.write_pair(folder, problems=16, samples=8)
    for path in files:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        for row in rows:
            row |= {
                "level": f"level {int(row['problem_id'][-3:]) % 3}",
                "reference": "1/2",
                "token_ids": [1, 2],
            }
            row |= {"trace": TEXT, "prompt": "Find $x_1^2$ for **all** $x$."}
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = files[1].with_suffix(".settings.json")
    settings.write_text(json.dumps(json.loads(settings.read_text()) | {"model": "/home/anna/secret/runs/m"}))
    return build(*files, output=folder / "report", replicates=100)


TEXT = r"""## First

It is *so*: $\frac{1}{2}$, `code $y$`, and
$$\sum_k k \color{red}{z}$$
Thus \boxed{\sqrt{2}} but $\frac{1$ <img src=x onerror="window.pwned=1">
[a link](javascript:alert(1)) ![picture](https://example.org/x.png)"""


def test_markdown_and_formulas_are_drawn_and_nothing_acts(browser, written_page):
    opened(browser, written_page.html.as_uri())
    count = "document.querySelectorAll('#detail .pair > div:first-child .rendered %s').length"
    found = [browser.run(count % name) for name in ("math", "mfrac", "msqrt", "em", "a", "img", "annotation")]
    assert found == [3, 1, 1, 1, 0, 0, 0]
    text = "document.querySelector('#detail .pair > div:first-child .rendered').textContent"
    assert all(part in browser.run(text) for part in ("$\\frac{1$", "<img src=x", "code $y$", "a link"))
    assert browser.run("document.querySelectorAll('#detail .question math').length") == 2
    browser.run("{const f = document.getElementById('filters'); f.elements.rendered.click()}")
    settled(browser)
    assert browser.run("document.querySelectorAll('#detail math').length") == 0
    assert browser.run("document.querySelector('#detail .pair pre').textContent").startswith("## First")
    assert browser.run("window.pwned === undefined")
    assert browser.errors == [] and browser.requests == [written_page.html.as_uri()]


def test_the_table_of_problems_sorts_filters_and_opens_a_problem(browser, written_page):
    found = written_page.document["problems"]
    opened(browser, written_page.html.as_uri())
    column = "[...document.querySelectorAll('#each-table tbody tr td:nth-child(%d)')].map(e => e.textContent)"
    assert browser.run("document.getElementById('each-count').textContent") == "16 of 16"
    browser.run(
        "document.querySelector('#each-table th:nth-child(5) button').click()"
    )  # the difference, largest first
    change = [after - before for before, after in zip(found["base"], found["tuned"], strict=True)]
    shown = browser.run(column % 1)
    assert [round(change[found["problem_id"].index(name)], 9) for name in shown] == sorted(
        (round(c, 9) for c in change), reverse=True
    )
    browser.run(
        "{const f = document.getElementById('each-filters'); f.elements.change.value = 'gained';"
        "f.dispatchEvent(new Event('input'))}"
    )
    gained = {
        name
        for name, before, after in zip(found["problem_id"], found["c_base"], found["c_tuned"], strict=True)
        if before == 0 < after
    }
    assert set(browser.run(column % 1)) == gained
    browser.run(
        "{const f = document.getElementById('each-filters'); f.elements.change.value = '';"
        "f.querySelectorAll('select')[1].value = 'level 2'; f.dispatchEvent(new Event('input'))}"
    )
    levels = browser.run(column % 2)
    assert set(levels) == {"level 2"} and len(levels) == 5
    name = browser.run("document.querySelector('#each-table tbody a').textContent")
    browser.run("document.querySelector('#each-table tbody a').click()")
    settled(browser)
    assert browser.run("document.querySelector('#detail h3').firstChild.data") == name
    assert "1/2" in browser.run("document.querySelector('#detail .question .facts').textContent")
    assert browser.errors == []


def test_a_problem_has_an_address_and_a_row_can_be_read_whole(browser, written_page):
    url = written_page.html.as_uri()
    opened(browser, url + "#problem=sum-007")
    assert browser.run("document.querySelector('#detail h3').firstChild.data") == "sum-007"
    assert browser.run("document.getElementById('count').textContent") == "16 of 256"
    assert (
        browser.run("document.querySelector('#detail a.permalink').getAttribute('href')")
        == "#problem=sum-007"
    )
    browser.run(
        "{const f = document.getElementById('filters'); f.elements.policy.value = '0';"
        "f.dispatchEvent(new Event('input'))}"
    )
    settled(browser)
    assert browser.run("location.hash") == "#rollouts&problem=sum-007&policy=base"
    browser.run("document.querySelector('#detail details.raw').open = true")
    settled(browser)
    row = json.loads(browser.run("document.querySelector('#detail details.raw pre').textContent"))
    assert (row["problem_id"], row["trace"], row["reference"]) == ("sum-007", TEXT, "1/2")
    assert (row["token_ids"], row["level"], row["policy"]) == ("[2 left out]", "level 1", "base")


def test_a_shared_page_names_no_folder_of_the_machine(written_page):
    page = written_page.html.read_text()
    assert "/home/anna" not in page and "…/runs/m" in page


def test_nothing_is_cut_off_and_a_phone_sees_whole_figures(browser, page):
    right = (
        "[...document.querySelectorAll('nav > *, .tiles, main svg, main section > p')]"
        ".filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 80))"
    )
    for width, mobile in ((1200, False), (390, True)):
        browser.resize(width, 900, mobile=mobile)
        opened(browser, page)
        assert browser.run(right) == []
    browser.resize(1200, 900)


def test_a_long_id_does_not_widen_a_phones_page(browser, tmp_path):
    """Files of other systems name a problem by a hash, one word of 64 letters."""
    rows = [{"problem_id": f"{i:064x}", "score": i % 2, "trace": "t"} for i in range(4)]
    for name in ("base.jsonl", "tuned.jsonl"):
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in rows))
    report = build(tmp_path / "base.jsonl", tmp_path / "tuned.jsonl", output=tmp_path / "out", replicates=100)
    browser.resize(390, 800, mobile=True)
    opened(browser, report.html.as_uri())
    assert browser.run("document.querySelector('#detail h3').firstChild.data.length") == 64
    assert browser.run("document.documentElement.scrollWidth") == 390
    browser.resize(1200, 900)


def test_a_term_leads_to_its_sentence(browser, page):
    opened(browser, page)
    term = "document.querySelector('.headline a.term')"
    assert browser.run(f"{term}.title").startswith("The chance that at least one of k samples")
    browser.run(f"{term}.click()")
    settled(browser)
    assert browser.run("document.querySelector('#terms details').open")
    shown = "document.querySelector('dl.terms > div:target').getBoundingClientRect()"
    assert browser.run(f"{shown}.top >= 0 && {shown}.bottom <= innerHeight")


def test_both_themes_and_a_phone(browser, page):
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.scheme("dark")
    opened(browser, page)
    assert browser.run(ground) == "rgb(21, 24, 28)"
    curve = "getComputedStyle(document.querySelector('#curves path[stroke=\"var(--tuned)\"]')).stroke"
    assert browser.run(curve) == "rgb(86, 180, 233)"
    browser.scheme("light")
    assert browser.run(ground) == "rgb(255, 255, 255)"
    assert browser.run(curve) == "rgb(0, 114, 178)"
    browser.run("document.getElementById('theme').click(); document.getElementById('theme').click()")
    assert browser.run(ground) == "rgb(21, 24, 28)"
    browser.resize(390, 800, mobile=True)
    opened(browser, page)
    assert browser.run("document.documentElement.scrollWidth") == 390
    browser.resize(1200, 900)


def test_hostile_text_stays_text(browser, tmp_path):
    base, tuned = write_hostile(tmp_path)
    report = build(base, tuned, output=tmp_path / "out", title="<script>window.pwned=0</script>")
    opened(browser, report.html.as_uri())
    # walk through every row, so that each text has been shown
    shown = browser.run(
        "(async () => { let n = 0; for (;;) {"
        "  for (const row of document.querySelectorAll('#results tbody tr')) { row.click(); n++; }"
        "  const later = document.getElementById('later');"
        "  if (later.disabled) return n; later.click(); } })()"
    )
    assert shown > 100
    browser.run("document.querySelectorAll('details').forEach(d => d.open = true)")
    settled(browser)
    assert browser.run("window.pwned === undefined")
    assert browser.run("getComputedStyle(document.body).display") == "block"
    assert (
        browser.run("document.querySelectorAll('main img, main iframe, main form:not(.filters)').length") == 0
    )
    assert browser.run("document.scripts.length") == 2
    assert browser.run("document.querySelector('h1').textContent") == "<script>window.pwned=0</script>"
    assert browser.requests == [report.html.as_uri()]
    assert browser.errors == []


@pytest.mark.serial
def test_ten_thousand_rollouts_filter_without_lag(browser, tmp_path):
    base, tuned = simulate.write_pair(tmp_path, problems=100, samples=50)
    report = build(base, tuned, output=tmp_path / "out")
    opened(browser, report.html.as_uri())
    assert browser.run("document.getElementById('count').textContent") == "10,000 of 10,000"
    took = browser.run(
        "(() => { const f = document.getElementById('filters'), began = performance.now();"
        "for (const text of ['boxed', 'makes 3', 'nothing', '']) {"
        "  f.elements.text.value = text; f.dispatchEvent(new Event('submit', {cancelable: true})); }"
        "return (performance.now() - began) / 4; })()"
    )
    assert took < 100, f"one filtering takes {took:.0f} ms"
