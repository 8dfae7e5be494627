"""Write docs/reliability.md from what was measured (bench/reliability.json) and what is promised.

Run by ``make docs``; no figure that is not in the file is on the page.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from ci.reliability_promises import PROMISES

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/reliability.md"
MEASURED = ROOT / "bench/reliability.json"
NOT_YET = "Not measured yet.\n"
Found = Mapping[str, Any]

HEAD = """# Reliability: what is promised, what proves it, what was measured

<!-- Written by ci/reliability_docs.py from bench/reliability.json: measure, then run `make docs`. -->

For those who run loraruner on machines that may be taken away at any time. What jobs, data and servers can try with
intent stands in [security.md](security.md), how to resume in [resume.md](resume.md), every way to end in
[exit-codes.md](exit-codes.md).

## Promises

`make check` runs every test named here.
"""
LIMITS = """
## What is not promised

- SIGKILL, a lost node or an end of the grace period costs the steps since the newest checkpoint that had reached the
  store: at most `checkpoint.every_steps` or `checkpoint.every_s`, and those of one checkpoint more where its upload
  was under way.
- Bit for bit holds on the same kind of machine with the same versions of the libraries. Another GPU, another number of
  threads or another build of torch rounds differently; what a run's first attempt settled is kept where that is
  possible.
- Where a store has no conditional writes, two attempts of one run may both train until one of them renews its lease.
  Their checkpoints never meet, as each name holds its owner's nonce; their logs and the files of a version that is not
  published yet may, and what then differs from a manifest is found by digest.
- A request that had left before its attempt froze may arrive after the run was taken over. What it writes lies under
  the old attempt's name, where nobody looks for it.
