#!/usr/bin/env python3
"""A campaign's page in a real browser: its main numbers are those of report.json, and they are
seen. The campaign has a planted bug, so that there is something of everything on the page.

usage: page_test.py FTVM        (needs chromium and netpbm)
       page_test.py FTVM --keep DIR    keeps page and picture there, to look at
"""
import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path

WIDTH, HEIGHT = 1100, 2400


class ById(HTMLParser):
    """The text of every element that has an id."""

    def __init__(self, text):
        super().__init__()
        self.found = {}
        self.open_id = None
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.open_id = dict(attributes).get("id", self.open_id)

    def handle_data(self, data):
        if self.open_id is not None:
            self.found.setdefault(self.open_id, data)
            self.open_id = None


def browse(page, *options):
    run = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
         f"--window-size={WIDTH},{HEIGHT}", *options, page.as_uri()],
        check=True, capture_output=True, text=True, timeout=120)
    return run.stdout


def colors_of(path):
    """The colors of a picture, as bytes of red, green and blue."""
    run = subprocess.run(["pngtopnm", str(path)], check=True, capture_output=True)
    kind, size, _, pixels = run.stdout.split(b"\n", 3)
    width, height = (int(each) for each in size.split())
    assert kind == b"P6" and len(pixels) == 3 * width * height
    return {pixels[at:at + 3] for at in range(0, len(pixels), 3)}


def check(problems, name, seen, expected):
    if seen != expected:
        problems.append(f"{name}: the page shows {seen!r}, not {expected!r}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("ftvm")
    parser.add_argument("--keep", type=Path)
    options = parser.parse_args()
    for tool in ("chromium", "pngtopnm"):
        if shutil.which(tool) is None:
            raise SystemExit(f"page_test: there is no {tool}; ./dev test installs it")
    folder = options.keep or Path(tempfile.mkdtemp(prefix="ftvm-page-"))
    folder = folder.resolve()
    out = folder / "campaign"
    run = subprocess.run([options.ftvm, "campaign", "--runs", "3000", "--plant", "forget_reissue",
                          "--failures", "2", "--overwrite", "--out", str(out)],
                         capture_output=True, text=True)
    if run.returncode != 1:
        raise SystemExit(f"page_test: a planted bug was not found:\n{run.stdout}{run.stderr}")
    report = json.loads((out / "report.json").read_text())
    page = out / "report.html"
    shown = ById(browse(page, "--dump-dom")).found
    problems = []
    for name in ("runs", "failovers", "failures"):
        check(problems, name, shown.get(name), f"{report[name]:,}")
    check(problems, "silence", shown.get("silence"), f"{report['silence_ms']['p50']} ms")
    check(problems, "digest", shown.get("digest"), report["digest"])
    check(problems, "verdict", shown.get("verdict"), "rules were broken")
    picture = folder / "page.png"
    browse(page, f"--screenshot={picture}")
    colors = colors_of(picture)
    for name, color in (("ink", (0x1b, 0x1f, 0x24)), ("bad", (0xb4, 0x23, 0x18)),
                        ("bar", (0x3b, 0x6f, 0xd4)), ("paper", (0xff, 0xff, 0xff))):
        if bytes(color) not in colors:
            problems.append(f"nothing of color '{name}' is to be seen in {picture}")
    for problem in problems:
        print("page_test: " + problem, file=sys.stderr)
    if not problems and options.keep is None:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
