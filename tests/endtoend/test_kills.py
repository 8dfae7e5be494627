"""Runs killed at random instants of every stage: the store stays whole, and every run publishes the right bytes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from loraruner.training.checkpoints import write_checkpoint
from loraruner.training.state import Snapshot
from tests.support.shown import differences, faults
from tests.support.user import ROOT

NUM_KILLS = 50
SEED = 1000
LONG_STAGES = {"prepare", "train", "export", "sample", "report", "publish"}
CHECKPOINT = "runs/tiny-1/checkpoints/e0001-step-000001"
OUTCOME = {"tensors": {"a": "00"}, "losses": {"1": 0.5}, "state": "published", "version": "1", "released": True}


@pytest.mark.slow
def test_nothing_is_lost() -> None:
    """Fifty kills, after each of which every checkpoint and version loads; the tensors are those of a straight run."""
    command = [sys.executable, "bench/soak.py", "--kills", str(NUM_KILLS), "--seed", str(SEED), "--no-record"]
    done = subprocess.run(command, cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    tally = json.loads(done.stdout)
    assert tally["survived"] >= NUM_KILLS and tally["lost"] == 0 and tally["faults"] == []
    assert tally["by_stage"].keys() >= LONG_STAGES, tally["by_stage"]
    assert tally["attempts"] > tally["survived"] and tally["seed_next"] == SEED + tally["runs"]


def flip_a_bit(store: Path) -> None:
    path = store / CHECKPOINT / "adapter.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        pytest.param(flip_a_bit, "does not load", id="a flipped bit"),
        pytest.param(lambda store: (store / CHECKPOINT / "state.json").unlink(), "does not load", id="a missing file"),
        pytest.param(lambda store: (store / "runs/tiny-1/status.json").write_text('{"st'), "is torn", id="half JSON"),
        pytest.param(
            lambda store: (store / "latest.json").write_text('{"version": "1"}'), "does not lead", id="a loose pointer"
        ),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, harm: Callable[[Path], None], told: str) -> None:
    """The look at the store sees each kind of harm, and nothing in a store that is whole."""
    tensors = {"weight": torch.zeros(2)}
    write_checkpoint(tmp_path / CHECKPOINT, Snapshot(step=1, adapter=tensors, optimizer=tensors, state={}))
    assert faults(str(tmp_path)) == []
    harm(tmp_path)
    assert any(told in fault for fault in faults(str(tmp_path)))


def test_a_manifest_without_its_files_is_found(tmp_path: Path) -> None:
    """A version that looks published and is not whole."""
    manifest = tmp_path / "versions/1/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"version": "1"}')
    assert any("version 1 is not whole" in fault for fault in faults(str(tmp_path)))


@pytest.mark.parametrize("key", list(OUTCOME))
def test_each_difference_is_found(key: str) -> None:
    """Other tensors, losses, state, version, or a lease that is held still."""
    other = {**OUTCOME, key: {"a": "01"} if key in ("tensors", "losses") else "another"}
    assert differences(OUTCOME, OUTCOME) == []
    assert key in " ".join(differences(OUTCOME, other))
