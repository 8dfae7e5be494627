"""Dispatched runs on this machine: one child process after the other, and whether a run is under way anywhere."""

import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from loraruner.stores.base import Store
from loraruner.stores.documents import read_document
from loraruner.workspace import RunKeys

JOB_FILE = "job.json"
MAX_RESULT_BYTES = 1 << 20
# Eight heartbeats of status.json, or four of its longest ones.
SILENT_S = 120.0


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code and the result that it printed, empty without one."""

    code: int
    result: Mapping[str, Any]


class Children:
    """Runs one training after the other in a process of its own; SIGTERM and SIGINT are passed on to it.

    ``options`` are global ones of the command line, such as ``--log-level warning``.
    """

    def __init__(self, options: Sequence[str] = ()) -> None:
        self.stopped, self._options = False, tuple(options)
        self._child: subprocess.Popen[bytes] | None = None

    @contextmanager
    def stoppable(self) -> Iterator[None]:
        """Take SIGTERM and SIGINT: the child ends in order (85), and ``stopped`` says that no other may begin."""
        if threading.current_thread() is not threading.main_thread():  # only there Python hears signals
            yield
            return
        before = {number: signal.signal(number, self._stop) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped = True
        if self._child:
            with suppress(ProcessLookupError):
                self._child.send_signal(signal.SIGTERM)

    def train(self, job: Mapping[str, Any], run_id: str) -> Ended:
        """``loraruner train`` for a job, to its end. What it logs goes where this process logs."""
        with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out:
            path = Path(folder, JOB_FILE)
            path.write_text(json.dumps(job, indent=1), encoding="utf-8")
            words = ("train", str(path), "--run-id", run_id, "--format", "json")
            command = [sys.executable, "-m", "loraruner", *self._options, *words]
            # A session of its own: Ctrl-C reaches this process alone, which passes it on once.
            self._child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, start_new_session=True)
            try:
                if self.stopped:  # between the last look and the start
                    self._child.send_signal(signal.SIGTERM)
                code = self._child.wait()
            finally:
                self._child = None
            out.seek(0)
            return Ended(code if code >= 0 else 128 - code, _result(out.read(MAX_RESULT_BYTES)))


def _result(text: bytes) -> Mapping[str, Any]:
    with suppress(ValueError, RecursionError):
        found = json.loads(text)
        if isinstance(found, dict):
            return found
    return {}


def is_under_way(store: Store, name: str, run_id: str) -> bool:
    """Whether a run of the adapter ``name`` says that it is running, and has said so lately."""
    key = f"{name}/{RunKeys(run_id).status}"
    if store.head(key) is None:
        return False
    status, _ = read_document(store, key, {})
    if status.get("state") != "running":
        return False
    if (age_s := store.age_s(key)) is not None:
        return age_s < SILENT_S
    try:
        updated = datetime.fromisoformat(str(status.get("updated")))
        return (datetime.now(UTC) - updated).total_seconds() < SILENT_S
    except (ValueError, TypeError):
        return True  # nobody can tell; whoever starts it anyway waits for its lease
