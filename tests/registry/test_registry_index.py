"""The index: a copy that runs keep up to date, that is made again from the store, and that nobody has to trust."""

import json
import logging
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraruner import spec
from loraruner.errors import Fenced, NoPermission, Paused, Preempted
from loraruner.registry import index, list_versions, scan, shards
from loraruner.settings import Settings
from loraruner.spec import Spec
from loraruner.stores import open_store
from tests.support import published, registered

FOLDER = ".registry/v1"


@pytest.fixture
def operator(tmp_path: Path) -> Settings:
    return published.settings(tmp_path / "home")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two names with three versions, and a run that ended without one."""
    registered.write_version(tmp_path / "loras", version="1")
    registered.write_version(tmp_path / "loras", version="2")
    registered.write_version(tmp_path / "loras", "pixel-hero")
    registered.write_failure(tmp_path / "loras")
    return tmp_path / "loras"


def job_of(output: Path, name: str = "neon-style") -> Spec:
    """The job of a name, published below ``output``."""
    document = {**registered.manifest(name)["job"], "output": {"uri": str(output)}}
    return spec.load(json.dumps(document).encode()).spec


def listed(output: Path, operator: Settings) -> list[tuple[str, str]]:
    return [
        (row["name"], row["version"] or row["state"]) for row in list_versions(str(output), operator, all_runs=True)
    ]


EVERYTHING = [("neon-style", "1"), ("neon-style", "2"), ("neon-style", "diverged"), ("pixel-hero", "1")]


def key_of(name: str) -> str:
    return f"{FOLDER}/{shards.key_of(name)}"


def shard(output: Path, name: str = "neon-style") -> Path:
    return output / key_of(name)


def manifests_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on whoever reads the store itself fails the test."""

    def refuse(*arguments: object) -> Any:
        raise AssertionError("the store was read")

    monkeypatch.setattr(scan, "read_rows", refuse)


def test_the_first_list_makes_it(output: Path, operator: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """An output without an index is read itself, in full, and then no more."""
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)
    manifests_unread(monkeypatch)
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)
    shutil.rmtree(operator.cache)
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)


def test_rebuilt_and_kept_up_are_the_same(output: Path, operator: Settings) -> None:
    """What runs and events wrote step by step has the same bytes as an index made at once."""
    index.reindex(str(output), operator)
    registered.write_version(output, version="3")
    index.note_run(job_of(output), operator, "neon-style-run-3")
    registered.write_review(output, version="3")
    index.note_name(str(output), "neon-style", operator)
    kept = {path.name: path.read_bytes() for path in (output / FOLDER).iterdir()}
    shutil.rmtree(output / ".registry")
    assert index.reindex(str(output), operator) == {"uri": str(output), "runs": 5, "versions": 4, "names": 2}
    assert {path.name: path.read_bytes() for path in (output / FOLDER).iterdir()} == kept


def test_the_first_run_of_an_output_begins_it(tmp_path: Path, operator: Settings) -> None:
    """The index is whole from the first run on: nobody has to make it."""
    registered.write_version(tmp_path / "loras")
    index.note_run(job_of(tmp_path / "loras"), operator, "neon-style-run-1")
    assert (tmp_path / f"loras/{FOLDER}/complete.json").exists()
    assert index.read_index(str(tmp_path / "loras"), operator) is not None


def test_a_large_output_is_not_read_at_the_end_of_a_run(
    output: Path, operator: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where thousands of objects lie the run adds itself alone, and the next list makes the index whole."""
    monkeypatch.setattr(index, "FEW_OBJECTS", 3)
    index.note_run(job_of(output), operator, "neon-style-run-1")
    assert not (output / FOLDER / "complete.json").exists()
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)


def test_what_a_kill_left_out_is_found_by_the_next_run(output: Path, operator: Settings) -> None:
    """A version whose run was killed before the index is taken in by the next run of its name."""
    index.reindex(str(output), operator)
    registered.write_version(output, version="3")
    assert ("neon-style", "3") not in listed(output, operator)
    registered.write_failure(output, run_id="neon-style-other", state="failed", exit_code=75)
    index.note_run(job_of(output), operator, "neon-style-other")
    assert {("neon-style", "3"), ("neon-style", "failed")} <= set(listed(output, operator))


def test_one_name_is_read_itself(output: Path, operator: Settings) -> None:
    """The list of a NAME is true whatever the index says."""
    index.reindex(str(output), operator)
    registered.write_version(output, version="3")
    rows = list_versions(f"{output}/neon-style", operator)
    assert [(row["version"], row["latest"]) for row in rows] == [("1", False), ("2", False), ("3", True)]
    assert rows[0]["uri"] == f"{output}/neon-style/versions/1"


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-20])


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])


def fake(path: Path) -> None:
    """A row with a wrong type under a digest that is right."""
    head, *lines = path.read_bytes().splitlines()
    rows = [json.loads(line) for line in lines]
    body = "".join(json.dumps({**row, "steps": "many"}) + "\n" for row in rows).encode()
    import hashlib

    path.write_bytes(
        json.dumps({**json.loads(head), "sha256": hashlib.sha256(body).hexdigest()}).encode() + b"\n" + body
    )


def empty(path: Path) -> None:
    path.write_bytes(b"")


HARMS: list[Callable[[Path], object]] = [cut, flip, fake, empty, Path.unlink]


@pytest.mark.parametrize("harm", HARMS)
def test_damage(output: Path, operator: Settings, harm: Callable[[Path], object]) -> None:
    """A shard that is torn, changed, faked, emptied or gone costs one long list, and is then whole again."""
    index.reindex(str(output), operator)
    before = shard(output).read_bytes()
    harm(shard(output))
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)
    assert shard(output).read_bytes() == before


def test_a_damaged_shard_does_not_stop_a_run(output: Path, operator: Settings) -> None:
    """A run that ends makes its shard again; the rest of it comes back with the next reindex."""
    index.reindex(str(output), operator)
    shard(output).write_bytes(b"{}\n")
    index.note_run(job_of(output), operator, "neon-style-run-1")
    assert ("neon-style", "2") in listed(output, operator)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": 1, "shards": {"00.jsonl": 3}}', "\0"])
def test_a_damaged_cache(output: Path, operator: Settings, text: str) -> None:
    """What this machine kept is only a copy of a copy."""
    index.reindex(str(output), operator)
    listed(output, operator)
    (kept,) = (operator.cache / "registry").iterdir()
    kept.write_text(text)
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)


def test_without_the_right_to_write(
    output: Path, operator: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Somebody who may only read gets the list, and is told why it took long."""

    def refuse(*arguments: object) -> None:
        raise NoPermission("s3://loras/.registry: access denied")

    monkeypatch.setattr(shards, "change", refuse)
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)
    assert "was not written (s3://loras/.registry: access denied)" in caplog.text
    index.note_run(job_of(output), operator, "neon-style-run-1")
    assert "was not brought up to date" in caplog.text


