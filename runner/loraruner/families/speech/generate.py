"""Try an adapter: held-out clips of a run, or recordings that a user names, transcribed without and with it in fp32."""

import json
import logging
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch

from loraruner.data.clips import open_clip
from loraruner.data.lines import BadValue
from loraruner.errors import SpecInvalid
from loraruner.families.base import Base, Request, Trial, Trials
from loraruner.families.speech.encoder import States, write_audio
from loraruner.families.speech.error_rates import Normaliser, join_pieces, measure, word_errors
from loraruner.families.speech.items import FRAME_S, Item, options_of, read_items
from loraruner.families.speech.open_base import load_extractor, load_model, load_tokenizer
from loraruner.families.speech.tokens import known_language
from loraruner.families.speech.transcribe import transcribe
from loraruner.files import write_bytes
from loraruner.pretrained.loading import with_adapter
from loraruner.spec import Spec

HELD_OUT_NAME = "transcripts.jsonl"
PROMPTS_NAME = "transcripts.json"
NUM_WORST = 10

_LOG = logging.getLogger(__name__)
Texts = tuple[list[str], list[str]]  # without and with the adapter


def generate(spec: Spec, base: Base, adapter: Path | None, request: Request, folder: Path) -> Trials:
    """Transcripts before and after; without ``adapter`` those after are empty.

    In a run (``request.held_out``) of its held-out clips: all of them in ``transcripts.jsonl``, the ten with the most
    word errors as trials, and the measures ``wer``, ``wer_raw``, ``cer``, ``cer_raw`` (``.before`` and ``.after``).
    Else of the recordings whose paths are the prompts, in ``transcripts.json``. Raises DataInvalid (65) for one that
    cannot be heard, SpecInvalid (64) when nobody says what language is spoken.
    """
    if request.held_out is None:
        return _try_recordings(spec, base, adapter, request, folder) if request.prompts else Trials(())
    index = request.held_out.files.get("evaluation")
    items = read_items(index) if index else ()
    if not items:
        return Trials(())
    tokenizer = load_tokenizer(base)
    before, after = _Listener(spec, base, adapter, tokenizer).hear(items, request.between)
    lines = _lines(items, before, after, tokenizer)
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    write_bytes(folder / HELD_OUT_NAME, text.encode())
    measures = {f"{name}.before": value for name, value in measure(items, before, tokenizer).items()}
    if adapter is not None:
        measures |= {f"{name}.after": value for name, value in measure(items, after, tokenizer).items()}
    worst = sorted(lines, key=_badness)[:NUM_WORST]
    trials = tuple(Trial(line["clip"], line["before"], line["after"], line["reference"]) for line in worst)
    return Trials(trials, (HELD_OUT_NAME,), measures)


def _lines(items: Sequence[Item], before: Sequence[str], after: Sequence[str], tokenizer: Any) -> list[dict[str, Any]]:
    """What ``transcripts.jsonl`` says of each clip."""
    normaliser, lines = Normaliser(tokenizer), []
    for first, second in zip(join_pieces(items, before), join_pieces(items, after), strict=True):
        errors_before, num_words = word_errors(normaliser, first)
        errors_after, _ = word_errors(normaliser, second)
        lines.append(
            {
                "clip": first.clip,
                "reference": first.reference,
                "before": first.text,
                "after": second.text,
                "word_errors_before": errors_before,
                "word_errors_after": errors_after,
                "words": num_words,
            }
        )
    silent = [line["clip"] for line in lines if not line["words"]]
    if silent:
        _LOG.warning(
            "%d held-out transcripts hold no word and count in no error rate, first %s", len(silent), silent[0]
        )
    return lines


def _badness(line: dict[str, Any]) -> tuple[int, float, int, str]:
    """The most word errors after come first, then the highest share of wrong words, then the most errors before."""
    errors = line["word_errors_after"]
    return -errors, -errors / max(line["words"], 1), -line["word_errors_before"], line["clip"]


def _try_recordings(spec: Spec, base: Base, adapter: Path | None, request: Request, folder: Path) -> Trials:
    tokenizer = load_tokenizer(base)
    with tempfile.TemporaryDirectory(prefix="loraruner-clips-") as scratch:
        pieces = _open(spec, request.prompts, tokenizer, Path(scratch))
        before, after = _Listener(spec, base, adapter, tokenizer).hear(pieces, request.between)
    joined = zip(join_pieces(pieces, before), join_pieces(pieces, after), strict=True)
    trials = tuple(Trial(first.clip, first.text, second.text) for first, second in joined)
    rows = [{"clip": trial.prompt, "before": trial.before, "after": trial.after} for trial in trials]
    text = json.dumps({"trials": rows}, indent=2, ensure_ascii=False) + "\n"
    write_bytes(folder / PROMPTS_NAME, text.encode())
    return Trials(trials, (PROMPTS_NAME,))


def _open(spec: Spec, paths: Sequence[str], tokenizer: Any, scratch: Path) -> list[Item]:
    """The pieces of recordings, each named once, as files of audio in ``scratch``."""
    options = options_of(spec)
    try:
        language = known_language(tokenizer, options.language, options.whisper_task)
    except BadValue as fault:
        raise SpecInvalid(f"$.options.language, or infer --language: {fault}") from fault
    items: list[Item] = []
    for path in dict.fromkeys(paths):
        audio, spans = open_clip(Path(path), max_clip_s=options.encoder_frames * FRAME_S)
        for place, (begin, end) in enumerate(spans, start=1):
            file = scratch / f"{len(items)}.safetensors"
            write_audio(file, audio[begin:end])
            name = path if place == 1 else f"{path}#{place}"
            items.append(Item(name, path, "", (), language, options.whisper_task, file))
    return items


class _Listener:
    """A fresh base with the adapter, in fp32 on the GPU where there is one."""

    def __init__(self, spec: Spec, base: Base, adapter: Path | None, tokenizer: Any) -> None:
        self._tokenizer, self._options = tokenizer, options_of(spec)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model: Any = load_model(base, device=device, dtype="float32")
        self._states = States(self._model, load_extractor(base), self._options.encoder_frames)
        self._adapted: Any = None
        if adapter is not None:  # puts its layers into the model itself
            self._adapted = with_adapter(self._model, adapter)

    def hear(self, items: Sequence[Item], between: Callable[[], None]) -> Texts:
        """What each piece says, without and with the adapter."""
        with self._adapted.disable_adapter() if self._adapted is not None else nullcontext():
            before = self._transcripts(items, between)
        after = self._transcripts(items, between) if self._adapted is not None else [""] * len(items)
        return before, after

    def _transcripts(self, items: Sequence[Item], between: Callable[[], None]) -> list[str]:
        limit = self._options.max_new_tokens
        return transcribe(self._model, self._tokenizer, items, self._states, max_new_tokens=limit, between=between)
