"""Recipes as TOML text: every option written out, read back by name."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import tomli_w

from foils import registry
from foils.errors import DataError, RecipeError
from foils.steps import Recipe, Step

UNSET = "unset"  # the options of a table that are null where their default is not


def dumps(recipe: Recipe) -> str:
    """The recipe as TOML, with every default written out.

    Raises:
        RecipeError: a step holds something that a file cannot name (an array in memory, a function of your own).
    """
    table = {"name": recipe.name, "paper": recipe.paper, "step": [_plain(step) for step in recipe.steps]}
    return tomli_w.dumps(table)


def loads(text: str, where: str = "recipe") -> Recipe:
    """Read a recipe from TOML.

    Raises:
        RecipeError: not TOML, an unknown method, or an option that the method does not have.
    """
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{where} is not valid TOML: {error}") from error
    steps = table.get("step")
    if not isinstance(steps, list) or not steps:
        raise RecipeError(f"{where} has no [[step]] tables; a recipe is a list of steps, each with use = 'method'")
    built = tuple(_built(step, f"{where}, step {i}") for i, step in enumerate(steps, 1))
    for step in built:
        if not isinstance(step, Step):
            raise RecipeError(f"{where}: {registry.name_of(step)} is not a step by itself; it belongs inside one")
    return Recipe(built, name=str(table.get("name", "")), paper=str(table.get("paper", "")))


def load(path: Path) -> Recipe:
    """Read a recipe file."""
    try:
        return loads(path.read_text(encoding="utf-8-sig"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the recipe {path}: {error}") from error


def change(recipe: Recipe, settings: Mapping[str, str]) -> Recipe:
    """Override options: ``{"sim-ans.a": "0.7"}``; the step by its method's name or its label.

    Raises:
        RecipeError: no such step or option (lists what there is), or a value of the wrong type.
    """
    for key, text in settings.items():
        target, _, option = key.partition(".")
        steps = [s for s in recipe.steps if target in (s.label, _name(s))]
        if not steps or not option:
            there = ", ".join(dict.fromkeys(s.label for s in recipe.steps))
            raise RecipeError(
                f"--set {key}={text}: the recipe has no step {target!r}; write step.option=value, steps: {there}"
            )
        changed = {id(s): _changed(s, option.split("."), _value(text), f"--set {key}={text}") for s in steps}
        recipe = replace(recipe, steps=tuple(changed.get(id(s), s) for s in recipe.steps))
    return recipe


def _changed(item: Any, path: list[str], value: Any, where: str) -> Any:
    inner = value if len(path) == 1 else _changed(getattr(item, path[0], None), path[1:], value, where)
    if not is_dataclass(item) or isinstance(item, type):
        raise RecipeError(f"{where}: {path[0]!r} belongs to nothing that has options")
    return replace(item, **_checked(type(item), {path[0]: inner}, where))


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"v = {text}")["v"]
    except tomllib.TOMLDecodeError:
        return text


def _name(method: object) -> str:
    try:
        return registry.name_of(method)
    except RecipeError:
        return ""


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        options = {f.name: getattr(value, f.name) for f in fields(value)}
        # TOML has no null: an option that is null unless set is left out, any other null is named.
        unset = [f.name for f in fields(value) if options[f.name] is None and f.default is not None]
        plain = {k: _plain(v) for k, v in options.items() if v is not None}
        return {"use": registry.name_of(value)} | plain | ({UNSET: unset} if unset else {})
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, (str, int, float, bool)):
        return value
    raise RecipeError(
        f"a {type(value).__name__} in memory cannot be written to a recipe file; give a path, or mine without out="
    )


def _built(table: Any, where: str) -> Any:
    if not isinstance(table, dict) or not isinstance(table.get("use"), str):
        raise RecipeError(f"{where}: expected a table with use = 'method', found {table!r}")
    kind = registry.load(table["use"])
    unset = table.get(UNSET, [])
    if not isinstance(unset, list) or not all(isinstance(name, str) for name in unset):
        raise RecipeError(f"{where}: {UNSET}={unset!r} does not fit; expected a list of options that have no value")
    given = {k: v for k, v in table.items() if k not in ("use", UNSET)}
    if both := sorted(set(unset) & set(given)):
        raise RecipeError(
            f"{where}: {both[0]} has the value {given[both[0]]!r} and stands in {UNSET}; keep one of both"
        )
    options = {k: _inner(v, f"{where} ({table['use']}.{k})") for k, v in given.items()} | dict.fromkeys(unset)
    return kind(**_checked(kind, options, f"{where} ({table['use']})"))


def _inner(value: Any, where: str) -> Any:
    if isinstance(value, dict):
        return _built(value, where)
    if isinstance(value, list):
        return tuple(_inner(v, where) for v in value)
    return value


def _checked(kind: Any, options: dict[str, Any], where: str) -> dict[str, Any]:
    known = {f.name for f in fields(kind)}
    hints = get_type_hints(kind)
    for name, value in options.items():
        if name not in known:
            raise RecipeError(f"{where}: there is no option {name!r}; options: {', '.join(sorted(known)) or 'none'}")
        if not _fits(value, hints[name]):
            raise RecipeError(f"{where}: {name}={value!r} does not fit; expected {_words(hints[name])}")
    return {k: float(v) if hints[k] is float else _tuples(v) for k, v in options.items()}


def _tuples(value: Any) -> Any:
    return tuple(_tuples(v) for v in value) if isinstance(value, (list, tuple)) else value


def _fits(value: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, h) for h in get_args(hint))
    if origin is Literal:
        return value in get_args(hint)
    if origin is tuple:
        return isinstance(value, (list, tuple)) and _each_fits(value, get_args(hint))
    if hint is Any:
        return True
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint in (int, str, bool):
        return type(value) is hint
    if hint is NoneType:
        return value is None
    if hint is Path:
        return isinstance(value, (str, Path))
    return is_dataclass(value) or not isinstance(value, (str, int, float, bool))


def _each_fits(values: list[Any] | tuple[Any, ...], hints: tuple[Any, ...]) -> bool:
    wanted = hints[:1] * len(values) if hints[-1] is ... else hints
    return len(values) == len(wanted) and all(map(_fits, values, wanted))


def _words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    if origin in (Union, UnionType):
        return " or ".join(_words(h) for h in get_args(hint) if h is not NoneType)
    if origin is tuple:
        parts = [_words(h) for h in get_args(hint) if h is not ...]
        return f"a list of {parts[0]}" if get_args(hint)[-1] is ... else f"[{', '.join(parts)}]"
    names = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))
