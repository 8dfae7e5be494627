"""A store that goes away for good after so many changes, as a run's does when its process is killed."""

from pathlib import Path

from loraruner.errors import NoPermission
from tests.support.recording_store import RecordingStore

CHANGES = ("write", "upload", "delete")


class MortalStore(RecordingStore):
    """``life`` changes are made, all others are refused; None lives for ever."""

    def __init__(self, folder: Path, life: int | None = None) -> None:
        super().__init__(folder)
        self.life = life

    def _note(self, verb: str, key: str) -> None:
        super()._note(verb, key)
        if verb in CHANGES and self.life is not None:
            if self.life == 0:
                raise NoPermission("killed")
            self.life -= 1
