"""Addresses with an @, and versions fetched to this machine with every byte proven."""

from datetime import date
from pathlib import Path

import pytest

from loraruner.cli.registry_table import version_lines
from loraruner.errors import InputMissing, IntegrityError, SpecInvalid, VersionConflict
from loraruner.registry import judging, list_versions
from loraruner.registry.address import Place, resolve, split
from loraruner.registry.life import Life, Review
from loraruner.registry.pull import is_expired, pull, warnings_of
from loraruner.settings import Settings
from tests.support import published, registered


@pytest.fixture
def operator(tmp_path: Path) -> Settings:
    return published.settings(tmp_path / "home")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two versions with their files; the first one is approved."""
    for number in (1, 2):
        published.publish_version(tmp_path / "loras", run=f"neon-style-{number}")
    registered.write_review(tmp_path / "loras")
    return tmp_path / "loras"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("s3://loras/neon@3", ("s3://loras/neon", "3")),
        ("loras/neon@released/", ("loras/neon", "released")),
        ("/home/a@b/loras/neon", ("/home/a@b/loras/neon", None)),
        ("hf://org/name@main", ("hf://org/name@main", None)),
        ("neon@", ("neon", "")),
    ],
)
def test_split(address: str, expected: tuple[str, str | None]) -> None:
    """Only an @ in the last part names a version, and none in an address of the Hugging Face Hub."""
    assert split(address) == expected


@pytest.mark.parametrize(
    ("root", "output", "name"),
    [("s3://loras/team/neon", "s3://loras/team", "neon"), ("neon", ".", "neon"), ("s3://neon", None, "neon")],
)
def test_place(root: str, output: str | None, name: str) -> None:
    """The output is the folder around the NAME's, if there is one."""
    assert (Place(root, "1").output, Place(root, "1").name) == (output, name)


def test_what_an_address_means(output: Path, operator: Settings) -> None:
    """A NAME is its latest version, unless a tag or the command says otherwise."""
    judging.promote(f"{output}/neon-style@1", operator, "released", by="grace")
    meant = {"": "2", "@latest": "2", "@1": "1", "@released": "1", "/versions/1": "1"}
    for tag, version in meant.items():
        assert resolve(f"{output}/neon-style{tag}", operator).manifest["version"] == version
    assert resolve(f"{output}/neon-style", operator, default="released").manifest["version"] == "1"
    assert resolve(f"{output}/neon-style/versions/2", operator, default="released").manifest["version"] == "2"


@pytest.mark.parametrize("tag", ["", "a b", "../x", "x" * 200])
def test_a_tag_that_is_none(output: Path, operator: Settings, tag: str) -> None:
    """64 for what no version can be called; a version that is not there is 66."""
    with pytest.raises((SpecInvalid, InputMissing), match=r"is no version|there is no such version|neither"):
        resolve(f"{output}/neon-style@{tag}", operator)


def test_pull_takes_the_release(output: Path, operator: Settings, tmp_path: Path) -> None:
    """The released version with all of its files and its manifest; again it keeps what is there."""
    with pytest.raises(InputMissing, match=r"no version is released; release one \(registry promote\), or .*@2"):
        pull(f"{output}/neon-style", operator, tmp_path / "here")
    judging.promote(f"{output}/neon-style@1", operator, "released", by="grace")
    for _ in range(2):
        told = pull(f"{output}/neon-style", operator, tmp_path / "here")
        assert (told["version"], told["status"], told["files"], told["warnings"]) == ("1", "released", 7, [])
    there = {
        path.relative_to(tmp_path / "here").as_posix() for path in (tmp_path / "here").rglob("*") if path.is_file()
    }
    assert {"manifest.json", "neon-style.safetensors", "samples/sheet.png"} <= there and len(there) == 8


def test_two_versions_are_not_mixed(output: Path, operator: Settings, tmp_path: Path) -> None:
    """A folder with another version is 73, and stays as it is."""
    pull(f"{output}/neon-style@1", operator, tmp_path / "here")
    before = {path: path.read_bytes() for path in (tmp_path / "here").rglob("*") if path.is_file()}
    with pytest.raises(VersionConflict, match="holds another version"):
        pull(f"{output}/neon-style@2", operator, tmp_path / "here")
    assert {path: path.read_bytes() for path in (tmp_path / "here").rglob("*") if path.is_file()} == before


def test_own_files_stay(output: Path, operator: Settings, tmp_path: Path) -> None:
    """A file of one's own with the name of one of the version is 73 and stays; what has another name is no matter."""
    here = tmp_path / "here"
    here.mkdir()
    (here / "notes.txt").write_text("mine")
    pull(f"{output}/neon-style@1", operator, here)
    (tmp_path / "there").mkdir()
    (tmp_path / "there/README.md").write_text("mine")
    with pytest.raises(VersionConflict, match=r"README\.md: is another file; name an empty folder"):
        pull(f"{output}/neon-style@1", operator, tmp_path / "there")
    assert (tmp_path / "there/README.md").read_text() == (here / "notes.txt").read_text() == "mine"
    assert len(list((tmp_path / "there").iterdir())) == 1


def test_a_folder_that_is_none(output: Path, operator: Settings, tmp_path: Path) -> None:
    """64 for a file in the folder's place."""
    (tmp_path / "here").write_text("mine")
    with pytest.raises(SpecInvalid, match="is no folder"):
        pull(f"{output}/neon-style@1", operator, tmp_path / "here")


@pytest.mark.parametrize(("status", "told"), [("archived", "out of use"), ("rejected", "rejects it"), ("approved", "")])
def test_what_is_out_of_use_is_told(status: str, told: str) -> None:
    """Who names an archived or rejected version gets it, with a warning."""
    warnings = warnings_of({"name": "n", "version": "1", "labels": {}}, Life(status))
    assert len(warnings) == bool(told) and told in "".join(warnings)


def test_the_release_of_an_expired_version_is_told(
    output: Path, operator: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """It may be released, and whoever does so is warned; lists show it."""
    registered.write_version(output, "old", labels={"expires": "2020-01-01"})
    registered.write_review(output, name="old")
    judging.promote(f"{output}/old@1", operator, "released", by="grace")
    assert "labels.expires is 2020-01-01" in caplog.text
    (line,) = version_lines(list_versions(f"{output}/old", operator))
    assert line["status"] == "released, expired"


def test_changed_bytes_are_not_pulled(output: Path, operator: Settings, tmp_path: Path) -> None:
    """74, and the changed file does not arrive."""
    path = output / "neon-style/versions/1/neon-style.safetensors"
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with pytest.raises(IntegrityError):
        pull(f"{output}/neon-style@1", operator, tmp_path / "here")
    assert not (tmp_path / "here/neon-style.safetensors").exists()


@pytest.mark.parametrize(
    ("expires", "expected"),
    [("2026-11-21", True), ("2026-11-22", False), ("2027-01-01", False), ("never", False), ("", False)],
)
def test_expiry(expires: str, expected: bool) -> None:
    """The last day still counts; what is no day never expires."""
    assert is_expired(expires, date(2026, 11, 22)) is expected
    manifest = {"name": "neon", "version": "1", "labels": {"expires": expires}}
    assert bool(warnings_of(manifest, None, date(2026, 11, 22))) is expected


def test_a_rejected_release_is_told() -> None:
    """A version that was rejected after its release is still pulled, with a warning."""
    life = Life("released", None, (Review(1, "ada", registered.WHEN, verdict="rejected"),))
    assert "later review rejects it" in warnings_of({"name": "n", "version": "1", "labels": {}}, life)[0]
