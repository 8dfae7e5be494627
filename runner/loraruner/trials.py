"""Try the exported adapter beside the bare base: on fixed prompts and seeds, or on the held-out clips."""

import logging
from collections.abc import Callable, Mapping

from loraruner.families.base import Base, Family, Prepared, Request, Trials
from loraruner.files import naming
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
    with naming(workspace.samples):
        tried = family.generate(spec, base, workspace.version, request, workspace.samples)
    if not tried.trials:
        _LOG.info("no samples: %s", NO_CLIPS if spec.task == "automatic-speech-recognition" else NO_PROMPTS)
    if tried.measures:
        _LOG.info("measured on the exported file: %s", _told(tried.measures))
        _warn_of_no_gain(tried.measures)
    return tried


def _warn_of_no_gain(measures: Mapping[str, float]) -> None:
    before, after = measures.get("wer.before"), measures.get("wer.after")
    if before is not None and after is not None and after >= before and after > 0:
        _LOG.warning(
            "the adapter hears the held-out clips no better than the base (wer %.3f -> %.3f): look at the worst clips "
            "in report.html, then mend transcripts, add recordings or train longer",
            before,
            after,
        )


def _told(measures: Mapping[str, float]) -> str:
    """``wer 0.415 -> 0.025, cer ...``: pairs of ``NAME.before`` and ``NAME.after``, other numbers alone."""
    told = []
    for name, value in measures.items():
        stem, _, when = name.rpartition(".")
        if when == "before" and f"{stem}.after" in measures:
            told.append(f"{stem} {value:.3f} -> {measures[f'{stem}.after']:.3f}")
        elif not (when == "after" and f"{stem}.before" in measures):
            told.append(f"{name} {value:.3f}")
    return ", ".join(told)
