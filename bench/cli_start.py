"""Start-up of the command line: median wall and processor time of 10 fresh processes a command."""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from loraruner.spec import catalog

RUNS = 10
BAR_S = 0.3


def measure(arguments: list[str], expected: int) -> tuple[float, float]:
    """Median (wall seconds, processor seconds) of one command; the first run warms the file cache."""
    walls, processors = [], []
    for _ in range(RUNS + 1):
        before, started = os.times(), time.perf_counter()
        done = subprocess.run([sys.executable, "-m", "loraruner", *arguments], capture_output=True, check=False)
        walls.append(time.perf_counter() - started)
        after = os.times()
        processors.append(after.children_user + after.children_system - before.children_user - before.children_system)
        if done.returncode != expected:
            raise SystemExit(f"{arguments} exited with {done.returncode}: {done.stderr.decode()}")
    return statistics.median(walls[1:]), statistics.median(processors[1:])


def main() -> None:
    """Print one table."""
    with tempfile.TemporaryDirectory() as folder:
        job = Path(folder, "job.json")
        job.write_text(catalog.starter_text("text-to-image"), encoding="utf-8")
        commands = {
            "--help": (["--help"], 0),
            "validate (good job)": (["validate", str(job)], 0),
            "validate (bad job)": (["validate", str(job), "--set", "lora.rank=0", "--set", "rnak=3"], 64),
        }
        print(f"| command | wall, s | processor, s | bar {BAR_S} s |\n| --- | --- | --- | --- |")
        for name, (arguments, expected) in commands.items():
            wall, processor = measure(arguments, expected)
            print(
                f"| {name} | {wall:.3f} | {processor:.3f} | {'met' if wall < BAR_S else 'missed'} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
