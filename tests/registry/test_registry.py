"""Published versions, read back from a local store."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loraruner import registry, spec
from loraruner.errors import DataInvalid, InputMissing, IntegrityError
from loraruner.settings import Settings
from loraruner.spec import to_document
from tests.support import published


@pytest.fixture
def operator(tmp_path: Path) -> Settings:
    return published.settings(tmp_path / "home")


@pytest.fixture
def output(tmp_path: Path) -> Path:
    """Two versions of one adapter, one of another, and an unfinished run."""
    root = tmp_path / "loras"
    published.publish_version(root, run="neon-style-1")
    published.publish_version(root, run="neon-style-2")
    published.publish_version(root, name="other-style")
    unfinished = root / "other-style/versions/2/README.md"
    unfinished.parent.mkdir()
    unfinished.write_text("no manifest yet")
    return root


def manifest_path(output: Path, version: str = "1") -> Path:
    return output / "neon-style/versions" / version / "manifest.json"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_list_of_an_output(output: Path, operator: Settings) -> None:
    """An output address lists all versions of all adapters, and only those that have a manifest."""
    rows = registry.list_versions(str(output), operator)
    assert [(row["name"], row["version"], row["latest"]) for row in rows] == [
        ("neon-style", "1", False),
        ("neon-style", "2", True),
        ("other-style", "1", True),
    ]
    files = [path for path in manifest_path(output).parent.rglob("*") if path.name != "manifest.json"]
    first = rows[0]
    assert first["size_bytes"] == sum(path.stat().st_size for path in files if path.is_file())
    assert (first["evaluation_before"], first["evaluation_after"]) == (0.1894, 0.0973)
    assert first["uri"] == str(manifest_path(output).parent)


def test_list_of_a_name(output: Path, operator: Settings) -> None:
    """A NAME's address lists its versions alone."""
    rows = registry.list_versions(f"{output}/neon-style/", operator)
    assert [(row["version"], row["latest"]) for row in rows] == [("1", False), ("2", True)]


def test_list_of_nothing(tmp_path: Path, operator: Settings) -> None:
    """Where nothing is published the list is empty."""
    assert registry.list_versions(str(tmp_path / "nothing"), operator) == []


