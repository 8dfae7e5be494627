"""Advice on a data set as a whole: too few or too many samples, nothing held out, no licence."""

from collections.abc import Iterator, Sequence

NOUNS = {"text-to-image": "pictures", "text-generation": "rows", "automatic-speech-recognition": "clips"}
# Below the first number a set is learnt by heart; the second is where more samples stop paying for the work.
FEW = {"text-to-image": 50, "text-generation": 100, "automatic-speech-recognition": 100}
MANY = {"text-to-image": 200}
MIN_HELD_OUT = 20  # samples from which on a tenth of them says anything


def notes(
    task: str,
    num_samples: int,
    *,
    held_out: bool | None = None,
    license: str | None = None,
    licence_files: Sequence[str] | None = None,
) -> tuple[str, ...]:
    """Sentences about a set of ``num_samples`` samples for ``task``; nothing is said of what isn't known.

    ``held_out`` tells whether the job measures on samples that it doesn't train on (None: there is no job),
    ``license`` is its ``data.license``, ``licence_files`` what ``data.licences.find_licences`` found (None: nobody
    looked).
    """
    return (
        *_on_the_number(task, num_samples),
        *_on_holding_out(num_samples, held_out),
        *_on_the_licence(license, licence_files),
    )


def _on_the_number(task: str, num_samples: int) -> Iterator[str]:
    counted = f"{num_samples:,} {NOUNS[task] if num_samples != 1 else NOUNS[task][:-1]}"
    advised = f"{FEW[task]} to {MANY[task]}" if task in MANY else f"{FEW[task]} or more"
    if num_samples < FEW[task]:
        yield f"{counted}: {advised} are advised, as fewer are soon learnt by heart."
    elif num_samples > MANY.get(task, num_samples):
        yield f"{counted}: {advised} are advised; fewer and better ones teach a style faster."


def _on_holding_out(num_samples: int, held_out: bool | None) -> Iterator[str]:
    if held_out is False and num_samples >= MIN_HELD_OUT:
        yield "Nothing is held out: set evaluation.fraction, such as 0.1, or nobody knows what the adapter has learnt."


def _on_the_licence(license: str | None, files: Sequence[str] | None) -> Iterator[str]:
    if license or files is None:
        return
    if files:
        yield f"Read {', '.join(files[:5])}{', ...' if len(files) > 5 else ''} and name the licence in data.license."
    else:
        yield "No licence is known: name it in data.license."
