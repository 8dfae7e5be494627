"""Checkpoints: what is damaged is never used, what is old goes last, what is forbidden is said."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from loraruner.errors import InputMissing, IntegrityError, NoPermission
from loraruner.training.checkpoints import FILES, Shelf, fetch_foreign
from loraruner.training.state import Snapshot
from tests.support.recording_store import RecordingStore

PREFIX = "runs/r/checkpoints/"
NEWEST = "e0001-step-000002"


def snapshot(step: int) -> Snapshot:
    tensors = {"a": torch.full((4,), float(step))}
    return Snapshot(step, tensors, {"exp_avg": tensors["a"] * 2}, {"progress": {"step": step}})


@pytest.fixture
def store(tmp_path: Path) -> RecordingStore:
    return RecordingStore(tmp_path / "store")


@pytest.fixture
def shelf(tmp_path: Path, store: RecordingStore) -> Shelf:
    """Steps 1 and 2 are committed, and lie here and in the store."""
    shelf = Shelf(tmp_path / "local", store, PREFIX, epoch=1, keep=2)
    for step in (1, 2):
        shelf.commit(snapshot(step))
    return shelf


def folders(tmp_path: Path) -> list[Path]:
    return [tmp_path / "local" / NEWEST, tmp_path / "store" / PREFIX / NEWEST]


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def step_of(shelf: Shelf) -> int:
    found = shelf.newest()
    assert found is not None
    torch.testing.assert_close(found.adapter["a"], torch.full((4,), float(found.step)))
    return found.step


def test_there_and_back(shelf: Shelf) -> None:
    """What was committed comes back: tensors of both files, state and step."""
    found = shelf.newest()
    assert found is not None
    assert (found.step, found.state) == (2, {"progress": {"step": 2}})
    torch.testing.assert_close(found.optimizer["exp_avg"], torch.full((4,), 4.0))


def test_without_any_there_is_none(tmp_path: Path, store: RecordingStore) -> None:
    """A new run has no checkpoint, and that is no error."""
    assert Shelf(tmp_path / "local", store, PREFIX, epoch=1, keep=2).newest() is None


def test_an_empty_workspace_fetches(shelf: Shelf, tmp_path: Path) -> None:
    """Another machine finds the newest one in the store."""
    assert step_of(replace(shelf, local=tmp_path / "elsewhere")) == 2


@pytest.mark.parametrize("file", FILES)
def test_a_flipped_bit_falls_back(shelf: Shelf, tmp_path: Path, file: str, caplog: pytest.LogCaptureFixture) -> None:
    """One changed bit in any file, in both copies, is told, and the checkpoint before it is used."""
    for folder in folders(tmp_path):
        flip(folder / file)
    assert step_of(shelf) == 1
    assert f"{file}: content differs from its digest" in caplog.text


@pytest.mark.parametrize("file", FILES)
def test_a_missing_file_falls_back(shelf: Shelf, tmp_path: Path, file: str) -> None:
    """A file that is gone from both copies costs that checkpoint alone."""
    for folder in folders(tmp_path):
        (folder / file).unlink()
    assert step_of(shelf) == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"step": 2}', '{"step": 2, "files": []}', "\ud800"])
def test_a_bad_manifest_falls_back(shelf: Shelf, tmp_path: Path, text: str) -> None:
    """A manifest that is cut, of another form, or silent on a file vouches for nothing."""
    for folder in folders(tmp_path):
        (folder / "manifest.json").write_bytes(text.encode(errors="surrogatepass"))
    assert step_of(shelf) == 1


def test_a_damaged_local_copy_is_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    """When only the copy on this disk is damaged, the store's copy of the same step is used."""
    flip(tmp_path / "local" / NEWEST / "adapter.safetensors")
    assert step_of(shelf) == 2


def test_a_local_checkpoint_counts(shelf: Shelf, tmp_path: Path) -> None:
    """One that never reached the store is used where it lies."""
    for path in (tmp_path / "store" / PREFIX / NEWEST).iterdir():
        path.unlink()
    assert step_of(shelf) == 2


def test_nothing_verifies(shelf: Shelf, tmp_path: Path, store: RecordingStore) -> None:
    """When every copy is damaged the run ends with 74, and nothing is deleted."""
    damaged = [*tmp_path.glob("local/*/state.json"), *(tmp_path / "store").rglob("state.json")]
    for path in damaged:
        flip(path)
    with pytest.raises(IntegrityError, match=r"none of the 2 checkpoints .* verifies; nothing was deleted"):
        shelf.newest()
    assert len(damaged) == 4 and all(path.exists() for path in damaged)
    assert store.done("delete") == []


def test_epochs_go_before_steps(shelf: Shelf) -> None:
    """A later attempt's step 1 is newer than an earlier one's step 2."""
    replace(shelf, epoch=2).commit(snapshot(1))
    assert step_of(shelf) == 1


def test_half_a_checkpoint_is_none(shelf: Shelf, store: RecordingStore) -> None:
    """Without its manifest, which is uploaded last, a checkpoint is not there."""
    assert [key.rsplit("/", 1)[1] for key in store.done("upload")[:4]] == [*FILES, "manifest.json"]
    store.faults[f"upload {PREFIX}e0001-step-000003/manifest.json"] = NoPermission("no")
    with pytest.raises(NoPermission):
        shelf.commit(snapshot(3))
    assert step_of(replace(shelf, local=shelf.local / "empty")) == 2


