"""Speaks the dialect example's clips: the sentences of a clock repair shop, in a creaking, fast voice.

    python examples/dialect/make_clips.py [FOLDER]

Needs ``espeak-ng``. Writes ``clips/`` (to train on) and ``heldout/`` (to measure on) beside this file or into FOLDER,
each with its ``metadata.csv``. The sentences are the same every time: a held-out one is never trained on, but every
word of it is. Runs of one espeak-ng sound alike; the bytes differ, since an Ogg stream has a random serial number.
"""

import csv
import io
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import soundfile
import soxr

FOLDER = Path(__file__).parent
VOICE, WORDS_PER_MINUTE = "en-us+croak", 200
SAMPLE_RATE = 16_000
NUM_CLIPS, NUM_HELDOUT = 180, 60
SEED = 5
OPUS_LEVEL = 0.9  # libsndfile's scale from 0 (256 kbit/s) to 1 (6 kbit/s): about 24 kbit/s

SLOTS = {
    "part": (
        "mainspring",
        "escape wheel",
        "pallet fork",
        "balance staff",
        "hairspring",
        "winding arbor",
        "crown wheel",
        "click spring",
        "strike train",
        "minute pinion",
        "fusee chain",
        "suspension spring",
    ),
    "clock": ("cuckoo clock", "carriage clock", "mantel clock", "longcase clock", "regulator", "torsion clock"),
    "fault": ("worn", "bent", "cracked", "rusted", "gummed up", "out of beat", "magnetized", "seized"),
    "tool": ("pin vise", "bushing reamer", "brass brush", "staking set", "depthing tool", "oil cup", "eye loupe"),
    "work": ("peg out", "polish", "burnish", "ream", "true up", "demagnetize", "let down"),
    "place": ("back plate", "barrel bridge", "dial side", "lower pivot", "cannon pinion", "upper jewel"),
    "supply": ("pivot oil", "mainspring grease", "rouge paste", "pegwood", "taper pins", "shellac"),
    "amount": ("a drop", "a trace", "a dab", "a film"),
    "person": ("Agnes", "Tobias", "Wendell", "the apprentice"),
    "time": ("before lunch", "by Thursday", "after closing", "tonight"),
    "amiss": ("shake", "endplay", "backlash", "drag"),
}
TEMPLATES = (
    "The {part} in the {clock} is {fault}.",
    "Please {work} the {part} {time}.",
    "Take the {tool} and {work} the {part}.",
    "Put {amount} of {supply} on the {place}.",
    "There is too much {amiss} in the {part}.",
    "{person} will {work} the {place} of the {clock}.",
    "Check the {place} for {amiss} with the {tool}.",
    "The {clock} stopped because the {part} was {fault}.",
    "Did {person} order the {part} for the {clock}?",
    "Never use {supply} on the {part}.",
    "Hand me the {tool} and the {supply}.",
    "The {place} looks {fault}, so ask {person}.",
    "Fit a new {part} {time}, then test the {clock}.",
    "I hear {amiss} near the {place} of the {clock}.",
)


def words(sentence: str) -> set[str]:
    """The words of a sentence in small letters."""
    return set(re.findall(r"[a-z']+", sentence.lower()))


def sentences() -> tuple[list[str], list[str]]:
    """The sentences to train on and the held-out ones: all different, no held-out word untrained."""
    chance = random.Random(SEED)
    trained = _draw(chance, NUM_CLIPS, known=None, used=set())
    known = {word for sentence in trained for word in words(sentence)}
    return trained, _draw(chance, NUM_HELDOUT, known=known, used=set(trained))


def _draw(chance: random.Random, number: int, *, known: set[str] | None, used: set[str]) -> list[str]:
    """``number`` sentences outside ``used``, the templates in turn; with ``known``, of known words only."""
    found: list[str] = []
    while len(found) < number:
        filling = {slot: chance.choice(choices) for slot, choices in SLOTS.items()}
        sentence = TEMPLATES[len(found) % len(TEMPLATES)].format(**filling)
        sentence = sentence[0].upper() + sentence[1:]
        if sentence not in used and (known is None or words(sentence) <= known):
            used.add(sentence)
            found.append(sentence)
    return found


def speak(sentence: str, path: Path) -> None:
    """Write one clip: 16 kHz, one channel, Opus in an Ogg stream."""
    wave = path.with_suffix(".wav")
    try:
        command = ["espeak-ng", "-v", VOICE, "-s", str(WORDS_PER_MINUTE), "-w", str(wave), sentence]
        subprocess.run(command, check=True)
        audio, rate = soundfile.read(io.BytesIO(wave.read_bytes()), dtype="float32")
    finally:
        wave.unlink(missing_ok=True)
    audio = soxr.resample(audio, rate, SAMPLE_RATE)
    soundfile.write(path, audio, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=OPUS_LEVEL)


def write_set(folder: Path, spoken: Sequence[str]) -> None:
    """Write the clips of some sentences, numbered, and the table of who says what."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [(f"{number:03d}.ogg", sentence) for number, sentence in enumerate(spoken)]
    for name, sentence in rows:
        speak(sentence, folder / name)
    with (folder / "metadata.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream, lineterminator="\n").writerows([("file_name", "transcription"), *rows])


def main(arguments: list[str]) -> int:
    """Write both sets; 1 with one line when espeak-ng is not installed."""
    if shutil.which("espeak-ng") is None:
        print("espeak-ng: not found on PATH; install it (Debian: apt install espeak-ng)", file=sys.stderr)
        return 1
    folder = Path(arguments[0]) if arguments else FOLDER
    for name, spoken in zip(("clips", "heldout"), sentences(), strict=True):
        write_set(folder / name, spoken)
        print(f"{folder / name}: {len(spoken)} clips")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
