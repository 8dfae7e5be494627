"""Clips with transcripts in a folder: each is decoded once before it may be trained on."""

import logging
import re
from pathlib import Path

from loraruner.data.audio import SAMPLE_RATE, Audio, load_audio, read_recording
from loraruner.data.captions import listed_in_vain, text_of
from loraruner.data.folders import list_files
from loraruner.data.kinds import CLIPS
from loraruner.data.lines import BadValue
from loraruner.data.metadata import SUFFIXES, Captions, normal_name, read_captions
from loraruner.data.samples import Clip, Scan, Skipped
from loraruner.data.silences import cut_at_silences, window_levels
from loraruner.errors import DataInvalid
from loraruner.files import digest_file

MIN_CLIP_S = 0.1
SILENT_DB = -60.0  # below full scale; a whisper beside the microphone is at about -40
MAX_CLIPPED = 0.01
LANGUAGE = re.compile("[a-z]{2,3}")
WHISPER_TASKS = ("transcribe", "translate")

log = logging.getLogger(__name__)


def scan_clips(folder: Path, *, metadata: str | None, max_clip_s: float, split: bool) -> Scan[Clip]:
    """Find every .wav, .flac, .ogg, .oga, .opus and .mp3 below ``folder`` that decodes and has a transcript.

    Transcripts come from the file ``metadata`` (None: metadata.csv or metadata.jsonl where there is one), else from a
    .txt beside the clip. Clips longer than ``max_clip_s`` get several ``pieces`` when ``split``, else they are
    skipped. One clip is in memory at a time. Raises DataInvalid (65) for a file in place of the folder, and what
    ``folders.list_files`` and ``metadata.read_captions`` raise.
    """
    _require_no_file(folder)
    listing = list_files(folder, "clips")
    captions = read_captions(listing.files, metadata, folder, CLIPS)
    skipped = [*listing.skipped, *captions.skipped, *listed_in_vain(captions, listing.files, CLIPS)]
    clips: list[Clip] = []
    num_samples = 0
    for name, path in listing.files.items():
        suffix = path.suffix.lower()
        if suffix not in CLIPS.all_suffixes:
            continue
        try:
            if suffix in CLIPS.foreign_suffixes:
                raise BadValue(f"{suffix} {CLIPS.advice}")
            transcript = text_of(name, captions, listing.files, CLIPS)
            language, whisper_task = _spoken(name, captions)
            audio = _checked(path)
            pieces = _pieces(audio, max_clip_s, split)
            clips.append(Clip(name, path, transcript, digest_file(path).sha256, pieces, language, whisper_task))
            num_samples += len(audio)
        except BadValue as fault:
            skipped.append(Skipped(name, str(fault)))
    _tell(clips, num_samples)
    return Scan(tuple(clips), tuple(sorted(skipped, key=lambda bad: bad.name)))


def open_clip(path: Path, *, max_clip_s: float) -> tuple[Audio, tuple[tuple[int, int], ...]]:
    """One recording without a transcript: its audio (samples,) and the spans to hear one after another.

    Raises InputMissing (66) when it is not there, DataInvalid (65) when it does not decode, is silent or too short, or
    cannot be cut.
    """
    audio = load_audio(path)
    try:
        _require_sound(audio)
        return audio, cut_at_silences(audio, _samples(max_clip_s))
    except BadValue as fault:
        raise DataInvalid(f"{path}: {fault}") from fault


def _require_no_file(folder: Path) -> None:
    if folder.is_file() and folder.suffix.lower() in SUFFIXES:
        raise DataInvalid(
            f"{folder}: this file lists clips and holds none; name its folder in $.data.uri and the file in "
            "$.data.metadata"
        )


def _spoken(name: str, captions: Captions) -> tuple[str | None, str | None]:
    """Language and task of the clip's row."""
    extras = captions.extras.get(normal_name(name), {})
    language, whisper_task = (extras[key].lower() if key in extras else None for key in ("language", "whisper_task"))
    if language is not None and not LANGUAGE.fullmatch(language):
        raise BadValue(f"its language {language[:40]!r} in {captions.source} is no code such as 'en'")
    if whisper_task is not None and whisper_task not in WHISPER_TASKS:
        raise BadValue(f"its task {whisper_task[:40]!r} in {captions.source} is none of {', '.join(WHISPER_TASKS)}")
    return language, whisper_task


def _checked(path: Path) -> Audio:
    recording = read_recording(path)
    _require_sound(recording.audio)
    if recording.clipped > MAX_CLIPPED:
        raise BadValue(
            f"is clipped: {recording.clipped:.1%} of it at full scale, more than {MAX_CLIPPED:.0%}; record it at a "
            "lower level"
        )
    return recording.audio


def _require_sound(audio: Audio) -> None:
    if len(audio) < MIN_CLIP_S * SAMPLE_RATE:
        raise BadValue(f"is shorter than {MIN_CLIP_S:g} s: {len(audio) / SAMPLE_RATE:.3f} s")
    if (level := window_levels(audio).max()) < SILENT_DB:
        raise BadValue(f"is silent: its loudest 20 ms are at {level:.0f} dB, below {SILENT_DB:.0f}")


def _pieces(audio: Audio, max_clip_s: float, split: bool) -> tuple[tuple[int, int], ...]:
    if not split and len(audio) > _samples(max_clip_s):
        raise BadValue(
            f"is {len(audio) / SAMPLE_RATE:.1f} s long, more than {max_clip_s:g} s are heard at once: cut it, or set "
            "$.options.long_clips to split"
        )
    return cut_at_silences(audio, _samples(max_clip_s))


def _samples(seconds: float) -> int:
    return round(seconds * SAMPLE_RATE)


def _tell(clips: list[Clip], num_samples: int) -> None:
    if not clips:
        return
    log.info("clips: %d, %.1f minutes in all", len(clips), num_samples / SAMPLE_RATE / 60)
    if cut := [clip for clip in clips if len(clip.pieces) > 1]:
        log.info("long clips cut at silences: %d, into %d pieces", len(cut), sum(len(clip.pieces) for clip in cut))
