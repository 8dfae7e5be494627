"""A disk that gets full at any write point: 78 and one sentence, nothing torn, and the same job publishes with room."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import full_disk
from tests.support.user import LEFT_OVERS, Told, User, assert_refused, write_job

JOB = ("training.max_steps=6", "checkpoint.every_steps=2", 'sampling.prompts=["colour 1"]')
CACHE, WORK, OUTPUT = "LORARUNER_CACHE", "LORARUNER_WORKDIR", "$.output.uri"
Attempt = Callable[[str, int, str], Told]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    full_disk.require_namespaces()


@pytest.fixture
def user(capsys: pytest.CaptureFixture[str]) -> User:
    return User(capsys)


def tensors(folder: Path) -> dict[str, bytes]:
    """What stands after the header of each file of weights of version 1."""
    files = {path.name: path.read_bytes() for path in folder.glob("out/tiny/versions/1/*.safetensors")}
    return {name: data[8 + int.from_bytes(data[:8], "little") :] for name, data in files.items()}


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> dict[str, bytes]:
    """The tensors of the run that always had room."""
    folder = tmp_path_factory.mktemp("straight")
    settings = [part for each in JOB for part in ("--set", each)]
    places = {CACHE: str(folder / "cache"), WORK: str(folder / "work")}
    job = write_job(folder, tiny_base)
    told = full_disk.run(folder / "elsewhere", 1 << 20, "never", ["train", str(job), *settings], places)
    assert told.code == 0, told.err
    found = tensors(folder)
    assert len(found) == 3
    return found


@pytest.fixture
def attempt(tmp_path: Path, tiny_base: Path) -> Attempt:
    """An attempt at one job where ``place`` is a small disk."""
    job = write_job(tmp_path, tiny_base)
    settings = [part for each in JOB for part in ("--set", each)]
    places = {CACHE: tmp_path / "cache", WORK: tmp_path / "work", OUTPUT: tmp_path / "out"}
    environment = {name: str(places[name]) for name in (CACHE, WORK)}

    def run(place: str, num_bytes: int, moment: str) -> Told:
        return full_disk.run(places[place], num_bytes, moment, ["train", str(job), *settings], environment)

    return run


def assert_full(told: Told, folder: Path, *parts: str) -> None:
    """78 in one sentence that names the place and what to do; no version is there, and nothing half-made."""
    assert_refused(told, 78, "ENVIRONMENT", "disk", "free", str(folder), *parts)
    assert "Traceback" not in told.err
    assert not list(folder.glob("out/tiny/versions/*/manifest.json")) and not (folder / "out/tiny/latest.json").exists()
    assert [path for path in folder.rglob("*") if path.name.endswith(LEFT_OVERS)] == []


def assert_goes_on(user: User, folder: Path, expected: dict[str, bytes]) -> None:
    """The same job, once there is room, publishes the tensors of the run that always had it."""
    told = user.train(folder / "job.json", *JOB)
    assert told.code == 0, told.err
    assert tensors(folder) == expected


@pytest.mark.parametrize(
    ("place", "sizes_kib"),
    [(CACHE, (4, 64, 1024)), (WORK, (4, 64, 1024, 12 * 1024)), (OUTPUT, (4, 16, 64, 1024))],
    ids=["cache", "workdir", "output"],
)
def test_a_ladder_of_small_disks(
    attempt: Attempt, user: User, tmp_path: Path, expected: dict[str, bytes], place: str, sizes_kib: tuple[int, ...]
) -> None:
    """Whatever the size, an attempt either ends with 78, or has published; what it leaves is good to go on from."""
    for kib in sizes_kib:
        told = attempt(place, kib << 10, "never")
        if told.code == 0:
            break
        assert_full(told, tmp_path)
    assert_goes_on(user, tmp_path, expected)


@pytest.mark.parametrize(
    ("place", "moment", "left_bytes"),
    [
        (CACHE, "stage fetch", 0),
        (CACHE, "stage prepare", 8 << 10),
        (WORK, "step 1", 0),
        (WORK, "step 3", 16 << 10),
        (WORK, "stage train", 0),
        (WORK, "stage export", 0),
        (WORK, "stage sample", 4 << 10),
        (WORK, "stage report", 8 << 10),
        (OUTPUT, "step 1", 0),
        (OUTPUT, "step 3", 16 << 10),
        (OUTPUT, "stage publish", 32 << 10),
    ],
)
def test_no_room_at_a_write(
    attempt: Attempt,
    user: User,
    tmp_path: Path,
    expected: dict[str, bytes],
    place: str,
    moment: str,
    left_bytes: int,
) -> None:
    """Without the guard the operating system refuses a write in the middle of a stage: in order all the same."""
    told = attempt(place, left_bytes, f"unguarded {moment}")
    if told.code:
        assert_full(told, tmp_path)
    assert told.code or place == CACHE  # what the cache has it needs to write no more
    assert_goes_on(user, tmp_path, expected)


@pytest.mark.parametrize("place", [CACHE, WORK, OUTPUT])
def test_the_guard_comes_first(
    attempt: Attempt, user: User, tmp_path: Path, expected: dict[str, bytes], place: str
) -> None:
    """A disk that is nearly full ends the run at the next stage or checkpoint, by name, with a state to resume from."""
    moment = "stage prepare" if place == CACHE else "step 3"
    assert_full(attempt(place, 4 << 20, moment), tmp_path, place, "is nearly full", "start the same job again")
    if moment == "step 3":
        assert list(tmp_path.glob("out/tiny/runs/*/checkpoints/*/manifest.json"))
    assert_goes_on(user, tmp_path, expected)