@pytest.mark.parametrize(
    ("error", "noted"), [(None, True), (Paused("p"), True), (Fenced("f"), False), (Preempted("p"), False)]
)
def test_which_ends_are_noted(
    output: Path, operator: Settings, monkeypatch: pytest.MonkeyPatch, error: Exception | None, noted: bool
) -> None:
    """A run that another attempt owns, or that goes on later, is not in the index yet; every other end is."""
    told: list[str] = []
    monkeypatch.setattr(index, "note_run", lambda job, settings, run_id: told.append(run_id))
    try:
        with index.noting(job_of(output), operator, "r"):
            if error:
                raise error
    except type(error or ValueError()):
        pass
    assert told == (["r"] if noted else [])


def test_published_before_repairs_it(output: Path, operator: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that finds its version published adds what is missing, and reads nothing where nothing is."""
    index.reindex(str(output), operator)
    registered.write_version(output, version="3")
    index.note_run(job_of(output), operator, "neon-style-run-3", only_missing=True)
    assert ("neon-style", "3") in listed(output, operator)
    manifests_unread(monkeypatch)
    index.note_run(job_of(output), operator, "neon-style-run-3", only_missing=True)


def test_ends_at_once(tmp_path: Path, operator: Settings) -> None:
    """Runs of many names that end at the same time are all in the index."""
    output, names = tmp_path / "loras", [f"style-{number}" for number in range(12)]
    for name in names:
        registered.write_version(output, name)
    index.note_run(job_of(output, names[0]), operator, f"{names[0]}-run-1")
    shutil.rmtree(output / ".registry")
    (output / FOLDER).mkdir(parents=True)
    threads = [
        threading.Thread(target=index.note_run, args=(job_of(output, name), operator, f"{name}-run-1"))
        for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = {
        row["name"] for key in shards.KEYS for row in shards.read(open_store(f"{output}/{FOLDER}", operator), key).rows
    }
    assert found == set(names)


def test_a_run_that_ends_while_the_index_is_made(
    output: Path, operator: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the store and the writing somebody was quicker: his version stays."""
    index.reindex(str(output), operator)
    original = scan.survey

    def slow(keys: Any) -> Any:
        found = original(list(keys))
        monkeypatch.setattr(scan, "survey", original)
        registered.write_version(output, version="3")
        index.note_run(job_of(output), operator, "neon-style-run-3")
        return found

    monkeypatch.setattr(scan, "survey", slow)
    index.reindex(str(output), operator)
    assert ("neon-style", "3") in listed(output, operator)


def test_full_shards_keep_the_versions(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Where the index gets too large the oldest runs without a version go first, and it is said."""
    rows = [registered.row(), registered.row(version=None), registered.row(version=None, run_id="other", ended="2027")]
    monkeypatch.setattr(shards, "MAX_SHARD_BYTES", 2 * len(json.dumps(registered.row())))
    kept = shards.parsed(shards.written(rows))
    assert [row["run_id"] for row in kept if row["version"] is None] in ([], ["other"])
    assert any(row["version"] for row in kept) and "left out" in caplog.text


def test_fenced_and_preempted_ends_are_no_rows(output: Path, operator: Settings) -> None:
    """Also a rebuilt index has only runs that have ended."""
    for code in (76, 85):
        registered.write_failure(output, run_id=f"goes-on-{code}", state="preempted", exit_code=code)
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)


def test_hostile_names(output: Path, operator: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Folders that no job could make are no names, and a manifest in another name's folder is not listed."""
    caplog.set_level(logging.WARNING)
    registered.write(output / "a b/versions/1/manifest.json", registered.manifest())
    registered.write(output / ".dispatch/x/versions/1/manifest.json", {})
    registered.write(output / "stolen/versions/1/manifest.json", registered.manifest("neon-style"))
    registered.write(output / "neon-style/runs/bad run/status.json", {"state": "failed", "exit_code": 70})
    (output / "neon-style/runs/torn").mkdir()
    (output / "neon-style/runs/torn/status.json").write_text("{")
    assert sorted(listed(output, operator)) == sorted(EVERYTHING)
    assert "'neon-style', its folder is 'stolen'" in caplog.text and "run torn" in caplog.text
