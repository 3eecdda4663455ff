"""Evaluate: how well a model retrieves, and what the labels at hand allow to be said about it."""

from foils.evaluate.curve import dropout
from foils.evaluate.metrics import MISSING, NAMES, average, measures
from foils.evaluate.paired import compare, interval

__all__ = ["MISSING", "NAMES", "average", "compare", "dropout", "interval", "measures"]
