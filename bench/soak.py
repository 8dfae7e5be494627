"""Kill runs at random instants, look at the store after each kill, and let every run finish (``make soak N=500``).

    python bench/soak.py [--kills N] [--store file|s3] [--seed SEED] [--no-record]

Attempts are forked from this process, which has torch imported, and train the smallest job through all stages. The
counts go on where the last soak stopped (bench/reliability.json, written after each run: Ctrl-C loses no more than the
run under way). ``--no-record`` begins at SEED, prints its own tally as JSON and leaves the file alone.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # the engine lies with the tests, which use it too

from bench import results
from ci import seaweedfs
from loraruner.log import QUIET
from tests.support.soak import Soak, Tally

KEYS = {"file": "kills", "s3": "kills_s3"}
LEASE_S = "2"
BUCKET = "soak"


def main() -> int:
    """Soak; 1 when a kill cost something."""
    arguments = parse()
    for variable, value in QUIET.items():  # what libraries say while a base is made is no part of the tally
        os.environ.setdefault(variable, value)
    recorded = {} if arguments.no_record else results.read().get(KEYS[arguments.store], {})
    tally = Tally(**{"seed_next": arguments.seed, **recorded})
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    with output(arguments.store, folder) as place:
        lost = soak(Soak(folder, place), tally, arguments)
    if arguments.no_record:
        print(json.dumps(asdict(tally), indent=1))
    if lost:
        say(f"{lost} kills cost something; the runs are kept in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    return 1 if lost else 0


def soak(engine: Soak, tally: Tally, arguments: argparse.Namespace) -> int:
    """Kill until enough are done; how many of them were lost."""
    say(f"an uninterrupted attempt takes {engine.duration_s:.1f} s")
    before, lost_before, started = tally.survived + tally.lost, tally.lost, time.monotonic()
    while (done := tally.survived + tally.lost - before) < arguments.kills:
        run = engine.run(tally.seed_next)
        tally.add(run)
        for fault in run.faults:
            say(f"seed {tally.seed_next - 1}: {fault}")
        if not arguments.no_record:
            results.record(KEYS[arguments.store], asdict(tally))
        done = tally.survived + tally.lost - before
        pace_s = (time.monotonic() - started) / max(done, 1)
        say(f"{done} kills of {arguments.kills}: {' '.join(run.stages) or 'none'}; in all {tally.survived} survived, "
            f"{tally.lost} lost; {pace_s:.1f} s a kill")  # fmt: skip
    return tally.lost - lost_before


@contextmanager
def output(store: str, folder: Path) -> Iterator[str | None]:
    """Where runs publish: a folder, or a bucket of a SeaweedFS that is started for it."""
    if store == "file":
        yield None
        return
    with seaweedfs.serve(folder / "server") as endpoint:
        seaweedfs.create_bucket(endpoint, BUCKET)
        os.environ.update({**seaweedfs.environment(endpoint), "LORARUNER_LEASE_S": LEASE_S})
        yield f"s3://{BUCKET}"


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="how many to do (default 100)")
    parser.add_argument("--store", choices=KEYS, default="file")
    parser.add_argument("--seed", type=int, default=0, help="where to begin the first soak")
    parser.add_argument("--no-record", action="store_true")
    return parser.parse_args()


def say(text: str) -> None:
    """Progress, for people."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
