"""The coefficients that come with the package."""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

import numpy as np

from foils.detect.logistic import Array


class Shipped(NamedTuple):
    """A logistic regression on the basic features, trained on collections whose every pair is judged.

    Args:
        weights: (7,) of the basic features, in the order of ``BASIC``.
        place: weight of the mean log place of the known positives, a constant of a collection.
        intercept: of the regression.
        place_mean: mean log place on the training collections.
        place_queries: how many queries that mean counts for against the collection's own.
        correlation: (6, 6) of the features among candidates.
        provenance: script, collections, counts, how it did on collections left out, digest of the numbers.
    """

    weights: Array
    place: float
    intercept: float
    place_mean: float
    place_queries: float
    correlation: Array
    provenance: dict[str, Any]

    def coefficients(self, place: float) -> Array:
        """Weights and the intercept of a collection, (8,), the intercept last."""
        return np.append(self.weights, self.intercept + self.place * place)


def parse(table: dict[str, Any]) -> Shipped:
    """From the form that ``shipped.json`` has."""
    from foils.detect.columns import BASIC, KINDS

    square = np.array([[table["correlation"][a][b] for b in KINDS] for a in KINDS], dtype=np.float64)
    return Shipped(
        np.array([table["weights"][name] for name in BASIC], dtype=np.float64),
        float(table["place"]["weight"]),
        float(table["intercept"]),
        float(table["place"]["mean"]),
        float(table["place"]["queries"]),
        square,
        dict(table["provenance"]),
    )


@lru_cache(maxsize=1)
def shipped() -> Shipped:
    """The coefficients of this package (``foils/detect/shipped.json``)."""
    text = files("foils.detect").joinpath("shipped.json").read_text(encoding="utf-8")
    return parse(json.loads(text))