- `status.json` is a report, not state: after SIGKILL it says what was true a moment before, until the next attempt.
- A store that loses or changes what it has confirmed: such damage is found by digest, and cannot be undone.
- Wrong arithmetic of a broken GPU or memory.
"""


def main() -> None:
    """Write the page."""
    found = json.loads(MEASURED.read_text(encoding="utf-8")) if MEASURED.exists() else {}
    PAGE.write_text(render(found), encoding="utf-8")


def render(found: Found) -> str:
    """The whole page; ``found`` is what was measured, by key."""
    return "".join([HEAD, *promises(), *measurements(found), LIMITS])


def promises() -> Iterator[str]:
    """One line a promise."""
    yield "\n| promise | proven by |\n| --- | --- |\n"
    for promise in PROMISES:
        yield line(promise.text, "<br>".join(f"`{test}`" for test in promise.tests))


def measurements(found: Found) -> Iterator[str]:
    """A section for each kind of measurement."""
    yield "\n## Measurements\n"
    if machine := found.get("machine"):
        yield (
            f"\nOn {machine['cpus']} {machine['architecture']} cores without a GPU, Python {machine['python']}, with "
            "other work on the machine. Yours will differ: the commands are given.\n"
        )
    for title, key, command, tell in SECTIONS:
        yield f"\n### {title}\n\n`{command}`\n\n"
        yield from tell(found[key]) if key in found else [NOT_YET]


def kills(found: Found) -> Iterator[str]:
    """Kills by stage."""
    yield (
        "The whole pipeline on the smallest job that has all stages, in processes that are killed with SIGKILL at a "
        "random instant, up to three times a run. After each kill every checkpoint and version in the store is loaded "
        "and its digests are compared; the attempt after it must finish, and the tensors and the loss of every step "
        "must be those of an uninterrupted run.\n\n"
        "| killed in | kills |\n| --- | --- |\n"
    )
    for stage, number in found["by_stage"].items():
        yield line("before the first stage" if stage == "start" else stage, number)
    yield line("**all**", found["survived"] + found["lost"])
    yield f"\n{found['survived']} survived, {found['lost']} lost; {found['runs']} runs, {found['attempts']} attempts.\n"


def store_faults(found: Found) -> Iterator[str]:
    """One line a kind of fault, one column a rate."""
    rates = sorted({row["rate"] for row in found["rows"]})
    yield (
        "A proxy before a real S3 server (SeaweedFS) plants faults in that share of the requests. An operation ends "
        "with the right bytes or with an exit code; wrong bytes are what must never happen. In the columns: operations "
        "with the right bytes, of all (faults met), and those that were refused, with their code.\n\n"
    )
    yield line("fault", *(f"{rate * 100:g} % of the requests" for rate in rates), "wrong bytes")
    yield line(*["---"] * (len(rates) + 2))
    for kind in dict.fromkeys(row["kind"] for row in found["rows"]):
        rows = {row["rate"]: row for row in found["rows"] if row["kind"] == kind}
        yield line(kind, *(outcome(rows[rate]) for rate in rates), sum(row["wrong"] for row in rows.values()))


def outcome(row: Found) -> str:
    """How the operations of one kind and rate ended."""
    refused = "".join(f", {number} x {code}" for code, number in row["refused"].items())
    return f"{row['right']} of {row['operations']} ({row['injected']}){refused}"


def fencing(found: Found) -> Iterator[str]:
    """Races for a run."""
    yield (
        "Two processes fight for one run on a real S3 server (SeaweedFS), with a lease of "
        f"{found['lease_s']:g} s. In every second race both begin at the same instant; in the others the owner is "
        "frozen while it writes, taken over, and woken up again.\n\n| | |\n| --- | --- |\n"
    )
    yield line("races", found["races"])
    yield line("with one writer at a time", found["one_writer"])
    yield line("losers that ended with 76", found["losers_fenced"])
    yield line("writes begun by an attempt after it had lost the run", found["writes_after_loss"])
    yield line("requests under way when their attempt froze that arrived later", found["under_way_when_frozen"])


def resume_equality(found: Found) -> Iterator[str]:
    """Interrupted against uninterrupted."""
    yield (
        "A run killed with SIGKILL, then stopped with SIGTERM, each time at a random step and with an empty workspace, "
        "against the same run uninterrupted: losses of all steps and tensor bytes.\n\n"
        "| example | steps | interrupted after | equal |\n| --- | --- | --- | --- |\n"
    )
    for row in found["rows"]:
        after = ", ".join(f"step {each['after_step']} ({each['signal']})" for each in row["interrupted"])
        yield line(row["example"], row["steps"], after, "yes" if row["equal"] else "no")


def goodput(found: Found) -> Iterator[str]:
    """What interruptions cost."""
    yield (
        f"The style example, preempted with SIGTERM {found['every_s']:g} s after the first step of each of "
        f"{found['attempts']} attempts, each a process of its own on a warm cache; {found['steps']} steps. From the "
        "measured parts follows what a preemption every 10 minutes costs.\n\n"
        "| | measured | bar |\n| --- | --- | --- |\n"
    )
    yield line("goodput with a preemption every 10 minutes", percent(found["preempted_every_600_s"], 1), ">= 97 %")
    yield line("goodput as executed", f"{percent(found['executed'], 1)} of {found['executed_s']:g} s", "")
    yield line("from the start of a process to its first step, resumed", f"{found['first_step_s']:g} s", "<= 60 s")
    yield line("the same on an empty cache", f"{found['first_step_cold_s']:g} s", "")
    yield line("from SIGTERM to the end of the process", f"{found['leaving_s']:g} s", "")
    yield line("steps lost or done twice", found["steps_lost"], "0")
    yield line("a step", f"{found['step_s'] * 1e3:.0f} ms", "")
    yield line("a checkpoint, on the training thread", f"{found['save_s'] * 1e3:.1f} ms", "")
    yield line("a checkpoint and its upload, beside training", f"{found['commit_s'] * 1e3:.0f} ms", "")
    yield line("share of training on the training thread", percent(found["share_on_the_training_thread"], 2), "<= 1 %")
    yield line("share with the upload beside it", percent(found["share_with_upload"], 2), "<= 1 %")


def memory(found: Found) -> Iterator[str]:
    """What a long training holds."""
    yield (
        f"A text job of {found['steps']} steps with a checkpoint every 50 and a measurement every 100; what the "
        f"process holds over the last {found['measured_steps']} steps.\n\n| | |\n| --- | --- |\n"
    )
    yield line("after the warm-up", f"{found['first_mib']:g} MiB")
    yield line("at the end", f"{found['last_mib']:g} MiB")
    yield line("growth, from the least of the first quarter to the least of the last", f"{found['growth_mib']:g} MiB")
    yield line("growth a step", f"{found['bytes_per_step']} bytes")


SECTIONS: tuple[tuple[str, str, str, Callable[[Found], Iterator[str]]], ...] = (
    ("Kills", "kills", "make soak N=500", kills),
    ("Kills, publishing to S3", "kills_s3", "python bench/soak.py --store s3", kills),
    ("Faults of an S3 store", "store_faults", "python bench/store_faults.py", store_faults),
    ("Races for one run", "fencing", "python bench/fencing.py", fencing),
    ("Resume equality", "resume_equality", "python bench/resume_equality.py", resume_equality),
    ("What interruptions cost", "goodput", "python bench/goodput.py", goodput),
    ("Host memory", "memory", "python bench/flat_memory.py", memory),
)


def percent(share: float, digits: int) -> str:
    """``0.975`` as ``97.5 %``."""
    return f"{share * 100:.{digits}f} %"


def line(*cells: object) -> str:
    """One line of a table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |\n"


if __name__ == "__main__":
    main()
