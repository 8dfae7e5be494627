"""Faults of an S3 store by kind and rate, and how operations end: ``loraruner selftest store`` on a SeaweedFS.

python bench/store_faults.py [--seed SEED] [--no-record]
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import results

ROOT = Path(__file__).parents[1]
BUCKET = "faults"


def main() -> int:
    """Try, record, and print the table; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args()
    found = trial(arguments.seed)
    for row in found["faults"]:
        print(json.dumps(row))
    for wrong in found["wrong"]:
        print(f"wrong: {wrong}")
    if not arguments.no_record:
        results.record("store_faults", {"seed": arguments.seed, "rows": found["faults"], "wrong": len(found["wrong"])})
    return 1 if found["wrong"] else 0


def trial(seed: int) -> dict[str, Any]:
    """What ``selftest store`` says of a server that is started for it."""
    with tempfile.TemporaryDirectory(prefix="store-faults-") as folder:
        command = [sys.executable, "-m", "loraruner", "selftest", "store", f"s3://{BUCKET}/", "--seed", str(seed)]
        done = subprocess.run(
            [sys.executable, "ci/seaweedfs.py", "--bucket", BUCKET, "--", *command, "--format", "json"],
            cwd=ROOT,
            env={**os.environ, "LORARUNER_CACHE": folder, "LORARUNER_WORKDIR": folder},
            stdout=subprocess.PIPE,
            text=True,
            check=False,
        )
    if not done.stdout:
        raise SystemExit(f"the trial ended with {done.returncode}")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    sys.exit(main())
