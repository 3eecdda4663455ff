"""Evaluate: how well a model retrieves, and what the labels at hand allow to be said about it."""

from foils.evaluate.curve import agreement, dropout
from foils.evaluate.metrics import MISSING, NAMES, average, measures
from foils.evaluate.paired import compare, interval
from foils.evaluate.result import Evaluation, Plan, evaluate, judgments
from foils.evaluate.systems import System, system

__all__ = [
    "MISSING",
    "NAMES",
    "Evaluation",
    "Plan",
    "System",
    "agreement",
    "average",
    "compare",
    "dropout",
    "evaluate",
    "interval",
    "judgments",
    "measures",
    "system",
]
