"""Try the exported adapter beside the bare base: on fixed prompts and seeds, or on the held-out clips."""

import logging
from collections.abc import Callable

from loraruner.families.base import Base, Family, Prepared, Request, Trials
from loraruner.spec import Spec
from loraruner.workspace import Workspace

_LOG = logging.getLogger(__name__)
NO_PROMPTS = "$.sampling.prompts is empty"
NO_CLIPS = "no clip is held out ($.evaluation.fraction, $.evaluation.uri)"


def try_adapter(
    spec: Spec, family: Family, base: Base, prepared: Prepared, workspace: Workspace, between: Callable[[], None]
) -> Trials:
    """Generate into ``samples/`` what the family tries; the adapter is read from the exported files.

    ``between`` is called between prompts and raises when the run has to stop.
    """
    request = Request(spec.sampling.prompts, spec.sampling.seed, between, held_out=prepared)
    tried = family.generate(spec, base, workspace.version, request, workspace.samples)
    if not tried.trials:
        _LOG.info("no samples: %s", NO_CLIPS if spec.task == "automatic-speech-recognition" else NO_PROMPTS)
    for name, value in tried.measures.items():
        _LOG.info("%s: %.3f", name, value)
    return tried
