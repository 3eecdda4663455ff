"""Which number format a model runs in: measured once, on the texts at hand."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from foils.errors import FoilsError
from foils.files import write_bytes

LEAST_COSINE = 0.99999
LEAST_GAIN = 1.15
SAMPLE = 48
SECONDS = 1.0
LEAST_TEXTS = 8

Run = Callable[[Sequence[str]], NDArray[np.float32]]


def probe(texts: Sequence[str], reference: Run, candidates: Mapping[str, Callable[[], Run]]) -> tuple[str, str]:
    """Take the fastest format that is faithful to float32.

    A format is faithful if the least cosine of its vectors to those of float32, over the sample, is at least
    0.99999; it must be 1.15 times as fast as float32, so that noise of the clock decides nothing.

    Args:
        texts: what is to be encoded; at most 48, spread evenly over the lengths, are tried for about a second
            per format, and never fewer than 8.
        reference: encodes in float32.
        candidates: for each other format, what loads it; one that cannot be loaded or run is passed over.

    Returns:
        The format, and what was measured, in words.
    """
    ordered = sorted(texts, key=len)
    spread = np.linspace(0, len(ordered) - 1, min(SAMPLE, len(ordered))).round().astype(int)
    sample = [ordered[i] for i in np.unique(spread)]
    first = sample[:: max(1, len(sample) // LEAST_TEXTS)]
    reference(first)
    warm = _seconds(reference, first)
    # As many texts as fit into the time; never fewer than the first few.
    count = max(len(first), min(len(sample), int(SECONDS / max(warm, 1e-6) * len(first))))
    sample = sample[:: max(1, len(sample) // count)]
    truth, base = reference(sample), _seconds(reference, sample)
    best, fastest, notes = "float32", base / LEAST_GAIN, []
    for name, load in candidates.items():
        try:
            run = load()
            # The first call may also build kernels, so it is given more time than the second.
            if _seconds(run, first) > 20 * warm or _seconds(run, first) > 4 * warm:
                notes.append(f"{name} far slower than float32")
                continue
            least = _least_cosine(run(sample), truth)
            taken = min(_seconds(run, sample), _seconds(run, sample))
        except (FoilsError, RuntimeError, ValueError, TypeError, ImportError, KeyError) as error:
            notes.append(f"{name} does not run ({type(error).__name__})")
            continue
        notes.append(f"{name} {base / taken:.2f} times the speed of float32, least cosine {least:.7f}")
        if least >= LEAST_COSINE and taken < fastest:
            best, fastest = name, taken
    return best, f"{len(sample)} texts: " + ("; ".join(notes) or "no other format")


def remembered(cache: Path | None, key: str) -> tuple[str, str] | None:
    """What ``probe`` decided before for this model on this machine."""
    found = _load(cache).get(key)
    if isinstance(found, list) and len(found) == 2 and all(isinstance(v, str) for v in found):
        return found[0], found[1]
    return None


def remember(cache: Path | None, key: str, decision: tuple[str, str]) -> None:
    """Keep a decision: a run that is continued must not decide anew."""
    if cache is not None:
        content = _load(cache) | {key: list(decision)}
        write_bytes(cache / "precision.json", json.dumps(content, indent=1).encode())


def machine() -> str:
    """What speed depends on, found out without loading torch."""
    cpu = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        cpu = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), cpu)
    except OSError:
        pass
    gpu = "nvidia" if Path("/proc/driver/nvidia/version").exists() else "no nvidia"
    return f"{cpu} x {os.cpu_count()}, {gpu}, torch {version('torch')}"


def _load(cache: Path | None) -> dict[str, Any]:
    if cache is None:
        return {}
    try:
        found = json.loads((cache / "precision.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _seconds(run: Run, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    run(texts)
    return time.perf_counter() - start


def _least_cosine(found: NDArray[np.float32], truth: NDArray[np.float32]) -> float:
    a, b = found.astype(np.float64), truth.astype(np.float64)
    norms = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        cosines = (a * b).sum(axis=1) / norms
    # Both zero: the same. One zero or not finite: not faithful.
    same = (a == b).all(axis=1)
    return float(np.where(same, 1.0, np.nan_to_num(cosines, nan=-1.0)).min())
