"""What differs between two samples, and figures as pictures: what the page's script makes of them, in a browser."""

import random

import pytest
from chromium import Browser, built, find

from rlvr.report import build

pytestmark = pytest.mark.skipif(find() is None, reason="no Chromium on this machine")

LONG = 19_900
"""Characters: as much of a trace as a page holds."""


def drawn_words(rng, letters, count):
    return "".join(rng.choice(letters) + rng.choice((" ", "\n", "  ")) for _ in range(count))


def texts():
    """Problem → what base and tuned wrote."""
    rng = random.Random(0)
    held = {
        "one": ("Try 0 of base", "Try 0 of tuned"),
        "inside": ("so 4 is\nit", "so 5 is\nit"),
        "equal": ("as it\nwas", "as it was"),
        "none": ("", "so"),
        "tag": ("so <b>x</b>", "so <i>x</i>"),
    }
    held |= {f"r{i}": (drawn_words(rng, "abcd", 12), drawn_words(rng, "abcd", 9)) for i in range(8)}
    words = [str(i) for i in range(100, 999)]
    eight = [" ".join(rng.choice(words) for _ in range(LONG // 4)) for _ in range(2)]
    held["eight"] = eight[0], eight[1]  # thousands of words, nearly all in another place
    held["many"] = "a b " * (LONG // 4), "b c " * (LONG // 4)  # more words than can be compared at once
    held["letters"] = "a\nb\n" * (LONG // 4), "c\nd\n" * (LONG // 4)  # and as many lines
    return held


TEXTS = texts()


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    base, tuned = (
        [
            {
                "problem_id": name,
                "sample": j,
                "score": (j + side) % 2,
                "trace": pair[side] if not j else f"{name} again",
            }
            for name, pair in TEXTS.items()
            for j in range(2)
        ]
        for side in (0, 1)
    )
    return built(tmp_path_factory.mktemp("differs"), base, tuned)


@pytest.fixture(scope="module")
def browser():
    with Browser() as browser:
        yield browser


def opened(browser, url, problem):
    browser.errors.clear()
    browser.open(f"{url}#problem={problem}&differs=1")


def parts(browser, side):
    """[(element, text)] of one side's trace."""
    at = f"document.querySelectorAll('#detail .pair pre')[{side}].childNodes"
    return [
        tuple(part) for part in browser.run(f"[...{at}].map(e => [e.nodeName.toLowerCase(), e.textContent])")
    ]


def said(browser):
    return browser.run("document.querySelector('#detail > p').textContent")


def common(a, b):
    """Length of the longest common subsequence, by its recursion."""
    row = [0] * (len(b) + 1)
    for x in a:
        before, row = row, [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(row[j], before[j + 1]))
    return row[-1]


def test_each_side_marks_what_the_other_has_not(browser, url):
    opened(browser, url, "one")
    assert parts(browser, 0) == [("#text", "Try 0 of "), ("del", "base")]
    assert parts(browser, 1) == [("#text", "Try 0 of "), ("ins", "tuned")]
    assert said(browser) == "base and tuned: 3 words are the same, of 4 and 4."
    for problem, shown in (
        (
            "inside",
            [[("#text", "so "), (tag, n), ("#text", " is\nit")] for tag, n in (("del", "4"), ("ins", "5"))],
        ),
        ("equal", [[("#text", "as it\nwas")], [("#text", "as it was")]]),
        ("none", [[("#text", "(empty)")], [("ins", "so")]]),
        ("tag", [[("#text", "so "), ("del", "<b>x</b>")], [("#text", "so "), ("ins", "<i>x</i>")]]),
    ):
        opened(browser, url, problem)
        assert [parts(browser, 0), parts(browser, 1)] == shown
    assert browser.errors == []


@pytest.mark.parametrize("problem", [name for name in TEXTS if name.startswith("r")])
def test_as_much_as_can_be_is_the_same(browser, url, problem):
    """What is not marked is the same on both sides, no common text is longer, and nothing is lost."""
    opened(browser, url, problem)
    shown = [parts(browser, side) for side in (0, 1)]
    assert ["".join(text for _, text in side) for side in shown] == list(TEXTS[problem])
    left, right = (" ".join(text for kind, text in side if kind == "#text").split() for side in shown)
    assert left == right and len(left) == common(*(text.split() for text in TEXTS[problem]))


def test_it_is_chosen_by_the_form_and_by_the_address(browser, url):
    opened(browser, url, "one")
    assert browser.run("document.getElementById('filters').elements.differs.checked")
    browser.run("document.querySelectorAll('#detail .pair button')[1].click()")
    assert parts(browser, 0) == [("del", "Try 0 of base")] and parts(browser, 1) == [("ins", "one again")]
    assert browser.run("document.activeElement.textContent") == "2 of 2 ›", "the keyboard stays where it was"
    browser.run("document.getElementById('filters').elements.differs.click()")
    browser.run("new Promise(done => setTimeout(done, 150))")
    assert browser.run("document.querySelectorAll('del, ins').length") == 0
    assert browser.run("document.querySelector('#detail > p').hidden")
    assert browser.run("location.hash") == "#rollouts&problem=one"
    browser.run("document.getElementById('filters').elements.differs.click()")
    browser.run("new Promise(done => setTimeout(done, 150))")
    assert browser.run("location.hash") == "#rollouts&problem=one&differs=1"
    assert browser.run("document.querySelectorAll('del').length") == 1


def test_too_many_words_are_compared_by_lines_and_too_many_lines_not(browser, url):
    opened(browser, url, "many")
    assert said(browser) == "base and tuned: 0 lines are the same, of 1 and 1."
    opened(browser, url, "letters")
    assert said(browser) == "base and tuned: too long to be compared."
    assert browser.run("document.querySelectorAll('del, ins').length") == 0


@pytest.mark.serial
def test_two_traces_of_thousands_of_words_are_compared_in_a_moment(browser, url):
    browser.open(f"{url}#problem=eight")
    took = browser.run(
        "(() => { const f = document.getElementById('filters'), began = performance.now(); f.elements.differs.checked ="
        " true; f.dispatchEvent(new Event('submit', {cancelable: true})); return performance.now() - began; })()"
    )
    assert "words are the same, of 4975 and 4975" in said(browser)
    assert took < 1000, f"{took:.0f} ms"


def test_a_problem_without_samples_on_the_page_is_no_link(browser, tmp_path):
    """Counts have no samples; and the sentence above the table promises none."""
    (tmp_path / "counts.csv").write_text("problem_id,n,c_base,c_tuned\np,4,1,2\nq,4,0,3\n")
    report = build(tmp_path / "counts.csv", output=tmp_path / "out", replicates=100)
    browser.open(report.html.as_uri())
    assert browser.run("document.querySelectorAll('#each-table tbody td:first-child').length") == 2
    assert browser.run("document.querySelectorAll('#each-table a').length") == 0
    said = "document.querySelector('#each .see').textContent"
    assert browser.run(said) == "Sort by a click on a column's head."
    tables = "document.querySelectorAll('#settings%s .scroll tbody tr').length"
    assert (
        browser.run(tables % "") > 5 and browser.run("document.querySelector('#settings > .scroll')") is None
    )


SAVED = """
window.saved = [];
HTMLAnchorElement.prototype.click = function () { saved.push([this.download, blobs.get(this.href)]); };
window.blobs = new Map();
const made = URL.createObjectURL;
URL.createObjectURL = (blob) => { const url = made.call(URL, blob); blobs.set(url, blob); return url; };
"""
LOOKED_AT = """(async () => {
  const [name, blob] = saved[0], picture = await createImageBitmap(blob), canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [picture.width, picture.height];
  const brush = canvas.getContext('2d'), seen = {};
  brush.drawImage(picture, 0, 0);
  const all = new Uint32Array(brush.getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  for (const pixel of all) seen[pixel] = (seen[pixel] ?? 0) + 1;
  const most = Object.entries(seen).sort((a, b) => b[1] - a[1]).slice(0, 40);
  const colours = most.map(([pixel]) => [pixel & 255, pixel >> 8 & 255, pixel >> 16 & 255].join());
  return { name, type: blob.type, size: [picture.width, picture.height], colours };
})()"""
GROUND, TUNED = {"light": "255,255,255", "dark": "21,24,28"}, {"light": "0,114,178", "dark": "86,180,233"}


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_figure_is_saved_as_it_looks(browser, url, theme):
    browser.errors.clear()
    browser.open(f"{url}#theme={theme}")
    browser.run(SAVED)
    buttons = "[...document.querySelectorAll('#curves .saves button')]"
    assert browser.run(f"{buttons}.map(e => e.textContent)") == ["PNG", "SVG"]
    box = browser.run("(b => [b.width, b.height])(document.querySelector('#curves svg').viewBox.baseVal)")
    browser.run(f"{buttons}[0].click()")
    browser.run(
        "new Promise(done => { const look = () => saved.length ? done() : setTimeout(look, 20); look(); })"
    )
    picture = browser.run(LOOKED_AT)
    assert (picture["name"], picture["type"]) == ("curves.png", "image/png")
    assert picture["size"] == pytest.approx([3 * side for side in box], abs=3)
    assert picture["colours"][0] == GROUND[theme] and TUNED[theme] in picture["colours"]
    browser.run(f"saved.length = 0; {buttons}[1].click()")
    browser.run("new Promise(done => setTimeout(done, 100))")
    text = browser.run("saved[0][1].text()")
    assert "var(" not in text and "system-ui" in text and text.startswith("<svg")
    assert browser.errors == []
