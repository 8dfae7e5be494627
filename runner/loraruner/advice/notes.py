"""What a person should know beside the settings."""

from collections.abc import Iterator

from loraruner.advice.facts import NOUNS, SPEECH, Facts
from loraruner.advice.memory import Need, in_gb, usable_bytes
from loraruner.data.quality.notes import notes as on_the_set
from loraruner.spec.model import Data


def about(facts: Facts, need: Need | None) -> tuple[str, ...]:
    """One sentence each."""
    return (*_of_data(facts), *_of_base(facts), *_of_memory(facts, need))


def _of_data(facts: Facts) -> Iterator[str]:
    yield from on_the_set(facts.task, facts.num_samples)
    total = facts.num_samples + facts.num_skipped
    if facts.num_skipped:
        allowed = Data.max_bad_fraction
        end = f", and training refuses more than {allowed:.0%}" if facts.num_skipped > allowed * total else ""
        yield f"{facts.num_skipped} of {total} {NOUNS[facts.task]} can't be used{end}: loraruner data check names them."
    if facts.task == SPEECH and not facts.language:
        yield "The transcripts don't tell their language plainly: a multilingual Whisper needs options.language."


def _of_base(facts: Facts) -> Iterator[str]:
    if facts.base is None:
        yield "No base was given: name it in model.base, or with --base so that its sizes are looked at."


def _of_memory(facts: Facts, need: Need | None) -> Iterator[str]:
    limit = usable_bytes(facts)
    if limit is None:
        yield "No GPU is here, so nothing was made to fit one: --gpu-memory-gb names the one that will train."
    elif need is None:
        yield "Nothing was made to fit the GPU, as the base's sizes are not known: loraruner plan measures it."
    else:
        for doing, needed in (("Training", need.training_bytes), ("Proving the adapter", need.proving_bytes)):
            if needed > limit:
                yield (
                    f"{doing} takes {in_gb(needed)} by estimate and {in_gb(limit)} are to be had: "
                    "take a smaller base or a larger GPU, and ask for advice again."
                )
