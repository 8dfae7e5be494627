"""docker/Dockerfile as data: its stages, and what an image of a target says of itself."""

import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "docker/Dockerfile"


@dataclass
class Stage:
    """One FROM and what follows it."""

    name: str
    base: str  # the name of another stage, or an image
    steps: list[tuple[str, str]] = field(default_factory=list)  # (instruction, the rest of its lines as one)


def read_stages(text: str) -> tuple[list[tuple[str, str]], dict[str, Stage]]:
    """What stands before the first FROM, and the stages by name."""
    joined = re.sub(r"\\\n", " ", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    before: list[tuple[str, str]] = []
    stages: dict[str, Stage] = {}
    steps = before
    for line in filter(None, map(str.strip, joined.splitlines())):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            stages[name] = Stage(name, base)
            steps = stages[name].steps
        else:
            steps.append((instruction, re.sub(r"\s+", " ", rest)))
    return before, stages


def steps_of(target: str) -> list[tuple[str, str]]:
    """All steps that make the image of a target, from its base on."""
    _, stages = read_stages(DOCKERFILE.read_text())
    stage = stages[target]
    return [*(steps_of(stage.base) if stage.base in stages else []), *stage.steps]


def pairs(target: str, instruction: str) -> dict[str, str]:
    """The keys and values of all ENV or LABEL steps of a target."""
    words = [word for name, rest in steps_of(target) if name == instruction for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in words)


def last(target: str, instruction: str) -> str:
    """The step of this name that holds in the end."""
    return [rest for name, rest in steps_of(target) if name == instruction][-1]