def test_damaged_manifest_is_not_listed(output: Path, operator: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged manifest costs its own row and one warning, never the list."""
    manifest_path(output).write_text("{")
    rows = registry.list_versions(str(output), operator)
    assert [(row["name"], row["version"]) for row in rows] == [("neon-style", "2"), ("other-style", "1")]
    assert "versions/1/manifest.json: is no JSON" in caplog.text


def test_show(output: Path, operator: Settings) -> None:
    """A NAME shows its latest version, a version folder that version; both tell whether it is the latest."""
    newest = registry.show_version(f"{output}/neon-style", operator)
    assert (newest["version"], newest["latest"], newest["run_id"]) == ("2", True, "neon-style-2")
    first = registry.show_version(f"file://{output}/neon-style/versions/1/", operator)
    assert (first["version"], first["latest"], first["run_id"]) == ("1", False, "neon-style-1")
    assert first["uri"] == f"file://{output}/neon-style/versions/1"


def test_spec_of_a_version(output: Path, operator: Settings) -> None:
    """The job in a manifest is the job that was run; one that was tampered with is refused."""
    found = registry.find_version(f"{output}/neon-style", operator)
    again = registry.spec_of(found)
    assert isinstance(again, spec.Spec)
    assert to_document(again) == found.manifest["job"]
    found.manifest["job"]["lora"]["rank"] = 0
    with pytest.raises(DataInvalid, match=r"manifest\.json: \$\.job is no valid job: \$\.lora\.rank"):
        registry.spec_of(found)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("neon-style/versions/7", r"versions/7: there is no such version; give one of versions/\{1,2\}"),
        ("", r"holds neither manifest\.json nor latest\.json; adapters in .*: neon-style, other-style"),
        ("absent", r"nothing is published in .*/absent"),
    ],
)
def test_what_is_missing(output: Path, operator: Settings, address: str, told: str) -> None:
    """An address without a version is 66, with what exists in its place."""
    with pytest.raises(InputMissing, match=told):
        registry.find_version(f"{output}/{address}", operator)


def test_latest_that_is_gone(output: Path, operator: Settings) -> None:
    """A pointer to a version that does not exist is 66 and says which do."""
    manifest_path(output, "2").unlink()
    with pytest.raises(InputMissing, match=r"names version 2, which is not there; give one of versions/\{1\}"):
        registry.find_version(f"{output}/neon-style", operator)


@pytest.mark.parametrize("version", ["../../x", 3, None, "", "a/b"])
def test_hostile_pointer(output: Path, operator: Settings, version: object) -> None:
    """A pointer that names no version is refused before it becomes a path."""
    edit(output / "neon-style/latest.json", lambda pointer: pointer.update(version=version))
    with pytest.raises(DataInvalid, match=r"latest\.json: \$\.version is .*, no version"):
        registry.find_version(f"{output}/neon-style", operator)


def first_file(**changes: object) -> Callable[[dict[str, Any]], object]:
    return lambda manifest: manifest["files"][0].update(changes)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (first_file(name="../../latest.json"), "has an empty part or one of"),
        (first_file(name="/etc/passwd"), "has an empty part or one of"),
        (first_file(name="a\\b"), "holds a backslash"),
        (first_file(name="manifest.json"), r"names 'manifest\.json' twice"),
        (first_file(name=5), r"\$\.files\[0\]\.name: 5 is not of type 'string'"),
        (first_file(size=-1), r"\$\.files\[0\]\.size: -1 is less than the minimum"),
        (first_file(sha256="x"), r"\$\.files\[0\]\.sha256: 'x' does not match"),
        (lambda manifest: manifest["files"].append(manifest["files"][0]), r"\$\.files names .* twice"),
        (lambda manifest: manifest.update(files={}), r"\$\.files: \{\} is not of type 'array'"),
        (lambda manifest: manifest.pop("run_id"), "'run_id' is a required property"),
        (lambda manifest: manifest.update(surprise=1), r"'surprise' was unexpected"),
        (lambda manifest: manifest.update(format=2), r"\$\.format is 2, this loraruner reads 1"),
        (
            lambda manifest: manifest.update(published.signed({**manifest, "version": "9"})),
            r"\$\.version is '9' in the folder of version '1'",
        ),
        (lambda manifest: manifest.update(parameters=float("nan")), "NaN is no JSON number"),
    ],
)
def test_hostile_manifest(
    output: Path, operator: Settings, change: Callable[[dict[str, Any]], object], told: str
) -> None:
    """A manifest with a name outside its folder, a wrong type or another version is 65, with its place."""
    edit(manifest_path(output), change)
    with pytest.raises(DataInvalid, match=told) as error:
        registry.find_version(f"{output}/neon-style/versions/1", operator)
    assert str(manifest_path(output)) in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "[" * 100_000, '{"format": '),
        *('{"spec": ' + "[" * 100 + "]" * 100 + "}", '{"name": "\\ud800"}', '{"parameters": 1e999}'),
    ],
)
def test_manifest_that_is_no_object(output: Path, operator: Settings, text: str) -> None:
    """Bytes that are no JSON object are 65."""
    manifest_path(output).write_text(text)
    with pytest.raises(DataInvalid, match=r"manifest\.json: is "):
        registry.find_version(f"{output}/neon-style/versions/1", operator)


def test_verify(output: Path, operator: Settings) -> None:
    """A version as it was published verifies, and leaves nothing behind in the cache."""
    report = registry.verify_version(f"{output}/neon-style", operator)
    assert report["verified"] and report["version"] == "2"
    assert report["files"] == len(json.loads(manifest_path(output, "2").read_text())["files"]) == 7
    assert list(operator.cache.iterdir()) == []


def test_verify_finds_every_damage(output: Path, operator: Settings) -> None:
    """One changed byte, another length, a missing and an extra file are all named, and end with 74."""
    folder = manifest_path(output).parent
    weights = bytearray((folder / "neon-style.safetensors").read_bytes())
    weights[5] ^= 1
    (folder / "neon-style.safetensors").write_bytes(weights)
    (folder / "README.md").write_text("longer or shorter")
    (folder / "samples/sheet.png").unlink()
    (folder / "extra.txt").write_text("not ours")
    with pytest.raises(
        IntegrityError, match=r"4 files .*\(1 missing, 2 different, 1 extra\), first samples/sheet"
    ) as e:
        registry.verify_version(f"{output}/neon-style/versions/1", operator)
    assert isinstance(e.value, registry.VersionDamaged)
    found = {kind: e.value.report[kind] for kind in ("missing", "different", "extra")}
    assert found == {
        "missing": ["samples/sheet.png"],
        "different": ["README.md", "neon-style.safetensors"],
        "extra": ["extra.txt"],
    }


def test_download(output: Path, operator: Settings, tmp_path: Path) -> None:
    """A version that was downloaded verifies where it lies, and has no NAME to be the latest of."""
    registry.download_version(registry.find_version(f"{output}/neon-style", operator), tmp_path / "copy")
    assert registry.verify_version(str(tmp_path / "copy"), operator)["verified"]
    assert registry.show_version(str(tmp_path / "copy"), operator)["latest"] is None


def test_download_of_some_files(output: Path, operator: Settings, tmp_path: Path) -> None:
    """Named files come alone; a name that the version lacks is 66 with those it has."""
    found = registry.find_version(f"{output}/neon-style", operator)
    registry.download_version(found, tmp_path / "copy", ["neon-style.safetensors"])
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["neon-style.safetensors"]
    with pytest.raises(InputMissing, match=r"has no file 'absent'; it has README\.md, neon-style"):
        registry.download_version(found, tmp_path / "copy", ["absent"])


def test_download_repairs(output: Path, operator: Settings, tmp_path: Path) -> None:
    """A second download keeps what is whole and replaces what is not."""
    found, copy = registry.find_version(f"{output}/neon-style", operator), tmp_path / "copy"
    registry.download_version(found, copy)
    kept = (copy / "README.md").stat().st_mtime_ns
    (copy / "neon-style.safetensors").write_text("torn")
    registry.download_version(found, copy)
    assert registry.verify_version(str(copy), operator)["verified"]
    assert (copy / "README.md").stat().st_mtime_ns == kept


@pytest.mark.parametrize("content", [b"too long by far", b"NEON"])
def test_download_of_other_bytes(output: Path, operator: Settings, tmp_path: Path, content: bytes) -> None:
    """Bytes of another size or digest than the manifest's are 74 and never arrive."""
    path = manifest_path(output).parent / "neon-style.safetensors"
    path.write_bytes(content.ljust(path.stat().st_size, b"x") if content == b"NEON" else content)
    found = registry.find_version(f"{output}/neon-style/versions/1", operator)
    with pytest.raises(IntegrityError, match=r"neon-style\.safetensors"):
        registry.download_version(found, tmp_path / "copy")
    assert not (tmp_path / "copy/neon-style.safetensors").exists()
