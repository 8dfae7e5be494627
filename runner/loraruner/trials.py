"""Try the exported adapter on fixed prompts and seeds, beside the bare base."""

import logging
from collections.abc import Callable

from loraruner.families.base import Base, Family, Request, Trials
from loraruner.spec import Spec
from loraruner.workspace import Workspace

_LOG = logging.getLogger(__name__)


def try_adapter(spec: Spec, family: Family, base: Base, workspace: Workspace, between: Callable[[], None]) -> Trials:
    """Generate for ``sampling.prompts`` into ``samples/``; the adapter is read from the exported files.

    ``between`` is called between prompts and raises when the run has to stop.
    """
    if not spec.sampling.prompts:
        _LOG.info("no samples: $.sampling.prompts is empty")
        return Trials(trials=())
    request = Request(prompts=spec.sampling.prompts, seed=spec.sampling.seed, between=between)
    trials = family.generate(spec, base, workspace.version, request, workspace.samples)
    for name, value in trials.measures.items():
        _LOG.info("%s: %.3f", name, value)
    return trials
