#!/usr/bin/env bash
# Makes docs/report.png: the report of the almanac example, as headless Chromium shows it.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
foils mine examples/almanac -o "$work/run" --quiet > /dev/null
chromium --headless --no-sandbox --disable-gpu --no-first-run --disable-background-networking --hide-scrollbars \
  --user-data-dir="$work/profile" --window-size=1100,1135 --screenshot=docs/report.png \
  "file://$work/run/report.html"
