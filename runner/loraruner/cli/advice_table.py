"""Advised settings as JSON and as tables for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from loraruner.advice.facts import NOUNS, SPEECH, TEXT, Advice, Facts
from loraruner.advice.memory import in_gb
from loraruner.advice.sources import titles, told

if TYPE_CHECKING:
    from loraruner.advice import Advised


def report(facts: Facts, advised: Advised, job: dict[str, Any]) -> dict[str, Any]:
    """The whole result; the same for the same data, base and GPU."""
    looked = asdict(facts)
    del looked["prompts"]  # they stand in the job
    needs = asdict(advised.need) if advised.need else None
    return {
        "facts": {**looked, "needs": needs},
        "advice": [
            {"key": piece.key, "value": piece.value, "reason": piece.reason, "source": told(piece.sources)}
            for piece in advised.advice
        ],
        "notes": list(advised.notes),
        "job": job,
    }


def brief(facts: Facts, advised: Advised) -> dict[str, Any]:
    """What a person wants to read; the JSON form has numbers, links and the job too."""
    needs = advised.need
    return {
        "data": "\n".join(_of_data(facts)),
        "base": f"{facts.base.parameters / 1e6:,.1f} million parameters" if facts.base else "none given",
        "GPU": in_gb(facts.gpu_bytes) if facts.gpu_bytes else f"none; {facts.num_cpus} CPUs",
        **(
            {
                "memory, by estimate": f"{in_gb(needs.training_bytes)} to train, {in_gb(needs.proving_bytes)} to prove "
                f"the adapter, {in_gb(needs.trying_bytes)} to try it"
            }
            if needs
            else {}
        ),
        **({"notes": list(advised.notes)} if advised.notes else {}),
        "advice": [_row(piece) for piece in advised.advice],
    }


def _of_data(facts: Facts) -> Iterator[str]:
    yield f"{facts.num_samples} {NOUNS[facts.task]} ({facts.task})"
    if facts.num_skipped:
        yield f"{facts.num_skipped} more that can't be used"
    if facts.side_px:
        yield f"nine in ten with {facts.side_px} pixels or more on the shorter side"
    if facts.task == TEXT:
        how = "counted by the base's tokenizer" if facts.tokens_counted else "guessed from the number of bytes"
        yield f"the longest of {facts.longest_tokens} tokens, {how}"
    if facts.task == SPEECH:
        yield f"{facts.duration_s / 60:.1f} minutes in {facts.num_examples} pieces"


def _row(piece: Advice) -> dict[str, str]:
    """Three columns, so that keys stay whole on a terminal of 80 characters."""
    return {
        "key": piece.key.replace("gradient_accumulation_steps", "gradient_\naccumulation_steps"),
        "value": _shown(piece.value),
        "reason, and where it is known from": f"{piece.reason}\n[{titles(piece.sources)}]",
    }


def _shown(value: object) -> str:
    """A value of the job; of a list the number."""
    if isinstance(value, list):
        return str(len(value)) if value else "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
