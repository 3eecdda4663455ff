"""What a benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

PACKAGES = ("foils", "numpy", "polars", "numba", "bm25s", "scikit-learn", "torch", "sentence-transformers", "faiss-cpu")


def describe() -> str:
    """Processor, cores, memory, versions: one line each."""
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.exists() else ""
    name = next(
        (line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine()
    )
    units = [
        u
        for u in ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_fp16", "amx_int8")
        if u in text
    ]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    found = []
    for package in PACKAGES:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            continue
    return (
        f"- processor: {name}, {os.cpu_count()} cores, {memory:.0f} GB; units: {', '.join(units)}\n"
        f"- Python {platform.python_version()}; {', '.join(found)}"
    )
