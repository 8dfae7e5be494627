"""Sample prompts: lines such as ``a girl --n lowres --w 512 --h 768 --l 7 --s 24 --d 1337``, and the web page's keys.

The marks are those of sd-scripts' ``line_to_prompt_dict`` (``library/train_util.py``).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from loraruner.importers.draft import Draft
from loraruner.importers.reading import Source, decoded
from loraruner.importers.values import Kind, Unfit, flag, number, text, whole
from loraruner.importers.verdicts import CHANGED, DROPPED, KEPT, Row, shown

MAX_PROMPTS = 64
_MARK = re.compile(r"\s--([A-Za-z]{1,4})(?:\s+|$)")
_WEIGHT = re.compile(r"\([^()]*:\s*[0-9.]+\s*\)")
# Mark -> place in the job, and how it is read.
_PLACES: dict[str, tuple[str, Kind]] = {
    "n": ("options.negative_prompt", text),
    "l": ("options.guidance_scale", number),
    "s": ("options.sample_steps", whole),
    "d": ("sampling.seed", whole),
}
_GUI = {
    "negative_prompts": _PLACES["n"],
    "sample_cfg": _PLACES["l"],
    "sample_steps": _PLACES["s"],
    "sample_seed": _PLACES["d"],
}


@dataclass
class Prompt:
    """One line: its text, and the value of every mark."""

    text: str
    marks: dict[str, str] = field(default_factory=dict)


def parse(lines: str) -> list[Prompt]:
    """Prompts of a file: one a line; empty lines and lines that begin with # say nothing."""
    found = []
    for line in lines.splitlines():
        if line.strip() and not line.startswith("#"):
            head, *rest = _MARK.split(f" {line.strip()}")
            marks = {mark.lower(): value.strip() for mark, value in zip(rest[::2], rest[1::2], strict=True)}
            found.append(Prompt(head.strip(), marks))
    return found


def choose_samples(draft: Draft) -> None:
    """``sampling`` and its options, from ``--sample-prompts``, else the web page's keys, else lines in the file."""
    wanted = draft.read("enable_preview", flag, True)
    draft.drop("enable_preview", "prompts are tried where there are any" if wanted else "no prompts are tried")
    source = draft.request.prompts
    if source is not None:
        _put_file(draft, source)
        _drop_given(draft, "--sample-prompts goes before it")
    elif not wanted:
        _drop_given(draft, "enable_preview is off")
    elif draft.has("positive_prompts"):
        _put_page(draft)
    else:
        _choose_lines(draft)
        draft.drop("positive_prompts")
        _drop_page(draft, "there is no positive_prompts to draw")
    draft.drop("prompt_file", "read with --sample-prompts" if source else "give that file with --sample-prompts")


def _put_file(draft: Draft, source: Source) -> None:
    if source.name.lower().endswith((".toml", ".json", ".yaml", ".yml")):
        draft.problems["--sample-prompts"] = (
            f"--sample-prompts: {source.name} is no plain list; write its prompts into a .txt, one a line"
        )
    else:
        _put(draft, parse(decoded(source)), "--sample-prompts")


def _drop_given(draft: Draft, reason: str) -> None:
    draft.drop("sample_prompts", reason)
    draft.drop("positive_prompts", reason)
    _drop_page(draft, reason)


def _drop_page(draft: Draft, reason: str) -> None:
    for key in _GUI:
        draft.drop(key, reason)


def _put_page(draft: Draft) -> None:
    draft.drop("sample_prompts", "positive_prompts goes before it")
    prompt = draft.read("positive_prompts", text)
    if prompt is not None:
        draft.keep("positive_prompts", "sampling.prompts", [prompt], _about([Prompt(prompt)], [prompt]))
    for key, (place, kind) in _GUI.items():
        draft.take(key, place, kind)


def _choose_lines(draft: Draft) -> None:
    """A path, or the lines themselves: lora-scripts writes either."""
    given = draft.read("sample_prompts", text, "")
    if not given:
        draft.drop("sample_prompts")
    elif re.fullmatch(r"[^\n]*\.(?:txt|toml|json)", given):
        draft.drop("sample_prompts", "give that file with --sample-prompts, and its prompts are tried")
    else:
        _put(draft, parse(given), "sample_prompts")


def _put(draft: Draft, prompts: Sequence[Prompt], key: str) -> None:
    """The prompts, and each setting that all share; where they differ the first line's is taken."""
    texts = [prompt.text for prompt in prompts if prompt.text][:MAX_PROMPTS]
    if not texts:
        draft.problems[key] = (
            f"{key} holds no prompt; write one a line, as in: a harbour --n blurry --l 7 --s 24 --d 1337"
        )
        return
    _row(draft, key, "sampling.prompts", texts, _about(prompts, texts))
    for mark in sorted({mark for prompt in prompts for mark in prompt.marks}):
        values = list(dict.fromkeys(prompt.marks[mark] for prompt in prompts if mark in prompt.marks))
        place, kind = _PLACES.get(mark, ("", text))
        if not place:
            draft.rows.append(Row(f"{key} --{mark}", shown(values[0]), DROPPED, reason=_why(mark)))
            continue
        try:
            value = kind(values[0])
        except Unfit as error:
            draft.problems[f"--{mark}"] = f"{key}: --{mark} = {shown(values[0])} {error}"
            continue
        _row(draft, f"{key} --{mark}", place, value, "others differ: all are drawn alike" if len(values) > 1 else "")


def _about(prompts: Sequence[Prompt], texts: Sequence[str]) -> str:
    told = []
    if len(texts) < len(prompts):
        told.append(f"a job tries at most {MAX_PROMPTS} prompts")
    if any(_WEIGHT.search(prompt) for prompt in texts):
        told.append("weights such as (word:1.2) are read as plain text")
    return "; ".join(told)


def _why(mark: str) -> str:
    return "samples are squares of options.resolution" if mark in ("w", "h") else "has no counterpart in a job"


def _row(draft: Draft, key: str, place: str, value: object, reason: str) -> None:
    draft.job[place] = value
    draft.rows.append(Row(key, "", CHANGED if reason else KEPT, f"$.{place}", shown(value), reason))
