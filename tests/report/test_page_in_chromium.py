"""The page in a real browser: it opens, filters, shows both themes, and does not obey what it shows."""

import pytest
import simulate
from chromium import Browser, find
from test_hostile import write_hostile

from rlvr.report import build

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
        "f.elements.policy.value = '1'; f.dispatchEvent(new Event('input'))}"
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


def test_a_verdict_can_be_chosen_by_link(browser, page):
    opened(browser, page + "#rollouts&verdict=no_answer&policy=base")
    verdicts = "document.querySelectorAll('#results tbody tr td:nth-child(4)')"
    cells = browser.run(f"[...{verdicts}].map(e => e.textContent)")
    assert cells and set(cells) == {"no_answer"}


def test_a_point_opens_its_problem(browser, page):
    opened(browser, page)
    browser.run("document.querySelector('[data-problem=\"5\"]').dispatchEvent(new MouseEvent('click'))")
    assert browser.run("document.querySelector('#detail h3').textContent") == "sum-005"


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
        browser.run("document.querySelectorAll('main img, main iframe, main form:not(#filters)').length") == 0
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