def test_retention(shelf: Shelf, store: RecordingStore, tmp_path: Path) -> None:
    """The newest ``keep`` stay; an old one goes after the new one is whole, its manifest first."""
    store.calls.clear()
    shelf.commit(snapshot(3))
    changes = [line.split(PREFIX)[1] for line in store.calls if line.startswith(("upload", "delete"))]
    new, old = "e0001-step-000003", "e0001-step-000001"
    assert changes == [f"{new}/{f}" for f in (*FILES, "manifest.json")] + [
        f"{old}/{f}" for f in ("manifest.json", *FILES)
    ]
    assert sorted(path.name for path in (tmp_path / "local").iterdir()) == [NEWEST, new]
    assert {info.key.split("/")[3] for info in store.list(PREFIX)} == {NEWEST, new}


def placed(step: int, rollbacks: int = 0, anchor: tuple[int, int] = (0, 0), candidate: int | None = None) -> Snapshot:
    """A snapshot that a roll-back would leave for ``anchor``."""
    progress = {"step": step, "rollbacks": rollbacks, "anchor": list(anchor), "candidate_step": candidate}
    tensors = {"a": torch.full((4,), float(step))}
    return Snapshot(step, tensors, {"exp_avg": tensors["a"]}, {"progress": progress})


def test_what_a_rollback_needs_stays(shelf: Shelf, store: RecordingStore) -> None:
    """Anchor and candidate outlive ``keep``, here and in the store, until a newer one takes their place."""
    for each in (placed(3, candidate=3), placed(4, anchor=(0, 3)), placed(5, anchor=(0, 3)), placed(6, anchor=(0, 3))):
        shelf.commit(each)
    kept = {"e0001-step-000003", "e0001-step-000005", "e0001-step-000006"}
    assert shelf._remote_names() == shelf._local_names() == kept
    shelf.commit(placed(7, anchor=(0, 6)))
    assert shelf._remote_names() == shelf._local_names() == {"e0001-step-000006", "e0001-step-000007"}


def test_of_several_attempts_one_copy_is_enough(shelf: Shelf, tmp_path: Path) -> None:
    """The newest attempt's checkpoint of a place stands for the older ones."""
    for epoch in (1, 2):
        replace(shelf, epoch=epoch).commit(placed(3, candidate=3))
    third = replace(shelf, epoch=3, keep=1)
    third.commit(placed(5, anchor=(0, 3)))
    assert third._remote_names() == {"e0002-step-000003", "e0003-step-000005"}


def test_a_rollback_goes_before_steps(shelf: Shelf, tmp_path: Path) -> None:
    """What was saved after a roll-back is newer than what it gave up; a later attempt is newer than both."""
    shelf.commit(placed(1, rollbacks=1, anchor=(1, 1)))
    assert (tmp_path / "local/e0001-r01-step-000001").exists() and step_of(shelf) == 1
    replace(shelf, epoch=2).commit(placed(9, anchor=(1, 1)))
    assert step_of(shelf) == 9


def test_a_place_is_found_or_not(shelf: Shelf, tmp_path: Path) -> None:
    """In the store when it is not here; None where it was never saved, or no copy verifies."""
    shelf.commit(placed(3, rollbacks=2, anchor=(2, 3)))
    elsewhere = replace(shelf, local=tmp_path / "elsewhere")
    found = elsewhere.at((2, 3))
    assert found is not None and found.step == 3
    assert elsewhere.at((0, 3)) is None and elsewhere.at((2, 4)) is None
    for root in ("local", "elsewhere", f"store/{PREFIX}"):
        flip(tmp_path / root / "e0001-r02-step-000003/state.json")
    assert elsewhere.at((2, 3)) is None


def test_no_permission_is_not_no_checkpoint(shelf: Shelf, store: RecordingStore) -> None:
    """A store that may not be listed is 77; the run must not begin anew."""
    store.faults[f"list {PREFIX}"] = NoPermission("403")
    with pytest.raises(NoPermission):
        shelf.newest()


def test_a_foreign_checkpoint(shelf: Shelf, tmp_path: Path) -> None:
    """A checkpoint is fetched by its address; absent it is 66, damaged it is 74 and names the field."""
    address = tmp_path / "store" / PREFIX / NEWEST
    assert fetch_foreign(RecordingStore(address), tmp_path / "foreign").step == 2
    flip(address / "optimizer.safetensors")
    with pytest.raises(IntegrityError, match=r"\$\.checkpoint\.resume: .*optimizer.safetensors: content differs"):
        fetch_foreign(RecordingStore(address), tmp_path / "foreign")
    with pytest.raises(InputMissing):
        fetch_foreign(RecordingStore(tmp_path / "nowhere"), tmp_path / "foreign")


def test_the_manifest_lists_every_file(shelf: Shelf, tmp_path: Path) -> None:
    """Name, size and digest of all three files."""
    manifest = json.loads((tmp_path / "local" / NEWEST / "manifest.json").read_text())
    assert [entry["name"] for entry in manifest["files"]] == list(FILES)
    assert all(len(entry["sha256"]) == 64 and entry["size"] > 0 for entry in manifest["files"])
