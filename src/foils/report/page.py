"""The shell of every page that foils writes: one file, nothing loaded, no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.resources import files

from foils.report.markup import text

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"


def page(
    title: str, sub: str, body: Sequence[str], made: str, *, parts: Mapping[str, str] | None = None, style: str = ""
) -> str:
    """A whole HTML page.

    Args:
        title: plain text.
        sub: HTML under the title.
        body: HTML of the parts; empty ones are left out.
        made: HTML of what wrote the page.
        parts: sections by key that the contents name, where they are on the page; null: no contents.
        style: more CSS.
    """
    css = files("foils.report").joinpath("page.css").read_text(encoding="utf-8") + style
    html = "\n".join(part for part in body if part)
    there = {key: name for key, name in (parts or {}).items() if f'<section id="{key}"' in html}
    links = "".join(f'<li><a href="#{key}">{name}</a></li>' for key, name in there.items())
    contents = f'<nav aria-label="contents"><ul>{links}</ul></nav>\n' if parts is not None else ""
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{text(title)}</title>
<style>
{css}</style>
</head>
<body>
<header>
<h1>{text(title)}</h1>
<p class="sub">{sub}</p>
</header>
{contents}<main>
{html}
</main>
<footer><p class="sub">Written by {made}. This page loads nothing and runs no script.</p></footer>
</body>
</html>
"""
