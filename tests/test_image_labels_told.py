"""The image as its own process sees it, and what doctor says of it."""

import hashlib
import json
from importlib import metadata, resources
from pathlib import Path

import pytest

from loraruner import __version__, doctor, image, provenance, settings

REVISION = "0" * 40


@pytest.fixture
def inside(tmp_path: Path) -> Path:
    """What an image holds at /opt/loraruner: two locks and the bill of what is installed."""
    (tmp_path / "lock").mkdir()
    (tmp_path / "lock/torch-cpu.lock").write_bytes(b"torch\n")
    (tmp_path / "lock/cpu.lock").write_bytes(b"click\n")
    (tmp_path / "sbom.json").write_text(json.dumps(provenance.bill_of_materials()))
    return tmp_path


def test_labels_are_measured(inside: Path) -> None:
    """Versions come from what is installed, digests from the schema and the lock files, in the order of their names."""
    schema = (resources.files("loraruner.schemas") / "job.schema.json").read_bytes()
    assert image.labels(REVISION, inside) == {
        "org.opencontainers.image.version": __version__,
        "org.opencontainers.image.revision": REVISION,
        "com.loraruner.schema.version": hashlib.sha256(schema).hexdigest()[:12],
        "com.loraruner.torch.version": metadata.version("torch").split("+")[0],
        "com.loraruner.cuda.version": image.cuda_version(),
        "com.loraruner.lock.sha256": hashlib.sha256(b"click\ntorch\n").hexdigest(),
    }


@pytest.mark.parametrize(
    ("folder", "version", "expected"),
    [
        ("nvidia_cuda_runtime-13.0.96.dist-info", "13.0.96", "13.0"),
        ("nvidia_cuda_runtime_cu12-12.8.90.dist-info", "12.8.90", "12.8"),
        ("nvidia_cuda_nvrtc-13.0.88.dist-info", "13.0.88", "none"),
    ],
)
def test_cuda_is_told_by_its_runtime(
    folder: str, version: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wheel of CUDA's runtime says which CUDA came with torch; no other wheel of NVIDIA's does."""
    (tmp_path / folder).mkdir()
    name = folder.partition("-")[0].replace("_", "-")
    (tmp_path / folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    monkeypatch.setattr(metadata, "distributions", lambda: metadata.Distribution.discover(path=[str(tmp_path)]))
    assert image.cuda_version() == expected


def test_no_torch_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """An installation without torch has an empty version of it."""

    def without(package: str) -> str:
        raise metadata.PackageNotFoundError(package)

    monkeypatch.setattr(metadata, "version", without)
    assert image.torch_version() == ""


def test_elsewhere_doctor_says_nothing_of_images(tmp_path: Path) -> None:
    """A folder without locks is no image, and this machine is none: the findings name no label."""
    assert not image.is_image(tmp_path)
    checks = {finding.check for finding in doctor.examine(settings.load({"HOME": str(tmp_path)}), None)}
    assert {check for check in checks if "." in check or check == "sbom"} == set()


def test_doctor_tells_the_labels(inside: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """In an image doctor has one line for each label, by its name, and one for the bill of materials."""
    findings = list(doctor.image_findings(REVISION, inside))
    told = {finding.check: finding.detail for finding in findings}
    bill = told.pop("sbom")
    assert told == image.labels(REVISION, inside)
    assert all(finding.ok for finding in findings) and "lists what is installed" in bill
    monkeypatch.setattr(image, "is_image", lambda: True)
    monkeypatch.setattr(doctor, "image_findings", lambda revision: iter([doctor.Finding("label", True, revision)]))
    here = settings.load({"HOME": str(tmp_path), "LORARUNER_REVISION": REVISION})
    assert doctor.Finding("label", True, REVISION) in doctor.examine(here, None)


def test_a_revision_that_is_not_known(inside: Path) -> None:
    """A build that was told no revision has an empty label, which doctor calls unknown."""
    assert image.labels(None, inside)["org.opencontainers.image.revision"] == ""
    findings = {finding.check: finding for finding in doctor.image_findings(None, inside)}
    assert findings["org.opencontainers.image.revision"].detail == "unknown"


def test_a_changed_image_is_unfit(inside: Path) -> None:
    """A package that was added, or is of another version than the bill says, fails with its name."""
    bill = provenance.bill_of_materials()
    gone = bill["components"].pop(0)
    bill["components"][0]["version"] = "0.0.1"
    (inside / "sbom.json").write_text(json.dumps(bill))
    (finding,) = (each for each in doctor.image_findings(None, inside) if each.check == "sbom")
    assert not finding.ok
    assert f"{gone['name']} {gone['version']}" in finding.detail
    assert f"{bill['components'][0]['name']} 0.0.1" in finding.detail


@pytest.mark.parametrize("content", [None, "{", "[]", '{"components": [{"name": "x"}]}', '{"components": 3}'])
def test_a_bill_that_cannot_be_read(content: str | None, inside: Path) -> None:
    """A bill that is missing, cut off or something else is a failed check and no crash."""
    (inside / "sbom.json").unlink()
    if content is not None:
        (inside / "sbom.json").write_text(content)
    (finding,) = (each for each in doctor.image_findings(None, inside) if each.check == "sbom")
    assert not finding.ok and "cannot be read" in finding.detail


def test_the_temporary_folder_is_made(tmp_path: Path) -> None:
    """What TMPDIR names is there afterwards, also twice; without it, or where nothing can be made, nothing happens."""
    for _ in range(2):
        image.make_temporary_folder(str(tmp_path / "new/tmp"))
    assert (tmp_path / "new/tmp").is_dir()
    (tmp_path / "file").write_text("")
    image.make_temporary_folder(str(tmp_path / "file/tmp"))
    image.make_temporary_folder(None)
    image.make_temporary_folder("")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new"]
