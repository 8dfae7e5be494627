"""Host memory of a long training: the whole pipeline on a tiny language model, with checkpoints, uploads, evaluation.

``flat_memory.py [STEPS]``: what this process holds (anonymous pages and mapped files) after every 100 steps, and how
much that grew after warm-up: the least of the last quarter less the least of the first. Recorded in
``bench/reliability.json``.
"""

import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loraruner import pipeline, settings, spec
from loraruner.events import Event, StepDone
from loraruner.training.signals import StopSignal

ROOT = Path(__file__).parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from bench import results  # noqa: E402  # after the path is known
from tests.support.held_memory import growth_bytes, held_bytes  # noqa: E402
from tests.support.tiny_lm import write_tiny_lm  # noqa: E402

STEPS, WARM_UP, EVERY = 5000, 1000, 100
MIB = 1 << 20


def write_job(folder: Path, num_steps: int) -> bytes:
    """A text job whose every part is at work: a checkpoint each 50 steps, an evaluation each 100."""
    write_tiny_lm(folder / "base")
    rows = [{"prompt": f"question {number}", "completion": f" answer {number}"} for number in range(40)]
    (folder / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    job = {
        "name": "flat",
        "task": "text-generation",
        "model": {"base": str(folder / "base")},
        "data": {"uri": str(folder / "rows.jsonl")},
        "lora": {"rank": 4, "alpha": 4, "dropout": 0.1},
        "training": {"max_steps": num_steps, "batch_size": 2, "precision": "fp32"},
        "evaluation": {"fraction": 0.1, "every_steps": 100},
        "checkpoint": {"every_steps": 50},
        "sampling": {"prompts": []},
        "output": {"uri": str(folder / "out")},
    }
    return json.dumps(job).encode()


def measure(folder: Path, num_steps: int) -> list[int]:
    """Train, and return the bytes held after every ``EVERY`` steps."""
    held: list[int] = []

    def see(event: Event) -> None:
        if isinstance(event, StepDone) and event.step % EVERY == 0:
            held.append(held_bytes())

    places = {"LORARUNER_CACHE": str(folder / "cache"), "LORARUNER_WORKDIR": str(folder / "work")}
    job = spec.load(write_job(folder, num_steps)).spec
    pipeline.train(job, pipeline.Request(), settings.load(places), see, StopSignal())
    return held


def found(held: Sequence[int], num_steps: int, warm_up: int) -> dict[str, Any]:
    """What is recorded: sizes in MiB, growth over the steps after warm-up."""
    after = held[warm_up // EVERY :]
    between = (len(after) - max(1, len(after) // 4)) * EVERY  # steps from one quarter to the other
    return {
        "steps": num_steps,
        "measured_steps": num_steps - warm_up,
        "first_mib": round(after[0] / MIB, 1),
        "last_mib": round(after[-1] / MIB, 1),
        "growth_mib": round(growth_bytes(after) / MIB, 2),
        "bytes_per_step": round(growth_bytes(after) / between),
    }


def main() -> None:
    """Print one table and record it."""
    num_steps = int(sys.argv[1]) if len(sys.argv) > 1 else STEPS
    with tempfile.TemporaryDirectory() as folder:
        held = measure(Path(folder), num_steps)
    figures = found(held, num_steps, min(WARM_UP, num_steps // 5))
    results.record("memory", figures)
    print(
        "| steps | MiB after warm-up | MiB at the end | growth, MiB | bytes a step |\n| --- | --- | --- | --- | --- |"
    )
    cells = (figures[key] for key in ("steps", "first_mib", "last_mib", "growth_mib", "bytes_per_step"))
    print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
