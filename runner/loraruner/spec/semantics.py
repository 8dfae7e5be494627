"""What a schema cannot say: contradictions, credentials, addresses. No store or path is touched.

The document may still break the schema: each check looks only at values of the right type.
"""

import datetime
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from loraruner.spec import addresses, credentials, data_semantics, hints, naming, notify_semantics
from loraruner.spec.build import FORMATS, TARGETS
from loraruner.spec.faults import HIDDEN, Fault, pointer, shorten
from loraruner.spec.model import Lora, Training

T = TypeVar("T")
# NAME.safetensors (kohya) must not be the file of another format.
FILE_STEMS = ("adapter_model", "pytorch_lora_weights")
SPEECH = "automatic-speech-recognition"
Document = Mapping[str, Any]


def faults(document: Document) -> Iterator[Fault]:
    """Every contradiction in the document."""
    for check in _CHECKS:
        yield from check(document)


def warnings(document: Document) -> tuple[str, ...]:
    """What is allowed but seldom wise, one sentence each, of a document without faults."""
    return tuple(warning for check in _WARNINGS for warning in check(document))


def _at(document: Document, path: str) -> Any:
    """The value at a dotted path, or None where there is none."""
    node: Any = document
    for key in path.split("."):
        node = node.get(key) if isinstance(node, dict) else None
    return node


def _get(document: Document, path: str, kind: type[T]) -> T | None:
    """The value at a dotted path, or None where it is absent or of another type."""
    value = _at(document, path)
    return value if isinstance(value, kind) else None


def _number(document: Document, path: str) -> int | float | None:
    """The number at a dotted path, or None where it is absent or of another type."""
    value = _at(document, path)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None


def _credentials(document: Document) -> Iterator[Fault]:
    for path, text in _strings(document, ()):
        kind = credentials.find(text)
        if kind:
            yield Fault(
                pointer(path),
                HIDDEN,
                f"looks like {kind}",
                "take it out, revoke it, and set it in the environment (AWS_ACCESS_KEY_ID, HF_TOKEN)",
            )


