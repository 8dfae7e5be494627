"""What a rule is, and the numbers that several rules share."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loraruner.advice.facts import Facts

Values = Mapping[str, Any]  # what the rules have decided so far, by key
ALWAYS = "always"

MIN_HELD_OUT = 20  # samples of which a part can be spared
MAX_HELD_OUT = 200
MAX_HELD_OUT_CLIPS = 60
HELD_OUT = 0.1


@dataclass(frozen=True, kw_only=True)
class Rule:
    """When it applies and what ``key`` becomes then; ``when`` and ``says`` tell the same to people.

    Of several rules for one key the first that applies decides. ``value`` sees what earlier rules have decided.
    """

    tasks: tuple[str, ...]
    key: str
    when: str = ALWAYS
    applies: Callable[[Facts, Values], bool] = lambda facts, values: True
    says: str
    value: Callable[[Facts, Values], Any]
    reason: str
    sources: tuple[str, ...]


def held_out_fraction(num_samples: int, most: int) -> float:
    """A tenth, or what makes ``most`` samples where that is less, to four places."""
    return min(HELD_OUT, round(most / max(num_samples, 1), 4))


def num_trained(facts: Facts, values: Values) -> int:
    """Examples that are left to train on, at least 1."""
    fraction = values.get("evaluation.fraction", 0)
    held = min(max(round(facts.num_examples * fraction), 1), facts.num_examples - 1) if fraction else 0
    return max(1, facts.num_examples - held)


def steps_an_epoch(facts: Facts, values: Values) -> int:
    """Steps in which every example is seen once."""
    batches = math.ceil(num_trained(facts, values) / int(values["training.batch_size"]))
    return math.ceil(batches / int(values["training.gradient_accumulation_steps"]))


def num_steps(facts: Facts, values: Values) -> int:
    """Steps of the whole training."""
    return steps_an_epoch(facts, values) * int(values["training.epochs"])


def epochs(facts: Facts, *, seen: int, least: int, most: int) -> int:
    """So many passes that about ``seen`` examples are seen in all, within bounds: more data, fewer epochs."""
    return min(most, max(least, math.ceil(seen / max(1, facts.num_examples))))
