"""From clips to the cached pieces that train: tokens of transcripts, and encoder states or audio."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from loraruner.data.lines import BadValue
from loraruner.data.samples import Clip, Skipped
from loraruner.errors import DataInvalid, SpecInvalid
from loraruner.families.base import Base, Prepared, Runtime, Samples
from loraruner.families.speech import long_clips, open_base, targets, tokens
from loraruner.families.speech.items import Item, options_of, write_items
from loraruner.families.speech.pieces import Listener, PieceFiles, Progress, digest_of
from loraruner.spec import Spec, SpeechOptions

MIXED = (("bf16", "float16"), ("fp16", "bfloat16"))  # precision and dtype

WHERE = {"train": "$.data.uri", "evaluation": "$.evaluation"}


def prepare(spec: Spec, base: Base, samples: Samples, cache: Path, runtime: Runtime) -> Prepared:
    """The pieces of every clip as files of ``cache``, and one index (``read_items``) for each part that has clips.

    With a frozen encoder and no SpecAugment a piece's file holds its encoder states, cut to $.options.encoder_frames;
    else its audio. ``files`` has "train", "evaluation" and, by its name, each piece's file. ``ids`` are those of the
    clips of which something is usable; the others are ``skipped``: a transcript that is too long or not divisible, a
    language that the base does not know, states that are not finite.
    Raises SpecInvalid (64) when the job's language does not suit the base or its two types of 16 bits differ,
    EnvironmentUnfit (78) when the disk is too small, DataInvalid (65) when nothing is usable.
    """
    _check_types(runtime)
    preparing = _Preparing(spec, base, cache / "speech", runtime)
    files: dict[str, Path] = {}
    ids: dict[str, tuple[str, ...]] = {}
    skipped: list[Skipped] = []
    parts: Mapping[str, Sequence[Clip]] = {"train": samples.train, "evaluation": samples.evaluation}
    for part, clips in parts.items():
        if clips:
            items, faults = preparing.items(clips)
            skipped += [Skipped(clip.id, faults[clip.id]) for clip in clips if clip.id in faults]
            if not items:
                raise DataInvalid(
                    f"{WHERE[part]}: none of {len(clips)} clips is usable for {part} (last: {skipped[-1].name}: "
                    f"{skipped[-1].reason}); mend them or name others"
                )
            ids[part] = tuple(dict.fromkeys(item.clip for item in items))
            files[part] = preparing.write_index(items)
            files |= {item.file.stem: item.file for item in items}
    return Prepared(files, ids, tuple(skipped))


def _check_types(runtime: Runtime) -> None:
    if (runtime.precision, runtime.dtype) in MIXED:
        raise SpecInvalid(
            f"$.model.dtype: {runtime.dtype} does not go with $.training.precision {runtime.precision}: a layer "
            "takes one type of 16 bits; give auto or float32"
        )


class _Preparing:
    """One job's clips on their way into the cache."""

    def __init__(self, spec: Spec, base: Base, folder: Path, runtime: Runtime) -> None:
        self._options: SpeechOptions = options_of(spec)
        self._folder = folder
        self._listener = Listener(base, runtime, self._options.encoder_frames)
        frozen = not (self._options.spec_augment or targets.trains_encoder(spec, base))
        self._files = PieceFiles(folder / "pieces", self._listener, states=frozen)
        self._tokenizer: Any = open_base.load_tokenizer(base)
        self._multilingual = tokens.is_multilingual(self._tokenizer)
        self._languages: dict[tuple[str | None, str, bool], str | None] = {}

    def items(self, clips: Sequence[Clip]) -> tuple[list[Item], dict[str, str]]:
        """The usable pieces of ``clips`` in order, their files written; and why other clips are not usable."""
        items: dict[str, list[Item]] = {}
        faults: dict[str, str] = {}
        for clip in clips:
            try:
                items[clip.id] = self._pieces(clip)
            except BadValue as fault:
                faults[clip.id] = str(fault)
        faults |= self._files.write_missing(clip for clip in clips if clip.id not in faults)
        faults |= self._divide([clip for clip in clips if len(clip.pieces) > 1 and clip.id not in faults], items)
        return [item for clip in clips if clip.id not in faults for item in items[clip.id]], faults

    def write_index(self, items: Sequence[Item]) -> Path:
        """The file that names ``items``, called by what it says."""
        rows = [vars(item) | {"file": item.file.name} for item in items]
        path = self._folder / f"{digest_of('index', rows)}.json"
        write_items(path, items)
        return path

    def _pieces(self, clip: Clip) -> list[Item]:
        """The pieces of a clip; nobody knows yet what is said in which piece of a long one."""
        whisper_task = clip.whisper_task or self._options.whisper_task
        language = self._language(clip, whisper_task)
        items = []
        for number, piece in enumerate(clip.pieces, start=1):
            name = clip.id if number == 1 else f"{clip.id}#{number}"
            items.append(Item(name, clip.id, "", (), language, whisper_task, self._files.path(clip, piece)))
        return [self._said(items[0], clip.transcript)] if len(items) == 1 else items

    def _said(self, item: Item, transcript: str) -> Item:
        labels = tokens.encode_transcript(self._tokenizer, transcript, item.language, item.whisper_task)
        return replace(item, transcript=transcript, labels=labels)

    def _divide(self, clips: Sequence[Clip], items: dict[str, list[Item]]) -> dict[str, str]:
        """Give each piece of ``clips`` its part of the transcript, drop those in which nothing is said; the faults."""
        faults: dict[str, str] = {}
        progress = Progress(len(clips), "long clips divided by what is said in their pieces")
        for clip in clips:
            try:
                untold, folder = items[clip.id], self._folder / "heard"
                parts = long_clips.divide(clip.transcript, untold, folder, self._listener, self._tokenizer)
                items[clip.id] = [self._said(item, part) for item, part in zip(untold, parts, strict=True) if part]
            except BadValue as fault:
                faults[clip.id] = str(fault)
            progress.advance()
        if clips:
            progress.finish()
        return faults

    def _language(self, clip: Clip, whisper_task: str) -> str | None:
        """The base's code of the language spoken: the row's, else the job's. A fault is of the one that names it."""
        named = clip.language or self._options.language
        nobody = named is None and self._multilingual
        of_row = not nobody and (clip.language or clip.whisper_task) is not None
        key = (named, whisper_task, of_row)
        if key not in self._languages:
            find = tokens.known_language if of_row else tokens.require_language
            self._languages[key] = find(self._tokenizer, named, whisper_task)
        return self._languages[key]
