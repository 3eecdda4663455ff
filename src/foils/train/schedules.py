"""Schedules by name, with options as text."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from foils.errors import RecipeError
from foils.train.remine import Remine
from foils.train.schedule import Conan, Dbpm, Hardness, Risk, Schedule
from foils.train.turns import Ar2

TRUTH = {"true": True, "false": False}


def named(name: str, options: dict[str, str]) -> Schedule:
    """The schedule of this name, with options as text.

    Raises:
        RecipeError: no such schedule or option, or a value of another type.
    """
    known: dict[str, type[Schedule]] = {c.name: c for c in (Remine, Conan, Dbpm, Hardness, Risk, Ar2)}
    if name not in known:
        raise RecipeError(f"no schedule is called {name!r}; one of {', '.join(known)}")
    types = {f.name: f for f in fields(known[name])}
    values: dict[str, Any] = {}
    for option, text in options.items():
        if option not in types:
            raise RecipeError(f"schedule {name} has no option {option!r}; options: {', '.join(types)}")
        default: Any = types[option].default
        try:
            values[option] = TRUTH[text.lower()] if isinstance(default, bool) else type(default)(text)
        except (ValueError, KeyError) as error:
            raise RecipeError(f"{name}.{option}={text!r} is not of the type of {default!r}") from error
    made = known[name](**values)
    made.check()
    return made
