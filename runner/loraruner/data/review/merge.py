"""What is said anew joined to what was said before: the later word wins, and no old text is lost."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from loraruner.data.review.record import Record, Reviewable, content_digest, placed
from loraruner.data.review.texts import texts_of, to_cell, with_texts
from loraruner.data.review.verdicts import ACCEPT, REJECT, Verdict
from loraruner.data.samples import Row

NUMBER = re.compile(r"([0-9]+)")


@dataclass(frozen=True)
class Said:
    """One verdict, and the sample that it is about as it lies there now.

    ``texts`` are those that it gets, None where they stay. ``sample`` is None for a file that was rejected before and
    is no sample any more.
    """

    verdict: Verdict
    sample: Reviewable | None
    texts: tuple[str, ...] | None = None

    @property
    def after(self) -> Reviewable | None:
        """The sample once the verdict is applied."""
        return with_texts(self.sample, self.texts) if self.sample and self.texts else self.sample


def merged(earlier: Record, said: Sequence[Said], samples: Sequence[Reviewable]) -> Record:
    """The record after the verdicts in ``said``; ``samples`` are those before.

    Earlier verdicts follow their samples to where these lie now. ``before`` keeps the oldest text of a corrected
    sample, and the text of a rejected file, whose line is taken out of the metadata.
    """
    found = placed(samples, earlier.verdicts)
    known = {sample.id: replace(earlier.verdicts[place], id=sample.id) for place, sample in found.items()}
    lost = [verdict for place, verdict in enumerate(earlier.verdicts) if place not in found]
    new = [_entry(each, known, lost) for each in said]
    later = {verdict.id for verdict in new}
    kept = [verdict for verdict in (*known.values(), *lost) if verdict.id not in later]
    return Record(tuple(_ordered([*new, *kept])))


def _entry(said: Said, known: Mapping[str, Verdict], lost: Sequence[Verdict]) -> Verdict:
    verdict, after = said.verdict, said.after
    if said.sample is None or after is None:
        before = next((v.before for v in lost if (v.id, v.digest) == (verdict.id, verdict.digest)), "")
        return replace(verdict, before=before)
    old = known.get(said.sample.id)
    entry = Verdict(said.sample.id, content_digest(after), verdict.verdict, comment=verdict.comment)
    if verdict.verdict == REJECT:
        return entry if isinstance(after, Row) else replace(entry, before=to_cell(texts_of(after)))
    if old and old.verdict == ACCEPT and old.corrected:
        return replace(entry, text=to_cell(texts_of(after)), before=old.before)
    if verdict.corrected:
        return replace(entry, text=to_cell(texts_of(after)), before=verdict.before)
    return entry


def _ordered(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """As people count: ``rows.jsonl:9`` before ``rows.jsonl:10``."""

    def key(verdict: Verdict) -> tuple[list[tuple[int, str]], str]:
        parts = NUMBER.split(verdict.id)
        numbered = [(int(part), "") if place % 2 else (-1, part) for place, part in enumerate(parts)]
        return numbered, verdict.digest

    return sorted(verdicts, key=key)
