"""Share of a training step that lies outside forward and backward: both examples, fp32, median over the steps of a run.

The timers are the loop's own (``outside_s`` and ``step_s`` of metrics.jsonl).
Usage: ``step_overhead.py [style] [voice]``
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BASES = {"style": "examples/style/base", "voice": ".loraruner/voice"}
STEPS = 110
WARM_UP = 10
BAR = 0.05


def records(example: str, folder: Path) -> list[dict[str, float]]:
    """Train an example for ``STEPS`` steps and read back what the loop measured, without the first steps."""
    settings = [
        f"output.uri={folder / 'output'}",
        f"training.max_steps={STEPS}",
        "training.precision=fp32",
        "sampling.prompts=[]",
    ]
    command = [sys.executable, "-m", "loraruner", "--log-level", "error", "train", f"examples/{example}/job.json"]
    folders = {"LORARUNER_WORKDIR": str(folder / "work"), "LORARUNER_CACHE": str(folder / "cache")}
    subprocess.run(
        [*command, *(part for each in settings for part in ("--set", each))],
        cwd=ROOT,
        env={**os.environ, **folders},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    path = next(folder.glob("output/*/versions/*/metrics.jsonl"))
    lines = (json.loads(line) for line in path.read_text().splitlines())
    return [record for record in lines if record["group"] == "train"][WARM_UP:]


def main() -> None:
    """Print one table."""
    wanted = sys.argv[1:] or list(BASES)
    print("| example | steps | step, ms | outside forward+backward, ms | share | bar 5 % |")
    print("| --- | --- | --- | --- | --- | --- |")
    for example in wanted:
        if not (ROOT / BASES[example]).exists():
            print(f"| {example} | not run: no base model; run make setup-voice and examples/voice/base.py |")
            continue
        with tempfile.TemporaryDirectory() as folder:
            found = records(example, Path(folder))
        step_ms = statistics.median(record["step_s"] for record in found) * 1e3
        outside_ms = statistics.median(record["outside_s"] for record in found) * 1e3
        share = statistics.median(record["outside_s"] / record["step_s"] for record in found)
        verdict = "met" if share <= BAR else "missed"
        print(f"| {example} | {len(found)} | {step_ms:.1f} | {outside_ms:.2f} | {share:.1%} | {verdict} |", flush=True)


if __name__ == "__main__":
    main()
