"""What a version was made with."""

import importlib.metadata
import re
from pathlib import Path

import pytest

from loraruner import __version__, provenance
from loraruner.registry import validate_manifest
from loraruner.report.sections import origin
from tests.support.published import document

FILE = {"name": "job.json", "size": 2, "sha256": "0" * 64}


def test_software() -> None:
    """Python, ourselves and the packages that shape a result."""
    found = provenance.software()
    assert found["loraruner"] == __version__
    assert {"torch", "diffusers", "peft", "safetensors"} <= found["packages"].keys()
    assert found["packages"]["torch"] == importlib.metadata.version("torch")


def test_bill_of_materials() -> None:
    """A CycloneDX document with a package address for every installed package, sorted, none twice."""
    found = provenance.bill_of_materials()
    assert (found["bomFormat"], found["specVersion"]) == ("CycloneDX", "1.5")
    addresses = [component["purl"] for component in found["components"]]
    assert len(addresses) == len(set(addresses)) > 20
    assert all(re.fullmatch(r"pkg:pypi/[a-z0-9-]+@\S+", address) for address in addresses)


def test_a_torn_installation_does_no_harm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that an interrupted install left has no name, and is left out."""
    torn = tmp_path / "torn-1.0.dist-info"
    torn.mkdir()
    (torn / "METADATA").write_text("Metadata-Version: 2.1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert all(component["name"] for component in provenance.bill_of_materials()["components"])
    assert provenance.software()["packages"]


def test_the_image_and_its_source() -> None:
    """Named where the operator says which they are, in a manifest of the schema; left out elsewhere."""
    image, revision = f"registry.example.com/loraruner@sha256:{'ab' * 32}", "3f9c2a1b"
    built = provenance.software(image, revision)
    assert (built["image"], built["revision"]) == (image, revision)
    assert not {"image", "revision"} & provenance.software().keys()
    for software in (built, provenance.software()):
        told = {**document(), "files": [FILE], "software": software}
        validate_manifest(told)
        shown = str(origin(told))
        assert (image in shown) == (revision in shown) == ("image" in software)