def _strings(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every string below ``value``, keys too."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _strings(item, (*path, index))
    elif isinstance(value, dict):
        for key, item in value.items():
            yield (*path, key), key
            yield from _strings(item, (*path, key))


def _secret_labels(document: Document) -> Iterator[Fault]:
    for key in _get(document, "labels", dict) or {}:
        if credentials.names_secret(key):
            yield Fault(pointer(("labels", key)), HIDDEN, "is named like a secret", "take it out of the job")


def _length_given_twice(document: Document) -> Iterator[Fault]:
    steps = _at(document, "training.max_steps")
    if steps is not None and _at(document, "training.epochs") is not None:
        yield Fault("$.training.max_steps", shorten(steps), "is given beside epochs", "remove one of the two")


def _warmup(document: Document) -> Iterator[Fault]:
    steps = _number(document, "training.max_steps")
    warmup = _number(document, "training.warmup_steps")
    if steps is not None and warmup is not None and warmup >= steps > 0:
        yield Fault(
            "$.training.warmup_steps",
            shorten(warmup),
            f"is not less than max_steps {shorten(steps)}",
            "shorten the warm-up: the learning rate would never reach its peak",
        )


def _name(document: Document) -> Iterator[Fault]:
    name = _get(document, "name", str)
    if name in FILE_STEMS:
        yield Fault("$.name", shorten(name), "is the name of another file of a version", "choose another one")


def _formats(document: Document) -> Iterator[Fault]:
    task = _get(document, "task", str)
    known = {name for names in FORMATS.values() for name in names}
    for index, name in enumerate(_get(document, "output.formats", list) or []):
        if task in FORMATS and name in known - set(FORMATS[task]):
            choices = ", ".join(FORMATS[task])
            place = pointer(("output", "formats", index))
            yield Fault(place, shorten(name), f"is no format of {task}", f"choose from {choices}")


def _targets(document: Document) -> Iterator[Fault]:
    task, name = _get(document, "task", str), _get(document, "lora.targets", str)
    every = tuple(dict.fromkeys(word for words in TARGETS.values() for word in words))
    known = TARGETS.get(task or "", every)
    if name is not None and name not in known:
        meant = hints.for_value(name, known)
        fix = f"give {', '.join(known)} or a list of module names"
        fix = f"did you mean {shorten(meant)}? {fix}" if meant else fix
        of_task = f" of {task}" if name in every else ""
        yield Fault("$.lora.targets", shorten(name), f"names no set of layers{of_task}", fix)


def _metadata(document: Document) -> Iterator[Fault]:
    name = _get(document, "data.metadata", str)
    if name is not None and document.get("task") == "text-generation":
        yield Fault("$.data.metadata", shorten(name), "has no meaning for text-generation", "remove it")
    elif name and not addresses.is_plain_relative(name):
        yield Fault(
            "$.data.metadata",
            shorten(name),
            "points outside the data set",
            "give the file's name inside it, e.g. metadata.csv",
        )


def _evaluation(document: Document) -> Iterator[Fault]:
    uri = _get(document, "evaluation.uri", str)
    general = _get(document, "evaluation.general_uri", str)
    if uri is not None and _number(document, "evaluation.fraction"):
        yield Fault("$.evaluation.uri", shorten(uri), "is given beside fraction", "remove one of the two")
    task = _get(document, "task", str)
    if general is not None and task in FORMATS and task != "text-generation":
        yield Fault("$.evaluation.general_uri", shorten(general), f"has no meaning for {task}", "remove it")


def _prompts(document: Document) -> Iterator[Fault]:
    prompts = _get(document, "sampling.prompts", list)
    if prompts and document.get("task") == SPEECH:
        fix = "remove it: the held-out clips are tried (evaluation.fraction or evaluation.uri)"
        yield Fault("$.sampling.prompts", shorten(prompts), f"has no meaning for {SPEECH}", fix)


def _data(document: Document) -> Iterator[Fault]:
    """What ``data.caption`` and ``data.quality`` cannot say together, or about this task."""
    task = _get(document, "task", str)
    caption, quality = _get(document, "data.caption", dict), _get(document, "data.quality", dict)
    if caption is not None:
        yield from data_semantics.caption_faults(caption, task)
    if quality is not None:
        yield from data_semantics.quality_faults(quality, task)


def _expiry(document: Document) -> Iterator[Fault]:
    day = _get(document, "labels.expires", str)
    if day is None or len(day) != len("2027-01-01"):
        return
    try:
        datetime.date.fromisoformat(day)
    except ValueError:
        yield Fault("$.labels.expires", shorten(day), "is no day of the calendar", "give one as YYYY-MM-DD")


def _resume(document: Document) -> Iterator[Fault]:
    resume = _get(document, "checkpoint.resume", str)
    if resume in (None, "", "auto", "never"):
        return
    if "/" not in str(resume):
        meant = hints.for_value(resume, ("auto", "never"))
        fix = f"did you mean {shorten(meant)}?" if meant else "give auto, never or the address of a checkpoint"
        yield Fault("$.checkpoint.resume", shorten(resume), "is no way to resume", fix)
    else:
        yield from addresses.faults("$.checkpoint.resume", str(resume), addresses.WRITABLE)


def _addresses(document: Document) -> Iterator[Fault]:
    inputs = {path: _get(document, path, str) for path in addresses.INPUTS}
    for path, uri in inputs.items():
        if uri:
            more = (addresses.TASKS,) if path == "data.uri" else ()
            yield from addresses.faults(f"$.{path}", uri, (*addresses.READABLE, *more))
    output = _get(document, "output.uri", str)
    if output:
        yield from addresses.faults("$.output.uri", output, addresses.WRITABLE)
        target = f"{output.rstrip('/')}/{_get(document, 'name', str) or ''}"  # of a whole bucket only this is written
        for path, uri in inputs.items():
            if uri and (how := addresses.overlap(target, uri)):
                named = "" if addresses.is_inside(output, uri) else "with $.name at its end "
                fix = "give a place of its own, else results become input"
                yield Fault("$.output.uri", shorten(output), f"{named}{how} the input $.{path}", fix)


def _unstable(document: Document) -> Iterator[str]:
    rank = _number(document, "lora.rank") or Lora.rank
    batch = _number(document, "training.batch_size") or Training.batch_size
    windows = _number(document, "training.gradient_accumulation_steps") or Training.gradient_accumulation_steps
    scheduler = _get(document, "training.lr_scheduler", str) or Training.lr_scheduler
    if rank > 16 and batch * windows == 1 and scheduler == "constant":
        yield (
            f"$.lora.rank: {int(rank)} with one sample a step and a constant learning rate tends to diverge; "
            "raise training.gradient_accumulation_steps or take the cosine schedule"
        )


def _holds_out(document: Document) -> bool:
    return bool(_number(document, "evaluation.fraction") or _get(document, "evaluation.uri", str))


def _idle_evaluation(document: Document) -> Iterator[str]:
    every, held_out = _number(document, "evaluation.every_steps"), _holds_out(document)
    best = _get(document, "evaluation.select", str) == "best"
    if every and not held_out:
        yield (
            f"$.evaluation.every_steps: {int(every)} measures nothing, as no sample is held out; "
            "give evaluation.fraction or evaluation.uri"
        )
    if best and not held_out:
        yield (
            "$.evaluation.select: nothing tells which weights are best, as no sample is held out: those of the last "
            "step are published; give evaluation.fraction or evaluation.uri"
        )
    elif best and not every:
        yield (
            "$.evaluation.select: only the last step is measured, so it is the best; give evaluation.every_steps to "
            "measure others"
        )


def _speech(document: Document) -> Iterator[str]:
    if document.get("task") != SPEECH:
        return
    if not _holds_out(document):
        yield (
            "$.evaluation.fraction: no clip is held out, so no word error rate is measured and nothing is tried; give "
            "evaluation.fraction or evaluation.uri"
        )
    if _get(document, "options.spec_augment", bool):
        yield (
            "$.options.spec_augment: the cache of encoder states is not used, as every step hears other masks; expect "
            "steps that take several times as long"
        )


def _captions(document: Document) -> Iterator[str]:
    caption, quality = _get(document, "data.caption", dict), _get(document, "data.quality", dict)
    if caption and quality:
        yield from data_semantics.caption_warnings(caption, quality)


_CHECKS: tuple[Callable[[Document], Iterator[Fault]], ...] = (
    _credentials,
    _secret_labels,
    _length_given_twice,
    _warmup,
    _name,
    _formats,
    _targets,
    _metadata,
    _evaluation,
    _prompts,
    _data,
    _expiry,
    _resume,
    _addresses,
    notify_semantics.faults,
)
_WARNINGS: tuple[Callable[[Document], Iterator[str]], ...] = (
    _unstable,
    _idle_evaluation,
    _speech,
    _captions,
    naming.warnings,
    notify_semantics.warnings,
)
