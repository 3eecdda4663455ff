"""The probes that come with the package."""

from __future__ import annotations

import json
from importlib.resources import files

from foils.files import lines_of
from foils.probes.items import Probe
from foils.probes.reading import of_rows
from foils.readers.values import Hazards, Place

NAME = "shipped"


def shipped() -> list[Probe]:
    """All shipped probes, by type and in the order of their files.

    Written for foils around the facts of ``examples/almanac``. Each of their pairs of texts is asked both ways, so
    that a text is right as often as it is wrong; therefore many of the texts are false, on purpose. Fails as a
    ranking of good models: about 60 probes per type tell 50 % from 70 %, not 90 % from 93 %.
    """
    found: list[Probe] = []
    folder = files("foils.probes").joinpath("data")
    for file in sorted((f for f in folder.iterdir() if f.name.endswith(".jsonl")), key=lambda f: f.name):
        lines = lines_of(file.read_text(encoding="utf-8"))
        placed = ((Place(file.name, n, Hazards()), json.loads(line)) for n, line in enumerate(lines, 1))
        found += of_rows(placed, NAME)
    return found
