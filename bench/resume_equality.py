"""Interrupted equals uninterrupted: ``loraruner selftest resume`` on the examples whose models are set up.

python bench/resume_equality.py [--steps N] [--seed SEED] [--no-record] [style] [voice]
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench import results

ROOT = Path(__file__).parents[1]
BASES = {"style": "examples/style/base", "voice": ".loraruner/voice"}
HARDER = ("lora.dropout=0.1", "training.gradient_accumulation_steps=2")


def main() -> int:
    """Prove, print, record; 1 when a run differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("examples", nargs="*", default=list(BASES), metavar="EXAMPLE", help="style, voice")
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--no-record", action="store_true")
    arguments = parser.parse_args()
    rows = [
        prove(example, arguments.steps, arguments.seed)
        for example in arguments.examples
        if (ROOT / BASES[example]).exists()
    ]
    print(json.dumps(rows, indent=1))
    if rows and not arguments.no_record:
        results.record("resume_equality", {"rows": rows, "seed": arguments.seed})
    return 0 if all(row["equal"] for row in rows) else 1


def prove(example: str, steps: int, seed: int) -> dict[str, Any]:
    """One example, made harder by dropout and accumulation; an example that differs ends with 74 and no result."""
    settings = [part for each in HARDER for part in ("--set", each)]
    options = ["--steps", str(steps), "--seed", str(seed), "--format", "json"]
    command = [sys.executable, "-m", "loraruner", "selftest", "resume", f"examples/{example}/job.json"]
    done = subprocess.run(
        [*command, *options, *settings],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode not in (0, 74):
        raise SystemExit(f"the proof ended with {done.returncode}")
    told = json.loads(done.stdout) if done.stdout else {"equal": False, "interrupted": [], "attempts": 0}
    return {"example": example, "steps": steps, **{key: told[key] for key in ("equal", "interrupted", "attempts")}}


if __name__ == "__main__":
    sys.exit(main())
