"""How long does the tutorial take, command by command, with the real model?

    python benchmarks/tutorial.py

Runs the commands of docs/tutorial.md as they stand, but for the installation and the model's name, which becomes the
folder of all-MiniLM-L6-v2, in an empty folder with an empty cache.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from false_negatives import minilm
from machine import describe

ROOT = Path(__file__).parent.parent


def commands() -> list[str]:
    """The tutorial's own."""
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line.startswith("foils ")]


def main() -> None:
    """Run and time them."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "examples" / "almanac", folder / "examples" / "almanac")
        own = {"FOILS_CACHE": str(folder / "cache"), "MODEL": minilm(), "HF_HUB_OFFLINE": "1"}
        environment = os.environ | own | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        print(f"{describe()}\n\n| command | seconds |\n|---|---|")
        total = 0.0
        for command in commands():
            begun = time.monotonic()
            done = subprocess.run(
                ["sh", "-ec", command], cwd=folder, env=environment, capture_output=True, text=True, check=False
            )
            taken = time.monotonic() - begun
            total += taken
            if done.returncode:
                raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr.strip()}")
            print(f"| `{command}` | {taken:.0f} |", flush=True)
            print("\n".join(f"    {line}" for line in done.stdout.strip().splitlines()[-3:]), flush=True)
        print(f"| all | {total:.0f} |")


if __name__ == "__main__":
    main()
