"""The list of methods, read from the docstrings of their classes."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import MISSING, Field, dataclass, fields
from typing import Any

from foils import recipes, registry
from foils.make.counter import AUTHORS
from foils.make.operators import CLASSES, WRITERS
from foils.steps import Recipe

KINDS = ("recipe", *registry.METHODS, "plugin")
# Operators of foils make stand in docs/typed.md, with what each rests on.
MAKE = "make"


@dataclass(frozen=True)
class Method:
    """One method as users see it.

    Args:
        name: in recipe files and on the command line.
        kind: source, rule, sampler, ...
        effect: the first line of its docstring.
        text: the whole docstring.
        reference: the paper, where the docstring names one.
        options: name to default, as text.
    """

    name: str
    kind: str
    effect: str
    text: str
    reference: str
    options: dict[str, str]


def methods(kind: str = "") -> Iterator[Method]:
    """Every recipe and every registered method, or those of one kind."""
    if kind in ("", "recipe"):
        for name, function in recipes.RECIPES.items():
            text = inspect.cleandoc(function.__doc__ or "")
            yield Method(name, "recipe", text.partition("\n")[0], text, _paper(function), {})
    for name, group in registry.names().items():
        if kind in ("", group):
            yield describe(name, group)
    if kind in ("", MAKE):
        for operator in CLASSES:
            text = inspect.cleandoc(operator.__doc__ or "")
            options = {f.name: _default(f) for f in fields(operator)}
            yield Method(operator.name, MAKE, text.partition("\n")[0], text, "", options)
        for writer in (*WRITERS, *AUTHORS):
            text = inspect.cleandoc(writer.__doc__ or "")
            options = {f.name: _default(f) for f in fields(writer)}
            yield Method(writer.name, MAKE, text.partition("\n")[0], text, reference(text), options)


def describe(name: str, kind: str) -> Method:
    """A registered method."""
    method = registry.load(name)
    text = inspect.cleandoc(method.__doc__ or "")
    options = {f.name: _default(f) for f in fields(method)}
    return Method(name, kind, text.partition("\n")[0], text, reference(text), options)


def reference(text: str) -> str:
    """The first thing in a docstring that looks like a paper: an arXiv number, a venue with a year, a name with one."""
    venue = r"[(, ]([A-Z][A-Za-z0-9-]+ (?:Findings )?(?:19|20)\d\d)[;)]"
    found = re.search(rf"(arXiv:\d{{4}}\.\d{{4,5}})|{venue}|\b([A-Z][a-z]+ \((?:19|20)\d\d)\)", text)
    return next(g for g in found.groups() if g).replace("(", "") if found else ""


def _paper(function: Callable[[recipes.Plan], Recipe]) -> str:
    return function(_example()).paper


def _example() -> recipes.Plan:
    from foils.judges.answer import AnswerJudge
    from foils.models.lsa import Lsa

    return recipes.Plan(encoders=(("lsa", Lsa()), ("frozen", Lsa())), judge=AnswerJudge())


def _default(option: Field[Any]) -> str:
    if option.default is not MISSING:
        return repr(option.default)
    return repr(option.default_factory()) if option.default_factory is not MISSING else "required"


def markdown() -> str:
    """The tables of docs/methods.md."""
    lines = [
        "# Methods",
        "",
        "Generated from the docstrings by `foils methods --markdown`; a test keeps it current.",
        "",
    ]
    for kind in KINDS:
        rows = list(methods(kind))
        if not rows:
            continue
        lines += [
            f"## {kind.capitalize()}",
            "",
            "| name | effect | reference | options and defaults |",
            "|---|---|---|---|",
        ]
        for m in rows:
            options = ", ".join(f"`{k}={v}`" for k, v in m.options.items()) or "–"
            cells = [f"`{m.name}`", m.effect, m.reference or "–", options]
            lines.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
        lines.append("")
    return "\n".join(lines)
