"""The one way in: bytes and overrides to a ``Spec``, or every fault at once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any

from loraruner.spec import check, document, override, semantics
from loraruner.spec.build import build
from loraruner.spec.faults import MAX_FAULTS, Fault, JobInvalid
from loraruner.spec.model import Spec


@dataclass(frozen=True)
class Loaded:
    """A job without faults, and what is allowed but seldom wise."""

    spec: Spec
    warnings: tuple[str, ...]


def load(text: bytes, *, overrides: Sequence[str] = ()) -> Loaded:
    """Read, override and check a job; nothing outside ``text`` is looked at.

    Raises JobInvalid (64) with every fault of the schema and of the semantic checks together. A document that
    is no well-formed JSON object, or an override that cannot be applied, is reported before those.
    """
    job = document.read(text)
    override.apply(job, overrides)
    found = tuple(islice(_faults(job), MAX_FAULTS + 1))
    if found:
        raise JobInvalid(_listed(found))
    return Loaded(spec=build(job), warnings=semantics.warnings(job))


def _faults(job: Mapping[str, Any]) -> Iterator[Fault]:
    seen: set[Fault] = set()
    for fault in chain(semantics.faults(job), check.faults(job)):
        if fault not in seen:
            seen.add(fault)
            yield fault


def _listed(found: Sequence[Fault]) -> list[Fault]:
    """By place; past MAX_FAULTS the job is hopeless, and the rest would help nobody."""
    listed = sorted(found[:MAX_FAULTS], key=lambda fault: fault.pointer)
    if len(found) > MAX_FAULTS:
        listed.append(Fault("$", "", f"has more than {MAX_FAULTS} faults", "mend those listed first"))
    return listed
