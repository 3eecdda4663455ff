"""What a report takes from the recipe, as far as its text says so."""

from __future__ import annotations

import tomllib
from typing import Any


def _steps(recipe: str) -> list[dict[str, Any]]:
    try:
        return [s for s in tomllib.loads(recipe).get("step", []) if isinstance(s, dict)]
    except tomllib.TOMLDecodeError:
        return []


def wanted(recipe: str) -> int | None:
    """Negatives per query that the recipe's last sampler draws; null: it does not say.

    >>> wanted('[[step]]' + chr(10) + 'use = "top"' + chr(10) + 'n = 4')
    4
    """
    drawn = [s["n"] for s in _steps(recipe) if isinstance(s.get("n"), int)]
    return drawn[-1] if drawn else None


def leading(recipe: str, scores: tuple[str, ...]) -> str | None:
    """The score by which the recipe's last sampler calls a candidate hard; else the first; null if there is none.

    >>> leading('[[step]]' + chr(10) + 'use = "within-risk"' + chr(10) + 'by = "cos.lsa"', ("bm25.bm25", "cos.lsa"))
    'cos.lsa'
    """
    named = [s[key] for s in _steps(recipe) for key in ("by", "score") if s.get(key) in scores]
    return named[-1] if named else next(iter(scores), None)


def cut(recipe: str) -> tuple[float | None, str]:
    """From which probability on the recipe drops candidates, and by which step; null: by none.

    >>> cut('[[step]]' + chr(10) + 'use = "repair"' + chr(10) + 'cut = 0.5')
    (0.5, 'repair')
    """
    found = [s for s in _steps(recipe) if isinstance(s.get("cut"), int | float)]
    return (float(found[-1]["cut"]), str(found[-1].get("use", ""))) if found else (None, "")
