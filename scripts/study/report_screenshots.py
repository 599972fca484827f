"""Pictures of the report's page for the documentation, light and dark.

    python scripts/study/report_screenshots.py COUNTS.csv|RUN_FOLDER [--output docs] [--json FILE]

writes report-light.png and report-dark.png. From a CSV of counts the report is made first; a run's folder has
one already. Needs Chromium.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(REPO), str(REPO / "tests" / "report")]


def page_of(source: Path, folder: Path, title: str | None) -> Path:
    """The page to look at: a run's own, or one made in `folder` from a file of counts."""
    if source.is_dir():
        return source / "report.html"
    from rlvr.report import build

    return build(source, output=folder, title=title or source.stem).html


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("source", type=Path, help="a CSV of counts, or the folder of a run")
    parser.add_argument("--output", type=Path, default=REPO / "docs")
    parser.add_argument("--title", help="title of the report made from counts")
    parser.add_argument("--width", type=int, default=1180)
    parser.add_argument("--height", type=int, default=2100)
    parser.add_argument("--json", type=Path, help="write the pictures' names and the page's errors there")
    arguments = parser.parse_args()
    from chromium import Browser, find  # pyright: ignore[reportMissingImports]  # beside the tests

    if find() is None:
        print("no Chromium on this machine (apt-get install chromium)", file=sys.stderr)
        return 2
    pictures = [arguments.output / f"report-{theme}.png" for theme in ("light", "dark")]
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Browser(arguments.width, arguments.height) as browser:
        page = page_of(arguments.source, Path(folder), arguments.title)
        browser.resize(arguments.width, arguments.height)
        for theme, picture in zip(("light", "dark"), pictures, strict=True):
            browser.scheme(theme)
            browser.open(page.resolve().as_uri())
            browser.screenshot(picture)
            print(picture)
        errors = list(browser.errors)
    if errors:
        print("\n".join(errors), file=sys.stderr)
    if arguments.json:
        found = {"pictures": list(map(str, pictures)), "errors": errors}
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")
    return 1 if errors else 0


if __name__ == "__main__":
    raise SystemExit(main())
