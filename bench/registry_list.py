"""How long ``registry list`` takes over 10,000 versions: with a fresh cache, and again.

    python bench/registry_list.py [NUMBER]

The manifests are made, not trained; the index is made from them by ``registry reindex``. Each time is that of the whole
command, start of Python included, on a disk and on a real S3 server (SeaweedFS on loopback).
"""

import importlib.util
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))  # what a manifest looks like lies with the tests

from loraruner import settings
from loraruner.stores import open_store
from loraruner.stores.base import Store
from tests.support import published

ROOT = Path(__file__).parents[1]
NUMBER = 10_000
OF_EACH = 5  # versions of one name
ROUNDS = 5
COLD_BAR_S, WARM_BAR_S = 5.0, 1.0
TEAMS = ("brand", "games", "research", "support", "voice")
WRITERS = 16


def main() -> None:
    """Print one table."""
    number = int(sys.argv[1]) if len(sys.argv) > 1 else NUMBER
    bars = f"list, fresh cache, s (bar {COLD_BAR_S:g}) | list again, s (bar {WARM_BAR_S:g})"
    print(f"| {number:,} versions | reindex, s | {bars} |")
    print("| --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as folder:
        report("disk", str(Path(folder, "loras")), Path(folder), number, dict(os.environ))
        server = seaweedfs()
        with server.serve(Path(folder, "server")) as endpoint:
            server.create_bucket(endpoint, "bench")
            os.environ.update(server.environment(endpoint))
            report("S3", "s3://bench/loras", Path(folder), number, dict(os.environ))


def report(kind: str, uri: str, folder: Path, number: int, environment: Mapping[str, str]) -> None:
    """Fill an output, index it, and list it often; one line of the table."""
    fill(open_store(uri, settings.load()), number)
    cache = folder / f"cache-{kind}"
    variables = {**environment, "LORARUNER_CACHE": str(cache)}
    reindex_s = timed(["reindex", uri], variables, None)
    cold, warm = [], []
    for _ in range(ROUNDS):
        shutil.rmtree(cache, ignore_errors=True)
        cold.append(timed(["list", uri], variables, number))
        warm.append(timed(["list", uri], variables, number))
    print(f"| {kind} | {reindex_s:.1f} | {told(cold, COLD_BAR_S)} | {told(warm, WARM_BAR_S)} |", flush=True)


def told(times: list[float], bar_s: float) -> str:
    """Median, lowest and highest, and whether the median is below the bar."""
    median = statistics.median(times)
    return f"{median:.2f} ({min(times):.2f} to {max(times):.2f}) {'met' if median < bar_s else 'missed'}"


def timed(command: list[str], environment: Mapping[str, str], expected: int | None) -> float:
    """Seconds of a whole command; what it lists is counted."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "loraruner", "registry", *command], env=environment, stdout=subprocess.PIPE, check=True
    )
    seconds = time.perf_counter() - started
    if expected is not None and len(json.loads(done.stdout)["versions"]) != expected:
        raise SystemExit(f"{command}: listed another number of versions than {expected}")
    return seconds


def fill(store: Store, number: int) -> None:
    """Write the manifests of ``number`` versions and the pointers of their names."""
    core = json.loads(json.dumps(published.document()))

    def write(item: tuple[str, dict[str, Any]]) -> None:
        store.write(item[0], json.dumps(item[1]).encode())

    with ThreadPoolExecutor(WRITERS) as pool:
        for _ in pool.map(write, objects(core, number)):
            pass


def objects(core: dict[str, Any], number: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Keys and documents: manifests that differ as real ones do, and a pointer after the last of each name."""
    entry = {"name": "README.md", "size": 3, "sha256": published.DIGEST}
    for index in range(number):
        name, version = f"style-{index // OF_EACH:05d}", str(index % OF_EACH + 1)
        team, day = TEAMS[index % len(TEAMS)], 1 + index % 28
        manifest = {
            **core,
            "name": name,
            "version": version,
            "run_id": f"{name}-{index:012x}",
            "created": f"2026-{1 + index % 12:02d}-{day:02d}T08:00:00+00:00",
            "labels": {"team": team, "project": f"project-{index % 97}", "purpose": "campaign key visuals"},
            "files": [entry],
        }
        yield f"{name}/versions/{version}/manifest.json", published.signed(manifest)
        if version == str(OF_EACH):
            yield f"{name}/latest.json", {"version": version}


def seaweedfs() -> ModuleType:
    """The module ``ci/seaweedfs.py``."""
    spec = importlib.util.spec_from_file_location("seaweedfs", ROOT / "ci/seaweedfs.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
