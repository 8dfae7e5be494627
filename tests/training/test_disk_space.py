"""A disk that gets too small while a run trains: it ends in order after a checkpoint, and goes on from there."""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import pytest
from torch import Tensor

from loraruner.disk_guard import MARGIN_BYTES, DiskGuard
from loraruner.errors import EnvironmentUnfit
from loraruner.families.base import Draw
from tests.support.tiny_training import TinyRun, TinyTrainable, assert_same_bits, job


class Patient(TinyTrainable):
    """Begins the second step only when the worker has taken the first checkpoint."""

    taken: threading.Event

    def collate(self, indices: Sequence[int], draw: Draw, part: str = "train") -> tuple[Tensor, Tensor, Tensor]:
        if draw.step == 1:
            assert self.taken.wait(30)
        return super().collate(indices, draw, part)


def test_no_room_for_the_next_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """78 with the place, once a checkpoint is committed; with room the next attempt computes the same bits."""
    straight, short = TinyRun(tmp_path / "a"), TinyRun(tmp_path / "b")
    long = job(training__max_steps=6, checkpoint__every_s=0)
    straight.attempt(long, TinyTrainable(dropout=0.5))
    short.disks = DiskGuard({"LORARUNER_WORKDIR": tmp_path})
    trainable = Patient(dropout=0.5)
    trainable.taken = threading.Event()
    short.ship = lambda workspace: trainable.taken.set()
    with monkeypatch.context() as full:
        full.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=MARGIN_BYTES + 1, f_frsize=1, f_files=0))
        with pytest.raises(
            EnvironmentUnfit, match=r"LORARUNER_WORKDIR: .* nearly full: .* and the next checkpoint wants"
        ):
            short.attempt(long, trainable)
    assert short.checkpoints()[0] == "e0001-step-000001"
    assert short.attempt(long, TinyTrainable(dropout=0.5)).resumed_step >= 1
    assert_same_bits(straight, short)
