"""A process that measures pictures: paths on its stdin, one answer a line on its stdout, until stdin ends.

    python -P -m loraruner.data.quality.picture_worker

A path is a JSON string, an answer a JSON object: the fields of ``Measured``, or ``fault`` with the reason why not.
"""

import json
import os
import signal
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import TextIO

from loraruner.data.lines import BadValue
from loraruner.data.quality.picture_measures import Measured, measure


def main() -> None:
    """Answer one line after the other, each at once: so it is known which picture has ended a process."""
    for number in (signal.SIGINT, signal.SIGTERM):  # they are for the parent, whose end closes stdin
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody listens any more: the end, without a word
    warnings.simplefilter("ignore")  # Pillow's, of pictures that are refused anyway
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="ascii")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    serve(sys.stdin, answers)


def serve(questions: TextIO, answers: TextIO) -> None:
    """Answer every question until there are no more."""
    for line in questions:
        answers.write(f"{written(look_at(Path(json.loads(line))))}\n")
        answers.flush()


def look_at(path: Path) -> Measured | str:
    """What was measured, or the reason why the picture can't be read."""
    try:
        return measure(path)
    except BadValue as fault:
        return str(fault)


def question(path: Path) -> str:
    """A path as one line of ASCII, whatever its bytes are."""
    return json.dumps(str(path))


def written(measured: Measured | str) -> str:
    """An answer as one line of ASCII."""
    if isinstance(measured, str):
        return json.dumps({"fault": measured})
    return json.dumps(asdict(measured) | {"thumbnail": measured.thumbnail.hex()})


def read(line: str) -> Measured | str:
    """The answer that ``written`` wrote."""
    answer = json.loads(line)
    if "fault" in answer:
        return str(answer["fault"])
    return Measured(**answer | {"thumbnail": bytes.fromhex(answer["thumbnail"])})


if __name__ == "__main__":
    main()
