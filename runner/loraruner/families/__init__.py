"""Families by task. A new family is one folder and one line here."""

from importlib import import_module

from loraruner.families.base import Family

MODULES = {
    "text-to-image": "loraruner.families.diffusion",
    "text-generation": "loraruner.families.causal_lm",
    "automatic-speech-recognition": "loraruner.families.speech",
}


def load_family(task: str) -> Family:
    """The family for a validated task; its own module decides what it imports lazily."""
    family: Family = import_module(MODULES[task]).FAMILY
    return family
