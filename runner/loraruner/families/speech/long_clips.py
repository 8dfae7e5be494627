"""Transcripts of long clips, divided among their pieces by what the base hears in each; heard once and cached."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loraruner import seals
from loraruner.families.speech.divide import divide_transcript
from loraruner.families.speech.encoder import States
from loraruner.families.speech.items import Item
from loraruner.families.speech.pieces import Listener, digest_of

HEARD_TOKENS = 224  # of one piece at most: a third more than fast speech fills in 30 s

log = logging.getLogger(__name__)


def divide(
    transcript: str, untold: Sequence[Item], folder: Path, listener: Listener, tokenizer: Any
) -> tuple[str, ...]:
    """The part of a clip's ``transcript`` that is said in each of its pieces ``untold`` (without labels), in order.

    Raises BadValue when too little of the transcript is heard to tell. The base's own words are kept in ``folder``, in
    a file named by all that shapes them, so that a second run needs no model.
    """
    return divide_transcript(transcript, _heard(untold, folder, listener, tokenizer))


def _heard(untold: Sequence[Item], folder: Path, listener: Listener, tokenizer: Any) -> list[str]:
    """What the base hears in each piece, from the cache where it is there and whole.

    The pieces' files stand for their sound, and for how its states are had: stored ones are rounded.
    """
    told, files = (untold[0].language, untold[0].whisper_task), [item.file.stem for item in untold]
    path = folder / f"{digest_of('heard', files, *listener.key, *told, HEARD_TOKENS)}.json"
    heard = _read(path, len(untold))
    if heard is None:
        from loraruner.families.speech.transcribe import transcribe

        states = States(listener.model, listener.extractor, listener.frames)
        heard = transcribe(listener.model, tokenizer, untold, states, max_new_tokens=HEARD_TOKENS)
        seals.write_json(path, heard)
    return heard


def _read(path: Path, num_pieces: int) -> list[str] | None:
    """The texts of a file, or None when it is missing or damaged."""
    texts = seals.read_json(path)
    if texts is None:
        return None
    if not isinstance(texts, list) or len(texts) != num_pieces or not all(isinstance(text, str) for text in texts):
        log.warning("%s is damaged and is made anew", path)
        return None
    return texts
