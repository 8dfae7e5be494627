"""Settings for this data on this machine, by a table of rules, each with its reason and where that is known from."""

from dataclasses import dataclass
from typing import Any

from loraruner.advice import memory, notes
from loraruner.advice.facts import Advice, BaseFacts, Facts
from loraruner.advice.memory import Need
from loraruner.advice.rule import ALWAYS, Rule
from loraruner.advice.rules import KEYS, PACE
from loraruner.advice.shape import SHAPE

__all__ = ["Advice", "Advised", "BaseFacts", "Facts", "advise"]


@dataclass(frozen=True)
class Advised:
    """One piece of advice a key, in the job's order; what a person should know besides; the memory needed."""

    advice: tuple[Advice, ...]
    notes: tuple[str, ...]
    need: Need | None


def advise(facts: Facts) -> Advised:
    """Ask the rules for what a step takes in, see that it fits the memory, then ask for the pace."""
    pieces: dict[str, Advice] = {}
    _ask(SHAPE, facts, pieces)
    pieces |= {piece.key: piece for piece in memory.fit(facts, _values(pieces))}
    need = memory.estimate(facts, _values(pieces))
    if reason := memory.why_no_prompts(facts, need):
        pieces["sampling.prompts"] = Advice("sampling.prompts", [], reason, ("memory",))
    _ask(PACE, facts, pieces)
    advice = sorted(pieces.values(), key=lambda piece: KEYS.index(piece.key))
    return Advised(tuple(advice), notes.about(facts, need), need)


def _ask(rules: tuple[Rule, ...], facts: Facts, pieces: dict[str, Advice]) -> None:
    """Add what the first rule that applies says of each key; what is decided stays."""
    for rule in rules:
        values = _values(pieces)
        if facts.task in rule.tasks and rule.key not in pieces and rule.applies(facts, values):
            reason = rule.reason if rule.when == ALWAYS else f"{rule.when}: {rule.reason}"
            pieces[rule.key] = Advice(rule.key, rule.value(facts, values), reason, rule.sources)


def _values(pieces: dict[str, Advice]) -> dict[str, Any]:
    return {key: piece.value for key, piece in pieces.items()}
