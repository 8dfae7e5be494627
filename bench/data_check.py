"""How fast ``data check`` looks at pictures, and how much memory it takes.

    python bench/data_check.py [ROUNDS]

Speed: pictures of 512 x 512 pixels, half PNG and half JPEG, by the checks alone in one and in two processes, and by the
whole command with its start, captions, report and digest of the data. Memory: the sum of what the command and its
processes hold, looked at ten times a second, for up to 100,000 small pictures.
"""

import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))  # the drawn pictures lie with the tests

from loraruner.data.quality.pictures import Entry, check_pictures
from loraruner.spec.model import Quality
from tests.support.drawn_pictures import SORTS, draw

ROUNDS = 5
NUM_PICTURES, SIDE = 1200, 512
BAR = 150
COUNTS = (1_000, 10_000, 100_000)
PAGE_BYTES, MIB = 4096, 1 << 20
COMMAND = (sys.executable, "-m", "loraruner", "data", "check", "--task", "text-to-image")


def main() -> None:
    """Print two tables."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        write_large(Path(folder))
        print_speed(Path(folder), rounds)
    print("\n| pictures of 24 x 24 | s | most memory of all processes, MiB |\n| --- | --- | --- |")
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            write_small(Path(folder), count)
            wall_s, peak_bytes = watched([*COMMAND, folder])
            print(f"| {count:,} | {wall_s:.1f} | {peak_bytes / MIB:.0f} |", flush=True)


def write_large(folder: Path) -> None:
    """Scenes of every sort, under many names; a caption beside each."""
    sources = []
    for number, sort in enumerate([*SORTS, *SORTS]):
        image = draw(sort, np.random.default_rng(number), SIDE, SIDE)
        path = folder / f"{number:04}{'.png' if number % 2 else '.jpg'}"
        image.save(path, quality=90)
        sources.append(path)
    for number in range(len(sources), NUM_PICTURES):
        source = sources[number % len(sources)]
        (folder / f"{number:04}{source.suffix}").write_bytes(source.read_bytes())
    for number in range(NUM_PICTURES):
        (folder / f"{number:04}.txt").write_text(f"a scene with the number {number} in the evening")


def print_speed(folder: Path, rounds: int) -> None:
    """Each round takes every way once; the medians."""
    entries = [Entry(path.name, path) for path in sorted(folder.iterdir()) if path.suffix != ".txt"]

    def checks(num_workers: int) -> None:
        check_pictures(entries, Quality(), min_side=SIDE, num_workers=num_workers)

    ways: dict[str, Callable[[], object]] = {
        "checks, 1 process": partial(checks, 1),
        "checks, 2 processes": partial(checks, 2),
        "`loraruner data check`": partial(watched, [*COMMAND, str(folder)]),
    }
    rates: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, call in ways.items():
            started = time.perf_counter()
            call()
            rates[way].append(len(entries) / (time.perf_counter() - started))
    print(f"| {NUM_PICTURES} pictures of {SIDE} px | pictures a second (lowest to highest) | bar {BAR} |")
    print("| --- | --- | --- |")
    for way, each in rates.items():
        median = statistics.median(each)
        met = "met" if median >= BAR else "missed"
        print(f"| {way} | {median:.0f} ({min(each):.0f} to {max(each):.0f}) | {met} |", flush=True)


def write_small(folder: Path, count: int) -> None:
    """Noise: no two are alike, as a set of 100,000 pictures would have it."""
    pixels = np.random.default_rng(0)
    for number in range(count):
        image = Image.fromarray(pixels.integers(0, 256, (24, 24, 3), np.uint8))
        image.save(folder / f"{number:06}.png", compress_level=1)
        (folder / f"{number:06}.txt").write_text(f"noise that was drawn as number {number}")


def watched(command: list[str]) -> tuple[float, int]:
    """Seconds that a command took, and the most bytes that it and its processes held together."""
    started, peak, ended = time.perf_counter(), [0], threading.Event()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:

        def watch() -> None:
            while not ended.wait(0.1):
                peak[0] = max(peak[0], held_bytes(process.pid))

        watcher = threading.Thread(target=watch)
        watcher.start()
        code = process.wait()
        ended.set()
        watcher.join()
    if code:
        raise SystemExit(f"{command} ended with {code}")
    return time.perf_counter() - started, peak[0]


def held_bytes(pid: int) -> int:
    """Resident memory of a process and all below it; memory that they share counts for each."""
    try:
        held = int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE_BYTES
        children = [Path(task, "children").read_text().split() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:  # it has just ended
        return 0
    return held + sum(held_bytes(int(child)) for each in children for child in each)


if __name__ == "__main__":
    main()
