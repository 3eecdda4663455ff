#!/usr/bin/env bash
# Makes docs/review.png: the review page of the almanac example after a few decisions, in Chromium.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
foils mine examples/almanac -o "$work/run" --quiet > /dev/null
python - "$work/run" docs/review.png "$(command -v chromium)" <<'PY'
import subprocess
import sys

from playwright.sync_api import sync_playwright

run, picture, chromium = sys.argv[1:]
server = subprocess.Popen(
    [sys.executable, "-m", "foils", "review", run, "--person", "anna", "--quiet"], stdout=subprocess.PIPE, text=True
)
try:
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1100, "height": 640})
        page.goto(server.stdout.readline().strip())
        page.wait_for_selector("form.decide")
        page.wait_for_timeout(5000)
        page.reload()
        for key in "nnyn":
            with page.expect_navigation():
                page.keyboard.press(key)
        # A pair with enough to read.
        for _ in range(30):
            if len(page.locator(".candidate .passage").first.inner_text()) > 180:
                break
            with page.expect_navigation():
                page.keyboard.press("s")
        page.screenshot(path=picture)
        browser.close()
finally:
    server.terminate()
PY
